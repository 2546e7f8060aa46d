// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
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

// TestReload changes the files under a network function that has opened its sockets.
func TestReload(t *testing.T) {
	ports := freePorts(t, 3)
	more := fmt.Sprintf("n3: {addresses: [127.0.0.1], port: %d}\nmanagement: {socket: \"\"}\n", ports[0])
	file := good(t, more)
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	text = []byte(strings.Replace(string(text), "nwu: {", fmt.Sprintf("nwu: {addresses: [127.0.0.1], ikePort: %d, nattPort: %d, ", ports[1], ports[2]), 1))
	text = []byte(strings.Replace(string(text), "n2: {", "n2: {transport: udp, ", 1))
	write := func(more string) { // at once, nobody reads half of it
		t.Helper()
		require.NoError(t, os.WriteFile(file+".new", append(bytes.Clone(text), more...), 0o600))
		require.NoError(t, os.Rename(file+".new", file))
	}
	write("")
	cfg, err := config.Load(file)
	require.NoError(t, err)
	log := &lines{}
	logger, set := newLogger(cfg.Log, log)
	nf, err := n3iwf.New(cfg, logger)
	require.NoError(t, err)
	server, err := api.New(nf, api.Options{Level: &set.level, Log: logger})
	require.NoError(t, err)
	ended, end := context.WithCancel(context.Background())
	end()
	t.Cleanup(func() { require.NoError(t, nf.Serve(ended)) })

	ctx, stop := context.WithCancel(context.Background())
	hangups, tick := make(chan os.Signal), make(chan time.Time)
	var running sync.WaitGroup
	r := &reloader{file: file, nf: nf, api: server, set: set, log: logger, cfg: cfg}
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
