// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ikev2/message"
	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// initRequest is the IKE_SA_INIT request of a UE.
func initRequest(path ikev2.Path) []byte {
	profile := suite.Default()
	all := []message.TrafficSelector{message.AnyIPv4}
	session, out := ikev2.NewInitiator(time.Now(), ikev2.Options{IKE: profile.IKE, ESP: profile.ESP},
		ikev2.InitiatorOptions{Child: ikev2.ChildRequest{LocalTS: all, RemoteTS: all}}, path)
	out.Work[0].Run() // its key pair
	return session.Done(time.Now(), out.Work[0]).Datagrams[0].Data
}

// onLoopback is a configuration whose sockets are on free ports of the loopback interface.
func onLoopback(t *testing.T, management string) (string, *config.Config) {
	t.Helper()
	ports := freePorts(t, 3)
	file := good(t, fmt.Sprintf("n3: {addresses: [127.0.0.1], port: %d}\nmanagement: %s\n", ports[0], management))
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	replaced := strings.Replace(string(text), "nwu: {", fmt.Sprintf("nwu: {addresses: [127.0.0.1], ikePort: %d, nattPort: %d, ", ports[1], ports[2]), 1)
	replaced = strings.Replace(replaced, "n2: {", "n2: {transport: udp, ", 1)
	require.NoError(t, os.WriteFile(file, []byte(replaced), 0o600))
	cfg, err := config.Load(file)
	require.NoError(t, err)
	return file, cfg
}

// The signals that ask for a reload or an upgrade do not end a process that offers none: one without management.socket, and one that is about to
// take over.
func TestSignalsDoNotEndUs(t *testing.T) {
	text := &lines{}
	log := slog.New(slog.NewTextHandler(text, nil))
	run := func(ctx context.Context, p program) <-chan error {
		ended := make(chan error, 1)
		go func() { ended <- serve(ctx, p) }()
		return ended
	}
	raise := func() {
		for _, s := range []syscall.Signal{syscall.SIGUSR2, syscall.SIGHUP} {
			require.NoError(t, syscall.Kill(os.Getpid(), s))
		}
	}

	file, cfg := onLoopback(t, `{socket: ""}`)
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	ended := run(ctx, program{file: file, cfg: cfg, log: log, set: new(logSettings)})
	var said strings.Builder
	wait := func(what string) {
		t.Helper()
		require.Eventually(t, func() bool { said.WriteString(text.take()); return strings.Contains(said.String(), what) }, 30*time.Second, time.Millisecond, what)
	}
	wait("N3IWF is up")
	raise()
	wait("this process cannot be upgraded in place, and goes on")
	wait("configuration reloaded")
	stop()
	require.NoError(t, <-ended)

	socket := filepath.Join(t.TempDir(), "s")
	file, cfg = onLoopback(t, fmt.Sprintf("{socket: %q}", socket))
	l, err := net.Listen("unix", upgradeSocket(cfg))
	require.NoError(t, err)
	defer l.Close()
	ctx, stop = context.WithCancel(context.Background())
	defer stop()
	ended = run(ctx, program{file: file, cfg: cfg, log: log, set: new(logSettings), from: &takeover{patience: time.Second}})
	silent, err := l.Accept() // a process that says nothing
	require.NoError(t, err)
	defer silent.Close()
	raise()
	stop()
	require.ErrorIs(t, <-ended, context.Canceled)
}

// What is wrong with the traces shows before another process has given its UEs away.
func TestTracesBeforeTakeOver(t *testing.T) {
	dir := t.TempDir()
	file, cfg := onLoopback(t, fmt.Sprintf("{socket: %q}", filepath.Join(dir, "s")))
	cfg.Management.Traces.Endpoint, cfg.Management.Traces.CA = "https://127.0.0.1:1", filepath.Join(dir, "nothing.pem")
	err := serve(t.Context(), program{file: file, cfg: cfg, log: slog.New(slog.DiscardHandler), set: new(logSettings), from: &takeover{}})
	require.ErrorContains(t, err, "management.traces.ca")
	require.NotContains(t, err.Error(), "no process to take over from")
}

// TestServeTraces: management.traces alone makes a running N3IWF send spans, also those of a UE that it ends with.
func TestServeTraces(t *testing.T) {
	got := make(chan string, 10)
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got <- r.URL.Path }))
	t.Cleanup(collector.Close)
	file, cfg := onLoopback(t, fmt.Sprintf("{socket: \"\", traces: {endpoint: %q}}", collector.URL))
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, program{file: file, cfg: cfg, log: slog.New(slog.NewTextHandler(t.Output(), nil)), set: new(logSettings)})
	}()
	t.Cleanup(stop)
	to := netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), cfg.NWu.IKEPort)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	request := initRequest(ikev2.Path{Local: conn.LocalAddr().(*net.UDPAddr).AddrPort(), Remote: to})
	answer := make([]byte, 2000)
	require.Eventually(t, func() bool { // until its socket is there
		_, err := conn.Write(request)
		if err == nil {
			_ = conn.SetReadDeadline(time.Now().Add(100 * time.Millisecond))
			_, err = conn.Read(answer)
		}
		return err == nil
	}, 30*time.Second, 10*time.Millisecond)
	stop()
	require.NoError(t, <-ended)
	require.Len(t, got, 1)
	require.Equal(t, "/v1/traces", <-got)
}

// A process that has taken over, and whose API finds its address taken, opens it as soon as that is free.
func TestAPIOpensAgain(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, cfg := onLoopback(t, fmt.Sprintf("{socket: \"\", observe: %q}", taken.Addr()))
	text := &lines{}
	log := slog.New(slog.NewTextHandler(text, nil))
	nf, err := n3iwf.New(cfg, log)
	require.NoError(t, err)
	m := &management{program: program{cfg: cfg, log: log, set: new(logSettings)}, nf: nf}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	require.False(t, m.openAgain(gone))
	require.Contains(t, text.take(), "no management API, and no upgrade in place, for now; UEs are served, and it is tried again")
	opened := make(chan bool, 1)
	go func() { opened <- m.openAgain(t.Context()) }()
	require.Eventually(t, func() bool { return strings.Contains(text.take(), "it is tried again") }, 30*time.Second, time.Millisecond)
	require.NoError(t, taken.Close())
	require.True(t, <-opened)
	require.Equal(t, taken.Addr().String(), m.server.Addr("observe").String())
	ended, end := context.WithCancel(t.Context())
	end()
	require.NoError(t, m.server.Serve(ended))
	require.NoError(t, discard(t.Context(), nf))
}
