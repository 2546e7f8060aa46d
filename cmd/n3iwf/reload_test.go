// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// lines is a log that several goroutines may write.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) take() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	defer l.b.Reset()
	return l.b.String()
}

// reloadable is a network function that has opened its sockets, with what follows its files. write writes its file, with more lines; what stands there
// of management is replaced by manage.
func reloadable(t *testing.T) (r *reloader, log *lines, write func(more, manage string)) {
	t.Helper()
	ports := freePorts(t, 3)
	file := good(t, fmt.Sprintf("n3: {addresses: [127.0.0.1], port: %d}\nmanagement: {socket: \"\"}\n", ports[0]))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = []byte(strings.Replace(string(text), "nwu: {", fmt.Sprintf("nwu: {addresses: [127.0.0.1], ikePort: %d, nattPort: %d, ", ports[1], ports[2]), 1))
	text = []byte(strings.Replace(string(text), "n2: {", "n2: {transport: udp, ", 1))
	write = func(more, manage string) { // at once, nobody reads half of it
		t.Helper()
		b := bytes.Replace(text, []byte("{socket: \"\"}"), []byte("{socket: \"\""+manage+"}"), 1)
		require.NoError(t, os.WriteFile(file+".new", append(b, more...), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	write("", "")
	cfg, err := config.Load(file)
	require.NoError(t, err)
	log = &lines{}
	logger, set := newLogger(cfg.Log, log)
	nf, err := n3iwf.New(cfg, logger)
	require.NoError(t, err)
	server, err := api.New(nf, api.Options{Level: &set.level, Log: logger})
	require.NoError(t, err)
	ended, end := context.WithCancel(context.Background())
	end()
	t.Cleanup(func() {
		require.NoError(t, server.Serve(ended))
		require.NoError(t, nf.Serve(ended))
	})
	return &reloader{file: file, nf: nf, api: server, set: set, log: logger, cfg: cfg}, log, write
}

// What cannot be used is in the log with file, line and key, and nothing of the file is taken; what waits for another process is named in the same way.
func TestReloadRefused(t *testing.T) {
	r, log, write := reloadable(t)
	busy := func() net.Addr {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		require.NoError(t, err)
		t.Cleanup(func() { _ = l.Close() })
		return l.Addr()
	}
	one, two := busy(), busy()
	line := func(of string) int {
		t.Helper()
		text, err := os.ReadFile(r.file)
		require.NoError(t, err)
		before, _, found := strings.Cut(string(text), of)
		require.True(t, found)
		return strings.Count(before, "\n") + 1
	}
	write("log: {level: debug}\n", fmt.Sprintf(", observe: %q,\n  listen: %q, token: a token of the operator", one.String(), two.String()))
	r.reload()
	said := log.take()
	for key, at := range map[string]net.Addr{"observe": one, "listen": two} {
		require.Contains(t, said, fmt.Sprintf("the configuration was not reloaded, the former one stays in use: %s:%d: management.%s: listen tcp %s: bind: address already in use",
			r.file, line(key+": "), key, at))
	}
	require.Equal(t, slog.LevelInfo, r.set.level.Level())
	require.Equal(t, "info", r.nf.Config().Log.Level)

	write("dataPlane: {workers: 3, userPlane: relay}\nlog: {level: debug}\n", "")
	r.reload()
	said = log.take()
	at := line("dataPlane")
	require.Contains(t, said, fmt.Sprintf(`msg="these keys change when another process takes over (SIGUSR2)" keys="[%s:%d: dataPlane.userPlane]"`, r.file, at))
	require.Contains(t, said, fmt.Sprintf(`msg="these keys change with the next start only" keys="[%s:%d: dataPlane.workers]"`, r.file, at))
	require.Equal(t, slog.LevelDebug, r.set.level.Level(), "they do not keep the others")
}

// TestReload changes the files under a network function that has opened its sockets.
func TestReload(t *testing.T) {
	r, log, rewrite := reloadable(t)
	write, set := func(more string) { rewrite(more, "") }, r.set
	ctx, stop := context.WithCancel(context.Background())
	hangups, tick := make(chan os.Signal), make(chan time.Time)
	var running sync.WaitGroup
	running.Go(func() { r.follow(ctx, hangups, tick) })
	t.Cleanup(func() { stop(); running.Wait() })
	// look makes it look at the files, and returns what it has said since the last time. A second look begins when the first has ended; it may still be
	// under way afterwards, and be the one that sees what is written next.
	look := func() string {
		t.Helper()
		tick <- time.Now()
		tick <- time.Now()
		return log.take()
	}
	require.NotContains(t, look(), "reloaded", "nothing has changed")
	write("limits: {maxUEs: 7}\ntimers: {release: 9s}\n")
	said := look()
	require.Contains(t, said, "configuration reloaded")
	require.Contains(t, said, "limits.maxUEs timers.release")
	require.NotContains(t, said, "next start")
	write("log: {level: debug}\nlimits: {maxUEs: 7}\nn3: {teidQuarantine: 5s}\n")
	said = look()
	require.Contains(t, said, "stands here and on line", "a file with a mistake changes nothing")
	require.Equal(t, slog.LevelInfo, set.level.Level())
	write("log: {level: debug}\nlimits: {maxUEs: 7}\ndataPlane: {workers: 3}\n")
	said = look()
	require.Equal(t, slog.LevelDebug, set.level.Level())
	require.Contains(t, said, "dataPlane.workers", "this one waits for the next start")
	require.NotContains(t, said, "keys=\"[log.level")
	log.take()
	keys := t.TempDir()
	write("log: {format: json}\ndebug: {keylog: " + keys + "}\n")
	look()
	require.FileExists(t, filepath.Join(keys, "esp_sa"))
	write("log: {format: json, level: warn}\ndebug: {keylog: " + keys + "}\n")
	require.Contains(t, look(), `"msg":"log level changed","level":"warn"`)
	write("log: {level: debug}\nlimits: {maxUEs: 7}\ndataPlane: {workers: 3}\n")
	look()
	log.take()
	hangups <- os.Interrupt // whatever the signal is
	tick <- time.Now()
	said = log.take()
	require.Contains(t, said, "configuration reloaded", "also without a change")
	require.NotContains(t, said, "certificate reloaded", "it is the same")
}

// partOf is a part of the configuration that refuses with what it is given, and then no more.
type partOf struct{ refuse, asked chan error }

func (p partOf) Prepare(_, _ *config.Config) (n3iwf.Change, error) {
	var err error
	select {
	case err = <-p.refuse:
	default:
	}
	p.asked <- err
	return n3iwf.Change{}, err
}

// What is refused because another process is about to take over is tried again, by itself, when that comes to nothing; a mistake in a file is not.
func TestReloadAfterATakeOverThatFailed(t *testing.T) {
	r, log, write := reloadable(t)
	p := partOf{make(chan error, 9), make(chan error, 99)}
	r.parts = []n3iwf.Part{p}
	ctx, stop := context.WithCancel(context.Background())
	hangups, tick := make(chan os.Signal), make(chan time.Time)
	var running sync.WaitGroup
	running.Go(func() { r.follow(ctx, hangups, tick) })
	t.Cleanup(func() { stop(); running.Wait() })
	look := func() { // the third begins when the second has ended
		for range 3 {
			tick <- time.Now()
		}
	}
	look()
	require.Empty(t, p.asked)
	mistake := errors.New("a mistake")
	for what, begin := range map[string]func(){
		"a file":   func() { write(fmt.Sprintf("limits: {maxUEs: %d}\n", 7+len(p.asked)), "") },
		"a hangup": func() { hangups <- os.Interrupt },
	} {
		p.refuse <- n3iwf.ErrTakingOver
		begin()
		look()
		look()
		require.Len(t, p.asked, 2, what)
		require.ErrorIs(t, <-p.asked, n3iwf.ErrTakingOver, what)
		require.NoError(t, <-p.asked, what)
		said := log.take()
		require.Equal(t, 1, strings.Count(said, "the former one stays in use: another process is about to take over; it is tried again if this one goes on"), said)
		require.Equal(t, 1, strings.Count(said, "configuration reloaded"), said)

		p.refuse <- mistake
		write("limits: {maxUEs: 5}\n# "+what+"\n", "")
		look()
		look()
		require.Len(t, p.asked, 1, what)
		require.ErrorIs(t, <-p.asked, mistake, what)
		log.take()
	}
}
