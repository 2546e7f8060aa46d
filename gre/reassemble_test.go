// SPDX-License-Identifier: Apache-2.0

package gre

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// cut fragments a carrier packet at the given offsets behind the IP header.
func cut(packet []byte, id uint32, at ...int) (out [][]byte) {
	n := ipv4Len
	if packet[0]>>4 == 6 {
		n = ipv6Len
	}
	body := packet[n:]
	at = append(append([]int{0}, at...), len(body))
	for i := range len(at) - 1 {
		part, more := body[at[i]:at[i+1]], i < len(at)-2
		f := append([]byte(nil), packet[:n]...)
		if n == ipv4Len {
			binary.BigEndian.PutUint16(f[2:], uint16(n+len(part)))
			binary.BigEndian.PutUint16(f[4:], uint16(id))
			field := uint16(at[i] / 8)
			if more {
				field |= 0x2000
			}
			binary.BigEndian.PutUint16(f[6:], field)
		} else {
			binary.BigEndian.PutUint16(f[4:], uint16(8+len(part)))
			f[6] = 44
			field := uint16(at[i])
			if more {
				field |= 1
			}
			f = append(f, protocolGRE, 0)
			f = binary.BigEndian.AppendUint16(f, field)
			f = binary.BigEndian.AppendUint32(f, id)
		}
		out = append(out, append(f, part...))
	}
	return out
}

func carrierPacket(t testing.TB, source, destination string, n int, fill byte) []byte {
	c, err := NewCarrier(netip.MustParseAddr(source), netip.MustParseAddr(destination), 0)
	require.NoError(t, err)
	b := make([]byte, c.Len()+n)
	c.Put(b, Header{QFI: 1}, n, 0)
	for i := c.Len(); i < len(b); i++ {
		b[i] = fill + byte(i)
	}
	return b
}

func TestReassembler(t *testing.T) {
	now := time.Unix(0, 0)
	for _, ends := range [][2]string{{"10.0.0.2", "10.0.0.1"}, {"fd00::2", "fd00::1"}} {
		packet := carrierPacket(t, ends[0], ends[1], 1500, 0)
		want, err := Decode(packet)
		require.NoError(t, err)
		check := func(whole []byte) {
			t.Helper()
			got, err := Decode(whole)
			require.NoError(t, err)
			require.Equal(t, want.Header, got.Header)
			require.Equal(t, []netip.Addr{want.Source, want.Destination}, []netip.Addr{got.Source, got.Destination})
			require.Equal(t, packet[want.Offset:want.End], whole[got.Offset:got.End])
		}
		add := func(r *Reassembler, owner uint64, p []byte, now time.Time) []byte {
			whole, _ := r.Add(owner, p, now)
			return whole
		}
		t.Run(ends[0], func(t *testing.T) {
			for _, order := range [][]int{{0, 1, 2}, {2, 1, 0}, {1, 2, 0}, {0, 0, 1, 1, 2}} {
				var r Reassembler
				parts := cut(packet, 7, 496, 1000)
				for i, k := range order {
					_, err := Decode(parts[k])
					require.Equal(t, DropFragment, err)
					whole, kept := r.Add(1, parts[k], now)
					if i < len(order)-1 {
						require.Nil(t, whole)
						require.True(t, kept)
						continue
					}
					check(whole)
				}
			}
			t.Run("mixed", func(t *testing.T) {
				var r Reassembler
				one, two := cut(packet, 1, 800), cut(packet, 2, 400)
				require.Nil(t, add(&r, 1, one[0], now))
				require.Nil(t, add(&r, 1, two[1], now))
				require.Nil(t, add(&r, 2, one[1], now), "of another child SA")
				check(add(&r, 1, two[0], now))
				check(add(&r, 1, one[1], now))
			})
			t.Run("overlap", func(t *testing.T) {
				var r Reassembler
				require.Nil(t, add(&r, 1, cut(packet, 1, 800)[0], now))
				require.Nil(t, add(&r, 1, cut(packet, 1, 400)[1], now))
				require.Nil(t, add(&r, 1, cut(packet, 1, 800)[1], now), "the first is gone")
			})
			t.Run("expired", func(t *testing.T) {
				var r Reassembler
				parts := cut(packet, 1, 800)
				require.Nil(t, add(&r, 1, parts[0], now))
				require.Nil(t, add(&r, 1, parts[1], now.Add(reassemblyTimeout+1)))
			})
			t.Run("share of one owner", func(t *testing.T) {
				var r Reassembler
				mine := cut(packet, 1, 800)
				require.Nil(t, add(&r, 1, mine[0], now))
				for id := range uint32(1000) {
					require.Nil(t, add(&r, 2, cut(packet, id, 800)[0], now.Add(time.Duration(id))))
				}
				check(add(&r, 1, mine[1], now))
			})
		})
	}
}

func TestReassemblerRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var r Reassembler
	now := time.Unix(0, 0)
	for i := range 300 {
		packet := carrierPacket(t, "10.0.0.2", "10.0.0.1", 1+random.IntN(9000), byte(i))
		var at []int
		for o := 8 + 8*random.IntN(200); o < len(packet)-ipv4Len && len(at) < reassemblyPieces-1; o += 8 + 8*random.IntN(200) {
			at = append(at, o)
		}
		if len(at) == 0 {
			continue
		}
		parts := cut(packet, uint32(i), at...)
		random.Shuffle(len(parts), func(a, b int) { parts[a], parts[b] = parts[b], parts[a] })
		for k, p := range parts {
			whole, _ := r.Add(1, p, now)
			require.Equal(t, k == len(parts)-1, whole != nil)
			if whole != nil {
				require.Equal(t, packet[ipv4Len:], whole[ipv4Len:])
			}
		}
	}
}

func FuzzReassembler(f *testing.F) {
	packet := carrierPacket(f, "10.0.0.2", "10.0.0.1", 100, 0)
	for _, p := range cut(packet, 1, 48) {
		f.Add(p, p)
	}
	six := cut(carrierPacket(f, "fd00::2", "fd00::1", 100, 0), 1, 48)
	f.Add(six[0], six[1])
	f.Fuzz(func(t *testing.T, a, b []byte) {
		var r Reassembler
		now := time.Unix(0, 0)
		for _, p := range [][]byte{a, b, a} {
			if whole, _ := r.Add(1, p, now); whole != nil {
				if _, err := Decode(whole); err == DropFragment || err == DropLength || err == DropVersion {
					t.Fatalf("%v: %x", err, whole)
				}
				if len(whole) > len(a)*2+len(b) {
					t.Fatal("more came out than in")
				}
			}
		}
	})
}
