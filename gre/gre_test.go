// SPDX-License-Identifier: Apache-2.0

package gre

import (
	"bytes"
	"encoding/hex"
	"fmt"
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

func TestHeader(t *testing.T) {
	for _, c := range []struct {
		name string
		wire string
		h    Header
	}{
		// TS 24.502 9.3.3, downlink.
		{"QFI 9 with RQI", "20 00 00 00 09 00 00 80", Header{QFI: 9, RQI: true}},
		{"QFI 1, IPv4", "20 00 08 00 01 00 00 00", Header{QFI: 1, Protocol: TypeIPv4}},
		{"QFI 63, IPv6", "20 00 86 dd 3f 00 00 00", Header{QFI: 63, Protocol: TypeIPv6}},
	} {
		t.Run(c.name, func(t *testing.T) {
			wire := unhex(t, c.wire)
			var b [HeaderLen]byte
			c.h.Put(b[:])
			require.Equal(t, wire, b[:])
			h, pdu, err := DecodeHeader(append(wire, 1, 2, 3))
			require.NoError(t, err)
			require.Equal(t, c.h, h)
			require.Equal(t, []byte{1, 2, 3}, pdu)
		})
	}
	// Spare bits of the key mean nothing.
	h, _, err := DecodeHeader(unhex(t, "20 00 12 34 c9 ff ff 7f"))
	require.NoError(t, err)
	require.Equal(t, Header{Protocol: 0x1234, QFI: 9}, h)
}

func TestDrops(t *testing.T) {
	const v4 = "4500 0024 0000 0000 40 2f 0000 0a000002 0a000001"
	const v6 = "60000000 0010 2f 40 fd000000000000000000000000000002 fd000000000000000000000000000001"
	const good = " 2000 0800 01000000 0102030405060708"
	for _, c := range []struct {
		name, packet string
		drop         Drop
	}{
		{"empty", "", DropShort},
		{"19 octets", v4[:len(v4)-2], DropShort},
		{"version 5", "55" + v4[2:] + good, DropVersion},
		{"header length 4", "44" + v4[2:] + good, DropLength},
		{"total length above packet", "4500 0025" + v4[9:] + good, DropLength},
		{"total length below header", "4500 0013" + v4[9:] + good, DropLength},
		{"first fragment", "4500 0024 0000 2000 40 2f 0000 0a000002 0a000001" + good, DropFragment},
		{"last fragment", "4500 0024 0000 0001 40 2f 0000 0a000002 0a000001" + good, DropFragment},
		{"TCP", "4500 0024 0000 0000 40 06 0000 0a000002 0a000001" + good, DropNotGRE},
		{"no room for GRE", "4500 001b 0000 0000 40 2f 0000 0a000002 0a000001 20000800 010000", DropShort},
		{"no key", v4 + " 0000 0800 01000000 0102030405060708", DropNoKey},
		{"checksum", v4 + " a000 0800 01000000 0102030405060708", DropFlags},
		{"sequence", v4 + " 3000 0800 01000000 0102030405060708", DropFlags},
		{"routing", v4 + " 6000 0800 01000000 0102030405060708", DropFlags},
		{"version 1", v4 + " 2001 0800 01000000 0102030405060708", DropFlags},
		{"IPv6 cut", v6[:len(v6)-2], DropShort},
		{"IPv6 length", "60000000 0011" + v6[13:] + good, DropLength},
		{"IPv6 fragment", "60000000 0010 2c 40" + v6[19:] + good, DropFragment},
		{"IPv6 hop-by-hop", "60000000 0010 00 40" + v6[19:] + good, DropNotGRE},
		{"good IPv4", v4 + good, DropNone},
		{"good IPv4, DF, padded", "4500 0024 0000 4000 40 2f 0000 0a000002 0a000001" + good + "0000", DropNone},
		{"good IPv6", v6 + good, DropNone},
	} {
		t.Run(c.name, func(t *testing.T) {
			packet := unhex(t, c.packet)
			p, err := Decode(packet)
			if c.drop != DropNone {
				require.Equal(t, c.drop, err)
				return
			}
			require.NoError(t, err)
			require.Equal(t, []byte{1, 2, 3, 4, 5, 6, 7, 8}, packet[p.Offset:p.End])
			require.Equal(t, uint8(1), p.Header.QFI)
		})
	}
}

func TestCarrier(t *testing.T) {
	for _, c := range []struct{ source, destination string }{
		{"10.0.0.1", "10.255.254.253"}, {"fd00::1", "fd00::abcd:2"}, {"::ffff:10.0.0.1", "10.0.0.2"},
	} {
		t.Run(c.destination, func(t *testing.T) {
			s, d := netip.MustParseAddr(c.source), netip.MustParseAddr(c.destination)
			carrier, err := NewCarrier(s, d, 46)
			require.NoError(t, err)
			for _, n := range []int{1, 1400, carrier.MaxPDU()} {
				pdu := bytes.Repeat([]byte{0x45}, n)
				b := make([]byte, carrier.Len(), carrier.Len()+n)
				h := Header{QFI: 5, RQI: true, Protocol: TypeIPv4}
				carrier.Put(b, h, n, 0xfffe)
				b = append(b, pdu...)
				p, err := Decode(b)
				require.NoError(t, err)
				require.Equal(t, Packet{Source: s.Unmap(), Destination: d, Header: h, Offset: carrier.Len(), End: len(b)}, p)
				if d.Is4() {
					require.Equal(t, uint16(0), fold(sum16(b[:ipv4Len])), "checksum")
					require.Equal(t, byte(46<<2), b[1])
				} else {
					require.Equal(t, []byte{0x6b, 0x80}, b[:2]) // traffic class 0xb8
				}
			}
		})
	}
	_, err := NewCarrier(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("fd00::1"), 0)
	require.ErrorIs(t, err, ErrAddresses)
	_, err = NewCarrier(netip.Addr{}, netip.Addr{}, 0)
	require.ErrorIs(t, err, ErrAddresses)
}

func TestProtocolPolicy(t *testing.T) {
	v4, v6 := []byte{0x45}, []byte{0x60}
	require.Equal(t, TypeIPv4, ProtocolEtherType.For(PDUIPv4, v4))
	require.Equal(t, TypeIPv6, ProtocolEtherType.For(PDUIPv4v6, v6))
	require.Equal(t, TypeEthernet, ProtocolEtherType.For(PDUEthernet, v4))
	require.Equal(t, TypeNone, ProtocolEtherType.For(PDUUnstructured, v4))
	require.Equal(t, TypeNone, ProtocolZero.For(PDUIPv4, v4))
}

func TestNoAllocation(t *testing.T) {
	carrier, err := NewCarrier(netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), 0)
	require.NoError(t, err)
	b := make([]byte, 1428)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		carrier.Put(b, Header{QFI: 1, Protocol: ProtocolEtherType.For(PDUIPv4, b[28:])}, 1400, 1)
		if p, err := Decode(b); err != nil || p.Offset != 28 {
			t.Fatal(err)
		}
		if _, err := Decode(b[:100]); err != DropLength {
			t.Fatal(err)
		}
	}))
}

// Every GRE packet of the recorded session decodes, and its headers are written again to the same octets.
func TestCaptureGRE(t *testing.T) {
	n := 0
	for _, p := range capture.IP(t, capture.Path(t, capture.Registration, "gre-inner.pcap")) {
		got, err := Decode(p.Raw)
		if p.Protocol != protocolGRE {
			require.Equal(t, DropNotGRE, err, "frame %d", p.Frame)
			continue
		}
		n++
		require.NoError(t, err, "frame %d", p.Frame)
		require.Equal(t, uint8(1), got.Header.QFI)
		require.Equal(t, ProtocolEtherType.For(PDUIPv4, p.Raw[got.Offset:]), got.Header.Protocol)
		carrier, err := NewCarrier(got.Source, got.Destination, p.Raw[1]>>2)
		require.NoError(t, err)
		again := bytes.Clone(p.Raw)
		// DF and TTL are the recorded kernel's choice, and are covered by the checksum.
		again[6], again[8] = 0, defaultTTL
		again[10], again[11] = 0, 0
		sum := fold(sum16(again[:ipv4Len]))
		again[10], again[11] = byte(sum>>8), byte(sum)
		b := make([]byte, carrier.Len())
		carrier.Put(b, got.Header, got.End-got.Offset, uint16(p.Raw[4])<<8|uint16(p.Raw[5]))
		require.Equal(t, again, append(b, p.Raw[got.Offset:got.End]...), "frame %d", p.Frame)
	}
	require.Greater(t, n, 30)
}

// tshark reads what Carrier writes, and finds nothing to complain about.
func TestTsharkGRE(t *testing.T) {
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	file := filepath.Join(t.TempDir(), "gre.pcap")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	var want []string
	for i, ends := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}} {
		for qfi := uint8(0); qfi <= MaxQFI; qfi += 21 {
			carrier, err := NewCarrier(netip.MustParseAddr(ends[0]), netip.MustParseAddr(ends[1]), 10)
			require.NoError(t, err)
			// A ping inside: 20 octets of IPv4, 8 of ICMP, checksums as they must be.
			pdu := unhex(t, "4500001c0001000040016ea20a3c0001010101010800f7ff00000000")
			h := Header{QFI: qfi, RQI: i == 1, Protocol: TypeIPv4}
			b := make([]byte, carrier.Len())
			carrier.Put(b, h, len(pdu), uint16(qfi))
			b = append(b, pdu...)
			require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(1, 0), CaptureLength: len(b), Length: len(b)}, b))
			want = append(want, fmt.Sprintf("0x%08x|0x0800", h.Key()))
		}
	}
	require.NoError(t, f.Close())
	out, err := exec.Command(tshark, "-r", file, "-o", "ip.check_checksum:TRUE", "-T", "fields", "-E", "separator=|", "-e", "gre.key", "-e", "gre.proto").CombinedOutput()
	require.NoError(t, err, "%s", out)
	var got []string
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "0x") {
			got = append(got, line)
		}
	}
	require.Equal(t, want, got)
	out, err = exec.Command(tshark, "-r", file, "-o", "ip.check_checksum:TRUE", "-Y", "_ws.malformed || _ws.expert.severity >= 6291456 || ip.checksum.status == 0", "-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message").Output()
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(string(out)))
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte{})
	for _, p := range capture.IP(f, capture.Path(f, capture.Registration, "gre-inner.pcap"))[:4] {
		f.Add(p.Raw)
	}
	v6, err := NewCarrier(netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), 0)
	if err != nil {
		f.Fatal(err)
	}
	b := make([]byte, v6.Len()+1)
	v6.Put(b, Header{QFI: 63}, 1, 0)
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := Decode(b)
		if err != nil {
			if d, ok := err.(Drop); !ok || d == DropNone || d >= NumDrops {
				t.Fatalf("error %v", err)
			}
			return
		}
		if p.Offset < ipv4Len+HeaderLen || p.End < p.Offset || p.End > len(b) || p.Header.QFI > MaxQFI {
			t.Fatalf("%+v of %d octets", p, len(b))
		}
		if p.Source.Is4In6() || p.Destination.Is4In6() {
			return // a Carrier writes IPv4-mapped addresses as IPv4
		}
		// What was understood survives being written again.
		c, err := NewCarrier(p.Source, p.Destination, 0)
		if err != nil {
			t.Fatal(err)
		}
		pdu := b[p.Offset:p.End]
		again := make([]byte, c.Len())
		c.Put(again, p.Header, len(pdu), 0)
		q, err := Decode(append(again, pdu...))
		if err != nil || q.Header != p.Header || q.Source != p.Source || q.Destination != p.Destination || q.End-q.Offset != len(pdu) {
			t.Fatalf("%+v, again %+v, %v", p, q, err)
		}
	})
}
