// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/nwu/ipsec/kernel/xfrm"
)

// gone tells that a process has ended; nobody has waited for it yet.
func (n *nf) gone() bool {
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, n.cmd.Process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo != 0
}

// takesOver makes the process one that goes on in the place of the running one.
func takesOver(n *nf) { n.cmd.Args = append(n.cmd.Args, "--take-over") }

// states are those of an interface number, without what changes with each packet.
func (w *world) states(id uint32) (list []string) {
	w.t.Helper()
	var err error
	w.gw.do(func() {
		var c *xfrm.Conn
		if c, err = xfrm.Dial(); err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // nothing was written
		_, err = c.States(func(s *xfrm.State) bool {
			if s.IfID == id {
				list = append(list, fmt.Sprintf("%v src %s reqid %#x %v %v", s.ID, s.Src, s.ReqID, s.AEAD, s.Encap))
			}
			return false
		})
	})
	require.NoError(w.t, err)
	slices.Sort(list)
	return list
}

// killedAfter passes on what a running process and the one that is to take over say to each other, and kills the latter behind a message of that kind. It
// gives the path that the latter connects to.
func (w *world) killedAfter(old string, last uint8, heir func() *os.Process) (path string, done chan struct{}) {
	w.t.Helper()
	path = filepath.Join(w.t.TempDir(), "s.upgrade")
	l, err := succession.Listen(path)
	require.NoError(w.t, err)
	done = make(chan struct{})
	go func() {
		defer close(done)
		defer l.Close() //nolint:errcheck // of a test
		b, err := l.Accept()
		if err != nil {
			return
		}
		a, err := succession.Dial(context.Background(), old)
		if err != nil {
			_ = b.Close()
			return
		}
		pass := func(from, to *succession.Link) {
			defer func() { _, _ = from.Close(), to.Close() }() // twice
			for {
				m, err := from.Receive(context.Background())
				if err == nil {
					err = to.Send(context.Background(), m)
					m.Close()
				}
				if err != nil {
					return
				}
				if m.Kind == last {
					_ = heir().Kill()
					return
				}
			}
		}
		var both sync.WaitGroup
		both.Go(func() { pass(a, b) })
		both.Go(func() { pass(b, a) })
		both.Wait()
	}()
	return path, done
}

// A process takes the place of another one, with ESP in the kernel and the kernel's SCTP; at first it is killed in the middle: the UE, whose ESP is in
// UDP, loses not one packet and keeps its SAs, which the kernel has as they were; the AMF sees the same association and ids, the UPF the same tunnel.
// Everything works afterwards; and the last process leaves nothing.
func TestKernelTakeOver(t *testing.T) {
	w := newWorld(t, 2)
	w.startCore()
	relay := func(n *nf) { n.config = strings.Replace(n.config, "kind: kernel", "kind: kernel, userPlane: relay", 1) }
	unchanged := func(*nf) {}
	for i, c := range []struct {
		kind   string
		heirs  []func(*nf)
		change func(*nf)
	}{
		{"ebpf", []func(*nf){unchanged, relay, unchanged}, unchanged}, // dataPlane.userPlane may be another one
		{"relay", []func(*nf){relay}, relay},
	} {
		if c.kind == "ebpf" && !hasPrograms(t) {
			continue
		}
		t.Run(c.kind, func(t *testing.T) {
			w.t = t
			n := w.startN3IWF(i, c.change)
			require.Equal(t, c.kind == "ebpf", n.text.has("user packets are forwarded in the kernel"), n.text.tail(2000))
			u, p := w.online(i, i)
			id := uint32(1 + i)
			before, states, core, setups := u.State(), w.states(id), w.core.State().UEs, len(w.setups)
			require.NotEmpty(t, states)
			finish := w.trafficAt(p, 100)
			flows := func() {
				t.Helper()
				back := func() (n int) {
					for _, q := range p.Packets() {
						if q.Back != 0 {
							n++
						}
					}
					return n
				}
				have := back()
				w.until("echoes", func() bool { return back() >= have+30 })
			}
			same := func() {
				t.Helper()
				flows()
				require.Equal(t, states, w.states(id))
				require.Equal(t, core, w.core.State().UEs)
				require.Len(t, w.setups, setups, "the AMF has seen no other NG Setup")
				now := u.State()
				require.Equal(t, before.IKE, now.IKE)
				require.Equal(t, before.Children, now.Children)
				require.Equal(t, before.Inner, now.Inner)
			}
			flows()

			var dying *nf
			started := make(chan struct{})
			path, done := w.killedAfter(w.socket(i)+".upgrade", 7, func() *os.Process { // all that there is has been said
				<-started
				return dying.cmd.Process
			})
			dying = w.launch(i, c.change, takesOver, func(n *nf) {
				n.file = filepath.Join(w.dir, "dying.yaml")
				n.cmd.Args[3] = n.file
				n.config = strings.Replace(n.config, w.socket(i), strings.TrimSuffix(path, ".upgrade"), 1)
			})
			close(started)
			require.Error(t, dying.cmd.Wait())
			<-done
			w.until("the end of the attempt", func() bool { return n.text.has("another process was to take over; this one goes on") })
			same()

			for _, change := range c.heirs {
				heir := w.launch(i, change, takesOver)
				w.until("the end of the process, or of the one that is to take over", func() bool { return n.gone() || heir.gone() })
				require.True(t, n.gone(), "%s", heir.text.tail(4000))
				require.NoError(t, n.cmd.Wait(), n.text.tail(2000))
				w.until("the other process", func() bool { return heir.text.has("management", "what=socket") })
				require.True(t, heir.text.has("UEs of the former process go on here", "ues=1"), heir.text.tail(4000))
				require.True(t, heir.text.has("NG connection goes on"))
				same()
				n = heir
			}
			require.NoError(t, w.within(u.RekeyChildren))
			flows()
			require.NoError(t, w.within(u.RekeyIKE))
			var err error
			w.wlan.do(func() { // where its sockets are
				err = w.within(func(ctx context.Context) error { return u.Move(ctx, at(netNWu, ueSite+1), at(netNWu, 1+i)) })
			})
			require.NoError(t, err)
			flows()
			sent, lost := finish()
			require.Zero(t, lost, "of %d packets", sent)
			w.nasWorks(u)
			require.NoError(t, w.within(u.Deregister))
			require.Zero(t, n.text.count("level=ERROR"), n.text.tail(4000))
			require.NoError(t, n.cmd.Process.Signal(syscall.SIGTERM))
			require.NoError(t, n.cmd.Wait())
			require.Empty(t, w.states(id))
			require.NotContains(t, w.gw.ip(t, "link"), fmt.Sprintf("nwu%d", id))
			require.NoDirExists(t, fmt.Sprintf("/sys/fs/bpf/n3iwf/%d", id))
			t.Logf("%d packets", sent)
		})
	}
}
