// SPDX-License-Identifier: Apache-2.0

package message_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// FuzzDecodeMessage: whatever decodes, encodes; and what that gives is stable.
func FuzzDecodeMessage(f *testing.F) {
	for _, d := range capture.UDP(f, capture.Path(f, capture.Registration, "nwu.pcap")) {
		f.Add(d.Data)
	}
	m := &message.Message{Header: fragHeader}
	for _, tt := range payloads {
		m.Payloads = append(m.Payloads, tt.payload)
	}
	b, err := m.Append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	seal, _ := protectors(f, gcm128)
	fragments, err := message.SealFragments(fragHeader, bigPayloads(300), seal, 200)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(fragments[0])
	f.Fuzz(func(t *testing.T, b []byte) {
		before := bytes.Clone(b)
		_, _ = message.DecodeHeader(b)
		m, err := message.Decode(b)
		if err != nil {
			return
		}
		encoded, err := m.Append(nil)
		if err != nil {
			t.Fatal(err)
		}
		again, err := message.Decode(encoded)
		if err != nil {
			t.Fatal(err)
		}
		stable, err := again.Append(nil)
		if err != nil || !bytes.Equal(encoded, stable) {
			t.Fatalf("%v\n%x\n%x", err, encoded, stable)
		}
		_, open := protectors(t, cbc128)
		if _, err := message.Open(b, open); err == nil {
			t.Fatal("opened without the key")
		}
		if !bytes.Equal(before, b) {
			t.Fatal("the input was changed")
		}
	})
}

func FuzzDecodePayloads(f *testing.F) {
	for _, tt := range payloads {
		b, err := message.AppendPayloads(nil, []message.Payload{tt.payload})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(uint8(tt.payload.PayloadType()), b)
	}
	for _, rec := range registration(f) {
		if len(rec.inner) > 0 {
			b, err := message.AppendPayloads(nil, rec.inner)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(rec.inner[0].PayloadType()), b)
		}
	}
	f.Fuzz(func(t *testing.T, first uint8, b []byte) {
		p, err := message.DecodePayloads(message.PayloadType(first), b)
		if err != nil {
			return
		}
		encoded, err := message.AppendPayloads(nil, p)
		if err != nil {
			t.Fatal(err)
		}
		if len(encoded) > len(b) {
			t.Fatalf("%d octets became %d", len(b), len(encoded))
		}
		again, err := message.DecodePayloads(message.PayloadType(first), encoded)
		if err != nil {
			t.Fatalf("%v\n%x\n%x", err, b, encoded)
		}
		same(t, p, again)
		message.GetNotify(p, message.COOKIE)
		message.ErrorNotify(p)
	})
}

// FuzzReassembler feeds fragments of four octets each (message, number, total, seconds) and checks
// the bounds and that what is complete is made of what was given.
func FuzzReassembler(f *testing.F) {
	f.Add([]byte{0, 1, 2, 0, 0, 2, 2, 0})
	f.Add([]byte{0, 1, 2, 0, 1, 1, 3, 0, 0, 2, 3, 5, 0, 1, 3, 0, 0, 3, 3, 29})
	f.Add([]byte{0, 1, 2, 0, 0, 2, 2, 31, 0, 1, 2, 0, 4, 0, 0, 0, 7, 255, 255, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		var r message.Reassembler
		now := epoch
		for ; len(b) >= 4; b = b[4:] {
			h := fragHeader
			h.MessageID = uint32(b[0] & 7)
			if b[0]&8 != 0 {
				h.Flags |= message.FlagResponse
			}
			now = now.Add(time.Duration(b[3]) * time.Second)
			fr := fragment(int(b[1]), int(b[2]))
			r.Expire(now) // what Add does first may make room for this fragment
			wanted := r.Wanted(h, fr)
			first, whole, complete := r.Add(now, h, fr, []byte{b[1], b[2]})
			if complete && !wanted {
				t.Fatal("completed by an unwanted fragment")
			}
			if r.Pending() > message.MaxPending {
				t.Fatal("too many pending")
			}
			if !complete {
				continue
			}
			if first != message.PayloadVendorID || len(whole) != 2*int(b[2]) {
				t.Fatalf("%v %x", first, whole)
			}
			for i := range int(b[2]) {
				if whole[2*i] != byte(i+1) || whole[2*i+1] != b[2] {
					t.Fatalf("%x", whole)
				}
			}
		}
	})
}
