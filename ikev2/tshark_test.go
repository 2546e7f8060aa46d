// SPDX-License-Identifier: Apache-2.0

package ikev2

import (
	"bytes"
	"encoding/hex"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// tshark reads IKE messages, with keys that decrypt them, and returns fields.
func tshark(t *testing.T, messages [][]byte, table string, fields ...string) []string {
	t.Helper()
	testenv.NeedTool(t, "tshark", "tshark")
	home := t.TempDir()
	dir := filepath.Join(home, ".config", "wireshark")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ikev2_decryption_table"), []byte(table+"\n"), 0o600))
	var pcap bytes.Buffer
	w := pcapgo.NewWriter(&pcap)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	for i, m := range messages {
		ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolUDP, SrcIP: ueAddr.AsSlice(), DstIP: gwAddr.AsSlice(), Id: uint16(i)}
		udp := &layers.UDP{SrcPort: 500, DstPort: 500}
		require.NoError(t, udp.SetNetworkLayerForChecksum(ip))
		b := gopacket.NewSerializeBuffer()
		require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, udp, gopacket.Payload(m)))
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}, b.Bytes()))
	}
	file := filepath.Join(home, "ike.pcap")
	require.NoError(t, os.WriteFile(file, pcap.Bytes(), 0o600))
	args := []string{"-r", file, "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	cmd := exec.Command("tshark", args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"))
	out, err := cmd.Output()
	require.NoError(t, err)
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

// What tshark sees of IKE_SA_INIT and IKE_INTERMEDIATE. Version 4.0 has no names for the exchange, the transform types
// 6 to 12 and ML-KEM, but it reads their structure, and decrypts the first IKE_INTERMEDIATE with the keys of
// IKE_SA_INIT.
func TestTsharkReadsIntermediate(t *testing.T) {
	w := newWorld(t, 3)
	o, g := hybrid(w, "ue", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024), hybrid(w, "gw", suite.CURVE25519, suite.ML_KEM_768, suite.ML_KEM_1024)
	o.FragmentSize, g.FragmentSize = 4000, 4000 // in one piece
	var keys keyEpochs
	g.KeyLog = &keys
	var messages [][]byte
	w.sniff = func(_ bool, d Datagram) { messages = append(messages, bytes.Clone(d.Data)) }
	ue, _ := w.up(o, g)
	table, ok := suite.WiresharkIKE(ue.s.sa.spiI, ue.s.sa.spiR, ue.s.sa.suite, keys.keys[0])
	require.True(t, ok)
	lines := tshark(t, messages[:4], table, "isakmp.exchangetype", "isakmp.messageid", "isakmp.typepayload", "isakmp.tf.type",
		"isakmp.key_exchange.dh_group", "isakmp.key_exchange.data", "isakmp.notify.msgtype", "_ws.malformed")
	require.Len(t, lines, 4)
	for i, line := range lines {
		f := strings.Split(line, "|")
		require.Len(t, f, 8, line)
		require.Empty(t, f[7], "malformed: %s", line)
		m, err := message.Decode(messages[i])
		require.NoError(t, err)
		if i < 2 {
			require.Equal(t, "34", f[0])
			require.Contains(t, f[3]+",", ",6,7,", "ADDKE1 and ADDKE2")
			require.Equal(t, "31", f[4])
			require.Contains(t, f[6], "16438", "INTERMEDIATE_EXCHANGE_SUPPORTED")
			continue
		}
		require.Equal(t, []string{"43", "0x00000001"}, f[:2])
		require.Equal(t, "36", f[4], "ML-KEM-768")
		in, err := m.Payloads[0].(*message.Encrypted).Open(open(t, ue.s.sa.suite, keys.keys[0], i == 2))
		require.NoError(t, err)
		ke, _ := message.Get[*message.KeyExchange](in)
		require.Equal(t, hex.EncodeToString(ke.Data), strings.ReplaceAll(f[5], ":", ""))
		require.Len(t, ke.Data, map[int]int{2: 1184, 3: 1088}[i])
	}
}

// open is the protector of a receiver.
func open(t *testing.T, s suite.IKE, keys *suite.IKEKeys, fromInitiator bool) message.Protector {
	_, in, err := keys.Protectors(s, !fromInitiator, nil)
	require.NoError(t, err)
	return in
}
