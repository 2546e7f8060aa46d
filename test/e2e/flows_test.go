// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/udpip"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// arrivals are the PDUs that a UE gets, of all its sessions.
type arrivals struct {
	mu  sync.Mutex
	all map[uint8][][]byte
}

func hear(u *ue.UE) *arrivals {
	a := &arrivals{all: map[uint8][][]byte{}}
	u.OnReceive(func(psi, _ uint8, pdu []byte) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.all[psi] = append(a.all[psi], bytes.Clone(pdu))
	})
	return a
}

func (a *arrivals) has(psi uint8, is func(pdu []byte) bool) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, pdu := range a.all[psi] {
		if is(pdu) {
			return true
		}
	}
	return false
}

// exchange sends a PDU on a flow, again and again, until what comes back pleases.
func (w *world) exchange(a *arrivals, s *ue.Session, qfi uint8, pdu []byte, is func(pdu []byte) bool) {
	w.t.Helper()
	sender := s.NewSender()
	w.until("an answer", func() bool {
		require.NoError(w.t, sender.Write(qfi, pdu))
		require.NoError(w.t, sender.Flush())
		return a.has(s.ID, is)
	})
}

// TestSessionTypes: one UE has PDU sessions of all five types at once, each with three QoS flows in one child SA, and user data goes both ways in each.
func TestSessionTypes(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, policy := range []string{"one", "perFlow"} {
		t.Run(policy, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs = policy }, "pool6: fd45::/48")
			u := w.ue(0)
			w.register(u)
			a := hear(u)
			echo4 := func(s *ue.Session) {
				pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte{s.ID, 4}}, 1)
				w.exchange(a, s, 2, pdu, func(b []byte) bool { p, ok := udpip.Parse(b); return ok && bytes.Equal(p.Payload, []byte{s.ID, 4}) })
			}
			echo6 := func(s *ue.Session) {
				addr, err := s.Address6(w.ctx)
				require.NoError(t, err)
				require.True(t, netip.MustParsePrefix("fd45::/48").Contains(addr))
				to := netip.MustParseAddrPort("[2001:db8::7]:7")
				pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(addr, 4000), Destination: to, Payload: []byte{s.ID, 6}}, 1)
				w.exchange(a, s, 3, pdu, func(b []byte) bool {
					p, ok := udpip.Parse(b)
					return ok && p.Source == to && bytes.Equal(p.Payload, []byte{s.ID, 6})
				})
			}
			s := w.establish(u, ue.SessionRequest{ID: 1, DNN: "internet", Type: nas.SessionIPv4})
			echo4(s)
			s = w.establish(u, ue.SessionRequest{ID: 2, Type: nas.SessionIPv6})
			require.False(t, s.Address().IsValid())
			echo6(s)
			s = w.establish(u, ue.SessionRequest{ID: 15, Type: nas.SessionIPv4v6})
			echo4(s)
			echo6(s)
			s = w.establish(u, ue.SessionRequest{ID: 5, Type: nas.SessionEthernet})
			frame := append(bytes.Repeat([]byte{2, 0, 0, 0, 0, 1}, 2), 0x88, 0xb5, 'e', 't', 'h')
			frame[5] = 9
			back := append(append([]byte{}, frame[6:12]...), frame[:6]...)
			w.exchange(a, s, 1, frame, func(b []byte) bool { return bytes.Equal(b, append(back[:12:12], frame[12:]...)) })
			s = w.establish(u, ue.SessionRequest{ID: 6, Type: nas.SessionUnstructured})
			w.exchange(a, s, 1, []byte{0xff}, func(b []byte) bool { return bytes.Equal(b, []byte{0xff}) })
			w.sameStory(u)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 15) }))
			w.sameStory(u)
			require.Len(t, u.State().Sessions, 4)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
		})
	}
}

// TestFlowChanges: flows of a PDU session come, change and go on the network's initiative. Each time UE, N3IWF and core agree on what every child SA
// carries, and user data goes on all flows.
func TestFlowChanges(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for _, tt := range []struct {
		policy                 string
		marks                  []config.FiveQIDSCP
		first, added, released int // child SAs of the session
	}{
		{policy: "one", first: 1, added: 1, released: 1},
		{policy: "perFlow", first: 3, added: 5, released: 3},
		{policy: "gbrApart", first: 1, added: 2, released: 1},
		{policy: "one", marks: []config.FiveQIDSCP{{FiveQI: 7, DSCP: 34}, {FiveQI: 1, DSCP: 46}}, first: 2, added: 3, released: 2},
	} {
		name := tt.policy
		if tt.marks != nil {
			name += " marked"
		}
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs, c.NWu.UserPlane.DSCP = tt.policy, tt.marks })
			u := w.ue(0)
			w.register(u)
			a := hear(u)
			s := w.session(u)
			children := func() int { return len(u.State().Children) - 1 }
			everyFlow := func(qfis ...uint8) {
				t.Helper()
				require.ElementsMatch(t, qfis, s.QFIs())
				a = hear(u)
				for _, qfi := range qfis {
					pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: []byte{qfi}}, 1)
					w.exchange(a, s, qfi, pdu, func(b []byte) bool { p, ok := udpip.Parse(b); return ok && bytes.Equal(p.Payload, []byte{qfi}) })
				}
			}
			w.sameStory(u)
			require.Equal(t, tt.first, children())
			everyFlow(1, 2, 3)

			voice := core.Flow{QFI: 5, FiveQI: 1, Guaranteed: 1, Maximum: 2}
			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{voice, {QFI: 6, FiveQI: 9}}))
			w.until("two more flows", func() bool { return w.core.State().UEs[0].Sessions[0].QFIs == "1,2,3,5,6" })
			w.sameStory(u)
			require.Equal(t, tt.added, children())
			everyFlow(1, 2, 3, 5, 6)
			for _, c := range u.State().Children {
				if tt.marks != nil && len(c.QFIs) == 1 && c.QFIs[0] == 5 {
					require.EqualValues(t, 46, c.DSCP, "DSCPI of 5G_QOS_INFO")
				}
			}

			// The maximum bit rate of the flow is another one: nothing changes for the UE.
			voice.Maximum = 3
			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{voice}))
			w.logged("n3iwf", "QoS flows changed", "flows=5")
			w.sameStory(u)
			require.Equal(t, tt.added, children())

			// Another 5QI, and with it another DSCP, takes a flow to the child SA that has that.
			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{{QFI: 6, FiveQI: 7}}))
			w.until("the change", func() bool { return w.text.count("QoS flows changed") == 3 })
			w.sameStory(u)
			require.Equal(t, tt.added, children())
			for _, c := range u.State().Children {
				if tt.marks != nil && slices.Contains(c.QFIs, 6) {
					require.Equal(t, []uint8{2, 6}, c.QFIs)
					require.EqualValues(t, 34, c.DSCP)
				}
			}
			everyFlow(1, 2, 3, 5, 6)

			// A rekey keeps what they carry.
			require.NoError(t, w.within(u.RekeyChildren))
			w.sameStory(u)
			everyFlow(1, 2, 3, 5, 6)

			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, nil, 5, 6))
			w.until("the flows are gone", func() bool { return w.core.State().UEs[0].Sessions[0].QFIs == "1,2,3" })
			w.sameStory(u)
			require.Equal(t, tt.released, children())
			everyFlow(1, 2, 3)

			// All flows of the default child SA but no other go: it stays, empty where it must, and carries what comes next.
			require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{{QFI: 9, FiveQI: 8}}, 1))
			w.until("another flow", func() bool { return w.core.State().UEs[0].Sessions[0].QFIs == "2,3,9" })
			w.sameStory(u)
			everyFlow(2, 3, 9)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
			w.sameStory(u)
			require.NoError(t, w.within(u.Deregister))
			w.empty()
		})
	}
}

// TestChildSALimit: a UE has no more child SAs than limits.childSAsPerUE: flows for which there is none share the default one, also those that come later.
func TestChildSALimit(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs, c.Limits.ChildSAsPerUE = "perFlow", 3 })
	u, _ := w.online(0)
	require.Len(t, u.State().Children, 3, "signalling, default and one more, for three flows")
	require.NoError(t, w.core.ChangeFlows(imsi(0), 1, []core.Flow{{QFI: 6, FiveQI: 9}}))
	w.until("one more flow", func() bool { return w.core.State().UEs[0].Sessions[0].QFIs == "1,2,3,6" })
	require.Len(t, u.State().Children, 3)
	w.sameStory(u)
	for _, qfi := range []uint8{1, 2, 3, 6} {
		require.NoError(t, probe.EchoOnFlow(u.Session(1), dn, qfi))
	}
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestRatesOfUEAndFlow: the UE-AMBR holds for all sessions together, and a GBR flow has its own limit.
func TestRatesOfUEAndFlow(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil, "ambr: 4")
	u := w.ue(0)
	w.register(u)
	p := probe.New(u, w.session(u), dn)
	got, err := p.Downlink(w.ctx, 2*time.Second, 1000, 2000) // 16 Mbit/s
	require.NoError(t, err)
	require.InDelta(t, 4, got.Mbps, 1, "UE-AMBR downlink")
	got, err = p.Uplink(w.ctx, 2*time.Second, 1000)
	require.NoError(t, err)
	require.Less(t, got.Mbps, 5.0, "UE-AMBR uplink; the UE can send hundreds of Mbit/s")
	require.Greater(t, got.Mbps, 1.5, "the question what has arrived is under the same limit")
	w.sameStory(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// TestPathMTU: what is too long for the path is fragmented inside its child SA, and arrives whole.
func TestPathMTU(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.PathMTU = 1280 })
	u := w.ue(0)
	w.register(u)
	a := hear(u)
	s := w.session(u)
	payload := bytes.Repeat([]byte("0123456789"), 137)
	pdu := udpip.Append(nil, udpip.Packet{Source: netip.AddrPortFrom(s.Address(), 4000), Destination: netip.AddrPortFrom(dn, 7), Payload: payload}, 1)
	w.exchange(a, s, 1, pdu, func(b []byte) bool { p, ok := udpip.Parse(b); return ok && bytes.Equal(p.Payload, payload) })
	require.NotZero(t, w.nf.Status().N3.Fragmented)
	w.sameStory(u)
}
