// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// freePorts finds UDP ports that nobody uses at the moment.
func freePorts(t *testing.T, n int) (ports []any) {
	t.Helper()
	for range n {
		c, err := net.ListenPacket("udp4", "127.0.0.1:0")
		require.NoError(t, err)
		defer c.Close()
		ports = append(ports, c.LocalAddr().(*net.UDPAddr).Port)
	}
	return ports
}

// TestAskARunningN3IWF starts the program without an AMF and asks it everything.
func TestAskARunningN3IWF(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "api.sock")
	file := good(t, fmt.Sprintf("n3: {addresses: [127.0.0.1], port: %d}\nmanagement: {socket: %q}\n", freePorts(t, 1)[0], socket))
	cfg, err := config.Load(file)
	require.NoError(t, err)
	ports := freePorts(t, 2)
	cfg.NWu.Addresses = cfg.NWu.Addresses[:1]
	cfg.NWu.IKEPort, cfg.NWu.NATTPort = uint16(ports[0].(int)), uint16(ports[1].(int))
	cfg.N2.Transport = "udp"
	set := new(logSettings)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- serve(ctx, program{file: file, cfg: cfg, log: slog.New(slog.DiscardHandler), set: set})
	}()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-ended)
	})
	ask := func(args ...string) (string, error) {
		out, _, err := execute(nil, append(args, "--server", socket)...)
		return out, err
	}
	require.Eventually(t, func() bool { _, err := ask("ues"); return err == nil }, 20*time.Second, 5*time.Millisecond)

	out, err := ask("status")
	require.ErrorIs(t, err, errNotReady)
	require.Equal(t, exitFailed, exitStatus(err))
	require.Contains(t, out, "0 of 1 connected")
	require.Regexp(t, `CRITICAL +no AMF is connected: UEs cannot register`, out)
	require.Regexp(t, `(?m)^ESP +in this process$`, out)
	require.Regexp(t, `(?m)^user packets +relayed by this process: ESP is in this process$`, out)
	out, err = ask("status", "-o", "json")
	require.NoError(t, err)
	var status api.Status
	require.NoError(t, json.Unmarshal([]byte(out), &status))
	require.Equal(t, "n3iwf", status.Name)
	out, err = ask("amfs")
	require.NoError(t, err)
	require.Regexp(t, `192\.0\.2\.10:38412 +no connection`, out)
	out, err = ask("sas")
	require.NoError(t, err)
	require.Contains(t, out, "SPI-IN")
	_, err = ask("ue", "7")
	require.ErrorContains(t, err, "there is no UE 7")
	_, err = ask("release", "x")
	require.ErrorContains(t, err, `"x" is not the number of a UE`)
	out, err = ask("log-level", "debug")
	require.NoError(t, err)
	require.Equal(t, "debug\n", out)
	require.Equal(t, slog.LevelDebug, set.level.Level())
	_, err = ask("ues", "-o", "xml")
	require.ErrorContains(t, err, "choose table or json")

	_, _, err = execute(nil, "status", "--server", socket+"x")
	require.ErrorContains(t, err, "is it running")
}

// Who forwards user packets, and why not somebody faster, in an operator's words.
func TestForwardedBy(t *testing.T) {
	for text, u := range map[string]api.UserPlane{
		"relayed by this process: configured":              {Kind: "relay", Reason: "configured"},
		"forwarded in the kernel (eBPF), N3 on eth0, eth1": {Kind: "ebpf", N3: []string{"eth0", "eth1"}, Pinned: true},
		"forwarded in the kernel (eBPF), N3 on v0; checksums filled in on v0": {
			Kind: "ebpf", N3: []string{"v0"}, Checksums: []string{"v0"},
		},
		"forwarded in the kernel (eBPF), N3 on v0; PDU sessions relayed by this process, as all with IPv6 are: 2": {
			Kind: "ebpf", N3: []string{"v0"}, Relayed: 2, Pinned: true,
		},
	} {
		require.Equal(t, text, forwardedBy(u))
	}
}
