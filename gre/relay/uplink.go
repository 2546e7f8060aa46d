// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Uplink takes decrypted packets for one receiving goroutine of the data plane and sends them to the UPFs. It is an
// ipsec.Receiver, for packets of child SAs whose Context is a *Session.
type Uplink struct {
	r       *Relay
	senders []*udpbatch.Sender // one per address family
	// fragments joins carriers that a UE's stack has fragmented. An SA's packets come to one Uplink.
	fragments gre.Reassembler

	current        *Session // whose packet is being handled, for the case that it panics
	packets, bytes uint64   // of the relay in this batch
	clock          int64    // of this batch, 0 before the first packet that needs it
}

// NewUplink makes an Uplink with its own senders. It belongs to one goroutine.
func (r *Relay) NewUplink() *Uplink {
	u := &Uplink{r: r}
	n := r.uplinks.Add(1) - 1
	for _, group := range r.sockets {
		u.senders = append(u.senders, group[int(n)%len(group)].NewSender())
	}
	return u
}

// Inbound forwards a batch, in order, and sends it.
func (u *Uplink) Inbound(batch []ipsec.Inbound) {
	u.clock = 0
	for i := 0; i < len(batch); {
		i = u.run(batch, i)
	}
	for _, s := range u.senders {
		if s.Pending() > 0 {
			_, _ = s.Flush() // refused datagrams are in the socket's counts
		}
	}
	if u.packets > 0 {
		u.r.count.uplink(u.packets, u.bytes)
		u.packets, u.bytes = 0, 0
	}
}

// now is the time of this batch in nanoseconds.
func (u *Uplink) now() int64 {
	if u.clock == 0 {
		u.clock = u.r.options.Now().UnixNano()
	}
	return u.clock
}

// later looks at the clock again: on a busy machine the batch may have begun long ago, and packets of other goroutines be limited by now.
func (u *Uplink) later() int64 {
	u.clock = 0
	return u.now()
}

// run forwards the batch from i on. After a panic it gives the index behind the packet that caused it.
func (u *Uplink) run(batch []ipsec.Inbound, i int) (next int) {
	defer func() {
		if p := recover(); p != nil {
			next = i + 1
			u.r.fault(u.current, p)
		}
	}()
	for ; i < len(batch); i++ {
		u.forward(&batch[i])
	}
	return i
}

func (u *Uplink) forward(in *ipsec.Inbound) {
	s, _ := in.Context.(*Session)
	u.current = s
	if s == nil {
		u.r.count.drops[NoSession].Add(1)
		return
	}
	v := s.view.Load()
	if v == nil {
		s.drop(NoSession)
		return
	}
	packet := in.Packet
	p, err := gre.Decode(packet)
	if err == gre.DropFragment { //nolint:errorlint // the error itself, asked for each packet
		var kept bool
		if packet, kept = u.fragments.Add(uint64(in.ID), packet, u.r.options.Now()); kept {
			return
		}
		if packet == nil {
			s.drop(greReason(gre.DropFragment))
			return
		}
		u.r.reassembled.Add(1)
		p, err = gre.Decode(packet)
	}
	if err != nil {
		s.drop(greReason(err.(gre.Drop))) //nolint:errorlint // Decode returns nothing else, and errors.As would allocate for each hostile packet
		return
	}
	c := v.child(in.ID)
	if c == none {
		s.drop(NoChild)
		return
	}
	n := p.End - p.Offset
	switch qfi := p.Header.QFI; {
	case p.Source != v.children[c].ue:
		s.drop(greReason(gre.DropSource))
		return
	case p.Destination != v.children[c].up:
		s.drop(greReason(gre.DropDestination))
		return
	case v.exists&(1<<qfi) == 0:
		s.drop(UnknownQFI)
		return
	case n == 0:
		s.drop(EmptyPDU)
		return
	}
	if l := v.limits[v.limitOf[p.Header.QFI]].Uplink; l != nil && !l.allow(u.now(), n) && !l.allow(u.later(), n) {
		s.drop(RateLimit)
		return
	}
	out := u.senders[v.family]
	b := out.Reserve(gtpu.GPDUHeaderLen + n)
	if b == nil {
		s.drop(TooLong)
		return
	}
	gtpu.PutUplink(b, v.uplinkTEID, p.Header.QFI, n)
	copy(b[gtpu.GPDUHeaderLen:], packet[p.Offset:p.End])
	to := v.to
	to.TOS = v.tos[p.Header.QFI]
	out.Commit(&to, len(b))
	v.counts.uplink(p.Header.QFI, uint64(n))
	u.packets++
	u.bytes += uint64(n)
}
