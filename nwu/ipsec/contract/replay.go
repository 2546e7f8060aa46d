// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// expect sends sequence number seq and expects it to pass or to be counted under one reason.
func (g *generation) expect(s *socket, seq uint64, reason string) {
	g.h.t.Helper()
	before := g.drops()
	p := inner(innerRemote4, innerLocal4, 47, 40+int(seq%20))
	s.send(g.seal(seq, p))
	if reason == "" {
		g.handedOn(p)
		return
	}
	g.h.eventually(fmt.Sprintf("sequence %d: %s", seq, reason), func() bool {
		d := g.drops()
		return map[string]bool{
			"duplicate": d.Duplicate == before.Duplicate+1, "old": d.Old == before.Old+1, "auth": d.Auth == before.Auth+1,
			// Makers that count one reason for both may do so.
			"stale": d.Old+d.Duplicate+d.Auth == before.Old+before.Duplicate+before.Auth+1,
		}[reason]
	})
	g.h.noPacket()
}

func (g *generation) drops() ipsec.InboundDrops {
	g.h.t.Helper()
	for _, s := range g.h.stats(g.sa.ID).Generations {
		if s.InboundSPI == g.sa.InboundSPI {
			return s.Drops
		}
	}
	require.FailNow(g.h.t, "generation is gone")
	return ipsec.InboundDrops{}
}

// Duplicates, old ones, jumps and the edges of the default window of 1024.
func testReplay(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	for _, esn := range []bool{false, true} {
		sa := h.sa(s)
		sa.ESN = esn
		g := h.install(sa)
		stale := "old"
		if esn {
			stale = "stale" // a number below the window is taken for one of the next round, which fails the integrity check
		}
		g.expect(s, 1, "")
		g.expect(s, 1, "duplicate")
		g.expect(s, 3, "")
		g.expect(s, 2, "")
		g.expect(s, 2, "duplicate")
		g.expect(s, 2000, "")
		g.expect(s, 2000-1023, "")
		g.expect(s, 2000-1023, "duplicate")
		g.expect(s, 2000-1024, stale)
		g.expect(s, 4, stale)
		g.expect(s, 1<<31, "") // a jump beyond the window clears it
		g.expect(s, 1<<31-1, "")
		g.expect(s, 1<<31-1, "duplicate")
		g.expect(s, 1<<31-1023, "")
		g.expect(s, 2000, stale)
		// What fails the integrity check neither moves the window nor marks a number.
		forged := g.seal(1<<31+100000, upPacket(60))
		forged[len(forged)-1] ^= 1
		auth := g.drops().Auth
		s.send(forged)
		h.eventually("forgery counted", func() bool { return g.drops().Auth == auth+1 })
		g.expect(s, 1<<31+1, "")
		g.expect(s, 1<<31+100000, "")
		require.EqualValues(t, 1<<31+100000, h.stats(sa.ID).Generations[0].InboundSequence)
	}
}

func testReplayWindows(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	for _, size := range []int{32, 64, 256, 1024, 4096} {
		sa := h.sa(s)
		sa.ReplayWindow, sa.ESN = size, false
		g := h.install(sa)
		w := uint64(size)
		const top = 100000
		g.expect(s, top, "")
		g.expect(s, top-w+1, "")
		g.expect(s, top-w, "old")
		g.expect(s, top-w+1, "duplicate")
		g.expect(s, top+1, "")
		g.expect(s, top-w+1, "old")
		g.expect(s, top-w+2, "")
	}
}

// The low half of the sequence number wraps; the high half is never sent.
func testExtendedSequence(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	for _, suite := range []suite{suites[0], suites[2], suites[3]} {
		g := h.install(h.generationOf(h.sa(s), suite))
		const wrap = uint64(1) << 32
		g.expect(s, 1, "")
		g.expect(s, 1<<31, "")
		g.expect(s, wrap-5000, "")
		g.expect(s, wrap-10, "")
		g.expect(s, wrap-3, "")
		g.expect(s, wrap+5, "")
		g.expect(s, wrap-1, "")
		g.expect(s, wrap, "")
		g.expect(s, wrap-10, "duplicate")
		g.expect(s, wrap, "duplicate")
		g.expect(s, wrap+5-1023, "")
		g.expect(s, wrap+5-1024, "stale")
		g.expect(s, wrap+1<<31, "")
		g.expect(s, 2*wrap+1, "")
		g.expect(s, 2*wrap-1, "")
		require.EqualValues(t, 2*wrap+1, h.stats(g.sa.ID).Generations[0].InboundSequence)
	}
	// Without ESN the last number is the end.
	sa := h.sa(s)
	sa.ESN = false
	g := h.install(sa)
	g.expect(s, 1<<32-1, "")
	if h.Limits.Uncounted {
		s.send(g.seal(0, upPacket(60)))
	} else {
		g.expect(s, 0, "old")
	}
	g.expect(s, 5, "old")
	g.expect(s, 1<<32-1, "duplicate")
}

// Soft and hard lifetime are told once each; after the hard one nothing leaves, while packets still come in.
func testLifetime(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	sa := h.sa(s)
	sa.Lifetime = ipsec.Lifetime{SoftPackets: 5, HardPackets: 8}
	g := h.install(sa)
	for i := range 8 {
		require.Equal(t, i >= 5, countEvents[ipsec.Expire](h) > 0, "packet %d", i+1)
		g.down(s, downPacket(60))
	}
	require.Equal(t, ipsec.Expire{ID: sa.ID, SPI: sa.InboundSPI}, event[ipsec.Expire](h))
	require.Zero(t, countEvents[ipsec.Expire](h))
	for range 3 {
		require.ErrorIs(t, h.write(sa.ID, downPacket(60)), ipsec.ErrExhausted)
	}
	require.Equal(t, ipsec.Expire{ID: sa.ID, SPI: sa.InboundSPI, Hard: true}, event[ipsec.Expire](h))
	require.Zero(t, countEvents[ipsec.Expire](h))
	require.EqualValues(t, 3, h.stats(sa.ID).Exhausted)
	require.EqualValues(t, 8, h.stats(sa.ID).Generations[0].Outbound.Packets)
	require.Empty(t, s.got)
	g.up(s, upPacket(60))
	// A rekey cures it.
	renewed := h.install(h.generationOf(sa, suites[0]))
	require.NoError(t, h.DataPlane.SwitchOutbound(sa.ID, renewed.sa.InboundSPI))
	renewed.both(s)
}

func testLifetimeBytes(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	sa := h.sa(s)
	g := h.peerOf(sa)
	size := uint64(g.out.Size(100))
	sa.Lifetime = ipsec.Lifetime{SoftBytes: 2 * size, HardBytes: 4 * size}
	require.NoError(t, h.DataPlane.Install(sa))
	for range 4 {
		g.down(s, downPacket(100))
	}
	require.False(t, event[ipsec.Expire](h).Hard)
	require.ErrorIs(t, h.write(sa.ID, downPacket(100)), ipsec.ErrExhausted)
	require.True(t, event[ipsec.Expire](h).Hard)
	require.Empty(t, s.got)
}
