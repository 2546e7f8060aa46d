// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"
)

// loopback is the network for those who are not root: addresses of 127.0.0.0/8 and ::1, ports above 1024, and a NAT in this process.
type loopback struct {
	nat *udpNAT
}

func newLoopback() (*loopback, error) {
	p := (&loopback{}).plan()
	nat, err := newUDPNAT(netip.AddrPortFrom(p.natN3IWF, p.natt), netip.AddrPortFrom(p.n3iwf[0], p.natt))
	if err != nil {
		return nil, err
	}
	return &loopback{nat: nat}, nil
}

func (*loopback) wrap(_ string, argv ...string) []string { return argv }

func (l *loopback) changePort() (time.Time, error) { return time.Now(), l.nat.remap() }

func (*loopback) delegated(netip.Prefix) (netip.Addr, error) { return netip.IPv6Loopback(), nil }

func (*loopback) record() (map[string][]string, error) {
	return nil, errors.New("recording needs network namespaces: run as root and without --loopback")
}

func (l *loopback) close() error { return l.nat.close() }

// plan takes addresses and ports of this process' own, so that demos can run side by side.
func (*loopback) plan() plan {
	pid := os.Getpid()
	addr := func(host byte) netip.Addr {
		return netip.AddrFrom4([4]byte{127, 64 + byte(pid>>8)&63, byte(pid), host})
	}
	port := uint16(20000 + pid%3000*4)
	return plan{
		description: "loopback addresses (no network namespaces), with a NAT in the demo's own process",
		n3iwf:       [2]netip.Addr{addr(1), netip.IPv6Loopback()}, natN3IWF: addr(4),
		first: addr(2), second: addr(3), behindNAT: addr(5), ipv6: netip.IPv6Loopback(),
		n3iwfCore: addr(6), core: addr(7), upf: addr(7),
		ike: port, natt: port + 1, ueIKE: port + 2, ueNAT: port + 3, n2: "udp",
		relays: relayPlan{
			n3iwf: addr(1), outer: [2]netip.Addr{addr(22), addr(23)}, pc5: [2]netip.Addr{addr(20), addr(21)}, remote: [2]netip.Addr{addr(30), addr(31)},
			listen6: netip.AddrPortFrom(netip.IPv6Loopback(), port+12000), pool: netip.PrefixFrom(addr(192), 26), nat: "::1",
		},
	}
}

// udpNAT forwards datagrams between one inside host and one outside one; it replaces the inside host's address by one of its own.
type udpNAT struct {
	inside *net.UDPConn
	server *net.UDPAddr

	mu      sync.Mutex
	outside *net.UDPConn
	client  *net.UDPAddr
	closed  bool
	running sync.WaitGroup
}

func newUDPNAT(listen, server netip.AddrPort) (*udpNAT, error) {
	inside, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(listen))
	if err != nil {
		return nil, err
	}
	n := &udpNAT{inside: inside, server: net.UDPAddrFromAddrPort(server)}
	if err := n.remap(); err != nil {
		return nil, errors.Join(err, inside.Close())
	}
	n.running.Go(n.outbound)
	return n, nil
}

// remap takes another port; what still comes to the old one is lost, as behind a real NAT.
func (n *udpNAT) remap() error {
	outside, err := net.DialUDP("udp", nil, n.server)
	if err != nil {
		return err
	}
	n.mu.Lock()
	old := n.outside
	n.outside = outside
	n.mu.Unlock()
	if old != nil {
		err = old.Close()
	}
	n.running.Go(func() { n.inbound(outside) })
	return err
}

func (n *udpNAT) outbound() {
	b := make([]byte, 65536)
	for {
		size, from, err := n.inside.ReadFromUDP(b)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.client = from
		outside := n.outside
		n.mu.Unlock()
		_, _ = outside.Write(b[:size]) // a NAT drops what it cannot send
	}
}

func (n *udpNAT) inbound(outside *net.UDPConn) {
	b := make([]byte, 65536)
	for {
		size, err := outside.Read(b)
		n.mu.Lock()
		client, gone := n.client, n.closed || n.outside != outside
		n.mu.Unlock()
		if gone {
			return
		}
		if err == nil && client != nil {
			_, _ = n.inside.WriteToUDP(b[:size], client)
		}
	}
}

func (n *udpNAT) close() error {
	n.mu.Lock()
	n.closed = true
	err := errors.Join(n.inside.Close(), n.outside.Close())
	n.mu.Unlock()
	n.running.Wait()
	return err
}
