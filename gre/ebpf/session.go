// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/relay"
)

// Errors of Set: why a session is left to user space.
var (
	ErrIPv6     = errors.New("IPv6 as inner or N3 address")
	ErrRoute    = errors.New("no route to the UPF over Ethernet")
	ErrNoChild  = errors.New("no child SA")
	ErrNotOurs  = errors.New("N3 address is not on a link that is served")
	errIsClosed = errors.New("user plane in the kernel is closed")
)

// longest is the largest PDU whose carrier still fits an IPv4 packet inside ESP.
const longest = 65507 - 128 - carrierLen

const (
	carrierLen = 20 + gre.HeaderLen
	tunnelLen  = 20 + 8 + 16
)

// marking is what Options.Child tells.
type marking struct {
	mark uint32
	dscp uint8
}

// Set implements relay.Offload.
func (u *UserPlane) Set(s relay.Offloaded) error {
	// The data plane is asked before the lock: it calls Restrict under one of its own.
	marks := make([]marking, len(s.Children))
	for i, child := range s.Children {
		var err error
		if marks[i].mark, marks[i].dscp, err = u.opts.Child(child.ID); err != nil {
			return err
		}
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return errIsClosed
	}
	children, value, err := u.translate(&s, marks)
	if err != nil {
		return err
	}
	old := u.sessions[s.TEID]
	r := &record{way: way{s.Local, s.UPF.Addr()}, limits: limits(&s.Config)}
	defer func() { // those that have no session now
		if u.sessions[s.TEID] != r {
			u.useRates(r.limits)
			u.leaveRates(r.limits)
		}
	}()
	common, err := u.bucket(s.Rates.Downlink)
	if err != nil {
		return err
	}
	for i := range value.Bucket {
		value.Bucket[i] = common
	}
	for _, f := range s.Flows {
		rates := f.Rates
		if rates == (relay.Rates{}) {
			rates = s.Rates
		}
		up, err := u.bucket(rates.Uplink)
		if err != nil {
			return err
		}
		if value.Bucket[f.QFI], err = u.bucket(rates.Downlink); err != nil {
			return err
		}
		for _, c := range children {
			c.Bucket[f.QFI] = up
		}
	}
	r.value = value
	if old != nil {
		r.past = old.past
	}
	u.beginFlows(s.TEID, r, old, s.Flows)
	for mark, c := range children {
		r.marks = append(r.marks, mark)
		if u.children[mark] == nil {
			if err := u.zero(u.objects.UplinkCounts, mark); err != nil {
				return err
			}
		}
		if err := u.objects.Children.Put(mark, c); err != nil {
			return fmt.Errorf("child SA: %w", full(err))
		}
		u.children[mark] = c
	}
	if old == nil && !u.adopted[s.TEID] {
		if err := u.zero(u.objects.DownlinkCounts, s.TEID); err != nil {
			return err
		}
	}
	if err := u.objects.Sessions.Put(s.TEID, &value); err != nil {
		return fmt.Errorf("session: %w", full(err))
	}
	delete(u.adopted, s.TEID)
	u.sessions[s.TEID] = r
	u.route(r.way).users++
	u.useRates(r.limits)
	if old != nil {
		u.leaveRates(old.limits)
		u.leaveRoute(old.way)
		for _, mark := range old.marks {
			if !slices.Contains(r.marks, mark) {
				add(&r.past, u.read(u.objects.UplinkCounts, mark))
				if err := u.dropChild(mark); err != nil {
					return err
				}
			}
		}
	}
	u.endFlows(s.TEID, r, old)
	return nil
}

// limits are all of a session, each once.
func limits(c *relay.Config) (list []*relay.Limit) {
	note := func(r relay.Rates) {
		for _, l := range []*relay.Limit{r.Uplink, r.Downlink} {
			if l != nil && !slices.Contains(list, l) {
				list = append(list, l)
			}
		}
	}
	note(c.Rates)
	for _, f := range c.Flows {
		note(f.Rates)
	}
	return list
}

// full names the one reason that an operator can do something about.
func full(err error) error {
	if errors.Is(err, unix.E2BIG) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.ENOMEM) {
		return fmt.Errorf("the map is full: %w", err)
	}
	return err
}

func (u *UserPlane) zero(m *ebpf.Map, key uint32) error {
	n, err := ebpf.PossibleCPU()
	if err != nil {
		return err
	}
	return full(m.Put(key, make([]userplaneCounts, n)))
}

// translate makes the values of the maps.
func (u *UserPlane) translate(s *relay.Offloaded, markings []marking) (map[uint32]*userplaneChild, userplaneSession, error) {
	var value userplaneSession
	upf := s.UPF.Addr().Unmap()
	switch {
	case !upf.Is4() || !s.Local.Is4():
		return nil, value, ErrIPv6
	case len(s.Children) == 0:
		return nil, value, ErrNoChild
	}
	if _, ok := u.local[s.Local]; !ok {
		return nil, value, fmt.Errorf("%w: %s", ErrNotOurs, s.Local)
	}
	r := u.route(way{s.Local, upf})
	if r.link == 0 {
		return nil, value, fmt.Errorf("%w %s", ErrRoute, upf)
	}
	s.UPF = netip.AddrPortFrom(upf, s.UPF.Port())
	marks := map[uint64]uint32{}
	children := map[uint32]*userplaneChild{}
	var flows uint64
	for _, f := range s.Flows {
		flows |= 1 << f.QFI
	}
	for i, child := range s.Children {
		ue, up := child.UE.Unmap(), child.UP.Unmap()
		if !ue.Is4() || !up.Is4() {
			return nil, value, ErrIPv6
		}
		mark, dscp := markings[i].mark, markings[i].dscp
		if dscp == 0 {
			dscp = child.DSCP
		}
		c := &userplaneChild{
			Ue: network4(ue), Up: network4(up), Upf: network4(upf), N3: network4(s.Local), UplinkTeid: networkOrder32(s.UplinkTEID),
			Teid: s.TEID, DownlinkMax: longest, Port: networkOrder16(s.UPF.Port()), Dscp: dscp, Flows: flows,
		}
		r.lead(c)
		if child.MaxPacket > 0 {
			c.DownlinkMax = uint32(max(min(longest, child.MaxPacket-carrierLen), 0))
		}
		if u.restricted[mark] {
			c.Held = 1
		}
		for _, f := range s.Flows {
			c.N3Dscp[f.QFI] = f.DSCP
		}
		marks[uint64(child.ID)], children[mark] = mark, c
	}
	value = userplaneSession{N3: network4(s.Local), Only: noQFI, Type: typeByVersion}
	switch {
	case u.opts.Protocol == gre.ProtocolZero || s.PDUType == gre.PDUUnstructured:
		value.Type = gre.TypeNone
	case s.PDUType == gre.PDUEthernet:
		value.Type = gre.TypeEthernet
	}
	for i := range value.Mark {
		value.Mark[i] = marks[uint64(s.Default)]
	}
	for _, f := range s.Flows {
		if f.Child != 0 {
			value.Mark[f.QFI] = marks[uint64(f.Child)]
		}
		if f.Reflective {
			value.Reflective |= 1 << f.QFI
		}
		if len(s.Flows) == 1 {
			value.Only = f.QFI
		}
	}
	return children, value, nil
}

// Hold implements relay.Offload.
func (u *UserPlane) Hold(teid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if r := u.sessions[teid]; r != nil && !u.closed {
		r.value.Held = 1
		u.logged("hold a session", u.objects.Sessions.Put(teid, &r.value))
	}
}

// Remove implements relay.Offload.
func (u *UserPlane) Remove(teid uint32) {
	u.mu.Lock()
	defer u.mu.Unlock()
	r := u.sessions[teid]
	if u.closed || r == nil {
		return
	}
	delete(u.sessions, teid)
	u.logged("remove a session", remove(u.objects.Sessions, teid))
	u.logged("remove a session", remove(u.objects.DownlinkCounts, teid))
	for _, mark := range r.marks {
		u.logged("remove a child SA", u.dropChild(mark))
	}
	if r.flows.several() {
		for _, qfi := range r.flows.qfis {
			u.takeFlow(teid, qfi, &relay.FlowTraffic{})
		}
	}
	u.leaveRoute(r.way)
	u.leaveRates(r.limits)
}

// Restrict leaves downlink packets of a child SA to user space while its path is unproven: there the octets are counted that such a path may get.
func (u *UserPlane) Restrict(mark uint32, on bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if on {
		u.restricted[mark] = true
	} else {
		delete(u.restricted, mark)
	}
	c := u.children[mark]
	if c == nil || u.closed || c.Held != 0 == on {
		return
	}
	c.Held = 0
	if on {
		c.Held = 1
	}
	u.logged("restrict a child SA", u.objects.Children.Put(mark, c))
}

func (u *UserPlane) logged(what string, err error) {
	if err != nil {
		u.opts.Log.Error("the kernel refused a change of its user plane", "change", what, "error", err)
	}
}
