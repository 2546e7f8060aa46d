// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// TestSilentUE lets UEs fall silent, each at another stage of its life, or say what gets no answer. The N3IWF gives each up in its time and tells the AMF
// why; nothing is left of them, and another UE does not notice.
func TestSilentUE(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, func(c *config.Config) {
		c.NWu.UserPlane.ChildSAs = "perFlow"
		c.NWu.IKE.Liveness.Period, c.NWu.IKE.HalfOpen.Timeout = 500*time.Millisecond, 2*time.Second
		c.NWu.IKE.Retransmission = config.Retransmission{Initial: 100 * time.Millisecond, Base: 1.5, Tries: 4}
		c.Timers.EAPStep, c.Timers.AMFAnswer, c.Timers.ContextSetup, c.Timers.NASConnection = 2*time.Second, 2*time.Second, 2*time.Second, 2*time.Second
	})
	w.newCoreWorld(func(c *core.Config) { c.DNNs[0].Flows = c.DNNs[0].Flows[:2] })
	h := listen(w)
	neighbour, pr := w.online(0)
	post := func(packet func(l *puppetLife) []byte) func(*puppetLife) {
		return func(l *puppetLife) { require.NoError(t, l.Post(message.IKE_AUTH, &message.EAP{Packet: packet(l)})) }
	}
	otherIdentifier := post(func(l *puppetLife) []byte { b := l.eapPacket(eap5g.NASResponse{PDU: []byte{0x7e}}); b[1]++; return b })
	congested := []string{"EAP", "notify 15500 ", "notify 55507"}
	var lives []*puppetLife
	cases := []struct {
		at     stage
		says   func(l *puppetLife) // before it falls silent
		cause  *ngap.Cause         // that the AMF hears; nil: nothing
		answer []string            // that it gets in the end, as the beginning of each payload; nil: none
	}{
		{atInit, nil, nil, nil},
		{atStart, nil, nil, nil},
		{atStart, otherIdentifier, nil, []string{"EAP 04"}},
		{atChallenge, nil, lost, nil},
		{atChallenge, otherIdentifier, lost, []string{"EAP 04"}},
		{atChallenge, post(func(l *puppetLife) []byte { return l.eapPacket(eap5g.NASResponse{}) }), failure, congested}, // which the AMF waits for in vain
		{atThinking, nil, failure, congested},
		{atSuccess, nil, lost, nil},
		{atSignalling, nil, lost, nil},
		{atAccept, nil, lost, nil},
		{atRegistered, nil, lost, nil},
		{atDefault, nil, lost, nil},
		{atAdditional, nil, lost, nil},
		{atSession, nil, lost, nil},
		{atRelease, nil, lost, nil},
		{atEnd, nil, nil, nil},
		{atSession, func(l *puppetLife) { // a late copy of IKE_SA_INIT makes a half-open IKE SA, and has nothing to do with this one
			l.do(func(ctx context.Context) error {
				same, err := l.InitAgain(ctx)
				require.False(t, same)
				return err
			})
			require.Empty(t, says(l.ask(message.INFORMATIONAL)))
			l.echoes()
		}, lost, nil},
	}
	var ids []uint32
	for i, c := range cases {
		l := w.puppet(1+i, h, neighbour)
		l.blind = true
		l.reach(c.at)
		ids = append(ids, l.atCore().RANID)
		if c.says != nil {
			c.says(l)
		}
		l.Hold(func(m *message.Message) bool { // one that only opens no NAS connection answers all else
			return c.at != atSignalling || len(message.All[*message.Delete](m.Payloads)) > 0
		})
		lives = append(lives, l)
	}
	for i, c := range cases {
		w.until("what the AMF hears of "+c.at.String(), func() bool { return c.cause == nil || h.releaseCause(ids[i]) != nil })
		if c.at == atSignalling { // its IKE SA is being deleted, for 10 s if need be
			lives[i].hear()
		}
		if c.at == atSignalling || c.at == atEnd {
			require.NoError(t, lives[i].Accept(lives[i].request))
		}
	}
	last := lives[len(lives)-1]
	w.until("the end of the silent ones", func() bool { return last.alone() == "" })
	for i, c := range cases {
		if c.answer != nil {
			l := lives[i]
			var answer []message.Payload
			l.do(func(ctx context.Context) (err error) { answer, err = l.Answer(ctx); return err })
			list := says(answer)
			require.Len(t, list, len(c.answer), "case %d: %q", i, list)
			for j, s := range list {
				require.Contains(t, s, c.answer[j], "case %d", i)
			}
		}
		require.Equal(t, c.cause, h.releaseCause(ids[i]), "case %d, %s", i, c.at)
		require.NoError(t, lives[i].Close())
	}
	_, err := pr.Ping(w.ctx, 2)
	require.NoError(t, err)
	w.sameStory(neighbour)
	require.NoError(t, w.within(neighbour.Deregister))
	w.until("no UEs", func() bool { return w.nf.Status().UEs == 0 && w.connected() == 0 })
}

// releaseCause is what the N3IWF has said of the end of a UE: in Initial Context Setup Failure, or UE Context Release Request; nil: nothing.
func (h *heard) releaseCause(ran uint32) *ngap.Cause {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, pdu := range h.pdus {
		switch m := pdu.Message.(type) {
		case *ngap.InitialContextSetupFailure:
			if uint32(m.RANUENGAPID) == ran {
				return &m.Cause
			}
		case *ngap.UEContextReleaseRequest:
			if uint32(m.RANUENGAPID) == ran {
				return &m.Cause
			}
		}
	}
	return nil
}
