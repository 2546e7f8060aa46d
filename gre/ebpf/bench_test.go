// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec && kernelbench

package ebpf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/stretchr/testify/require"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/gre/relay"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/esp"
)

// The paths of a user packet are compared on one processor, which does all: it sends prepared frames into the N3IWF's namespace, and a counting
// program drops what comes out at the other side. What the sending alone costs is measured and taken off. The variants take turns, and the median
// of the ratios of a turn counts: an emulated processor is too uneven for more. The ESP of a packet is in every variant, so that no relay can be faster
// than kernel_esp, whatever it batches, and relay_vs_unbatched cannot be above the inverse of unbatched_vs_kernel_esp; _over_esp compares what relays add to it.

var (
	benchFile   = flag.String("bench-json", "", "file of the figures")
	benchRounds = flag.Int("bench-rounds", 15, "turns of each variant")
	benchFrames = flag.Int("bench-frames", 1024, "packets of a turn")
	benchSAs    = flag.Int("bench-sas", 10000, "child SAs of the last part")
)

const (
	plainUE, unbatchedUE = "10.45.0.7", "10.0.1.5"
	unbatchedUP          = "10.0.1.2"
	plainSPI             = 0x1001
	unbatchedSPI         = 0x2001
	unbatchedID          = 77
	unbatchedPort        = 2153
)

// sink counts and drops what comes to a link.
type sink struct {
	counter *ebpf.Memory
	ring    *ebpf.Map
}

func newSink(t testing.TB, n *namespace, link string) *sink {
	t.Helper()
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1, Flags: unix.BPF_F_MMAPABLE})
	require.NoError(t, err)
	p, err := ebpf.NewProgram(&ebpf.ProgramSpec{Type: ebpf.SchedCLS, License: "GPL", Instructions: asm.Instructions{
		// Only IPv4: neighbour discovery is not what is measured.
		asm.LoadMem(asm.R2, asm.R1, 16, asm.Word),
		asm.Mov.Imm(asm.R0, -1),
		asm.JNE.Imm(asm.R2, 0x0008, "out"),
		asm.LoadMem(asm.R2, asm.R1, 164, asm.Word), // gso_segs: the relay hands several datagrams to a link that takes them so
		asm.JNE.Imm(asm.R2, 0, "count"),
		asm.Mov.Imm(asm.R2, 1),
		asm.LoadMapValue(asm.R1, m.FD(), 0).WithSymbol("count"),
		asm.StoreXAdd(asm.R1, asm.R2, asm.DWord),
		asm.Mov.Imm(asm.R0, 2),
		asm.Return().WithSymbol("out"),
	}})
	require.NoError(t, err)
	memory, err := m.Memory()
	require.NoError(t, err)
	n.do(func() {
		h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
		require.NoError(t, err)
		defer h.Close()
		l, err := h.LinkByName(link)
		require.NoError(t, err)
		index := l.Attrs().Index
		_ = h.QdiscAdd(&netlink.Clsact{QdiscAttrs: netlink.QdiscAttrs{LinkIndex: index, Handle: netlink.MakeHandle(0xffff, 0), Parent: netlink.HANDLE_CLSACT}}) // it may be there
		require.NoError(t, h.FilterReplace(&netlink.BpfFilter{
			FilterAttrs: netlink.FilterAttrs{LinkIndex: index, Parent: netlink.HANDLE_MIN_INGRESS, Handle: 1, Priority: 1, Protocol: unix.ETH_P_ALL},
			Fd:          p.FD(), Name: "sink", DirectAction: true,
		}))
	})
	return &sink{memory, m}
}

func (s *sink) count() uint64 {
	b := make([]byte, 8)
	_, _ = s.counter.ReadAt(b, 0)
	return binary.NativeEndian.Uint64(b)
}

// remove takes the sink of a link off.
func removeSink(t testing.TB, n *namespace, link string) {
	t.Helper()
	run(t, "tc", "-n", n.name, "qdisc", "del", "dev", link, "clsact")
}

// injector sends frames on a link as they are.
type injector struct{ fd int }

func newInjector(t testing.TB, n *namespace, link string) *injector {
	t.Helper()
	in := &injector{}
	n.do(func() {
		var err error
		in.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW, 0)
		require.NoError(t, err)
		l, err := netlink.LinkByName(link)
		require.NoError(t, err)
		require.NoError(t, unix.SetsockoptInt(in.fd, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1))
		require.NoError(t, unix.Bind(in.fd, &unix.SockaddrLinklayer{Ifindex: l.Attrs().Index}))
	})
	return in
}

// push sends all frames, at most window of them ahead of the sink, and gives the time until the last has come.
func (w *world) push(in *injector, name string, frames [][]byte, s *sink, window int) time.Duration {
	base := s.count()
	begin := time.Now()
	await := func(n int) {
		for int(s.count()-base) < n {
			_ = unix.Nanosleep(&unix.Timespec{Nsec: 200_000}, nil) // Go's own would have its scheduler at work meanwhile
			if time.Since(begin) > patience {
				require.FailNow(w.t, "packets are lost", "%s: %d of %d came\nkernel %+v\nrelay %+v\nIPsec %+v\n%s", name, s.count()-base, n, w.plane.Status(),
					w.relay.Stats(), w.dp.Totals(), run(w.t, "ip", "netns", "exec", "gw", "cat", "/proc/net/xfrm_stat"))
			}
		}
	}
	for sent := 0; sent < len(frames); {
		burst := frames[sent:min(sent+window, len(frames))]
		for _, f := range burst {
			_, err := unix.Write(in.fd, f)
			require.NoError(w.t, err)
		}
		sent += len(burst)
		await(sent)
	}
	return time.Since(begin)
}

// tunnel is the UE's side of a child SA, which makes frames for the N3IWF.
type tunnel struct {
	out     *esp.Outbound
	scratch esp.Scratch
	head    []byte // Ethernet, IPv4 and UDP
}

func (w *world) newTunnel(spi uint32, key byte, esn bool) *tunnel {
	out, err := esp.NewOutbound(spi, ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, ipsec.Keys{Encr: bytes.Repeat([]byte{key}, 20)}, esn, 0)
	require.NoError(w.t, err)
	return &tunnel{out: out, head: frameHead(w.mac(w.ueNS, "v1"), w.mac(w.gw, "v0"), ueOuter, gwOuter)}
}

// frameHead is Ethernet and IPv4 without lengths and checksum.
func frameHead(from, to []byte, source, destination string) []byte {
	b := append(append(append([]byte{}, to...), from...), 0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0)
	return append(append(b, addr(source).AsSlice()...), addr(destination).AsSlice()...)
}

// datagram completes a frame with UDP and payload.
func datagram(head []byte, port uint16, payload []byte) []byte {
	b := append(append([]byte{}, head...), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[34:], port)
	binary.BigEndian.PutUint16(b[36:], port)
	binary.BigEndian.PutUint16(b[38:], uint16(8+len(payload)))
	binary.BigEndian.PutUint16(b[16:], uint16(28+len(payload)))
	setChecksum(b[14:34])
	return append(b, payload...)
}

func (u *tunnel) frame(inner []byte) []byte {
	seq, _ := u.out.Next()
	b := make([]byte, u.out.Size(len(inner)))
	u.out.Seal(b, seq, 4, inner, nil, &u.scratch)
	return datagram(u.head, natt, b)
}

// userPacket is a UDP packet of n octets.
func userPacket(from, to string, n int) []byte {
	b := datagram(frameHead(make([]byte, 6), make([]byte, 6), from, to), 9, make([]byte, n-28))
	return b[14:]
}

// variant is one way through the N3IWF.
type variant struct {
	name    string
	prepare func()
	frames  func() [][]byte
	in      *injector
	sink    *sink
	window  int
}

// measure gives the nanoseconds of a packet, turn by turn.
func (w *world) measure(variants []variant) map[string][]float64 {
	samples := map[string][]float64{}
	for round := range *benchRounds + 1 {
		for _, v := range variants {
			v.prepare()
			frames := v.frames()
			runtime.GC()
			per := float64(w.push(v.in, v.name, frames, v.sink, v.window).Nanoseconds()) / float64(len(frames))
			if round > 0 { // the first one warms up
				samples[v.name] = append(samples[v.name], per)
			}
		}
	}
	for _, v := range variants {
		list := samples[v.name]
		fmt.Printf("bench: %-22s %8.1f us a packet (%.1f to %.1f)\n", v.name, median(list)/1000, slices.Min(list)/1000, slices.Max(list)/1000)
	}
	return samples
}

func median(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/2]
}

// ratio is the median of the turns' ratios, each cost without that much.
func ratio(above, below []float64, without func(turn int) float64) float64 {
	list := make([]float64, len(above))
	for i := range list {
		list[i] = max(above[i]-without(i), 1) / max(below[i]-without(i), 1)
	}
	return median(list)
}

func TestBench(t *testing.T) {
	onOneProcessor(t)
	w := newWorld(t)
	var config relay.Config
	w.connect(func(c *relay.Config) { config = *c })
	report := map[string]float64{}
	w.plainESP()
	stop := w.unbatched()
	teid := w.session.TEID()
	kernelPath, relayPath := func() { require.NoError(t, w.session.Update(config)) }, func() { w.plane.Remove(teid) }
	nothing := func() {}
	repeat := func(f func() []byte) func() [][]byte {
		return func() [][]byte {
			list := make([][]byte, *benchFrames)
			for i := range list {
				list[i] = f()
			}
			return list
		}
	}
	const batch = 256
	// The tunnel that connect made is taken over: its keys are known, and the UE in user space sends no more.
	st, err := w.dp.Stats(7)
	require.NoError(t, err)
	ours := w.newTunnel(st.Generations[0].InboundSPI, 1, true)
	plain, other := w.newTunnel(plainSPI, 3, false), w.newTunnel(unbatchedSPI, 3, false)
	n3Head := frameHead(w.mac(w.upf, "n1"), w.mac(w.gw, "n0"), upfN3, gwN3)
	intoGW, intoN3 := newInjector(t, w.ueNS, "v1"), newInjector(t, w.upf, "n1")
	for _, n := range []int{64, 1400} {
		carrierOf := func(u, p string, qfi uint8) []byte {
			return greBetween(addr(u), addr(p), qfi, userPacket(plainUE, "10.60.0.1", n))
		}
		uplink := []variant{
			{"kernel_esp", nothing, repeat(func() []byte { return plain.frame(userPacket(plainUE, "10.60.0.1", n)) }), intoGW, nil, batch},
			{"ebpf", kernelPath, repeat(func() []byte { return ours.frame(carrierOf(ue.String(), up.String(), 9)) }), intoGW, nil, batch},
			{"relay", relayPath, repeat(func() []byte { return ours.frame(carrierOf(ue.String(), up.String(), 9)) }), intoGW, nil, batch},
			{"unbatched", nothing, repeat(func() []byte { return other.frame(carrierOf(unbatchedUE, unbatchedUP, 9)) }), intoGW, nil, batch},
		}
		downlink := []variant{
			{"kernel_esp", nothing, repeat(func() []byte { return datagramTo(n3Head, "10.60.0.1", plainUE, n) }), intoN3, nil, batch},
			{"ebpf", kernelPath, repeat(func() []byte {
				return datagram(n3Head, 2152, downlinkGPDU(teid, 9, false, userPacket("10.60.0.1", plainUE, n)))
			}), intoN3, nil, batch},
			{"relay", relayPath, repeat(func() []byte {
				return datagram(n3Head, 2152, downlinkGPDU(teid, 9, false, userPacket("10.60.0.1", plainUE, n)))
			}), intoN3, nil, batch},
			{"unbatched", nothing, repeat(func() []byte {
				return datagram(n3Head, unbatchedPort, downlinkGPDU(teid, 9, false, userPacket("10.60.0.1", plainUE, n)))
			}), intoN3, nil, batch},
		}
		for _, d := range []struct {
			name     string
			list     []variant
			at       *namespace
			link, in string
		}{{"ul", uplink, w.upf, "n1", "v0"}, {"dl", downlink, w.ueNS, "v1", "n0"}} {
			fmt.Printf("bench: %s, user packets of %d octets\n", d.name, n)
			s := newSink(t, d.at, d.link)
			for i := range d.list {
				d.list[i].sink = s
			}
			got := w.measure(d.list)
			removeSink(t, d.at, d.link)
			null := w.sending(d.list[0], d.in)
			sent := func(int) float64 { return null }
			esp := func(turn int) float64 { return got["kernel_esp"][turn] }
			key := fmt.Sprintf("%s_%d", d.name, n)
			report["ebpf_"+key+"_vs_kernel_esp"] = ratio(got["kernel_esp"], got["ebpf"], sent)
			report["relay_"+key+"_vs_kernel_esp"] = ratio(got["kernel_esp"], got["relay"], sent)
			report["unbatched_"+key+"_vs_kernel_esp"] = ratio(got["kernel_esp"], got["unbatched"], sent)
			report["relay_"+key+"_vs_unbatched"] = ratio(got["unbatched"], got["relay"], sent)
			report["relay_"+key+"_over_esp_vs_unbatched"] = ratio(got["unbatched"], got["relay"], esp)
		}
	}
	stop()
	w.many(report, ours, n3Head, config, intoGW, intoN3)
	raw, err := json.MarshalIndent(report, "", "  ")
	require.NoError(t, err)
	fmt.Printf("bench: %s\n", raw)
	if *benchFile != "" {
		require.NoError(t, os.WriteFile(*benchFile, append(raw, '\n'), 0o644))
	}
}

// sending is what a packet costs when it is dropped as soon as it is in the N3IWF's namespace.
func (w *world) sending(v variant, link string) float64 {
	p := newSink(w.t, w.gw, link)
	v.name, v.sink = "sending alone", p
	cost := median(w.measure([]variant{v})[v.name])
	run(w.t, "tc", "-n", "gw", "filter", "del", "dev", link, "ingress", "prio", "1")
	return cost
}

func greBetween(from, to netip.Addr, qfi uint8, pdu []byte) []byte {
	return carrier(from, to, gre.Header{QFI: qfi}, pdu)[14:]
}

func datagramTo(head []byte, from, to string, n int) []byte {
	return append(append([]byte{}, head[:14]...), userPacket(from, to, n)...)
}

// onOneProcessor keeps all threads of this process on processor 0, where none takes the processor from another one just because it has been woken:
// what is sent queues up as on a busy link, and what batches has something to batch. Threads to come take it over.
func onOneProcessor(t *testing.T) {
	var set unix.CPUSet
	set.Set(0)
	tasks, err := os.ReadDir("/proc/self/task")
	require.NoError(t, err)
	for _, task := range tasks {
		var id int
		_, err := fmt.Sscan(task.Name(), &id)
		require.NoError(t, err)
		require.NoError(t, unix.SchedSetaffinity(id, &set))
		require.NoError(t, unix.SchedSetAttr(id, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_BATCH}, 0))
	}
}

// plainESP makes a tunnel whose packets the N3IWF's namespace forwards by route, without GRE and GTP-U.
func (w *world) plainESP() {
	key := "0x" + strings.Repeat("03", 20)
	outKey := "0x" + strings.Repeat("04", 20)
	for _, line := range []string{
		"addr add 10.60.0.254/24 dev n0",
		"neigh replace 10.60.0.1 lladdr " + w.mac(w.upf, "n1").String() + " dev n0", "neigh replace " + upfN3 + " lladdr " + w.mac(w.upf, "n1").String() + " dev n0",
		"neigh replace " + ueOuter + " lladdr " + w.mac(w.ueNS, "v1").String() + " dev v0",
		"route add " + plainUE + " dev v0",
		fmt.Sprintf("xfrm state add src %s dst %s proto esp spi %#x reqid 11 mode tunnel aead rfc4106(gcm(aes)) %s 128 encap espinudp 4500 4500 0.0.0.0", ueOuter, gwOuter, plainSPI, key),
		fmt.Sprintf("xfrm state add src %s dst %s proto esp spi %#x reqid 12 mode tunnel aead rfc4106(gcm(aes)) %s 128 encap espinudp 4500 4500 0.0.0.0", gwOuter, ueOuter, plainSPI+1, outKey),
		fmt.Sprintf("xfrm policy add src %s/32 dst 10.60.0.0/24 dir fwd tmpl src %s dst %s proto esp reqid 11 mode tunnel", plainUE, ueOuter, gwOuter),
		fmt.Sprintf("xfrm policy add src 10.60.0.0/24 dst %s/32 dir out tmpl src %s dst %s proto esp reqid 12 mode tunnel", plainUE, gwOuter, ueOuter),
	} {
		run(w.t, "ip", append([]string{"-n", "gw"}, strings.Fields(line)...)...)
	}
	w.gw.do(func() { require.NoError(w.t, os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("1"), 0)) })
	for _, link := range []string{"all", "n0", "v0"} {
		w.gw.do(func() {
			require.NoError(w.t, os.WriteFile("/proc/sys/net/ipv4/conf/"+link+"/rp_filter", []byte("0"), 0))
		})
	}
}

// unbatched is the simplest relay: one packet, one system call to take it, one to send it. It gives what ends it.
func (w *world) unbatched() func() {
	t := w.t
	for _, line := range []string{
		fmt.Sprintf("link add xb type xfrm if_id %d", unbatchedID), "link set xb up",
		fmt.Sprintf("xfrm state add src %s dst %s proto esp spi %#x reqid 21 mode tunnel aead rfc4106(gcm(aes)) 0x%s 128 encap espinudp 4500 4500 0.0.0.0 if_id %d",
			ueOuter, gwOuter, unbatchedSPI, strings.Repeat("03", 20), unbatchedID),
		fmt.Sprintf("xfrm state add src %s dst %s proto esp spi %#x reqid 22 mode tunnel aead rfc4106(gcm(aes)) 0x%s 128 encap espinudp 4500 4500 0.0.0.0 if_id %d",
			gwOuter, ueOuter, unbatchedSPI+1, strings.Repeat("04", 20), unbatchedID),
		fmt.Sprintf("xfrm policy add src %s/32 dst %s/32 dir out if_id %d tmpl src %s dst %s proto esp reqid 22 mode tunnel", unbatchedUP, unbatchedUE, unbatchedID, gwOuter, ueOuter),
		"route add " + unbatchedUE + " dev xb",
	} {
		run(t, "ip", append([]string{"-n", "gw"}, strings.Fields(line)...)...)
	}
	var inner, n3 int
	var link int
	w.gw.do(func() {
		l, err := netlink.LinkByName("xb")
		require.NoError(t, err)
		link = l.Attrs().Index
		inner, err = unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Bind(inner, &unix.SockaddrLinklayer{Protocol: networkOrder16(unix.ETH_P_IP), Ifindex: link}))
		n3, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
		require.NoError(t, err)
		require.NoError(t, unix.Bind(n3, &unix.SockaddrInet4{Port: unbatchedPort, Addr: addr(gwN3).As4()}))
	})
	wait := unix.Timeval{Usec: 100000}
	for _, fd := range []int{inner, n3} {
		require.NoError(t, unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
		require.NoError(t, unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20))
	}
	var ended atomic.Bool
	done := make(chan struct{}, 2)
	loop := func(from int, f func(b []byte)) {
		runtime.LockOSThread()
		b := make([]byte, 65536)
		for !ended.Load() {
			if n, _, err := unix.Recvfrom(from, b[64:], 0); err == nil {
				f(b[:64+n])
			}
		}
		done <- struct{}{}
	}
	go loop(inner, func(b []byte) {
		p, err := gre.Decode(b[64:])
		if err != nil {
			return
		}
		start := 64 + p.Offset - 16
		gtpu.PutUplink(b[start:], uplinkTEID, p.Header.QFI, p.End-p.Offset)
		_ = unix.Sendto(n3, b[start:64+p.End], 0, &unix.SockaddrInet4{Port: 2152, Addr: addr(upfN3).As4()})
	})
	c, err := gre.NewCarrier(addr(unbatchedUP), addr(unbatchedUE), 0)
	require.NoError(t, err)
	go loop(n3, func(b []byte) {
		m, err := gtpu.Decode(b[64:])
		if err != nil || m.Type != gtpu.GPDU {
			return
		}
		start := len(b) - len(m.Payload) - c.Len()
		c.Put(b[start:], gre.Header{Protocol: gre.TypeIPv4, QFI: m.Container.QFI}, len(m.Payload), 1)
		_ = unix.Sendto(inner, b[start:], 0, &unix.SockaddrLinklayer{Protocol: networkOrder16(unix.ETH_P_IP), Ifindex: link})
	})
	return func() {
		ended.Store(true)
		<-done
		<-done
		_ = unix.Close(inner)
		_ = unix.Close(n3)
	}
}

// many installs many UEs, each with a signalling and a user-plane child SA and a session, and measures what that takes, and what it changes.
func (w *world) many(report map[string]float64, one *tunnel, n3Head []byte, config relay.Config, intoGW, intoN3 *injector) {
	t := w.t
	kernelTunnels, sessions := []*tunnel{}, []*relay.Session{}
	ues := *benchSAs / 2
	begin := time.Now()
	key := ipsec.Keys{Encr: bytes.Repeat([]byte{1}, 20)}
	inner := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }
	for i := range ues {
		c := config
		c.UplinkTEID = uint32(1000 + i)
		s, err := w.relay.Add(relay.Config{Name: "many", PDUType: gre.PDUIPv4, UPF: c.UPF, UplinkTEID: c.UplinkTEID})
		require.NoError(t, err)
		sessions = append(sessions, s)
		for k, up := range []netip.Addr{addr("10.0.0.3"), addr("10.0.0.2")} {
			spi, err := w.dp.NewInboundSPI(0)
			require.NoError(t, err)
			id := ipsec.ChildID(1000 + 2*i + k)
			require.NoError(t, w.dp.Install(ipsec.ChildSA{
				ID: id, InboundSPI: spi, OutboundSPI: 0x10000 + uint32(2*i+k), Algorithms: ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, InboundKeys: key, OutboundKeys: key, ESN: true,
				Target: unlimited(gwOuter, ueOuter), Context: s,
				Local: []ipsec.Selector{ipsec.HostSelector(up, 0)}, Remote: []ipsec.Selector{ipsec.HostSelector(inner(i), 0)},
			}))
			if k == 1 {
				c.Children, c.Default = []relay.Child{{ID: id, UE: inner(i), UP: up}}, id
				if len(kernelTunnels) < 1024 {
					out, err := esp.NewOutbound(spi, ipsec.Algorithms{Encr: ipsec.EncrAESGCM16}, key, true, 0)
					require.NoError(t, err)
					kernelTunnels = append(kernelTunnels, &tunnel{out: out, head: one.head})
				}
			}
		}
		require.NoError(t, s.Update(c))
	}
	report["install_us_per_ue"] = float64(time.Since(begin).Microseconds()) / float64(ues)
	fmt.Printf("bench: %d UEs with two child SAs each installed, %.0f us for each\n", ues, report["install_us_per_ue"])
	require.NoError(t, w.session.Update(config))
	teid := w.session.TEID()
	user := userPacket(plainUE, "10.60.0.1", 1400)
	fill := func(f func(i int) []byte) func() [][]byte {
		return func() [][]byte {
			list := make([][]byte, *benchFrames)
			for i := range list {
				list[i] = f(i)
			}
			return list
		}
	}
	nothing := func() {}
	for _, d := range []struct {
		name string
		at   *namespace
		link string
		list []variant
	}{
		{"ul", w.upf, "n1", []variant{
			{"one SA", nothing, fill(func(int) []byte { return one.frame(greBetween(ue, up, 9, user)) }), intoGW, nil, 256},
			{"all SAs", nothing, fill(func(i int) []byte {
				return kernelTunnels[i%len(kernelTunnels)].frame(greBetween(inner(i%len(kernelTunnels)), up, 9, user))
			}), intoGW, nil, 256},
		}},
		{"dl", w.ueNS, "v1", []variant{
			{"one SA", nothing, fill(func(int) []byte { return datagram(n3Head, 2152, downlinkGPDU(teid, 9, false, user)) }), intoN3, nil, 256},
			{"all SAs", nothing, fill(func(i int) []byte {
				return datagram(n3Head, 2152, downlinkGPDU(sessions[i*len(sessions) / *benchFrames].TEID(), 9, false, user))
			}), intoN3, nil, 256},
		}},
	} {
		fmt.Printf("bench: %s, with %d child SAs\n", d.name, 2*ues)
		s := newSink(t, d.at, d.link)
		for i := range d.list {
			d.list[i].sink = s
		}
		got := w.measure(d.list)
		removeSink(t, d.at, d.link)
		report[fmt.Sprintf("ebpf_%s_1400_%d_sas_vs_1", d.name, 2*ues)] = ratio(got["one SA"], got["all SAs"], func(int) float64 { return 0 })
	}
}
