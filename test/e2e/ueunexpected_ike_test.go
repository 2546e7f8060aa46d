// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"fmt"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
)

// send sends IKE messages that are not answered.
func (l *puppetLife) send(messages ...[]byte) {
	l.w.t.Helper()
	for _, b := range messages {
		require.NoError(l.w.t, l.Send(b))
	}
}

func (l *puppetLife) seal(kind message.ExchangeType, change func(*message.Header), payloads ...message.Payload) []byte {
	l.w.t.Helper()
	b, err := l.Seal(kind, change, payloads...)
	require.NoError(l.w.t, err)
	return b
}

var (
	deleteAll = &message.Delete{Protocol: message.ProtocolIKE}
	critical  = &message.Unknown{Type: 200, Critical: true}
	harmless  = &message.Unknown{Type: 200}
)

// droppedRows are messages that are dropped without a word, at every stage.
func droppedRows() []row {
	return []row{
		{"messages of no IKE SA", []stage{atNothing, atInit, atChallenge, atSession, atIdle}, func(l *puppetLife) {
			for _, kind := range []message.ExchangeType{message.IKE_AUTH, message.CREATE_CHILD_SA, message.INFORMATIONAL} {
				for _, flags := range []message.Flags{0, message.FlagInitiator, message.FlagResponse, message.FlagInitiator | message.FlagResponse} {
					m := message.Message{Header: message.Header{InitiatorSPI: 7, ResponderSPI: 0x0900000000000000, Exchange: kind, Flags: flags}}
					b, err := m.Append(nil)
					require.NoError(l.w.t, err)
					l.send(b, append(b, 0, 0, 0, 9))
				}
			}
			l.send([]byte{1}, make([]byte, 28), make([]byte, 400))
		}, nil},
		{"IKE_SA_INIT that is none", []stage{atNothing, atInit, atChallenge, atSession, atIdle}, func(l *puppetLife) {
			b, err := l.InitRequest()
			require.NoError(l.w.t, err)
			for _, at := range []int{8, 17, 18, 19, 20, 24, 27} { // SPIr, version, exchange, flags, message ID, length
				c := append([]byte(nil), b...)
				c[at] ^= 0x35
				l.send(c)
			}
			l.send(b[:40])
		}, nil},
		{"what no window, key or role allows", append(append([]stage{atThinking}, early...), append(up, atEnd)...), func(l *puppetLife) {
			if l.at >= atSignalling {
				l.ask(message.INFORMATIONAL) // after a rekey message ID 0 would be right
			}
			forged := l.seal(message.INFORMATIONAL, nil, deleteAll)
			forged[len(forged)-1] ^= 1
			m := message.Message{Payloads: []message.Payload{deleteAll}}
			h, err := message.DecodeHeader(forged)
			require.NoError(l.w.t, err)
			m.Header = h
			bare, err := m.Append(nil)
			require.NoError(l.w.t, err)
			l.send(forged, bare,
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.MessageID += 1 << 20 }, deleteAll),
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.MessageID += 1 }, deleteAll),
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.MessageID = 1<<32 - 1 }, deleteAll),
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.MessageID = 0 }, deleteAll),
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.Flags = 0 }, deleteAll),
				l.seal(message.INFORMATIONAL, func(h *message.Header) { h.Flags |= message.FlagResponse; h.MessageID += 100 }, deleteAll),
				l.seal(message.CREATE_CHILD_SA, func(h *message.Header) { h.Flags |= message.FlagResponse; h.MessageID += 100 }, deleteAll),
				l.seal(message.IKE_SA_INIT, nil, deleteAll))
		}, nil},
		{"an answer to what was not asked so", []stage{atDefault, atAdditional, atRelease, atEnd}, func(l *puppetLife) {
			for _, kind := range []message.ExchangeType{message.IKE_AUTH, message.INFORMATIONAL, message.CREATE_CHILD_SA} {
				if kind != l.request.Exchange {
					l.send(l.seal(kind, func(h *message.Header) { h.Flags |= message.FlagResponse; h.MessageID = l.request.MessageID }))
				}
			}
		}, nil},
		{"further requests before the answer", []stage{atThinking}, func(l *puppetLife) {
			_, _, child := l.ChildRequest(nil)
			count := func() int { return int(l.w.nf.Status().ESP.IKE) }
			before := count()
			messages := [][]byte{
				l.seal(message.IKE_AUTH, nil, &message.EAP{Packet: l.EAP()}), l.seal(message.CREATE_CHILD_SA, nil, child...), l.seal(message.INFORMATIONAL, nil, deleteAll),
				l.seal(message.INFORMATIONAL, nil), l.Last(), l.Last(), l.Last(),
			}
			l.send(messages...)
			// What the AMF says next must not overtake them: then they would be within the window.
			l.w.until("these messages at the N3IWF", func() bool { return count() >= before+len(messages) })
		}, nil},
	}
}

// exchangeRows are exchanges out of place, and INFORMATIONAL requests of every kind.
func exchangeRows() []row {
	invalid := func(kind message.ExchangeType, payloads ...message.Payload) func(*puppetLife) {
		return func(l *puppetLife) { l.refused(message.INVALID_SYNTAX, kind, payloads...) }
	}
	child := func(l *puppetLife) []message.Payload { _, _, p := l.ChildRequest(nil); return p }
	return []row{
		{"IKE_SA_INIT again", []stage{atInit, atStart, atChallenge, atThinking}, func(l *puppetLife) {
			l.do(func(ctx context.Context) error {
				same, err := l.InitAgain(ctx)
				require.True(l.w.t, same, "the same answer, and no other IKE SA")
				return err
			})
		}, nil},
		{"the latest request again", append([]stage{atStart, atChallenge, atSuccess}, up...), func(l *puppetLife) {
			if l.at >= atSignalling {
				l.ask(message.INFORMATIONAL) // as a rekey may have come just before
			}
			for range 2 {
				l.do(func(ctx context.Context) error {
					same, err := l.Again(ctx)
					require.True(l.w.t, same, "the same answer, and nothing done twice")
					return err
				})
			}
		}, nil},
		{"INFORMATIONAL that says nothing yet", early, func(l *puppetLife) {
			for _, in := range [][]message.Payload{nil, {harmless}, {&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{0x01020304}}}} {
				require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, in...)))
			}
		}, nil},
		{"INFORMATIONAL of every kind", append(up, atEnd), func(l *puppetLife) { informationals(l) }, nil},
		{"CREATE_CHILD_SA too early", early, func(l *puppetLife) {
			l.refused(message.INVALID_SYNTAX, message.CREATE_CHILD_SA, child(l)...)
		}, byIKE},
		{"IKE_AUTH after its end", append(up, atEnd), invalid(message.IKE_AUTH, &message.EAP{Packet: []byte{2, 1, 0, 4}}), byIKE},
		{"an exchange that is none", append(append(early, up...), atEnd), invalid(99), byIKE},
		{"IKE_SESSION_RESUME", []stage{atStart, atSession}, invalid(message.IKE_SESSION_RESUME), byIKE},
		{"a malformed payload", append(append(early, up...), atEnd), invalid(message.INFORMATIONAL, &message.Unknown{Type: 42, Body: []byte{3}}), byIKE},
		{"CREATE_CHILD_SA without nonce", append(up, atEnd), func(l *puppetLife) {
			l.refused(message.INVALID_SYNTAX, message.CREATE_CHILD_SA, without[*message.Nonce](child(l))...)
		}, byIKE},
		{"IKE_AUTH with an unknown critical payload", early, func(l *puppetLife) {
			n := l.refused(message.UNSUPPORTED_CRITICAL_PAYLOAD, message.IKE_AUTH, critical)
			require.Equal(l.w.t, []byte{200}, n.Data)
		}, byIKE},
		{"AUTHENTICATION_FAILED", append(append(early, up...), atEnd), func(l *puppetLife) {
			require.Empty(l.w.t, says(l.ask(message.INFORMATIONAL, &message.Notify{Type: message.AUTHENTICATION_FAILED})))
		}, byIKE},
	}
}

// informationals are requests that change nothing.
func informationals(l *puppetLife) {
	l.w.t.Helper()
	empty := []string{}
	for i, c := range []struct {
		in  []message.Payload
		out []string
	}{
		{nil, empty},
		{[]message.Payload{harmless}, empty},
		{[]message.Payload{critical}, []string{"UNSUPPORTED_CRITICAL_PAYLOAD c8"}},
		{[]message.Payload{deleteAll, critical}, []string{"UNSUPPORTED_CRITICAL_PAYLOAD c8"}},
		{[]message.Payload{&message.Configuration{Type: message.CFG_REQUEST, Attributes: []message.ConfigAttribute{{Type: 7}, {Type: message.INTERNAL_IP4_ADDRESS}}}}, empty},
		{[]message.Payload{&message.Configuration{Type: message.CFG_SET, Attributes: []message.ConfigAttribute{{Type: message.INTERNAL_IP4_ADDRESS, Value: []byte{1, 2, 3, 4}}}}}, empty},
		{[]message.Payload{&message.Notify{Type: 40999, Data: []byte{1}}}, empty},
		{[]message.Payload{&message.Notify{Type: 999}}, empty},
		{[]message.Payload{&message.Notify{Type: message.INITIAL_CONTACT}}, empty},
		{[]message.Payload{&message.Notify{Type: message.INVALID_SYNTAX}}, empty},
		{[]message.Payload{&message.Notify{Type: message.UPDATE_SA_ADDRESSES}}, empty}, // MOBIKE was not agreed on
		{[]message.Payload{&message.Notify{Type: message.COOKIE2, Data: []byte("12345678")}}, []string{fmt.Sprintf("COOKIE2 %x", "12345678")}},
		{[]message.Payload{ // which are the N3IWF's to say
			&message.Notify{Protocol: message.ProtocolESP, SPI: uint32Octets(0x01020304), Type: 55508}, &message.Notify{Type: 55501, Data: []byte{4, puppetSession, 1, 9, 2}},
		}, empty},
		{[]message.Payload{&message.EAP{Packet: []byte{2, 1, 0, 4}}}, empty},
		{[]message.Payload{&message.Delete{Protocol: message.ProtocolESP, SPIs: []uint32{0x01020304, 0, 0xffffffff}}}, empty},
		{[]message.Payload{&message.Delete{Protocol: message.ProtocolESP}}, empty},
	} {
		require.Equal(l.w.t, c.out, says(l.ask(message.INFORMATIONAL, c.in...)), "request %d", i)
	}
}
