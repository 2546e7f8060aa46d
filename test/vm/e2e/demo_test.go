// SPDX-License-Identifier: Apache-2.0

//go:build linux && kernelipsec

package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// result is what is asked of the demo's --json.
type result struct {
	OK    bool `json:"ok"`
	Moves []struct {
		Kind  string          `json:"kind"`
		GapMS float64         `json:"gap_ms"`
		Sent  int             `json:"sent"`
		Lost  int             `json:"lost"`
		Kept  map[string]bool `json:"kept"`
	} `json:"moves"`
	Throughput struct {
		UL float64 `json:"ul_mbps"`
		DL float64 `json:"dl_mbps"`
	} `json:"throughput"`
}

// The whole demo with ESP in the kernel at both ends and the kernel's SCTP: every step holds, every move keeps what it must keep, and those that are made
// before the old path breaks lose nothing.
func TestKernelDemo(t *testing.T) {
	dir := t.TempDir()
	numbers, report := filepath.Join(os.Getenv("ARTEFACTS"), "demo-kernel.json"), filepath.Join(os.Getenv("ARTEFACTS"), "demo-kernel.html")
	cmd := exec.Command("nwulab", "demo", "--n3iwf", "/usr/bin/n3iwf", "--dataplane", "kernel", "--sctp", "kernel", "--rate", "100", "--bulk", "500ms", "--dir", dir, "--json", numbers, "--html", report)
	watch := watchCounters(t)
	out, err := cmd.CombinedOutput()
	counters := watch()
	t.Logf("%s", out)
	if err != nil {
		t.Logf("counters:\n%s", counters)
		for _, name := range []string{"n3iwf", "ue", "core"} {
			log, _ := os.ReadFile(filepath.Join(dir, name+".log"))
			t.Logf("%s:\n%s", name, log)
		}
	}
	encap6 := testenv.KernelAtLeast(t, 5, 8) // without ESP in UDP over IPv6 the N3IWF refuses the move there
	require.Equal(t, encap6, err == nil)
	raw, err := os.ReadFile(numbers)
	require.NoError(t, err)
	var r result
	require.NoError(t, json.Unmarshal(raw, &r))
	require.Equal(t, encap6, r.OK)
	if encap6 {
		require.Len(t, r.Moves, 5)
	}
	for _, m := range r.Moves[:min(len(r.Moves), 5)] {
		require.NotEmpty(t, m.Kept)
		for what, kept := range m.Kept {
			require.True(t, kept, "%s: %s", m.Kind, what)
		}
		require.Positive(t, m.Sent, m.Kind)
		if m.Kind != "port" {
			require.Zero(t, m.Lost, m.Kind)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "n3iwf.log"))
	require.NoError(t, err)
	require.Equal(t, hasPrograms(t), strings.Contains(string(log), "user packets are forwarded in the kernel"))
	require.Positive(t, r.Throughput.UL)
	require.Positive(t, r.Throughput.DL)
}

// watchCounters follows the kernel's IPsec and UDP counters of all namespaces, which are gone with the demo; its result gives their last values.
func watchCounters(t *testing.T) func() string {
	t.Helper()
	quit, done := make(chan struct{}), make(chan string)
	go func() {
		last := map[string]string{}
		for tick := time.NewTicker(500 * time.Millisecond); ; {
			select {
			case <-quit:
				var b strings.Builder
				for name, text := range last {
					fmt.Fprintln(&b, name, text)
				}
				done <- b.String()
				return
			case <-tick.C:
			}
			names, _ := os.ReadDir("/run/netns")
			for _, n := range names {
				out, err := exec.Command("ip", "netns", "exec", n.Name(), "cat", "/proc/net/xfrm_stat", "/proc/net/snmp6").Output()
				if err != nil {
					continue
				}
				var b strings.Builder
				for line := range strings.Lines(string(out)) {
					if f := strings.Fields(line); len(f) == 2 && f[1] != "0" && (strings.HasPrefix(f[0], "Xfrm") || strings.HasPrefix(f[0], "Ip6") || strings.HasPrefix(f[0], "Udp6")) {
						fmt.Fprintf(&b, "%s=%s ", f[0], f[1])
					}
				}
				last[n.Name()] = b.String()
			}
		}
	}()
	return func() string { close(quit); return <-done }
}
