// SPDX-License-Identifier: Apache-2.0

package nas

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"
)

// cut is a path that may lose what goes one way, and that remembers what left: a wiretap of its own beside the flight's.
type cut struct {
	mu         sync.Mutex
	toServer   func(tcp *layers.TCP) bool // false: lost
	toClient   func(tcp *layers.TCP) bool
	lastClient *layers.TCP // of those that reached the server
	sentFrom   uint32      // sequence number of the server's first octet
	sentTo     uint32
}

func (c *cut) tap(toServer bool, packet []byte) bool {
	first := layers.LayerTypeIPv4
	if packet[0]>>4 == 6 {
		first = layers.LayerTypeIPv6
	}
	tcp, ok := gopacket.NewPacket(bytes.Clone(packet), first, gopacket.Default).Layer(layers.LayerTypeTCP).(*layers.TCP)
	if !ok {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if toServer {
		if c.toServer != nil && !c.toServer(tcp) {
			return false
		}
		c.lastClient = tcp
		return true
	}
	if len(tcp.Payload) > 0 {
		if c.sentFrom == 0 {
			c.sentFrom = tcp.Seq
		}
		c.sentTo = max(c.sentTo, tcp.Seq+uint32(len(tcp.Payload))-c.sentFrom)
	}
	return c.toClient == nil || c.toClient(tcp)
}

func (c *cut) lose(toServer, toClient func(*layers.TCP) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.toServer, c.toClient = toServer, toClient
}

// octets that have left the server since its first one.
func (c *cut) left() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return int(c.sentTo)
}

// brief tells messages apart that consist of one octet each.
func brief(pdus [][]byte) string {
	s := ""
	for _, pdu := range pdus {
		s += fmt.Sprintf(" %d*%d", len(pdu), pdu[0])
	}
	return s
}

func onlyRST(tcp *layers.TCP) bool { return tcp.RST }

// TestUndelivered: when a connection breaks, each message sent on it was acknowledged, or is unsure or unsent, as a wiretap would say; in order, none twice
// and none lost.
func TestUndelivered(t *testing.T) {
	for _, addr := range []struct{ ue, server string }{{"10.0.0.2", "10.0.0.1:20000"}, {"fd00::2", "[fd00::1]:20000"}} {
		ue, to := netip.MustParseAddr(addr.ue), netip.MustParseAddrPort(addr.server)
		for _, tt := range []struct {
			name      string
			delivered int // sent and acknowledged before the path is cut
			cut       func(*cut)
			more      []int // lengths of the messages after that
		}{
			{name: "all is acknowledged", delivered: 5, cut: func(*cut) {}},
			{name: "the acknowledgement is lost", delivered: 3, cut: func(c *cut) { c.lose(onlyRST, nil) }, more: []int{10, 2000, 3}},
			{name: "the messages are lost", cut: func(c *cut) { c.lose(nil, func(*layers.TCP) bool { return false }) }, more: []int{10, 20}},
			{name: "more than the window takes", delivered: 1, cut: func(c *cut) { c.lose(onlyRST, nil) }, more: []int{4000, 4000, 4000, 4000, 8000, 8000, 1, 8000, 2}},
			{name: "more than TCP takes", cut: func(c *cut) { c.lose(onlyRST, nil) }, more: []int{8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 8000, 5}},
		} {
			t.Run(tt.name+" "+addr.ue, func(t *testing.T) {
				c := &cut{}
				_, sr, client, cr := pair(t, c.tap, nil)
				require.NoError(t, client.Dial(ue, to))
				connection := sr.next(t, "connected").conn
				cr.next(t, "connected")
				for i := range tt.delivered {
					require.NoError(t, connection.Send(fmt.Appendf(nil, "delivered %d", i)))
					cr.next(t, "nas")
				}
				// The client acknowledges what it has got at the latest after a delay.
				require.Eventually(t, func() bool {
					c.mu.Lock()
					defer c.mu.Unlock()
					return tt.delivered == 0 || c.lastClient.Ack-c.sentFrom == c.sentTo
				}, 5*time.Second, time.Millisecond)
				before := c.left()
				tt.cut(c)
				var sent [][]byte
				ends, end := []int{}, before
				for i, n := range tt.more {
					pdu := bytes.Repeat([]byte{byte(i + 1)}, n)
					require.NoError(t, connection.Send(pdu))
					sent = append(sent, pdu)
					end += envelopeHeader + n
					ends = append(ends, end)
				}
				// The UE has lost its connection, and its RST comes through.
				require.NoError(t, client.Reset(ue))
				closed := sr.next(t, "closed")
				require.ErrorIs(t, closed.reason, ErrReset)
				require.Same(t, connection, closed.conn)
				whole := 0
				for whole < len(ends) && ends[whole] <= c.left() {
					whole++
				}
				require.Equal(t, brief(sent[:whole]), brief(closed.lost.Unsure), "left whole, and was not acknowledged")
				require.Equal(t, brief(sent[whole:]), brief(closed.lost.Unsent), "did not leave")
				if end > 20000 {
					require.NotEmpty(t, closed.lost.Unsent)
				}
				require.ErrorIs(t, connection.Send([]byte{1}), ErrNotConnected)
			})
		}
	}
}

// What has come before the connection broke is told of, also when there was something to send then: the UE's TCP has it acknowledged.
func TestReadBeforeReset(t *testing.T) {
	c := &cut{}
	_, sr, client, cr := pair(t, c.tap, nil)
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	for round := range 50 {
		require.NoError(t, client.Dial(ue, to))
		connection := sr.next(t, "connected").conn
		cr.next(t, "connected")
		for range 20 { // more than leaves at once
			require.NoError(t, connection.Send(make([]byte, 3000)))
		}
		const messages = 5
		for i := range messages {
			require.NoError(t, client.Send(ue, fmt.Appendf(nil, "%d %d", round, i)))
		}
		require.NoError(t, client.Reset(ue))
		for i := range messages {
			require.Equal(t, fmt.Sprintf("%d %d", round, i), string(sr.next(t, "nas").pdu))
		}
		require.ErrorIs(t, sr.next(t, "closed").reason, ErrReset)
		for cr.kind(t) != "closed" {
		}
	}
}

// What a connection that is given up still had to deliver is told once.
func TestGivenUp(t *testing.T) {
	c := &cut{}
	server, sr, client, cr := pair(t, c.tap, nil)
	ue, to := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddrPort("10.0.0.1:20000")
	require.NoError(t, client.Dial(ue, to))
	connection := sr.next(t, "connected").conn
	cr.next(t, "connected")
	c.lose(func(*layers.TCP) bool { return false }, nil)
	require.NoError(t, connection.Send([]byte("one")))
	require.NoError(t, connection.Send([]byte("two")))
	lost := connection.Undelivered()
	require.Equal(t, Undelivered{Unsure: [][]byte{[]byte("one"), []byte("two")}}, lost)
	server.Disconnect(ue)
	e := sr.next(t, "closed")
	require.ErrorIs(t, e.reason, ErrClosed)
	require.Zero(t, e.lost)
}

// The parts of a flight that no real stack provokes.
func TestFlight(t *testing.T) {
	f := &flight{}
	f.confirmed(7) // before anything was sent
	f.give([]byte("abc"))
	f.give([]byte("de"))
	f.give([]byte("f"))
	first := uint32(0xfffffffe) // the numbers begin anew within the first message
	f.left(first, 5, false)
	f.left(first, 5, false) // again
	f.confirmed(first + 100)
	f.confirmed(first - 1)
	f.left(first+5, 3, false)
	f.confirmed(5 - 2)
	f.confirmed(2) // older than that
	require.Equal(t, Undelivered{Unsent: [][]byte{[]byte("de"), []byte("f")}}, f.land(0, false), "the second has left but for its last octet")
	require.Zero(t, f.land(0, false))
}

func FuzzSegment(f *testing.F) {
	f.Add([]byte{0x45, 0, 0, 40, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1, 1, 2, 3, 4, 0, 0, 0, 9, 0, 0, 0, 8, 0x50, 0x10, 0, 0, 0, 0, 0, 0}, true)
	f.Add(append([]byte{0x60, 0, 0, 0, 0, 21, 6, 64}, make([]byte, 53)...), false)
	f.Fuzz(func(t *testing.T, packet []byte, fromUE bool) {
		s, ok := parseSegment(packet, fromUE)
		if ok && (s.payload < 0 || s.payload > len(packet) || !s.key.ue.IsValid()) {
			t.Fatalf("%+v of %d octets", s, len(packet))
		}
	})
}

// The acknowledgement of our FIN covers the last message, also when it is the only one.
func TestFlightEndsWithFIN(t *testing.T) {
	for name, leave := range map[string]func(f *flight, seq uint32){
		"with the message": func(f *flight, seq uint32) { f.left(seq, 5, true) },
		"after it":         func(f *flight, seq uint32) { f.left(seq, 5, false); f.left(seq+5, 0, true) },
	} {
		const first = 1<<32 - 3
		f := &flight{}
		f.give([]byte("abc"))
		leave(f, first)
		f.confirmed(first)
		require.Len(t, f.waiting, 1, name)
		f.confirmed(3) // nobody acknowledges this much without a FIN
		require.Empty(t, f.land(0, true), name)
	}
	f := &flight{}
	f.give([]byte("abc"))
	f.left(7, 5, false)
	f.confirmed(13)
	require.Len(t, f.land(0, true).Unsure, 1, "no FIN has left")
}

// TestWhatMayStillLeave: a connection that ends in good order goes on sending what TCP has taken, so that nobody knows whether that arrives; what TCP has not taken
// stays here.
func TestWhatMayStillLeave(t *testing.T) {
	for _, c := range []struct {
		name           string
		mayStillLeave  bool
		unsure, unsent int // of the messages
	}{{"in good order", true, 2, 1}, {"broken", false, 1, 2}} {
		t.Run(c.name, func(t *testing.T) {
			f := &flight{}
			for i := range 3 {
				f.give(make([]byte, 10+i))
			}
			f.left(1000, 12+5, false) // the first message, and some of the second
			lost := f.land(14, c.mayStillLeave)
			require.Len(t, lost.Unsure, c.unsure)
			require.Len(t, lost.Unsent, c.unsent)
		})
	}
}
