// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/proserelay"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestEmergencyBehindRelay: a remote UE in an emergency is admitted where others are not, while the AMF is overloaded too, has an emergency PDU session, and
// moves as often as it must where others may not.
func TestEmergencyBehindRelay(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const moves = 2
	w := newRelayWorld(t, func(c *config.Config) {
		c.Limits.MaxUEs, c.NWu.MOBIKE.MovesPerMinute = 2, moves
	})
	r := w.relay(0, false, "internet")
	direct := netip.AddrPortFrom(w.addr(hostN3IWF), w.nattPort())
	// swap goes from relay to WLAN and back until that is refused, at most n times.
	swap := func(u *ue.UE, p *probe.Probe, own, pc5 netip.Addr, n int) (done int, err error) {
		for i := range n {
			local, to := own, direct
			if i%2 == 1 {
				local, to = pc5, r.pc5[0]
			}
			if err := w.within(func(ctx context.Context) error { return u.MoveTo(ctx, netip.AddrPortFrom(local, 0), to) }); err != nil {
				return i, err
			}
			_, err := p.Ping(w.ctx, 1)
			require.NoError(t, err)
		}
		return n, nil
	}
	u, p := w.online(0, r.behind)
	done, err := swap(u, p, w.addr(10), w.addr(50), moves+1)
	require.Error(t, err)
	require.Equal(t, moves, done)

	var backoff *ue.BackoffError
	refused := w.ue(1, r.behind)
	require.ErrorAs(t, w.within(refused.Register), &backoff)
	require.NotZero(t, backoff.Wait)

	require.NoError(t, w.core.SendNode(amfName, &ngap.OverloadStart{
		AMFOverloadResponse: &ngap.OverloadResponse{OverloadAction: new(ngap.OverloadActionPermitEmergencySessionsAndMobileTerminatedServicesOnly)},
	}))
	w.logged("n3iwf", "the AMF is overloaded")
	u = w.ue(2, r.behind, func(o *ue.Options) { o.Emergency = true })
	w.register(u)
	s := w.establish(u, ue.SessionRequest{ID: 1, Request: nas.RequestEmergency})
	w.pinged(u, 1)
	p = probe.New(u, s, dn)
	d, ok := w.nf.UE(w.ctx, w.coreUE(2).RANID)
	require.True(t, ok)
	require.True(t, d.Emergency)
	done, err = swap(u, p, w.addr(12), w.addr(51), 5*moves)
	require.NoError(t, err)
	require.Equal(t, 5*moves, done)
	require.Equal(t, 3, w.nf.Status().UEs)
}

// TestRelayQoS: the relay's network gives what the N3IWF marks to a QoS flow of the relay's PDU session by DSCP, in both directions; and the operator is told
// addresses, ports, SPIs and DSCP of each child SA for packet filters. The binding of QFIs and the marking stay over a change of relay, SPIs until a rekey.
func TestRelayQoS(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const marked = 46
	w := newRelayWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.DSCP = []config.FiveQIDSCP{{FiveQI: 7, DSCP: marked}} // QFI 2 of the remote UE
	}, "  - name: relay", "    flows: [{qfi: 1, 5qi: 9}, {qfi: 5, 5qi: 1, dscp: 46, guaranteed: 1, maximum: 10}]")
	first, second := w.relay(0, false, "relay"), w.relay(1, true, "relay")
	u, p := w.online(0, first.behind)
	session := u.Session(1)
	id := w.coreUE(0).RANID
	var before []n3iwf.PacketFilter
	for i, m := range []struct {
		relay *relayNode
		local netip.Addr
		at    int // 0: IPv4, 1: IPv6
	}{{first, netip.Addr{}, 0}, {second, w.addr(50), 0}, {second, netip.IPv6Loopback(), 1}} {
		if m.local.IsValid() {
			require.NoError(t, w.within(func(ctx context.Context) error {
				return u.MoveTo(ctx, netip.AddrPortFrom(m.local, 0), m.relay.pc5[m.at])
			}))
		}
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Probe(ctx) })) // the return routability check is over
		flow, other := m.relay.Flow(5), m.relay.Flow(1)
		const n = 5
		for range n {
			require.NoError(t, probe.EchoOnFlow(session, dn, 2))
		}
		w.until("the marked flow", func() bool {
			return m.relay.Flow(5) == proserelay.Counts{Up: flow.Up + n, Down: flow.Down + n}
		})
		_, err := p.Ping(w.ctx, n)
		require.NoError(t, err)
		require.GreaterOrEqual(t, m.relay.Flow(1).Up, other.Up+n, "what is not marked has the default flow")
		require.Equal(t, proserelay.Counts{Up: flow.Up + n, Down: flow.Down + n}, m.relay.Flow(5))

		var filters []n3iwf.PacketFilter
		for _, f := range w.nf.Filters(w.ctx, n3iwf.UEQuery{Filter: strconv.Itoa(int(id))}) {
			if f.UE != id {
				continue
			}
			require.Equal(t, w.remote(0), f.Remote)
			require.True(t, f.UDPEncapsulated && f.Current)
			require.Equal(t, w.nattPort(), f.N3IWF.Port())
			f.Remote, f.N3IWF = netip.AddrPort{}, netip.AddrPort{}
			filters = append(filters, f)
		}
		if i == 0 {
			before = filters
			require.Len(t, filters, 3, "signalling, marked, not marked")
		}
		require.Equal(t, before, filters, "a move changes nothing but the addresses")
	}
	require.Equal(t, []int{0, -1}, []int{before[0].PDUSession, before[0].DSCP})
	require.Equal(t, [][]int{{1, 3}, {2}}, [][]int{before[1].QFIs, before[2].QFIs})
	require.Equal(t, [][]int{{9, 8}, {7}}, [][]int{before[1].FiveQIs, before[2].FiveQIs})
	require.Equal(t, []int{-1, marked}, []int{before[1].DSCP, before[2].DSCP})
	for i, c := range u.State().Children {
		require.Equal(t, []string{before[i].UplinkSPI, before[i].DownlinkSPI}, []string{hex8(c.Outbound), hex8(c.Inbound)}, "the SPIs are those on the wire")
	}

	// A rekey alone changes them; the operator is told the new ones, for the same flows.
	require.NoError(t, w.within(u.RekeyChildren))
	w.until("filters of the new SPIs", func() bool {
		var current []n3iwf.PacketFilter
		for _, f := range w.nf.Filters(w.ctx, n3iwf.UEQuery{Filter: strconv.Itoa(int(id))}) {
			if f.UE == id && f.Current {
				current = append(current, f)
			}
		}
		children := u.State().Children
		if len(current) != len(before) || len(children) != len(before) {
			return false
		}
		for i, f := range current {
			same := f.PDUSession == before[i].PDUSession && f.DSCP == before[i].DSCP && slices.Equal(f.QFIs, before[i].QFIs)
			if !same || f.UplinkSPI == before[i].UplinkSPI || f.UplinkSPI != hex8(children[i].Outbound) || f.DownlinkSPI != hex8(children[i].Inbound) {
				return false
			}
		}
		return true
	})
}

func hex8(spi uint32) string {
	s := strconv.FormatUint(uint64(spi), 16)
	return "00000000"[len(s):] + s
}

// TestSNPN: a stand-alone non-public network is a matter of policy. A remote UE that selects it by NID comes to the AMF that supports it, also from behind a
// relay, and moves as in any network; a UE that selects the PLMN alone, or another NID, is refused before the core hears of it.
func TestSNPN(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const nid = "0a1b2c3d4e5"
	w := prepareWorld(t, func(c *config.Config) { c.N3IWF.SupportedTAs[0].PLMNs[0].NID = nid })
	w.relayCore("nid: \"" + nid + "\"")
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	for i, other := range []string{"", "0a1b2c3d4e6"} {
		var backoff *ue.BackoffError
		u := w.ue(i, func(o *ue.Options) { o.Subscriber.NID = other })
		require.ErrorAs(t, w.within(u.Register), &backoff, "NID %q", other)
	}
	require.Empty(t, w.core.State().UEs)
	selects := func(o *ue.Options) { o.Subscriber.NID = nid }
	r := w.relay(0, false, "internet", selects)
	u, p := w.online(2, r.behind, selects)
	before := u.State()
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(12), w.addr(hostN3IWF)) }))
	_, err := p.Ping(w.ctx, 3)
	require.NoError(t, err)
	require.Equal(t, before.Children, u.State().Children)
	require.Equal(t, before.Sessions, u.State().Sessions)
}
