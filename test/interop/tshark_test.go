// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// keyLog collects the keys of all SAs in Wireshark's formats.
type keyLog struct {
	mu       sync.Mutex
	ike, esp string
	children []*ikev2.ChildSA
}

// IKE implements ikev2.KeyLogger.
func (k *keyLog) IKE(spiI, spiR message.SPI, s suite.IKE, keys *suite.IKEKeys) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if line, ok := suite.WiresharkIKE(spiI, spiR, s, keys); ok {
		k.ike += line + "\n"
	}
}

// Child implements ikev2.KeyLogger.
func (k *keyLog) Child(c *ikev2.ChildSA) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.children = append(k.children, c)
}

// write makes the files of a Wireshark profile; ESP keys are looked up by addresses, of which there are several after a
// move.
func (k *keyLog) write(t testing.TB, dir string, paths ...[2]string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, c := range k.children {
		for _, p := range paths {
			local, remote := addr(p[0]), addr(p[1])
			in, ok := suite.WiresharkESP(remote, local, c.InboundSPI, c.Suite, c.InboundKeys.Encr, c.InboundKeys.Integ)
			require.True(t, ok)
			out, ok := suite.WiresharkESP(local, remote, c.OutboundSPI, c.Suite, c.OutboundKeys.Encr, c.OutboundKeys.Integ)
			require.True(t, ok)
			k.esp += in + "\n" + out + "\n"
		}
	}
	require.NoError(t, os.WriteFile(filepath.Join(dir, suite.WiresharkIKEFile), []byte(k.ike), 0o600))
	require.NoError(t, os.WriteFile(filepath.Join(dir, suite.WiresharkESPFile), []byte(k.esp), 0o600))
}

// record writes what passes the gateway's link on the router until the returned function is called.
func (n *network) record(t testing.TB, file string) (end func()) {
	var out bytes.Buffer
	cmd := exec.Command("ip", "netns", "exec", n.router, "tcpdump", "--immediate-mode", "-B", "8192", "-U", "-n", "-Z", "root", "-i", "s0", "-w", file, "udp or esp")
	var mu sync.Mutex
	cmd.Stderr = writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return out.Write(p)
	})
	require.NoError(t, launch(cmd))
	eventually(t, "tcpdump listens", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return strings.Contains(out.String(), "listening on")
	})
	end = sync.OnceFunc(func() {
		_ = cmd.Process.Signal(syscall.SIGINT)
		_ = cmd.Wait()
	})
	t.Cleanup(end)
	return end
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// tshark judges what both sides sent: it decrypts all with our keys, finds every ICV good and nothing malformed.
func TestTshark(t *testing.T) {
	testenv.NeedTool(t, "tshark", "tshark")
	testenv.NeedTool(t, "tcpdump", "tcpdump")
	for _, row := range []struct {
		role           role
		name, ike, esp string
	}{
		{charonInitiates, "AES-GCM", "aes256gcm16-prfsha256-x25519", "aes256gcm16-x25519"},
		{weInitiate, "AES-CBC and HMAC", "aes128-sha256-ecp256", "aes128-sha256-ecp256"},
	} {
		t.Run(string(row.role)+"/tshark decrypts connecting, rekeys, a move and the end, "+row.name, func(t *testing.T) {
			judged(t, row.role, row.ike, row.esp)
		})
	}
}

func judged(t *testing.T, r role, ike, esp string) {
	keys := new(keyLog)
	var end func()
	file := filepath.Join(t.TempDir(), "a.pcap")
	w := connect(t, r, withPKI(newPKI(t, p256, rsa2048, true), r, setup{
		recorded: true,
		network:  func(n *network) { end = n.record(t, file) },
		charon:   func(c *connection) { c.ike, c.esp = ike, esp },
		ours:     func(o *ikev2.Options) { o.KeyLog = keys },
	}))
	w.childRekeyedByCharon()
	w.c.must("--rekey", "--ike", "n3")
	wait[ikev2.SPIForgotten](w.e, "the rekey", nil)
	old := w.children()[0]
	w.e.call(rekeyChild)
	w.replaced(old)
	w.n.second()
	w.n.loseFirst()
	if r == weInitiate {
		w.move(ueAddr2, gwAddr)
	}
	w.arrived(ueAddr2, gwAddr)
	w.lost(lostPerMove)
	w.c.must("--terminate", "--ike", "n3")
	wait[ikev2.Closed](w.e, "the end", nil)
	end()

	home := t.TempDir()
	if r == charonInitiates {
		keys.write(t, home, [2]string{gwAddr, ueAddr1}, [2]string{gwAddr, ueAddr2})
	} else {
		keys.write(t, home, [2]string{ueAddr1, gwAddr}, [2]string{ueAddr2, gwAddr})
	}
	ask := func(filter string, args ...string) []string {
		cmd := exec.Command("tshark", append([]string{
			"-r", file, "-o", "esp.enable_encryption_decode:TRUE", "-o", "esp.enable_authentication_check:TRUE",
			"-o", "esp.do_esp_sequence_analysis:FALSE", "-Y", filter,
		}, args...)...)
		cmd.Env = append(os.Environ(), "XDG_CONFIG_HOME="+home, "HOME="+home, "WIRESHARK_CONFIG_DIR="+home)
		var out, errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &errs
		require.NoError(t, cmd.Run(), errs.String())
		return strings.FieldsFunc(out.String(), func(c rune) bool { return c == '\n' })
	}
	bad := ask("_ws.malformed || _ws.expert.severity >= 0x00800000 || esp && !icmp || esp.icv_bad == 1 || esp.icv_good == 0" +
		" || (isakmp.typepayload == 46 || isakmp.typepayload == 53) && !isakmp.enc.decrypted")
	require.Empty(t, bad[:min(len(bad), 5)], "malformed, not decrypted, or with a bad ICV")
	require.GreaterOrEqual(t, len(ask("esp && icmp")), 2*(w.total.sent-w.total.lost), "every answered ping and its answer")
	// What was decrypted is what was said: one line a message with its exchange, its payloads and its notifies.
	said := "\n" + strings.Join(ask("isakmp", "-T", "fields", "-e", "isakmp.exchangetype", "-e", "isakmp.typepayload", "-e", "isakmp.notify.msgtype"), "\n")
	for what, pattern := range map[string]string{
		"AUTH in IKE_AUTH, put together from fragments": `\n35\t(\S*,)?39\b`,
		"REKEY_SA in CREATE_CHILD_SA":                   `\n36\t\S+\t(\S*,)?16393\b`,
		"Delete":                                        `\n37\t(\S*,)?42\b`,
		"UPDATE_SA_ADDRESSES":                           `\n37\t\S+\t(\S*,)?16400\b`,
		"COOKIE2":                                       `\n37\t\S+\t(\S*,)?16401\b`,
	} {
		require.Regexp(t, pattern, said, what)
	}
}
