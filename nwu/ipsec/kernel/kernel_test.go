// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// A merged window has taken what either had taken, whatever was first, and nothing else.
func TestWindowsMerge(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		window := uint32(32 << r.IntN(4))
		base := []uint64{0, 1 << 32, 1<<32 - 50}[r.IntN(3)]
		taken := map[uint64]bool{}
		var both [2]xfrm.Replay
		tops := [2]uint64{}
		for side := range both {
			n := base + uint64(r.IntN(200))
			both[side] = xfrm.Replay{Window: window, In: n, Bitmap: make([]uint32, window/32)}
			tops[side] = n
			for seq := n; seq > 0 && seq+uint64(window) > n; seq-- {
				if seq == n || r.IntN(2) == 0 {
					word, mask := bit(&both[side], seq)
					both[side].Bitmap[word] |= mask
					taken[seq] = true
				}
			}
		}
		m := merge(both[0], both[1])
		require.Equal(t, m, merge(both[1], both[0]))
		require.Equal(t, max(tops[0], tops[1]), m.In)
		for seq := m.In; seq > 0 && seq+uint64(window) > m.In; seq-- {
			want := taken[seq] || seq <= tops[0] && tops[0]-seq >= uint64(window) || seq <= tops[1] && tops[1]-seq >= uint64(window)
			require.Equal(t, want, seen(&m, seq), "sequence %d", seq)
		}
		require.False(t, seen(&m, m.In+1))
	}
}

func TestWindowSizes(t *testing.T) {
	for n, want := range map[int]uint32{0: 1024, 1: 32, 32: 32, 33: 64, 1000: 1024, 4095: 4096, 4096: 4096} {
		require.Equal(t, want, windowSize(n), n)
	}
}

// A window that another node hands over means the same here.
func TestReplayOf(t *testing.T) {
	r := replayOf(ipsec.Replay{Top: 200, Seen: []uint64{0b101, 1}}, 256)
	for seq, want := range map[uint64]bool{200: true, 199: false, 198: true, 137: false, 136: true, 135: false, 72: true, 1: true, 201: false} {
		require.Equal(t, want, seen(&r, seq), seq)
	}
}

// Sizes agree with package esp for all algorithms.
func TestSizes(t *testing.T) {
	for _, c := range []struct {
		alg         ipsec.Algorithms
		encr, integ int
	}{
		{ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 20, 0},
		{ipsec.Algorithms{Encr: ipsec.EncrChaCha20Poly1305}, 36, 0},
		{ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96}, 16, 20},
		{ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA512_256}, 32, 64},
	} {
		keys := ipsec.Keys{Encr: make([]byte, c.encr), Integ: make([]byte, c.integ)}
		out, err := esp.NewOutbound(256, c.alg, keys, false, 0)
		require.NoError(t, err)
		g := &generation{}
		g.fixed, g.align = esp.Overhead(c.alg)
		for n := 20; n < 200; n++ {
			require.Equal(t, out.Size(n), g.size(n), n)
		}
		_, err = newAlgorithms(256, c.alg, ipsec.Keys{Encr: keys.Encr[1:], Integ: keys.Integ}, false)
		require.ErrorIs(t, err, ipsec.ErrAlgorithm)
	}
}

func TestCover(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.1-10.0.0.1": "10.0.0.1/32", "10.0.0.0-10.0.0.255": "10.0.0.0/24", "10.0.0.3-10.0.0.4": "10.0.0.0/29",
		"0.0.0.0-255.255.255.255": "0.0.0.0/0", "fd00::1-fd00::1": "fd00::1/128", "fd00::-fd00::ffff": "fd00::/112",
	} {
		var from, to string
		for i := range text {
			if text[i] == '-' {
				from, to = text[:i], text[i+1:]
			}
		}
		got := cover(ipsec.Selector{From: netip.MustParseAddr(from), To: netip.MustParseAddr(to)})
		require.Equal(t, want, got.String(), text)
	}
}

// The DSCP is set and the IPv4 header checksum stays right; ECN is left alone.
func TestDSCP(t *testing.T) {
	sum := func(b []byte) (s uint32) {
		for i := 0; i < 20; i += 2 {
			s += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		for s>>16 != 0 {
			s = s&0xffff + s>>16
		}
		return s
	}
	for tos := range 256 {
		p := []byte{0x45, byte(tos), 0, 60, 0x12, 0x34, 0, 0, 64, 47, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}
		binary.BigEndian.PutUint16(p[10:], ^uint16(sum(p)))
		require.EqualValues(t, 0xffff, sum(p))
		setDSCP(p, 46)
		require.EqualValues(t, 46<<2|tos&3, p[1])
		require.EqualValues(t, 0xffff, sum(p), tos)
	}
	p := append([]byte{0x6f, 0xf1, 0x23, 0x45}, make([]byte, 36)...)
	setDSCP(p, 10)
	require.Equal(t, []byte{0x62, 0xb1, 0x23, 0x45}, p[:4])
}

func TestOuterESP(t *testing.T) {
	v4 := func(protocol byte, body ...byte) []byte {
		return append([]byte{0x45, 0, 0, 0, 0, 0, 0, 0, 64, protocol, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2}, body...)
	}
	v6 := append([]byte{0x60, 0, 0, 0, 0, 8, 50, 64}, make([]byte, 32)...)
	v6[23], v6[39] = 1, 2
	for name, c := range map[string]struct {
		packet []byte
		path   string
	}{
		"UDP":         {v4(17, 0x11, 0x94, 0x13, 0x88, 0, 20, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1), "192.0.2.2:5000 -> 192.0.2.1:4500 (udp)"},
		"plain":       {v4(50, 1, 2, 3, 4, 0, 0, 0, 1), "192.0.2.2:0 -> 192.0.2.1:0 (plain)"},
		"IPv6":        {append(v6, 1, 2, 3, 4, 0, 0, 0, 1), "[::2]:0 -> [::1]:0 (plain)"},
		"IKE":         {v4(17, 0x11, 0x94, 0x13, 0x88, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), ""},
		"TCP":         {v4(6, make([]byte, 20)...), ""},
		"short":       {v4(50, 1, 2, 3), ""},
		"header only": {v4(17)[:12], ""},
	} {
		spi, path, ok := outerESP(c.packet)
		require.Equal(t, c.path != "", ok, name)
		if ok {
			require.Equal(t, c.path, path.String(), name)
			require.Equal(t, uint32(0x01020304), spi, name)
		}
	}
}

func FuzzOuterESP(f *testing.F) {
	f.Add([]byte{0x45})
	f.Add(append([]byte{0x4f, 0, 0, 0, 0, 0, 0, 0, 64, 17}, make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, b []byte) {
		if spi, path, ok := outerESP(b); ok {
			require.GreaterOrEqual(t, spi, uint32(256))
			require.True(t, path.Remote.Addr().IsValid())
		}
	})
}

func TestCounter(t *testing.T) {
	const text = "XfrmInError             \t0\nXfrmInNoStates          \t17\n"
	n, err := counter(text, "XfrmInNoStates")
	require.NoError(t, err)
	require.EqualValues(t, 17, n)
	_, err = counter(text, "XfrmIn")
	require.Error(t, err)
	require.Contains(t, fmt.Sprint(err), "XfrmIn")
}
