// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/probe"
)

// row is something that a UE does where it is not expected.
type row struct {
	does string
	at   []stage
	// run does it and looks at what the N3IWF says.
	run func(l *puppetLife)
	// ends is the cause that the AMF hears when the UE does not live on, where it knows the UE; nil: it lives on.
	ends *ngap.Cause
}

var (
	inEAP   = []stage{atStart, atChallenge}
	early   = []stage{atInit, atStart, atChallenge, atSuccess}
	up      = []stage{atSignalling, atAccept, atRegistered, atDefault, atAdditional, atSession, atRelease}
	asking  = []stage{atDefault, atAdditional}
	ending  = []stage{atEnd}
	onTCP   = []stage{atAccept, atRegistered, atDefault, atAdditional, atSession, atRelease}
	atRest  = []stage{atSignalling, atAccept, atRegistered, atSession}
	byIKE   = new(ngap.CauseRadioNetworkReleaseDueToNgranGeneratedReason.Cause())
	lost    = new(ngap.CauseRadioNetworkRadioConnectionWithUeLost.Cause())
	failure = new(ngap.CauseRadioNetworkFailureInRadioInterfaceProcedure.Cause())
	stopped = new(ngap.CauseNasNormalRelease.Cause())
)

// repeatable are the rows that can come one after the other at a stage.
func repeatable() []row {
	return slices.Concat(droppedRows(), exchangeRows(), eapRows(), childRows(), deleteRows(), tcpRows(), answerRows())
}

// TestUnexpectedFromUE lets a UE say each thing that a UE can say at each stage of its life where it is not expected. The N3IWF answers as the standard says,
// and then the UE's life goes on to its end, or ends at once with what the AMF is told; UE, N3IWF and core agree on what there is at each stage after it, and
// another UE does not notice.
func TestUnexpectedFromUE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.ChildSAs, c.NWu.IKE.Retransmission.Initial = "perFlow", 20*time.Second
	})
	w.newCoreWorld(func(c *core.Config) { c.DNNs[0].Flows = c.DNNs[0].Flows[:2] })
	h := listen(w)
	neighbour, pr := w.online(0)
	lives := 0
	for _, r := range append(repeatable(), rekeyRows()...) {
		for _, at := range r.at {
			ok := t.Run(fmt.Sprintf("%s/%s", at, r.does), func(t *testing.T) {
				before := w.t
				w.t = t
				defer func() { w.t = before }()
				lives++
				h.forget()
				l := w.puppet(1+lives%30, h, neighbour)
				l.reach(at)
				l.play(r, at, pr)
			})
			if !ok {
				t.FailNow() // as something may be left of that life
			}
		}
	}
	t.Logf("%d lives", lives)
	require.Zero(t, w.nf.Counters().Panics.Load())
}

// play has the UE do what the row says, and leads it to the end of its life. Its neighbour notices nothing.
func (l *puppetLife) play(r row, at stage, neighbour *probe.Probe) {
	l.w.t.Helper()
	r.run(l)
	if r.ends == nil {
		l.liveOn()
	} else {
		l.ended(at, *r.ends)
	}
	require.NoError(l.w.t, l.Close())
	_, err := neighbour.Ping(l.w.ctx, 1)
	require.NoError(l.w.t, err)
}

// liveOn leads the UE to the end of its life.
func (l *puppetLife) liveOn() {
	l.w.t.Helper()
	l.checked = true
	l.agree(l.at)
	if l.at <= atSession {
		l.reach(atSession)
		l.echoes()
	}
	l.reach(atIdle)
}

// ended: the UE's life is over, and the AMF, where it knows the UE, has heard why.
func (l *puppetLife) ended(at stage, cause ngap.Cause) {
	l.w.t.Helper()
	l.agree(atNothing)
	var told []ngap.Cause
	l.heard.mu.Lock()
	for _, pdu := range l.heard.pdus {
		switch m := pdu.Message.(type) {
		case *ngap.InitialContextSetupFailure:
			told = append(told, m.Cause)
		case *ngap.UEContextReleaseRequest:
			if at != atSuccess { // there the failure says it
				told = append(told, m.Cause)
			}
		}
	}
	l.heard.mu.Unlock()
	if at < atChallenge || at >= atEnd {
		require.Empty(l.w.t, told)
		return
	}
	if at == atSuccess && cause.Is(ngap.CauseRadioNetworkReleaseDueToNgranGeneratedReason) {
		cause = *lost // of the failure
	}
	require.Equal(l.w.t, []ngap.Cause{cause}, told)
}

// says gives what a request is answered with as text: error notifies by name and data, other payloads by type.
func says(answer []message.Payload) (list []string) {
	list = []string{}
	for _, p := range answer {
		switch p := p.(type) {
		case *message.Notify:
			list = append(list, fmt.Sprintf("%s %x", p.Type, p.Data))
		case *message.Delete:
			list = append(list, fmt.Sprintf("D %d %x", p.Protocol, p.SPIs))
		case *message.EAP:
			list = append(list, fmt.Sprintf("EAP %x", p.Packet))
		default:
			list = append(list, fmt.Sprintf("payload %d", p.PayloadType()))
		}
	}
	return list
}

// TestUnexpectedInARow leads UEs through lives in which they say what is not expected all the time: several things at each stage, chosen at random from those
// that a UE survives.
func TestUnexpectedInARow(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	w := prepareWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.ChildSAs, c.NWu.IKE.Retransmission.Initial = "perFlow", 20*time.Second
	})
	w.newCoreWorld(func(c *core.Config) { c.DNNs[0].Flows = c.DNNs[0].Flows[:2] })
	h := listen(w)
	neighbour, pr := w.online(0)
	byStage := map[stage][]row{}
	for _, r := range repeatable() {
		for _, at := range r.at {
			if r.ends == nil {
				byStage[at] = append(byStage[at], r)
			}
		}
	}
	const lives, most = 12, 60
	for i := range lives {
		h.forget()
		l := w.puppet(1+i, h, neighbour)
		l.checked = true
		said := 0
		for l.at < atIdle {
			for n := random.IntN(4); n > 0 && said < most; n-- {
				list := byStage[l.at]
				if len(list) == 0 || l.at >= atSession && (additionalOf(l) == nil || defaultOf(l) == nil) { // what they are about is not there any more
					break
				}
				r := list[random.IntN(len(list))]
				said++
				w.log.Info("surprise", "at", l.at, "does", r.does)
				h.forget()
				r.run(l)
				l.agree(l.at)
			}
			if l.at == atSession {
				l.echoes()
			}
			if l.at < atIdle {
				l.advance()
				l.agree(l.at)
			}
		}
		require.NoError(t, l.Close())
		_, err := pr.Ping(w.ctx, 1)
		require.NoError(t, err)
	}
}
