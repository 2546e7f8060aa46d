// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// rekeyRows are what a UE does when the N3IWF rekeys its child SAs, or the IKE SA.
func rekeyRows() []row {
	// children has the N3IWF rekey all child SAs, one after the other.
	children := func(answer func(l *puppetLife, c *ue.PuppetChild)) func(*puppetLife) {
		return func(l *puppetLife) {
			l.Hold(func(m *message.Message) bool { return message.GetNotify(m.Payloads, message.REKEY_SA) != nil })
			n := len(l.State().Children)
			require.Equal(l.w.t, 1+len(l.others), l.w.nf.Rekey(true, false))
			for range n {
				l.hear()
				c := l.ChildOf(binary.BigEndian.Uint32(message.GetNotify(l.request.Payloads, message.REKEY_SA).SPI))
				require.NotNil(l.w.t, c)
				answer(l, c)
				if l.State().Children == nil {
					return
				}
			}
			l.Hold(nil)
		}
	}
	accept := func(l *puppetLife) { require.NoError(l.w.t, l.Accept(l.request)) }
	refuse := func(l *puppetLife, with message.NotifyType) {
		require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: with}))
	}
	// unknown says that the UE has no such child SA, and is right.
	unknown := func(of func(*ue.PuppetChild) bool) func(*puppetLife, *ue.PuppetChild) {
		return func(l *puppetLife, c *ue.PuppetChild) {
			if !of(c) {
				accept(l)
				return
			}
			l.DropChildren(c.Own)
			n := message.GetNotify(l.request.Payloads, message.REKEY_SA)
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Protocol: message.ProtocolESP, SPI: n.SPI, Type: message.CHILD_SA_NOT_FOUND}))
		}
	}
	ikeSA := func(with message.NotifyType) func(*puppetLife) {
		return func(l *puppetLife) {
			l.Hold(func(m *message.Message) bool { return m.Exchange == message.CREATE_CHILD_SA })
			l.w.nf.Rekey(false, true)
			l.hear()
			l.Hold(nil)
			refuse(l, with)
		}
	}
	return []row{
		{"rekeys of the N3IWF, agreed to", atRest, children(func(l *puppetLife, _ *ue.PuppetChild) { accept(l) }), nil},
		{"rekeys of the N3IWF, refused", atRest, children(func(l *puppetLife, _ *ue.PuppetChild) { refuse(l, message.NO_ADDITIONAL_SAS) }), nil},
		{"rekeys of the N3IWF, without proposal", atRest, children(func(l *puppetLife, _ *ue.PuppetChild) { refuse(l, message.NO_PROPOSAL_CHOSEN) }), nil},
		{"a rekey of the N3IWF of a default child SA that the UE has not", []stage{atSession}, children(unknown(func(c *ue.PuppetChild) bool { return c.Default })), nil},
		{"a rekey of the N3IWF of an additional child SA that the UE has not", []stage{atSession},
			children(unknown(func(c *ue.PuppetChild) bool { return c.Session != 0 && !c.Default })), nil},
		{"a rekey of the N3IWF of a signalling SA that the UE has not", []stage{atSignalling, atRegistered}, func(l *puppetLife) {
			children(unknown(func(c *ue.PuppetChild) bool { return c.Session == 0 }))(l)
			l.Hold(nil)
			l.do(l.Gone)
		}, lost},
		{"its own rekey before that of the N3IWF", atRest, children(func(l *puppetLife, c *ue.PuppetChild) {
			l.do(func(ctx context.Context) error { return l.RekeyChild(ctx, c) })
			refuse(l, message.TEMPORARY_FAILURE)
		}), nil},
		{"rekeys of the N3IWF that are malformed, it says", []stage{atSignalling, atRegistered}, func(l *puppetLife) {
			l.Hold(func(m *message.Message) bool { return message.GetNotify(m.Payloads, message.REKEY_SA) != nil })
			l.w.nf.Rekey(true, false)
			l.hear()
			refuse(l, message.INVALID_SYNTAX)
		}, byIKE},
		{"rekey of the IKE SA by the N3IWF, refused", atRest, ikeSA(message.NO_ADDITIONAL_SAS), nil},
		{"rekey of the IKE SA by the N3IWF, without proposal", atRest, ikeSA(message.NO_PROPOSAL_CHOSEN), nil},
	}
}
