// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Rekey starts to rekey the SAs of all UEs that are up, as when their lifetimes are over: the child SAs, the IKE SAs, or both. It tells how
// many UEs those are, and does not wait until they are done.
func (nf *N3IWF) Rekey(children, ike bool) int {
	n := 0
	for _, o := range nf.owners {
		part := make(chan int, 1)
		if !o.mail.post(func() { part <- o.rekey(children, ike) }) {
			continue
		}
		select {
		case k := <-part:
			n += k
		case <-o.done:
		}
	}
	return n
}

func (o *owner) rekey(children, ike bool) (n int) {
	for _, u := range o.byRANID {
		if u.state != stateUp || u.gone {
			continue
		}
		n++
		o.guarded(u, func() {
			if children {
				for _, sa := range u.session.Children() {
					u.apply(u.session.RekeyChild(time.Now(), sa.InboundSPI))
				}
			}
			if ike {
				u.apply(u.session.RekeyIKE(time.Now()))
			}
		})
	}
	return n
}

// noteNewPair looks whether the UE uses a pair that it has made by a rekey and that is not sent on yet. Mostly its Delete of the old one says so
// first; where that is lost, this does not wait for its repetition.
func (u *ue) noteNewPair(c *childSA, generations []ipsec.Generation) {
	for _, g := range generations {
		if !g.Current && !g.Deleted && g.Inbound.Packets > 0 && c.current != nil && g.InboundSPI != c.current.InboundSPI {
			u.apply(u.session.ChildTraffic(time.Now(), g.InboundSPI))
		}
	}
}

// expired: an SA is near the end of what it may carry, or has used it up.
func (u *ue) expired(ev ipsec.Expire) {
	c := u.children[ev.ID]
	if c == nil || c.current == nil {
		return
	}
	if ev.Hard {
		u.log.Warn("child SA has used up its volume", slog.Uint64("spi", uint64(ev.SPI)))
	}
	u.apply(u.session.Expire(time.Now(), ev.SPI, ev.Hard))
}

func (u *ue) rekeyFailed(ev ikev2.RekeyFailed) {
	u.nf.counters.RekeysFailed.Add(1)
	what := "IKE SA"
	if ev.Child != nil {
		what = "child SA"
	}
	u.log.Warn("the UE refused a rekey; the old keys stay in use until their hard lifetime", slog.String("what", what), slog.Any("error", ev.Err))
}
