// SPDX-License-Identifier: Apache-2.0

// Package capture reads the recorded exchanges under test/testdata for tests: packets of a pcap
// file as IP packets, UDP datagrams, TCP segments or SCTP DATA chunks, and the keys recorded with
// them. Every function ends the test on a file that cannot be read.
package capture

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
)

// Registration is the folder of the registration recorded between free5GC's UE and N3IWF.
const Registration = "free5gc-registration"

// Path returns the path of a file under test/testdata, whichever package the test is in.
func Path(t testing.TB, elem ...string) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for up := dir; ; up = filepath.Dir(up) {
		if _, err := os.Stat(filepath.Join(up, "go.mod")); err == nil {
			return filepath.Join(append([]string{up, "test", "testdata"}, elem...)...)
		}
		if up == filepath.Dir(up) {
			t.Fatalf("no go.mod above %s", dir)
		}
	}
}

// IPPacket is one IP packet of a capture.
type IPPacket struct {
	Frame    int // number in the file from 1, as tshark prints it
	Time     time.Time
	Src, Dst netip.Addr
	Protocol uint8
	Payload  []byte // what follows the IP header
	Raw      []byte // with the IP header, without link-layer padding
}

// Datagram is one UDP datagram.
type Datagram struct {
	Frame    int
	Time     time.Time
	Src, Dst netip.AddrPort
	Data     []byte
}

// Segment is one TCP segment.
type Segment struct {
	Frame    int
	Time     time.Time
	Src, Dst netip.AddrPort
	Seq, Ack uint32
	Flags    uint8 // FIN 1, SYN 2, RST 4, PSH 8, ACK 16
	Data     []byte
}

// Chunk is one SCTP DATA chunk.
type Chunk struct {
	Frame    int
	Time     time.Time
	Src, Dst netip.AddrPort
	TSN      uint32
	Stream   uint16
	Sequence uint16
	PPID     uint32
	Flags    uint8 // E 1, B 2, U 4; a whole message has B and E
	Data     []byte
}

// Link types (https://www.tcpdump.org/linktypes.html).
const (
	linkEthernet  = 1
	linkRaw       = 101
	linkLinuxSLL  = 113
	linkLinuxSLL2 = 276 & 0xff // gopacket keeps the low octet only
)

type reader interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

// open takes both file formats, whatever the file is called.
func open(b *bufio.Reader) (reader, error) {
	magic, err := b.Peek(4)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(magic) == 0x0a0d0d0a {
		return pcapgo.NewNgReader(b, pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(b)
}

// IP returns the IP packets of a pcap file in order. Other frames (ARP) are left out.
func IP(t testing.TB, file string) []IPPacket {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := open(bufio.NewReader(f))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	var packets []IPPacket
	for frame := 1; ; frame++ {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return packets
		}
		if err != nil {
			t.Fatalf("%s: frame %d: %v", file, frame, err)
		}
		raw, ok := network(r.LinkType(), data)
		if !ok {
			continue
		}
		p, ok := ParseIP(raw)
		if !ok {
			t.Fatalf("%s: frame %d: not a whole IP packet: %x", file, frame, raw)
		}
		p.Frame, p.Time = frame, info.Timestamp
		packets = append(packets, p)
	}
}

// network cuts the link-layer header off and says whether an IP packet is below it.
func network(link layers.LinkType, b []byte) ([]byte, bool) {
	var proto, n int
	switch {
	case link == linkRaw:
		return b, true
	case link == linkEthernet && len(b) >= 14:
		proto, n = 12, 14
	case link == linkLinuxSLL && len(b) >= 16:
		proto, n = 14, 16
	case link == linkLinuxSLL2 && len(b) >= 20:
		proto, n = 0, 20
	default:
		return nil, false
	}
	etherType := binary.BigEndian.Uint16(b[proto:])
	return b[n:], etherType == 0x0800 || etherType == 0x86dd
}

// ParseIP splits an unfragmented IPv4 packet, or an IPv6 packet without extension headers, and
// says whether b begins with a whole one.
func ParseIP(b []byte) (p IPPacket, ok bool) {
	if len(b) < 20 {
		return p, false
	}
	switch b[0] >> 4 {
	case 4:
		ihl, total := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
		if ihl < 20 || total < ihl || total > len(b) {
			return p, false
		}
		return IPPacket{
			Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
			Protocol: b[9], Payload: b[ihl:total:total], Raw: b[:total:total],
		}, true
	case 6:
		total := 40
		if len(b) < total {
			return p, false
		}
		if total += int(binary.BigEndian.Uint16(b[4:])); total > len(b) {
			return p, false
		}
		return IPPacket{
			Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
			Protocol: b[6], Payload: b[40:total:total], Raw: b[:total:total],
		}, true
	}
	return p, false
}

func ports(p IPPacket) (src, dst netip.AddrPort) {
	return netip.AddrPortFrom(p.Src, binary.BigEndian.Uint16(p.Payload)),
		netip.AddrPortFrom(p.Dst, binary.BigEndian.Uint16(p.Payload[2:]))
}

// UDP returns the UDP datagrams of a pcap file in order.
func UDP(t testing.TB, file string) []Datagram {
	t.Helper()
	var all []Datagram
	for _, p := range IP(t, file) {
		if p.Protocol != 17 || len(p.Payload) < 8 {
			continue
		}
		src, dst := ports(p)
		all = append(all, Datagram{Frame: p.Frame, Time: p.Time, Src: src, Dst: dst, Data: p.Payload[8:]})
	}
	return all
}

// ESP returns the packets of IP protocol 50 (not UDP-encapsulated); Payload begins with the SPI.
func ESP(t testing.TB, file string) []IPPacket {
	t.Helper()
	var all []IPPacket
	for _, p := range IP(t, file) {
		if p.Protocol == 50 {
			all = append(all, p)
		}
	}
	return all
}

// TCP returns the TCP segments of a pcap file in order.
func TCP(t testing.TB, file string) []Segment {
	t.Helper()
	var all []Segment
	for _, p := range IP(t, file) {
		if p.Protocol != 6 || len(p.Payload) < 20 {
			continue
		}
		offset := int(p.Payload[12]>>4) * 4
		if offset < 20 || offset > len(p.Payload) {
			t.Fatalf("%s: frame %d: TCP data offset %d", file, p.Frame, offset)
		}
		src, dst := ports(p)
		all = append(all, Segment{
			Frame: p.Frame, Time: p.Time, Src: src, Dst: dst,
			Seq: binary.BigEndian.Uint32(p.Payload[4:]), Ack: binary.BigEndian.Uint32(p.Payload[8:]),
			Flags: p.Payload[13], Data: p.Payload[offset:],
		})
	}
	return all
}

// SCTP returns the DATA chunks of a pcap file in order.
func SCTP(t testing.TB, file string) []Chunk {
	t.Helper()
	var all []Chunk
	for _, p := range IP(t, file) {
		if p.Protocol != 132 || len(p.Payload) < 12 {
			continue
		}
		src, dst := ports(p)
		for b := p.Payload[12:]; len(b) >= 4; {
			n := int(binary.BigEndian.Uint16(b[2:]))
			if n < 4 || n > len(b) {
				t.Fatalf("%s: frame %d: SCTP chunk of %d octets", file, p.Frame, n)
			}
			if b[0] == 0 && n >= 16 {
				all = append(all, Chunk{
					Frame: p.Frame, Time: p.Time, Src: src, Dst: dst, Flags: b[1],
					TSN: binary.BigEndian.Uint32(b[4:]), Stream: binary.BigEndian.Uint16(b[8:]),
					Sequence: binary.BigEndian.Uint16(b[10:]), PPID: binary.BigEndian.Uint32(b[12:]), Data: b[16:n:n],
				})
			}
			b = b[min((n+3)&^3, len(b)):]
		}
	}
	return all
}

// Record is one line of a keys.txt: a kind (IKE or CHILD) and named values.
type Record struct {
	Kind   string
	Values map[string]string
}

// Keys reads a keys.txt.
func Keys(t testing.TB, file string) []Record {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var records []Record
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 {
			continue
		}
		r := Record{Kind: fields[0], Values: map[string]string{}}
		for _, f := range fields[1:] {
			name, value, ok := strings.Cut(f, "=")
			if !ok {
				t.Fatalf("%s: %q is not name=value", file, f)
			}
			r.Values[name] = value
		}
		records = append(records, r)
	}
	return records
}

// Bytes returns the value of that name, written in hex, as octets.
func (r Record) Bytes(t testing.TB, name string) []byte {
	t.Helper()
	s, ok := r.Values[name]
	if !ok {
		t.Fatalf("%s record has no %s", r.Kind, name)
	}
	return Hex(t, s)
}

// Hex decodes hex digits; white space in them is ignored.
func Hex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}
