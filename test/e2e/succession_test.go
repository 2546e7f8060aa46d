// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/succession"
	"github.com/open-n3iwf/n3iwf/test/lab/nas"
)

// succession is the socket over which N3IWFs of a world hand everything on.
func (w *world) succession() string { return filepath.Join(filepath.Dir(w.file), "succession") }

// offer lets another N3IWF take over from w.nf.
func (w *world) offer() {
	w.t.Helper()
	require.NoError(w.t, w.nf.OfferSuccession(w.succession()))
}

// takeOver starts an N3IWF in the place of w.nf, and waits until that has ended.
func (w *world) takeOver(o n3iwf.Takeover, change func(*config.Config)) {
	w.t.Helper()
	old, ended := w.nf, w.stopped
	cfg, err := config.Parse(w.file, []byte(w.yaml))
	require.NoError(w.t, err)
	if change != nil {
		change(cfg)
	}
	w.cfg = cfg
	o.Path = w.succession()
	nf, err := n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "n3iwf"), o)
	require.NoError(w.t, err)
	w.serve(nf)
	select {
	case err = <-ended:
		ended <- err // for the end of the test
		require.NoError(w.t, err)
	case <-w.ctx.Done():
		require.Fail(w.t, "the old one does not end")
	}
	require.NoError(w.t, old.Depart())
	<-nf.Alone()
	require.NotZero(w.t, old.Successor())
	require.NoError(w.t, nf.OfferSuccession(w.succession()))
}

// tunnelled waits until the core has the downlink tunnels of that many PDU sessions.
func (w *world) tunnelled(n int) {
	w.t.Helper()
	w.until("downlink tunnels", func() bool {
		have := 0
		for _, u := range w.core.State().UEs {
			for _, s := range u.Sessions {
				if s.DownlinkTEID != 0 {
					have++
				}
			}
		}
		return have == n
	})
}

// An N3IWF goes on in the place of another one, twice, while user data flows: no packet is lost; the UE keeps its SAs and inner address, the AMF its ids
// and the UPF its tunnels; and everything works afterwards.
func TestTakeOver(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	w.offer()
	u, pr := w.online(0)
	v, prV := w.online(1)
	_, err := sessionTwo(w, u)
	require.NoError(t, err)
	w.tunnelled(3)
	before, core := u.State(), w.core.State()
	finish, finishV := w.traffic(pr, 200), w.traffic(prV, 100)
	w.answered(pr, 20)
	for range 2 {
		w.takeOver(n3iwf.Takeover{Program: "test"}, nil)
		w.answered(pr, 20)
		w.answered(prV, 10)
		require.Equal(t, 2, w.nf.Status().UEs)
		require.Equal(t, 3, w.nf.Status().PDUSessions)
		now := w.core.State()
		require.Len(t, now.UEs, len(core.UEs))
		for i := range core.UEs {
			require.Equal(t, core.UEs[i].RANID, now.UEs[i].RANID)
			require.Equal(t, core.UEs[i].AMFID, now.UEs[i].AMFID)
			require.Equal(t, core.UEs[i].Sessions, now.UEs[i].Sessions, "the tunnels")
		}
		require.Equal(t, before.IKE, u.State().IKE)
		require.Equal(t, before.Children, u.State().Children)
		require.Equal(t, before.Inner, u.State().Inner)
		w.until("NAS connections", func() bool { return w.nf.Status().NAS.Connections == 2 })
		require.NoError(t, w.within(func(ctx context.Context) error { return u.ReleaseSession(ctx, 2) }))
		_, err := sessionTwo(w, u)
		require.NoError(t, err)
		w.tunnelled(3)
		before, core = u.State(), w.core.State()
	}
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	w.answered(pr, 10)
	require.Equal(t, 2, w.nf.Rekey(true, true))
	w.until("rekeys", func() bool {
		return u.State().IKE != before.IKE && allDiffer(before, u.State()) && w.nf.Counters().ChildRekeys.Load() >= 5
	})
	w.answered(pr, 10)
	for name, end := range map[string]func() (int, int){"u": finish, "v": finishV} {
		sent, lost := end()
		require.Zero(t, lost, "%s: of %d", name, sent)
	}
	require.NoError(t, w.core.ReleaseSession(imsi(1), 1))
	w.until("the release of a session by the core", func() bool { return len(v.State().Sessions) == 0 })
	require.NoError(t, w.within(v.Deregister))
	require.NoError(t, w.within(u.Deregister))
	w.empty()
	x, _ := w.online(2)
	require.NoError(t, w.within(x.Deregister))
	w.empty()
}

// between passes on what predecessor and successor say to each other, up to a message of that kind, behind which it ends both links as a process
// that is killed would. It gives the successor's path.
func (w *world) between(last uint8) (path string) {
	w.t.Helper()
	path = filepath.Join(w.t.TempDir(), "between")
	l, err := succession.Listen(path)
	require.NoError(w.t, err)
	done := make(chan struct{})
	w.t.Cleanup(func() { _ = l.Close(); <-done })
	go func() {
		defer close(done)
		heir, err := l.Accept()
		if err != nil {
			return
		}
		old, err := succession.Dial(w.ctx, w.succession())
		if err != nil {
			_ = heir.Close()
			return
		}
		pass := func(from, to *succession.Link) {
			defer func() { _, _ = from.Close(), to.Close() }() // the other direction does so too
			for {
				m, err := from.Receive(w.ctx)
				if err != nil {
					return
				}
				err = to.Send(w.ctx, m)
				m.Close()
				if err != nil || m.Kind == last {
					return
				}
			}
		}
		var both sync.WaitGroup
		both.Go(func() { pass(old, heir) })
		both.Go(func() { pass(heir, old) })
		both.Wait()
	}()
	return path
}

// Whatever the last is that the two have said when the successor dies, as long as it has not begun: the predecessor goes on, and has lost nothing.
func TestTakeOverDies(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	w.offer()
	u, pr := w.online(0)
	finish := w.traffic(pr, 200)
	const first, beforeGo = 1, 9 // hello, and what lets the successor begin
	attempts := 0
	for last := uint8(first); last < beforeGo; last++ {
		if last == 2 { // a refusal
			continue
		}
		attempts++
		w.answered(pr, 10)
		cfg, err := config.Parse(w.file, []byte(w.yaml))
		require.NoError(t, err)
		_, err = n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "dying"), n3iwf.Takeover{Path: w.between(last)})
		require.Error(t, err, "after message %d", last)
		w.until("the end of the attempt", func() bool { return w.text.count("this one goes on") == attempts })
		w.answered(pr, 10)
		require.NoError(t, w.within(u.RekeyChildren), "after message %d", last)
		require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30+int(last)), w.addr(hostN3IWF)) }))
	}
	w.until("its NAS connection", func() bool { return w.nf.Status().NAS.Connections == 1 })
	w.takeOver(n3iwf.Takeover{}, nil)
	w.answered(pr, 10)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// A successor that fails, at whatever point, changes nothing; one that does not fit is told why.
func TestTakeOverFails(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, nil)
	w.offer()
	u, pr := w.online(0)
	finish := w.traffic(pr, 200)
	w.answered(pr, 20)
	try := func(change func(*config.Config)) error {
		t.Helper()
		cfg, err := config.Parse(w.file, []byte(w.yaml))
		require.NoError(t, err)
		change(cfg)
		nf, err := n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "failing"), n3iwf.Takeover{Path: w.succession(), Patience: time.Second})
		require.Nil(t, nf)
		return err
	}
	require.ErrorContains(t, try(func(c *config.Config) { c.NWu.NAS.Port++ }), "nwu.nas")
	require.ErrorContains(t, try(func(c *config.Config) { c.DataPlane.Workers = 1 }), "dataPlane.workers")
	why := fmt.Sprintf("UE %d: no NG connection", w.core.State().UEs[0].RANID)
	require.ErrorContains(t, try(func(c *config.Config) { c.N2.AMFs[0].Addresses[0] = w.addr(77) }), why)
	w.logged("n3iwf", "another process was to take over; this one goes on", why)
	_, err := pr.Ping(w.ctx, 2)
	require.NoError(t, err)
	w.answered(pr, 20)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	require.NoError(t, w.within(func(ctx context.Context) error {
		_, err := u.EstablishSession(ctx, 2, "internet", &nas.SNSSAI{SST: 1})
		return err
	}))
	w.takeOver(n3iwf.Takeover{}, nil)
	w.answered(pr, 20)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// UEs move all the time while one N3IWF takes over from another, and the next from that: no move fails, no packet is lost.
func TestTakeOverWhileMoving(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	often := func(c *config.Config) { c.NWu.MOBIKE.MovesPerMinute = 10000 }
	w := newWorld(t, often)
	w.offer()
	u, pr := w.online(0)
	finish := w.traffic(pr, 100)
	ctx, stop := context.WithCancel(w.ctx)
	defer stop()
	var moves atomic.Int32
	failed := make(chan error, 1)
	go func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30+i%3), w.addr(hostN3IWF)) }); err != nil {
				failed <- err
				return
			}
			moves.Add(1)
		}
		failed <- nil
	}()
	more := func() {
		t.Helper()
		have := moves.Load()
		w.until("more moves", func() bool { return len(failed) > 0 || moves.Load() >= have+5 })
	}
	for range 3 {
		more()
		w.takeOver(n3iwf.Takeover{Patience: deadline}, often)
	}
	more()
	stop()
	require.NoError(t, <-failed)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.NoError(t, w.within(u.Deregister))
	w.empty()
}

// A UE that cannot go on, here because its AMF is away, keeps the others from it, and is named; unless it is to be released.
func TestTakeOverForced(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := newWorld(t, func(c *config.Config) { c.Timers.Release = 300 * time.Millisecond })
	w.offer()
	u, _ := w.online(0)
	id := w.core.State().UEs[0].RANID
	require.NoError(t, w.core.Close())
	w.until("the loss of the AMF", func() bool { return w.nf.Status().AMFs == 0 })
	cfg, err := config.Parse(w.file, []byte(w.yaml))
	require.NoError(t, err)
	o := n3iwf.Takeover{Path: w.succession(), Patience: 100 * time.Millisecond}
	_, err = n3iwf.TakeOver(w.ctx, cfg, w.log.With("who", "n3iwf"), o)
	require.ErrorContains(t, err, fmt.Sprintf("1 UEs or connections cannot go on in another process within 100ms: UE %d: the AMF's return", id))
	require.NoError(t, w.within(u.Probe), "its IKE SA goes on")
	o.Force = true
	w.takeOver(o, nil)
	require.Zero(t, w.nf.Status().UEs)
	w.logged("UEs that cannot go on in the other process are released", fmt.Sprintf("UE %d: the AMF's return", id))
	w.until("the UE is told", func() bool { return len(u.State().Children) == 0 })
	w.startCore()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	w.online(1)
}

// Processes: SIGUSR2 lets a running one start its program again, which takes over; so does one that is started with --take-over. The management API is where
// it was, and what does not fit is told.
func TestTakeOverProcess(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	w := prepareWorld(t, nil)
	socket := filepath.Join(filepath.Dir(w.file), "api")
	require.NoError(t, os.WriteFile(w.file, []byte(w.yaml+"management: {socket: "+socket+"}\n"), 0o600))
	w.startCore()
	log, err := os.Create(filepath.Join(filepath.Dir(w.file), "log")) // a pipe would end with the process whose it is
	require.NoError(t, err)
	t.Cleanup(func() {
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			t.Logf("the log of the processes:\n%s", text)
		}
		_ = log.Close()
	})
	said := func() string {
		text, err := os.ReadFile(log.Name())
		require.NoError(t, err)
		return string(text)
	}
	first := exec.Command(filepath.Join(bin, "n3iwf"), "run", "-c", w.file)
	first.Stdout, first.Stderr = log, log
	require.NoError(t, first.Start())
	ended := make(chan error, 1)
	go func() { ended <- first.Wait() }()
	started := func() (s struct{ Started time.Time }) { // of the management API
		out, err := exec.CommandContext(w.ctx, filepath.Join(bin, "n3iwf"), "status", "--server", socket, "-o", "json").Output()
		if err != nil || json.Unmarshal(out, &s) != nil {
			s.Started = time.Time{}
		}
		return s
	}
	t.Cleanup(func() {
		_ = first.Process.Kill() // it has ended long ago, when all is well; so has the second one
		for _, pid := range regexp.MustCompile(`has taken over.* pid=(\d+)`).FindAllStringSubmatch(said(), -1) {
			n, err := strconv.Atoi(pid[1])
			require.NoError(t, err)
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	})
	w.until("NG Setup", func() bool { return strings.Contains(said(), "NG connection is up") })
	w.until("its API", func() bool { return !started().Started.IsZero() })
	before := started()
	u, pr := w.online(0)
	t.Cleanup(func() { _ = u.Close() })
	finish := w.traffic(pr, 200)
	w.answered(pr, 10)
	require.NoError(t, first.Process.Signal(syscall.SIGUSR2))
	require.NoError(t, <-ended)
	w.until("the second process", func() bool { s := started(); return !s.Started.IsZero() && s != before })
	w.answered(pr, 10)
	second := started()

	other := filepath.Join(filepath.Dir(w.file), "other.yaml")
	require.NoError(t, os.WriteFile(other, []byte(strings.Replace(w.yaml, "10.60.0.0/16", "10.61.0.0/16", 1)+"management: {socket: "+socket+"}\n"), 0o600))
	out, err := exec.CommandContext(w.ctx, filepath.Join(bin, "n3iwf"), "run", "-c", other, "--take-over").CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "not as in the running process; let that reload them first, or restart it where they change only with a restart: nwu.nas; nwu.uePools")
	require.Equal(t, second, started())

	third := exec.Command(filepath.Join(bin, "n3iwf"), "run", "-c", w.file, "--take-over", "--patience", "5s")
	third.Stdout, third.Stderr = log, log
	require.NoError(t, third.Start())
	t.Cleanup(func() { _ = third.Process.Kill(); _ = third.Wait() })
	w.until("the third process", func() bool { s := started(); return !s.Started.IsZero() && s != second })
	w.answered(pr, 10)
	sent, lost := finish()
	require.Zero(t, lost, "of %d", sent)
	require.NoError(t, w.within(u.Deregister))
}
