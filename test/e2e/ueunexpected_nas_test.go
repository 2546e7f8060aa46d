// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bytes"
	"context"
	"encoding/binary"
	"slices"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ngap"
	"github.com/open-n3iwf/n3iwf/nwu/eap5g"
)

// eapPacket is an EAP-5G response to the latest request.
func (l *puppetLife) eapPacket(m eap5g.Message) []byte {
	l.w.t.Helper()
	b, err := eap5g.Packet{Code: eap5g.Response, Identifier: l.EAP()[1], Message: m}.Append(nil)
	require.NoError(l.w.t, err)
	return b
}

// eapRows are EAP packets, and what is not one.
func eapRows() []row {
	nasResponse := func(l *puppetLife) []byte { return l.eapPacket(eap5g.NASResponse{PDU: []byte{0x7e, 0, 0x64, 0x6f}}) }
	fails := func(packet func(l *puppetLife) []byte) func(*puppetLife) {
		return func(l *puppetLife) {
			id := l.EAP()[1]
			answer := l.ask(message.IKE_AUTH, &message.EAP{Packet: packet(l)})
			require.Equal(l.w.t, says([]message.Payload{&message.EAP{Packet: []byte{4, id, 0, 4}}}), says(answer), "EAP-Failure")
		}
	}
	rejected := func(payloads ...message.Payload) func(*puppetLife) {
		return func(l *puppetLife) { l.refused(message.AUTHENTICATION_FAILED, message.IKE_AUTH, payloads...) }
	}
	auth := &message.Authentication{Method: message.AuthSharedKey, Data: make([]byte, 32)}
	return []row{
		{"EAP Nak", inEAP, fails(func(l *puppetLife) []byte { return []byte{2, l.EAP()[1], 0, 6, 3, 0} }), failure},
		{"EAP-Identity", inEAP, fails(func(l *puppetLife) []byte { return []byte{2, l.EAP()[1], 0, 6, 1, 'u'} }), failure},
		{"a truncated EAP packet", inEAP, fails(func(l *puppetLife) []byte { b := nasResponse(l); return b[:len(b)-2] }), failure},
		{"a truncated EAP-5G message", inEAP, fails(func(l *puppetLife) []byte {
			b := nasResponse(l)
			b = b[:len(b)-2]
			binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
			return b
		}), failure},
		{"an EAP packet of 3 octets", inEAP, fails(func(*puppetLife) []byte { return []byte{2, 1, 0} }), failure},
		{"EAP-Success of its own", inEAP, fails(func(l *puppetLife) []byte { return []byte{3, l.EAP()[1], 0, 4} }), failure},
		{"an EAP request of its own", inEAP, fails(func(l *puppetLife) []byte { b := nasResponse(l); b[0] = 1; return b }), failure},
		{"5G-Start of its own", inEAP, fails(func(l *puppetLife) []byte { b := l.eapPacket(eap5g.Stop{}); b[12] = 1; return b }), failure},
		{"5G-Notification", inEAP, fails(func(l *puppetLife) []byte { return l.eapPacket(eap5g.NotificationResponse{}) }), failure},
		{"5G-Stop", inEAP, fails(func(l *puppetLife) []byte { return l.eapPacket(eap5g.Stop{}) }), stopped},
		{"5G-NAS without NAS", []stage{atStart}, fails(func(l *puppetLife) []byte { return l.eapPacket(eap5g.NASResponse{}) }), failure},
		{"IKE_AUTH without EAP", inEAP, rejected(), lost},
		{"AUTH before the end of EAP", inEAP, rejected(auth), lost},
		{"EAP after EAP-Success", []stage{atSuccess}, func(l *puppetLife) {
			l.refused(message.AUTHENTICATION_FAILED, message.IKE_AUTH, &message.EAP{Packet: l.eapPacket(eap5g.Stop{})})
		}, lost},
		{"wrong AUTH", []stage{atSuccess}, rejected(auth), lost},
		{"AUTH in the first request", []stage{atInit}, rejected(&message.IDi{Identification: message.Identification{Type: message.ID_KEY_ID, Data: []byte("UE")}}, auth), lost},
		{"the first IKE_AUTH request without IDi", []stage{atInit}, func(l *puppetLife) {
			l.refused(message.INVALID_SYNTAX, message.IKE_AUTH, &message.EAP{Packet: []byte{2, 1, 0, 4}})
		}, byIKE},
		{"no CP in the last request", []stage{atSuccess}, lastRefused(message.FAILED_CP_REQUIRED, func(_ *puppetLife, p []message.Payload) []message.Payload {
			return without[*message.Configuration](p)
		}), failure},
		{"no usable algorithms for the signalling SA", []stage{atSuccess}, lastRefused(message.NO_PROPOSAL_CHOSEN, func(l *puppetLife, p []message.Payload) []message.Payload {
			_, _, in := l.ChildRequest(nil)
			sa, _ := message.Get[*message.SecurityAssociation](in)
			sa.Proposals[0].Transforms[0].ID = 3
			return append(p, in[0], in[2], in[3])
		}), failure},
		{"selectors that leave the signalling SA out", []stage{atSuccess}, lastRefused(message.TS_UNACCEPTABLE, func(l *puppetLife, p []message.Payload) []message.Payload {
			_, _, in := l.ChildRequest(nil)
			only := message.TrafficSelectors{message.AddrSelector(0, dn)}
			return append(p, in[0], &message.TSi{TrafficSelectors: only}, &message.TSr{TrafficSelectors: only})
		}), failure},
		{"selectors for TCP alone, behind others", []stage{atSuccess}, func(l *puppetLife) {
			tcp := anyTS[0]
			tcp.Protocol = 6
			l.do(func(ctx context.Context) error {
				return l.ProveFor(ctx, message.TrafficSelectors{message.AddrSelector(0, dn), tcp}, message.TrafficSelectors{message.AddrSelector(17, dn), tcp})
			})
			l.at = atSignalling
		}, nil},
	}
}

// lastRefused sends the last IKE_AUTH request with something wrong. Both sides have authenticated each other, so that the answer has AUTH and a notify, and Delete
// follows (RFC 7296 1.2).
func lastRefused(with message.NotifyType, change func(*puppetLife, []message.Payload) []message.Payload) func(*puppetLife) {
	return func(l *puppetLife) {
		answer := l.ask(message.IKE_AUTH, change(l, l.Proof())...)
		_, ok := message.Get[*message.Authentication](answer)
		require.True(l.w.t, ok)
		n := message.ErrorNotify(answer)
		require.NotNil(l.w.t, n, says(answer))
		require.Equal(l.w.t, with, n.Type)
		l.do(l.Gone)
	}
}

// tcpRows are octets where NAS envelopes should be, and connections that come and go.
func tcpRows() []row {
	// again opens another connection, and waits until the N3IWF uses it: downlink NAS on one that the UE has closed is told to the AMF as not delivered.
	again := func(l *puppetLife) {
		l.do(l.Connect)
		over(l, []byte{0x7f, 0x55})
	}
	// broken sends octets that end the connection; the UE opens another one (TS 24.502 8.2.2).
	broken := func(octets []byte) func(*puppetLife) {
		return func(l *puppetLife) {
			before := l.w.nf.Status().NAS.Protocol
			require.NoError(l.w.t, l.WriteTCP(octets))
			l.w.until("the end of the NAS connection", func() bool { return l.w.nf.Status().NAS.Protocol == before+1 })
			again(l)
		}
	}
	// replaced opens another connection while there is one.
	replaced := func(l *puppetLife) {
		before := l.w.nf.Status().NAS.Replaced
		again(l)
		l.w.until("one connection instead of two", func() bool {
			s := l.w.nf.Status().NAS
			return s.Replaced == before+1 && s.Connections == uint64(1+len(l.others))
		})
	}
	// passed sends NAS that is the AMF's to judge.
	passed := func(pdu []byte) func(*puppetLife) {
		return func(l *puppetLife) {
			if l.Connections() == 0 {
				l.do(l.Connect)
			}
			over(l, pdu)
		}
	}
	tcp := append([]stage{atSignalling}, onTCP...)
	return []row{
		{"garbage on TCP", onTCP, broken([]byte("GET / HTTP/1.1\r\nHost: n3iwf\r\n\r\n")), nil},
		{"an envelope of length 0", onTCP, broken([]byte{0, 0, 0x7e, 0}), nil},
		{"an envelope of 8193 octets", onTCP, broken(binary.BigEndian.AppendUint16(nil, 8193)), nil},
		{"an envelope of 65535 octets", []stage{atSession}, broken(bytes.Repeat([]byte{0xff}, 1000)), nil},
		{"NAS, and then an envelope of length 0", []stage{atSession}, broken(append(envelope([]byte{0x7e, 0, 0x55}), 0, 0)), nil},
		{"half an envelope, and the end", onTCP, func(l *puppetLife) {
			require.NoError(l.w.t, l.WriteTCP(envelope([]byte{0x7e, 0, 0x55, 0x33, 1, 2, 3, 4})[:5]))
			require.NoError(l.w.t, l.CloseTCP())
			again(l)
		}, nil},
		{"the end of the connection, and another one", onTCP, func(l *puppetLife) {
			for range 2 {
				require.NoError(l.w.t, l.CloseTCP())
				again(l)
			}
		}, nil},
		{"a second connection", onTCP, func(l *puppetLife) {
			replaced(l)
		}, nil},
		{"half an envelope, and a second connection", onTCP, func(l *puppetLife) {
			require.NoError(l.w.t, l.WriteTCP([]byte{0, 200, 0x7e}))
			replaced(l)
		}, nil},
		{"NAS that no AMF understands", tcp, passed([]byte{0xff, 0xff, 0xff}), nil},
		{"NAS of one octet", tcp, passed([]byte{0}), nil},
		{"unprotected NAS: a session request", tcp, passed([]byte{0x7e, 0, 0x67, 1, 0, 4, 0x2e, 1, 1, 0xc1}), nil},
		{"unprotected NAS: a deregistration", tcp, passed([]byte{0x7e, 0, 0x45, 0x0a, 0, 1, 0}), nil},
		{"NAS of 8192 octets", []stage{atRegistered}, passed(bytes.Repeat([]byte{0x7f}, 8192)), nil},
	}
}

// over sends NAS over the latest connection, in pieces, and waits until the AMF has it.
func over(l *puppetLife, pdu []byte) {
	l.w.t.Helper()
	l.heard.forget()
	b := envelope(pdu)
	for _, part := range [][]byte{b[:1], b[1:2], b[2:3], b[3:]} {
		if len(part) > 0 {
			require.NoError(l.w.t, l.WriteTCP(part))
		}
	}
	for {
		m, _ := next[*ngap.UplinkNASTransport](l.heard)
		if bytes.Equal(m.NASPDU, pdu) {
			return
		}
	}
}

func envelope(pdu []byte) []byte {
	return slices.Concat(binary.BigEndian.AppendUint16(nil, uint16(len(pdu))), pdu)
}
