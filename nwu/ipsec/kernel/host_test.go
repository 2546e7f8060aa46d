// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package kernel

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// crash ends a data plane as the death of its process would: its sockets go, all that it has in the kernel stays.
func crash(t *testing.T, d *DataPlane) {
	t.Helper()
	require.NoError(t, d.link.claim.Close())
	d.link.claim, d.link.made, d.link.drops = nil, nil, nil
	d.mu.Lock()
	for _, c := range d.children {
		for _, g := range c.generations {
			g.in, g.out, g.lingers = nil, nil, nil
		}
		c.policies = nil
		c.out.Store(nil)
	}
	if d.logRules != nil {
		require.NoError(t, d.logRules.close(false))
		d.logRules = nil
	}
	d.mu.Unlock()
	require.NoError(t, d.Close())
}

// The start after a crash removes what was left, and nothing else's; a second process of the same number is refused; two of different numbers live side
// by side.
func TestKernelStartAfterCrash(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	neighbour := kernelEnd(t, n.gw, true, func(o *Options) {
		o.InterfaceID, o.Routes = 77, []netip.Prefix{netip.MustParsePrefix("10.1.0.0/24")}
		for i := range o.Sockets {
			if o.Sockets[i].Kind != ipsec.ESP {
				o.Sockets[i].Local = netip.AddrPortFrom(o.Sockets[i].Local.Addr(), o.Sockets[i].Local.Port()+1)
			}
		}
	})
	n.gw.ip(t, "xfrm state add src 203.0.113.1 dst 203.0.113.2 proto esp spi 0x777 mode tunnel aead rfc4106(gcm(aes)) 0x000102030405060708090a0b0c0d0e0f10111213 128")
	n.gw.ip(t, "xfrm policy add src 203.0.113.1/32 dst 203.0.113.2/32 dir out tmpl src 203.0.113.1 dst 203.0.113.2 proto esp mode tunnel")
	for id := ipsec.ChildID(1); id <= 5; id++ {
		connect(t, gw, ue, id, gcm128, nil)
	}
	connect(t, neighbour, ue, 9, gcm128, func(sa *ipsec.ChildSA) {
		sa.Target.Path.Local = netip.AddrPortFrom(sa.Target.Path.Local.Addr(), testNATTPort+1)
	})
	objects := func(id uint32) (states, policies int) {
		x := gw.DataPlane.(*DataPlane).xfrm
		if gw.DataPlane.(*DataPlane).closed {
			x = neighbour.DataPlane.(*DataPlane).xfrm
		}
		list, err := x.States(func(s *xfrm.State) bool { return s.IfID == id })
		require.NoError(t, err)
		more, err := x.Policies(func(p *xfrm.Policy) bool { return p.IfID == id })
		require.NoError(t, err)
		return len(list), len(more)
	}
	n.gw.do(func() {
		o := testOptions(t, gw.collector)
		_, err := New(o)
		require.ErrorContains(t, err, "in use by a running process")
	})
	pass(t, ue, gw, 1) // it has done no harm
	crash(t, gw.DataPlane.(*DataPlane))
	states, policies := objects(gwID)
	require.Equal(t, 10, states)
	require.Equal(t, 5, policies)
	require.Contains(t, n.gw.ip(t, "link show"), "nwu42")

	again := kernelEnd(t, n.gw, true, nil)
	states, policies = objects(gwID)
	require.Zero(t, states+policies)
	states, policies = objects(77)
	require.Equal(t, 2, states)
	require.Equal(t, 1, policies)
	require.Contains(t, n.gw.ip(t, "xfrm state"), "0x00000777")
	require.Contains(t, n.gw.ip(t, "xfrm policy"), "203.0.113.1/32")
	require.NoError(t, ue.Delete(1, 0))
	connect(t, again, ue, 1, gcm128, nil)
	pass(t, ue, again, 1)
	pass(t, again, ue, 1)
	pass(t, ue, neighbour, 9)
	pass(t, neighbour, ue, 9)

	// Close leaves nothing behind.
	require.NoError(t, again.Close())
	states, policies = objects(gwID)
	require.Zero(t, states+policies)
	require.NotContains(t, n.gw.ip(t, "link show"), "nwu42")
	require.NotContains(t, n.gw.ip(t, "route show"), "10.0.0.0/24")
	require.Contains(t, n.gw.ip(t, "link show"), "nwu77")
	pass(t, ue, neighbour, 9)

	// An interface of that name that is not ours is left alone.
	n.gw.ip(t, "link add nwu42 type dummy")
	n.gw.do(func() {
		_, err := New(testOptions(t, gw.collector))
		require.ErrorContains(t, err, "not ours")
	})
	require.Contains(t, n.gw.ip(t, "link show"), "nwu42")
}

// Whatever the host sends to a peer's inner address without an SA goes nowhere: not before the SA comes, not while it is held, not when it is gone, not
// when the interface is pulled away. A wire to the peer with a default route to it would take it.
func TestKernelSendsNothingInClear(t *testing.T) {
	t.Run("IPv4", func(t *testing.T) {
		sendsNothingInClear(t, "route add default via "+peer4, addr(innerGW), addr(innerUE))
	})
	t.Run("IPv6", func(t *testing.T) {
		sendsNothingInClear(t, "-6 route add default via "+peer6, addr("fd00::1"), addr("fd00::2"))
	})
}

func sendsNothingInClear(t *testing.T, way string, innerGW, innerUE netip.Addr) {
	n := newNetwork(t)
	n.gw.ip(t, way)
	gw, ue := kernelEnd(t, n.gw, true, func(o *Options) {
		o.Shared, o.Addresses = true, []netip.Prefix{netip.PrefixFrom(innerGW, innerGW.BitLen())}
	}), userEnd(t, n.peer, false)
	gw.inner, ue.inner = innerGW, innerUE
	var family int
	var to unix.Sockaddr
	if innerUE.Is4() {
		family, to = unix.AF_INET, &unix.SockaddrInet4{Port: 9, Addr: innerUE.As4()}
	} else {
		family, to = unix.AF_INET6, &unix.SockaddrInet6{Port: 9, Addr: innerUE.As16()}
	}
	wire := sniff(t, n.peer)
	send := func(mark uint32) {
		n.gw.do(func() {
			fd, err := unix.Socket(family, unix.SOCK_DGRAM, 0)
			require.NoError(t, err)
			defer unix.Close(fd) //nolint:errcheck // nothing to lose
			require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)))
			_ = unix.Sendto(fd, []byte("secret"), 0, to)
		})
	}
	d := gw.DataPlane.(*DataPlane)
	send(0)
	connect(t, gw, ue, 1, gcm128, nil)
	mark, err := d.Mark(1)
	require.NoError(t, err)
	send(0) // without the mark it is nobody's
	send(mark)
	eventually(t, "the marked one comes", func() bool { return len(ue.take()) == 1 })
	require.NoError(t, gw.Move(ipsec.Target{Path: path(gw.addresses[0], ue.addresses[0])}, 1))
	send(mark)
	require.NoError(t, gw.Delete(1, 0))
	send(mark)
	send(0)
	n.gw.ip(t, "link set nwu42 down")
	send(0)
	send(mark)
	n.gw.ip(t, "link del nwu42")
	send(0)
	send(mark)
	d.link.made = nil
	// What was sent before this has come, or comes never.
	require.NoError(t, gw.SendIKE(path(gw.addresses[0], ue.addresses[0]), make([]byte, 28)))
	eventually(t, "IKE", func() bool {
		for _, p := range wire.packets() {
			if p[0]>>4 == 4 && p[9] == 17 && binary.BigEndian.Uint32(p[28:]) == 0 {
				return true
			}
		}
		return false
	})
	require.False(t, wire.clear())
	require.Empty(t, ue.take())
}

// The host's own TCP goes through the child SA that it came through, although another one has the same selectors; connections of inner addresses that
// are not the SA's own are not accepted.
func TestKernelCarriesTCP(t *testing.T) {
	n := newNetwork(t)
	with := func(address string) func(*Options) {
		return func(o *Options) {
			o.TCP, o.Addresses = true, []netip.Prefix{netip.MustParsePrefix(address + "/32")}
		}
	}
	gw, ue := kernelEnd(t, n.gw, true, with(innerGW)), kernelEnd(t, n.peer, false, with(innerUE))
	for id := ipsec.ChildID(1); id <= 2; id++ {
		connect(t, gw, ue, id, gcm128, nil)
	}
	listener := listenTCP(t, n.gw, innerGW+":20000")
	for id := ipsec.ChildID(1); id <= 2; id++ {
		client, server := dialTCP(t, n.peer, ue.DataPlane.(*DataPlane), id, innerGW+":20000", listener)
		text := []byte(strings.Repeat("registration accept ", 5000))
		go func() { _, _ = client.Write(text); _ = client.CloseWrite() }()
		got, err := io.ReadAll(server)
		require.NoError(t, err)
		require.Equal(t, len(text), len(got))
		_, err = server.Write([]byte("answer"))
		require.NoError(t, err)
		require.NoError(t, server.Close())
		got, err = io.ReadAll(client)
		require.NoError(t, err)
		require.Equal(t, "answer", string(got))
		require.NoError(t, client.Close())
		for _, e := range []*end{gw, ue} {
			st, err := e.Stats(id)
			require.NoError(t, err)
			require.NotZero(t, st.Generations[0].Outbound.Packets)
			require.NotZero(t, st.Generations[0].Inbound.Packets)
			st, err = e.Stats(3 - id)
			require.NoError(t, err)
			require.Equal(t, id == 2, st.Generations[0].Inbound.Packets > 0, "the other child SA has nothing of it")
		}
	}
	require.Empty(t, gw.take(), "the Sink does not see what the host has")

	// The same inner packets through the SA of another inner address, or of another protocol: dropped by the policies, and by our selectors.
	for id, remote := range map[ipsec.ChildID]ipsec.Selector{7: ipsec.HostSelector(addr("10.0.0.7"), 0), 8: ipsec.HostSelector(addr(innerUE), 47)} {
		connect(t, gw, ue, id, gcm128, func(sa *ipsec.ChildSA) { sa.Remote = []ipsec.Selector{remote} },
			func(sa *ipsec.ChildSA) { sa.Local = []ipsec.Selector{ipsec.HostSelector(addr(innerUE), 0)} })
		h, err := ue.Handle(id)
		require.NoError(t, err)
		syn := packet(addr(innerUE), addr(innerGW), 0, 40)
		syn[9], syn[33] = 6, 2
		binary.BigEndian.PutUint16(syn[22:], 20000)
		syn[32] = 5 << 4
		w := ue.NewWriter()
		for range 3 {
			require.NoError(t, w.Write(h, syn, nil))
		}
		require.NoError(t, w.Flush())
		eventually(t, "dropped", func() bool {
			st, err := gw.Stats(id)
			require.NoError(t, err)
			return st.Generations[0].Drops.Selector == 3
		})
	}
	_ = listener.SetDeadline(time.Now().Add(200 * time.Millisecond))
	_, err := listener.Accept()
	require.Error(t, err)
}

func listenTCP(t *testing.T, n *namespace, address string) *net.TCPListener {
	t.Helper()
	var l net.Listener
	var err error
	n.do(func() { l, err = net.Listen("tcp", address) })
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	return l.(*net.TCPListener)
}

func dialTCP(t *testing.T, n *namespace, d *DataPlane, id ipsec.ChildID, address string, l *net.TCPListener) (client, server *net.TCPConn) {
	t.Helper()
	mark, err := d.Mark(id)
	require.NoError(t, err)
	dialer := net.Dialer{Timeout: patience, Control: func(_, _ string, c syscall.RawConn) error {
		return c.Control(func(fd uintptr) { _ = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_MARK, int(mark)) })
	}}
	var c net.Conn
	n.do(func() { c, err = dialer.DialContext(context.Background(), "tcp", address) })
	require.NoError(t, err)
	s, err := l.Accept()
	require.NoError(t, err)
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// Packets that no writer has counted use up a lifetime all the same: the kernel tells.
func TestKernelCountsLifetimes(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, func(o *Options) { o.Shared, o.Addresses = true, []netip.Prefix{netip.MustParsePrefix(innerGW + "/32")} }), userEnd(t, n.peer, false)
	sa, _ := connect(t, gw, ue, 1, gcm128, func(sa *ipsec.ChildSA) { sa.Lifetime = ipsec.Lifetime{SoftPackets: 3, HardPackets: 6} })
	mark, err := gw.DataPlane.(*DataPlane).Mark(1)
	require.NoError(t, err)
	n.gw.do(func() {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		require.NoError(t, err)
		defer unix.Close(fd) //nolint:errcheck // nothing to lose
		require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_MARK, int(mark)))
		for range 10 {
			_ = unix.Sendto(fd, []byte("x"), 0, &unix.SockaddrInet4{Port: 9, Addr: addr(innerUE).As4()})
		}
	})
	for _, hard := range []bool{false, true} {
		var ev ipsec.Expire
		eventually(t, "expiry", func() (ok bool) { ev, ok = takeEvent[ipsec.Expire](gw.collector); return ok })
		require.Equal(t, ipsec.Expire{ID: 1, SPI: sa.InboundSPI, Hard: hard}, ev)
	}
	eventually(t, "packets", func() bool {
		st, err := ue.Stats(1)
		require.NoError(t, err)
		return st.Generations[0].Inbound.Packets == 6
	})
	h, err := gw.Handle(1)
	require.NoError(t, err)
	require.ErrorIs(t, gw.NewWriter().Write(h, packet(gw.inner, ue.inner, 0, 60), nil), ipsec.ErrExhausted)
	// A rekey cures it.
	atGW, atUE := connect(t, gw, ue, 1, gcm128, nil)
	require.NoError(t, gw.SwitchOutbound(1, atGW.InboundSPI))
	require.NoError(t, ue.SwitchOutbound(1, atUE.InboundSPI))
	ue.take()
	pass(t, gw, ue, 1)
}

// The outer DSCP is that of the SA, whatever the inner one is; without one it is 0.
func TestKernelDSCP(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	connect(t, gw, ue, 1, gcm128, func(sa *ipsec.ChildSA) { sa.DSCP = 46 })
	connect(t, gw, ue, 2, gcm128, nil)
	for id, want := range map[ipsec.ChildID]byte{1: 46, 2: 0} {
		wire := sniff(t, n.peer)
		h, err := gw.Handle(id)
		require.NoError(t, err)
		p := packet(gw.inner, ue.inner, 0, 60)
		p[1] = 10 << 2
		w := gw.NewWriter()
		require.NoError(t, w.Write(h, p, nil))
		require.NoError(t, w.Flush())
		eventually(t, "packet", func() bool { return len(ue.take()) > 0 })
		eventually(t, "packet on the wire", func() bool {
			for _, p := range wire.packets() {
				if p[0]>>4 == 4 && p[9] == 17 {
					require.Equal(t, want, p[1]>>2)
					return true
				}
			}
			return false
		})
	}
}

// With reports once a second, as in production, a changed NAT mapping is told at once and the way back is noticed within seconds.
func TestKernelReportsPaths(t *testing.T) {
	n := newNetwork(t)
	gw, ue := kernelEnd(t, n.gw, true, nil), userEnd(t, n.peer, false)
	sa, _ := connect(t, gw, ue, 1, gcm128, nil)
	pass(t, ue, gw, 1)
	st, err := gw.Stats(1)
	require.NoError(t, err)
	require.NotZero(t, st.LastOnPath)
	d := gw.DataPlane.(*DataPlane)
	d.children[1].lastOnPath.Store(0)
	require.NoError(t, ue.Move(target(ue.addresses[1], gw.addresses[0]), 1))
	for range 5 {
		pass(t, ue, gw, 1)
	}
	var ev ipsec.Rebind
	eventually(t, "rebind", func() (ok bool) { ev, ok = takeEvent[ipsec.Rebind](gw.collector); return ok })
	require.Equal(t, ipsec.Rebind{ID: 1, SPI: sa.InboundSPI, From: path(gw.addresses[0], ue.addresses[1])}, ev)
	st, err = gw.Stats(1)
	require.NoError(t, err)
	require.Zero(t, st.LastOnPath)
	require.NotZero(t, st.LastInbound)
	require.NoError(t, gw.Move(target(gw.addresses[0], ue.addresses[1]), 1))
	eventually(t, "the new path works", func() bool {
		pass(t, ue, gw, 1)
		st, err = gw.Stats(1)
		require.NoError(t, err)
		return !st.LastOnPath.IsZero()
	})
	// Packets to another address of ours show at once that it works; those to the one before do not.
	require.NoError(t, gw.Move(target(gw.addresses[1], ue.addresses[1]), 1))
	pass(t, ue, gw, 1)
	st, err = gw.Stats(1)
	require.NoError(t, err)
	require.Zero(t, st.LastOnPath)
	require.NoError(t, ue.Move(target(ue.addresses[1], gw.addresses[1]), 1))
	eventually(t, "the new path works", func() bool { // a kernel that reports each packet has just reported one from elsewhere
		pass(t, ue, gw, 1)
		st, err = gw.Stats(1)
		require.NoError(t, err)
		require.True(t, !st.LastOnPath.IsZero() || !testenv.KernelAtLeast(t, 5, 10))
		return !st.LastOnPath.IsZero()
	})
}

// Who sets the interface down, or takes it away, ends all traffic: that is told.
func TestKernelTellsThatItsInterfaceIsLost(t *testing.T) {
	n := newNetwork(t)
	gw := kernelEnd(t, n.gw, true, nil)
	d := gw.DataPlane.(*DataPlane)
	name := d.Interface()
	require.NoError(t, d.Working())
	n.gw.ip(t, "link set "+name+" down")
	require.ErrorContains(t, d.Working(), name+" is down")
	n.gw.ip(t, "link set "+name+" up")
	require.NoError(t, d.Working())
	n.gw.ip(t, "link del "+name)
	require.ErrorContains(t, d.Working(), name)
}

// A peer that goes over to another address of ours before it says so loses nothing; what an attacker has recorded is not accepted there.
func TestKernelSpareAddress(t *testing.T) {
	n := newNetwork(t)
	thereGW, thereUE := addr(gw6), addr(peer6)
	if !encap6(t) {
		thereGW, thereUE = addr(gw4b), addr(peer4b)
	}
	gw := kernelEnd(t, n.gw, true, func(o *Options) {
		o.Sockets = []ipsec.Socket{{Kind: ipsec.NATT, Local: at(gw4, testNATTPort)}, {Kind: ipsec.NATT, Local: netip.AddrPortFrom(thereGW, testNATTPort)}}
	})
	ue := userEnd(t, n.peer, false)
	recorder := sniff(t, n.gw)
	connect(t, gw, ue, 1, gcm128, nil)
	for range 3 {
		pass(t, ue, gw, 1)
	}
	eventually(t, "all are recorded", func() bool { return recorder.esp() >= 12 })
	var recorded [][]byte
	for _, p := range recorder.packets() {
		if _, path, ok := outerESP(p); ok && path.NATT {
			recorded = append(recorded, p[28:])
		}
	}
	require.Len(t, recorded, 12)
	attacker, err := n.listen(udpbatch.Options{Local: netip.AddrPortFrom(thereUE, 0)})
	require.NoError(t, err)
	defer attacker.Close() //nolint:errcheck // nothing to lose
	replay := func() {
		for _, p := range recorded {
			require.NoError(t, attacker.WriteTo(&udpbatch.Address{Remote: netip.AddrPortFrom(thereGW, testNATTPort)}, p, nil))
		}
	}
	replay()
	dropped := func() uint64 {
		st, err := gw.Stats(1)
		require.NoError(t, err)
		return st.Generations[0].Drops.Old + st.Generations[0].Drops.Duplicate
	}
	eventually(t, "replays dropped", func() bool { return dropped() == 12 })
	replay()
	eventually(t, "replays dropped by the kernel", func() bool { return dropped() == 24 })
	require.Empty(t, gw.take())
	st, err := gw.Stats(1)
	require.NoError(t, err)
	require.EqualValues(t, 12, st.Generations[0].Inbound.Packets)

	// The peer itself. Nothing was prepared.
	require.NoError(t, ue.Move(target(thereUE, thereGW), 1))
	pass(t, ue, gw, 1)
	require.NoError(t, gw.Move(target(thereGW, thereUE), 1))
	pass(t, ue, gw, 1)
	pass(t, gw, ue, 1)
	eventually(t, "the new path is seen to work", func() bool {
		pass(t, ue, gw, 1)
		st, err := gw.Stats(1)
		require.NoError(t, err)
		return !st.LastOnPath.IsZero()
	})
	replay()
	eventually(t, "replays dropped", func() bool {
		st, err := gw.Stats(1)
		require.NoError(t, err)
		return st.Generations[0].Drops.Old+st.Generations[0].Drops.Duplicate == 36
	})
	// And back, unannounced as well.
	require.NoError(t, ue.Move(target(ue.addresses[0], gw.addresses[0]), 1))
	pass(t, ue, gw, 1)
	require.NoError(t, gw.Move(target(gw.addresses[0], ue.addresses[0]), 1))
	pass(t, ue, gw, 1)
	pass(t, gw, ue, 1)
}
