// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package ebpf

import (
	"encoding/binary"
	"net/netip"
	"os"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// User packets of all sizes go both ways without coming to user space; those of the UPF lack their checksum on the way, as veth leaves it out.
func TestKernelForwards(t *testing.T) { forwards(t, setting{}) }

// So they do over virtio, whose packets may lack their checksum as well.
func TestKernelForwardsOverVirtio(t *testing.T) { forwards(t, setting{virtio: true}) }

func forwards(t *testing.T, v setting) {
	w := newWorldOf(t, v)
	w.connect(nil)
	require.Equal(t, Status{
		Links: []string{"n0"}, Repairs: []string{"n0"}, Pinned: true, Sessions: 1, HandedUp: w.plane.Status().HandedUp,
	}, w.plane.Status())
	sizes := []int{20, 64, 577, 1400, 1410}
	octets := 0
	for i, n := range sizes {
		w.send(greFrom(ue, 9, numbered(i, n)))
		m := w.gpdu()
		require.EqualValues(t, uplinkTEID, m.TEID)
		require.EqualValues(t, 9, m.Container.QFI)
		require.Equal(t, numbered(i, n), m.Payload)
		w.fromUPF(downlinkGPDU(w.session.TEID(), 9, true, numbered(i, n)))
		p, pdu := w.atUE()
		require.Equal(t, up, p.Source)
		require.Equal(t, gre.Header{Protocol: gre.TypeIPv4, QFI: 9, RQI: true}, p.Header)
		require.Equal(t, numbered(i, n), pdu)
		octets += n
	}
	want := relay.Traffic{Uplink: relay.Counter{Packets: 5, Bytes: uint64(octets)}, Downlink: relay.Counter{Packets: 5, Bytes: uint64(octets)}}
	require.Equal(t, want, w.inKernel())
	require.Equal(t, relay.Traffic{}, w.inRelay())
	require.Equal(t, want, w.session.Stats())
	require.Equal(t, 1, w.relay.Stats().Offloaded)
	st, err := w.dp.Stats(7)
	require.NoError(t, err)
	require.EqualValues(t, 5, st.Generations[0].Inbound.Packets)
	require.WithinDuration(t, time.Now(), st.LastInbound, patience)
	require.Equal(t, st.LastInbound, st.LastOnPath)
	// The counts of a session outlive it.
	w.session.Remove()
	require.Equal(t, want, w.session.Stats())
	require.Equal(t, 0, w.relay.Stats().Offloaded)
	require.Empty(t, w.dump())
}

// Packets that come in a batch, as segments of one that the peer's kernel has cut, have most of themselves in pages. They are forwarded as any other.
func TestKernelForwardsBatches(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	const n = 32
	for i := range n {
		require.NoError(t, w.writer.Write(w.handle, nil, greFrom(ue, 9, numbered(i, 1200))))
	}
	require.NoError(t, w.writer.Flush())
	for i := range n {
		require.Equal(t, numbered(i, 1200), w.gpdu().Payload)
	}
	require.Equal(t, relay.Counter{Packets: n, Bytes: n * 1200}, w.inKernel().Uplink)
	require.Equal(t, relay.Traffic{}, w.inRelay())
	require.Zero(t, w.plane.Status().HandedUp["uplink"]["not a plain user packet"])
}

// A network card joins packets for a socket that takes joined ones, with which the program could do nothing. The relay's does not while there is a program.
func TestKernelForwardsWhatACardWouldJoin(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	// A veth does what a card does, when its other end leaves that to it, and waits for more as long as a card with interrupt moderation may.
	w.upf.do(func() { ethtool(t, "n1", unix.ETHTOOL_STSO, 0) })
	w.gw.do(func() { ethtool(t, "n0", unix.ETHTOOL_SGRO, 1) })
	run(t, "ip", "netns", "exec", "gw", "dash", "-c", "echo 20000000 > /sys/class/net/n0/gro_flush_timeout")
	const n = 32
	send := func(from int) {
		for i := range n {
			w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(from+i, 600)))
		}
		var got [][]byte
		w.eventually("all packets", func() bool { got = append(got, w.ueSink.take()...); return len(got) == n })
		for i, p := range got {
			require.Equal(t, numbered(from+i, 600), p[28:])
		}
	}
	send(0)
	require.EqualValues(t, n, w.inKernel().Downlink.Packets)
	require.Zero(t, w.plane.Status().HandedUp["downlink"]["joined by GSO"])
	// A relay alone has them joined, by newer kernels.
	w.relay.Offload(nil)
	send(n)
	require.Equal(t, testenv.KernelAtLeast(t, 6, 1), w.plane.Status().HandedUp["downlink"]["joined by GSO"] > 0)
}

// ethtool sets a value of a link of the calling thread's network namespace.
func ethtool(t *testing.T, link string, command, data uint32) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	require.NoError(t, err)
	defer unix.Close(fd) //nolint:errcheck // nothing was written
	value := [2]uint32{command, data}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		pad  [16]byte
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], link)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	require.Zero(t, errno)
}

// A packet that the program drops does not come to user space either, and is counted there where those of user space are.
func TestKernelDropsForgeries(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	w.send(greFrom(elsewher, 9, ipPDU(64)))
	w.send(greFrom(ue, 17, ipPDU(64)))
	w.send(greFrom(ue, 9, numbered(77, 64)))
	require.Equal(t, numbered(77, 64), w.gpdu().Payload)
	stats := w.session.Stats()
	require.EqualValues(t, 1, stats.Drops[relay.GRE(gre.DropSource)])
	require.EqualValues(t, 1, stats.Drops[relay.UnknownQFI])
	require.EqualValues(t, 2, stats.Dropped())
	require.Zero(t, w.inRelay())
}

// What the programs leave is handled by the relay, packet for packet.
func TestKernelLeavesToRelay(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	// Carrier in fragments.
	whole := greFrom(ue, 9, numbered(1, 1000))
	first, second := append([]byte{}, whole[:20+504]...), append([]byte{}, append(append([]byte{}, whole[:20]...), whole[20+504:]...)...)
	binary.BigEndian.PutUint16(first[2:], uint16(len(first)))
	binary.BigEndian.PutUint16(second[2:], uint16(len(second)))
	first[6], second[7] = 0x20, 504/8
	setChecksum(first[:20])
	setChecksum(second[:20])
	w.send(first)
	w.send(second)
	require.Equal(t, numbered(1, 1000), w.gpdu().Payload)
	// More than the N3 link takes at once: the relay's socket sends it in IP fragments.
	run(t, "ip", "-n", "gw", "link", "set", "n0", "mtu", "1300")
	w.eventually("the new MTU", func() bool {
		c := w.child()
		return c.UplinkMax == 1300-tunnelLen
	})
	w.send(greFrom(ue, 9, numbered(2, 1400)))
	require.Equal(t, numbered(2, 1400), w.gpdu().Payload)
	w.eventually("two packets are counted", func() bool { return w.inRelay().Uplink.Packets == 2 })
	require.Zero(t, w.inKernel().Uplink.Packets)
	run(t, "ip", "-n", "gw", "link", "set", "n0", "mtu", "1500")
	// Several packets in one buffer.
	gpdu := func(i int) []byte { return downlinkGPDU(w.session.TEID(), 9, false, numbered(i, 600)) }
	w.segmented(append(append(append([]byte{}, gpdu(3)...), gpdu(4)...), gpdu(5)...), len(gpdu(3)))
	var got [][]byte
	w.eventually("three packets", func() bool { got = append(got, w.ueSink.take()...); return len(got) == 3 })
	for i, p := range got {
		require.Equal(t, numbered(3+i, 600), p[28:])
	}
	// Older kernels cut it before it leaves the other end of a veth, and there is nothing to leave.
	joined := w.plane.Status().HandedUp["downlink"]["joined by GSO"]
	if testenv.KernelAtLeast(t, 6, 1) {
		require.EqualValues(t, 1, joined)
	}
	// N3 in IP fragments.
	run(t, "ip", "-n", "upf", "link", "set", "n1", "mtu", "600")
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(6, 1000)))
	_, pdu := w.atUE()
	require.Equal(t, numbered(6, 1000), pdu)
	run(t, "ip", "-n", "upf", "link", "set", "n1", "mtu", "1500")
	w.eventually("they are counted", func() bool { return w.inRelay().Downlink.Packets == 1+3*joined })
	require.Equal(t, 3-3*joined, w.inKernel().Downlink.Packets)
	// Signalling.
	w.fromUPF(gtpu.AppendEchoRequest(nil, 99))
	m := w.gpdu()
	require.Equal(t, gtpu.EchoResponse, m.Type)
	require.EqualValues(t, 99, m.Sequence)
	w.fromUPF(downlinkGPDU(w.session.TEID()+1, 9, false, ipPDU(64)))
	require.Equal(t, gtpu.ErrorIndication, w.gpdu().Type)
	w.fromUPF([]byte{0x30, 254, 0, 0, 1, 2, 3, 4})
	w.eventually("an end marker", func() bool { return w.relay.Stats().EndMarkers == 1 })
	// Held, as a session is that goes to another node.
	w.session.Hold()
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, ipPDU(64)))
	w.eventually("a held packet", func() bool { return w.plane.Status().HandedUp["downlink"]["held"] == 1 })
	up, down := w.plane.Status().HandedUp["uplink"], w.plane.Status().HandedUp["downlink"]
	require.EqualValues(t, 2, up["fragment"])
	require.EqualValues(t, 1, up["too long"])
	require.NotZero(t, down["fragment"])
	require.NotZero(t, down["GTP-U message"])
	require.EqualValues(t, 1, down["unknown tunnel or child SA"])
}

func (w *world) child() userplaneChild {
	mark, err := w.dp.Mark(7)
	require.NoError(w.t, err)
	var c userplaneChild
	require.NoError(w.t, w.plane.objects.Children.Lookup(mark, &c))
	return c
}

// While the UE moves to and fro, no packet is lost and nothing of the maps changes.
func TestKernelMoves(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	before := w.dump()
	w.ueSink.quiet = true
	stop := w.downlinkTraffic()
	const moves = 10
	for i := range moves {
		to := []string{ueOuter2, ueOuter}[i%2]
		require.NoError(t, w.dp.Move(unlimited(gwOuter, to), 7))
		require.NoError(t, w.ue.Move(unlimited(to, gwOuter), 7))
		w.send(greFrom(ue, 9, numbered(i, 64)))
		require.Equal(t, numbered(i, 64), w.gpdu().Payload)
		time.Sleep(100 * time.Millisecond)
	}
	n := stop()
	w.eventually("all packets", func() bool { return w.ueSink.total() >= n })
	require.Equal(t, n, w.ueSink.total())
	require.EqualValues(t, n, w.inKernel().Downlink.Packets)
	require.EqualValues(t, moves, w.inKernel().Uplink.Packets)
	require.Equal(t, before, w.dump())
	st, err := w.ue.Stats(7)
	require.NoError(t, err)
	require.Zero(t, st.Generations[0].Drops)
	t.Logf("%d packets over %d moves", n, moves)
}

// Maps of another shape, as another version's, are replaced; what the others have counted is kept.
func TestKernelMapsOfAnotherVersion(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	w.send(greFrom(ue, 9, numbered(1, 100)))
	require.Equal(t, numbered(1, 100), w.gpdu().Payload)
	require.NoError(t, w.plane.Leave())
	pin := pinFolder + "/" + userplaneMapChildren
	require.NoError(t, os.Remove(pin))
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 8, MaxEntries: 1 << 18, Flags: unix.BPF_F_NO_PREALLOC})
	require.NoError(t, err)
	require.NoError(t, m.Pin(pin))
	require.NoError(t, m.Close())

	w.plane = w.open()
	require.Equal(t, 8, pinned(t))
	require.EqualValues(t, 1, w.plane.base.Uplink.Packets)
	require.NoError(t, w.session.Update(w.config))
	w.send(greFrom(ue, 9, numbered(2, 100)))
	require.Equal(t, numbered(2, 100), w.gpdu().Payload)
	require.EqualValues(t, 1, w.inKernel().Uplink.Packets)
}

// The process goes, user packets flow; another one comes, takes over what is there and replaces the programs, and no packet is lost.
func TestKernelOutlivesTheProcess(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	w.ueSink.quiet = true
	stop := w.downlinkTraffic()
	// A second session that nobody takes up later.
	other, err := w.relay.Add(relay.Config{
		Name: "other", PDUType: gre.PDUIPv4, UPF: netip.AddrPortFrom(addr(upfN3), 0), UplinkTEID: 5, Children: []relay.Child{{ID: 7, UE: ue, UP: up}}, Default: 7,
		Flows: []relay.Flow{{QFI: 1}, {QFI: 9}},
	})
	require.NoError(t, err)
	teid := w.session.TEID()
	last := func() uint64 { return w.plane.Totals().Downlink.Packets }
	for range 3 {
		w.eventually("traffic", func() bool { return last() > 100 })
		require.NoError(t, w.plane.Leave())
		require.Equal(t, 8, pinned(t))
		came := w.ueSink.total()
		w.eventually("traffic without a process", func() bool { return w.ueSink.total() > came+100 })
		w.plane = w.open()
		require.Contains(t, w.plane.Adopted(), teid)
	}
	config := relay.Config{
		Name: "again", PDUType: gre.PDUIPv4, UPF: netip.AddrPortFrom(addr(upfN3), 0), UplinkTEID: uplinkTEID, Children: []relay.Child{{ID: 7, UE: ue, UP: up}},
		Default: 7, Flows: []relay.Flow{{QFI: 1}, {QFI: 9}},
	}
	require.NoError(t, w.session.Update(config))
	require.Equal(t, []uint32{other.TEID()}, w.plane.Adopted())
	// One that opens all of this, and ends before it has begun, leaves it as it was.
	heir := w.open()
	limited := config
	limited.Rates = relay.Rates{Uplink: relay.NewLimit(1e12), Downlink: relay.NewLimit(1e12)}
	require.NoError(t, heir.Set(relay.Offloaded{Config: limited, TEID: teid, Local: addr(gwN3)}))
	bucket := func() uint32 {
		var v userplaneSession
		require.NoError(t, w.plane.objects.Sessions.Lookup(teid, &v))
		return v.Bucket[1]
	}
	require.NotZero(t, bucket())
	pace := func() uint64 {
		var b userplaneBucket
		require.NoError(t, heir.objects.Buckets.Lookup(bucket(), &b))
		return b.Picos
	}
	heir.Pause()
	limited.Rates.Uplink.Set(1e9)
	limited.Rates.Downlink.Set(1e9)
	heir.refreshOnce()
	require.Zero(t, pace(), "the maps may be another one's")
	heir.Resume()
	heir.refreshOnce()
	require.NotZero(t, pace())
	require.NoError(t, heir.Leave())
	require.NoError(t, w.plane.Restore())
	require.Zero(t, bucket())
	require.NoError(t, w.plane.Sweep())
	require.Empty(t, w.plane.Adopted())
	w.send(greFrom(ue, 9, numbered(1, 64)))
	require.Equal(t, numbered(1, 64), w.gpdu().Payload)
	n := stop()
	w.eventually("all packets", func() bool { return w.ueSink.total() >= n })
	require.Equal(t, n, w.ueSink.total())
	require.Zero(t, w.inRelay().Downlink.Packets)
	t.Logf("%d packets over 3 restarts", n)
}

// The rates of a session and of a flow hold in both directions, by the programs and by the relay behind them, and follow when they change. A flow with
// a rate of its own does not use up the session's.
func TestKernelRates(t *testing.T) {
	w := newWorld(t)
	for _, forwarder := range []string{"programs", "relay"} {
		w.leave = forwarder == "relay"
		by := w.inKernel
		if w.leave {
			by = w.inRelay
		}
		up, down, own := relay.NewLimit(1), relay.NewLimit(1), relay.NewLimit(1) // a burst of 16 KiB, and nothing for years
		if w.session == nil {
			w.connect(nil)
		}
		config := w.config
		config.Rates = relay.Rates{Uplink: up, Downlink: down}
		config.Flows = []relay.Flow{{QFI: 1}, {QFI: 9, Rates: relay.Rates{Uplink: own}}}
		require.NoError(t, w.session.Update(config))
		require.Equal(t, !w.leave, w.offloaded())
		before := by()
		now := func() relay.Traffic { t := by(); t.Subtract(before); return t }
		judged := func(n int, what string) {
			w.eventually(what, func() bool {
				t := now()
				return int(t.Uplink.Packets+t.Downlink.Packets+t.Drops[relay.RateLimit]) == n
			})
		}
		for i := range 30 {
			w.send(greFrom(ue, 1, numbered(i, 1024)))
		}
		judged(30, "the session's rate uplink, by the "+forwarder)
		require.EqualValues(t, 16, now().Uplink.Packets)
		for i := range 30 {
			w.send(greFrom(ue, 9, numbered(i, 1024)))
		}
		judged(60, "a flow's own rate, by the "+forwarder)
		require.EqualValues(t, 32, now().Uplink.Packets)
		for i := range 30 {
			w.fromUPF(downlinkGPDU(w.session.TEID(), 1, false, numbered(i, 1024)))
		}
		judged(90, "the session's rate downlink, by the "+forwarder)
		require.EqualValues(t, 16, now().Downlink.Packets)
		w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(1, 1024)))
		judged(91, "a flow without a rate of its own in that direction, by the "+forwarder)
		require.EqualValues(t, 17, now().Downlink.Packets)
		up.Set(1e9)
		w.eventually("the rate is seen by the "+forwarder, func() bool {
			w.send(greFrom(ue, 1, numbered(99, 64)))
			return now().Uplink.Packets > 35
		})
	}
}

// Downlink packets on a path that is not proven go through user space, where their octets are counted.
func TestKernelRestricts(t *testing.T) {
	w := newWorld(t)
	w.connect(nil)
	require.NoError(t, w.dp.Move(ipsec.Target{Path: natTPath(gwOuter, ueOuter2), Limit: 3000}, 7))
	for i := range 10 {
		w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(i, 1000)))
	}
	w.eventually("all judged", func() bool { t := w.inRelay(); return t.Downlink.Packets+t.Drops[relay.NotSent] == 10 })
	require.EqualValues(t, 2, w.inRelay().Downlink.Packets)
	require.NoError(t, w.dp.Move(unlimited(gwOuter, ueOuter2), 7))
	w.fromUPF(downlinkGPDU(w.session.TEID(), 9, false, numbered(1, 1000)))
	w.eventually("forwarding", func() bool { return w.inKernel().Downlink.Packets == 1 })
}
