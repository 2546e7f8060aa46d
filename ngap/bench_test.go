// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

func BenchmarkDecode(b *testing.B) {
	for _, v := range readVectors(b, "testdata/pdus.txt") {
		switch v.name {
		case "UplinkNASTransport", "InitialContextSetupRequest", "PDUSessionResourceSetupRequest":
			b.Run(v.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Decode(v.b); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkEncode(b *testing.B) {
	for _, v := range readVectors(b, "testdata/pdus.txt") {
		switch v.name {
		case "UplinkNASTransport", "InitialContextSetupRequest", "PDUSessionResourceSetupRequest":
			p, err := Decode(v.b)
			require.NoError(b, err)
			b.Run(v.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Encode(p.Message); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

// A count of items that the input cannot hold makes no room for them, and what is decoded stays in proportion to the
// input.
func TestDecodeMemory(t *testing.T) {
	// 65536 connections announced in an NG RESET of a few octets.
	lie := pdu(t, 0, 20, 0, causeIE, "00580005"+"40c4000000")
	// As many IEs as fit, each the smallest, and a container that announces the most IEs.
	many := []byte{0, 4, 0x40, 0x9f, 0xff, 0, 0x07, 0xfe}
	for len(many) < 5+0x1fff {
		many = append(many, 0xea, 0x60, 0x40, 1, 0)
	}
	many = many[:5+0x1fff]
	for name, b := range map[string][]byte{"lie": lie, "many": many} {
		var before, after runtime.MemStats
		const rounds = 20
		runtime.ReadMemStats(&before)
		for range rounds {
			_, _ = Decode(b)
		}
		runtime.ReadMemStats(&after)
		per := (after.TotalAlloc - before.TotalAlloc) / rounds
		require.Less(t, per, uint64(4096+100*len(b)), name)
	}
	_, err := Decode(lie)
	require.ErrorContains(t, err, "truncated")
}
