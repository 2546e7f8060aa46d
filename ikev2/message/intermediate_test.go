// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"bytes"
	"encoding/hex"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

var intermediateHeader = message.Header{
	InitiatorSPI: 0x0102030405060708, ResponderSPI: 0x1112131415161718, Exchange: message.IKE_INTERMEDIATE,
	Flags: message.FlagInitiator, MessageID: 1,
}

// The octets by hand from RFC 9242 3.3.2: header and SK header with lengths that count nothing but the inner payloads.
func TestIntAuthOctets(t *testing.T) {
	inner := []message.Payload{&message.KeyExchange{Group: 36, Data: []byte{0xaa, 0xbb}}, &message.Notify{Type: message.ADDITIONAL_KEY_EXCHANGE}}
	want := "0102030405060708 1112131415161718 2e 20 2b 08 00000001 00000032" + // 50 octets
		"22 00 0016" + // SK, first KE, 22 octets
		"29 00 000a 0024 0000 aabb" + // KE, next N, 10 octets
		"00 00 0008 00 00 4039" // N
	got, err := message.IntAuthOctets(intermediateHeader, inner)
	require.NoError(t, err)
	require.Equal(t, hex.EncodeToString(capture.Hex(t, want)), hex.EncodeToString(got))
}

// Both sides count the same octets, whatever the form of the message on the wire.
func TestIntAuthOctetsOfReceived(t *testing.T) {
	big := []message.Payload{&message.KeyExchange{Group: 37, Data: bytes.Repeat([]byte{7}, 1568)}}
	for _, s := range []suite.IKE{gcm128, cbc128} {
		seal, open := protectors(t, s)
		want, err := message.IntAuthOctets(intermediateHeader, big)
		require.NoError(t, err)
		whole, err := message.Seal(nil, intermediateHeader, big, seal)
		require.NoError(t, err)
		m, err := message.Decode(whole)
		require.NoError(t, err)
		sk := m.Payloads[0].(*message.Encrypted)
		plain, err := sk.Decrypt(open)
		require.NoError(t, err)
		got, err := sk.IntAuthOctets(plain)
		require.NoError(t, err)
		require.Equal(t, want, got)

		for _, size := range []int{200, 576, 1200} {
			parts, err := message.SealFragments(intermediateHeader, big, seal, size)
			require.NoError(t, err)
			require.Greater(t, len(parts), 1)
			var r message.Reassembler
			var first *message.EncryptedFragment
			for _, d := range parts {
				m, err := message.Decode(d)
				require.NoError(t, err)
				f := m.Payloads[0].(*message.EncryptedFragment)
				if f.Number == 1 {
					first = f
				}
				piece, err := f.Decrypt(open)
				require.NoError(t, err)
				if _, all, complete := r.Add(time.Time{}, m.Header, f, piece); complete {
					got, err := first.IntAuthOctets(all)
					require.NoError(t, err)
					require.Equal(t, want, got, "in fragments of %d", size)
				}
			}
		}
	}
}

// Payloads outside SK are covered too (RFC 9242 3.3.2), and the SKF that follows them becomes SK.
func TestIntAuthOctetsClearPayloads(t *testing.T) {
	datagram := capture.Hex(t, "0102030405060708 1112131415161718 29 20 2b 08 00000001 00000037"+
		"2b 00 0008 00 00 4039"+ // N, next V
		"35 00 0006 0102"+ // V, next SKF
		"22 00 000d 0001 0002 aabbccddee") // SKF
	m, err := message.Decode(datagram)
	require.NoError(t, err)
	got, err := m.Payloads[2].(*message.EncryptedFragment).IntAuthOctets([]byte{1, 2, 3})
	require.NoError(t, err)
	require.Equal(t, capture.Hex(t, "0102030405060708 1112131415161718 29 20 2b 08 00000001 00000031"+
		"2b 00 0008 00 00 4039"+"2e 00 0006 0102"+"22 00 0007 010203"), got)
}

// FuzzIntAuthOctets: whatever decodes has octets that decode again with the same payloads outside SK.
func FuzzIntAuthOctets(f *testing.F) {
	seal, _ := protectors(f, gcm128)
	parts, err := message.SealFragments(intermediateHeader, bigPayloads(300), seal, 200)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(parts[0], []byte{1, 2, 3})
	whole, err := message.Seal(nil, intermediateHeader, bigPayloads(3), seal)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(whole, []byte{})
	f.Fuzz(func(t *testing.T, datagram, plain []byte) {
		m, err := message.Decode(datagram)
		if err != nil || len(m.Payloads) == 0 {
			return
		}
		before := bytes.Clone(datagram)
		var octets []byte
		switch p := m.Payloads[len(m.Payloads)-1].(type) {
		case *message.Encrypted:
			octets, err = p.IntAuthOctets(plain)
		case *message.EncryptedFragment:
			octets, err = p.IntAuthOctets(plain)
		default:
			return
		}
		if !bytes.Equal(before, datagram) {
			t.Fatal("the datagram was changed")
		}
		if err != nil {
			return
		}
		again, err := message.Decode(octets)
		if err != nil || len(again.Payloads) != len(m.Payloads) || again.Header != m.Header || !bytes.HasSuffix(octets, plain) {
			t.Fatalf("%v\n%x\n%x", err, datagram, octets)
		}
		if _, ok := again.Payloads[len(again.Payloads)-1].(*message.Encrypted); !ok {
			t.Fatal("not in one piece")
		}
	})
}
