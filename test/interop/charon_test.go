// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

const charonProgram = "/usr/lib/ipsec/charon"

// charon is one strongSwan daemon in a namespace, with its own files.
type charon struct {
	t    testing.TB
	ns   string
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
}

// newCharon makes the folder of a daemon.
func newCharon(t testing.TB, ns string) *charon {
	// The path of a Unix socket may not be long, so this is not t.TempDir.
	dir, err := os.MkdirTemp("", fmt.Sprintf("%s%d-", nsPrefix, os.Getpid()))
	require.NoError(t, err)
	c := &charon{t: t, ns: ns, dir: dir}
	require.NoError(t, os.Mkdir(filepath.Join(c.dir, "run"), 0o755))
	t.Cleanup(func() {
		c.stop(syscall.SIGTERM)
		if t.Failed() {
			for _, name := range []string{"out", "swanctl.conf", "charon.log"} {
				text, _ := os.ReadFile(filepath.Join(c.dir, name))
				t.Logf("charon's %s:\n%s", name, text)
			}
		}
		_ = os.RemoveAll(dir)
	})
	return c
}

// start runs the daemon with further settings of the section charon, one a line.
func (c *charon) start(settings string) {
	esp := "kernel-libipsec kernel-netlink"
	if *charonESP == inKernel {
		esp = "kernel-netlink"
	}
	c.write("strongswan.conf", fmt.Sprintf(`charon {
  load = random nonce openssl aes gcm sha1 sha2 hmac kdf md5 mgf1 pem pkcs1 pkcs8 x509 pubkey constraints revocation curve25519 chapoly eap-identity eap-md5 eap-mschapv2 %[3]s socket-default counters vici
  install_routes = yes
  retransmit_tries = 6
  retransmit_timeout = %[4]g
  retransmit_base = 1.4
  keep_alive = 1s
  %[2]s
  plugins { vici { socket = unix://%[1]s/charon.vici } }
  filelog { f { path = %[1]s/charon.log
    flush_line = yes
    time_format = %%H:%%M:%%S
    time_add_ms = yes
    default = 1
    ike = 2
    cfg = 2 } }
}
`, c.dir, settings, esp, slow(300*time.Millisecond).Seconds()))
	// swanctl needs its plugins for credentials alone.
	c.write("swanctl-load.conf", "swanctl { load = random nonce openssl pem pkcs1 pkcs8 x509 pubkey curve25519 }\n")
	c.write("swanctl-ask.conf", "swanctl { load = random }\n")
	// The daemon's pid file has a fixed name, so that each gets its own /run.
	c.cmd = exec.Command("ip", "netns", "exec", c.ns, "sh", "-c",
		fmt.Sprintf("rm -f %[1]s/run/*; mount --bind %[1]s/run /run && exec %[2]s --use-syslog", c.dir, charonProgram))
	c.cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+filepath.Join(c.dir, "strongswan.conf"))
	out, err := os.OpenFile(filepath.Join(c.dir, "out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	require.NoError(c.t, err)
	defer out.Close()
	c.cmd.Stdout, c.cmd.Stderr = out, out
	require.NoError(c.t, launch(c.cmd))
	cmd, done := c.cmd, make(chan struct{})
	c.done = done
	go func() { _ = cmd.Wait(); close(done) }()
	eventually(c.t, "charon starts", func() bool {
		v, err := net.Dial("unix", filepath.Join(c.dir, "charon.vici"))
		if err == nil {
			v.Close()
		}
		return err == nil
	})
}

// stop ends the daemon: politely with SIGTERM, when it deletes its SAs, or as in a crash with SIGKILL.
func (c *charon) stop(sig syscall.Signal) {
	if c.cmd == nil {
		return
	}
	_ = c.cmd.Process.Signal(sig)
	select {
	case <-c.done:
	case <-time.After(slow(5 * time.Second)):
		_ = c.cmd.Process.Kill()
		<-c.done
	}
	c.cmd = nil
	_ = os.Remove(filepath.Join(c.dir, "charon.vici"))
}

func (c *charon) write(name, content string) {
	require.NoError(c.t, os.MkdirAll(filepath.Dir(filepath.Join(c.dir, name)), 0o755))
	require.NoError(c.t, os.WriteFile(filepath.Join(c.dir, name), []byte(content), 0o600))
}

// ctl runs swanctl.
func (c *charon) ctl(args ...string) (string, error) {
	cmd := exec.Command("swanctl", append(args, "--uri", "unix://"+filepath.Join(c.dir, "charon.vici"))...)
	conf := "swanctl-ask.conf"
	if args[0] == "--load-all" {
		conf = "swanctl-load.conf"
	}
	cmd.Env = append(os.Environ(), "STRONGSWAN_CONF="+filepath.Join(c.dir, conf))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (c *charon) must(args ...string) string {
	c.t.Helper()
	out, err := c.ctl(args...)
	require.NoError(c.t, err, "swanctl %v: %s", args, out)
	return out
}

// load gives the daemon its connections (the content of swanctl.conf), credentials and pools anew.
func (c *charon) load(swanctl string) {
	c.t.Helper()
	c.write("swanctl.conf", swanctl)
	c.must("--load-all", "--clear", "--file", filepath.Join(c.dir, "swanctl.conf"))
}

// logged tells whether charon's log has text.
func (c *charon) logged(text string) bool {
	log, err := os.ReadFile(filepath.Join(c.dir, "charon.log"))
	return err == nil && strings.Contains(string(log), text)
}

// logs waits until charon's log has all texts.
func (c *charon) logs(texts ...string) {
	c.t.Helper()
	for _, text := range texts {
		eventually(c.t, "charon logs: "+text, func() bool { return c.logged(text) })
	}
}

// charonSA is charon's own view of one of its IKE SAs.
type charonSA struct {
	raw                     string
	initiatorSPI            string
	local, remote           string // host[port]
	children                []charonChild
	state, encr, group, prf string
}

// charonChild is charon's view of a Child SA.
type charonChild struct{ state, in, out string }

var childPattern = regexp.MustCompile(`state=(\w+) mode=TUNNEL protocol=ESP (?:encap=yes )?spi-in=(\w+) spi-out=(\w+)`)

// sas asks charon for its IKE SAs.
func (c *charon) sas() (all []charonSA) {
	c.t.Helper()
	for line := range strings.Lines(c.must("--list-sas", "--raw")) {
		if !strings.HasPrefix(line, "list-sa event") {
			continue
		}
		field := func(name string) string {
			if m := regexp.MustCompile(` ` + name + `=(\S+)`).FindStringSubmatch(line); m != nil {
				return m[1]
			}
			return ""
		}
		sa := charonSA{
			raw: line, state: field("state"), initiatorSPI: field("initiator-spi"),
			local: field("local-host") + "[" + field("local-port") + "]", remote: field("remote-host") + "[" + field("remote-port") + "]",
			encr: field("encr-alg"), group: field("dh-group"), prf: field("prf-alg"),
		}
		for _, m := range childPattern.FindAllStringSubmatch(line, -1) {
			sa.children = append(sa.children, charonChild{m[1], m[2], m[3]})
		}
		all = append(all, sa)
	}
	return all
}

// sa is charon's only IKE SA.
func (c *charon) sa() charonSA {
	c.t.Helper()
	all := c.sas()
	require.Len(c.t, all, 1)
	return all[0]
}

// eventually polls for something that must become true; the limit only matters for a test that fails.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(slow(20 * time.Second)); !cond(); {
		if t.Failed() || time.Now().After(deadline) {
			require.FailNow(t, "did not happen", what)
		}
		time.Sleep(slow(10 * time.Millisecond))
	}
}

// log is charon's log so far.
func (c *charon) log() string {
	log, err := os.ReadFile(filepath.Join(c.dir, "charon.log"))
	require.NoError(c.t, err)
	return string(log)
}
