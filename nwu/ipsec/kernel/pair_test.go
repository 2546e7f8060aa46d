// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/user"
)

const patience = 20 * time.Second // a limit for failing tests

// collector is a sink that keeps what it gets.
type collector struct {
	mu      sync.Mutex
	packets []ipsec.Inbound
	events  []ipsec.Event
}

func (c *collector) NewReceiver() ipsec.Receiver { return c }
func (c *collector) IKE(ipsec.Path, []byte)      {}
func (c *collector) Event(ev ipsec.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, ev)
}

func (c *collector) Inbound(batch []ipsec.Inbound) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range batch {
		p.Packet = bytes.Clone(p.Packet)
		c.packets = append(c.packets, p)
	}
}

func (c *collector) take() []ipsec.Inbound {
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.packets
	c.packets = nil
	return p
}

func takeEvent[E ipsec.Event](c *collector) (found E, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, ev := range c.events {
		if e, is := ev.(E); is {
			c.events = append(c.events[:i:i], c.events[i+1:]...)
			return e, true
		}
	}
	return found, false
}

func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !cond(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			require.FailNow(t, "did not happen", what)
		}
	}
}

// end is one end of a pair: a data plane of either maker, and what it got.
type end struct {
	ipsec.DataPlane
	*collector
	addresses [2]netip.Addr // outer
	v6        netip.Addr
	inner     netip.Addr
}

const (
	innerGW, innerUE = "10.0.0.1", "10.0.0.2"
	gwID, ueID       = 42, 43
)

// kernelEnd makes a data plane over the kernel in a namespace.
func kernelEnd(t *testing.T, n *namespace, gateway bool, change func(*Options)) *end {
	t.Helper()
	e := newEnd(gateway)
	o := testOptions(t, e.collector)
	o.Workers = 1
	if !gateway {
		o.InterfaceID = ueID
	}
	if change != nil {
		change(&o)
	}
	var d *DataPlane
	var err error
	n.do(func() { d, err = New(o) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	e.DataPlane = d
	return e
}

// userEnd makes one in user space.
func userEnd(t *testing.T, n *namespace, gateway bool) *end {
	t.Helper()
	e := newEnd(gateway)
	o := user.Options{Sink: e.collector, Workers: 1, MaxSAs: 64, Sockets: testOptions(t, nil).Sockets, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	var d *user.DataPlane
	var err error
	n.do(func() { d, err = user.New(o) })
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close()) })
	e.DataPlane = d
	return e
}

func newEnd(gateway bool) *end {
	if gateway {
		return &end{collector: &collector{}, addresses: [2]netip.Addr{addr(gw4), addr(gw4b)}, v6: addr(gw6), inner: addr(innerGW)}
	}
	return &end{collector: &collector{}, addresses: [2]netip.Addr{addr(peer4), addr(peer4b)}, v6: addr(peer6), inner: addr(innerUE)}
}

// path is between two addresses, seen from the first one.
func path(local, remote netip.Addr) ipsec.Path {
	return ipsec.Path{Local: netip.AddrPortFrom(local, testNATTPort), Remote: netip.AddrPortFrom(remote, testNATTPort), NATT: true}
}

func target(local, remote netip.Addr) ipsec.Target {
	return ipsec.Target{Path: path(local, remote), Limit: ipsec.Unlimited}
}

// algorithm is one with the lengths of its keys.
type algorithm struct {
	ipsec.Algorithms
	encr, integ int
}

var gcm128 = algorithm{ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 20, 0}

// connect installs a child SA at both ends. change is for both of them, seen from a; more is for what b has otherwise.
func connect(t *testing.T, a, b *end, id ipsec.ChildID, alg algorithm, change func(sa *ipsec.ChildSA), more ...func(sa *ipsec.ChildSA)) (atA, atB ipsec.ChildSA) {
	t.Helper()
	spi := func(e *end) uint32 {
		v, err := e.NewInboundSPI(-1)
		require.NoError(t, err)
		return v
	}
	keys := func(fill byte) ipsec.Keys {
		return ipsec.Keys{Encr: bytes.Repeat([]byte{fill}, alg.encr), Integ: bytes.Repeat([]byte{fill + 1}, alg.integ)}
	}
	atA = ipsec.ChildSA{
		ID: id, InboundSPI: spi(a), OutboundSPI: spi(b), Algorithms: alg.Algorithms, ESN: true,
		InboundKeys: keys(byte(id)), OutboundKeys: keys(byte(id) + 100), Target: target(a.addresses[0], b.addresses[0]),
		Local: []ipsec.Selector{ipsec.HostSelector(a.inner, 0)}, Remote: []ipsec.Selector{ipsec.HostSelector(b.inner, 0)},
	}
	if change != nil {
		change(&atA)
	}
	atB = atA
	atB.InboundSPI, atB.OutboundSPI = atA.OutboundSPI, atA.InboundSPI
	atB.InboundKeys, atB.OutboundKeys = atA.OutboundKeys, atA.InboundKeys
	atB.Local, atB.Remote = atA.Remote, atA.Local
	atB.Target.Path.Local, atB.Target.Path.Remote = atA.Target.Path.Remote, atA.Target.Path.Local
	for _, f := range more {
		f(&atB)
	}
	require.NoError(t, a.Install(atA))
	require.NoError(t, b.Install(atB))
	return atA, atB
}

// packet is a GRE packet of n octets whose payload begins with a number.
func packet(from, to netip.Addr, number uint32, n int) []byte {
	p := make([]byte, n)
	copy(p, []byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, 47})
	binary.BigEndian.PutUint16(p[2:], uint16(n))
	copy(p[12:], from.AsSlice())
	copy(p[16:], to.AsSlice())
	binary.BigEndian.PutUint32(p[20:], number)
	return p
}

// pass sends packets of several sizes from one end and expects them at the other, through the child SA id of each.
func pass(t *testing.T, from, to *end, id ipsec.ChildID) {
	t.Helper()
	h, err := from.Handle(id)
	require.NoError(t, err)
	w := from.NewWriter()
	for i, n := range []int{24, 60, 577, 1400} {
		p := packet(from.inner, to.inner, uint32(i), n)
		require.NoError(t, w.Write(h, p[:20], p[20:]))
		require.NoError(t, w.Flush())
		var got []ipsec.Inbound
		eventually(t, fmt.Sprintf("packet of %d octets", n), func() bool { got = append(got, to.take()...); return len(got) > 0 })
		require.Len(t, got, 1)
		require.Equal(t, id, got[0].ID)
		require.Equal(t, p, got[0].Packet)
	}
}

// sniffer keeps what comes to a namespace's wire, as whole IP packets.
type sniffer struct {
	fd   int
	done chan struct{}
	mu   sync.Mutex
	got  [][]byte
}

func sniff(t *testing.T, n *namespace) *sniffer {
	t.Helper()
	s := &sniffer{done: make(chan struct{})}
	var err error
	n.do(func() {
		if s.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, int(networkOrder(unix.ETH_P_ALL))); err == nil {
			tv := unix.NsecToTimeval(int64(20 * time.Millisecond))
			err = unix.SetsockoptTimeval(s.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &tv)
		}
	})
	require.NoError(t, err)
	_ = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 64<<20)
	quit := make(chan struct{})
	go func() {
		defer close(s.done)
		b := make([]byte, 1<<16)
		for {
			n, from, err := unix.Recvfrom(s.fd, b, 0)
			if err == nil && from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
				s.mu.Lock()
				s.got = append(s.got, bytes.Clone(b[:n]))
				s.mu.Unlock()
			}
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	t.Cleanup(func() { close(quit); <-s.done; require.NoError(t, unix.Close(s.fd)) })
	return s
}

// packets gives what was kept.
func (s *sniffer) packets() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got
}

// esp counts ESP in UDP.
func (s *sniffer) esp() (n int) {
	for _, p := range s.packets() {
		if _, _, ok := outerESP(p); ok {
			n++
		}
	}
	return n
}

// clear tells whether one of them is not ESP in UDP and has an inner address.
func (s *sniffer) clear() bool {
	for _, p := range s.packets() {
		if len(p) >= 20 && p[0]>>4 == 4 && (bytes.Equal(p[16:19], []byte{10, 0, 0}) || bytes.Equal(p[12:15], []byte{10, 0, 0})) {
			return true
		}
		if inner := netip.MustParsePrefix("fd00::/64"); len(p) >= 40 && p[0]>>4 == 6 &&
			(inner.Contains(netip.AddrFrom16([16]byte(p[8:]))) || inner.Contains(netip.AddrFrom16([16]byte(p[24:])))) {
			return true
		}
	}
	return false
}
