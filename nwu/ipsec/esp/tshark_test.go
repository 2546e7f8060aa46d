// SPDX-License-Identifier: Apache-2.0

package esp

import (
	"encoding/binary"
	"fmt"
	"net"
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
	"github.com/open-n3iwf/n3iwf/nwu/ipsec"
)

// What we seal must be what Wireshark opens, with the authentication checked, as plain ESP and in UDP.
func TestTsharkDecryptsWhatWeSeal(t *testing.T) {
	tshark := testenv.NeedTool(t, "tshark", "tshark")
	type named struct {
		suiteCase
		encr, auth string
	}
	const gcm = "AES-GCM with 16 octet ICV [RFC4106]"
	var cases []named
	for _, s := range suites {
		switch {
		case s.alg.Encr == ipsec.EncrAESGCM16:
			cases = append(cases, named{s, gcm, "NULL"})
		case s.alg.Encr == ipsec.EncrAESCBC && s.alg.Integ == ipsec.IntegHMACSHA1_96:
			cases = append(cases, named{s, "AES-CBC [RFC3602]", "HMAC-SHA-1-96 [RFC2404]"})
		case s.alg.Encr == ipsec.EncrAESCBC && s.alg.Integ == ipsec.IntegHMACSHA256_128:
			cases = append(cases, named{s, "AES-CBC [RFC3602]", "HMAC-SHA-256-128 [RFC4868]"})
		case s.alg.Encr == ipsec.EncrAESCBC && s.alg.Integ == ipsec.IntegHMACSHA384_192:
			cases = append(cases, named{s, "AES-CBC [RFC3602]", "HMAC-SHA-384-192 [RFC4868]"})
		case s.alg.Encr == ipsec.EncrAESCBC:
			cases = append(cases, named{s, "AES-CBC [RFC3602]", "HMAC-SHA-512-256 [RFC4868]"})
		}
		// Wireshark 4.0 has no ChaCha20-Poly1305 for ESP; RFC 7634's example judges that one.
	}
	file := filepath.Join(t.TempDir(), "esp.pcap")
	f, err := os.Create(file)
	require.NoError(t, err)
	w := pcapgo.NewWriter(f)
	require.NoError(t, w.WriteFileHeader(65535, layers.LinkTypeRaw))
	args := []string{"-r", file, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE", "-T", "fields",
		"-e", "esp.spi", "-e", "esp.sequence", "-e", "esp.icv_good", "-e", "ip.src", "-e", "udp.length", "-e", "_ws.malformed"}
	var want []string
	for i, c := range cases {
		spi := uint32(0x1000 + i)
		out, err := NewOutbound(spi, c.alg, testKeys(c.suiteCase), false, 0)
		require.NoError(t, err)
		args = append(args, "-o", fmt.Sprintf(`uat:esp_sa:"IPv4","*","*","0x%08x","%s","0x%x","%s","0x%x"`,
			spi, c.encr, testKeys(c.suiteCase).Encr, c.auth, testKeys(c.suiteCase).Integ))
		for n := range 4 {
			inner := udpPacket(t, "10.0.0.1", "10.0.0.2", 5000, 100+n)
			seq, _ := out.Next()
			p := sealAt(out, seq, inner)
			outer := ipv4(t, 50, "192.0.2.1", "192.0.2.2", p)
			udp := ""
			if n%2 == 1 {
				outer = udpPayload(t, "192.0.2.1", "192.0.2.2", 4500, p)
				udp = fmt.Sprint(8+len(p)) + ","
			}
			require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(int64(i), 0), CaptureLength: len(outer), Length: len(outer)}, outer))
			want = append(want, fmt.Sprintf("0x%08x\t%d\t192.0.2.1,10.0.0.1\t%s%d", spi, seq, udp, 8+100+n))
		}
	}
	require.NoError(t, f.Close())
	text, err := exec.Command(tshark, args...).CombinedOutput()
	require.NoError(t, err, "%s", text)
	var got []string
	for line := range strings.Lines(string(text)) {
		c := strings.Split(strings.TrimRight(line, "\n"), "\t")
		if len(c) != 6 {
			continue // a note of tshark's
		}
		require.Empty(t, c[5], "malformed: %s", line)
		require.NotContains(t, []string{"0", "False"}, c[2], "ICV: %s", line)
		got = append(got, strings.Join([]string{c[0], c[1], c[3], c[4]}, "\t"))
	}
	require.Equal(t, want, got, "%s", text)
}

func udpPacket(t *testing.T, src, dst string, port, n int) []byte {
	return udpPayload(t, src, dst, port, make([]byte, n))
}

func udpPayload(t *testing.T, src, dst string, port int, payload []byte) []byte {
	b := make([]byte, 8, 8+len(payload))
	binary.BigEndian.PutUint16(b, uint16(port))
	binary.BigEndian.PutUint16(b[2:], uint16(port))
	binary.BigEndian.PutUint16(b[4:], uint16(8+len(payload)))
	return ipv4(t, 17, src, dst, append(b, payload...))
}

func ipv4(t *testing.T, protocol layers.IPProtocol, src, dst string, payload []byte) []byte {
	t.Helper()
	b := gopacket.NewSerializeBuffer()
	ip := &layers.IPv4{Version: 4, TTL: 64, Protocol: protocol, SrcIP: parseIP(src), DstIP: parseIP(dst)}
	require.NoError(t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true}, ip, gopacket.Payload(payload)))
	return b.Bytes()
}

func parseIP(s string) net.IP { return net.ParseIP(s).To4() }
