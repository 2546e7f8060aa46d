// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// proxy stands between UEs and the N3IWF and sees each datagram. Every UE address gets an address of its own on the other side, so that the
// N3IWF sees moves as they are.
type proxy struct {
	w       *world
	inside  []*net.UDPConn
	running sync.WaitGroup

	mu    sync.Mutex
	flows map[flowKey]*flow
	taken []datagram // what UEs have sent, while recording
	limit int
	seen  func(f *flow, up bool, data []byte) (lost bool)
}

type flowKey struct {
	client netip.AddrPort
	natt   bool
}

// flow is one UE address and port.
type flow struct {
	client  netip.AddrPort
	natt    bool
	outside *net.UDPConn
}

// datagram is one that a UE has sent.
type datagram struct {
	natt bool
	flow *flow
	data []byte
}

func newProxy(w *world) *proxy {
	p := &proxy{w: w, flows: map[flowKey]*flow{}}
	for _, a := range []netip.Addr{w.addr(hostProxy), netip.IPv6Loopback()} {
		for i := range uint16(2) {
			conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, w.proxyPort()+i)))
			require.NoError(w.t, err)
			_ = conn.SetReadBuffer(4 << 20)
			p.inside = append(p.inside, conn)
			p.running.Go(func() { p.up(conn, i == 1) })
		}
	}
	w.t.Cleanup(p.close)
	return p
}

// through lets a UE reach the N3IWF by the proxy.
func (p *proxy) through(o *ue.Options) {
	o.N3IWF, o.IKEPort, o.NATTPort = p.w.addr(hostProxy), p.w.proxyPort(), p.w.proxyPort()+1
}

// record keeps up to limit datagrams that UEs send from now on; 0 stops.
func (p *proxy) record(limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = limit
}

func (p *proxy) recorded() []datagram {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.taken)
}

// watch sets who sees all datagrams, and may lose them.
func (p *proxy) watch(f func(f *flow, up bool, data []byte) (lost bool)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen = f
}

func (p *proxy) up(inside *net.UDPConn, natt bool) {
	b := make([]byte, 65536)
	for {
		n, from, err := inside.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		f := p.flow(inside, from, natt)
		if f == nil {
			return
		}
		p.mu.Lock()
		if len(p.taken) < p.limit {
			p.taken = append(p.taken, datagram{natt, f, slices.Clone(b[:n])})
		}
		lost := p.seen != nil && p.seen(f, true, b[:n])
		p.mu.Unlock()
		if !lost {
			_, _ = f.outside.Write(b[:n]) // what a network cannot send is lost
		}
	}
}

func (p *proxy) flow(inside *net.UDPConn, client netip.AddrPort, natt bool) *flow {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := flowKey{client, natt}
	if f := p.flows[key]; f != nil {
		return f
	}
	local, server := netip.IPv6Loopback(), netip.IPv6Loopback()
	if client.Addr().Is4() {
		a := client.Addr().As4()
		a[3] += 100
		local, server = netip.AddrFrom4(a), p.w.addr(hostN3IWF)
	}
	port := p.w.ikePort()
	if natt {
		port = p.w.nattPort()
	}
	outside, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(local, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(server, port)))
	if err != nil {
		p.w.t.Error(err)
		return nil
	}
	_ = outside.SetReadBuffer(4 << 20)
	f := &flow{client: client, natt: natt, outside: outside}
	p.flows[key] = f
	p.running.Go(func() { p.down(inside, f) })
	return f
}

func (p *proxy) down(inside *net.UDPConn, f *flow) {
	b := make([]byte, 65536)
	for {
		n, err := f.outside.Read(b)
		if err != nil {
			if isClosed(err) {
				return
			}
			continue // the N3IWF's socket is gone for now
		}
		p.mu.Lock()
		lost := p.seen != nil && p.seen(f, false, b[:n])
		p.mu.Unlock()
		if lost {
			continue
		}
		_, _ = inside.WriteToUDPAddrPort(b[:n], f.client)
	}
}

func (p *proxy) close() {
	for _, c := range p.inside {
		_ = c.Close()
	}
	p.mu.Lock()
	for _, f := range p.flows {
		_ = f.outside.Close()
	}
	p.mu.Unlock()
	p.running.Wait()
}
