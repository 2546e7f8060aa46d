// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// snapshot is an export that leaves the session alive, as a node has it that keeps copies of its sessions elsewhere.
func snapshot(t *testing.T, n *node) []byte {
	blob, err := n.s.Export(n.w.now, &transferKey, nil)
	require.NoError(t, err)
	n.s, _, err = n.w.gw.front.Import(n.w.now, &transferKey, nil, blob)
	require.NoError(t, err)
	return blob
}

// failover lets another node take the gateway's session over, with the state of blob.
func failover(t *testing.T, gw *node, blob []byte) {
	s, out, err := gw.w.gw.front.Import(gw.w.now, &transferKey, nil, blob)
	require.NoError(t, err)
	gw.s = s
	gw.take(out)
}

// clustered is a session of two peers that both know RFC 6311, and an old copy of the gateway's end.
func clustered(t *testing.T, seed int64) (w *world, ue, gw *node, stale []byte) {
	w = newWorld(t, seed)
	o, g := pskOptions(w.rng, "ue"), pskOptions(w.rng, "gw")
	o.Resync, g.Resync = true, true
	accept := func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	o.AcceptChild, g.AcceptChild = accept, accept
	tagged(&o)
	tagged(&g)
	ue, gw = w.up(o, g)
	require.True(t, ue.s.CanResync())
	require.True(t, gw.s.CanResync())
	stale = snapshot(t, gw)
	for range 5 {
		ue.take(ue.s.Probe(w.now))
		gw.take(gw.s.Notify(w.now, nil))
		w.run(time.Second, nil)
	}
	return w, ue, gw, stale
}

func TestResync(t *testing.T) {
	w, ue, gw, stale := clustered(t, 100)
	used := gw.s.sa.out.(*suite.Protector).IVs()
	failover(t, gw, stale)
	// With stale message IDs nothing goes on.
	gw.take(gw.s.Notify(w.now, "lost"))
	w.run(10*time.Second, nil)
	require.NotContains(t, got[InfoDone](gw), InfoDone{Tag: "lost"})
	require.False(t, gw.s.Closed())

	gw.take(gw.s.Resync(w.now, Resync{SkipInbound: 1 << 20}))
	w.run(time.Second, nil)
	require.Len(t, got[Resynced](gw), 1)
	require.Equal(t, []SequenceSkipped{{By: 1 << 20}}, got[SequenceSkipped](ue))
	require.Greater(t, gw.s.sa.out.(*suite.Protector).IVs(), used, "no IV is used twice")
	require.Equal(t, gw.s.sa.nextSend, ue.s.sa.nextRecv)
	require.Equal(t, ue.s.sa.nextSend, gw.s.sa.nextRecv)
	failed := got[InfoDone](gw)
	require.ErrorIs(t, failed[len(failed)-1].Err, ErrResync)

	// Both directions go on.
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	gw.take(gw.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Second, nil)
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
	require.Len(t, gw.s.Children(), 2)
	sameKeys(t, ue.s, gw.s)
}

// The peer's request that nobody answered before the failover is asked again with a new message ID.
func TestResyncRepeatsWhatCanBe(t *testing.T) {
	w, ue, gw, stale := clustered(t, 101)
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	ue.take(ue.s.Move(w.now, uePath(ueAddr2, 4500)))
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: 1})) // still waits
	w.translate = nil
	failover(t, gw, stale)
	gw.take(gw.s.Resync(w.now, Resync{}))
	w.run(3*time.Second, nil)
	require.Len(t, got[Resynced](gw), 1)
	require.Contains(t, got[MoveDone](ue), MoveDone{Path: uePath(ueAddr2, 4500)})
	require.Equal(t, reverse(uePath(ueAddr2, 4500)), gw.s.ChildPath())
	require.Len(t, got[ChildUp](ue), 2)
	sameKeys(t, ue.s, gw.s)
}

// Requests and answers get lost: each repetition is a new request, and only the answer to the last one counts.
func TestResyncOnBadNetwork(t *testing.T) {
	for seed := int64(102); seed < 122; seed++ {
		w, ue, gw, stale := clustered(t, seed)
		failover(t, gw, stale)
		w.loss, w.dup = 0.4, 0.3
		w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(3000)) * time.Millisecond }
		gw.take(gw.s.Resync(w.now, Resync{}))
		w.run(4*time.Minute, func() bool { return len(got[Resynced](gw)) > 0 })
		require.Len(t, got[Resynced](gw), 1, "seed %d", seed)
		w.loss = 0
		w.run(time.Minute, nil)
		gw.take(gw.s.Notify(w.now, "still there"))
		ue.take(ue.s.Probe(w.now))
		alive := len(got[Alive](ue))
		w.run(time.Minute, nil)
		require.Contains(t, got[InfoDone](gw), InfoDone{Tag: "still there"}, "seed %d", seed)
		require.Greater(t, len(got[Alive](ue)), alive, "seed %d", seed)
	}
}

// Both ends fail over at the same time, each with stale counters.
func TestResyncOfBothEnds(t *testing.T) {
	w, ue, gw, stale := clustered(t, 130)
	failover(t, gw, stale)
	gw.take(gw.s.Resync(w.now, Resync{}))
	ue.take(ue.s.Resync(w.now, Resync{}))
	w.run(time.Minute, nil)
	require.Len(t, got[Resynced](gw), 1)
	require.Len(t, got[Resynced](ue), 1)
	gw.take(gw.s.Notify(w.now, "gw"))
	ue.take(ue.s.Notify(w.now, "ue"))
	w.run(time.Minute, nil)
	require.Contains(t, got[InfoDone](gw), InfoDone{Tag: "gw"})
	require.Contains(t, got[InfoDone](ue), InfoDone{Tag: "ue"})
}

func TestResyncRequestsThatDoNotCount(t *testing.T) {
	w, ue, gw, _ := clustered(t, 131)
	sync := func(send, recv uint32) message.Payload {
		return notify(message.IKEV2_MESSAGE_ID_SYNC, syncData([]byte{1, 2, 3, 4}, send, recv))
	}
	try := func(s *Session, mid uint32, payloads ...message.Payload) []Datagram {
		from := gw.s
		d := from.seal(from.sa, message.INFORMATIONAL, false, mid, payloads)
		return s.Receive(w.now, ue.s.Path(), d[0]).Datagrams
	}
	next := ue.s.sa.nextRecv
	for name, payloads := range map[string][]message.Payload{
		"an ID that was used":  {sync(next-1, 5)},
		"ID 0":                 {sync(0, 0)},
		"something beside it":  {sync(next+10, 5), deleteIKE()},
		"an unknown notify":    {sync(next+10, 5), notify(50000, nil)},
		"near the end":         {sync(1<<31, 5)},
		"the other near it":    {sync(next+10, 1<<31)},
		"too short":            {notify(message.IKEV2_MESSAGE_ID_SYNC, make([]byte, 11))},
		"too long":             {notify(message.IKEV2_MESSAGE_ID_SYNC, make([]byte, 13))},
		"nothing at all in it": nil,
	} {
		require.Empty(t, try(ue.s, 0, payloads...), name)
		require.Equal(t, next, ue.s.sa.nextRecv, name)
		require.False(t, ue.s.Closed(), name)
	}
	// A good one counts once, with the message IDs that are higher on either side.
	out := try(ue.s, 0, sync(next+10, 2))
	require.Len(t, out, 1)
	m, err := message.Open(out[0].Data, gw.s.sa.in)
	require.NoError(t, err)
	require.Zero(t, m.MessageID)
	n := m.Payloads[0].(*message.Notify)
	require.Equal(t, []byte{1, 2, 3, 4}, n.Data[:4])
	require.Equal(t, ue.s.sa.nextSend, binary.BigEndian.Uint32(n.Data[4:]))
	require.Equal(t, next+10, binary.BigEndian.Uint32(n.Data[8:]))
	require.Empty(t, try(ue.s, 0, sync(next+10, 2)), "a replay")
	require.Empty(t, try(ue.s, 0, sync(next+9, 2)), "an earlier one")
	// It means nothing with another message ID, nor where it was not agreed on.
	next = ue.s.sa.nextRecv
	require.Len(t, try(ue.s, next, sync(next+50, 2)), 1)
	require.Equal(t, next+1, ue.s.sa.nextRecv)
	ue.s.sync.messageIDs = false
	require.Empty(t, try(ue.s, 0, sync(next+50, 2)))

	v := newWorld(t, 132)
	o, g := pskOptions(v.rng, "ue"), pskOptions(v.rng, "gw")
	g.Resync = true
	_, plain := v.up(o, g)
	require.False(t, plain.s.CanResync())
	require.Empty(t, plain.s.Resync(v.now, Resync{}).Datagrams)
}

// Counters of Child SAs can also be skipped in a message of their own.
func TestReplayCounterSync(t *testing.T) {
	w, ue, gw, _ := clustered(t, 133)
	for _, data := range [][]byte{{0, 1, 0, 0}, {0, 0, 0, 1, 0, 0, 0, 0}, {1}} {
		gw.take(gw.s.Notify(w.now, nil, notify(message.IPSEC_REPLAY_COUNTER_SYNC, data)))
		w.run(time.Second, nil)
	}
	require.Equal(t, []SequenceSkipped{{By: 1 << 16}, {By: 1 << 32}}, got[SequenceSkipped](ue))
	gw.s.children[0].sa.Suite.ESN = false
	require.Len(t, gw.s.skipData(1), 4)
}
