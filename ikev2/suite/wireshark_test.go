// SPDX-License-Identifier: Apache-2.0

package suite_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"math"
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

	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/test/capture"
)

// tshark reads packets (raw IP) with our tables and returns the fields, one line a packet.
func tshark(t *testing.T, packets [][]byte, tables map[string][]string, args ...string) []string {
	t.Helper()
	testenv.NeedTool(t, "tshark", "tshark")
	home := t.TempDir()
	dir := filepath.Join(home, ".config", "wireshark")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for name, lines := range tables {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(strings.Join(lines, "\n")+"\n"), 0o600))
	}
	file := filepath.Join(home, "test.pcap")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(math.MaxUint16, layers.LinkTypeRaw))
	for i, p := range packets {
		info := gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(p), Length: len(p)}
		require.NoError(t, w.WritePacket(info, p))
	}
	require.NoError(t, f.Close())
	cmd := exec.Command("tshark", append([]string{"-r", file}, args...)...)
	cmd.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, ".config"))
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	require.NoError(t, err, stderr.String())
	for line := range strings.Lines(stderr.String()) {
		require.Contains(t, line, "Running as user", "tshark complains about a table")
	}
	return strings.Split(strings.TrimRight(string(out), "\n"), "\n")
}

func ipv4(protocol layers.IPProtocol, src, dst netip.Addr, payload []byte) []byte {
	b := make([]byte, 20, 20+len(payload))
	b[0], b[8], b[9] = 0x45, 64, byte(protocol)
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	s, d := src.As4(), dst.As4()
	copy(b[12:], s[:])
	copy(b[16:], d[:])
	return append(b, payload...)
}

func udp500(payload []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, 500)
	b = binary.BigEndian.AppendUint16(b, 500)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(payload)))
	return append(append(b, 0, 0), payload...)
}

var (
	ue    = netip.MustParseAddr("192.0.2.2")
	n3iwf = netip.MustParseAddr("192.0.2.1")
)

var aesSizes = []uint16{128, 192, 256}

func allIntegs() []suite.IntegID {
	return []suite.IntegID{suite.AUTH_HMAC_SHA1_96, suite.AUTH_HMAC_SHA2_256_128, suite.AUTH_HMAC_SHA2_384_192, suite.AUTH_HMAC_SHA2_512_256}
}

// Wireshark opens what we seal, with the lines that we write, for every algorithm that it knows.
func TestWiresharkIKE(t *testing.T) {
	var suites []suite.IKE
	for _, bits := range aesSizes {
		suites = append(suites, suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: bits}, PRF: suite.PRF_HMAC_SHA2_256})
		for _, integ := range allIntegs() {
			suites = append(suites, suite.IKE{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: bits}, Integ: integ, PRF: suite.PRF_HMAC_SHA2_384})
		}
	}
	var packets [][]byte
	var lines []string
	for i, s := range suites {
		spiI, spiR := message.SPI(0x1000+i), message.SPI(0x0badcafe00000000+i)
		keys := suite.NewIKEKeys(s, []byte("secret"), []byte("nonce of the initiator"), []byte("nonce of the responder"), spiI, spiR)
		line, ok := suite.WiresharkIKE(spiI, spiR, s, keys)
		require.True(t, ok, "%v", s)
		lines = append(lines, line)
		for _, initiator := range []bool{true, false} {
			out, _, err := keys.Protectors(s, initiator, rand.Reader)
			require.NoError(t, err)
			h := message.Header{InitiatorSPI: spiI, ResponderSPI: spiR, Exchange: message.INFORMATIONAL, MessageID: 1}
			src, dst := n3iwf, ue
			if initiator {
				h.Flags, src, dst = message.FlagInitiator, ue, n3iwf
			}
			sealed, err := message.Seal(nil, h, []message.Payload{&message.Notify{Type: message.COOKIE2, Data: fmt.Appendf(nil, "cookie%02d", i)}}, out)
			require.NoError(t, err)
			packets = append(packets, ipv4(layers.IPProtocolUDP, src, dst, udp500(sealed)))
		}
	}
	got := tshark(t, packets, map[string][]string{suite.WiresharkIKEFile: lines}, "-T", "fields", "-e", "isakmp.notify.msgtype", "-e", "isakmp.notify.data", "-e", "_ws.expert.message")
	require.Len(t, got, len(packets))
	for i, line := range got {
		want := fmt.Sprintf("16401\t%x\t", fmt.Appendf(nil, "cookie%02d", i/2))
		require.Equal(t, want, line, "%v", suites[i/2])
	}

	_, ok := suite.WiresharkIKE(1, 2, suite.IKE{Encr: suite.Encr{ID: suite.ENCR_CHACHA20_POLY1305}}, &suite.IKEKeys{})
	require.False(t, ok)
}

// sealESP makes an ESP packet in tunnel mode around an inner IPv4 packet (RFC 4303).
func sealESP(t *testing.T, s suite.ESP, spi, seq uint32, encrKey, integKey, inner []byte) []byte {
	t.Helper()
	b := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, spi), seq)
	align := 4
	if !s.Encr.AEAD() {
		align = 16
	}
	plain := append([]byte{}, inner...)
	for pad := 1; (len(plain)+2)%align != 0; pad++ {
		plain = append(plain, byte(pad))
	}
	plain = append(plain, byte(len(plain)-len(inner)), 4)
	block, err := aes.NewCipher(encrKey[:s.Encr.KeyLen()])
	require.NoError(t, err)
	if s.Encr.AEAD() {
		gcm, err := cipher.NewGCM(block)
		require.NoError(t, err)
		iv := []byte{0, 0, 0, 0, 0, 0, 0, byte(seq)}
		nonce := append(append([]byte{}, encrKey[s.Encr.KeyLen():]...), iv...)
		return gcm.Seal(append(b, iv...), nonce, plain, b[:8])
	}
	iv := make([]byte, 16)
	_, _ = rand.Read(iv)
	cipher.NewCBCEncrypter(block, iv).CryptBlocks(plain, plain)
	b = append(append(b, iv...), plain...)
	mac := s.Integ.New(integKey)
	mac.Write(b)
	return append(b, mac.Sum(nil)[:s.Integ.ICVLen()]...)
}

func TestWiresharkESP(t *testing.T) {
	var suites []suite.ESP
	for _, bits := range aesSizes {
		suites = append(suites, suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_GCM_16, KeyBits: bits}})
		for _, integ := range allIntegs() {
			suites = append(suites, suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: bits}, Integ: integ})
		}
	}
	innerSrc, innerDst := netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.1")
	inner := ipv4(layers.IPProtocolUDP, innerSrc, innerDst, udp500([]byte("no IKE")))
	var packets [][]byte
	var lines []string
	for i, s := range suites {
		spi := uint32(0xc0de0000 + i)
		keys := suite.NewChildKeys(suite.PRF_HMAC_SHA2_256, []byte("SK_d"), s, nil, []byte("ni"), []byte("nr"))
		line, ok := suite.WiresharkESP(ue, n3iwf, spi, s, keys.InitiatorEncr, keys.InitiatorInteg)
		require.True(t, ok, "%v", s)
		lines = append(lines, line)
		packets = append(packets, ipv4(layers.IPProtocolESP, ue, n3iwf, sealESP(t, s, spi, 1, keys.InitiatorEncr, keys.InitiatorInteg, inner)))
	}
	got := tshark(t, packets, map[string][]string{suite.WiresharkESPFile: lines},
		"-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE", "-T", "fields", "-e", "ip.src", "-e", "esp.icv_good", "-e", "esp.icv_bad")
	require.Len(t, got, len(packets))
	for i, line := range got {
		require.Equal(t, "192.0.2.2,10.0.0.2\t1\t0", line, "%v", suites[i])
	}
}

// Our lines for the recorded SAs are those that were written beside the capture.
func TestCaptureWiresharkTables(t *testing.T) {
	records := capture.Keys(t, capture.Path(t, capture.Registration, "keys.txt"))
	s, keys := recordedIKE(t, records[0])
	line, ok := suite.WiresharkIKE(0x6f708, 0xd4a40ab414422112, s, keys)
	require.True(t, ok)
	want, err := os.ReadFile(capture.Path(t, capture.Registration, "wireshark", suite.WiresharkIKEFile))
	require.NoError(t, err)
	require.Equal(t, strings.TrimSpace(string(want)), line)

	table, err := os.ReadFile(capture.Path(t, capture.Registration, "wireshark", suite.WiresharkESPFile))
	require.NoError(t, err)
	recorded, core := netip.MustParseAddr("192.168.127.2"), netip.MustParseAddr("192.168.127.1")
	first := records[1]
	line, ok = suite.WiresharkESP(recorded, core, 0x5f1265f4, recordedESP, first.Bytes(t, "i2r_encr"), first.Bytes(t, "i2r_integ"))
	require.True(t, ok)
	require.Contains(t, string(table), line+"\n")
	line, _ = suite.WiresharkESP(core, recorded, 2, recordedESP, first.Bytes(t, "r2i_encr"), first.Bytes(t, "r2i_integ"))
	require.Contains(t, string(table), line+"\n")
}

var recordedESP = suite.ESP{Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96}

// recordedIKE reads the IKE line of keys.txt.
func recordedIKE(t *testing.T, r capture.Record) (suite.IKE, *suite.IKEKeys) {
	t.Helper()
	require.Equal(t, "IKE", r.Kind)
	s := suite.IKE{
		Encr: suite.Encr{ID: suite.ENCR_AES_CBC, KeyBits: 256}, Integ: suite.AUTH_HMAC_SHA1_96,
		PRF: suite.PRF_HMAC_SHA1, Group: suite.MODP_2048,
	}
	require.Equal(t, []string{"12", "2", "2", "14"}, []string{r.Values["encr"], r.Values["integ"], r.Values["prf"], r.Values["dh"]})
	get := func(name string) []byte { return r.Bytes(t, name) }
	return s, &suite.IKEKeys{
		D: get("SK_d"), AI: get("SK_ai"), AR: get("SK_ar"), EI: get("SK_ei"), ER: get("SK_er"), PI: get("SK_pi"), PR: get("SK_pr"),
	}
}
