// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/proserelay"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// Places of the relays' world beside those of every world.
const (
	hostPC5   = 60 // and on: where remote UEs find the N3IWF at each relay
	firstPool = 192
	relayUE   = 30 // and on: the number of a relay as UE
)

// relayPool are the PDU sessions' addresses in a world of relays. They are local ones, so that the data network sends from them to the N3IWF.
func (w *world) relayPool() netip.Prefix { return netip.PrefixFrom(w.addr(firstPool), 26) }

// newRelayWorld is a world whose data network reaches the N3IWF: over IPv4 with the address of the PDU session, over IPv6, where a machine has only one
// address of its own without asking, behind a NAT.
func newRelayWorld(t *testing.T, change func(*config.Config), dnn ...string) *world {
	w := prepareWorld(t, change)
	w.relayCore(dnn...)
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	return w
}

// relayCore changes the core's file before it starts.
func (w *world) relayCore(dnn ...string) {
	text, err := os.ReadFile(w.coreFile)
	require.NoError(w.t, err)
	n6 := fmt.Sprintf("pool6: fd45:100::/48\nn6: {hosts: [\"%s/32\", \"::1/128\"], nat: [\"::1\"]}\n", w.addr(hostN3IWF))
	changed := strings.Replace(string(text), "pool: 10.45.0.0/24", n6+"pool: "+w.relayPool().String(), 1)
	changed = strings.Replace(changed, "\nsubscribers:", "\n"+strings.Join(dnn, "\n")+"\nsubscribers:", 1)
	require.NotEqual(w.t, string(text), changed)
	require.NoError(w.t, os.WriteFile(w.coreFile, []byte(changed), 0o600))
}

// relayNode is a relay UE with its PDU session.
type relayNode struct {
	*proserelay.Relay
	ue      *ue.UE
	session *ue.Session
	pc5     [2]netip.AddrPort // of the N3IWF's NAT traversal port, IPv4 and IPv6
}

// relay starts the relay number i. Only one of a world can serve IPv6, as there is one address for it.
func (w *world) relay(i int, ipv6 bool, dnn string, change ...func(*ue.Options)) *relayNode {
	w.t.Helper()
	r := &relayNode{ue: w.ue(relayUE+i, append(change, func(o *ue.Options) { o.SessionType = nas.SessionIPv4v6 })...)}
	w.register(r.ue)
	require.NoError(w.t, w.within(func(ctx context.Context) (err error) {
		r.session, err = r.ue.EstablishSession(ctx, 1, dnn, &nas.SNSSAI{SST: 1})
		return err
	}))
	require.True(w.t, w.relayPool().Contains(r.session.Address()))
	link := func(listen netip.Addr, port uint16, n3iwf netip.Addr, to uint16) proserelay.Link {
		return proserelay.Link{Listen: netip.AddrPortFrom(listen, port), N3IWF: netip.AddrPortFrom(n3iwf, to)}
	}
	pc5, n3iwf := w.addr(hostPC5+i), w.addr(hostN3IWF)
	o := proserelay.Options{UE: r.ue, Session: r.session, Logger: w.log.With("who", fmt.Sprintf("relay %d", i)), Links: []proserelay.Link{
		link(pc5, w.ikePort(), n3iwf, w.ikePort()), link(pc5, w.nattPort(), n3iwf, w.nattPort()),
	}}
	r.pc5[0] = o.Links[1].Listen
	if ipv6 {
		six := netip.IPv6Loopback()
		o.Links = append(o.Links, link(six, w.proxyPort(), six, w.ikePort()), link(six, w.proxyPort()+1, six, w.nattPort()))
		r.pc5[1] = o.Links[3].Listen
	}
	require.NoError(w.t, w.within(func(ctx context.Context) (err error) {
		r.Relay, err = proserelay.Start(ctx, o)
		return err
	}))
	w.t.Cleanup(func() { require.NoError(w.t, r.Close()) })
	return r
}

// behind lets a UE begin at that relay.
func (r *relayNode) behind(o *ue.Options) { o.N3IWF = r.pc5[0].Addr() }

// coreUE is what the core says of a UE.
func (w *world) coreUE(i int) core.UEState {
	for _, u := range w.core.State().UEs {
		if u.IMSI == imsi(i) {
			return u
		}
	}
	return core.UEState{}
}

// remote is where the N3IWF sees a UE.
func (w *world) remote(i int) netip.AddrPort {
	d, ok := w.nf.UE(w.ctx, w.coreUE(i).RANID)
	require.True(w.t, ok)
	return d.Remote
}

// deregisterAll ends what every UE has, the relays' at last.
func (w *world) deregisterAll() {
	w.t.Helper()
	for i := len(w.ues) - 1; i >= 0; i-- {
		require.NoError(w.t, w.within(w.ues[i].Deregister))
	}
	w.empty()
}

// TestProSeRelay is a remote UE that registers through a relay UE's PDU session and changes from relay to relay, to its own WLAN and back, and between
// IPv4 behind a relay's NAT and IPv6 with an address of a relay's prefix: nothing is lost, and everything but the path stays.
func TestProSeRelay(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, policy := range []string{"before", "after"} {
		t.Run(policy, func(t *testing.T) { testProSeRelay(t, policy) })
	}
}

func testProSeRelay(t *testing.T, policy string) {
	w := newRelayWorld(t, func(c *config.Config) {
		c.NWu.MOBIKE.ReturnRoutability, c.NWu.MOBIKE.ProvenFor = policy, 0
	})
	first, second := w.relay(0, false, "internet"), w.relay(1, true, "internet")
	u, pr := w.online(0, first.behind)
	require.Equal(t, first.session.Address(), w.remote(0).Addr(), "the N3IWF sees the relay's PDU session")
	finish := w.traffic(pr, 300)
	before, tunnel := u.State(), w.coreUE(0)
	direct, six := netip.AddrPortFrom(w.addr(hostN3IWF), w.nattPort()), netip.IPv6Loopback()
	for i, m := range []struct {
		name      string
		local     netip.Addr
		n3iwf     netip.AddrPort
		seen      netip.Addr
		forwarder *relayNode
	}{
		{"relay to relay", w.addr(50), second.pc5[0], second.session.Address(), second},
		{"relay to WLAN", w.addr(10), direct, w.addr(10), nil},
		{"WLAN to relay", w.addr(51), first.pc5[0], first.session.Address(), first},
		{"IPv4 NAT to IPv6 prefix", six, second.pc5[1], six, second},
		{"IPv6 prefix to WLAN", w.addr(10), direct, w.addr(10), nil},
		{"WLAN to IPv6 prefix", six, second.pc5[1], six, second},
		{"IPv6 prefix to IPv4 NAT", w.addr(51), first.pc5[0], first.session.Address(), first},
	} {
		var up, down uint64
		if m.forwarder != nil {
			up, down = m.forwarder.Forwarded()
		}
		require.NoError(t, w.within(func(ctx context.Context) error { return u.MoveTo(ctx, netip.AddrPortFrom(m.local, 0), m.n3iwf) }), m.name)
		require.NoError(t, w.within(func(ctx context.Context) error { _, err := u.Arrived(ctx); return err }), m.name)
		w.answered(pr, 50)
		require.Equal(t, m.seen, w.remote(0).Addr(), m.name)
		w.until("return routability check of "+m.name, func() bool { return u.RoutabilityChecks() == uint64(i+1) })
		if m.forwarder != nil {
			nowUp, nowDown := m.forwarder.Forwarded()
			require.GreaterOrEqual(t, nowUp-up, uint64(50), m.name)
			require.GreaterOrEqual(t, nowDown-down, uint64(50), m.name)
		}
	}
	for _, m := range second.Mappings() {
		if m.N3IWF.Addr().Is6() {
			require.True(t, netip.MustParsePrefix("fd45:100::/48").Contains(m.Outside.Addr()), "%+v", m)
			require.Equal(t, m.Remote.Port(), m.Outside.Port(), "no port is translated by the relay over IPv6")
		}
	}
	after := u.State()
	require.Equal(t, before.IKE, after.IKE)
	require.Equal(t, before.Inner, after.Inner)
	require.Equal(t, before.Children, after.Children, "SPIs and keys")
	require.Equal(t, before.Sessions, after.Sessions)
	require.Equal(t, tunnel.Sessions, w.coreUE(0).Sessions, "TEIDs")
	require.Equal(t, tunnel.RANID, w.coreUE(0).RANID)
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	require.Greater(t, sent, 7*50)

	// The AMF learns the location with the UE's next message, and with it nothing of the relay but its address.
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	w.until("the location", func() bool { return strings.Contains(w.coreUE(0).Location, first.session.Address().String()) })
	w.deregisterAll()
}

// TestRemoteUEsBehindOneRelay: several remote UEs share one address and differ in the port. A half-open IKE SA of one of them counts against all, unless the
// relays' network is exempt; the cookies that come before are no obstacle.
func TestRemoteUEsBehindOneRelay(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, exempt := range []bool{true, false} {
		t.Run(fmt.Sprintf("exempt %t", exempt), func(t *testing.T) {
			w := prepareWorld(t, nil)
			w.cfg.DataPlane.Workers = 1 // each has its share of the limits
			h := &w.cfg.NWu.IKE.HalfOpen
			h.CookieThresholdPerAddress, h.LimitPerAddress = 1, 2
			if exempt {
				h.ExemptPrefixes = []netip.Prefix{w.relayPool()}
			}
			w.relayCore()
			w.startCore()
			w.startN3IWF()
			w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
			r := w.relay(0, false, "internet")
			ctx, cancel := context.WithCancel(w.ctx)
			defer cancel()
			silent := func(o *ue.Options) {
				o.TamperEAP = func(packet []byte) []byte { <-ctx.Done(); return packet }
			}
			for i := range 2 {
				u := w.ue(i, r.behind, silent)
				go func() { _ = u.Register(ctx) }()
				w.until("a half-open IKE SA", func() bool { return w.nf.Status().HalfOpen == i+1 })
			}
			if !exempt {
				u := w.ue(2, r.behind)
				few, cancel := context.WithTimeout(w.ctx, 2*time.Second) // three attempts
				defer cancel()
				require.ErrorIs(t, u.Register(few), context.DeadlineExceeded)
				require.Equal(t, 2, w.nf.Status().HalfOpen)
				_, _ = w.online(3) // another address is another matter
				return
			}
			const remotes = 5
			seen := map[netip.AddrPort]bool{}
			for i := range remotes {
				_, p := w.online(2+i, r.behind)
				at := w.remote(2 + i)
				require.Equal(t, r.session.Address(), at.Addr())
				seen[at] = true
				_, err := p.Ping(w.ctx, 3)
				require.NoError(t, err)
			}
			require.Len(t, seen, remotes, "each has a port of its own")
		})
	}
}
