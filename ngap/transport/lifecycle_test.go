// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// bubble runs a test in virtual time on a network with 1 ms latency.
func bubble(t *testing.T, f func(t *testing.T, n *network)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := newNetwork(1)
		n.latency = time.Millisecond
		defer n.close()
		f(t, n)
	})
}

func chunkType(b []byte) byte { return b[commonHeaderLen] }

func TestGracefulShutdownDeliversEverything(t *testing.T) {
	for name, first := range map[string]int{"client closes": 0, "server closes": 1, "both close": 2} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *network) {
				c, s, _ := n.pair(t, Options{}, Options{})
				ends := [2]*userAssociation{c, s}
				const count = 300 // far more than a congestion window holds
				for i := range count {
					send(t, c, 1, payload(1, uint32(i), 2000))
					send(t, s, 1, payload(1, uint32(i), 2000))
				}
				closed := make(chan error, 2)
				for i, a := range ends {
					if first == i || first == 2 {
						go func() { closed <- a.Close() }()
					}
				}
				synctest.Wait()
				// What had been sent before the close arrives; then the reason.
				for i, a := range ends {
					peerClosed := first == 1-i || first == 2
					for k := range count {
						m, err := a.Receive(t.Context())
						if !peerClosed && err != nil {
							break // this side closed; the peer's unsent rest may be cut off
						}
						require.NoError(t, err, k)
						requirePayload(t, m, 1, uint32(k), 2000)
					}
				}
				require.NoError(t, <-closed)
				if first == 2 {
					require.NoError(t, <-closed)
					return
				}
				<-ends[1-first].Done()
				requireLoss(t, receiveError(t, ends[1-first]), ReasonPeerShutdown)
				requireLoss(t, ends[first].Err(), ReasonClosed)
				requireLoss(t, ends[first].Send(t.Context(), 0, []byte{1}), ReasonClosed)
				require.NoError(t, ends[first].Close(), "closing twice")
			})
		})
	}
}

func TestCloseGivesUp(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, _, _ := n.pair(t, Options{ShutdownTimeout: 3 * time.Second}, Options{})
		n.set(func() { n.loss = 1 })
		start := time.Now()
		requireLoss(t, c.Close(), ReasonAborted)
		require.Equal(t, 3*time.Second, time.Since(start))
	})
}

func TestAbort(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{}, Options{})
		send(t, c, 0, []byte("last words"))
		require.Equal(t, "last words", string(receive(t, s).Data))
		time.Sleep(time.Second) // virtual; nothing is under way any more that could cross the ABORT
		require.NoError(t, s.Abort("maintenance\x00\x1b[31m"))
		l := requireLoss(t, receiveError(t, c), ReasonPeerAbort)
		require.Contains(t, l.Detail, `user-initiated abort ("maintenance[31m")`, "a peer's words are cleaned")
		requireLoss(t, s.Err(), ReasonAborted)
	})
}

func TestPeerVanishes(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{HeartbeatInterval: 2 * time.Second, HeartbeatMisses: 4}, Options{})
		// Alive for long without any message: heartbeats keep it.
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		_, err := c.Receive(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.Greater(t, c.Stats().HeartbeatsAnswered, uint64(1700))
		n.set(func() { n.loss = 1 })
		start := time.Now()
		requireLoss(t, receiveError(t, c), ReasonPeerGone)
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		require.GreaterOrEqual(t, time.Since(start), 8*time.Second)
		requireLoss(t, receiveError(t, s), ReasonPeerGone)
	})
}

func TestPeerThatForgotTheAssociationSaysSo(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, l := n.pair(t, Options{}, Options{})
		n.set(func() { n.loss = 1 }) // the server dies without a word
		require.NoError(t, s.Abort(""))
		require.NoError(t, l.Close())
		n.set(func() { n.loss = 0 })
		n.listen(t, serverAddr, Options{})
		start := time.Now()
		send(t, c, 0, []byte("anybody there?"))
		requireLoss(t, receiveError(t, c), ReasonPeerAbort)
		require.Less(t, time.Since(start), 100*time.Millisecond)
	})
}

func TestPeerRestart(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, old, l := n.pair(t, Options{}, Options{})
		n.set(func() { n.loss = 1 })
		require.NoError(t, c.Abort(""))
		n.set(func() { n.loss = 0 })
		c2, err := n.dial(t, clientAddr, Options{}, serverAddr)
		require.NoError(t, err)
		requireLoss(t, receiveError(t, old), ReasonPeerRestart)
		s2, err := l.Accept(t.Context())
		require.NoError(t, err)
		exchange(t, rand.New(rand.NewPCG(1, 1)), c2, s2, 50, 3000)
	})
}

func TestReplayedSetUpDoesNotEndAnAssociation(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		var init, echo []byte
		n.hook = func(b []byte, _, _ netip.AddrPort) bool {
			switch chunkType(b) {
			case chunkInit:
				init = append([]byte(nil), b...)
			case chunkCookieEcho:
				echo = append([]byte(nil), b...)
			}
			return true
		}
		c, s, l := n.pair(t, Options{}, Options{})
		from, to := netip.MustParseAddrPort(clientAddr), netip.MustParseAddrPort(serverAddr)
		firstEcho := echo
		for range 5 {
			n.inject(init, from, to)
			n.inject(firstEcho, from, to)
			synctest.Wait()
		}
		exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 20, 1000)
		require.NoError(t, c.Close())
		<-s.Done()
		// After a new set-up the old cookie means nothing.
		c2, err := n.dial(t, clientAddr, Options{}, serverAddr)
		require.NoError(t, err)
		s2, err := l.Accept(t.Context())
		require.NoError(t, err)
		n.inject(firstEcho, from, to)
		exchange(t, rand.New(rand.NewPCG(2, 1)), c2, s2, 20, 1000)
	})
}

func TestDialFailures(t *testing.T) {
	t.Run("nobody there", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) {
			start := time.Now()
			_, err := n.dial(t, clientAddr, Options{InitAttempts: 4}, serverAddr)
			requireLoss(t, err, ReasonNoAnswer)
			require.Equal(t, (1+2+4+5)*time.Second, time.Since(start), "the timeout doubles up to RTOMax")
		})
	})
	t.Run("refused", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) {
			n.endpoint(n.wire(serverAddr), Port, options(t, Options{}), false)
			_, err := n.dial(t, clientAddr, Options{}, serverAddr)
			requireLoss(t, err, ReasonRefused)
			n.eps[0].release()
		})
	})
	t.Run("cancelled", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) {
			ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
			defer cancel()
			ep := n.endpoint(n.wire(clientAddr), 50000, options(t, Options{}), false)
			_, err := dialUser(ctx, ep, []netip.AddrPort{netip.MustParseAddrPort(serverAddr)}, Port)
			require.ErrorIs(t, err, context.DeadlineExceeded)
			requireLoss(t, err, ReasonAborted)
		})
	})
	t.Run("second address answers", func(t *testing.T) {
		bubble(t, func(t *testing.T, n *network) {
			l := n.listen(t, serverAddr, Options{})
			c, err := n.dial(t, clientAddr, Options{}, "192.0.2.7:9899", serverAddr)
			require.NoError(t, err)
			require.Equal(t, "192.0.2.2:38412 (udp 9899)", c.RemoteAddr().String())
			s, err := l.Accept(t.Context())
			require.NoError(t, err)
			exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 10, 1000)
		})
	})
	t.Run("set-up through loss", func(t *testing.T) {
		for seed := range uint64(20) {
			synctest.Test(t, func(t *testing.T) {
				n := newNetwork(seed)
				defer n.close()
				n.latency, n.loss, n.dup, n.late = time.Millisecond, 0.4, 0.3, 0.5
				l := n.listen(t, serverAddr, Options{HeartbeatMisses: 100})
				c, err := n.dial(t, clientAddr, Options{InitAttempts: 30}, serverAddr)
				require.NoError(t, err, "seed %d", seed)
				s, err := l.Accept(t.Context())
				require.NoError(t, err)
				n.set(func() { n.loss = 0 })
				exchange(t, rand.New(rand.NewPCG(seed, 1)), c, s, 5, 1000)
			})
		}
	})
	for name, o := range map[string]Options{
		"no remote":  {Mode: ModeUDP},
		"ports":      {Mode: ModeUDP, Remote: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.1:2")}},
		"mtu":        {Mode: ModeUDP, MTU: 100, Remote: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1")}},
		"rto":        {Mode: ModeUDP, RTOMin: time.Minute, Remote: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1")}},
		"mode":       {Mode: 9, Remote: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1")}},
		"local addr": {Mode: ModeUDP, Local: make([]netip.AddrPort, 1), Remote: []netip.AddrPort{netip.MustParseAddrPort("192.0.2.1:1")}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Dial(t.Context(), o)
			require.Error(t, err)
		})
	}
}

func TestListenerWithPeersBehindOneAddress(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		l := n.listen(t, serverAddr, Options{MaxAssociations: 8})
		var clients []*userAssociation
		for i := range 8 { // one address, one SCTP port, different UDP ports
			c, err := n.dial(t, fmt.Sprintf("192.0.2.1:%d", 20001+i), Options{}, serverAddr)
			require.NoError(t, err)
			clients = append(clients, c)
		}
		_, err := n.dial(t, "192.0.2.1:30000", Options{}, serverAddr)
		require.Contains(t, requireLoss(t, err, ReasonRefused).Detail, "out of resource")
		for range clients {
			s, err := l.Accept(t.Context())
			require.NoError(t, err)
			c := clients[s.RemoteAddr().UDPPort-20001]
			exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 20, 2000)
		}
		require.NoError(t, clients[3].Abort(""))
		synctest.Wait()
		for i, c := range clients {
			if i != 3 {
				require.NoError(t, c.Err())
			}
		}
		require.NoError(t, l.Close())
		_, err = l.Accept(t.Context())
		require.ErrorIs(t, err, ErrListenerClosed)
	})
}

func TestNATRebinding(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{}, Options{})
		w := c.ep.wire.(*memWire)
		n.set(func() { // the NAT gives another UDP port, and drops what goes to the old one
			delete(n.nodes, w.addr)
			w.addr = netip.MustParseAddrPort("192.0.2.1:31111")
			n.nodes[w.addr] = w
		})
		exchange(t, rand.New(rand.NewPCG(1, 1)), c, s, 20, 2000)
		require.EqualValues(t, 31111, s.RemoteAddr().UDPPort)
		require.NotZero(t, s.Stats().PathChanges) // more when a late packet comes from the old port
	})
}

func TestFailOverToAnotherAddressOfThePeer(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		second := netip.MustParseAddrPort("192.0.2.99:9899")
		n.hook = func(b []byte, from, to netip.AddrPort) bool {
			if chunkType(b) == chunkInitAck { // the server has a second address
				v := b[commonHeaderLen:]
				binary.BigEndian.PutUint16(v[2:], binary.BigEndian.Uint16(v[2:])+8)
				ip := second.Addr().As4()
				b = append(b, appendTLV(nil, paramIPv4, ip[:])...)
				n.hook = nil
				go n.inject(seal(b), from, to)
				return false
			}
			return true
		}
		c, s, _ := n.pair(t, Options{}, Options{})
		require.Len(t, c.RemoteAddr().IPs, 2)
		w := s.ep.wire.(*memWire)
		n.set(func() { // the first address goes away
			delete(n.nodes, w.addr)
			w.addr = second
			n.nodes[second] = w
		})
		// The server side knows the client by one address and never moves.
		send(t, c, 0, []byte("through the second one"))
		require.Equal(t, "through the second one", string(receive(t, s).Data))
		require.Equal(t, second.Addr(), c.RemoteAddr().IPs[0])
		require.NoError(t, c.Err())
	})
}

func TestInvalidStreamIsAcknowledgedAndReported(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{OutboundStreams: 4}, Options{})
		c.out = 100 // a peer that does not keep to what was agreed
		for i := range 50 {
			send(t, c, uint16(i), payload(uint16(i), uint32(i), 5000))
		}
		for range 4 {
			m := receive(t, s)
			require.Less(t, m.Stream, uint16(4))
			requirePayload(t, m, m.Stream, uint32(m.Stream), 5000)
		}
		send(t, c, 0, []byte("and on it goes"))
		require.Equal(t, "and on it goes", string(receive(t, s).Data))
		require.NoError(t, c.Close(), "everything was acknowledged")
		require.GreaterOrEqual(t, s.Stats().DroppedStream, uint64(46*5))
	})
}

func TestOtherPayloadProtocolsAreDropped(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{}, Options{})
		st, err := c.engine.OpenStream(2, 18)
		require.NoError(t, err)
		_, err = st.WriteSCTP([]byte("S1AP"), 18)
		require.NoError(t, err)
		send(t, c, 2, []byte("NGAP"))
		require.Equal(t, "NGAP", string(receive(t, s).Data))
		require.EqualValues(t, 1, s.Stats().DroppedPPID)
	})
}

func TestMessageLargerThanTheReceiveBufferEndsTheAssociation(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{MaxMessageSize: 1 << 20}, Options{ReceiveBuffer: 1})
		send(t, c, 0, make([]byte, 1<<20))
		requireLoss(t, receiveError(t, s), ReasonProtocol)
		requireLoss(t, receiveError(t, c), ReasonPeerAbort)
	})
}

func TestAggregatedPacketsAreSplit(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		// A virtual link hands over many segments under one header, without CRC.
		c, s, _ := n.pair(t, Options{}, Options{AcceptZeroChecksum: true})
		var held []byte
		n.set(func() {
			n.hook = func(b []byte, from, to netip.AddrPort) bool {
				if to.String() != serverAddr || chunkType(b) != chunkData {
					return true
				}
				if held == nil {
					held = append(held, b...)
				} else {
					held = append(held, b[commonHeaderLen:]...)
				}
				if len(held) < 20000 {
					return len(held) < 10000 // the first ones pass, so that the window opens
				}
				binary.LittleEndian.PutUint32(held[8:], 0)
				go n.inject(held, from, to)
				held = nil
				return false
			}
		})
		for i := range 100 {
			send(t, c, 1, payload(1, uint32(i), 1200))
		}
		for i := range 100 {
			requirePayload(t, receive(t, s), 1, uint32(i), 1200)
		}
	})
}

func TestOversizedDataChunkSaysWhatToDo(t *testing.T) {
	bubble(t, func(t *testing.T, n *network) {
		c, s, _ := n.pair(t, Options{}, Options{})
		value := append(binary.BigEndian.AppendUint32(nil, c.tsn), 0, 0, 0, 0, 0, 0, 0, PPID)
		b := appendChunk(c.packet(), chunkData, flagDataBegin|flagDataEnd, value, make([]byte, 9000))
		n.inject(seal(b), c.ep.wire.LocalAddr(), netip.MustParseAddrPort(serverAddr))
		require.Contains(t, requireLoss(t, receiveError(t, s), ReasonProtocol).Detail, "smaller path MTU")
	})
}
