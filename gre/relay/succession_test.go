// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre/gtpu"
)

// heir makes a relay in the place of r, which is paused.
func (r *rig) heir(t *testing.T) *rig {
	t.Helper()
	require.NoError(t, r.Pause(t.Context()))
	estate, err := r.Bequeath()
	require.NoError(t, err)
	h := newRig(t, func(o *Options) { o.Listen, o.Workers, o.Estate = r.LocalAddr(), len(r.sockets[0]), estate })
	require.NoError(t, estate.Close())
	h.upf = r.upf
	return h
}

// A relay goes on in the place of another one: under the same TEIDs, and with what has come meanwhile. TEIDs that have been used are not used again before
// their time.
func TestSuccession(t *testing.T) {
	now := time.Now()
	clock := func(o *Options) { o.Workers, o.Now, o.Quarantine = 2, func() time.Time { return now }, time.Minute }
	r := newRig(t, clock)
	gone := r.add(t, twoChildren(r.upf.addr))
	s := r.add(t, twoChildren(r.upf.addr))
	other := r.add(t, twoChildren(r.upf.addr))
	gone.Remove()

	require.NoError(t, r.Pause(t.Context()))
	r.upf.send(downlinkPDU(s.TEID(), 1, false, []byte("meanwhile")))
	h := r.heir(t)
	c := twoChildren(r.upf.addr)
	c.TEID = s.TEID()
	went, err := h.Add(c)
	require.NoError(t, err)
	require.Equal(t, s.TEID(), went.TEID())
	_, err = h.Add(c)
	require.Error(t, err, "twice")
	c.TEID = gone.TEID()
	_, err = h.Add(c)
	require.ErrorIs(t, err, ErrInvalid, "no session of the predecessor's")
	require.NoError(t, r.Close())
	h.Resume()
	id, packet := h.dp.next(t)
	require.EqualValues(t, 11, id)
	require.Equal(t, "meanwhile", string(packet[len(packet)-9:]))
	c.TEID = 0
	next, err := h.Add(c)
	require.NoError(t, err)
	slot := func(teid uint32) uint32 { return teid >> randomBits & (MaxSessions - 1) }
	for _, s := range []*Session{gone, s, other} {
		require.NotEqual(t, slot(s.TEID()), slot(next.TEID()), "it was used, and may still be sent to")
	}
	r.upf.send(downlinkPDU(next.TEID(), 1, false, []byte("new")))
	_, packet = h.dp.next(t)
	require.Equal(t, "new", string(packet[len(packet)-3:]))
	require.Equal(t, gtpu.AppendEchoRequest(nil, 1), r.upf.read(), "its own supervision of the UPF")

	again := h.heir(t)
	c.TEID = next.TEID()
	_, err = again.Add(c)
	require.NoError(t, err)
}

// Nothing is lost when the successor ends before it has begun, and it does not begin as another one than its predecessor.
func TestSuccessionEnds(t *testing.T) {
	r := newRig(t, nil)
	s := r.add(t, twoChildren(r.upf.addr))
	h := r.heir(t)
	r.upf.send(downlinkPDU(s.TEID(), 1, false, []byte("meanwhile")))
	require.NoError(t, h.Close())
	estate, err := r.Bequeath()
	require.NoError(t, err)
	defer estate.Close() //nolint:errcheck // of a test
	for name, change := range map[string]func(o *Options){
		"workers": func(o *Options) { o.Workers = 2 },
		"address": func(o *Options) { o.Listen = []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:2")} },
		"TEIDs": func(o *Options) {
			o.Estate = &Estate{Sockets: estate.Sockets, TEIDs: []byte(`{"Used":1,"Freed":[{"Slot":7}]}`)}
		},
		"content": func(o *Options) { o.Estate = &Estate{Sockets: estate.Sockets, TEIDs: []byte("{")} },
		"number":  func(o *Options) { o.Estate = &Estate{Sockets: estate.Sockets, TEIDs: []byte(`{"Used":1000000}`)} },
	} {
		o := Options{Listen: r.LocalAddr(), Estate: estate}
		change(&o)
		_, err := New(o)
		require.Error(t, err, name)
	}
	r.Resume()
	_, packet := r.dp.next(t)
	require.Equal(t, "meanwhile", string(packet[len(packet)-9:]))
}

// noOffload forwards nothing.
type noOffload struct{ Offload }

// The kernel joins packets for a relay alone, and not where an Offload looks at each one first. A successor, or the one before it that goes on, has it as
// it needs it.
func TestCoalescing(t *testing.T) {
	joined := func(r *rig) bool {
		f, err := r.sockets[0][0].File()
		require.NoError(t, err)
		defer f.Close() //nolint:errcheck // another handle of it
		on, err := unix.GetsockoptInt(int(f.Fd()), unix.IPPROTO_UDP, unix.UDP_GRO)
		require.NoError(t, err)
		return on != 0
	}
	r := newRig(t, nil)
	require.True(t, joined(r))
	r.Offload(noOffload{})
	require.False(t, joined(r))
	h := r.heir(t)
	h.Resume()
	require.True(t, joined(h))
	r.Resume()
	require.False(t, joined(r))
}
