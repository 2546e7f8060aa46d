// SPDX-License-Identifier: Apache-2.0

package relay

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/internal/udpbatch"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// TestLimitRate: over ten seconds at twice the rate, half passes; at the rate itself, all; after a pause, no more than the burst at once.
func TestLimitRate(t *testing.T) {
	for _, rate := range []uint64{64_000, 1_000_000, 10_000_000, 40_000_000} {
		t.Run(fmt.Sprint(rate), func(t *testing.T) {
			const size = 1250 // 10,000 bits
			l := NewLimit(rate)
			require.InEpsilon(t, rate, l.Rate(), 0.01)
			send := func(start int64, d time.Duration, perSecond float64) (passed, sent float64) {
				packets := min(int(perSecond*d.Seconds()), 1<<20)
				step := 1e9 / perSecond
				for i := range packets {
					sent++
					if l.allow(start+int64(float64(i)*step), size) {
						passed++
					}
				}
				return passed, sent
			}
			perSecond := float64(rate) / (size * 8)
			burst := max(perSecond*limitBurst.Seconds(), float64(limitLeast)/size)
			passed, sent := send(1e18, 60*time.Second, 2*perSecond)
			require.InDelta(t, sent/2+burst, passed, burst/2+sent*0.01)
			passed, sent = send(2e18, 60*time.Second, perSecond*0.98)
			require.Equal(t, sent, passed)
			require.LessOrEqual(t, func() float64 { p, _ := send(3e18, time.Second, 1e12); return p }(), burst+1)
		})
	}
	l := NewLimit(0)
	require.True(t, l.allow(0, 1<<16))
	require.Zero(t, l.Rate())
	l.Set(1)
	require.True(t, l.allow(1e18, 1000))
	require.True(t, l.allow(1e18, 15000))
	require.False(t, l.allow(1e18+1e9, 1000), "one bit per second: the burst is used up for hours")
	l.Set(0)
	require.True(t, l.allow(1e18+1e9, 1000))
}

// TestLimitChange: a rate that is raised holds at once, whatever was sent at the former one; one that is lowered too, and the same one changes nothing.
func TestLimitChange(t *testing.T) {
	now := int64(1e18)
	l := NewLimit(8) // one octet a second
	passed := func() (n int) {
		for l.allow(now, 1024) {
			n++
		}
		return n
	}
	require.Equal(t, 16, passed())
	l.Set(8)
	require.Zero(t, passed())
	l.Set(8_000_000)
	require.Equal(t, 100_000/1024, passed())
	now += int64(time.Second)
	require.Equal(t, 100_000/1024, passed())
	l.Set(8)
	require.Equal(t, 16, passed())
	now += int64(time.Second)
	require.Zero(t, passed())
	l.Set(0)
	require.True(t, l.allow(now, 1<<16))
}

// TestLimitConcurrent: what passes on several goroutines together is what one alone would get.
func TestLimitConcurrent(t *testing.T) {
	l := NewLimit(8_000_000) // 1 octet a microsecond
	var passed atomic.Int64
	var running sync.WaitGroup
	for g := range 4 {
		running.Go(func() {
			for i := range 100_000 {
				if l.allow(1e18+int64(i*4+g)*1000, 100) {
					passed.Add(100)
				}
			}
		})
	}
	running.Wait()
	burst := int64(limitBurst / time.Microsecond)
	require.InDelta(t, 400_000+burst/2, passed.Load(), float64(burst), "0.4 s and the burst; the goroutines' times differ")
}

// TestRates: flows with a rate of their own do not count for the session's; both directions are apart; sessions that share a limit share the rate.
func TestRates(t *testing.T) {
	now := time.Unix(1000, 0)
	r := newRig(t, func(o *Options) { o.Now = func() time.Time { return now } })
	ambr := Rates{Uplink: NewLimit(1_000_000), Downlink: NewLimit(2_000_000)}
	c := twoChildren(r.upf.addr)
	c.Rates = ambr
	c.Flows[1].Rates = Rates{Uplink: NewLimit(4_000_000)}
	s := r.add(t, c)
	c.UplinkTEID = 0xb1
	other, err := r.Add(c)
	require.NoError(t, err)
	const pdu, burst, gbrBurst, down = 1000, 16 << 10, 4_000_000 / 8 / 10, 2_000_000 / 8 / 10 // the lower two rates have the least burst
	uplink := func(s *Session, qfi uint8, n int) {
		up := r.NewUplink()
		for range n {
			up.Inbound([]ipsec.Inbound{{ID: 11, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, qfi, make([]byte, pdu))}})
		}
	}
	uplink(s, 1, 100)
	require.EqualValues(t, burst/pdu, s.Stats().Uplink.Packets)
	require.EqualValues(t, 100-burst/pdu, s.Stats().Drops[RateLimit])
	uplink(s, 3, 10)
	uplink(other, 1, 10)
	require.EqualValues(t, burst/pdu, s.Stats().Uplink.Packets, "another flow under the same limit")
	require.Zero(t, other.Stats().Uplink.Packets, "another session of the UE")
	uplink(s, 2, 100)
	require.EqualValues(t, burst/pdu+gbrBurst/pdu, s.Stats().Uplink.Packets, "a GBR flow has its own")
	d := &downlink{r: r.Relay, control: r.controls[0], writer: r.dp}
	for range 100 {
		d.handle([]udpbatch.Datagram{{Data: downlinkPDU(s.TEID(), 1, false, make([]byte, pdu)), Remote: r.upf.addr, Local: r.upf.n3}})
	}
	require.EqualValues(t, down/pdu, s.Stats().Downlink.Packets)
	now = now.Add(100 * time.Millisecond)
	uplink(other, 1, 100)
	require.EqualValues(t, 12, other.Stats().Uplink.Packets, "100 ms at 1 Mbit/s, down to whole packets")
	ambr.Uplink.Set(0)
	uplink(s, 1, 100)
	require.EqualValues(t, burst/pdu+gbrBurst/pdu+100, s.Stats().Uplink.Packets, "the AMF has lifted the limit")
}

// TestFragmentedDownlink: a PDU that its child SA may not carry at once arrives whole; short ones are not touched.
func TestFragmentedDownlink(t *testing.T) {
	r := newRig(t, nil)
	c := twoChildren(r.upf.addr)
	c.Children[0].MaxPacket = 1294
	s := r.add(t, c)
	d := &downlink{r: r.Relay, control: r.controls[0], writer: r.dp}
	send := func(n int) []byte {
		pdu := make([]byte, n)
		for i := range pdu {
			pdu[i] = byte(i * i)
		}
		d.handle([]udpbatch.Datagram{{Data: downlinkPDU(s.TEID(), 1, false, pdu), Remote: r.upf.addr, Local: r.upf.n3}})
		return pdu
	}
	send(1294 - 28)
	require.Zero(t, r.Stats().Fragmented)
	_, whole := r.dp.next(t)
	require.Len(t, whole, 1294)
	pdu := send(1294 - 27)
	var join gre.Reassembler
	_, first := r.dp.next(t)
	_, second := r.dp.next(t)
	_, kept := join.Add(11, first, time.Now())
	require.True(t, kept)
	whole, kept = join.Add(11, second, time.Now())
	require.False(t, kept)
	p, err := gre.Decode(whole)
	require.NoError(t, err)
	require.Equal(t, pdu, whole[p.Offset:p.End])
	require.EqualValues(t, 1, r.Stats().Fragmented)
	require.EqualValues(t, 2, s.Stats().Downlink.Packets)
	c.Children[0].MaxPacket = gre.MinFragment - 1
	require.ErrorIs(t, s.Update(c), ErrInvalid)
}

// TestNoAllocationWithLimits: neither limits nor fragments allocate.
func TestNoAllocationWithLimits(t *testing.T) {
	r := newRig(t, nil)
	r.dp.discard.Store(true)
	c := twoChildren(r.upf.addr)
	c.Rates = Rates{Uplink: NewLimit(1_000_000), Downlink: NewLimit(1_000_000_000_000)}
	c.Children[1].MaxPacket = 600
	s := r.add(t, c)
	u := r.NewUplink()
	var up []ipsec.Inbound
	var down []udpbatch.Datagram
	for range 32 {
		up = append(up, ipsec.Inbound{ID: 12, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 2, make([]byte, 1400))})
		down = append(down, udpbatch.Datagram{Data: downlinkPDU(s.TEID(), 2, true, make([]byte, 1400)), Remote: r.upf.addr, Local: r.upf.n3})
	}
	d := &downlink{r: r.Relay, control: r.controls[0], writer: r.dp}
	require.Zero(t, testing.AllocsPerRun(50, func() { u.Inbound(up) }))
	require.Zero(t, testing.AllocsPerRun(50, func() { d.handle(down) }))
	require.NotZero(t, s.Stats().Drops[RateLimit])
	require.EqualValues(t, 51*32, r.Stats().Fragmented)
}

// TestLimitOfALateBatch: a goroutine that has lost its processor in the middle of a batch does not take the traffic of others since then for traffic ahead of
// the rate.
func TestLimitOfALateBatch(t *testing.T) {
	var now atomic.Int64
	now.Store(1e18)
	r := newRig(t, func(o *Options) { o.Now = func() time.Time { return time.Unix(0, now.Load()) } })
	r.dp.discard.Store(true)
	c := twoChildren(r.upf.addr)
	c.Rates = Rates{Uplink: NewLimit(1_000_000_000), Downlink: NewLimit(1_000_000_000)}
	s := r.add(t, c)
	late, other := r.NewUplink(), r.NewUplink()
	d := &downlink{r: r.Relay, control: r.controls[0], writer: r.dp, clock: 1e18}
	late.clock = 1e18
	now.Add(int64(time.Second))
	up := []ipsec.Inbound{{ID: 12, Context: s, Packet: uplinkPacket(t, ueAddr, upAddr, 2, make([]byte, 1400))}}
	down := []udpbatch.Datagram{{Data: downlinkPDU(s.TEID(), 2, true, make([]byte, 1400)), Remote: r.upf.addr, Local: r.upf.n3}}
	other.Inbound(slices.Clone(up))
	(&downlink{r: r.Relay, control: r.controls[0], writer: r.dp}).handle(down)
	late.run(up, 0)
	d.run(down, 0)
	require.Zero(t, s.Stats().Drops[RateLimit])
}
