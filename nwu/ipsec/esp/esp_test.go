// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// suiteCase is an algorithm with the lengths of its keys.
type suiteCase struct {
	name        string
	alg         ipsec.Algorithms
	encr, integ int
}

var suites = []suiteCase{
	{"gcm128", ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 20, 0},
	{"gcm256", ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, 36, 0},
	{"chacha", ipsec.Algorithms{Encr: ipsec.EncrChaCha20Poly1305}, 36, 0},
	{"cbc128-sha256", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}, 16, 32},
	{"cbc192-sha384", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA384_192}, 24, 48},
	{"cbc256-sha512", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA512_256}, 32, 64},
	{"cbc256-sha1", ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA1_96}, 32, 20},
}

func testKeys(s suiteCase) ipsec.Keys {
	k := ipsec.Keys{Encr: make([]byte, s.encr)}
	if s.integ > 0 {
		k.Integ = make([]byte, s.integ)
	}
	r := rand.New(rand.NewPCG(1, uint64(s.encr)))
	for i := range k.Encr {
		k.Encr[i] = byte(r.Uint32())
	}
	for i := range k.Integ {
		k.Integ[i] = byte(r.Uint32())
	}
	return k
}

func pair(t testing.TB, s suiteCase, esn bool, used uint64, window int) (*Outbound, *Inbound) {
	t.Helper()
	out, err := NewOutbound(0x01020304, s.alg, testKeys(s), esn, used)
	require.NoError(t, err)
	in, err := NewInbound(0x01020304, s.alg, testKeys(s), esn, window)
	require.NoError(t, err)
	return out, in
}

func sealAt(out *Outbound, seq uint64, payload []byte) []byte {
	var sc Scratch
	dst := make([]byte, out.Size(len(payload)))
	out.Seal(dst, seq, 4, payload[:len(payload)/3], payload[len(payload)/3:], &sc)
	return dst
}

func TestSealOpen(t *testing.T) {
	for _, s := range suites {
		for _, esn := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s,esn=%v", s.name, esn), func(t *testing.T) {
				out, in := pair(t, s, esn, 0, 64)
				var sc Scratch
				for n := range 70 {
					payload := bytes.Repeat([]byte{byte(n)}, n*n/3)
					seq, ok := out.Next()
					require.True(t, ok)
					p := sealAt(out, seq, payload)
					fixed, align := Overhead(s.alg)
					require.Zero(t, (len(p)-fixed+2)%align)
					require.GreaterOrEqual(t, MaxInner(s.alg, len(p)), len(payload))
					require.LessOrEqual(t, out.Size(MaxInner(s.alg, len(p))), len(p))
					// Any changed bit is noticed, and leaves the window alone.
					bad := bytes.Clone(p)
					bad[4+n%(len(p)-4)] ^= 1 << (n % 8)
					_, _, err := in.Open(bad, &sc)
					require.Error(t, err)
					got, next, err := in.Open(p, &sc)
					require.NoError(t, err)
					require.Equal(t, payload, append([]byte{}, got...))
					require.EqualValues(t, 4, next)
				}
			})
		}
	}
}

// The figures of the MTU table: largest user packet behind an inner IPv4 and GRE header, path MTU 1500, outer IPv4 with UDP.
func TestMaxInner(t *testing.T) {
	gcm := ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}
	cbc := ipsec.Algorithms{Encr: ipsec.EncrAESCBC, Integ: ipsec.IntegHMACSHA256_128}
	require.Equal(t, 1438, MaxInner(gcm, 1500-28))
	require.Equal(t, 1394+28, MaxInner(cbc, 1500-28))
	require.Equal(t, 1390+28, MaxInner(gcm, 1500-48))
	require.Equal(t, 1378+28, MaxInner(cbc, 1500-48))
	require.Equal(t, 1150+48, MaxInner(gcm, 1280-48))
	require.Zero(t, MaxInner(gcm, 20))
}

func TestKeyLengths(t *testing.T) {
	for _, s := range suites {
		for _, wrong := range []ipsec.Keys{
			{}, {Encr: make([]byte, s.encr+1), Integ: make([]byte, s.integ)}, {Encr: make([]byte, s.encr), Integ: make([]byte, s.integ+1)},
		} {
			_, err := NewOutbound(1, s.alg, wrong, false, 0)
			require.ErrorIs(t, err, ipsec.ErrAlgorithm)
			_, err = NewInbound(1, s.alg, wrong, false, 0)
			require.ErrorIs(t, err, ipsec.ErrAlgorithm)
		}
	}
	_, err := NewInbound(1, suites[0].alg, testKeys(suites[0]), false, ipsec.MaxReplayWindow+1)
	require.ErrorIs(t, err, ipsec.ErrInvalid)
	_, err = NewOutbound(1, ipsec.Algorithms{Encr: 3}, ipsec.Keys{}, false, 0) // 3DES
	require.ErrorIs(t, err, ipsec.ErrAlgorithm)
}

// Out of its last numbers an SA refuses, and goes on refusing; no number is given twice.
func TestSequenceEnds(t *testing.T) {
	out, _ := pair(t, suites[0], false, LastSequence-2, 64)
	for want := LastSequence - 1; want <= LastSequence; want++ {
		seq, ok := out.Next()
		require.True(t, ok)
		require.Equal(t, want, seq)
	}
	for range 3 {
		_, ok := out.Next()
		require.False(t, ok)
		require.Equal(t, LastSequence, out.Sequence())
	}
	esn, _ := pair(t, suites[0], true, LastSequence-1, 64)
	for want := LastSequence; want < LastSequence+3; want++ {
		seq, ok := esn.Next()
		require.True(t, ok)
		require.Equal(t, want, seq)
	}
}

// Several goroutines may seal under one SA: no sequence number and no IV repeats, and all packets open.
func TestConcurrentSeal(t *testing.T) {
	for _, s := range []suiteCase{suites[0], suites[3]} {
		out, in := pair(t, s, true, 0, 4096)
		packets := make(chan []byte, 4000)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 500 {
					seq, _ := out.Next()
					packets <- sealAt(out, seq, []byte("payload"))
				}
			})
		}
		wg.Wait()
		close(packets)
		ivs := map[string]bool{}
		var mu sync.Mutex
		for range 4 {
			wg.Go(func() {
				var sc Scratch
				for p := range packets {
					mu.Lock()
					ivs[string(p[8:8+out.t.ivLen])] = true
					mu.Unlock()
					if got, _, err := in.Open(p, &sc); err != nil || string(got) != "payload" {
						t.Errorf("%q %v", got, err)
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, ivs, 2000)
	}
}

func TestMalformed(t *testing.T) {
	var sc Scratch
	for _, s := range suites {
		out, in := pair(t, s, false, 0, 64)
		p := sealAt(out, 1, make([]byte, 100))
		for n := range p {
			_, _, err := in.Open(bytes.Clone(p[:n]), &sc)
			require.Error(t, err)
		}
		_, _, err := in.Open(append(bytes.Clone(p), make([]byte, 16)...), &sc)
		require.ErrorIs(t, err, ErrAuth)
		p[0] ^= 1
		_, _, err = in.Open(p, &sc)
		require.ErrorIs(t, err, ErrMalformed)
	}
	// A pad length beyond the packet, authentic: a defect of the peer. seal is told of a trailer of its own by payload octets that look like one.
	out, in := pair(t, suites[0], false, 0, 64)
	p := make([]byte, out.Size(2))
	plain := []byte{0, 0, 200, 4}
	copy(p, []byte{1, 2, 3, 4, 0, 0, 0, 1})
	out.t.aead.Seal(p[16:16], out.t.nonce(&sc, p[8:16]), plain, p[:8])
	_, _, err := in.Open(p, &sc)
	require.ErrorIs(t, err, ErrMalformed)
}

func TestNoAllocations(t *testing.T) {
	for _, s := range suites {
		for _, esn := range []bool{false, true} {
			out, in := pair(t, s, esn, 0, 1024)
			var sc Scratch
			head, payload := make([]byte, 28), make([]byte, 1400)
			dst := make([]byte, out.Size(1428))
			allocs := testing.AllocsPerRun(500, func() {
				seq, _ := out.Next()
				out.Seal(dst, seq, 4, head, payload, &sc)
				if _, _, err := in.Open(dst, &sc); err != nil {
					t.Fatal(err)
				}
			})
			require.Zero(t, allocs, s.name)
		}
	}
}

func FuzzOpen(f *testing.F) {
	for i, s := range suites {
		out, _ := pair(f, s, i%2 == 0, 0, 64)
		f.Add(uint8(i), i%2 == 0, sealAt(out, 1, []byte("seed")))
		f.Add(uint8(i), i%2 == 1, sealAt(out, 1<<31, nil))
	}
	f.Fuzz(func(t *testing.T, which uint8, esn bool, pkt []byte) {
		_, in := pair(t, suites[int(which)%len(suites)], esn, 0, 64)
		var sc Scratch
		payload, _, err := in.Open(pkt, &sc)
		if err == nil && len(payload) > len(pkt)-headerLen-trailerLen {
			t.Fatal("payload longer than its packet")
		}
		if err != nil && payload != nil {
			t.Fatal("payload and error")
		}
	})
}
