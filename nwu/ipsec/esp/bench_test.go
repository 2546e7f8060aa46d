// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"testing"
)

var benchSizes = []int{64, 1400}

// BenchmarkRawGCM is the yardstick: AES-128-GCM alone.
func BenchmarkRawGCM(b *testing.B) {
	for _, n := range benchSizes {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			block, _ := aes.NewCipher(make([]byte, 16))
			aead, _ := cipher.NewGCM(block)
			buf, nonce, aad := make([]byte, n+16), make([]byte, 12), make([]byte, 8)
			b.SetBytes(int64(n))
			b.ReportAllocs()
			for i := range b.N {
				binary.BigEndian.PutUint64(nonce, uint64(i))
				aead.Seal(buf[:0], nonce, buf[:n], aad)
			}
		})
	}
}

func BenchmarkSeal(b *testing.B) {
	for _, s := range suites {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				out, _ := pair(b, s, true, 0, 1024)
				var sc Scratch
				head, payload := make([]byte, 28), make([]byte, n-28)
				dst := make([]byte, out.Size(n))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for range b.N {
					seq, _ := out.Next()
					out.Seal(dst, seq, 4, head, payload, &sc)
				}
			})
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for _, s := range suites {
		for _, n := range benchSizes {
			b.Run(fmt.Sprintf("%s/%d", s.name, n), func(b *testing.B) {
				out, in := pair(b, s, true, 0, 1024)
				var sc Scratch
				pkt, buf := sealAt(out, 1, make([]byte, n)), make([]byte, out.Size(n))
				b.SetBytes(int64(n))
				b.ReportAllocs()
				for range b.N {
					copy(buf, pkt)
					in.window.top, in.window.ring[0] = 0, 0 // the same packet again
					if _, _, err := in.Open(buf, &sc); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
