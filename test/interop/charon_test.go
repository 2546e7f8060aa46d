// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const charonProgram = "/usr/lib/ipsec/charon"

// charon is one strongSwan daemon in a namespace, with its own files.
type charon struct {
	t   testing.TB
	dir string
}

// startCharon starts a daemon with the configuration swanctl (the content of swanctl.conf).
func startCharon(t testing.TB, ns, swanctl string) *charon {
	c := &charon{t: t, dir: t.TempDir()}
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "run"), 0o755))
	c.write("strongswan.conf", fmt.Sprintf(`charon {
  load = random nonce openssl aes gcm sha1 sha2 hmac kdf md5 pem pkcs1 pkcs8 x509 pubkey constraints revocation curve25519 chapoly eap-identity eap-md5 kernel-libipsec kernel-netlink socket-default counters vici
  install_routes = yes
  retransmit_tries = 5
  retransmit_timeout = 1.0
  retransmit_base = 1.4
  keep_alive = 5s
  plugins { vici { socket = unix://%[1]s/charon.vici } }
  filelog { f { path = %[1]s/charon.log
    flush_line = yes
    default = 1
    ike = 2 } }
}
swanctl { load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey }
`, c.dir))
	c.write("swanctl.conf", swanctl)
	// The daemon's pid file has a fixed name, so that each gets its own /run.
	cmd := exec.Command("ip", "netns", "exec", ns, "bash", "-c",
		fmt.Sprintf("mount --bind %s/run /run && exec %s --use-syslog", c.dir, charonProgram))
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+filepath.Join(c.dir, "strongswan.conf"))
	out, err := os.Create(filepath.Join(c.dir, "out"))
	require.NoError(t, err)
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
		if t.Failed() {
			for _, name := range []string{"out", "charon.log"} {
				text, _ := os.ReadFile(filepath.Join(c.dir, name))
				t.Logf("charon's %s:\n%s", name, text)
			}
		}
	})
	require.Eventually(t, func() bool {
		v, err := net.Dial("unix", filepath.Join(c.dir, "charon.vici"))
		if err == nil {
			v.Close()
		}
		return err == nil
	}, 10*time.Second, 20*time.Millisecond, "charon does not start")
	return c
}

func (c *charon) write(name, content string) {
	require.NoError(c.t, os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o755))
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600))
}

// ctl runs swanctl.
func (c *charon) ctl(args ...string) (string, error) {
	cmd := exec.Command("swanctl", append(args, "--uri", "unix://"+filepath.Join(c.dir, "charon.vici"))...)
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+filepath.Join(c.dir, "strongswan.conf"))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *charon) must(args ...string) string {
	c.t.Helper()
	out, err := c.ctl(args...)
	require.NoError(c.t, err, "swanctl %v: %s", args, out)
	return out
}

func (c *charon) load() { c.must("--load-all", "--file", filepath.Join(c.dir, "swanctl.conf")) }

// logged tells whether charon's log has text.
func (c *charon) logged(text string) bool {
	log, err := os.ReadFile(filepath.Join(c.dir, "charon.log"))
	return err == nil && strings.Contains(string(log), text)
}
