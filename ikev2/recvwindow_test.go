// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"fmt"
	"math/rand"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
)

// hold lets nothing through and keeps what UE or gateway send meanwhile.
func hold(w *world, fromUE bool, during func()) (caught []Datagram) {
	sniff, translate := w.sniff, w.translate
	w.translate = func(bool, Path) (Path, bool) { return Path{}, false }
	w.sniff = func(from bool, d Datagram) {
		if from == fromUE {
			caught = append(caught, d)
		}
		if sniff != nil {
			sniff(from, d)
		}
	}
	during()
	w.sniff, w.translate = sniff, translate
	return caught
}

func windows(ue, gw int) func(o, g *Options) {
	return func(o, g *Options) { o.Window, g.Window = ue, gw }
}

// The peer may be several requests ahead: they are answered in the order in which they come, each once, and the last
// responses are kept for retransmissions.
func TestReceiveWindow(t *testing.T) {
	w := newWorld(t, 400)
	ue, gw, _ := moved(w, RoutabilityOff, windows(1, 4))
	require.Equal(t, 4, ue.s.sa.window, "told in IKE_AUTH")
	require.Equal(t, 1, gw.s.sa.window)
	requests := hold(w, true, func() {
		for i := range 6 {
			ue.take(ue.s.Notify(w.now, i, notify(60000, []byte{byte(i)})))
		}
	})
	require.Len(t, requests, 4, "the window of the gateway")
	from := reverse(requests[0].Path)
	var replies [4][]byte
	for _, i := range []int{2, 0, 3, 1} {
		out := gw.s.Receive(w.now, from, requests[i].Data)
		require.Equal(t, []Event{InfoReceived{Notifies: out.Events[0].(InfoReceived).Notifies}}, out.Events)
		require.Equal(t, []byte{byte(i)}, out.Events[0].(InfoReceived).Notifies[0].Data)
		replies[i] = out.Datagrams[0].Data
	}
	elsewhere := Path{Local: from.Local, Remote: ap(ueAddr2, 77), NATT: true}
	for i, r := range requests {
		out := gw.s.Receive(w.now, elsewhere, r.Data)
		require.Empty(t, out.Events)
		require.Equal(t, []Datagram{{Path: elsewhere, Data: replies[i]}}, out.Datagrams)
	}
	// The UE gets on: what is a whole window back is forgotten.
	w.run(10*time.Second, nil)
	require.Len(t, got[InfoDone](ue), 6)
	require.Len(t, gw.s.sa.taken, 4)
	require.Empty(t, gw.s.Receive(w.now, from, requests[0].Data).Datagrams)
}

func TestReceiveWindowIsKept(t *testing.T) {
	w := newWorld(t, 401)
	ue, gw, _ := moved(w, RoutabilityOff, windows(1, 4))
	ue.s.sa.window = 8 // a UE that does not keep to it
	requests := hold(w, true, func() {
		for i := range 8 {
			ue.take(ue.s.Notify(w.now, i, notify(60000, nil)))
		}
	})
	require.Len(t, requests, 8)
	from := reverse(requests[0].Path)
	for i := 7; i >= 4; i-- {
		require.Empty(t, gw.s.Receive(w.now, from, requests[i].Data), "request %d", i)
	}
	for i := 3; i >= 0; i-- {
		require.Len(t, gw.s.Receive(w.now, from, requests[i].Data).Datagrams, 1, "request %d", i)
	}
}

// While one request is worked on, others wait; each gets its own answer.
func TestReceiveWhileWorking(t *testing.T) {
	w := newWorld(t, 402)
	ue, gw, _ := moved(w, RoutabilityOff, func(o, g *Options) {
		windows(1, 4)(o, g)
		o.ESP = suite.WithGroups(o.ESP, suite.CURVE25519)
		g.ESP = o.ESP
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) { return ChildAnswer{}, nil }
	})
	w.workDelay = time.Second
	for i := range 3 {
		ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS(), Tag: i}))
	}
	w.run(1100*time.Millisecond, nil)
	ue.take(ue.s.Notify(w.now, nil, notify(60000, nil)))
	w.run(100*time.Millisecond, nil)
	require.NotNil(t, gw.s.sa.pending)
	require.Len(t, gw.s.sa.held, 3)
	require.Empty(t, got[InfoReceived](gw))
	w.run(20*time.Second, nil)
	require.Len(t, got[ChildUp](ue), 4)
	require.Len(t, got[InfoDone](ue), 1)
	sameKeys(t, ue.s, gw.s)
}

// Everything out of order, lost and doubled, with windows of up to 8 both ways.
func TestWindowsOnABadNetwork(t *testing.T) {
	for seed := int64(1); seed <= 10; seed++ {
		w := newWorld(t, 4000+seed)
		ue, gw, _ := moved(w, RoutabilityOff, windows(2+w.rng.Intn(7), 2+w.rng.Intn(7)))
		w.loss, w.dup = 0.3, 0.2
		w.delay = func() time.Duration { return time.Duration(5+w.rng.Intn(1000)) * time.Millisecond }
		for i := range 30 {
			ue.take(ue.s.Notify(w.now, i, notify(60000, []byte{byte(i)})))
			gw.take(gw.s.Notify(w.now, i, notify(60000, []byte{byte(i)})))
		}
		w.run(10*time.Minute, nil)
		for _, n := range []*node{ue, gw} {
			seen := map[byte]int{}
			for _, e := range got[InfoReceived](n) {
				seen[e.Notifies[0].Data[0]]++
			}
			require.Len(t, seen, 30, "seed %d", seed)
			for i, c := range seen {
				require.Equal(t, 1, c, "seed %d: notify %d", seed, i)
			}
			require.Len(t, got[InfoDone](n), 30, "seed %d", seed)
			require.Empty(t, n.s.sa.held)
		}
	}
}

// A rekey of the IKE SA takes the window back to 1 in both directions; then both sides announce theirs again, whoever
// rekeyed. Who takes one request at a time says nothing.
func TestWindowAfterRekey(t *testing.T) {
	roles(t, func(t *testing.T, pick func(ue, gw *node) (we, peer *node)) {
		w := newWorld(t, 403)
		ue, gw, _ := moved(w, RoutabilityOff, windows(4, 3))
		require.Equal(t, 4, gw.s.sa.window)
		we, peer := pick(ue, gw)
		windowAtOnce := 0
		peer.on = func(_ *node, e Event) {
			if _, ok := e.(SPIChanged); ok {
				windowAtOnce = peer.s.sa.window
			}
		}
		old := ue.s.sa
		we.take(we.s.RekeyIKE(w.now))
		w.run(2*time.Second, nil)
		require.NotSame(t, old, ue.s.sa)
		require.Equal(t, 1, windowAtOnce)
		require.Equal(t, []int{4, 3}, []int{gw.s.sa.window, ue.s.sa.window})
		require.Equal(t, []uint64{3, 4}, []uint64{gw.s.sa.receiving.window(), ue.s.sa.receiving.window()})
		require.Equal(t, []uint32{1, 1}, []uint32{ue.s.sa.nextSend, gw.s.sa.nextSend}, "one message each")
	})
	w := newWorld(t, 404)
	ue, gw, _ := moved(w, RoutabilityOff, windows(1, 1))
	ue.take(ue.s.RekeyIKE(w.now))
	w.run(2*time.Second, nil)
	require.Len(t, got[SPIChanged](gw), 1)
	require.Equal(t, []uint32{0, 0}, []uint32{ue.s.sa.nextSend, gw.s.sa.nextSend})
}

// The responses that are kept are bounded in octets; the latest one is always there.
func TestResponseCacheBound(t *testing.T) {
	r := receiving{width: 8}
	for mid := range uint32(8) {
		r.take(message.Header{MessageID: mid}, 0, 0)
		r.find(mid).reply = [][]byte{make([]byte, 60000)}
	}
	r.take(message.Header{MessageID: 8}, 0, 0)
	r.find(8).reply = [][]byte{make([]byte, 60000)}
	octets := 0
	for _, t := range r.taken {
		for _, d := range t.reply {
			octets += len(d)
		}
	}
	require.LessOrEqual(t, octets, maxReplyOctets+60000)
	require.NotEmpty(t, r.find(8).reply)
	require.Empty(t, r.find(2).reply)
}

// Against a plain model: which message IDs are new, known or neither.
func TestReceivingModel(t *testing.T) {
	seed := time.Now().UnixNano()
	rng := rand.New(rand.NewSource(seed))
	for range 200 {
		width := 1 + rng.Intn(8)
		r := receiving{width: width}
		seen, answered := map[uint32]bool{}, map[uint32]bool{}
		for range 60 {
			mid := r.nextRecv + uint32(rng.Intn(10))
			lowest := uint32(0) // the first without an answer
			for answered[lowest] {
				lowest++
			}
			want := !seen[mid] && uint64(mid) < uint64(lowest)+uint64(width)
			have := r.find(mid) == nil && r.fits(mid)
			require.Equal(t, want, have, "seed %d width %d mid %d lowest %d", seed, width, mid, lowest)
			if have {
				r.take(message.Header{MessageID: mid}, 0, 0)
				seen[mid] = true
			}
			for i := range r.taken {
				if r.taken[i].reply == nil && rng.Intn(2) == 0 {
					r.taken[i].reply = [][]byte{{1}}
					answered[r.taken[i].mid] = true
				}
			}
			require.LessOrEqual(t, len(r.taken), 2*width, "seed %d", seed)
		}
	}
}

// After a move to a path that carries less than it says, long requests and responses are split smaller: the message ID
// stays, the number of fragments grows, and the new size is kept for what follows.
func TestSmallerFragmentsAfterMove(t *testing.T) {
	for _, row := range []struct {
		to           Path
		long         int
		coarse, fine int
	}{
		{uePath(ueAddr2, 4500), 3500, 3, 8},
		{uePath(ueAddr2, 4500), 600, 0, 2},
		{uePath(ueAddr6, 4500), 3500, 3, 4},
		{uePath(ueAddr6, 4500), 2600, 2, 3},
		{uePath(ueAddr6, 4500), 3300, 3, 4}, // 3 of either size
	} {
		w := newWorld(t, 404)
		to := row.to
		ue, gw, _ := moved(w, RoutabilityOff, func(o, g *Options) { o.FragmentSize, g.FragmentSize = 1400, 1400 })
		mtu := 576 - 32
		if to.Local.Addr().Is6() {
			mtu = 1280 - 52
		}
		long := notify(60000, bytes.Repeat([]byte("x"), row.long))
		ue.take(ue.s.Move(w.now, to))
		w.run(time.Second, nil)
		count := map[string]int{}
		var next Datagram
		w.translate = func(_ bool, p Path) (Path, bool) { return p, len(next.Data) <= mtu }
		w.sniff = func(fromUE bool, d Datagram) {
			next = d
			m, err := message.Decode(d.Data)
			require.NoError(t, err)
			total := uint16(0)
			if f, ok := m.Payloads[0].(*message.EncryptedFragment); ok {
				total = f.Total
			}
			count[fmt.Sprint(fromUE, " id ", m.MessageID, " of ", total)]++
		}
		gw.take(gw.s.Notify(w.now, "down", long))
		w.run(time.Minute, func() bool { return len(got[InfoDone](gw)) == 1 })
		require.Len(t, got[InfoReceived](ue), 1)
		require.Equal(t, long.Data, got[InfoReceived](ue)[0].Notifies[0].Data)
		id := gw.s.sa.nextSend - 1
		require.Equal(t, max(1, row.coarse)*smallerAfter, count[fmt.Sprint("false id ", id, " of ", row.coarse)], "%v", count)
		require.Equal(t, row.fine, count[fmt.Sprint("false id ", id, " of ", row.fine)], "%v", count)
		// The next one is small at once.
		start := w.now
		gw.take(gw.s.Notify(w.now, "down", long))
		w.run(time.Minute, func() bool { return len(got[InfoDone](gw)) == 2 })
		require.Less(t, w.now.Sub(start), time.Second)
		// Another path may carry more.
		ue.take(ue.s.Move(w.now, uePath(ueAddr, 4500)))
		w.run(time.Second, nil)
		require.False(t, gw.s.small)
	}
}

// A long response likewise, when its request keeps coming; the copies before are bit-identical.
func TestSmallerResponse(t *testing.T) {
	w := newWorld(t, 405)
	long := notify(60001, bytes.Repeat([]byte("x"), 2000))
	ue, gw, _ := moved(w, RoutabilityOff, func(_, g *Options) {
		g.AcceptChild = func(*Session, *ChildOffer) (ChildAnswer, error) {
			return ChildAnswer{Notifies: []*message.Notify{long}}, nil
		}
	})
	const mtu = 576 - 32
	var replies [][]byte
	var next Datagram
	w.translate = func(_ bool, p Path) (Path, bool) { return p, len(next.Data) <= mtu }
	w.sniff = func(fromUE bool, d Datagram) {
		if next = d; !fromUE {
			replies = append(replies, d.Data)
		}
	}
	ue.take(ue.s.CreateChild(w.now, ChildRequest{LocalTS: anyTS(), RemoteTS: anyTS()}))
	w.run(time.Minute, func() bool { return len(ue.s.Children()) == 2 })
	require.Len(t, ue.s.Children(), 2)
	require.Len(t, gw.s.Children(), 2)
	for i := range 2 * smallerAfter {
		require.Equal(t, replies[i], replies[2+i])
	}
	require.Greater(t, len(replies), 3*2+2)
	sameKeys(t, ue.s, gw.s)
}

// A request that was processed, then split smaller by the peer because the response was lost, is the same request.
func TestRequestSplitSmallerIsARetransmission(t *testing.T) {
	w := newWorld(t, 406)
	ue, gw, _ := moved(w, RoutabilityOff, nil)
	var sizes []int
	w.translate = func(fromUE bool, p Path) (Path, bool) { return p, fromUE || len(sizes) > 6 }
	w.sniff = func(fromUE bool, d Datagram) {
		if fromUE {
			sizes = append(sizes, len(d.Data))
		}
	}
	ue.take(ue.s.Notify(w.now, nil, notify(60000, bytes.Repeat([]byte("x"), 2000))))
	w.run(time.Minute, func() bool { return len(got[InfoDone](ue)) == 1 })
	require.Len(t, got[InfoDone](ue), 1)
	require.Len(t, got[InfoReceived](gw), 1, "processed once")
	require.Greater(t, sizes[0], 1000)
	require.LessOrEqual(t, sizes[len(sizes)-1], 544)
}
