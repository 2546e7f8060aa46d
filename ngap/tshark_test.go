// SPDX-License-Identifier: Apache-2.0

package ngap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// writePcap writes each PDU as one SCTP DATA chunk in an IPv4 packet.
func writePcap(t *testing.T, file string, pdus [][]byte) {
	f, err := os.Create(file)
	require.NoError(t, err)
	defer f.Close()
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	for i, b := range pdus {
		chunk := binary.BigEndian.AppendUint16([]byte{0, 3}, uint16(16+len(b)))
		chunk = binary.BigEndian.AppendUint32(chunk, uint32(i+1))     // TSN
		chunk = binary.BigEndian.AppendUint32(chunk, 1<<16|uint32(i)) // stream 1, sequence number
		chunk = binary.BigEndian.AppendUint32(chunk, 60)
		chunk = append(chunk, b...)
		for len(chunk)%4 != 0 {
			chunk = append(chunk, 0)
		}
		sctp := append([]byte{0x96, 0x0c, 0x96, 0x0c, 0, 0, 0, 1, 0, 0, 0, 0}, chunk...)
		ip := &layers.IPv4{
			Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolSCTP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2},
		}
		buf := gopacket.NewSerializeBuffer()
		opts := gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}
		require.NoError(t, gopacket.SerializeLayers(buf, opts, ip, gopacket.Payload(sctp)))
		ci := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}
		require.NoError(t, w.WritePacket(ci, buf.Bytes()))
	}
}

func tshark(t *testing.T, args ...string) string {
	path := testenv.NeedTool(t, "tshark", "tshark")
	var out, errs bytes.Buffer
	cmd := exec.Command(path, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	require.NoError(t, cmd.Run(), errs.String())
	return out.String()
}

// An independent dissector finds nothing wrong with messages that use every optional member, and reads the same
// procedure codes and UE ids out of them.
func TestTsharkDissectsEncodedMessages(t *testing.T) {
	g := newGenerator(t)
	g.known = true
	var pdus [][]byte
	var want []string
	for round := range 12 {
		g.full = round%3 == 0
		for i := range procedures {
			p := &procedures[i]
			for _, proto := range []Message{p.initiating, p.successful, p.unsuccessful} {
				if proto == nil {
					continue
				}
				m := reflect.New(reflect.TypeOf(proto).Elem()).Interface().(Message)
				g.fillStruct(reflect.ValueOf(m).Elem())
				b, err := Encode(m)
				require.NoError(t, err)
				pdus = append(pdus, b)
				want = append(want, fmt.Sprintf("%d\t%d", len(pdus), p.code))
			}
		}
	}
	file := filepath.Join(t.TempDir(), "messages.pcap")
	writePcap(t, file, pdus)
	require.Empty(t, tshark(t, "-r", file, "-Y", "_ws.malformed || _ws.expert.severity>=error",
		"-T", "fields", "-e", "frame.number", "-e", "_ws.expert.message", "-e", "_ws.col.Info"))
	got := tshark(t, "-r", file, "-Y", "ngap", "-T", "fields", "-E", "occurrence=f", "-e", "frame.number", "-e", "ngap.procedureCode")
	require.Equal(t, want, strings.Split(strings.TrimSpace(got), "\n"))
}

// tshark reads the same values.
func TestTsharkFields(t *testing.T) {
	var pdus [][]byte
	for _, v := range readVectors(t, "testdata/pdus.txt") {
		if strings.Contains(v.name, "NAS 7e0041") {
			continue // its NAS PDU is a stump
		}
		p, err := Decode(v.b)
		require.NoError(t, err)
		b, err := Encode(p.Message)
		require.NoError(t, err)
		pdus = append(pdus, b)
	}
	m := &UEContextReleaseRequest{
		AMFUENGAPID: 1<<40 - 1, RANUENGAPID: 1<<32 - 1,
		PDUSessionResourceListCxtRelReq: PDUSessionResourceListCxtRelReq{{PDUSessionID: 255}},
		Cause:                           CauseRadioNetworkUserInactivity.Cause(),
	}
	b, err := Encode(m)
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "vectors.pcap")
	writePcap(t, file, append(pdus, b))
	require.Empty(t, tshark(t, "-r", file, "-Y", "_ws.malformed || _ws.expert.severity>=error"))
	last := fmt.Sprintf("frame.number==%d", len(pdus)+1)
	require.Equal(t, "42\t1099511627775\t4294967295\t255\t20\n", tshark(t, "-r", file, "-Y", last, "-T", "fields",
		"-e", "ngap.procedureCode", "-e", "ngap.AMF_UE_NGAP_ID", "-e", "ngap.RAN_UE_NGAP_ID", "-e", "ngap.pDUSessionID",
		"-e", "ngap.radioNetwork"))
	require.Equal(t, "n3iwf-lab\n", tshark(t, "-r", file, "-Y", "frame.number==1", "-T", "fields", "-e", "ngap.RANNodeName"))
}
