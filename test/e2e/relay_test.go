// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// translator is a NAT in front of several UEs: each gets a port of one public address, and rebind gives all of them ports of another one at once.
type translator struct {
	w       *world
	inside  []*net.UDPConn // IKE, NAT traversal
	running sync.WaitGroup

	mu     sync.Mutex
	public netip.Addr
	flows  map[flowKey]*net.UDPConn
}

func newTranslator(w *world, public netip.Addr) *translator {
	n := &translator{w: w, public: public, flows: map[flowKey]*net.UDPConn{}}
	for i := range uint16(2) {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.addr(hostProxy), w.proxyPort()+i)))
		require.NoError(w.t, err)
		n.inside = append(n.inside, conn)
		n.running.Go(func() { n.up(conn, i == 1) })
	}
	w.t.Cleanup(func() {
		for _, c := range n.inside {
			_ = c.Close()
		}
		n.rebind(netip.Addr{})
		n.running.Wait()
	})
	return n
}

// rebind forgets all mappings; the next packets get new ones of that address.
func (n *translator) rebind(public netip.Addr) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.public = public
	for key, c := range n.flows {
		_ = c.Close()
		delete(n.flows, key)
	}
}

func (n *translator) up(inside *net.UDPConn, natt bool) {
	b := make([]byte, 65536)
	for {
		size, from, err := inside.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		if c := n.mapping(inside, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), natt); c != nil {
			_, _ = c.Write(b[:size]) // what a network cannot send is lost
		}
	}
}

func (n *translator) mapping(inside *net.UDPConn, client netip.AddrPort, natt bool) *net.UDPConn {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := flowKey{client, natt}
	if c := n.flows[key]; c != nil || !n.public.IsValid() {
		return c
	}
	port := n.w.ikePort()
	if natt {
		port = n.w.nattPort()
	}
	c, err := net.DialUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.public, 0)), net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.w.addr(hostN3IWF), port)))
	if err != nil {
		n.w.t.Error(err)
		return nil
	}
	n.flows[key] = c
	n.running.Go(func() {
		b := make([]byte, 65536)
		for {
			size, err := c.Read(b)
			if isClosed(err) {
				return
			}
			if err == nil {
				_, _ = inside.WriteToUDPAddrPort(b[:size], client)
			}
		}
	})
	return c
}

// TestRelay is a UE-to-network relay: three UEs behind one NAT, two of which have chosen the same SPIs for what they receive, and all of which get
// another public address at once. Each gets its own traffic only, and the N3IWF follows all of them.
func TestRelay(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.Addresses = []netip.Addr{c.NWu.Addresses[0]} })
	n := newTranslator(w, w.addr(120))
	behind := func(o *ue.Options) {
		o.N3IWF, o.IKEPort, o.NATTPort = w.addr(hostProxy), w.proxyPort(), w.proxyPort()+1
	}
	var ues []*ue.UE
	var probes []*probe.Probe
	for i := range 3 {
		spi := uint32(0x01010101)
		u, p := w.online(i, behind, func(o *ue.Options) {
			if i < 2 {
				o.ChildSPI = func() uint32 { spi += 1 << 24; return spi }
			}
		})
		ues, probes = append(ues, u), append(probes, p)
	}
	inbound := func(u *ue.UE) (list []uint32) {
		for _, c := range u.State().Children {
			list = append(list, c.Inbound)
		}
		return list
	}
	require.Equal(t, inbound(ues[0]), inbound(ues[1]), "two UEs behind one address with the same SPIs")
	for round := range 3 {
		if round > 0 {
			n.rebind(w.addr(120 + round))
			var moving sync.WaitGroup
			for i, u := range ues {
				moving.Go(func() {
					err := w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10+i), w.addr(hostProxy)) })
					if err != nil {
						t.Error(err)
					}
				})
			}
			moving.Wait()
		}
		for i, u := range ues {
			count := func() uint64 {
				n := uint64(0)
				for _, c := range u.State().Children {
					n += u.Received(c.ID)
				}
				return n
			}
			others := slices.DeleteFunc(slices.Clone(ues), func(o *ue.UE) bool { return o == u })
			before := []uint64{others[0].Received(2), others[1].Received(2)}
			start := count()
			_, err := probes[i].Ping(w.ctx, 5)
			require.NoError(t, err, "round %d, UE %d", round, i)
			require.GreaterOrEqual(t, count()-start, uint64(5))
			require.Equal(t, before, []uint64{others[0].Received(2), others[1].Received(2)}, "nothing for the others")
		}
		for _, s := range w.core.State().UEs {
			require.NotEmpty(t, s.Location)
		}
	}
	require.Equal(t, 3, w.nf.Status().UEs)
	require.Zero(t, w.nf.Status().ESP.Drops.Auth)
}

// TestWithoutMOBIKE: a UE without MOBIKE that has another address connects anew. Of its old context nothing is left.
func TestWithoutMOBIKE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	u, _ := w.online(0, func(o *ue.Options) { o.NoMOBIKE = true })
	old := w.core.State().UEs[0]
	require.NoError(t, u.Close()) // out of coverage without a word
	again, p := w.online(0, func(o *ue.Options) { o.NoMOBIKE, o.Local = true, w.addr(30) })
	w.until("one set of SAs and one context", func() bool {
		s, c := w.nf.Status(), w.core.State()
		return s.UEs == 1 && s.ChildSAs == 2 && s.PDUSessions == 1 && s.InnerAddresses == 1 && s.N3.Sessions == 1 &&
			len(c.UEs) == 1 && len(c.UEs[0].Sessions) == 1 && c.UEs[0].AMFID != old.AMFID && w.core.UPF().Stats().Sessions == 1
	})
	_, err := p.Ping(w.ctx, 3)
	require.NoError(t, err)
	require.NoError(t, w.within(again.Deregister))
	w.empty()
}

// TestMovesAreQuietAtTheCore: on moves the core hears of no authentication and no set-up; it learns the new location with the next message of the UE.
// The QFI marking of both directions stays as it was.
func TestMovesAreQuietAtTheCore(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs = "perFlow" })
	w.cfg.N2.AMFs[0].Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	var mu sync.Mutex
	down := 0
	newNGRelay(w, w.addr(hostCore), func(_ uint16, pdu []byte, send func([]byte)) {
		mu.Lock()
		down++
		mu.Unlock()
		send(pdu)
	})
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	u := w.ue(0)
	w.register(u)
	s := w.session(u)
	marking := func() (qfis []uint8) {
		for _, c := range u.State().Children {
			for _, q := range c.QFIs {
				before := u.Received(c.ID)
				require.NoError(t, probe.EchoOnFlow(s, dn, q))
				w.until("the answer on the flow of the question", func() bool { return u.Received(c.ID) == before+1 })
				qfis = append(qfis, q)
			}
		}
		return qfis
	}
	before := marking()
	require.Len(t, before, 3)
	mu.Lock()
	said := down
	mu.Unlock()
	for i := range 6 {
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30+i%2), w.addr(hostN3IWF)) }))
		require.Equal(t, before, marking())
	}
	mu.Lock()
	require.Equal(t, said, down, "the core has said nothing")
	mu.Unlock()
	require.NoError(t, w.within(func(ctx context.Context) error {
		_, err := u.EstablishSession(ctx, 2, "internet", &nas.SNSSAI{SST: 1})
		return err
	}))
	w.until("the location at the core", func() bool {
		return w.core.State().UEs[0].Location == netip.AddrPortFrom(w.addr(31), w.uePort()+1).String()
	})
	require.Len(t, w.core.State().UEs, 1)
}
