// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// pingInterval is short against everything that takes traffic away, so that what is lost shows how long it was gone.
var pingInterval = slow(10 * time.Millisecond)

// pinger sends pings until it is stopped and counts the answers.
type pinger struct {
	send func(seq uint16)
	stop chan struct{}
	wg   sync.WaitGroup

	mu      sync.Mutex
	sent    []time.Time // by sequence number
	replied []bool
	twice   int // answers that came again
}

func startPinger(send func(seq uint16)) *pinger {
	p := &pinger{send: send, stop: make(chan struct{})}
	p.wg.Go(func() {
		tick := time.NewTicker(pingInterval)
		defer tick.Stop()
		for {
			select {
			case <-p.stop:
				return
			case <-tick.C:
			}
			p.mu.Lock()
			seq := uint16(len(p.sent))
			p.sent, p.replied = append(p.sent, time.Now()), append(p.replied, false)
			p.mu.Unlock()
			p.send(seq)
		}
	})
	return p
}

func (p *pinger) answer(seq uint16) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case int(seq) >= len(p.replied):
	case p.replied[seq]:
		p.twice++
	default:
		p.replied[seq] = true
	}
}

// counts is what was lost, and the longest time in which nothing came through.
type counts struct {
	sent, lost, twice int
	gap               time.Duration
}

// counts counts the pings that were sent more than a grace ago, or all when grace is 0.
func (p *pinger) counts(grace time.Duration) (c counts) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.twice = p.twice
	var last time.Time
	for seq, at := range p.sent {
		if grace > 0 && time.Since(at) < grace {
			break
		}
		c.sent++
		if !p.replied[seq] {
			c.lost++
			continue
		}
		if !last.IsZero() {
			c.gap = max(c.gap, at.Sub(last)-pingInterval)
		}
		last = at
	}
	return c
}

// flows waits until n pings sent from now on were answered.
func (p *pinger) flows(t testing.TB, what string, n int) {
	t.Helper()
	p.mu.Lock()
	from := len(p.sent)
	p.mu.Unlock()
	eventually(t, what, func() bool {
		p.mu.Lock()
		defer p.mu.Unlock()
		got := 0
		for _, ok := range p.replied[from:] {
			if ok {
				got++
			}
		}
		return got >= n
	})
}

// end stops sending and waits for the last answers.
func (p *pinger) end() counts {
	close(p.stop)
	p.wg.Wait()
	for deadline := time.Now().Add(slow(300 * time.Millisecond)); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		p.mu.Lock()
		n := len(p.replied)
		done := n == 0 || p.replied[n-1]
		p.mu.Unlock()
		if done {
			break
		}
	}
	return p.counts(0)
}

// pingID is the identifier of our pings.
const pingID = 0x3a7b

// ICMP types (RFC 792, RFC 4443).
const (
	icmpReply, icmpRequest   = 0, 8
	icmp6Request, icmp6Reply = 128, 129
)

// echo makes an ICMP message.
func echo(kind byte, seq uint16) []byte {
	m := make([]byte, 64)
	m[0] = kind
	binary.BigEndian.PutUint16(m[4:], pingID)
	binary.BigEndian.PutUint16(m[6:], seq)
	if kind == icmpRequest {
		binary.BigEndian.PutUint16(m[2:], checksum(0, m))
	}
	return m
}

// ping makes a whole IP packet with an echo request.
func ping(from, to netip.Addr, seq uint16) []byte {
	if from.Is4() {
		m := echo(icmpRequest, seq)
		h := make([]byte, 20, 20+len(m))
		h[0], h[8], h[9] = 0x45, 64, 1
		binary.BigEndian.PutUint16(h[2:], uint16(20+len(m)))
		copy(h[12:], from.AsSlice())
		copy(h[16:], to.AsSlice())
		binary.BigEndian.PutUint16(h[10:], checksum(0, h))
		return append(h, m...)
	}
	m := echo(icmp6Request, seq)
	h := make([]byte, 40, 40+len(m))
	h[0], h[6], h[7] = 0x60, 58, 64
	binary.BigEndian.PutUint16(h[4:], uint16(len(m)))
	copy(h[8:], from.AsSlice())
	copy(h[24:], to.AsSlice())
	binary.BigEndian.PutUint16(m[2:], checksum(uint32(len(m))+58+sum(h[8:40]), m))
	return append(h, m...)
}

// pong turns an echo request packet into its reply; or tells the sequence number of a reply to one of our pings.
func pong(p []byte) (reply bool, seq uint16, answered bool) {
	at, request, response, addresses := 20, byte(icmpRequest), byte(icmpReply), p[12:20]
	if p[0]>>4 == 6 {
		at, request, response, addresses = 40, icmp6Request, icmp6Reply, p[8:40]
	}
	if len(p) < at+8 || binary.BigEndian.Uint16(p[at+4:]) != pingID {
		return false, 0, false
	}
	seq = binary.BigEndian.Uint16(p[at+6:])
	switch p[at] {
	case request:
		half := len(addresses) / 2
		src := append([]byte(nil), addresses[:half]...)
		copy(addresses, addresses[half:])
		copy(addresses[half:], src)
		old := binary.BigEndian.Uint16(p[at+2:])
		p[at] = response
		// RFC 1624: the type changed, and the sum of the addresses did not.
		binary.BigEndian.PutUint16(p[at+2:], fold(uint32(^old)+uint32(^(uint16(request)<<8))+uint32(uint16(response)<<8)))
		return true, seq, false
	case response:
		return false, seq, true
	}
	return false, 0, false
}

func sum(b []byte) (s uint32) {
	for ; len(b) > 1; b = b[2:] {
		s += uint32(b[0])<<8 | uint32(b[1])
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

func checksum(start uint32, b []byte) uint16 { return fold(start + sum(b)) }

// kernelPinger pings from within a namespace, through whatever route its kernel has.
func kernelPinger(t testing.TB, ns string, to netip.Addr) *pinger {
	var conn net.PacketConn
	network, kind, want := "ip4:icmp", byte(icmpRequest), byte(icmpReply)
	if to.Is6() {
		network, kind, want = "ip6:ipv6-icmp", icmp6Request, icmp6Reply
	}
	require.NoError(t, within(ns, func() (err error) {
		conn, err = net.ListenPacket(network, "")
		return err
	}))
	p := startPinger(func(seq uint16) {
		// What cannot be sent is lost, and counted so.
		_, _ = conn.WriteTo(echo(kind, seq), &net.IPAddr{IP: to.AsSlice()})
	})
	p.wg.Go(func() {
		<-p.stop
		time.AfterFunc(slow(400*time.Millisecond), func() { conn.Close() }) // later than end waits for the last answers
	})
	go func() {
		b := make([]byte, 2048)
		for {
			n, _, err := conn.ReadFrom(b)
			if err != nil {
				return
			}
			if n >= 8 && b[0] == want && binary.BigEndian.Uint16(b[4:]) == pingID {
				p.answer(binary.BigEndian.Uint16(b[6:]))
			}
		}
	}()
	return p
}
