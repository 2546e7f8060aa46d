// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// A responder cannot move by itself to an address that the NAT of its peer has not seen. So it asks the peer to come
// (the idea of draft-smyslov-ipsecme-ikev2-r-mobike, which has expired and has no assigned numbers): it sends
// SWITCH_TO_IP_ADDRESS with its new address from the old one, the peer answers to the new address, which opens its NAT,
// and moves there with an ordinary UPDATE_SA_ADDRESSES. This is not a standard; so it happens only between peers that
// have shown the same vendor ID, and the numbers can be configured.

// SwitchExtension is what both sides must agree on.
type SwitchExtension struct {
	// VendorID is sent in IKE_SA_INIT; a responder only answers it.
	VendorID []byte
	// Notify is the private status notify type of the request.
	Notify message.NotifyType
	// Capability is the content of MOBIKE_SUPPORTED by which an initiator says that it follows.
	Capability []byte
}

// DefaultSwitch is this project's own choice of numbers.
func DefaultSwitch() *SwitchExtension {
	return &SwitchExtension{VendorID: []byte("open-n3iwf switch-to-ip-address 1"), Notify: 60200, Capability: []byte{1}}
}

// How long the peer may take to answer, and then to move.
const (
	switchAnswerTime = 30 * time.Second
	switchUpdateTime = 10 * time.Second
)

// SwitchOutcome is what became of a SwitchTo.
type SwitchOutcome int

const (
	// Switched: the peer has moved to the new address. The Child SAs follow with ChildrenMoved.
	Switched SwitchOutcome = iota
	// SwitchUnsupported: the peer does not know how, refused, or answered without moving. The owner goes down the
	// ladder: SetAddresses with the new address (the peer moves when the old one stops answering), REDIRECT, Delete.
	SwitchUnsupported
	// SwitchUnanswered: the peer has not answered. The request is still being repeated.
	SwitchUnanswered
)

func (o SwitchOutcome) String() string {
	return [...]string{"switched", "unsupported", "unanswered"}[o]
}

type switchPhase uint8

const (
	switchIdle switchPhase = iota
	switchAsked
	switchWaiting // answered at the new address; the update must follow
)

// switching is the responder's state of a move that it asked for.
type switching struct {
	phase    switchPhase
	to       netip.AddrPort
	former   Path // which the request leaves by as well, when the local address of it has gone; zero: it has not
	again    bool // this is the second request
	deadline time.Time
}

// CanSwitch tells whether the peer knows SWITCH_TO_IP_ADDRESS.
func (s *Session) CanSwitch() bool { return s.canSwitch && s.mobike && s.opt.Switch != nil }

// SwitchTo (original responder) asks the peer to move to another address of ours: to, which must lead to this session
// already. It ends with SwitchDone; another SwitchTo before that takes its place.
func (s *Session) SwitchTo(now time.Time, to netip.AddrPort) Output {
	s.begin(now)
	to = netip.AddrPortFrom(to.Addr().Unmap(), to.Port())
	switch {
	case s.state != stateEstablished || s.origInitiator || !s.CanSwitch() || !to.IsValid():
		s.emit(SwitchDone{To: to, Outcome: SwitchUnsupported})
	case to == s.path.Local:
		s.emit(SwitchDone{To: to, Outcome: Switched})
	default:
		s.switching = switching{phase: switchAsked, to: to, deadline: now.Add(switchAnswerTime)}
		s.enqueueSwitch()
	}
	return s.finish()
}

// switchFrom asks a peer behind a NAT to follow us to the present path from another one, whose local address is not ours
// any more; false: it does not know how, or needs not be asked. The list of addresses must wait for it: it would take the
// place in the window, and a NAT that lets in known addresses only would keep it out.
func (s *Session) switchFrom(former Path) bool {
	if !s.CanSwitch() || !s.nat.PeerBehindNAT {
		return false
	}
	if s.switching.former.Local.IsValid() {
		former = s.switching.former // the NAT has never seen those between
	}
	s.switching = switching{phase: switchAsked, to: s.path.Local, former: former, deadline: s.now.Add(switchAnswerTime)}
	s.enqueueSwitch()
	return true
}

func (s *Session) enqueueSwitch() { s.enqueue(s.switchRequest(s.switching.to), true) }

func (s *Session) switchRequest(to netip.AddrPort) *request {
	return &request{
		kind:     requestSwitch,
		exchange: message.INFORMATIONAL,
		carries:  to,
		build: func(r *request) []message.Payload {
			if s.switching.phase != switchAsked || s.switching.to != to {
				return nil
			}
			r.cookie2 = make([]byte, 16)
			s.random(r.cookie2)
			data := binary.BigEndian.AppendUint16(to.Addr().AsSlice(), to.Port())
			return []message.Payload{notify(s.opt.Switch.Notify, data), notify(message.COOKIE2, r.cookie2)}
		},
		done: func(r *request, in []message.Payload) { s.switchAnswered(r, in, to) },
	}
}

// switchAnswered: only an answer that came to the new address shows that the peer understood. It moves nothing.
func (s *Session) switchAnswered(r *request, in []message.Payload, to netip.AddrPort) {
	if !s.cookie2Matches(r, in) || s.switching.phase != switchAsked || s.switching.to != to {
		return
	}
	if message.ErrorNotify(in) != nil || r.answered.Local != to {
		s.endSwitch(SwitchUnsupported)
		return
	}
	if len(r.paths) == 1 && r.paths[0].Remote == r.answered.Remote {
		s.prove(r.answered) // it receives there: the update needs no other check
	}
	s.switching.phase, s.switching.deadline = switchWaiting, s.now.Add(switchUpdateTime)
}

func (s *Session) endSwitch(o SwitchOutcome) {
	done := s.switching
	s.switching = switching{}
	if done.former.Local.IsValid() {
		s.announce()
	}
	s.emit(SwitchDone{To: done.to, Outcome: o})
}

// switchMoved looks whether the peer's update is the one that we asked for. One to another address is the peer's own
// and changes nothing about our wish: what is outstanding follows it. But where the wish was only that it leaves an
// address that has gone, any other one will do.
func (s *Session) switchMoved(path Path) {
	w := &s.switching
	if w.former.Local.IsValid() && path.Local != w.former.Local {
		w.to = path.Local
	}
	if w.phase != switchIdle && path.Local == w.to {
		s.endSwitch(Switched)
	}
}

func (s *Session) switchDue() {
	w := &s.switching
	switch {
	case w.phase == switchIdle || !due(w.deadline, s.now):
	case w.phase == switchAsked:
		s.endSwitch(SwitchUnanswered)
	case w.again:
		s.endSwitch(SwitchUnsupported)
	default:
		w.phase, w.again, w.deadline = switchAsked, true, s.now.Add(switchAnswerTime)
		s.enqueueSwitch()
	}
}

// switchAsk (original initiator) reads the peer's wish: the path that we are to move to. Lengths that are not known are
// ignored. refused is set when we know better.
func (s *Session) switchAsk(sa *ikeSA, in []message.Payload) (to Path, asked, refused bool) {
	if sa != s.sa || !s.origInitiator || !s.CanSwitch() || s.state != stateEstablished {
		return Path{}, false, false
	}
	n := message.GetNotify(in, s.opt.Switch.Notify)
	if n == nil {
		return Path{}, false, false
	}
	to = s.path
	port := s.path.Remote.Port()
	size := len(n.Data)
	if size == 6 || size == 18 {
		size -= 2
		port = binary.BigEndian.Uint16(n.Data[size:])
	}
	addr, ok := netip.AddrFromSlice(n.Data[:size])
	if !ok {
		return Path{}, false, false
	}
	to.Remote = netip.AddrPortFrom(addr, port)
	for _, l := range s.own {
		if !sameFamily(to) {
			to.Local = netip.AddrPortFrom(l.Unmap(), s.path.Local.Port())
		}
	}
	if !sameFamily(to) || s.acceptPath(to) != nil {
		return Path{}, true, true
	}
	return to, true, false
}

// vendorIDs are the V payloads of our IKE_SA_INIT message.
func (s *Session) vendorIDs() []message.Payload {
	if s.opt.Switch == nil || s.opt.NoMOBIKE || !s.origInitiator && !s.canSwitch {
		return nil
	}
	return []message.Payload{&message.VendorID{Data: s.opt.Switch.VendorID}}
}

// learnVendor looks for the vendor ID in the peer's IKE_SA_INIT message.
func (s *Session) learnVendor(payloads []message.Payload) {
	if s.opt.Switch == nil {
		return
	}
	s.canSwitch = false
	for _, v := range message.All[*message.VendorID](payloads) {
		s.canSwitch = s.canSwitch || bytes.Equal(v.Data, s.opt.Switch.VendorID)
	}
}

// mobikeSupported is our MOBIKE_SUPPORTED notify.
func (s *Session) mobikeSupported() message.Payload {
	if s.origInitiator && s.opt.Switch != nil && s.opt.MOBIKEData == nil {
		return notify(message.MOBIKE_SUPPORTED, s.opt.Switch.Capability)
	}
	return notify(message.MOBIKE_SUPPORTED, s.opt.MOBIKEData)
}
