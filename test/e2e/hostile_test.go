// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// TestHostileInput gives every socket of the N3IWF changed copies of what its peers really sent, while a good UE has traffic: from strangers, from
// the good UE's own address and port, from an AMF, and from a UE that is authenticated. The good UE loses nothing, nothing panics, and what strangers
// made the N3IWF hold is gone after its time.
func TestHostileInput(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	seed := rand.Uint64()
	t.Logf("seed %#x", seed)
	h := &hostile{random: rand.New(rand.NewPCG(seed, 0))}
	w := prepareWorld(t, func(c *config.Config) {
		c.Timers.EAPStep, c.Timers.AMFAnswer, c.Timers.ContextSetup, c.Timers.NASConnection = time.Second, time.Second, time.Second, time.Second
		c.Timers.Registration, c.NWu.IKE.HalfOpen.Timeout, c.NWu.IKE.Liveness.Period = 3*time.Second, time.Second, time.Second
	})
	other := w.cfg.N2.AMFs[0]
	other.Addresses = []netip.Addr{w.addr(hostOtherAMF)}
	w.cfg.N2.AMFs = append(w.cfg.N2.AMFs, other)
	w.startCore()
	victim := startOtherCore(w)
	var altered atomic.Int64
	newNGRelay(w, victim, h.amf(rand.New(rand.NewPCG(seed, 1)), &altered))
	p := newProxy(w)
	w.startN3IWF()
	w.until("both AMFs", func() bool { return w.nf.Status().AMFs == 2 })

	p.record(300)
	good, pr := w.online(0, p.through)
	finish := w.traffic(pr, 250)
	w.until("a recording", func() bool { return len(p.recorded()) == 300 })
	w.until("some state", func() bool { return good.State().Children != nil })
	before := good.State()
	heap := heapInUse()

	h.nwu(w, p.recorded())
	w.answered(pr, 20)
	h.eap(w)
	w.answered(pr, 20)
	h.n3(w)
	w.answered(pr, 20)
	h.insider(w)
	w.answered(pr, 20)
	h.registerThrough(w, &altered)
	w.answered(pr, 20)

	w.until("the end of what is half-open", func() bool { s := w.nf.Status(); return s.HalfOpen == 0 && s.UEs == 1 })
	require.Less(t, heapInUse(), heap+(48<<20), "memory")
	s := w.nf.Status()
	require.Zero(t, w.nf.Counters().Panics.Load()+s.ESP.Panics+s.NAS.Panics+s.N3.Faults, "panics")
	require.Equal(t, 2, s.AMFs)
	after := good.State()
	require.Equal(t, before.IKE, after.IKE)
	require.Equal(t, before.Children, after.Children)
	w.online(5)
	sent, lost := finish()
	require.Zero(t, lost, "of %d packets; %+v", sent, w.nf.Status())
	require.NoError(t, w.within(good.Deregister))
}

type hostile struct{ random *rand.Rand }

// mutate gives a changed copy of a message: cut, made longer, with bits turned, with another message's end, with a field of extremes, or as it is.
func mutate(r *rand.Rand, b, another []byte) []byte {
	b = slices.Clone(b)
	switch r.IntN(8) {
	case 0:
		return b[:r.IntN(len(b)+1)]
	case 1:
		more := make([]byte, 1<<r.IntN(14))
		for i := range more {
			more[i] = byte(r.Uint32())
		}
		return append(b, more...)
	case 2, 3, 4:
		for range 1 + r.IntN(6) {
			if len(b) > 0 {
				// More often near the beginning, where the headers are.
				b[r.IntN(1+r.IntN(len(b)))] ^= 1 << r.IntN(8)
			}
		}
	case 5:
		return append(b[:r.IntN(len(b)+1)], another[r.IntN(len(another)+1):]...)
	case 6:
		if len(b) >= 4 {
			at := r.IntN(len(b) - 3)
			binary.BigEndian.PutUint32(b[at:], []uint32{0, 1, 0xffff, 0x7fffffff, 0xffffffff, 0x80000000}[r.IntN(6)])
		}
	}
	return b
}

// strangers are sockets at addresses that no UE has.
func strangers(w *world, n int) (list []*net.UDPConn) {
	for i := range n {
		conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.addr(200+i), 0)))
		require.NoError(w.t, err)
		w.t.Cleanup(func() { _ = conn.Close() })
		list = append(list, conn)
	}
	return list
}

// paced calls send n times, as fast as a receive buffer of the system's default size allows.
func paced(n int, send func()) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for i := range n {
		if i%3 == 0 {
			<-tick.C
		}
		send()
	}
}

func (h *hostile) nwu(w *world, recorded []datagram) {
	r, sockets := h.random, strangers(w, 6)
	ports := []uint16{w.ikePort(), w.nattPort()}
	// Each kind of message gets its share: most of the recording is ESP.
	var ike, esp []datagram
	for _, d := range recorded {
		if !d.natt || len(d.data) > 4 && binary.BigEndian.Uint32(d.data) == 0 {
			ike = append(ike, d)
		} else {
			esp = append(esp, d)
		}
	}
	paced(4000, func() {
		list := ike
		if r.IntN(3) == 0 {
			list = esp
		}
		d := list[r.IntN(len(list))]
		b := mutate(r, d.data, recorded[r.IntN(len(recorded))].data)
		if r.IntN(2) == 0 {
			_, _ = d.flow.outside.Write(b)
			return
		}
		to := netip.AddrPortFrom(w.addr(hostN3IWF), ports[r.IntN(2)])
		if r.IntN(8) == 0 {
			to = netip.AddrPortFrom(w.addr(hostN3IWF), ports[map[bool]int{false: 0, true: 1}[d.natt]])
		}
		_, _ = sockets[r.IntN(len(sockets))].WriteToUDPAddrPort(b, to)
	})
	c := w.nf.Counters()
	require.Positive(w.t, w.nf.Status().ESP.Drops.Auth, "the recording was used")
	require.Positive(w.t, c.IKERefused.Load())
	require.Positive(w.t, c.IKEUnknownSPI.Load())
}

func (h *hostile) n3(w *world) {
	r, sockets := h.random, strangers(w, 2)
	upf, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(w.addr(hostCore), 0)))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = upf.Close() })
	sockets = append(sockets, upf)
	teid := w.core.State().UEs[0].Sessions[0].DownlinkTEID
	pdu := make([]byte, gtpu.GPDUHeaderLen+200)
	pdu[gtpu.GPDUHeaderLen] = 0x45
	gtpu.PutDownlink(pdu, teid, 1, true, 200)
	messages := [][]byte{
		pdu, gtpu.AppendEchoRequest(nil, 7), gtpu.AppendEchoResponse(nil, 7), gtpu.AppendErrorIndication(nil, teid+1, w.addr(hostCore), 2152),
		gtpu.AppendEndMarker(nil, teid), gtpu.AppendSupportedExtensions(nil),
	}
	to := netip.AddrPortFrom(w.addr(hostN3), gtpu.Port)
	paced(2000, func() {
		b := mutate(r, messages[r.IntN(len(messages))], messages[r.IntN(len(messages))])
		_, _ = sockets[r.IntN(len(sockets))].WriteToUDPAddrPort(b, to)
	})
	s := w.nf.Status().N3
	require.Positive(w.t, s.Dropped())
	require.Positive(w.t, s.EchoRequestsIn)
	require.Positive(w.t, s.EndMarkers)
}

// eap lets UEs begin a registration and then send changed EAP packets.
func (h *hostile) eap(w *world) {
	var running sync.WaitGroup
	for i := range 16 {
		r := rand.New(rand.NewPCG(h.random.Uint64(), 0))
		u := w.ue(i+10, func(o *ue.Options) {
			o.TamperEAP = func(b []byte) []byte {
				if r.IntN(2) == 0 {
					return b
				}
				return mutate(r, b, b)
			}
		})
		running.Go(func() {
			ctx, cancel := context.WithTimeout(w.ctx, time.Second)
			defer cancel()
			_ = u.Register(ctx) // whether it comes through is up to the changes
			_ = u.Close()
		})
	}
	running.Wait()
	require.Positive(w.t, w.nf.Counters().EAPErrors.Load())
}

// insider is a UE with a PDU session that sends garbage where only authenticated UEs can.
func (h *hostile) insider(w *world) {
	var spoil atomic.Bool
	r := rand.New(rand.NewPCG(h.random.Uint64(), 0)) // the TCP stack's
	turn := make(chan struct{}, 1)
	bad, _ := w.online(1, func(o *ue.Options) {
		o.Tamper = func(packet []byte) []byte {
			if !spoil.Load() {
				return packet
			}
			turn <- struct{}{}
			defer func() { <-turn }()
			return tamperTCP(r, slices.Clone(packet))
		}
	})
	s := probeSession(w, bad)
	sender := s.NewSender()
	real1, err := sender.Carry(1, slices.Repeat([]byte{0x45, 0, 1, 2}, 60))
	require.NoError(w.t, err)
	paced(1500, func() {
		_ = sender.WriteInner(1, mutate(h.random, real1, real1)) // what is too long is not sent
		_ = sender.Flush()
	})
	require.Positive(w.t, w.nf.Status().ESP.Drops.Selector+w.nf.Status().N3.Dropped())
	spoil.Store(true)
	// A segment that is cut delays those behind it, so that the number of messages says little.
	for i := 0; i < 150 || i < 2000 && w.nf.Status().NAS.Protocol == 0; i++ {
		ctx, cancel := context.WithTimeout(w.ctx, 10*time.Millisecond)
		_ = bad.ReleaseSession(ctx, 9) // there is no such session; only its message matters
		cancel()
	}
	require.Positive(w.t, w.nf.Status().NAS.Protocol, "envelopes of bad length")
	require.Positive(w.t, w.nf.Status().NAS.NASIn)
	spoil.Store(false)
	_ = bad.Close()
}

// probeSession gives PDU session 1, which is up.
func probeSession(w *world, u *ue.UE) *ue.Session {
	s := u.Session(1)
	require.NotNil(w.t, s)
	return s
}

// tamperTCP changes the payload of a TCP segment over IPv4, or cuts it so that the rest comes later, and corrects the checksums.
func tamperTCP(r *rand.Rand, b []byte) []byte {
	const ip = 20
	if len(b) < ip+20 {
		return b
	}
	payload := b[ip+int(b[ip+12]>>4)*4:]
	if len(payload) < 2 {
		return b
	}
	switch r.IntN(6) {
	case 0:
		binary.BigEndian.PutUint16(payload, 0)
	case 1:
		binary.BigEndian.PutUint16(payload, 0xffff)
	case 2, 3:
		b = b[:len(b)-len(payload)+1+r.IntN(len(payload))]
		binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	case 4:
		for i := range payload {
			payload[i] ^= byte(r.Uint32() & r.Uint32() & r.Uint32())
		}
	}
	sum := func(start uint32, b []byte) uint16 {
		for i := 0; i+1 < len(b); i += 2 {
			start += uint32(binary.BigEndian.Uint16(b[i:]))
		}
		if len(b)%2 == 1 {
			start += uint32(b[len(b)-1]) << 8
		}
		for start > 0xffff {
			start = start&0xffff + start>>16
		}
		return ^uint16(start)
	}
	binary.BigEndian.PutUint16(b[10:], 0)
	binary.BigEndian.PutUint16(b[10:], sum(0, b[:ip]))
	binary.BigEndian.PutUint16(b[ip+16:], 0)
	pseudo := uint32(^sum(0, b[12:20])) + 6 + uint32(len(b)-ip)
	binary.BigEndian.PutUint16(b[ip+16:], sum(pseudo, b[ip:]))
	return b
}

// amf sends changed copies of each PDU before the PDU itself; NG Setup stays whole.
func (h *hostile) amf(r *rand.Rand, altered *atomic.Int64) func(uint16, []byte, func([]byte)) {
	var seen [][]byte
	return func(_ uint16, pdu []byte, send func([]byte)) {
		seen = append(seen, pdu)
		if len(seen) > 1 {
			for range 60 {
				altered.Add(1)
				send(mutate(r, seen[r.IntN(len(seen))], seen[r.IntN(len(seen))]))
			}
		}
		send(pdu)
	}
}

// registerThrough lets UEs register at the hostile AMF. Whether they succeed is up to its changes.
func (h *hostile) registerThrough(w *world, altered *atomic.Int64) {
	registered := 0
	for i := 20; altered.Load() < 2500 && i < 40; i++ {
		u := w.ue(i, func(o *ue.Options) {
			o.Subscriber.MNC = "02"
			o.Subscriber.IMSI = strings.Replace(o.Subscriber.IMSI, "00101", "00102", 1)
		})
		ctx, cancel := context.WithTimeout(w.ctx, 1500*time.Millisecond)
		if u.Register(ctx) == nil {
			registered++
			_, _ = u.EstablishSession(ctx, 1, "internet", &nas.SNSSAI{SST: 1})
			_ = u.Deregister(ctx)
		}
		cancel()
		_ = u.Close()
	}
	w.t.Logf("%d changed NGAP messages, %d UEs registered all the same", altered.Load(), registered)
	require.Greater(w.t, altered.Load(), int64(1000))
	require.Positive(w.t, w.nf.Counters().NGAPErrors.Load())
}

// startOtherCore starts a core of another PLMN and gives its address.
func startOtherCore(w *world) netip.Addr {
	w.t.Helper()
	text, err := os.ReadFile(w.coreFile)
	require.NoError(w.t, err)
	a := w.addr(7)
	replaced := strings.NewReplacer(`mnc: "01"`, `mnc: "02"`, w.addr(hostCore).String(), a.String(), "00101", "00102", "10.45.", "10.46.", "cafe00", "cafe40").Replace(string(text))
	file := w.coreFile + ".other"
	require.NoError(w.t, os.WriteFile(file, []byte(replaced), 0o600))
	cfg, err := core.LoadConfig(file)
	require.NoError(w.t, err)
	c, err := core.New(cfg, w.log.With("who", "other core"))
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = c.Close() })
	return a
}

func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
