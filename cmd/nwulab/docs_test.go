// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

var shell = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n")

// TestDocumentation runs every command of docs/nwulab.md, in one shell and an empty folder, with the programs as they are built.
func TestDocumentation(t *testing.T) {
	testenv.NeedTool(t, "bash", "bash")
	page, err := os.ReadFile("../../docs/nwulab.md")
	require.NoError(t, err)
	programs, dir := t.TempDir(), t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", programs+"/", ".", "../n3iwf")
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	script := "set -euo pipefail\ntrap 'kill -INT $(jobs -p); wait' EXIT\n"
	blocks := shell.FindAllStringSubmatch(string(page), -1)
	require.Greater(t, len(blocks), 6)
	for _, block := range blocks {
		script += block[1] + "\n"
	}
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+programs+":"+os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 10 * time.Second
	limit := time.AfterFunc(2*time.Minute, func() { _ = cmd.Cancel() })
	defer limit.Stop()
	out, err = cmd.CombinedOutput()
	logs := ""
	for _, name := range []string{"core.log", "n3iwf.log", "status.txt"} {
		text, _ := os.ReadFile(filepath.Join(dir, name)) // absent when the script did not come so far
		logs += name + ":\n" + string(text)
	}
	require.NoError(t, err, "%s\n%s", out, logs)

	text := string(out)
	for _, want := range []string{"registered", "PDU session address 10.45.", "ping 192.0.2.1", " 0 failed", "30 of 30 UEs up", "deregistration"} {
		require.Contains(t, text, want)
	}
	var load struct{ OK bool }
	b, err := os.ReadFile(filepath.Join(dir, "load.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &load))
	require.True(t, load.OK)
	html, err := os.ReadFile(filepath.Join(dir, "load.html"))
	require.NoError(t, err)
	require.Contains(t, string(html), "<svg")
	var found struct {
		OK     bool
		Checks []struct{ Name, Outcome string }
	}
	b, err = os.ReadFile(filepath.Join(dir, "conformance.json"))
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(b, &found))
	require.True(t, found.OK)
	require.Equal(t, "move-port", found.Checks[len(found.Checks)-1].Name)
	// The page has every command of the program.
	for _, name := range strings.Fields("ue core load conformance demo relay") {
		require.Contains(t, string(page), "`nwulab "+name+"`")
	}
}

// TestExitStatus: a run that fails says so, and how.
func TestExitStatus(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"conformance", "-c", "nowhere.yaml"}, "name the UE's configuration"},
		{[]string{"conformance", "-o", "xml"}, "want table or json"},
		{[]string{"conformance", "-c", "../../test/lab/ue/ue.example.yaml"}, "authority"},
		{[]string{"load", "-c", "nowhere.yaml"}, "name the UE's configuration"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			root := newCommand()
			root.SetArgs(c.args)
			require.ErrorContains(t, root.ExecuteContext(t.Context()), c.want)
		})
	}
}
