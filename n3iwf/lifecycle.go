// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"log/slog"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// amfChanged tells the log when the N3IWF becomes able or unable to serve UEs.
func (nf *N3IWF) amfChanged() {
	up := 0
	for _, a := range nf.amfs.get() {
		if a.ng.Load() != nil {
			up++
		}
	}
	nf.log.Info("AMFs", slog.Int("connected", up), slog.Int("configured", len(nf.amfs.get())))
}

// releaseAll asks the AMFs to release all UEs and deletes their IKE SAs, after naming another N3IWF to those that can go there (RFC 5685); it
// waits until all are gone or the release time is over.
func (nf *N3IWF) releaseAll(cause ngap.Cause) {
	nf.stopping.Store(true)
	for _, o := range nf.owners {
		o.mail.post(func() {
			for _, u := range o.byRANID {
				o.guarded(u, func() {
					u.requestRelease(cause)
					if to := nf.redirectTo(); !to.IsZero() && u.state == stateUp && u.session.Redirectable() {
						u.apply(u.session.Redirect(time.Now(), nil, to))
					}
					u.endIKE()
				})
			}
		})
	}
	deadline := time.After(nf.live().Timers.Release)
	for {
		left := 0
		for _, o := range nf.owners {
			count := make(chan int, 1)
			if !o.mail.post(func() { count <- len(o.byRANID) }) {
				return
			}
			select {
			case n := <-count:
				left += n
			case <-deadline:
				return
			}
		}
		if left == 0 {
			return
		}
		select {
		case <-deadline:
			nf.log.Warn("some UEs did not answer; they are dropped", slog.Int("ues", left))
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// after runs something later; it is forgotten when the network function ends before.
func (nf *N3IWF) after(d time.Duration, task func()) {
	time.AfterFunc(d, func() {
		if !nf.ended.Load() {
			task()
		}
	})
}

// linger keeps a closed session for a while, to answer retransmissions of the peer's last request (RFC 7296 2.4).
func (o *owner) linger(session *ikev2.Session) {
	if len(o.lingering) >= lingerLimit {
		return
	}
	spi := session.SPI()
	o.lingering[spi] = session
	time.AfterFunc(lingerTime, func() {
		o.mail.post(func() { delete(o.lingering, spi) })
	})
}

const (
	lingerTime = 30 * time.Second
	// lingerLimit is how many closed sessions one owner keeps: peers that are refused are not half-open any more, so that nothing else bounds
	// how fast strangers can make sessions that end. A retransmission beyond it stays without answer.
	lingerLimit = 4096
)

// sessionBroken gives a PDU session up that cannot work any more and tells the AMF.
func (u *ue) sessionBroken(s *pduSession, why string) {
	u.log.Warn("PDU session is broken: "+why, slog.Int("pdu_session", int(s.id)))
	u.dropSession(s)
	u.dropChildren(s.children...)
	u.notifyReleased(s, ngap.CauseTransportTransportResourceUnavailable.Cause())
}
