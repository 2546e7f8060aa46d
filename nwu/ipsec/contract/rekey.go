// SPDX-License-Identifier: Apache-2.0

package contract

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// A rekey: the new generation is received with at once, sent with from the switch on; the old one is received with until its grace ends.
func testRekey(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	old := h.install(h.sa(s))
	old.both(s)

	sa := h.generationOf(old.sa, suites[3])
	sa.Context = "new"
	sa.Target = ipsec.Target{} // of no meaning now
	renewed := h.install(sa)
	renewed.up(s, upPacket(60))
	old.up(s, upPacket(61))
	old.down(s, downPacket(62))
	st := h.stats(sa.ID)
	require.Len(t, st.Generations, 2)
	require.True(t, st.Generations[0].Current)
	require.False(t, st.Generations[1].Current)

	require.NoError(t, h.DataPlane.SwitchOutbound(sa.ID, sa.InboundSPI))
	renewed.both(s)
	old.up(s, upPacket(63)) // was under way

	// A move in the middle of a rekey concerns the ID, not a generation.
	s2 := h.udp(h.Peer4[1])
	require.NoError(t, h.DataPlane.Move(ipsec.Target{Path: s2.path(), Limit: ipsec.Unlimited}, sa.ID))
	renewed.both(s2)
	old.up(s2, upPacket(64))

	require.NoError(t, h.DataPlane.DeleteSA(sa.ID, old.sa.InboundSPI, time.Hour))
	old.up(s2, upPacket(65))
	st = h.stats(sa.ID)
	require.Len(t, st.Generations, 2)
	require.True(t, st.Generations[0].Deleted)
	require.ErrorIs(t, h.DataPlane.SwitchOutbound(sa.ID, old.sa.InboundSPI), ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.DeleteSA(sa.ID, old.sa.InboundSPI, 0), ipsec.ErrUnknown)
	renewed.both(s2)

	// Without a generation to send with, writing fails; the ID lives on until a new one comes.
	require.NoError(t, h.DataPlane.DeleteSA(sa.ID, sa.InboundSPI, 0))
	require.ErrorIs(t, h.write(sa.ID, downPacket(60)), ipsec.ErrNoOutbound)
	require.EqualValues(t, 1, h.stats(sa.ID).NoOutbound)
}

func testDelete(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	g := h.install(h.sa(s))
	g.both(s)
	handle, err := h.DataPlane.Handle(g.sa.ID)
	require.NoError(t, err)

	const grace = 300 * time.Millisecond
	start := time.Now()
	require.NoError(t, h.DataPlane.Delete(g.sa.ID, grace))
	s.send(g.next(upPacket(61)))
	g.handedOn(upPacket(61)) // late, within grace
	require.ErrorIs(t, h.writer.Write(handle, downPacket(60), nil), ipsec.ErrNoOutbound)
	_, err = h.DataPlane.Stats(g.sa.ID)
	require.ErrorIs(t, err, ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.Delete(g.sa.ID, 0), ipsec.ErrUnknown)
	require.ErrorIs(t, h.DataPlane.Move(ipsec.Target{Path: s.path(), Limit: ipsec.Unlimited}, g.sa.ID), ipsec.ErrUnknown)

	// The same ID at once again, with other SPIs.
	again := h.install(h.generationOf(g.sa, suites[1]))
	again.both(s)

	// After grace the SPI is unknown.
	h.eventually("end of grace", func() bool {
		s.send(g.next(upPacket(60)))
		return countEvents[ipsec.UnknownSPI](h) > 0
	})
	require.GreaterOrEqual(t, time.Since(start), grace)
	require.Equal(t, g.sa.InboundSPI, event[ipsec.UnknownSPI](h).SPI)
	h.sink.mu.Lock()
	h.sink.packets = nil // those of the grace
	h.sink.mu.Unlock()

	// And without grace at once.
	require.NoError(t, h.DataPlane.Delete(g.sa.ID, 0))
	s.send(again.next(upPacket(60)))
	s.send(again.next(upPacket(60)))
	other := h.install(h.sa(s))
	other.both(s) // comes after them; nothing of theirs was handed on
	h.noPacket()
}

// testClose checks that nothing works or comes after Close.
func testClose(t *testing.T, h *harness) {
	s := h.udp(h.Peer4[0])
	sa := h.sa(s)
	g := h.install(sa)
	g.both(s)
	require.NoError(t, h.DataPlane.DeleteSA(sa.ID, sa.InboundSPI, time.Hour)) // a running grace must not hold up
	g = h.install(h.generationOf(sa, suites[0]))
	for range 100 {
		s.send(g.next(upPacket(1000)))
	}
	require.NoError(t, h.DataPlane.Close())
	h.sink.mu.Lock()
	h.sink.closed = true
	h.sink.mu.Unlock()
	require.NoError(t, h.DataPlane.Close())
	require.ErrorIs(t, h.DataPlane.Install(sa), ipsec.ErrClosed)
	_, err := h.DataPlane.Stats(sa.ID)
	require.ErrorIs(t, err, ipsec.ErrUnknown)
	s.send(g.next(upPacket(60)))
	h.sink.mu.Lock()
	defer h.sink.mu.Unlock()
	require.False(t, h.sink.late)
}
