// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// An outsider, who does not know the verification tag, cannot disturb an
// association with anything, not even with packets that look right.
func TestGarbageFromOutsidersBreaksNothing(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		var seen [][]byte
		n.hook = func(b []byte, _, _ netip.AddrPort) bool {
			seen = append(seen, append([]byte(nil), b...))
			return true
		}
		c, s, _ := n.pair(t, Options{}, Options{})
		exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 100, 3000)
		n.set(func() { n.hook = nil })
		cAddr, sAddr := netip.MustParseAddrPort(clientAddr), netip.MustParseAddrPort(serverAddr)
		rng := rand.New(rand.NewPCG(9, 9))
		for range 20000 {
			b := append([]byte(nil), seen[rng.IntN(len(seen))]...)
			switch rng.IntN(4) {
			case 0: // wrong CRC
				b[rng.IntN(len(b))] ^= byte(1 + rng.IntN(255))
			case 1: // truncated, with wrong CRC or, with another tag, a right one
				b = b[:rng.IntN(len(b))]
				if rng.IntN(2) == 0 && len(b) >= 12 {
					binary.BigEndian.PutUint32(b[4:], rng.Uint32())
					seal(b)
				}
			case 2: // any chunk, any flags, another tag
				binary.BigEndian.PutUint32(b[4:], rng.Uint32()>>1|1)
				b[12], b[13] = byte(rng.IntN(16)), byte(rng.IntN(4))
				seal(b)
			case 3: // noise
				for i := range b {
					b[i] = byte(rng.Uint32())
				}
			}
			if rng.IntN(2) == 0 {
				n.inject(b, cAddr, sAddr)
			} else {
				n.inject(b, sAddr, cAddr)
			}
			if rng.IntN(100) == 0 {
				synctest.Wait()
			}
		}
		exchange(t, rand.New(rand.NewPCG(2, 1)), c, s, 100, 3000)
		require.NotZero(t, s.Stats().DroppedPackets)
		require.NoError(t, c.Close())
	})
}

// Whoever does know the tag is the peer, or stands in the path. It must not
// get more than the end of its own association out of lying.
func TestLyingSacksAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{}, Options{})
		sAddr, cAddr := s.ep.wire.LocalAddr(), c.ep.wire.LocalAddr()
		sack := func(cum uint32, counts [2]uint16, blocks ...uint16) {
			v := binary.BigEndian.AppendUint32(nil, cum)
			v = binary.BigEndian.AppendUint32(v, 1<<20)
			v = binary.BigEndian.AppendUint16(v, counts[0])
			v = binary.BigEndian.AppendUint16(v, counts[1])
			for _, x := range blocks {
				v = binary.BigEndian.AppendUint16(v, x)
			}
			n.inject(seal(appendChunk(s.packet(), chunkSack, 0, v)), sAddr, cAddr)
		}
		n.set(func() { n.loss = 1 })
		for i := range 3 {
			send(t, c, 1, payload(1, uint32(i), 500))
		}
		synctest.Wait()
		before := c.Stats().DroppedPackets
		c.mu.Lock()
		highest := c.tx.highest
		c.mu.Unlock()
		sack(highest+1, [2]uint16{})             // never sent
		sack(highest+1<<30, [2]uint16{})         // nor this
		sack(c.tsn-1, [2]uint16{1, 0}, 2, 0xfff) // block beyond
		sack(c.tsn-1, [2]uint16{1, 0}, 0, 1)     // block at the acknowledged
		sack(c.tsn-1, [2]uint16{1, 0}, 3, 2)     // backwards
		sack(c.tsn-1, [2]uint16{2, 0}, 2, 2)     // more promised than there is
		sack(c.tsn-1, [2]uint16{2, 0}, 3, 3, 2, 2)
		sack(c.tsn-1, [2]uint16{0xffff, 0xffff})
		synctest.Wait()
		require.EqualValues(t, 8, c.Stats().DroppedPackets-before)
		n.set(func() { n.loss = 0 })
		for i := range 3 {
			requirePayload(t, receive(t, s), 1, uint32(i), 500)
		}
		require.NoError(t, c.Close())
	})
}

func TestUnknownAndIllegalChunks(t *testing.T) {
	for name, tc := range map[string]struct {
		typ      byte
		value    []byte
		goOn     bool   // the DATA chunk behind it counts
		reported bool   // an ERROR comes back
		end      Reason // instead
	}{
		"stop":                 {typ: 0x3e},
		"stop and report":      {typ: 0x7e, reported: true},
		"skip":                 {typ: 0xbe, goOn: true},
		"skip and report":      {typ: 0xfe, goOn: true, reported: true},
		"FORWARD TSN":          {typ: 192, value: []byte{0, 0, 0, 1}, goOn: true, reported: true},
		"RE-CONFIG":            {typ: 130, value: make([]byte, 16), goOn: true},
		"ASCONF":               {typ: 193, value: make([]byte, 16), goOn: true, reported: true},
		"short DATA":           {typ: chunkData, value: make([]byte, 3), goOn: true},
		"short SACK":           {typ: chunkSack, value: make([]byte, 3), goOn: true},
		"short SHUTDOWN":       {typ: chunkShutdown, value: make([]byte, 3), goOn: true},
		"INIT":                 {typ: chunkInit, value: make([]byte, 16), goOn: true},
		"INIT ACK":             {typ: chunkInitAck, value: make([]byte, 16), goOn: true},
		"COOKIE ACK":           {typ: chunkCookieAck, goOn: true},
		"ERROR":                {typ: chunkError, value: []byte{0, 1, 0, 8, 0, 1, 0, 0}, goOn: true},
		"foreign HEARTBEATACK": {typ: chunkHeartbeatAck, value: []byte{0, 1, 0, 12, 1, 2, 3, 4, 5, 6, 7, 8}, goOn: true},
		"SHUTDOWN ACK":         {typ: chunkShutdownAck, goOn: true},
		"SHUTDOWN COMPLETE":    {typ: chunkShutdownComplete, goOn: true},
		"no user data":         {typ: chunkData, value: make([]byte, 12), end: ReasonProtocol},
		"empty ABORT":          {typ: chunkAbort, end: ReasonPeerAbort},
		"unknown ABORT":        {typ: chunkAbort, value: []byte{0xee, 0xee, 0, 4}, end: ReasonPeerAbort},
		"odd ABORT":            {typ: chunkAbort, value: []byte{0xee, 0xee, 0xff, 0xff}, end: ReasonPeerAbort},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *network) {
				c, s, _ := n.pair(t, Options{}, Options{})
				errors := 0
				n.set(func() {
					n.hook = func(b []byte, _, _ netip.AddrPort) bool {
						if chunkType(b) == chunkError {
							errors++
						}
						return true
					}
				})
				data := append(binary.BigEndian.AppendUint32(nil, c.tsn), 0, 0, 0, 0, 0, 0, 0, PPID)
				b := appendChunk(c.packet(), tc.typ, 0, tc.value)
				b = appendChunk(b, chunkData, flagDataBegin|flagDataEnd, data, []byte("behind"))
				n.inject(seal(b), c.ep.wire.LocalAddr(), s.ep.wire.LocalAddr())
				synctest.Wait()
				if tc.end != 0 {
					requireLoss(t, receiveError(t, s), tc.end)
					return
				}
				m, ok := s.take()
				require.Equal(t, tc.goOn, ok)
				if ok {
					require.Equal(t, "behind", string(m.Data))
				}
				n.set(func() { require.Equal(t, tc.reported, errors == 1, "%d errors", errors) })
				require.NoError(t, s.Err())
			})
		})
	}
}

func TestListenerKeepsNoStateForStrangers(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, l := n.pair(t, Options{}, Options{})
		init := appendInit(newPacket(4000, Port, 0), initChunk{tag: 1, window: 1 << 20, out: 1, in: 1}, nil)
		for i := range 5000 {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 51, byte(i >> 8), byte(i)}), 9899)
			n.inject(seal(append([]byte(nil), init...)), from, s.ep.wire.LocalAddr())
			if i%1000 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		l.ep.mu.Lock()
		require.Len(t, l.ep.byTag, 1)
		l.ep.mu.Unlock()
		exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 10, 1000)
	})
}

func TestStrayPackets(t *testing.T) {
	abort := func(tag uint32) []byte {
		return seal(appendChunk(newPacket(Port, 4000, tag), chunkAbort, flagTagReflected))
	}
	for name, tc := range map[string]struct{ in, want []byte }{
		"DATA":              {appendChunk(newPacket(4000, Port, 77), chunkData, 3, make([]byte, 16)), abort(77)},
		"HEARTBEAT":         {appendChunk(newPacket(4000, Port, 78), chunkHeartbeat, 0, make([]byte, 16)), abort(78)},
		"SHUTDOWN ACK":      {appendChunk(newPacket(4000, Port, 79), chunkShutdownAck, 0), seal(appendChunk(newPacket(Port, 4000, 79), chunkShutdownComplete, flagTagReflected))},
		"ABORT":             {appendChunk(newPacket(4000, Port, 80), chunkAbort, 0), nil},
		"SHUTDOWN COMPLETE": {appendChunk(newPacket(4000, Port, 81), chunkShutdownComplete, 0), nil},
		"forged cookie":     {appendChunk(newPacket(4000, Port, 82), chunkCookieEcho, 0, make([]byte, 200)), nil},
		"other port":        {appendChunk(newPacket(4000, 1, 83), chunkData, 3, make([]byte, 16)), nil},
		"INIT no streams":   {appendInit(newPacket(4000, Port, 0), initChunk{tag: 84, window: 5000, in: 1}, nil), seal(appendChunk(newPacket(Port, 4000, 84), chunkAbort, 0, appendTLV(nil, causeInvalidMandatory, nil)))},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *network) {
				l := n.listen(t, serverAddr, Options{})
				w := n.wire(clientAddr)
				n.inject(seal(tc.in), w.addr, l.ep.wire.LocalAddr())
				time.Sleep(time.Second) // virtual
				select {
				case p := <-w.queue:
					require.Equal(t, tc.want, p.b)
				default:
					require.Nil(t, tc.want, "no answer")
				}
			})
		})
	}
}

// FuzzEndpoint throws packets at a listener that has two associations. Half of
// the time they carry the tag and the address of one of them. Whatever happens
// to that one, the other one must not notice.
func FuzzEndpoint(f *testing.F) {
	add := func(chunks ...[]byte) {
		var b []byte
		for _, c := range chunks {
			b = append(append(b, 1), byte(len(c)>>8), byte(len(c)))
			b = append(b, c...)
		}
		f.Add(b)
	}
	data := appendChunk(nil, chunkData, 3, []byte{0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, PPID, 1, 2, 3})
	sack := appendChunk(nil, chunkSack, 0, []byte{0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 1})
	add(data, data, sack)
	add(appendChunk(nil, chunkShutdown, 0, []byte{0, 0, 0, 0}), data, appendChunk(nil, chunkShutdownComplete, 0))
	add(appendChunk(nil, chunkHeartbeat, 0, appendTLV(nil, 1, []byte("info"))), appendChunk(nil, chunkAbort, 1))
	add(appendInit(nil, initChunk{tag: 1, window: 9000, out: 9, in: 9}, nil), appendChunk(nil, chunkCookieEcho, 0, make([]byte, 92)))
	add(append(append([]byte{}, sack...), data...), appendChunk(nil, 0xff, 0xff, data))
	f.Fuzz(func(t *testing.T, script []byte) {
		bubble(t, func(t *testing.T, n *network) {
			victim, s, l := n.pair(t, Options{}, Options{})
			other, err := n.dial(t, "192.0.2.3:9", Options{}, serverAddr)
			require.NoError(t, err)
			peer, err := l.Accept(t.Context())
			require.NoError(t, err)
			send(t, s, 1, []byte("something to acknowledge"))
			from, to := netip.MustParseAddrPort(clientAddr), netip.MustParseAddrPort(serverAddr)
			for len(script) > 3 && len(script) < 1<<16 {
				mode, size := script[0], min(int(binary.BigEndian.Uint16(script[1:])), len(script)-3)
				body := script[3 : 3+size]
				script = script[3+size:]
				b := newPacket(50000, Port, 0)
				switch mode & 3 {
				case 0, 1: // TSNs are relative to what the victim expects
					b = newPacket(50000, Port, s.tag)
					body = append([]byte(nil), body...)
					if len(body) >= 8 {
						base := victim.tsn
						if body[0] == chunkSack || body[0] == chunkShutdown {
							base = s.tsn
						}
						binary.BigEndian.PutUint32(body[4:], binary.BigEndian.Uint32(body[4:])+base)
					}
				case 2:
					b = newPacket(50000, Port, victim.tag)
				}
				n.inject(seal(append(b, body...)), from, to)
				synctest.Wait()
			}
			send(t, other, 1, []byte("still there?"))
			require.Equal(t, "still there?", string(receive(t, peer).Data))
			require.NoError(t, other.Close())
			s.take()
			// A TSN window full of lies must not keep Close from ending.
			start := time.Now()
			s.Close() //nolint:errcheck // any outcome
			require.LessOrEqual(t, time.Since(start), 5*time.Second)
		})
	})
}
