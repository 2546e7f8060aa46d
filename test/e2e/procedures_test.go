// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestProcedures runs each procedure of a UE's life, those that fail too, and looks that nothing is left of it at either end.
func TestProcedures(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, run := range map[string]func(*testing.T){
		"registration and deregistration": testRegistration, "wrong key": testWrongKey, "unknown subscriber": testUnknownSubscriber,
		"resynchronisation": testResynchronisation, "no AMF": testNoAMF, "child SA per flow": testPerFlow, "session release": testSessionRelease,
		"deregistration by the network": testNetworkDeregistration, "context release": testContextRelease, "UE vanishes": testVanish,
		"AMF lost and back": testAMFLost, "shutdown": testShutdown, "error indication": testErrorIndication, "pool exhausted": testPool,
		"too many UEs": testMaxUEs, "AMF falls silent": testSilentAMF,
	} {
		t.Run(name, run)
	}
}

func testRegistration(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	s := w.core.State()
	require.Len(t, s.UEs, 1)
	require.True(t, s.UEs[0].Registered)
	require.Equal(t, netip.AddrPortFrom(w.addr(10), w.uePort()+1).String(), s.UEs[0].Location, "the AMF knows the outer address")
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

func testWrongKey(t *testing.T) {
	w := newWorld(t, nil)
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.Key.K[0] ^= 1 })
	require.ErrorContains(t, w.within(u.Register), "rejected", "the UE refuses the network's challenge, the network the UE")
	w.empty()
	w.logged("core", "MAC")
}

func testUnknownSubscriber(t *testing.T) {
	w := newWorld(t, nil)
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.IMSI = "001019999999999" })
	require.ErrorContains(t, w.within(u.Register), "registration rejected")
	w.logged("n3iwf", "the UE ended EAP-5G")
	w.empty()
}

func testResynchronisation(t *testing.T) {
	w := newWorld(t, nil)
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.SQN = 1 << 20 })
	w.register(u)
	w.logged("core", "synchronis")
}

func testNoAMF(t *testing.T) {
	w := prepareWorld(t, nil)
	w.startN3IWF()
	u := w.ue(0)
	err := w.within(u.Register)
	var away *ue.BackoffError
	require.ErrorAs(t, err, &away, "CONGESTION with N3GPP_BACKOFF_TIMER")
	require.ErrorContains(t, err, "CONGESTION (")
	require.GreaterOrEqual(t, away.Wait, w.cfg.Timers.UEBackOffMin)
	require.LessOrEqual(t, away.Wait, w.cfg.Timers.UEBackOffMax)
	w.startCore()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	w.register(w.ue(1))
}

func testPerFlow(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.NWu.UserPlane.ChildSAs = "perFlow" })
	u := w.ue(0)
	w.register(u)
	s := w.session(u)
	require.ElementsMatch(t, []uint8{1, 2, 3}, s.QFIs())
	require.Len(t, u.State().Children, 4, "signalling, and one for each flow")
	require.Equal(t, 4, w.nf.Status().ChildSAs)
	// Every flow answers, on its own child SA in both directions.
	for _, c := range u.State().Children {
		if len(c.QFIs) == 0 {
			continue
		}
		require.Len(t, c.QFIs, 1)
		before := u.Received(c.ID)
		require.NoError(t, probe.EchoOnFlow(s, dn, c.QFIs[0]))
		w.until("the answer on the child SA of the question", func() bool { return u.Received(c.ID) == before+1 })
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	w.until("one child SA", func() bool { return w.nf.Status().ChildSAs == 1 && len(u.State().Children) == 1 })
}

func testSessionRelease(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	gone := func() {
		t.Helper()
		w.until("no PDU session", func() bool {
			n, c := w.nf.Status(), w.core.State()
			return n.PDUSessions == 0 && n.ChildSAs == 1 && n.N3.Sessions == 0 && len(c.UEs) == 1 && len(c.UEs[0].Sessions) == 0 && len(u.State().Sessions) == 0
		})
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 1) }))
	gone()
	p := probe.New(u, w.session(u), dn)
	_, err := p.Ping(w.ctx, 1)
	require.NoError(t, err, "a second life of the session")
	require.NoError(t, w.core.ReleaseSession(imsi(0), 1))
	gone()
	require.Zero(t, w.nf.Counters().SessionsFailed.Load())
}

func testNetworkDeregistration(t *testing.T) {
	w := newWorld(t, nil)
	w.online(0)
	require.NoError(t, w.core.Deregister(imsi(0)))
	w.empty()
}

func testContextRelease(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	require.NoError(t, w.core.ReleaseContext(imsi(0)))
	w.until("the UE's IKE SA is gone", func() bool { return len(u.State().Children) == 0 })
	w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 })
}

func testVanish(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.NWu.IKE.Liveness.Period = 500 * time.Millisecond })
	u, _ := w.online(0)
	require.NoError(t, u.Close())
	w.logged("core", "radio-connection-with-ue-lost")
	w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 })
}

func testAMFLost(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Timers.AMFHold = 500 * time.Millisecond })
	u, _ := w.online(0)
	require.NoError(t, w.core.Close())
	w.until("the loss of the AMF", func() bool { return w.nf.Status().AMFs == 0 })
	w.until("the end of the UE after the hold time", func() bool { return w.nf.Status().UEs == 0 && len(u.State().Children) == 0 })
	w.startCore()
	w.until("NG Setup anew", func() bool { return w.nf.Status().AMFs == 1 })
	w.online(1)
}

func testShutdown(t *testing.T) {
	w := newWorld(t, nil)
	u, _ := w.online(0)
	v, _ := w.online(1)
	w.stop()
	err := <-w.stopped
	w.stopped <- err
	require.NoError(t, err)
	w.until("both UEs told", func() bool { return len(u.State().Children) == 0 && len(v.State().Children) == 0 })
	w.logged("core", "om-intervention")
}

func testErrorIndication(t *testing.T) {
	w := newWorld(t, nil)
	h := listen(w)
	u, _ := w.online(0)
	s := w.core.State().UEs[0].Sessions[0]
	// The UPF says that it does not know the tunnel that the N3IWF sends to.
	conn, err := udpbatch.Listen(udpbatch.Options{Local: netip.AddrPortFrom(w.addr(hostCore), 0)})
	require.NoError(t, err)
	defer conn.Close()
	to := udpbatch.Address{Remote: netip.AddrPortFrom(w.addr(hostN3), gtpu.Port)}
	require.NoError(t, conn.WriteTo(&to, gtpu.AppendErrorIndication(nil, s.UplinkTEID, w.addr(hostCore), 0), nil))
	w.until("the session's end", func() bool {
		n, c := w.nf.Status(), w.core.State()
		return n.PDUSessions == 0 && n.ChildSAs == 1 && len(c.UEs) == 1 && len(c.UEs[0].Sessions) == 0
	})
	w.until("the UE's child SA gone", func() bool { return len(u.State().Children) == 1 })
	n, _ := next[*ngap.PDUSessionResourceNotify](h)
	require.Len(t, n.PDUSessionResourceReleasedListNot, 1)
	why, err := ngap.DecodeTransfer[ngap.PDUSessionResourceNotifyReleasedTransfer](n.PDUSessionResourceReleasedListNot[0].PDUSessionResourceNotifyReleasedTransfer)
	require.NoError(t, err)
	require.True(t, why.Cause.Is(ngap.CauseTransportTransportResourceUnavailable), why.Cause.String())
	require.EqualValues(t, 1, w.nf.Status().N3.ErrorIndicationsIn)
	number := fmt.Sprintf(" ue=%d pdu_session=1 ", w.core.State().UEs[0].RANID)
	w.logged("who=n3iwf", "the UPF does not know the uplink tunnel", number)
}

func testPool(t *testing.T) {
	// A /29 has 6 hosts, two of which are the N3IWF's own.
	w := newWorld(t, func(c *config.Config) {
		c.NWu.UEPools.IPv4 = []netip.Prefix{netip.MustParsePrefix("10.60.0.0/29")}
	})
	var all []*ue.UE
	for i := range 4 {
		all = append(all, w.ue(i))
		w.register(all[i])
	}
	u := w.ue(4)
	err := w.within(u.Register)
	require.ErrorContains(t, err, "INTERNAL_ADDRESS_FAILURE")
	w.until("four UEs", func() bool { return w.nf.Status().UEs == 4 && w.connected() == 4 })
	require.NoError(t, w.within(all[2].Deregister))
	w.until("three UEs", func() bool { return w.nf.Status().UEs == 3 })
	w.register(w.ue(5))
}

func testMaxUEs(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Limits.MaxUEs = 2 })
	first := w.ue(0)
	w.register(first)
	w.register(w.ue(1))
	waits := map[time.Duration]bool{}
	for i := range 8 {
		var away *ue.BackoffError
		require.ErrorAs(t, w.within(w.ue(10+i).Register), &away, "CONGESTION")
		waits[away.Wait] = true
	}
	require.Greater(t, len(waits), 1, "they shall not all come back at once")
	require.NoError(t, w.within(first.Deregister))
	w.until("room", func() bool { return w.nf.Status().UEs == 1 })
	w.register(w.ue(3))
}

// testSilentAMF: an AMF that is connected but says nothing more leaves nothing behind.
func testSilentAMF(t *testing.T) {
	w := prepareWorld(t, func(c *config.Config) {
		c.Timers.AMFAnswer, c.Timers.Release = 300*time.Millisecond, 200*time.Millisecond
	})
	w.cfg.N2.AMFs[0].Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	said := 0
	newNGRelay(w, w.addr(hostCore), func(_ uint16, pdu []byte, send func([]byte)) {
		if said++; said <= 2 { // NG SETUP RESPONSE and the first message for the UE
			send(pdu)
		}
	})
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	err := w.within(w.ue(0).Register)
	var away *ue.BackoffError
	require.ErrorAs(t, err, &away)
	w.until("an N3IWF without UEs", func() bool { return w.nf.Status().UEs == 0 })
}

// TestNASQueue: what the AMF sends before the UE's TCP connection exists arrives later, in order.
func TestNASQueue(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil, "earlyAccept: true")
	hold := make(chan struct{})
	steps := make(chan string, 64)
	u := w.ue(0, func(o *ue.Options) {
		o.HoldNAS = hold
		o.Step = func(s string) { steps <- s }
	})
	done := make(chan error, 1)
	go func() { done <- w.within(u.Register) }()
	w.logged("n3iwf", "UE authenticated")
	w.logged("core", "context is set up")
	select {
	case err := <-done:
		require.Fail(t, "registered without NAS over TCP", "%v", err)
	default:
	}
	close(hold)
	require.NoError(t, <-done)
	var order []string
	for len(steps) > 0 {
		order = append(order, <-steps)
	}
	connected := slices.IndexFunc(order, func(s string) bool { return strings.Contains(s, "NAS over TCP") })
	registered := slices.Index(order, "registered")
	require.True(t, 0 <= connected && connected < registered, "%v", order)
}
