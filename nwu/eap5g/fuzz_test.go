// SPDX-License-Identifier: Apache-2.0

package eap5g

import (
	"reflect"
	"testing"
)

// FuzzDecode holds that every input gives a value or an error, and that what decodes encodes to a packet that
// decodes to the same value.
func FuzzDecode(f *testing.F) {
	for _, v := range vectors {
		f.Add(unhex(f, v.hex))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			return
		}
		again, err := p.Append(nil)
		if err != nil {
			t.Fatalf("%#v does not encode: %v", p, err)
		}
		if len(again) > len(b)+6*MaxParameters {
			t.Fatalf("%d octets became %d", len(b), len(again))
		}
		q, err := Decode(again)
		if err != nil || !sameMessage(p.Message, q.Message) {
			t.Fatalf("%#v became %#v, %v", p, q, err)
		}
		if m, ok := p.Message.(NASResponse); ok {
			// An identity that still looks like a whole information element loses its head again.
			if an, err := m.AN(); err == nil && len(identityValue(an.UEIdentity)) == len(an.UEIdentity) {
				back, err := an.NASResponse(m.PDU).AN()
				if err != nil || !reflect.DeepEqual(an, back) {
					t.Fatalf("%#v became %#v, %v", an, back, err)
				}
			}
		}
	})
}

func sameMessage(a, b Message) bool {
	m, ok := a.(NASResponse)
	n, ok2 := b.(NASResponse)
	if !ok || !ok2 {
		return reflect.DeepEqual(a, b)
	}
	return reflect.DeepEqual(m.Parameters, n.Parameters) && reflect.DeepEqual(m.PDU, n.PDU) && reflect.DeepEqual(m.Extended, n.Extended)
}
