// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Session is a PDU session in the relay. Put it into the Context of the session's child SAs. Its methods may be called from
// any goroutine, but calls that change one session must not overlap.
type Session struct {
	relay *Relay
	teid  uint32
	view  atomic.Pointer[view]       // nil once removed
	count counters                   // what flows does not have
	flows atomic.Pointer[flowCounts] // of the latest view
	// reported: the owner has been told that the UPF does not know this tunnel.
	reported  atomic.Bool
	offloaded atomic.Bool
	kept      atomic.Pointer[Traffic] // of the Offload, once the session is removed
}

// none is no child in a view.
const none = 0xff

// view is all that the packet path needs of a session. It is never changed.
type view struct {
	logAttrs   []slog.Attr
	pduType    gre.PDUType
	to         udpbatch.Address // the UPF
	family     int              // index of the relay's sockets
	uplinkTEID uint32
	flow       [gtpu.MaxQFI + 1]uint8 // index into children, or none, of the flows that exist
	exists     uint64                 // bit per QFI
	reflective uint64                 // bit per QFI
	tos        [gtpu.MaxQFI + 1]uint8
	only       uint8 // the QFI when there is exactly one flow, else none
	fallback   uint8 // the default child SA, or none
	children   []childView
	counts     *flowCounts
	limitOf    [gtpu.MaxQFI + 1]uint8 // index into limits
	limits     []Rates                // the first one is the session's
	next       *tunnelEnd             // where the session goes on, when that is not here
	nextFamily int
	held       *held // packets that wait for Redirect
}

// tunnelEnd is a downlink tunnel of another node.
type tunnelEnd struct {
	to   udpbatch.Address
	teid uint32
}

type childView struct {
	id      ipsec.ChildID
	handle  ipsec.Handle
	carrier gre.Carrier
	ue, up  netip.Addr
	longest int // of a packet; 0: no limit
}

// child gives the index of a child SA: sessions have few.
func (v *view) child(id ipsec.ChildID) uint8 {
	for i := range v.children {
		if v.children[i].id == id {
			return uint8(i)
		}
	}
	return none
}

// compile checks a Config and makes what packets need of it.
func (r *Relay) compile(c Config) (*view, error) {
	fail := func(format string, args ...any) (*view, error) {
		return nil, fmt.Errorf("%w %q: %s", ErrInvalid, c.Name, fmt.Sprintf(format, args...))
	}
	port := c.UPF.Port()
	if port == 0 {
		port = gtpu.Port
	}
	upf := c.UPF.Addr().Unmap()
	v := &view{
		logAttrs: c.LogAttrs, pduType: c.PDUType, uplinkTEID: c.UplinkTEID, only: none, fallback: none,
		to: udpbatch.Address{Remote: netip.AddrPortFrom(upf, port)},
	}
	if !upf.IsValid() || upf.IsUnspecified() {
		return fail("UPF address %q", c.UPF)
	}
	if v.family = r.family(upf); v.family < 0 {
		return fail("UPF %s, but there is no N3 address of that family", upf)
	}
	if c.UplinkTEID == 0 {
		return fail("uplink TEID 0")
	}
	if len(c.Children) > 64 {
		return fail("%d child SAs, allowed 64", len(c.Children))
	}
	for _, child := range c.Children {
		if v.child(child.ID) != none {
			return fail("child SA %d twice", child.ID)
		}
		carrier, err := gre.NewCarrier(child.UP, child.UE, child.DSCP)
		if err != nil {
			return fail("child SA %d: %v", child.ID, err)
		}
		dp := r.dataPlane.Load()
		if dp == nil {
			return fail("child SA %d before Start", child.ID)
		}
		handle, err := (*dp).Handle(child.ID)
		if err != nil {
			return nil, fmt.Errorf("%w %q: child SA %d: %w", ErrInvalid, c.Name, child.ID, err)
		}
		if child.MaxPacket != 0 && child.MaxPacket < gre.MinFragment {
			return fail("child SA %d: packets of %d octets, at least %d", child.ID, child.MaxPacket, gre.MinFragment)
		}
		v.children = append(v.children, childView{
			id: child.ID, handle: handle, carrier: carrier, ue: child.UE.Unmap(), up: child.UP.Unmap(), longest: child.MaxPacket,
		})
	}
	if len(c.Children) > 0 {
		if v.fallback = v.child(c.Default); v.fallback == none {
			return fail("default child SA %d is not one of its child SAs", c.Default)
		}
	}
	for i := range v.flow {
		v.flow[i] = none
	}
	v.limits = []Rates{c.Rates}
	for _, f := range c.Flows {
		bit := uint64(1) << f.QFI
		switch {
		case f.QFI > gtpu.MaxQFI || f.DSCP > 63:
			return fail("QFI %d, DSCP %d: allowed 0..63", f.QFI, f.DSCP)
		case v.exists&bit != 0:
			return fail("QFI %d twice", f.QFI)
		}
		v.exists |= bit
		if f.Reflective {
			v.reflective |= bit
		}
		v.tos[f.QFI] = f.DSCP << 2
		if f.Rates != (Rates{}) {
			v.limitOf[f.QFI] = uint8(len(v.limits))
			v.limits = append(v.limits, f.Rates)
		}
		if v.flow[f.QFI] = v.child(f.Child); v.flow[f.QFI] == none && f.Child != 0 {
			return fail("QFI %d: child SA %d is not one of its child SAs", f.QFI, f.Child)
		}
		if len(c.Flows) == 1 {
			v.only = f.QFI
		}
	}
	return v, nil
}

// TEID is the session's downlink TEID, to be told to the UPF.
func (s *Session) TEID() uint32 { return s.teid }

// Local is the N3 address to be told to the UPF, of the UPF's address family.
func (s *Session) Local() netip.Addr {
	if v := s.view.Load(); v != nil {
		return s.relay.advertise[v.family]
	}
	return netip.Addr{}
}

// Redirect sends downlink packets on to another N3 tunnel (port 0: 2152) from now on, that of the node where the session goes on; Remove ends it. Errors: ErrRemoved, ErrInvalid.
func (s *Session) Redirect(to netip.AddrPort, teid uint32) error {
	r := s.relay
	to = netip.AddrPortFrom(to.Addr().Unmap(), cmp.Or(to.Port(), gtpu.Port))
	family := -1
	if to.IsValid() {
		family = r.family(to.Addr())
	}
	if family < 0 || teid == 0 {
		return fmt.Errorf("%w: N3 tunnel %#x at %s", ErrInvalid, teid, to)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	old := s.view.Load()
	if old == nil {
		return fmt.Errorf("%w: TEID %#x", ErrRemoved, s.teid)
	}
	v := *old
	v.next = &tunnelEnd{to: udpbatch.Address{Remote: to}, teid: teid}
	v.nextFamily = family
	s.view.Store(&v)
	if r.offload != nil {
		r.offload.Hold(s.teid)
	}
	if old.held != nil {
		for _, packet := range old.held.close() {
			r.redirected.Add(1)
			r.controls[family].redirect(v.next, packet)
		}
	}
	return nil
}

// heldPackets bounds the downlink packets of a session that wait for Redirect: some milliseconds' worth.
const heldPackets = 512

// held keeps packets.
type held struct {
	mu      sync.Mutex
	packets [][]byte
	closed  bool
}

// add keeps a copy of the packet, unless there are too many, or nobody will come for it.
func (h *held) add(packet []byte) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed || len(h.packets) == heldPackets {
		return false
	}
	h.packets = append(h.packets, bytes.Clone(packet))
	return true
}

func (h *held) close() [][]byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
	packets := h.packets
	h.packets = nil
	return packets
}

// Hold keeps downlink packets from now on, until Redirect sends them on, or Update or Remove drops them. Uplink packets that were decrypted before go
// their way.
func (s *Session) Hold() {
	r := s.relay
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := s.view.Load(); old != nil && old.held == nil {
		v := *old
		v.held = &held{}
		s.view.Store(&v)
		if r.offload != nil {
			r.offload.Hold(s.teid)
		}
	}
}

// Stats gives the session's counts.
func (s *Session) Stats() Traffic {
	t := s.count.read()
	for _, c := range s.flows.Load().all {
		f := c.read()
		t.Add(Traffic{Uplink: f.Uplink, Downlink: f.Downlink})
	}
	t.Add(s.offloadTraffic())
	return t
}

// drop counts a dropped packet for the session and for the relay.
func (s *Session) drop(r Reason) {
	s.count.drops[r].Add(1)
	s.relay.count.drops[r].Add(1)
}
