// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// nasLine is a UE's NAS connection that a test can cut, and what came through it at either end.
type nasLine struct {
	w    *world
	u    *ue.UE
	lets atomic.Pointer[func(flags byte, payload int) bool] // what of the UE's segments goes on

	mu    sync.Mutex
	heard []string // by the UE
	core  []string // what the AMF was told, in order
}

// TCP flags.
const (
	flagSYN = 0x02
	flagRST = 0x04
)

func newNASLine(w *world) *nasLine {
	l := &nasLine{w: w}
	l.let(func(byte, int) bool { return true })
	l.u = w.ue(0, func(o *ue.Options) {
		o.Tamper = func(inner []byte) []byte {
			tcp := inner[20:] // IPv4 without options
			if !(*l.lets.Load())(tcp[13], len(tcp)-int(tcp[12]>>4)*4) {
				return nil
			}
			return inner
		}
		o.HearNAS = func(pdu []byte) { l.note(&l.heard, brief(pdu)) }
	})
	w.core.Watch(func(_ string, pdu *ngap.PDU) {
		switch m := pdu.Message.(type) {
		case *ngap.NASNonDeliveryIndication:
			require.Equal(w.t, ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause(), m.Cause)
			l.note(&l.core, "not delivered "+brief(m.NASPDU))
		case *ngap.UplinkNASTransport:
			l.note(&l.core, "uplink "+brief(m.NASPDU))
		case *ngap.UEContextModificationResponse:
			l.note(&l.core, "barrier")
		case *ngap.UEContextReleaseRequest:
			l.note(&l.core, "release request")
		}
	})
	w.t.Cleanup(func() { w.core.Watch(nil) })
	w.register(l.u)
	w.logged("core", "msg=registered") // its last message of the registration has arrived
	return l
}

func (l *nasLine) let(f func(flags byte, payload int) bool) { l.lets.Store(&f) }

func (l *nasLine) note(list *[]string, s string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	*list = append(*list, s)
}

// forget begins to listen anew.
func (l *nasLine) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.heard, l.core = nil, nil
}

func (l *nasLine) got() (heard, core []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.heard), slices.Clone(l.core)
}

// downlink lets the AMF send NAS of these lengths; the messages are known by number and length.
func (l *nasLine) downlink(lengths ...int) (names []string) {
	for i, n := range lengths {
		pdu := bytes.Repeat([]byte{0x7f, byte(i)}, (n+1)/2)[:n]
		require.NoError(l.w.t, l.w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
			return &ngap.DownlinkNASTransport{AMFUENGAPID: amf, RANUENGAPID: ran, NASPDU: pdu}
		}))
		names = append(names, brief(pdu))
	}
	return names
}

func brief(pdu []byte) string { return fmt.Sprintf("%x*%d", pdu[:min(2, len(pdu))], len(pdu)) }

// TestNASConnectionBreaks: the TCP connection of the signalling SA breaks in the middle of messages, either way. Each downlink message is heard by the UE
// once or named to the AMF as not delivered, and each uplink message reaches the AMF once; in order.
func TestNASConnectionBreaks(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	for name, run := range map[string]func(*testing.T){
		"downlink": testNASBreaksDownlink, "uplink": testNASBreaksUplink, "no new connection": testNASStaysBroken, "UE released meanwhile": testNASBrokenAndReleased,
	} {
		t.Run(name, run)
	}
}

func testNASBreaksDownlink(t *testing.T) {
	for range 2 {
		w := newWorld(t, nil)
		l := newNASLine(w)
		l.forget()
		before := w.nf.Status().NAS.NASOut
		l.let(func(flags byte, _ int) bool { return flags&(flagRST|flagSYN) != 0 }) // the UE's acknowledgements are lost
		sent := l.downlink(100, 4000, 4000, 4000, 4000, 8000, 8000, 50)
		w.until("all messages at TCP", func() bool { return w.nf.Status().NAS.NASOut == before+uint64(len(sent)) })
		w.until("some of them heard", func() bool { heard, _ := l.got(); return len(heard) >= 2 })
		require.NoError(t, l.u.ResetNAS())
		l.let(func(byte, int) bool { return true })
		w.until("the last message", func() bool { heard, _ := l.got(); return slices.Contains(heard, sent[len(sent)-1]) })
		heard, told := l.got()
		var missing []string
		for _, s := range told {
			if m, ok := strings.CutPrefix(s, "not delivered "); ok {
				missing = append(missing, m)
			}
		}
		require.NotEmpty(t, missing, "those whose acknowledgement was lost")
		require.Equal(t, sent[:len(missing)], missing, "what the UE may have got comes before what it has not")
		require.Less(t, len(missing), len(sent), "and there is something that it has not")
		// The UE heard the first ones before the break, some of which are those that it may have got, and after it the others: none twice.
		again := heard[len(heard)-(len(sent)-len(missing)):]
		require.Equal(t, sent[len(missing):], again)
		require.Equal(t, sent[:len(heard)-len(again)], heard[:len(heard)-len(again)])
		require.LessOrEqual(t, len(heard)-len(again), len(missing))
		w.session(l.u)
		w.pinged(l.u, 1)
		w.sameStory(l.u)
		require.NoError(t, w.within(l.u.Deregister))
		w.empty()
	}
}

func testNASBreaksUplink(t *testing.T) {
	w := newWorld(t, nil)
	l := newNASLine(w)
	for round := range 3 {
		l.forget()
		number := byte(3 * round)
		messages := [][]byte{{0x7f, number, 1}, bytes.Repeat([]byte{0x7f, number + 1}, 2000), {0x7f, number + 2, 3}}
		var want []string
		for _, m := range messages {
			want = append(want, "uplink "+brief(m))
		}
		l.u.WriteNAS(messages[0])
		w.until("the first message", func() bool { _, core := l.got(); return len(core) == 1 })
		var first atomic.Bool
		l.let(func(_ byte, payload int) bool { return payload == 0 || !first.Swap(true) }) // one segment of the next message gets through
		in := w.nf.Status().NAS.PacketsIn
		l.u.WriteNAS(messages[1])
		w.until("half a message", func() bool { return first.Load() && w.nf.Status().NAS.PacketsIn > in })
		l.u.WriteNAS(messages[2])
		require.NoError(t, l.u.ResetNAS())
		l.let(func(byte, int) bool { return true })
		w.until("the last message", func() bool { _, core := l.got(); return len(core) >= len(want) })
		_, core := l.got()
		require.Equal(t, want, core, "round %d", round)
	}
	w.sameStory(l.u)
	w.session(l.u)
	require.NoError(t, w.within(l.u.Deregister))
	w.empty()
}

// testNASStaysBroken: the UE does not come back in time, and then it does.
func testNASStaysBroken(t *testing.T) {
	w := newWorld(t, func(c *config.Config) { c.Timers.NASConnection = 300 * time.Millisecond })
	l := newNASLine(w)
	l.forget()
	l.let(func(flags byte, _ int) bool { return flags&flagRST != 0 })
	require.NoError(t, l.u.ResetNAS())
	w.until("no connection", func() bool { return w.nf.Status().NAS.Connections == 0 })
	sent := l.downlink(10, 20, 30)
	w.until("the AMF knows", func() bool { _, core := l.got(); return len(core) == len(sent) })
	_, core := l.got()
	require.Equal(t, []string{"not delivered " + sent[0], "not delivered " + sent[1], "not delivered " + sent[2]}, core)
	l.let(func(byte, int) bool { return true })
	w.until("a connection", func() bool { return w.nf.Status().NAS.Connections == 1 })
	l.forget()
	sent = l.downlink(40)
	w.until("another message", func() bool { heard, _ := l.got(); return len(heard) == 1 })
	heard, core := l.got()
	require.Equal(t, sent, heard)
	require.Empty(t, core)
	w.sameStory(l.u)
}

// testNASBrokenAndReleased: what waits for a UE that the N3IWF gives up is told of before.
func testNASBrokenAndReleased(t *testing.T) {
	w := newWorld(t, nil)
	l := newNASLine(w)
	before := w.nf.Status().NAS.NASOut
	l.let(func(flags byte, _ int) bool { return flags&flagRST != 0 })
	l.forget()
	sent := l.downlink(10, 20)
	w.until("two messages at TCP", func() bool { return w.nf.Status().NAS.NASOut == before+2 })
	require.NoError(t, l.u.ResetNAS())
	w.until("no connection", func() bool { return w.nf.Status().NAS.Connections == 0 })
	sent = append(sent, l.downlink(30, 40)...)
	require.NoError(t, w.core.Send(imsi(0), func(amf ngap.AMFUENGAPID, ran ngap.RANUENGAPID) ngap.Message {
		return &ngap.UEContextModificationRequest{AMFUENGAPID: amf, RANUENGAPID: ran}
	}))
	w.until("an answer behind them", func() bool { _, core := l.got(); return len(core) == 3 })
	page := w.nf.UEs(w.ctx, n3iwf.UEQuery{Limit: 1})
	require.True(t, w.nf.ReleaseUE(w.ctx, page.UEs[0].ID))
	w.until("the release request", func() bool { _, core := l.got(); return slices.Contains(core, "release request") })
	_, core := l.got()
	require.Equal(t, []string{"not delivered " + sent[0], "not delivered " + sent[1], "barrier", "not delivered " + sent[2], "not delivered " + sent[3], "release request"}, core)
	w.idle()
}
