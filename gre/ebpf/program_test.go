// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/gre"
	"github.com/open-n3iwf/n3iwf/gre/gtpu"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// The programs run here as the kernel runs them, by BPF_PROG_TEST_RUN, packet by packet.

const (
	actUnspec   = -1
	actOK       = 0
	actShot     = 2
	actRedirect = 7
	xfrmLink    = 77
	n3Link      = 1 // any that exists: the verdict is given before it matters
	testMark    = 0x1230
	testTEID    = 0x01020304
)

var (
	ue, up   = netip.MustParseAddr("10.0.0.5"), netip.MustParseAddr("10.0.0.2")
	n3, upf  = netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.99")
	elsewher = netip.MustParseAddr("10.0.0.99")
)

// box is a set of programs with one session: QFIs 1 and 9, the second one reflective, both through one child SA.
type box struct {
	*objects
	t testing.TB
}

func newBox(t testing.TB) *box {
	t.Helper()
	testenv.NeedRoot(t)
	o, err := loadObjects(xfrmLink, "", 16)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, o.Close()) })
	b := &box{o, t}
	b.setChild(func(*userplaneChild) {})
	b.setSession(func(*userplaneSession) {})
	b.zero(b.UplinkCounts, testMark)
	b.zero(b.DownlinkCounts, testTEID)
	return b
}

func (b *box) zero(m *ebpf.Map, key uint32) {
	n, err := ebpf.PossibleCPU()
	require.NoError(b.t, err)
	require.NoError(b.t, m.Put(key, make([]userplaneCounts, n)))
}

func (b *box) setChild(change func(*userplaneChild)) {
	c := userplaneChild{
		Ue: network4(ue), Up: network4(up), Upf: network4(upf), N3: network4(n3), UplinkTeid: networkOrder32(0x0a0b0c0d), Link: n3Link,
		UplinkMax: 1456, DownlinkMax: 65000, Port: networkOrder16(gtpu.Port), Flows: 1<<1 | 1<<9,
	}
	c.N3Dscp[9] = 46
	change(&c)
	require.NoError(b.t, b.Children.Put(uint32(testMark), &c))
}

func (b *box) setSession(change func(*userplaneSession)) {
	s := userplaneSession{N3: network4(n3), Reflective: 1 << 9, Only: noQFI, Type: typeByVersion}
	for i := range s.Mark {
		s.Mark[i] = testMark
	}
	change(&s)
	require.NoError(b.t, b.Sessions.Put(uint32(testTEID), &s))
}

// skb is what tests give of a packet's context, in the layout of struct __sk_buff.
type skb struct {
	mark, gso uint32
}

func (b *box) run(p *ebpf.Program, frame []byte, in skb) (verdict int, out []byte, mark uint32) {
	b.t.Helper()
	ctx := make([]byte, 192)
	binary.NativeEndian.PutUint32(ctx[8:], in.mark)
	binary.NativeEndian.PutUint32(ctx[176:], in.gso)
	after := make([]byte, 192)
	o := ebpf.RunOptions{Data: frame, DataOut: make([]byte, len(frame)+256), Context: ctx, ContextOut: after}
	ret, err := p.Run(&o)
	require.NoError(b.t, err)
	return int(int32(ret)), o.DataOut, binary.NativeEndian.Uint32(after[8:])
}

// downlinkWay is how a frame of N3 comes to be translated.
type downlinkWay struct {
	name     string
	program  func(*box) *ebpf.Program
	checksum uint16
	guards   bool // what must not come to the csum action is not handed on
}

// A link of a real network card has one program; a virtual one has two, with the csum action between them.
var downlinkWays = []downlinkWay{
	{name: "network card", program: func(b *box) *ebpf.Program { return b.N3iwfDownlink }},
	{name: "network card, checksum", program: func(b *box) *ebpf.Program { return b.N3iwfDownlink }, checksum: 0x1234},
	{name: "virtual link", program: func(b *box) *ebpf.Program { return b.N3iwfGuard }, guards: true},
	{name: "virtual link, checksum", program: func(b *box) *ebpf.Program { return b.N3iwfRepaired }, checksum: 0x1234},
}

func everyWay(t *testing.T, f func(t *testing.T, b *box, w downlinkWay)) {
	for _, w := range downlinkWays {
		t.Run(w.name, func(t *testing.T) { f(t, newBox(t), w) })
	}
}

func (w downlinkWay) run(b *box, frame []byte, in skb) (verdict int, out []byte, mark uint32) {
	b.t.Helper()
	if w.checksum != 0 && len(frame) >= 42 {
		binary.BigEndian.PutUint16(frame[40:], w.checksum)
	}
	return b.run(w.program(b), frame, in)
}

func (b *box) counts(m *ebpf.Map, key uint32) userplaneCounts {
	b.t.Helper()
	var per []userplaneCounts
	require.NoError(b.t, m.Lookup(key, &per))
	return sum(per)
}

func (b *box) handedUp(reason int) uint64 {
	b.t.Helper()
	var per []uint64
	require.NoError(b.t, b.HandedUp.Lookup(uint32(reason), &per))
	var n uint64
	for _, v := range per {
		n += v
	}
	return n
}

var ethernet = append(make([]byte, 12), 0x08, 0x00)

// carrier is a frame with a GRE packet on NWu, by the writer that the relay uses.
func carrier(from, to netip.Addr, h gre.Header, pdu []byte) []byte {
	c, err := gre.NewCarrier(from, to, 0)
	if err != nil {
		panic(err)
	}
	b := make([]byte, len(ethernet)+c.Len(), 2048)
	copy(b, ethernet)
	c.Put(b[len(ethernet):], h, len(pdu), 7)
	return append(b, pdu...)
}

// n3Frame is a frame with a UDP datagram from the UPF.
func n3Frame(payload []byte) []byte {
	b := append(append([]byte{}, ethernet...), 0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0)
	b = append(append(b, upf.AsSlice()...), n3.AsSlice()...)
	b = append(b, 0x08, 0x68, 0x08, 0x68, 0, 0, 0, 0)
	binary.BigEndian.PutUint16(b[16:], uint16(28+len(payload)))
	binary.BigEndian.PutUint16(b[38:], uint16(8+len(payload)))
	b = append(b, payload...)
	setChecksum(b[14:34])
	return b
}

// setChecksum is RFC 1071 once more, in the plainest way.
func setChecksum(ip []byte) {
	ip[10], ip[11] = 0, 0
	var s uint32
	for i := 0; i < 20; i += 2 {
		s += uint32(ip[i])<<8 | uint32(ip[i+1])
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	binary.BigEndian.PutUint16(ip[10:], ^uint16(s))
}

func downlinkGPDU(teid uint32, qfi uint8, rqi bool, pdu []byte) []byte {
	b := make([]byte, gtpu.GPDUHeaderLen, 2048)
	gtpu.PutDownlink(b, teid, qfi, rqi, len(pdu))
	return append(b, pdu...)
}

func ipPDU(n int) []byte {
	b := make([]byte, n)
	b[0] = 0x45
	for i := 1; i < n; i++ {
		b[i] = byte(i * 7)
	}
	return b
}

func TestUplink(t *testing.T) {
	b := newBox(t)
	var octets, packets uint64
	for _, n := range []int{1, 64, 1400, 1456} {
		verdict, out, mark := b.run(b.N3iwfUplink, carrier(ue, up, gre.Header{QFI: 9}, ipPDU(n)), skb{mark: testMark | 3})
		require.Equal(t, actRedirect, verdict, n)
		require.Zero(t, mark)
		ip := out[14:]
		require.Len(t, ip, 44+n)
		require.Equal(t, byte(46<<2), ip[1], "DSCP of the flow")
		require.Equal(t, n3, netip.AddrFrom4([4]byte(ip[12:16])))
		require.Equal(t, upf, netip.AddrFrom4([4]byte(ip[16:20])))
		require.EqualValues(t, 44+n, binary.BigEndian.Uint16(ip[2:]))
		sum := append([]byte{}, ip[:20]...)
		setChecksum(sum)
		require.Equal(t, sum, ip[:20], "IPv4 checksum")
		require.Equal(t, "08680868", hex.EncodeToString(ip[20:24]))
		require.EqualValues(t, 24+n, binary.BigEndian.Uint16(ip[24:]))
		require.Equal(t, "0000", hex.EncodeToString(ip[26:28]), "no UDP checksum")
		m, err := gtpu.Decode(ip[28:])
		require.NoError(t, err)
		require.Equal(t, gtpu.GPDU, m.Type)
		require.EqualValues(t, 0x0a0b0c0d, m.TEID)
		require.Empty(t, cmp.Diff(gtpu.Container{Type: gtpu.UplinkInformation, QFI: 9, Optional: []byte{}}, m.Container))
		require.Equal(t, ipPDU(n), m.Payload)
		packets, octets = packets+1, octets+uint64(n)
	}
	c := b.counts(b.UplinkCounts, testMark)
	require.Equal(t, packets, c.Packets)
	require.Equal(t, octets, c.Octets)
	require.NotZero(t, c.Last)
	require.Equal(t, [dropCount]uint64{}, c.Drops)
}

// Kernels before 5.11 have only the exact clock.
func TestEitherClock(t *testing.T) {
	for _, coarse := range []bool{false, true} {
		if coarse && !testenv.KernelAtLeast(t, 5, 11) {
			break
		}
		t.Run(fmt.Sprint("coarse ", coarse), func(t *testing.T) {
			testenv.NeedRoot(t)
			spec, err := newSpec(xfrmLink, coarse)
			require.NoError(t, err)
			b := &box{&objects{}, t}
			require.NoError(t, spec.LoadAndAssign(&b.userplaneObjects, nil))
			t.Cleanup(func() { require.NoError(t, b.Close()) })
			b.setChild(func(*userplaneChild) {})
			b.zero(b.UplinkCounts, testMark)
			var now unix.Timespec
			require.NoError(t, unix.ClockGettime(unix.CLOCK_MONOTONIC_COARSE, &now))
			verdict, _, _ := b.run(b.N3iwfUplink, carrier(ue, up, gre.Header{QFI: 9}, ipPDU(64)), skb{mark: testMark})
			require.Equal(t, actRedirect, verdict)
			last := int64(b.counts(b.UplinkCounts, testMark).Last)
			require.GreaterOrEqual(t, last, now.Nano())
			require.Less(t, last, now.Nano()+int64(time.Minute))
		})
	}
}

// What the input policies of the kernel would have checked is checked by the program.
func TestUplinkDrops(t *testing.T) {
	b := newBox(t)
	ok := gre.Header{QFI: 9}
	change := func(at int, v byte) []byte {
		f := carrier(ue, up, ok, ipPDU(64))
		f[14+at] = v
		return f
	}
	for _, c := range []struct {
		name   string
		frame  []byte
		reason int
	}{
		{"another source", carrier(elsewher, up, ok, ipPDU(64)), dropSource},
		{"another destination", carrier(ue, elsewher, ok, ipPDU(64)), dropDestination},
		{"a flow of another session", carrier(ue, up, gre.Header{QFI: 2}, ipPDU(64)), dropQFI},
		{"QFI 0", carrier(ue, up, gre.Header{}, ipPDU(64)), dropQFI},
		{"no key", change(20, 0), dropFlags},
		{"checksum flag", change(20, 0xa0), dropFlags},
		{"version 1", change(21, 1), dropFlags},
		{"nothing behind the headers", carrier(ue, up, ok, nil), dropEmpty},
	} {
		before := b.counts(b.UplinkCounts, testMark)
		verdict, _, _ := b.run(b.N3iwfUplink, c.frame, skb{mark: testMark})
		require.Equal(t, actShot, verdict, c.name)
		before.Drops[c.reason]++
		require.Equal(t, before, b.counts(b.UplinkCounts, testMark), c.name)
	}
}

// What the program does not judge passes unchanged.
func TestUplinkLeavesToUserSpace(t *testing.T) {
	b := newBox(t)
	frame := func(n int) []byte { return carrier(ue, up, gre.Header{QFI: 9}, ipPDU(n)) }
	change := func(at int, v byte) []byte {
		f := frame(64)
		f[14+at] = v
		return f
	}
	v6 := append(append(make([]byte, 12), 0x86, 0xdd), make([]byte, 80)...)
	for _, c := range []struct {
		name   string
		frame  []byte
		in     skb
		reason int
	}{
		{"signalling SA", frame(64), skb{mark: 0x2220}, upOther},
		{"no SA", frame(64), skb{}, upOther},
		{"IPv6", v6, skb{mark: testMark}, upForm},
		{"ICMP", change(9, 1), skb{mark: testMark}, upForm},
		{"IP options", change(0, 0x46), skb{mark: testMark}, upForm},
		{"length above the frame's", change(3, 0xff), skb{mark: testMark}, upForm},
		{"length below the headers'", change(3, 20), skb{mark: testMark}, upForm},
		{"first fragment", change(6, 0x20), skb{mark: testMark}, upFragment},
		{"last fragment", change(7, 9), skb{mark: testMark}, upFragment},
		{"several packets at once", frame(1400), skb{mark: testMark, gso: 600}, upGSO},
		{"above the MTU of N3", frame(1457), skb{mark: testMark}, upOversize},
	} {
		before := b.handedUp(c.reason)
		verdict, out, mark := b.run(b.N3iwfUplink, c.frame, c.in)
		require.Equal(t, actUnspec, verdict, c.name)
		require.Equal(t, c.frame, out, c.name)
		require.Equal(t, c.in.mark, mark, c.name)
		require.Equal(t, before+1, b.handedUp(c.reason), c.name)
	}
	require.Zero(t, b.counts(b.UplinkCounts, testMark))
}

// extensions builds a G-PDU with any extension headers: type and content of each.
func extensions(pdu []byte, list ...any) []byte {
	b := []byte{0x34, 255, 0, 0, 1, 2, 3, 4, 0, 0, 0, byte(list[0].(int))}
	for i := 0; i < len(list); i += 2 {
		content, _ := hex.DecodeString(list[i+1].(string))
		next := 0
		if i+2 < len(list) {
			next = list[i+2].(int)
		}
		b = append(append(append(b, byte((len(content)+2)/4)), content...), byte(next))
	}
	b = append(b, pdu...)
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)-8))
	return b
}

func TestDownlink(t *testing.T) {
	everyWay(t, func(t *testing.T, b *box, w downlinkWay) {
		v6 := ipPDU(60)
		v6[0] = 0x60
		pdu := ipPDU(64)
		for _, c := range []struct {
			name    string
			payload []byte
			pdu     []byte
			key     uint32
			typ     uint16
		}{
			{"QFI 1", downlinkGPDU(testTEID, 1, false, pdu), pdu, 1 << 24, gre.TypeIPv4},
			{"reflective", downlinkGPDU(testTEID, 9, true, pdu), pdu, 9<<24 | 0x80, gre.TypeIPv4},
			{"RQI of a flow that is not reflective", downlinkGPDU(testTEID, 1, true, pdu), pdu, 1 << 24, gre.TypeIPv4},
			{"IPv6", downlinkGPDU(testTEID, 9, false, v6), v6, 9 << 24, gre.TypeIPv6},
			{"long", downlinkGPDU(testTEID, 63, false, ipPDU(1400)), ipPDU(1400), 63 << 24, gre.TypeIPv4},
			{"one octet", downlinkGPDU(testTEID, 9, false, []byte{0x45}), []byte{0x45}, 9 << 24, gre.TypeIPv4},
			// TS 38.415: paging policy, timestamp, sequence number.
			{"optional fields", extensions(pdu, 0x85, "0c89"+"20"+"0000000000000001"+"000007"), pdu, 9 << 24, gre.TypeIPv4},
			{"behind a PDCP number", extensions(pdu, 0x40, "0001", 0x85, "0009"), pdu, 9 << 24, gre.TypeIPv4},
			{"before another one that may be passed over", extensions(pdu, 0x85, "0049", 0x03, "0000"), pdu, 9<<24 | 0x80, gre.TypeIPv4},
		} {
			verdict, out, mark := w.run(b, n3Frame(c.payload), skb{})
			require.Equal(t, actRedirect, verdict, c.name)
			require.EqualValues(t, testMark, mark, c.name)
			p, err := gre.Decode(out[14:])
			require.NoError(t, err, c.name)
			require.Equal(t, up, p.Source)
			require.Equal(t, ue, p.Destination)
			require.Equal(t, c.key, p.Header.Key(), c.name)
			require.Equal(t, c.typ, p.Header.Protocol, c.name)
			require.Equal(t, c.pdu, out[14+p.Offset:14+p.End], c.name)
			require.Len(t, out, 14+p.End, c.name)
			head := append([]byte{}, out[14:34]...)
			setChecksum(head)
			require.Equal(t, head, out[14:34], "IPv4 checksum")
			require.Zero(t, head[6], "DF makes packets vanish")
		}
		require.EqualValues(t, 9, b.counts(b.DownlinkCounts, testTEID).Packets)
	})
}

// The octets behind the datagram, which make a short frame long enough, are not sent on.
func TestDownlinkPadding(t *testing.T) {
	everyWay(t, func(t *testing.T, b *box, w downlinkWay) {
		frame := append(n3Frame(downlinkGPDU(testTEID, 9, false, []byte{0x45, 1})), make([]byte, 10)...)
		verdict, out, _ := w.run(b, frame, skb{})
		require.Equal(t, actRedirect, verdict)
		require.Len(t, out, 14+28+2)
	})
}

// A session with one flow may do without containers (TS 38.415 asks for them; a UPF may not send them).
func TestDownlinkWithoutContainer(t *testing.T) {
	everyWay(t, func(t *testing.T, b *box, w downlinkWay) {
		plain := func(n int) []byte { return append([]byte{0x30, 255, 0, byte(n), 1, 2, 3, 4}, ipPDU(n)...) }
		numbered := append([]byte{0x32, 255, 0, 68, 1, 2, 3, 4, 0, 5, 0, 0x85}, ipPDU(64)...) // the extension flag is not set
		for _, c := range []struct {
			payload []byte
			octets  int
		}{{plain(64), 64}, {plain(8), 8}, {plain(1), 1}, {numbered, 64}} {
			b.setSession(func(*userplaneSession) {})
			verdict, _, _ := w.run(b, n3Frame(c.payload), skb{})
			require.Equal(t, actUnspec, verdict)
			b.setSession(func(s *userplaneSession) { s.Only = 9 })
			verdict, out, _ := w.run(b, n3Frame(c.payload), skb{})
			require.Equal(t, actRedirect, verdict)
			p, err := gre.Decode(out[14:])
			require.NoError(t, err)
			require.EqualValues(t, 9, p.Header.QFI)
			require.EqualValues(t, gre.TypeIPv4, p.Header.Protocol)
			require.Equal(t, ipPDU(c.octets), out[14+p.Offset:14+p.End])
		}
	})
}

// The protocol type is zero where that is configured.
func TestDownlinkProtocolType(t *testing.T) {
	everyWay(t, func(t *testing.T, b *box, w downlinkWay) {
		b.setSession(func(s *userplaneSession) { s.Type = gre.TypeNone })
		_, out, _ := w.run(b, n3Frame(downlinkGPDU(testTEID, 9, false, ipPDU(64))), skb{})
		require.Equal(t, "20000000"+"09000000", hex.EncodeToString(out[34:42]))
	})
}

func TestDownlinkLeavesToUserSpace(t *testing.T) {
	everyWay(t, func(t *testing.T, b *box, w downlinkWay) {
		pdu := ipPDU(64)
		good := downlinkGPDU(testTEID, 9, false, pdu)
		change := func(at int, v byte) []byte {
			f := n3Frame(good)
			f[14+at] = v
			return f
		}
		for _, c := range []struct {
			name   string
			frame  []byte
			gso    uint32
			reason int // -1: not counted
		}{
			{"TCP", change(9, 6), 0, -1},
			{"another port", change(23, 1), 0, -1},
			{"IP options", change(0, 0x46), 0, -1},
			{"fragment", change(6, 0x20), 0, upFragment},
			{"another destination", change(19, 77), 0, upOther},
			{"UDP length", change(25, 1), 0, upForm},
			{"GTP length", change(31, 1), 0, upForm},
			{"GTP'", change(28, 0x24), 0, upForm},
			{"version 2", change(28, 0x54), 0, upForm},
			{"Echo Request", n3Frame(gtpu.AppendEchoRequest(nil, 7)), 0, upMessage},
			{"End Marker", n3Frame([]byte{0x30, 254, 0, 0, 1, 2, 3, 4}), 0, upMessage},
			{"Error Indication", n3Frame(gtpu.AppendErrorIndication(nil, testTEID, upf, 2152)), 0, upMessage},
			{"unknown TEID", n3Frame(downlinkGPDU(5, 9, false, pdu)), 0, upOther},
			{"several packets at once", n3Frame(good), 60, upGSO},
			{"uplink container", n3Frame(extensions(pdu, 0x85, "1009")), 0, upExtension},
			{"extension that must be understood", n3Frame(extensions(pdu, 0xc1, "0000", 0x85, "0009")), 0, upExtension},
			{"two containers", n3Frame(extensions(pdu, 0x85, "0009", 0x85, "0009")), 0, upExtension},
			{"five extensions", n3Frame(extensions(pdu, 1, "0000", 1, "0000", 1, "0000", 1, "0000", 0x85, "0009")), 0, upExtension},
			{"extension of length 0", n3Frame(append([]byte{0x34, 255, 0, 68, 1, 2, 3, 4, 0, 0, 0, 0x85, 0}, make([]byte, 63)...)), 0, upForm},
			{"extension beyond the end", n3Frame(append([]byte{0x34, 255, 0, 68, 1, 2, 3, 4, 0, 0, 0, 0x85, 60}, make([]byte, 63)...)), 0, upForm},
			{"no PDU", n3Frame(downlinkGPDU(testTEID, 9, false, nil)), 0, upForm},
			{"no container", n3Frame(append([]byte{0x30, 255, 0, 64, 1, 2, 3, 4}, pdu...)), 0, upExtension},
		} {
			before := uint64(0)
			if c.reason >= 0 {
				before = b.handedUp(upCount + c.reason)
			}
			want := actUnspec
			if w.guards && (c.reason == upFragment || c.reason == upGSO) {
				want = actOK
			}
			verdict, out, mark := w.run(b, c.frame, skb{gso: c.gso})
			require.Equal(t, want, verdict, c.name)
			require.Equal(t, c.frame, out, c.name)
			require.Zero(t, mark, c.name)
			if c.reason >= 0 {
				require.Equal(t, before+1, b.handedUp(upCount+c.reason), c.name)
			}
		}
		for name, prepare := range map[string]func(){
			"held session":          func() { b.setSession(func(s *userplaneSession) { s.Held = 1 }) },
			"unproven path":         func() { b.setChild(func(c *userplaneChild) { c.Held = 1 }) },
			"too long for a child":  func() { b.setChild(func(c *userplaneChild) { c.DownlinkMax = 63 }) },
			"flow without child SA": func() { b.setSession(func(s *userplaneSession) { s.Mark[9] = 0 }) },
			"child SA that is gone": func() { require.NoError(t, b.Children.Delete(uint32(testMark))) },
		} {
			b.setChild(func(*userplaneChild) {})
			b.setSession(func(*userplaneSession) {})
			prepare()
			frame := n3Frame(good)
			verdict, out, _ := w.run(b, frame, skb{})
			require.Equal(t, actUnspec, verdict, name)
			require.Equal(t, frame, out, name)
		}
		require.Zero(t, b.counts(b.DownlinkCounts, testTEID))
	})
}

// No frame of any length or content makes a program fail, or changes a frame that it leaves.
func TestTruncated(t *testing.T) {
	b := newBox(t)
	for _, whole := range [][]byte{
		n3Frame(extensions(ipPDU(30), 0x40, "0001", 0x85, "0009")), carrier(ue, up, gre.Header{QFI: 9}, ipPDU(30)),
	} {
		for n := 34; n < len(whole); n++ {
			for _, p := range []*ebpf.Program{b.N3iwfDownlink, b.N3iwfUplink, b.N3iwfGuard, b.N3iwfRepaired} {
				verdict, out, _ := b.run(p, whole[:n:n], skb{mark: testMark})
				require.Contains(t, []int{actUnspec, actOK}, verdict, n)
				require.Equal(t, whole[:n], out)
			}
		}
	}
}

// A flow gets its rate and its burst, not more; flows that share a bucket share it, others are not touched.
func TestRates(t *testing.T) {
	b := newBox(t)
	const burst = 10_000 // octets, at a rate that gives none back during the test
	require.NoError(t, b.Buckets.Put(uint32(5), &userplaneBucket{Picos: 1e9, Ahead: burst * 1e6}))
	require.NoError(t, b.Buckets.Put(uint32(6), &userplaneBucket{Picos: 1e9, Ahead: burst * 1e6}))
	b.setChild(func(c *userplaneChild) { c.Bucket[1], c.Bucket[9] = 5, 5 })
	b.setSession(func(s *userplaneSession) { s.Bucket[9] = 6 })
	for i := range 20 {
		up, _, _ := b.run(b.N3iwfUplink, carrier(ue, up, gre.Header{QFI: []uint8{1, 9}[i%2]}, ipPDU(1000)), skb{mark: testMark})
		down, _, _ := b.run(b.N3iwfDownlink, n3Frame(downlinkGPDU(testTEID, 9, false, ipPDU(1000))), skb{})
		free, _, _ := b.run(b.N3iwfDownlink, n3Frame(downlinkGPDU(testTEID, 1, false, ipPDU(1000))), skb{})
		want := actRedirect
		if i >= burst/1000 {
			want = actShot
		}
		require.Equal(t, want, up, i)
		require.Equal(t, want, down, i)
		require.Equal(t, actRedirect, free, i)
	}
	require.EqualValues(t, 10, b.counts(b.UplinkCounts, testMark).Drops[dropRate])
	require.EqualValues(t, 10, b.counts(b.DownlinkCounts, testTEID).Drops[dropRate])
}

// What needs its checksum comes to the csum action, but for fragments and what GSO has joined; what has none is not looked at again behind it.
func TestGuard(t *testing.T) {
	b := newBox(t)
	frame := n3Frame(downlinkGPDU(testTEID, 9, false, ipPDU(64)))
	set := func(at int, v byte) []byte {
		f := append([]byte{}, frame...)
		f[14+at] = v
		return f
	}
	for _, c := range []struct {
		name  string
		frame []byte
		gso   uint32
		want  int
	}{
		{"checksum", set(26, 1), 0, actUnspec},
		{"several packets at once", frame, 60, actOK},
		{"several packets at once, checksum", set(26, 1), 60, actOK},
		{"fragment", set(6, 0x20), 0, actOK},
		{"short fragment", set(6, 0x20)[:14+28], 0, actOK},
		{"TCP", set(9, 6), 60, actUnspec},
		{"another port", set(23, 1), 60, actUnspec},
	} {
		verdict, out, _ := b.run(b.N3iwfGuard, c.frame, skb{gso: c.gso})
		require.Equal(t, c.want, verdict, c.name)
		require.Equal(t, c.frame, out, c.name)
	}
	verdict, out, _ := b.run(b.N3iwfRepaired, frame, skb{})
	require.Equal(t, actUnspec, verdict)
	require.Equal(t, frame, out)
	require.Zero(t, b.counts(b.DownlinkCounts, testTEID))
}
