// SPDX-License-Identifier: Apache-2.0

// Package e2e runs the programs of the project as their users do.
package e2e

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

var bin string // where the programs are built

func TestMain(m *testing.M) {
	os.Exit(func() int {
		if os.Getenv(ownNetworkOf) != "" {
			return m.Run() // a test that runs no program
		}
		dir, err := os.MkdirTemp("", "n3iwf-e2e-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		build := exec.Command("go", "build", "-buildvcs=false", "-o", dir, "../../cmd/...")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			panic(err)
		}
		return m.Run()
	}())
}

// result is the contract of --json.
type result struct {
	OK    bool `json:"ok"`
	Steps []struct {
		Name string  `json:"name"`
		MS   float64 `json:"ms"`
		OK   bool    `json:"ok"`
	} `json:"steps"`
	Moves []struct {
		Kind  string  `json:"kind"`
		GapMS float64 `json:"gap_ms"`
		Sent  int     `json:"sent"`
		Lost  int     `json:"lost"`
		Kept  struct {
			SPI          bool `json:"spi"`
			Keys         bool `json:"keys"`
			InnerAddress bool `json:"inner_address"`
			PDUSession   bool `json:"pdu_session"`
			TEID         bool `json:"teid"`
		} `json:"kept"`
		ReturnRoutability bool `json:"return_routability"`
	} `json:"moves"`
	Throughput struct {
		UL float64 `json:"ul_mbps"`
		DL float64 `json:"dl_mbps"`
	} `json:"throughput"`
	Relays []struct {
		Name    string `json:"name"`
		Address string `json:"address"`
		Prefix  string `json:"prefix"`
		Up      uint64 `json:"packets_up"`
		Down    uint64 `json:"packets_down"`
	} `json:"relays"`
}

// demo runs nwulab demo and checks what it promises.
func demo(t *testing.T, dir string, args ...string) result {
	t.Helper()
	r := runDemo(t, dir, []string{"address", "nat", "port", "ipv6", "ipv4"}, args...)
	require.Empty(t, r.Relays)
	return r
}

// relayDemo is the same for nwulab demo --relay.
func relayDemo(t *testing.T, dir string, args ...string) {
	t.Helper()
	r := runDemo(t, dir, []string{"relay", "wlan", "relay", "port", "ipv6", "ipv4"}, append(args, "--relay")...)
	require.Len(t, r.Relays, 2)
	for _, relay := range r.Relays {
		require.Greater(t, relay.Up, uint64(500), relay.Name)
		require.Greater(t, relay.Down, uint64(500), relay.Name)
	}
	for _, m := range r.Moves {
		require.True(t, m.ReturnRoutability, m.Kind)
	}
}

func runDemo(t *testing.T, dir string, want []string, args ...string) result {
	t.Helper()
	jsonFile, htmlFile := filepath.Join(dir, "demo.json"), filepath.Join(dir, "demo-report.html")
	cmd := exec.Command(filepath.Join(bin, "nwulab"), append([]string{"demo", "--dir", dir, "--json", jsonFile, "--html", htmlFile}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	t.Log(out.String())
	require.NoError(t, err, "nwulab demo")
	b, err := os.ReadFile(jsonFile)
	require.NoError(t, err)
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var r result
	require.NoError(t, d.Decode(&r))
	require.True(t, r.OK)
	var kinds []string
	for _, m := range r.Moves {
		kinds = append(kinds, m.Kind)
		require.True(t, m.Kept.SPI && m.Kept.Keys && m.Kept.InnerAddress && m.Kept.PDUSession && m.Kept.TEID, "%s: %+v", m.Kind, m.Kept)
		require.Greater(t, m.Sent, 100, m.Kind)
		if m.Kind != "port" {
			require.Zero(t, m.Lost, m.Kind)
		}
	}
	require.Equal(t, want, kinds)
	require.Positive(t, r.Throughput.UL)
	require.Positive(t, r.Throughput.DL)
	page, err := os.ReadFile(htmlFile)
	require.NoError(t, err)
	require.Contains(t, string(page), "<svg")
	return r
}

// TestDemoOnLoopback is the demo of those who are not root.
func TestDemoOnLoopback(t *testing.T) {
	demo(t, t.TempDir(), "--loopback")
}

// TestRelayDemoOnLoopback is nwulab demo --relay for those who are not root.
func TestRelayDemoOnLoopback(t *testing.T) {
	relayDemo(t, t.TempDir(), "--loopback")
}

// TestRelayDemoInNamespaces is nwulab demo --relay with real routes: relays are routers to the remote UE, and IPv6 is without NAT from end to end.
func TestRelayDemoInNamespaces(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedTool(t, "ip", "iproute2")
	testenv.NeedTool(t, "nft", "nftables")
	testenv.NeedTool(t, "conntrack", "conntrack")
	dir := t.TempDir()
	relayDemo(t, dir)
	log, err := os.ReadFile(filepath.Join(dir, "n3iwf.log"))
	require.NoError(t, err)
	require.Contains(t, string(log), "[fd45:100:0:1::2]:4500", "the remote UE's own address and port")
}

// TestDemoInNamespaces is the demo with real routes and a real NAT, once for each policy of the return routability check.
func TestDemoInNamespaces(t *testing.T) {
	testenv.NeedRoot(t)
	testenv.NeedTool(t, "ip", "iproute2")
	testenv.NeedTool(t, "nft", "nftables")
	testenv.NeedTool(t, "conntrack", "conntrack")
	for _, policy := range []string{"after", "off"} {
		t.Run(policy, func(t *testing.T) {
			r := demo(t, t.TempDir(), "--routability", policy)
			for _, m := range r.Moves {
				// A NAT that gives another address is followed by proof only, whatever the policy of updates is.
				require.True(t, m.ReturnRoutability == (policy != "off") || m.Kind == "nat", m.Kind)
			}
		})
	}
}
