// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// Last octets of the second node.
const (
	hostOtherNWu = 6 + iota
	hostOtherN3
)

// otherNode is the second node of a cluster.
type otherNode struct {
	cfg     *config.Config
	nf      *n3iwf.N3IWF
	stop    context.CancelFunc
	stopped chan error
}

// newCluster starts a core and two nodes of one N3IWF; the world's own is A.
func newCluster(t *testing.T, change func(*config.Config), changeB ...func(*config.Config)) (*world, *otherNode) {
	t.Helper()
	w := prepareWorld(t, nil)
	return w, w.startCluster(change, changeB...)
}

// startCluster starts what newCluster does, in a world that is prepared.
func (w *world) startCluster(change func(*config.Config), changeB ...func(*config.Config)) *otherNode {
	w.t.Helper()
	key := config.Secret(strings.Repeat("07", 32))
	a := w.cfg
	a.NWu.Addresses = []netip.Addr{w.addr(hostN3IWF)}
	a.NWu.MOBIKE.AdditionalAddresses = a.NWu.Addresses
	a.Cluster = config.Default().Cluster
	a.Cluster.Grace = time.Second
	a.Cluster.Enabled, a.Cluster.Key, a.Cluster.Address, a.Cluster.Port = true, key, w.addr(hostN3IWF), w.ikePort()+3
	a.Cluster.Peers = []config.ClusterPeer{{Node: 1, Address: w.addr(hostOtherNWu), Port: w.ikePort() + 3}}
	if change != nil {
		change(a)
	}
	b := *a
	b.NWu.Addresses = []netip.Addr{w.addr(hostOtherNWu)}
	b.NWu.MOBIKE.AdditionalAddresses = b.NWu.Addresses
	b.N2.LocalAddresses = []netip.Addr{w.addr(hostOtherN3)}
	b.N3.Addresses = b.N2.LocalAddresses
	b.Cluster.Node, b.Cluster.Address = 1, w.addr(hostOtherNWu)
	b.Cluster.Peers = []config.ClusterPeer{{Node: 0, Address: w.addr(hostN3IWF), Port: w.ikePort() + 3}}
	for _, f := range changeB {
		f(&b)
	}
	if w.core == nil {
		w.startCore()
	}
	w.startN3IWF()
	w.until("NG Setup of A", func() bool { return w.nf.Status().AMFs == 1 })
	o := &otherNode{cfg: &b}
	o.start(w)
	w.until("the cluster link", func() bool { return slices.Contains(w.nf.Status().Nodes, 1) && slices.Contains(o.nf.Status().Nodes, 0) })
	w.until("the second association", func() bool { return o.nf.Status().AMFs == 1 })
	return o
}

func (o *otherNode) start(w *world) {
	w.t.Helper()
	nf, err := n3iwf.New(o.cfg, w.log.With("who", "n3iwf-b"))
	require.NoError(w.t, err)
	ctx, stop := context.WithCancel(context.Background())
	o.nf, o.stop, o.stopped = nf, stop, make(chan error, 1)
	go func() { o.stopped <- nf.Serve(ctx) }()
	w.t.Cleanup(func() {
		stop()
		select {
		case err := <-o.stopped:
			require.NoError(w.t, err)
			require.Zero(w.t, nf.Counters().Panics.Load(), "panics in the other node")
		case <-time.After(deadline):
			w.t.Error("the other node does not stop")
		}
	})
}

// TestHandover: a UE that moves to an address of another node is served there with all it has: SPIs, keys, inner addresses, PDU session and NGAP
// identities stay, and of the pings none is lost.
func TestHandover(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w, b := newCluster(t, nil)
	u, pr := w.online(0)
	before := u.State()
	ran := w.core.State().UEs[0]
	finish := w.traffic(pr, 400)
	w.answered(pr, 20)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostOtherNWu)) }))
	w.until("the UE at B", func() bool { return b.nf.Status().UEs == 1 && w.nf.Status().UEs == 0 })
	w.until("the tunnel at B", func() bool {
		s := w.core.State().UEs[0].Sessions[0]
		return s.N3IWF == w.addr(hostOtherN3).String() && s.DownlinkTEID != ran.Sessions[0].DownlinkTEID
	})
	w.until("NAS at B", func() bool { return b.nf.Status().NAS.Connections == 1 })
	w.answered(pr, 50)
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets", sent)
	after := u.State()
	require.Equal(t, before.IKE, after.IKE)
	require.Equal(t, before.Inner, after.Inner)
	require.Equal(t, before.Children, after.Children, "SPIs and keys")
	require.Equal(t, before.Sessions, after.Sessions)
	now := w.core.State().UEs[0]
	require.Equal(t, ran.AMFID, now.AMFID)
	require.Equal(t, ran.RANID, now.RANID)
	require.NotEqual(t, ran.Association, now.Association)
	require.EqualValues(t, 1, w.nf.Counters().HandedOver.Load())
	require.EqualValues(t, 1, b.nf.Counters().TakenOver.Load())
	paths, ok := b.nf.UE(w.ctx, now.RANID)
	require.True(t, ok)
	var why []string
	for _, p := range paths.Paths {
		why = append(why, p.Why)
		require.True(t, p.Proven)
	}
	require.Equal(t, []string{"registered", "update", "node"}, why, "the history goes along")
	// NAS both ways.
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	w.session(u)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	w.until("an empty B", func() bool {
		s := b.nf.Status()
		return s.UEs == 0 && s.ChildSAs == 0 && s.InnerAddresses == 0 && s.N3.Sessions == 0
	})
}

// TestHandoverRefused: a node that cannot take a UE says so, and the UE stays where it was with all it has; its packets find it over both nodes.
func TestHandoverRefused(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w, b := newCluster(t, nil, func(c *config.Config) { c.Limits.MaxUEs = 0 })
	u, pr := w.online(0)
	before := u.State()
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostOtherNWu)) }))
	w.until("the refusal", func() bool {
		return b.nf.Counters().HandoverFailed.Load() >= 1 && w.nf.Counters().HandoverFailed.Load() >= 1
	})
	w.until("the UE at A", func() bool {
		s := w.nf.Status()
		return s.UEs == 1 && s.ChildSAs == 2 && s.PDUSessions == 1 && s.NAS.Connections == 1
	})
	require.Zero(t, b.nf.Status().UEs)
	_, err := pr.Ping(w.ctx, 5)
	require.NoError(t, err)
	require.Equal(t, before.Children, u.State().Children)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostN3IWF)) }), "it goes back")
	_, err = pr.Ping(w.ctx, 5)
	require.NoError(t, err)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	require.Zero(t, b.nf.Status().InnerAddresses)
}

// TestTunnelsStay: the AMF does not move the downlink tunnels of a UE that has come to another node. What it has not heard is said again; where it does
// not know how, or does not answer, the PDU session ends, so that the UE can ask for a new one and is not without downlink for good.
func TestTunnelsStay(t *testing.T) {
	nothing := func(ngap.AMFUENGAPID, ngap.RANUENGAPID) ngap.Message { return nil }
	refusal := func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		cause, procedure := ngap.CauseProtocolMessageNotCompatibleWithReceiverState.Cause(), ngap.ProcedurePDUSessionResourceModifyIndication
		return &ngap.ErrorIndication{AMFUENGAPID: &amf, RANUENGAPID: &ran, Cause: &cause, CriticalityDiagnostics: &ngap.CriticalityDiagnostics{ProcedureCode: &procedure}}
	}
	for name, row := range map[string]struct {
		answer func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message // instead of the confirmation
		times  int32
		asked  int32
		stays  bool
	}{
		"not heard at first": {nothing, 1, 2, true},
		"not heard":          {nothing, 99, 2, false},
		"not understood":     {refusal, 99, 1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() { goleak.VerifyNone(t) })
			w := prepareWorld(t, nil)
			var confirms atomic.Int32
			newNGRelay(w, w.addr(hostCore), func(_ uint16, pdu []byte, send func([]byte)) {
				p, err := ngap.Decode(pdu)
				m, isConfirm := (*ngap.PDUSessionResourceModifyConfirm)(nil), false
				if err == nil {
					m, isConfirm = p.Message.(*ngap.PDUSessionResourceModifyConfirm)
				}
				if !isConfirm || confirms.Add(1) > row.times {
					send(pdu)
					return
				}
				if instead := row.answer(m.AMFUENGAPID, m.RANUENGAPID); instead != nil {
					b, err := ngap.Encode(instead)
					if err == nil {
						send(b)
					}
				}
			})
			b := w.startCluster(func(c *config.Config) { c.Timers.AMFAnswer = time.Second }, func(c *config.Config) {
				c.N2.AMFs = slices.Clone(c.N2.AMFs)
				c.N2.AMFs[0].Addresses = []netip.Addr{w.addr(hostOtherAMF)}
			})
			u, pr := w.online(0)
			require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(10), w.addr(hostOtherNWu)) }))
			w.until("the UE at B", func() bool { return b.nf.Status().UEs == 1 })
			w.until("the answers", func() bool { return confirms.Load() == row.asked })
			if row.stays {
				_, err := pr.Ping(w.ctx, 3)
				require.NoError(t, err)
				require.Equal(t, 1, b.nf.Status().PDUSessions)
				return
			}
			w.until("the end of the PDU session", func() bool { return b.nf.Status().PDUSessions == 0 })
			require.Equal(t, 1, b.nf.Status().UEs)
			w.until("the core to know", func() bool { return len(w.core.State().UEs[0].Sessions) == 0 })
			w.session(u)
		})
	}
}
