// SPDX-License-Identifier: Apache-2.0

package gtpu

import (
	"bytes"
	"encoding/hex"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	require.NoError(t, err)
	return b
}

func TestPut(t *testing.T) {
	var b [GPDUHeaderLen]byte
	PutUplink(b[:], 0x11223344, 9, 84)
	require.Equal(t, unhex(t, "34ff 005c 11223344 00000085 01100900"), b[:])
	PutDownlink(b[:], 0x11223344, 63, true, 0)
	require.Equal(t, unhex(t, "34ff 0008 11223344 00000085 01007f00"), b[:])
	PutDownlink(b[:], 1, 1, false, MaxPDU)
	require.Equal(t, unhex(t, "34ff ffdb 00000001 00000085 01000100"), b[:])
}

func TestDecode(t *testing.T) {
	for _, c := range []struct {
		name, wire string
		want       Message
		drop       Drop
	}{
		{name: "empty", wire: "", drop: DropShort},
		{name: "7 octets", wire: "30ff0000000000", drop: DropShort},
		{name: "version 2", wire: "48ff000000000001", drop: DropVersion},
		{name: "GTP prime", wire: "20ff000000000001", drop: DropProtocol},
		{name: "length above datagram", wire: "30ff000100000001", drop: DropLength},
		{name: "flags without optional octets", wire: "34ff000300000001000000", drop: DropShort},
		{name: "extension beyond end", wire: "34ff00040000000100000085", drop: DropChain},
		{name: "extension of length zero", wire: "34ff0008000000010000008500000000", drop: DropChain},
		{name: "extension over the end", wire: "34ff0008000000010000008502100100", drop: DropChain},
		{name: "chain without end", wire: "34ff0008000000010000008501100185", drop: DropChain},
		{name: "container type 2", wire: "34ff0008000000010000008501200100", drop: DropContainer},
		{name: "plain", wire: "30ff0002000000014500", want: Message{Type: GPDU, TEID: 1, Payload: []byte{0x45, 0}}},
		{name: "octets behind the length", wire: "30ff000100000001450000", want: Message{Type: GPDU, TEID: 1, Payload: []byte{0x45}}},
		{
			name: "next extension without E is not evaluated", wire: "32ff000500000001 0007 09 85 45",
			want: Message{Type: GPDU, TEID: 1, HasSequence: true, Sequence: 7, Payload: []byte{0x45}},
		},
		{
			name: "N-PDU number", wire: "31ff000500000001 0007 09 85 45",
			want: Message{Type: GPDU, TEID: 1, HasNPDU: true, NPDU: 9, Payload: []byte{0x45}},
		},
		{
			name: "downlink with RQI, PPP, timestamp", wire: "34ff0011 00000001 00000085 03 08 c9 a0 0000000000000000 45",
			want: Message{
				Type: GPDU, TEID: 1, HasContainer: true, Payload: []byte{0x45},
				Container: Container{Type: DownlinkInformation, Flags: 8, Indicators: 0xc0, QFI: 9, Optional: []byte{0xa0, 0, 0, 0, 0, 0, 0, 0}},
			},
		},
		{
			name: "skippable extension first", wire: "34ff000d 00000001 00000020 01 aa bb 85 01 00 05 00 45",
			want: Message{Type: GPDU, TEID: 1, HasContainer: true, Container: Container{QFI: 5, Optional: []byte{}}, Payload: []byte{0x45}},
		},
		{
			name: "extension that must be understood", wire: "34ff000d 00000001 000000c0 01 aa bb 85 01 00 05 00 45",
			want: Message{
				Type: GPDU, TEID: 1, HasContainer: true, Container: Container{QFI: 5, Optional: []byte{}},
				UnknownExtension: 0xc0, Payload: []byte{0x45},
			},
			drop: DropExtension,
		},
		{name: "the same, with a broken chain behind", wire: "34ff0009 00000001 000000c0 01 aa bb 85 00", drop: DropChain},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Decode(unhex(t, c.wire))
			if c.drop != DropNone {
				require.Equal(t, c.drop, err)
			} else {
				require.NoError(t, err)
			}
			require.Equal(t, c.want, m)
		})
	}
}

func TestSignalling(t *testing.T) {
	v4, v6 := netip.MustParseAddr("10.1.2.3"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		name string
		got  []byte
		wire string
	}{
		{"echo request", AppendEchoRequest(nil, 0x1234), "3201 0004 00000000 12340000"},
		{"echo response", AppendEchoResponse(nil, 0x1234), "3202 0006 00000000 12340000 0e00"},
		{"error indication", AppendErrorIndication(nil, 0xdeadbeef, v4, 2153), "361a 0014 00000000 00000040 01086900 10deadbeef 8500040a010203"},
		{"error indication, IPv6", AppendErrorIndication(nil, 1, v6, 2152), "361a 0020 00000000 00000040 01086800 1000000001 850010 20010db8000000000000000000000001"},
		{"supported extensions", AppendSupportedExtensions(nil), "321f 0008 00000000 00000000 8d024085"},
		{"end marker", AppendEndMarker(nil, 7), "30fe 0000 00000007"},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, unhex(t, c.wire), c.got)
			m, err := Decode(c.got)
			require.NoError(t, err)
			require.Equal(t, c.got, m.Append(nil))
		})
	}
	m, err := Decode(AppendErrorIndication(nil, 0xdeadbeef, v4, 2153))
	require.NoError(t, err)
	require.Equal(t, uint16(2153), m.UDPPort)
	report, err := DecodeErrorIndication(m.Payload)
	require.NoError(t, err)
	require.Equal(t, ErrorReport{0xdeadbeef, v4}, report)
	for _, bad := range []string{"", "10", "10deadbeef", "8500040a010203", "10deadbeef 8500050a01020304", "10deadbeef 850004", "10deadbeef 01", "10deadbeef 8d"} {
		_, err := DecodeErrorIndication(unhex(t, bad))
		require.Equal(t, DropElement, err, bad)
	}
	// A private extension and a recovery element in between are skipped.
	report, err = DecodeErrorIndication(unhex(t, "0e00 10deadbeef ff0003 28af00 8500040a010203"))
	require.NoError(t, err)
	require.Equal(t, ErrorReport{0xdeadbeef, v4}, report)
	types, err := DecodeSupportedExtensions(unhex(t, "8d024085"))
	require.NoError(t, err)
	require.Equal(t, []byte{ExtUDPPort, ExtPDUSessionContainer}, types)
	_, err = DecodeSupportedExtensions(unhex(t, "8d034085"))
	require.Equal(t, DropElement, err)
}

func TestEcho(t *testing.T) {
	now := time.Unix(1000, 0)
	start := now
	e := NewEcho(EchoTimers{}, now)
	// tick runs to the deadline and gives what happened there.
	tick := func() (int, bool, uint16, bool) {
		now = e.Deadline()
		send, sequence, failed := e.Tick(now)
		return int(now.Sub(start) / time.Second), send, sequence, failed
	}
	expect := func(at int, send bool, sequence uint16, failed bool) {
		t.Helper()
		gotAt, gotSend, gotSequence, gotFailed := tick()
		require.Equal(t, []any{at, send, sequence, failed}, []any{gotAt, gotSend, gotSequence, gotFailed})
	}
	expect(0, true, 1, false)
	require.False(t, e.Response(now, 1))
	expect(60, true, 2, false)
	require.False(t, e.Response(now, 1), "an old response counts for nothing")
	for i := 1; i < 5; i++ {
		expect(60+3*i, true, 2, false)
	}
	expect(75, false, 0, true)
	require.True(t, e.Down())
	expect(135, true, 3, false)
	expect(195, true, 4, false)
	require.True(t, e.Response(now, 4))
	require.False(t, e.Down())
	require.False(t, e.Response(now, 4), "once")
	expect(255, true, 5, false)
}

// Other times hold for a path that is there. One that is not asked any more is not down, and is asked at once when it is asked again.
func TestEchoTimersChange(t *testing.T) {
	now := time.Unix(1000, 0)
	e := NewEcho(EchoTimers{Interval: -1}, now)
	require.True(t, e.Deadline().IsZero())
	send, _, failed := e.Tick(now.Add(time.Hour))
	require.False(t, send || failed)
	timers := EchoTimers{Interval: time.Hour, T3: time.Second, N3: 1}
	e.SetTimers(timers, now)
	send, sequence, _ := e.Tick(now)
	require.True(t, send)
	require.False(t, e.Response(now, sequence))
	require.Equal(t, now.Add(time.Hour), e.Deadline())
	timers.Interval = time.Minute
	e.SetTimers(timers, now)
	require.Equal(t, now.Add(time.Minute), e.Deadline(), "sooner")
	timers.Interval = 2 * time.Hour
	e.SetTimers(timers, now)
	require.Equal(t, now.Add(time.Minute), e.Deadline(), "from the next request on")
	now = e.Deadline()
	send, _, _ = e.Tick(now)
	require.True(t, send)
	now = e.Deadline()
	_, _, failed = e.Tick(now)
	require.True(t, failed && e.Down())
	timers.Interval = -1
	e.SetTimers(timers, now)
	require.False(t, e.Down())
	require.True(t, e.Deadline().IsZero())
	require.False(t, e.Response(now, 2), "late")
}

func TestNoAllocation(t *testing.T) {
	b := make([]byte, GPDUHeaderLen+100)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		PutDownlink(b, 1, 5, true, 100)
		if m, err := Decode(b); err != nil || !m.Container.RQI() || len(m.Payload) != 100 {
			t.Fatal(err)
		}
		if _, err := Decode(b[:20]); err != DropLength {
			t.Fatal(err)
		}
	}))
}

// Every G-PDU of the recorded session decodes and encodes to the same octets, by Append and by the in-place writers.
func TestCaptureN3(t *testing.T) {
	directions := map[ContainerType]int{}
	for _, d := range capture.UDP(t, capture.Path(t, capture.Registration, "n3.pcap")) {
		m, err := Decode(d.Data)
		require.NoError(t, err, "frame %d", d.Frame)
		require.Equal(t, d.Data, m.Append(nil), "frame %d", d.Frame)
		require.Equal(t, GPDU, m.Type)
		require.True(t, m.HasContainer)
		directions[m.Container.Type]++
		var head [GPDUHeaderLen]byte
		if m.Container.Type == UplinkInformation {
			PutUplink(head[:], m.TEID, m.Container.QFI, len(m.Payload))
		} else {
			PutDownlink(head[:], m.TEID, m.Container.QFI, m.Container.RQI(), len(m.Payload))
		}
		require.Equal(t, d.Data[:GPDUHeaderLen], head[:], "frame %d", d.Frame)
	}
	require.Greater(t, directions[UplinkInformation], 15)
	require.Greater(t, directions[DownlinkInformation], 15)
}

// tshark reads what is written here, and finds nothing to complain about.
func TestTsharkGTPU(t *testing.T) {
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	ping := unhex(t, "4500001c0001000040016ea20a3c0001010101010800f7ff00000000")
	uplink, downlink := make([]byte, GPDUHeaderLen), make([]byte, GPDUHeaderLen)
	PutUplink(uplink, 0x11, 9, len(ping))
	PutDownlink(downlink, 0x22, 63, true, len(ping))
	messages := [][]byte{
		append(uplink, ping...), append(downlink, ping...),
		AppendEchoRequest(nil, 7), AppendEchoResponse(nil, 7),
		AppendErrorIndication(nil, 0x33, netip.MustParseAddr("10.1.2.3"), 2152), AppendErrorIndication(nil, 0x33, netip.MustParseAddr("2001:db8::1"), 2152),
		AppendSupportedExtensions(nil), AppendEndMarker(nil, 0x44),
	}
	want := "0xff|0x00000011|1|9|\n0xff|0x00000022|0|63|1\n0x01|0x00000000|||\n0x02|0x00000000|||\n" +
		"0x1a|0x00000000|||\n0x1a|0x00000000|||\n0x1f|0x00000000|||\n0xfe|0x00000044|||\n"
	file := filepath.Join(t.TempDir(), "gtpu.pcap")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	for i, m := range messages {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: []byte{10, 1, 0, 1}, DstIP: []byte{10, 1, 0, 2}}
		udp := &layers.UDP{SrcPort: Port, DstPort: Port}
		require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
		buf := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload(m)))
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		require.NoError(t, w.WritePacket(info, buf.Bytes()))
	}
	require.NoError(t, f.Close())
	out, err := exec.Command(tshark, "-r", file, "-T", "fields", "-E", "separator=|", "-e", "gtp.message", "-e", "gtp.teid", "-e", "gtp.ext_hdr.pdu_ses_con.pdu_type",
		"-e", "gtp.ext_hdr.pdu_ses_con.qos_flow_id", "-e", "gtp.ext_hdr.pdu_ses_cont.rqi").Output()
	require.NoError(t, err)
	require.Equal(t, want, string(out))
	out, err = exec.Command(tshark, "-r", file, "-Y", "_ws.malformed || _ws.expert.severity >= 6291456", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message").Output()
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(string(out)))
}

func FuzzDecode(f *testing.F) {
	for _, d := range capture.UDP(f, capture.Path(f, capture.Registration, "n3.pcap"))[:4] {
		f.Add(d.Data)
	}
	f.Add(AppendEchoResponse(nil, 1))
	f.Add(AppendErrorIndication(nil, 1, netip.MustParseAddr("::1"), 1))
	f.Add(AppendSupportedExtensions(nil))
	f.Add(unhex(f, "34ff000d00000001000000c001aabb850100050045"))
	f.Add(unhex(f, "34ff0011000000010000008503 08c9a000000000000000 0045"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := Decode(b)
		if err != nil {
			if d, ok := err.(Drop); !ok || d == DropNone || d >= NumDrops {
				t.Fatalf("error %v", err)
			}
			return
		}
		_, _ = DecodeErrorIndication(m.Payload)
		_, _ = DecodeSupportedExtensions(m.Payload)
		// What was understood survives being written again (skipped extension headers are left out, so twice).
		again := m.Append(nil)
		n, err := Decode(again)
		if err != nil || !bytes.Equal(n.Append(nil), again) || !bytes.Equal(n.Payload, m.Payload) || n.TEID != m.TEID || n.HasContainer != m.HasContainer {
			t.Fatalf("%+v, again %+v, %v", m, n, err)
		}
	})
}
