// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// capturedPDU is an NGAP PDU of the recorded exchange, uplink or downlink.
type capturedPDU struct {
	uplink bool
	data   []byte
}

// capturedN2 reads the recorded N2 exchange between two Linux kernels.
func capturedN2(t testing.TB) (pdus []capturedPDU) {
	t.Helper()
	f, err := os.Open("../../test/testdata/free5gc-registration/n2.pcap")
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // only read
	r, err := pcapgo.NewReader(f)
	require.NoError(t, err)
	for {
		b, _, err := r.ReadPacketData()
		if err != nil {
			break
		}
		ip, ok := gopacket.NewPacket(b, r.LinkType(), gopacket.Default).NetworkLayer().(*layers.IPv4)
		require.True(t, ok)
		require.EqualValues(t, protocolSCTP, ip.Protocol)
		raw := append([]byte(nil), ip.Payload...)
		copy(raw[8:], []byte{0, 0, 0, 0}) // left to a network card that was not there
		var p packet
		require.NoError(t, p.parse(raw, true))
		for _, c := range p.chunks {
			if c.typ == chunkData {
				require.EqualValues(t, PPID, binary.BigEndian.Uint32(c.value[8:]))
				pdus = append(pdus, capturedPDU{p.dst == Port, append([]byte(nil), c.value[12:]...)})
			}
		}
	}
	require.Greater(t, len(pdus), 10)
	return pdus
}

// recorder writes the packets of a network to a pcap file, once as SCTP over
// UDP and once as SCTP over IP.
type recorder struct {
	buf bytes.Buffer
	w   *pcapgo.Writer
}

func newRecorder(t testing.TB) *recorder {
	t.Helper()
	r := &recorder{}
	r.w = pcapgo.NewWriter(&r.buf)
	require.NoError(t, r.w.WriteFileHeader(65535, layers.LinkTypeRaw))
	return r
}

func (r *recorder) packet(b []byte, from, to netip.AddrPort, udp bool) {
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocolSCTP, SrcIP: from.Addr().AsSlice(), DstIP: to.Addr().AsSlice()}
	all := []gopacket.SerializableLayer{ip}
	if udp {
		ip.Protocol = layers.IPProtocolUDP
		u := &layers.UDP{SrcPort: layers.UDPPort(from.Port()), DstPort: layers.UDPPort(to.Port())}
		u.SetNetworkLayerForChecksum(ip) //nolint:errcheck // IPv4 is known to it
		all = append(all, u)
	}
	out := gopacket.NewSerializeBuffer()
	err := gopacket.SerializeLayers(out, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, append(all, gopacket.Payload(b))...)
	if err == nil {
		n := len(out.Bytes())
		err = r.w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Now(), CaptureLength: n, Length: n}, out.Bytes())
	}
	if err != nil {
		panic(err)
	}
}

// TestCaptureDissectedByTshark sends the recorded PDUs through associations of
// this package, with fragments, heartbeats, a shutdown, an abort, a refused
// set-up and a stray packet, and lets Wireshark judge every packet.
func TestCaptureDissectedByTshark(t *testing.T) {
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	pdus := capturedN2(t)
	for _, udp := range []bool{true, false} {
		rec := newRecorder(t)
		bubble(t, func(t *testing.T, n *network) {
			n.hook = func(b []byte, from, to netip.AddrPort) bool {
				rec.packet(b, from, to, udp)
				return true
			}
			// A peer that lists its addresses and asks for things that are unknown here.
			c, s, l := n.pair(t, Options{}, Options{})
			for i, p := range pdus {
				from, to := s, c
				if p.uplink {
					from, to = c, s
				}
				send(t, from, uint16(i%3), p.data)
				require.Equal(t, p.data, receive(t, to).Data)
			}
			time.Sleep(12 * time.Second) // virtual: heartbeats
			require.NoError(t, c.Close())
			<-s.Done()
			c, err := n.dial(t, clientAddr, Options{}, serverAddr)
			require.NoError(t, err)
			require.NoError(t, c.Abort("test"))
			synctest.Wait()
			time.Sleep(time.Second)
			require.NoError(t, l.Close())
			n.endpoint(n.wire(serverAddr), Port, options(t, Options{}), false)
			_, err = n.dial(t, "192.0.2.1:20002", Options{}, serverAddr)
			requireLoss(t, err, ReasonRefused)
			stray := seal(appendChunk(newPacket(50000, Port, 5), chunkHeartbeat, 0, appendTLV(nil, 1, []byte("who?"))))
			w := n.wire("192.0.2.4:20003")
			require.NoError(t, w.WritePacket(stray, netip.MustParseAddrPort(serverAddr)))
			time.Sleep(time.Second)
			n.eps[len(n.eps)-2].release()
		})
		file := filepath.Join(t.TempDir(), "sctp.pcap")
		require.NoError(t, os.WriteFile(file, rec.buf.Bytes(), 0o600))
		out, err := exec.Command(tshark, "-r", file, "-o", "sctp.checksum:CRC 32c", "-d", "udp.port==20002,sctp", "-d", "udp.port==20003,sctp",
			"-T", "fields", "-E", "occurrence=a", "-e", "sctp.chunk_type", "-e", "sctp.checksum.status", "-e", "sctp.data_payload_proto_id",
			"-e", "ngap.procedureCode", "-e", "_ws.expert.severity", "-e", "_ws.expert.message", "-e", "_ws.malformed").Output()
		require.NoError(t, err)
		chunks := map[string]int{}
		ngap := 0
		for i, line := range strings.Split(strings.TrimRight(string(out), "\n"), "\n") {
			f := strings.Split(line, "\t")
			require.Len(t, f, 7, line)
			for _, c := range strings.Split(f[0], ",") {
				chunks[c]++
			}
			require.Equal(t, "1", f[1], "packet %d: SCTP checksum is not good: %s", i+1, line)
			if f[2] != "" {
				require.Equal(t, "60", f[2])
				if f[3] != "" {
					ngap++
				}
			}
			for _, s := range strings.Split(f[4], ",") {
				// Wireshark's PI_WARN and PI_ERROR.
				require.NotContains(t, []string{"6291456", "8388608"}, s, "packet %d: %s", i+1, line)
			}
			require.Empty(t, f[6], "packet %d is malformed: %s", i+1, line)
		}
		require.Equal(t, len(pdus), ngap, "every PDU is found by its payload protocol identifier")
		for _, typ := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "10", "11", "14"} {
			require.NotZero(t, chunks[typ], "chunk type %s was not on the wire: %v", typ, chunks)
		}
	}
}
