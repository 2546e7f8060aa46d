// SPDX-License-Identifier: Apache-2.0

package core

import (
	"encoding/binary"
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
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// TestTshark lets Wireshark read all that passed on N2 in the life of a UE: every NGAP and NAS message is well-formed.
func TestTshark(t *testing.T) {
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	n := connected(t, newCore(t, nil)) // NEA0: Wireshark has no NAS keys
	p := n.phone(1).register()
	p.sendSM(nas.ULNASTransport{RequestType: new(uint8(nas.RequestInitial)), DNN: new(nas.DNN("internet")), SNSSAI: &nas.SNSSAI{SST: 2}}, 3, establishment(3, 1))
	p.requested()
	p.setUp(3, peer, 9)
	p.quiet()
	require.NoError(t, n.core.ReleaseSession(p.imsi, 3))
	p.releaseOrder(3)
	p.resourcesReleased(3)
	p.sendSM(nas.ULNASTransport{DNN: new(nas.DNN("nowhere"))}, 1, establishment(1, 1))
	smOf[*nas.EstablishmentReject](p)
	p.idle()
	data := nas.SessionBitmap(1<<1 | 1<<2)
	count := p.security.SendCount()
	p.initial(p.serviceRequest(&nas.ServiceRequest{UplinkDataStatus: &data, SessionStatus: &data}))
	p.contextSetUp(count)
	n.quiet()
	q := n.phone(3)
	q.initial(nas.MustEncode(q.registrationRequest(q.suci())))
	nasOf[*nas.RegistrationReject](q)
	n.sendBytes([]byte{0, 0x7f, 0, 0}) // an unknown procedure, for the ERROR INDICATION
	n.pdus = n.pdus[:len(n.pdus)-1]
	n.receive() // the release of q
	n.receive()

	file := filepath.Join(t.TempDir(), "n2.pcap")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	for i, b := range n.pdus {
		chunk := binary.BigEndian.AppendUint16([]byte{0, 3}, uint16(16+len(b)))
		chunk = binary.BigEndian.AppendUint32(chunk, uint32(i+1))     // TSN
		chunk = binary.BigEndian.AppendUint32(chunk, 1<<16|uint32(i)) // stream 1
		chunk = binary.BigEndian.AppendUint32(chunk, 60)
		chunk = append(append(chunk, b...), make([]byte, (4-len(b)%4)%4)...)
		sctp := append([]byte{0x96, 0x0c, 0x96, 0x0c, 0, 0, 0, 1, 0, 0, 0, 0}, chunk...)
		ip := &layers.IPv4{Version: 4, IHL: 5, TTL: 64, Protocol: layers.IPProtocolSCTP, SrcIP: []byte{10, 0, 0, 1}, DstIP: []byte{10, 0, 0, 2}}
		buf := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(buf, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, gopacket.Payload(sctp)))
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(buf.Bytes()), Length: len(buf.Bytes())}, buf.Bytes()))
	}
	require.NoError(t, f.Close())

	fields := func(filter string, fields ...string) string {
		args := []string{"-r", file, "-o", "nas-5gs.null_decipher:TRUE", "-Y", filter, "-T", "fields"}
		for _, f := range fields {
			args = append(args, "-e", f)
		}
		out, err := exec.Command(tshark, args...).Output()
		require.NoError(t, err)
		return strings.TrimSpace(string(out))
	}
	require.Empty(t, fields("_ws.malformed || _ws.expert.severity >= error", "frame.number", "_ws.col.Info", "_ws.expert.message"))
	require.Len(t, strings.Split(fields("ngap", "frame.number"), "\n"), len(n.pdus))
	// It sees the same: the accept's address and DNN, and all message types of the core.
	require.Contains(t, fields("nas_5gs.sm.message_type == 0xc2", "nas_5gs.sm.pdu_addr_inf_ipv4"), "10.45.0.1")
	seen := fields("nas_5gs.mm.message_type", "nas_5gs.mm.message_type")
	for _, m := range []nas.MessageType{nas.TypeAuthenticationRequest, nas.TypeSecurityModeCommand, nas.TypeRegistrationAccept, nas.TypeDLNASTransport, nas.TypeRegistrationReject} {
		require.Contains(t, seen, hexType(m), m)
	}
}

func hexType(m nas.MessageType) string {
	const digits = "0123456789abcdef"
	return "0x" + string([]byte{digits[m>>4], digits[m&15]})
}
