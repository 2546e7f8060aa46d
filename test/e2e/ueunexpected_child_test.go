// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// childOf makes a change of the puppet's own: of the child SA that it is about.
type childOf func(l *puppetLife) *ue.PuppetChild

func signallingOf(l *puppetLife) *ue.PuppetChild { return l.Child(0, false) }
func defaultOf(l *puppetLife) *ue.PuppetChild    { return l.Child(puppetSession, true) }
func additionalOf(l *puppetLife) *ue.PuppetChild { return l.Child(puppetSession, false) }

// childRows are CREATE_CHILD_SA requests of the UE.
func childRows() []row {
	rekey := func(of childOf) func(*puppetLife) {
		return func(l *puppetLife) {
			for range 2 {
				l.do(func(ctx context.Context) error { return l.RekeyChild(ctx, of(l)) })
			}
		}
	}
	rekeyRefused := func(with message.NotifyType, of childOf) func(*puppetLife) {
		return func(l *puppetLife) {
			_, _, in := l.ChildRequest(of(l))
			l.refused(with, message.CREATE_CHILD_SA, in...)
		}
	}
	own := func(with message.NotifyType) func(*puppetLife) {
		return func(l *puppetLife) {
			_, _, in := l.ChildRequest(nil)
			l.refused(with, message.CREATE_CHILD_SA, in...)
			l.refused(with, message.CREATE_CHILD_SA, append(in, &message.Notify{Type: 55501, Data: []byte{4, puppetSession, 1, 1, 2}})...)
		}
	}
	unknown := func(with message.NotifyType) func(*puppetLife) {
		return func(l *puppetLife) {
			_, _, in := l.ChildRequest(&ue.PuppetChild{Own: 0x01020304})
			in[3], in[4] = &message.TSi{TrafficSelectors: anyTS}, &message.TSr{TrafficSelectors: anyTS}
			n := l.refused(with, message.CREATE_CHILD_SA, in...)
			if with == message.CHILD_SA_NOT_FOUND {
				require.Equal(l.w.t, message.Notify{Protocol: message.ProtocolESP, SPI: uint32Octets(0x01020304), Type: with, Data: []byte{}}, *n)
			}
		}
	}
	rekeyIKE := func(with message.NotifyType) func(*puppetLife) {
		return func(l *puppetLife) {
			if with == 0 {
				l.do(l.RekeyIKE)
				l.do(l.RekeyIKE)
				return
			}
			_, _, _, in, err := l.RekeyRequest()
			require.NoError(l.w.t, err)
			l.refused(with, message.CREATE_CHILD_SA, in...)
		}
	}
	changed := func(with message.NotifyType, change func([]message.Payload)) func(*puppetLife) {
		return func(l *puppetLife) {
			_, _, in := l.ChildRequest(signallingOf(l))
			change(in)
			l.refused(with, message.CREATE_CHILD_SA, in...)
		}
	}
	return []row{
		{"CREATE_CHILD_SA for a child SA of its own", up, own(message.NO_ADDITIONAL_SAS), nil},
		{"CREATE_CHILD_SA for a child SA of its own", ending, own(message.TEMPORARY_FAILURE), nil},
		{"rekey of a child SA that there is not", append(atRest, atRelease), unknown(message.CHILD_SA_NOT_FOUND), nil},
		{"rekey of a child SA that there is not", append(asking, atEnd), unknown(message.TEMPORARY_FAILURE), nil},
		{"rekey of the signalling SA", up, rekey(signallingOf), nil},
		{"rekey of the signalling SA", ending, rekeyRefused(message.TEMPORARY_FAILURE, signallingOf), nil},
		{"rekey of the default child SA", []stage{atAdditional, atSession}, rekey(defaultOf), nil},
		{"rekey of the default child SA", []stage{atRelease}, rekeyRefused(message.TEMPORARY_FAILURE, defaultOf), nil},
		{"rekey of an additional child SA", []stage{atSession}, rekey(additionalOf), nil},
		{"rekey of an additional child SA", []stage{atRelease}, rekeyRefused(message.TEMPORARY_FAILURE, additionalOf), nil},
		{"rekey of the IKE SA", atRest, rekeyIKE(0), nil},
		{"rekey of the IKE SA", append(asking, atRelease, atEnd), rekeyIKE(message.TEMPORARY_FAILURE), nil},
		{"rekey with other algorithms", atRest, changed(message.NO_PROPOSAL_CHOSEN, func(in []message.Payload) {
			sa, _ := message.Get[*message.SecurityAssociation](in)
			sa.Proposals[0].Transforms[0].ID = 3 // 3DES
		}), nil},
		{"rekey with SPI 0", atRest, changed(message.NO_PROPOSAL_CHOSEN, func(in []message.Payload) {
			sa, _ := message.Get[*message.SecurityAssociation](in)
			sa.Proposals[0].SPI = []byte{0, 0, 0, 0}
		}), nil},
		{"rekey with other selectors", atRest, changed(message.TS_UNACCEPTABLE, func(in []message.Payload) {
			tsi, _ := message.Get[*message.TSi](in)
			tsi.TrafficSelectors = message.TrafficSelectors{message.AddrSelector(0, dn)}
		}), nil},
		{"rekey that names an SPI of 8 octets", atRest, changed(message.INVALID_SYNTAX, func(in []message.Payload) {
			n, _ := message.Get[*message.Notify](in)
			n.SPI = append(n.SPI, 0, 0, 0, 0)
		}), byIKE},
	}
}

// spiOf is the SPI of the SA payload of an answer.
func spiOf(answer []message.Payload) uint32 {
	sa, _ := message.Get[*message.SecurityAssociation](answer)
	return binary.BigEndian.Uint32(sa.Proposals[0].SPI)
}

// deleteRows are Deletes of the UE.
func deleteRows() []row {
	// paired deletes child SAs: their other halves come back.
	paired := func(of ...childOf) func(*puppetLife) {
		return func(l *puppetLife) {
			var own, far []uint32
			for _, o := range of {
				c := o(l)
				own, far = append(own, c.Own), append(far, c.Peer)
			}
			answer := l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: own})
			require.Equal(l.w.t, []string{fmt.Sprintf("D 3 %x", far)}, says(answer))
			l.DropChildren(own...)
		}
	}
	// sessionLost: the N3IWF gives the PDU session up, and tells the AMF, which tells the UE.
	sessionLost := func(l *puppetLife) {
		n, _ := next[*ngap.PDUSessionResourceNotify](l.heard)
		require.Len(l.w.t, n.PDUSessionResourceReleasedListNot, 1)
		transfer, err := ngap.DecodeTransfer[ngap.PDUSessionResourceNotifyReleasedTransfer](n.PDUSessionResourceReleasedListNot[0].PDUSessionResourceNotifyReleasedTransfer)
		require.NoError(l.w.t, err)
		require.Equal(l.w.t, *lost, transfer.Cause)
		l.await(awaiting[*nas.ReleaseCommand])
		l.at = atRegistered
	}
	return []row{
		{"Delete of the signalling SA", up, func(l *puppetLife) {
			l.Hold(nil)
			paired(signallingOf)(l)
			if l.request != nil {
				require.NoError(l.w.t, l.Accept(l.request))
			}
			l.do(l.Gone)
		}, lost},
		{"Delete of the default child SA", []stage{atAdditional}, func(l *puppetLife) {
			paired(defaultOf)(l)
			l.Hold(nil)
			require.NoError(l.w.t, l.Accept(l.request))
			l.setUpFailed(ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause())
		}, nil},
		{"Delete of the default child SA", []stage{atSession}, func(l *puppetLife) {
			paired(defaultOf)(l)
			sessionLost(l)
		}, nil},
		{"Delete of the default child SA", []stage{atRelease}, func(l *puppetLife) {
			own := defaultOf(l).Own // which the N3IWF deletes too: its answer leaves it out (RFC 7296 1.4.1)
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{own}})))
			l.DropChildren(own)
		}, nil},
		{"Delete of an additional child SA", []stage{atSession}, func(l *puppetLife) {
			flow := additionalOf(l).QFIs[0]
			paired(additionalOf)(l)
			l.echo(defaultOf(l), flow)
		}, nil},
		{"Delete of all child SAs of the PDU session", []stage{atSession}, func(l *puppetLife) {
			paired(additionalOf, defaultOf)(l)
			sessionLost(l)
		}, nil},
		{"Delete of all child SAs", []stage{atSession}, func(l *puppetLife) {
			paired(defaultOf, signallingOf, additionalOf)(l)
			l.do(l.Gone)
		}, lost},
		{"Delete of one child SA twice", []stage{atSession}, func(l *puppetLife) {
			c := additionalOf(l)
			answer := l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{c.Own, c.Own}})
			require.Equal(l.w.t, []string{fmt.Sprintf("D 3 %x", []uint32{c.Peer})}, says(answer))
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{c.Own}})))
			l.DropChildren(c.Own)
		}, nil},
		{"Delete of a child SA that is only being made", asking, func(l *puppetLife) {
			answer, err := l.ChildAnswer(l.request.Payloads)
			require.NoError(l.w.t, err)
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{spiOf(answer)}})))
			require.NoError(l.w.t, l.Reply(l.request, answer...))
			l.refusedChild()
		}, nil},
		{"Delete of the IKE SA", append(append(early, up...), atEnd), func(l *puppetLife) {
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, deleteAll)))
		}, byIKE},
		{"Delete of the IKE SA and of child SAs", atRest, func(l *puppetLife) {
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{signallingOf(l).Own}}, deleteAll)))
		}, byIKE},
	}
}

// setUpFailed: the PDU session does not come up, for that cause; the UE hears it, and is as it was before.
func (l *puppetLife) setUpFailed(cause ngap.Cause) {
	l.w.t.Helper()
	r, _ := next[*ngap.PDUSessionResourceSetupResponse](l.heard)
	require.Empty(l.w.t, r.PDUSessionResourceSetupListSURes)
	require.Len(l.w.t, r.PDUSessionResourceFailedToSetupListSURes, 1)
	t, err := ngap.DecodeTransfer[ngap.PDUSessionResourceSetupUnsuccessfulTransfer](r.PDUSessionResourceFailedToSetupListSURes[0].PDUSessionResourceSetupUnsuccessfulTransfer)
	require.NoError(l.w.t, err)
	require.Equal(l.w.t, cause, t.Cause)
	l.await(awaiting[*nas.EstablishmentReject])
	l.at = atRegistered
}

// refusedChild: the child SA that the N3IWF has asked for does not come up. Without the default one there is no PDU session; without another one the default
// one carries its flows.
func (l *puppetLife) refusedChild() {
	l.w.t.Helper()
	l.Hold(nil)
	if l.at == atDefault {
		l.setUpFailed(ngap.CauseRadioNetworkRadioResourcesNotAvailable.Cause())
		return
	}
	l.await(awaiting[*nas.EstablishmentAccept])
	l.at = atSession
}

// answerRows are answers to the N3IWF's requests that it cannot use, or that refuse.
func answerRows() []row {
	var rows []row
	for _, n := range []message.NotifyType{message.NO_PROPOSAL_CHOSEN, message.TS_UNACCEPTABLE, message.NO_ADDITIONAL_SAS, 15501, 9999} {
		rows = append(rows, row{"refusal " + n.String(), asking, func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: n}))
			l.refusedChild()
		}, nil})
	}
	// What looks accepted and is of no use: the UE believes that it is up, and the N3IWF deletes it.
	for name, change := range map[string]func(l *puppetLife, p []message.Payload) []message.Payload{
		"no answer at all to CREATE_CHILD_SA": func(*puppetLife, []message.Payload) []message.Payload { return nil },
		"a child SA without SA": func(_ *puppetLife, p []message.Payload) []message.Payload {
			return without[*message.SecurityAssociation](p)
		},
		"a child SA without nonce": func(_ *puppetLife, p []message.Payload) []message.Payload { return without[*message.Nonce](p) },
		"a child SA without TSr":   func(_ *puppetLife, p []message.Payload) []message.Payload { return without[*message.TSr](p) },
		"a child SA with wider selectors": func(_ *puppetLife, p []message.Payload) []message.Payload {
			return append(without[*message.TSi](p), &message.TSi{TrafficSelectors: anyTS})
		},
		"a child SA of algorithms that were not offered": func(_ *puppetLife, p []message.Payload) []message.Payload {
			sa, _ := message.Get[*message.SecurityAssociation](p)
			sa.Proposals[0].Transforms[0].ID = 3
			return p
		},
		"a child SA with SPI 0": func(_ *puppetLife, p []message.Payload) []message.Payload {
			sa, _ := message.Get[*message.SecurityAssociation](p)
			sa.Proposals[0].SPI = []byte{0, 0, 0, 0}
			return p
		},
		"a child SA of two proposals": func(_ *puppetLife, p []message.Payload) []message.Payload {
			sa, _ := message.Get[*message.SecurityAssociation](p)
			sa.Proposals = append(sa.Proposals, sa.Proposals[0])
			return p
		},
	} {
		rows = append(rows, row{name, asking, func(l *puppetLife) {
			answer, err := l.ChildAnswer(l.request.Payloads)
			require.NoError(l.w.t, err)
			require.NoError(l.w.t, l.Reply(l.request, change(l, answer)...))
			l.refusedChild()
		}, nil})
	}
	slices.SortFunc(rows, func(a, b row) int { return slices.Compare([]byte(a.does), []byte(b.does)) })
	answered := func(payloads func(l *puppetLife) []message.Payload) func(*puppetLife) {
		return func(l *puppetLife) {
			l.Hold(nil)
			require.NoError(l.w.t, l.Reply(l.request, payloads(l)...))
			l.DropChildren(defaultOf(l).Own, additionalOf(l).Own)
			l.await(awaiting[*nas.ReleaseCommand])
			l.at = atRegistered
		}
	}
	// givenUp: the PDU session ends before its child SAs are there, by NAS.
	givenUp := func(answer func(l *puppetLife) error) func(*puppetLife) {
		return func(l *puppetLife) {
			require.NoError(l.w.t, l.ReleaseSession(puppetSession))
			l.w.until("the end of the PDU session at the N3IWF", func() bool { return l.w.nf.Status().PDUSessions == len(l.others) })
			l.Hold(nil)
			require.NoError(l.w.t, answer(l))
			// Which of the two messages of the core about it comes first, that of the release or that of the failed set-up, nobody knows.
			l.w.until("the end of the PDU session at the core", func() bool { return l.atCore().Sessions == 0 })
			l.at = atRegistered
		}
	}
	return append(rows,
		row{"the PDU session is given up, then agreed to", asking, givenUp(func(l *puppetLife) error { return l.Accept(l.request) }), nil},
		row{"the PDU session is given up, then refused", asking, givenUp(func(l *puppetLife) error {
			return l.Reply(l.request, &message.Notify{Type: message.NO_ADDITIONAL_SAS})
		}), nil},
		row{"the AMF releases the UE before its answer", append(asking, atRelease), func(l *puppetLife) {
			require.NoError(l.w.t, l.w.core.ReleaseContext(imsi(l.i)))
			l.w.until("the end of the UE at the core", func() bool { return !l.atCore().Connected })
			l.Hold(nil)
			require.NoError(l.w.t, l.Accept(l.request))
			l.do(l.Gone)
			l.at = atIdle
		}, nil},
		row{"an error as the answer to Delete", []stage{atRelease}, answered(func(*puppetLife) []message.Payload {
			return []message.Payload{&message.Notify{Type: message.TEMPORARY_FAILURE}}
		}), nil},
		row{"an empty answer to Delete", []stage{atRelease}, answered(func(*puppetLife) []message.Payload { return nil }), nil},
		row{"other SPIs in the answer to Delete", []stage{atRelease}, answered(func(l *puppetLife) []message.Payload {
			return []message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{1, signallingOf(l).Own}}}
		}), nil},
		row{"the N3IWF's SPIs in the answer to Delete", []stage{atRelease}, answered(func(l *puppetLife) []message.Payload {
			return []message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{defaultOf(l).Peer, additionalOf(l).Peer}}}
		}), nil},
		row{"an error as the answer to Delete", ending, func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.TEMPORARY_FAILURE}))
		}, lost},
		row{"INVALID_SYNTAX as the answer", append(asking, atRelease, atEnd), func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Notify{Type: message.INVALID_SYNTAX}))
		}, byIKE},
		row{"a malformed answer", append(asking, atRelease, atEnd), func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, &message.Unknown{Type: 42, Body: []byte{3}}))
		}, byIKE},
		row{"an unknown critical payload in an answer", append(asking, atRelease, atEnd), func(l *puppetLife) {
			require.NoError(l.w.t, l.Reply(l.request, critical))
		}, byIKE},
	)
}
