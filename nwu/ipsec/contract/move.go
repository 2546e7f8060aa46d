// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"bytes"
	"net/netip"
	"slices"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

func addressOf(to netip.AddrPort) *udpbatch.Address { return &udpbatch.Address{Remote: to} }

func proven(s *socket) ipsec.Target { return ipsec.Target{Path: s.path(), Limit: ipsec.Unlimited} }

// A move of each kind, each followed by packets both ways: the same SPIs and keys, sequence numbers that go on, both paths received from.
func testMove(t *testing.T, h *harness) {
	type step struct {
		name string
		to   *socket
	}
	first := h.udp(h.Peer4[0])
	steps := []step{
		{"other address", h.udp(h.Peer4[1])},
		{"port only", h.udp(h.Peer4[1])},
		{"back", first},
	}
	var plain *socket // one only: every raw socket of an address gets every packet
	if h.PlainESP {
		plain = h.plain(h.Peer4[0])
		steps = append(steps, step{"NAT goes", plain}, step{"other address without NAT", h.plain(h.Peer4[1])}, step{"NAT appears", h.udp(h.Peer4[1])})
	}
	if h.Local6.IsValid() {
		v6 := h.udp(h.Peer6)
		steps = append(steps, step{"to IPv6", v6}, step{"to IPv4", first})
		if h.PlainESP {
			steps = append(steps, step{"to IPv6 again", v6}, step{"to IPv4 and NAT goes", plain})
		}
	}
	a, b := h.install(h.sa(first)), h.install(h.sa(first))
	a.both(first)
	b.both(first)
	at := first
	replays := uint64(0)
	for i, st := range steps {
		before := h.stats(a.sa.ID).Generations[0]
		came := uint64(2)
		sameKind, sameLocal := at.natt == st.to.natt, at.path().Local.Addr() == st.to.path().Local.Addr()
		possible := !h.Limits.OneState || sameKind && sameLocal
		if p, ok := h.DataPlane.(ipsec.Preparer); ok {
			for range 2 {
				require.NoError(t, p.Prepare(st.to.path(), a.sa.ID, b.sa.ID))
			}
			possible = possible || !sameLocal
		}
		if possible {
			a.up(st.to, upPacket(100)) // make before break: the new path is received from before the move
			came++
		}
		a.down(at, downPacket(100))
		for range 2 { // idempotent
			require.NoError(t, h.DataPlane.Move(proven(st.to), a.sa.ID, b.sa.ID), st.name)
		}
		for _, g := range []*generation{a, b} {
			g.both(st.to)
			if !h.Limits.OneState || sameKind || !sameLocal {
				g.up(at, upPacket(200)) // the old path still is received from, too
			} else {
				g.up(st.to, upPacket(200))
			}
			after := h.stats(g.sa.ID)
			require.Equal(t, st.to.path(), after.Path, st.name)
			require.EqualValues(t, i+1, after.Moves, st.name)
			require.Len(t, after.Generations, 1)
			require.Equal(t, g.sa.InboundSPI, after.Generations[0].InboundSPI)
			require.Equal(t, g.sa.OutboundSPI, after.Generations[0].OutboundSPI)
		}
		after := h.stats(a.sa.ID).Generations[0]
		require.Equal(t, before.InboundSequence+came, after.InboundSequence, st.name)
		require.GreaterOrEqual(t, after.OutboundSequence, before.OutboundSequence+2, st.name)
		// What came on the old path is a replay on the new one: there is one window.
		if !h.Limits.OneState || sameKind && sameLocal {
			replays++
			st.to.send(a.seal(after.InboundSequence, upPacket(60)))
			h.eventually("replay dropped", func() bool { return h.stats(a.sa.ID).Generations[0].Drops.Duplicate == replays })
		}
		// What came before the move is a replay in any case.
		replays++
		st.to.send(a.seal(before.InboundSequence, upPacket(60)))
		h.eventually("replay dropped", func() bool { return h.stats(a.sa.ID).Generations[0].Drops.Duplicate == replays })
		h.noPacket()
		at = st.to
	}
	require.Equal(t, ipsec.InboundDrops{}, h.stats(b.sa.ID).Generations[0].Drops)
}

func testMoveErrors(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	a, b := h.install(h.sa(s)), h.install(h.sa(s))
	for _, c := range []struct {
		to  ipsec.Target
		ids []ipsec.ChildID
		err error
	}{
		{proven(s2), []ipsec.ChildID{a.sa.ID, 9999, b.sa.ID}, ipsec.ErrUnknown},
		{ipsec.Target{Path: ipsec.Path{Local: netip.MustParseAddrPort("192.0.2.1:4500"), Remote: s2.path().Remote, NATT: true}}, []ipsec.ChildID{a.sa.ID}, ipsec.ErrPath},
		{ipsec.Target{}, []ipsec.ChildID{a.sa.ID, b.sa.ID}, ipsec.ErrPath},
	} {
		require.ErrorIs(t, h.DataPlane.Move(c.to, c.ids...), c.err)
		a.both(s) // none of them was moved
		b.both(s)
		require.Zero(t, h.stats(a.sa.ID).Moves)
	}
}

// Packets are written while the SA moves to and fro: each arrives once, on one of the paths, and no sequence number is used twice.
func testMoveUnderTraffic(t *testing.T, h *harness) {
	paths := []*socket{h.udp(h.Peer4[0]), h.udp(h.Peer4[1])}
	if h.Local6.IsValid() {
		paths = append(paths, h.udp(h.Peer6))
	}
	g := h.install(h.sa(paths[0]))
	handle, err := h.DataPlane.Handle(g.sa.ID)
	require.NoError(t, err)
	seen := map[string]bool{}
	var arrived [][]byte
	collect := func(s *socket) {
		for len(s.got) > 0 {
			m := <-s.got
			key := string(m.data[:8]) // SPI and sequence number
			require.False(t, seen[key], "sequence number used twice")
			seen[key] = true
			arrived = append(arrived, m.data)
		}
	}
	// They come on several paths, and numbers of the next path may be beyond the window of the last one: they are opened in order.
	open := func() {
		slices.SortFunc(arrived, func(a, b []byte) int { return bytes.Compare(a[4:8], b[4:8]) })
		for _, packet := range arrived {
			_, _, err := g.in.Open(packet, &g.scratch)
			require.NoError(t, err)
		}
		arrived = nil
	}
	const moves, bursts, burst = 60, 12, 5
	total := 0
	w := h.DataPlane.NewWriter()
	for i := range moves {
		to := paths[(i+1)%len(paths)]
		var wg sync.WaitGroup
		wg.Go(func() {
			for range bursts {
				for range burst {
					if err := w.Write(handle, nil, downPacket(200)); err != nil {
						t.Errorf("write: %v", err)
					}
				}
				if err := w.Flush(); err != nil {
					t.Errorf("flush: %v", err)
				}
			}
		})
		require.NoError(t, h.DataPlane.Move(proven(to), g.sa.ID))
		wg.Wait()
		total += bursts * burst
		h.eventually("all packets", func() bool {
			for _, s := range paths {
				collect(s)
			}
			return len(seen) == total
		})
		open()
		g.down(to, downPacket(60))
	}
	require.EqualValues(t, total+moves, h.stats(g.sa.ID).Generations[0].Outbound.Packets)
}

// An unproven path gets no more than its limit, shared by the SAs of a move, until it is proven.
func testUnproven(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	a, b := h.install(h.sa(s)), h.install(h.sa(s))
	size := int64(a.out.Size(100)) // both directions alike
	limited := ipsec.Target{Path: s2.path(), Limit: 3*size + size/2}
	require.NoError(t, h.DataPlane.Move(limited, a.sa.ID, b.sa.ID))
	a.down(s2, downPacket(100))
	b.down(s2, downPacket(100))
	require.NoError(t, h.DataPlane.Move(limited, a.sa.ID, b.sa.ID)) // repetition is no refill
	a.down(s2, downPacket(100))
	require.ErrorIs(t, h.write(b.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.ErrorIs(t, h.write(a.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.EqualValues(t, 1, h.stats(a.sa.ID).Held)
	a.up(s2, upPacket(60)) // the other direction is not concerned
	limited.Limit += size
	require.NoError(t, h.DataPlane.Move(limited, a.sa.ID, b.sa.ID)) // a higher limit adds the difference
	b.down(s2, downPacket(100))
	require.ErrorIs(t, h.write(b.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.NoError(t, h.DataPlane.Move(proven(s2), a.sa.ID, b.sa.ID))
	for range 5 {
		a.both(s2)
		b.both(s2)
	}
	// No sequence number was lost to the packets that were held.
	require.EqualValues(t, 7+h.Limits.SequenceMargin, h.stats(b.sa.ID).Generations[0].OutboundSequence)
	require.EqualValues(t, 1, h.stats(a.sa.ID).Moves)
}

// A room is used up over everything that names it: going to and fro between unproven paths, being held, and SAs that are
// new there.
func testRoom(t *testing.T, h *harness) {
	s, s2, s3 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1]), h.udp(h.Peer4[1])
	a := h.install(h.sa(s))
	size := int64(a.out.Size(100))
	room, other := ipsec.NewRoom(3*size+size/2), ipsec.NewRoom(size)
	to := ipsec.Target{Path: s2.path(), Limit: 1, Room: room}
	elsewhere := ipsec.Target{Path: s3.path(), Limit: 1, Room: other}
	require.NoError(t, h.DataPlane.Move(to, a.sa.ID))
	a.down(s2, downPacket(100))
	require.NoError(t, h.DataPlane.Move(elsewhere, a.sa.ID))
	a.down(s3, downPacket(100))
	require.ErrorIs(t, h.write(a.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.NoError(t, h.DataPlane.Move(to, a.sa.ID))
	require.NoError(t, h.DataPlane.Move(to, a.sa.ID))
	a.down(s2, downPacket(100))
	require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: s2.path()}, a.sa.ID))
	require.ErrorIs(t, h.write(a.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.NoError(t, h.DataPlane.Move(to, a.sa.ID))
	require.Equal(t, size+size/2, room.Left())
	fresh := h.sa(s2)
	fresh.Target = to
	b := h.install(fresh)
	b.down(s2, downPacket(100))
	for _, id := range []ipsec.ChildID{a.sa.ID, b.sa.ID} {
		require.ErrorIs(t, h.write(id, downPacket(100)), ipsec.ErrHeld)
	}
	require.NoError(t, h.DataPlane.Move(elsewhere, a.sa.ID, b.sa.ID))
	require.ErrorIs(t, h.write(a.sa.ID, downPacket(100)), ipsec.ErrHeld)
	require.Equal(t, size/2, room.Left())
	require.NoError(t, h.DataPlane.Move(proven(s2), a.sa.ID, b.sa.ID))
	a.both(s2)
	b.both(s2)
}

func testHold(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	g := h.install(h.sa(s))
	for _, held := range []*socket{s2, s} { // on the way to another path, and in place
		require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: held.path()}, g.sa.ID))
		for range 3 {
			require.ErrorIs(t, h.write(g.sa.ID, downPacket(60)), ipsec.ErrHeld)
		}
		g.up(held, upPacket(60))
		require.NoError(t, h.DataPlane.Move(proven(held), g.sa.ID))
		g.both(held)
	}
	require.Empty(t, s.got)
	require.Empty(t, s2.got)
	// A new SA may start held, too.
	sa := h.sa(s)
	sa.Target.Limit = 0
	g = h.install(sa)
	require.ErrorIs(t, h.write(sa.ID, downPacket(60)), ipsec.ErrHeld)
	require.NoError(t, h.DataPlane.Move(proven(s), sa.ID))
	g.both(s)
}

// Authenticated packets from elsewhere are told, not followed, and not for each packet.
func testRebind(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[0]) // another port
	g := h.install(h.sa(s))
	g.both(s)
	forged := g.seal(2, upPacket(60))
	forged[len(forged)-1] ^= 1
	s2.send(forged)
	h.eventually("forgery dropped", func() bool { return h.stats(g.sa.ID).Generations[0].Drops.Auth == 1 })
	s2.send(g.seal(1, upPacket(60))) // a replay
	h.eventually("replay dropped", func() bool { return h.stats(g.sa.ID).Generations[0].Drops.Duplicate == 1 })
	require.Zero(t, countEvents[ipsec.Rebind](h))

	const n = 50
	for range n {
		g.up(s2, upPacket(60))
	}
	ev := event[ipsec.Rebind](h)
	require.Equal(t, ipsec.Rebind{ID: g.sa.ID, SPI: g.sa.InboundSPI, From: s2.path()}, ev)
	require.Less(t, countEvents[ipsec.Rebind](h), n/2)
	g.down(s, downPacket(60)) // not followed

	// Once moved, late packets from the path left behind are no return to it.
	require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: ev.From, Limit: ipsec.Unlimited}, g.sa.ID))
	h.sink.mu.Lock()
	h.sink.events = nil
	h.sink.mu.Unlock()
	g.up(s, upPacket(60))
	g.both(s2)
	require.Zero(t, countEvents[ipsec.Rebind](h))
}

// Only packets on the path in use tell that it works.
func testLiveness(t *testing.T, h *harness) {
	s, s2 := h.udp(h.Peer4[0]), h.udp(h.Peer4[1])
	g := h.install(h.sa(s))
	require.Zero(t, h.stats(g.sa.ID).LastInbound)
	require.Zero(t, h.stats(g.sa.ID).LastOnPath)
	g.up(s2, upPacket(60))
	require.NotZero(t, h.stats(g.sa.ID).LastInbound)
	require.Zero(t, h.stats(g.sa.ID).LastOnPath)
	g.up(s, upPacket(60))
	st := h.stats(g.sa.ID)
	require.NotZero(t, st.LastOnPath)
	require.False(t, st.LastOnPath.After(st.LastInbound))
	require.NoError(t, h.DataPlane.Move(proven(s2), g.sa.ID))
	require.Zero(t, h.stats(g.sa.ID).LastOnPath)
	g.up(s, upPacket(60))
	require.Zero(t, h.stats(g.sa.ID).LastOnPath)
	g.up(s2, upPacket(60))
	require.NotZero(t, h.stats(g.sa.ID).LastOnPath)
}
