// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// succession is a data plane that is asked to make room for another one, which is made in its place but has not begun.
type succession struct {
	h      *harness
	before ipsec.DataPlane
	heir   ipsec.DataPlane
}

// succeed hands on those child SAs, given by all their generations.
func (h *harness) succeed(sas ...ipsec.ChildSA) *succession {
	h.t.Helper()
	from := h.DataPlane.(ipsec.Succession)
	require.NoError(h.t, from.Pause(h.t.Context()))
	estate, err := from.Bequeath()
	require.NoError(h.t, err)
	x := &succession{h: h, before: h.DataPlane}
	x.heir, err = h.Successor(h.t, h.sink, estate)
	require.NoError(h.t, err)
	h.t.Cleanup(func() { require.NoError(h.t, x.heir.Close()) })
	require.NoError(h.t, estate.Close())
	done := map[ipsec.ChildID]bool{}
	for _, sa := range sas {
		if done[sa.ID] {
			continue
		}
		done[sa.ID] = true
		list, err := from.Bequest(sa.ID)
		require.NoError(h.t, err)
		for _, g := range list {
			for _, sa := range sas {
				if sa.InboundSPI == g.InboundSPI {
					sa.Kept, sa.Resume, sa.Target = g.Kept, &g.Resume, ipsec.Target{Path: h.stats(sa.ID).Path, Limit: ipsec.Unlimited}
					require.NoError(h.t, x.heir.Install(sa))
					require.ErrorIs(h.t, x.heir.Install(sa), ipsec.ErrExists)
				}
			}
		}
		for _, g := range list {
			if g.Current {
				require.NoError(h.t, x.heir.SwitchOutbound(sa.ID, g.InboundSPI))
			}
		}
	}
	return x
}

// begin lets the heir take its predecessor's place.
func (x *succession) begin() {
	x.h.t.Helper()
	require.NoError(x.h.t, x.before.(ipsec.Succession).Leave())
	x.h.DataPlane = x.heir
	x.h.writer = x.heir.NewWriter()
	x.heir.(ipsec.Succession).Resume()
}

// A data plane goes on in the place of another one, with all of its SAs. What comes in between waits; nothing is accepted or sent twice; and the next one
// can go on in its place in turn.
func testSuccession(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	plain := h.install(h.sa(s))
	plain.both(s)
	moved := h.install(h.sa(s))
	moved.both(s)
	require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: s2.path(), Limit: ipsec.Unlimited}, moved.sa.ID))
	moved.both(s2)
	old := h.install(h.sa(s))
	old.both(s)
	renewed := h.install(h.generationOf(old.sa, suites[3]))
	gone := h.install(h.sa(s)) // is not handed on
	gone.both(s)

	for round := range 2 {
		replayed := plain.next(upPacket(70))
		s.send(replayed)
		plain.handedOn(upPacket(70))
		x := h.succeed(plain.sa, moved.sa, old.sa, renewed.sa)
		s.send(plain.next(upPacket(71)))
		x.begin()
		plain.handedOn(upPacket(71))
		s.send(replayed)
		plain.both(s)
		moved.both(s2)
		old.both(s)
		renewed.up(s, upPacket(72))
		st := h.stats(plain.sa.ID)
		require.NotZero(t, st.Generations[0].Drops.Duplicate, "round %d", round)
		require.True(t, h.stats(old.sa.ID).Generations[0].Current)
	}

	// Everything works as before.
	require.NoError(t, h.DataPlane.SwitchOutbound(renewed.sa.ID, renewed.sa.InboundSPI))
	renewed.both(s)
	require.NoError(t, h.DataPlane.DeleteSA(old.sa.ID, old.sa.InboundSPI, 0))
	for _, g := range []*generation{plain, renewed} {
		require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: s2.path(), Limit: ipsec.Unlimited}, g.sa.ID))
		g.both(s2)
	}
	h.install(h.sa(s)).both(s)
	require.NoError(t, h.DataPlane.Delete(moved.sa.ID, 0))
	h.noPacket()
}

// A successor that does not begin has changed nothing.
func testSuccessionEnds(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	g := h.install(h.sa(s))
	g.both(s)
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	x := h.succeed(g.sa)
	require.NoError(t, x.heir.Delete(g.sa.ID, 0), "as one that fails may do")
	require.NoError(t, x.heir.Close())
	s.send(g.next(upPacket(61)))
	require.NoError(t, h.DataPlane.(ipsec.Succession).Pause(ctx), "once more")
	h.noPacket()
	h.DataPlane.(ipsec.Succession).Resume()
	g.handedOn(upPacket(61))
	g.both(s)

	// An unproven path must be proven first.
	require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: h.udp(h.Peer4[1]).path(), Limit: 1000}, g.sa.ID))
	_, err := h.DataPlane.(ipsec.Succession).Bequest(g.sa.ID)
	require.ErrorIs(t, err, ipsec.ErrBusy)
	_, err = h.DataPlane.(ipsec.Succession).Bequest(g.sa.ID + 100)
	require.ErrorIs(t, err, ipsec.ErrUnknown)
}

// What an SA has carried goes on to count with the successor, and the end of a lifetime that the predecessor has told, or was about to, is told again: its
// owner may not have come to deal with it.
func testSuccessionLifetime(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	for _, byOctets := range []bool{false, true} {
		sa := h.sa(s)
		sa.Lifetime = ipsec.Lifetime{SoftPackets: 5, HardPackets: 8}
		if size := uint64(h.peerOf(sa).out.Size(100)); byOctets {
			sa.Lifetime = ipsec.Lifetime{SoftBytes: 5 * size, HardBytes: 8 * size}
		}
		g := h.install(sa)
		tells := func(hard bool) {
			t.Helper()
			require.Equal(t, ipsec.Expire{ID: sa.ID, SPI: sa.InboundSPI, Hard: hard}, event[ipsec.Expire](h))
			require.Zero(t, countEvents[ipsec.Expire](h))
		}
		g.up(s, upPacket(60))
		for range 3 {
			g.down(s, downPacket(100))
		}
		h.succeed(sa).begin()
		st := h.stats(sa.ID).Generations[0]
		require.EqualValues(t, 3, st.Outbound.Packets)
		require.EqualValues(t, 1, st.Inbound.Packets)
		g.down(s, downPacket(100))
		require.Zero(t, countEvents[ipsec.Expire](h))
		g.down(s, downPacket(100))
		tells(false)

		h.succeed(sa).begin()
		g.down(s, downPacket(100))
		tells(false)
		g.down(s, downPacket(100))
		g.down(s, downPacket(100))
		require.ErrorIs(t, h.write(sa.ID, downPacket(100)), ipsec.ErrExhausted)
		tells(true)

		h.succeed(sa).begin()
		require.ErrorIs(t, h.write(sa.ID, downPacket(100)), ipsec.ErrExhausted)
		require.True(t, event[ipsec.Expire](h).Hard)
		require.EqualValues(t, 8, h.stats(sa.ID).Generations[0].Outbound.Packets)
	}
}
