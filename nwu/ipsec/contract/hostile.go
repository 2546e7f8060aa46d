// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// Whatever comes, an SA works on, nothing of it is handed on, and no other SA is concerned.
func testHostile(t *testing.T, h *harness) {
	s, attacker := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	g, other := h.install(h.sa(s)), h.install(h.sa(s))
	g.both(s)
	other.both(s)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 2))
	genuine := g.seal(500, upPacket(300))
	garbage := [][]byte{{}, {0}, {0xff}, {0xfe}, {0xff, 0xff}, {0, 0, 0, 0}, make([]byte, 31), genuine[:4], genuine[:7], genuine[:8], genuine[:15]}
	for range 300 {
		b := bytes.Clone(genuine)
		switch r.IntN(3) {
		case 0:
			b = b[:r.IntN(len(b))]
		case 1:
			b[4+r.IntN(len(b)-4)] ^= 1 << r.IntN(8)
		default:
			b = append(b, make([]byte, 1+r.IntN(4000))...)
		}
		garbage = append(garbage, b)
	}
	garbage = append(garbage, append(bytes.Clone(genuine[:8]), make([]byte, 65000)...))
	for i, b := range garbage {
		attacker.send(b)
		if i%50 == 49 {
			g.up(s, upPacket(60)) // keeps the queue short, and shows that the worker lives
		}
	}
	g.up(s, upPacket(60)) // all garbage was before this
	malformed := g.drops().Malformed
	// Well protected, but no IP packet inside, or a dummy.
	seq := uint64(600)
	var scratch = &g.scratch
	for _, payload := range [][]byte{{}, {0x45}, bytes.Repeat([]byte{0x45}, 19), bytes.Repeat([]byte{0x55}, 40), upPacket(60)[:50], inner(innerRemote6, innerLocal6, 47, 60)[:59]} {
		for _, next := range []byte{4, 41, 47, 0} {
			b := make([]byte, g.out.Size(len(payload)))
			g.out.Seal(b, seq, next, payload, nil, scratch)
			s.send(b)
			seq++
		}
	}
	if !h.Limits.Uncounted {
		h.eventually("malformed counted", func() bool { return g.drops().Malformed == malformed+24 })
	}
	b := make([]byte, g.out.Size(40))
	g.out.Seal(b, seq, 59, make([]byte, 40), nil, scratch) // dummy: dropped without a word
	s.send(b)
	g.expect(s, seq+1, "")
	g.down(s, downPacket(60))
	other.both(s)
	if !h.Limits.Uncounted {
		require.Equal(t, malformed+24, g.drops().Malformed)
	}
	require.NotZero(t, g.drops().Auth)
	require.Equal(t, ipsec.InboundDrops{}, other.drops())
	h.noPacket()

	stray := append([]byte{0x7f, 0xff, 0xff, 0xfe, 0, 0, 0, 1}, make([]byte, 32)...)
	h.eventually("unknown SPI", func() bool {
		if countEvents[ipsec.UnknownSPI](h) == 0 || !h.Limits.Sampled {
			attacker.send(stray)
		}
		return !h.Limits.Sampled || countEvents[ipsec.UnknownSPI](h) > 0
	})
	require.Equal(t, ipsec.UnknownSPI{SPI: 0x7ffffffe, Path: attacker.path()}, event[ipsec.UnknownSPI](h))
}
