// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"errors"
	"net"
	"net/netip"
	"sync"
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

func (l *loopback) changePort() error { return l.nat.remap() }

func (*loopback) record() (map[string][]string, error) {
	return nil, errors.New("recording needs network namespaces: run as root and without --loopback")
}

func (l *loopback) close() error { return l.nat.close() }

func (*loopback) plan() plan {
	a := netip.MustParseAddr
	return plan{
		description: "loopback addresses (not root: no network namespaces), with a NAT in the demo's own process",
		n3iwf:       [2]netip.Addr{a("127.0.45.1"), a("::1")}, natN3IWF: a("127.0.45.4"),
		first: a("127.0.45.2"), second: a("127.0.45.3"), behindNAT: a("127.0.45.5"), ipv6: a("::1"),
		n3iwfCore: a("127.0.46.1"), core: a("127.0.46.2"), upf: a("127.0.46.2"),
		ike: 15500, natt: 14500, ueIKE: 25500, ueNAT: 24500, n2: "udp",
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
