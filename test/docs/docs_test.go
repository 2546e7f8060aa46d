// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"bytes"
	"context"
	"fmt"
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

const root = "../.."

// pages are all that people read.
func pages(t *testing.T) (list []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "deploy/helm/*.md", "ikev2/*.md", "n3iwf/*.md", "test/*/*.md", "ngap/*/*.md"} {
		names, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		list = append(list, names...)
	}
	require.Greater(t, len(list), 8)
	return list
}

var block = regexp.MustCompile("(?s)\n```sh\n(.*?)\n```\n")

// elsewhere are commands that other tests run: `make test` runs this one, and each target is checked to exist.
var elsewhere = regexp.MustCompile(`(?m)^make [a-z-]+.*$`)

// script is what a page tells people to type.
func script(text string) string {
	var b strings.Builder
	for _, m := range block.FindAllStringSubmatch(text, -1) {
		b.WriteString(m[1] + "\n")
	}
	return elsewhere.ReplaceAllString(b.String(), "")
}

func TestCommands(t *testing.T) {
	testenv.NeedRoot(t)
	for tool, from := range map[string]string{"ip": "iproute2", "curl": "curl", "openssl": "openssl"} {
		testenv.NeedTool(t, tool, from)
	}
	bin := t.TempDir()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", bin+"/", root+"/cmd/...")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	source, err := filepath.Abs(root)
	require.NoError(t, err)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		if filepath.Base(page) == "nwulab.md" {
			continue // cmd/nwulab has a test of its own for it
		}
		if commands := script(string(text)); strings.TrimSpace(commands) != "" {
			t.Run(filepath.Base(page), func(t *testing.T) { run(t, source, bin, commands) })
		}
	}
}

// run runs the commands of a page. What they leave running ends with the namespace.
func run(t *testing.T, source, bin, commands string) {
	dir := t.TempDir()
	require.NoError(t, os.Symlink(bin, filepath.Join(dir, "bin")))
	for _, name := range []string{"config", "test", "deploy"} {
		require.NoError(t, os.Symlink(filepath.Join(source, name), filepath.Join(dir, name)))
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	// Processes in the background end with the shell; the namespaces of network and processes go with it.
	cmd := exec.CommandContext(ctx, "unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "bash", "-euxo", "pipefail", "-c", "ip link set lo up\n"+commands)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 5 * time.Second
	require.NoError(t, cmd.Run(), "%s", out.String())
}

var (
	link   = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	target = regexp.MustCompile(`(?m)^make ([a-z][a-z0-9-]*)`)
)

// TestLinks follows every link that stays in the repository, and looks for every make target that a page names.
func TestLinks(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	require.NoError(t, err)
	for _, page := range pages(t) {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			to, _, _ := strings.Cut(m[1], "#")
			if to == "" || strings.Contains(to, "://") || strings.HasPrefix(to, "mailto:") {
				continue
			}
			_, err := os.Stat(filepath.Join(filepath.Dir(page), to))
			require.NoError(t, err, "%s links to %s", page, m[1])
		}
		for _, m := range block.FindAllStringSubmatch(string(text), -1) {
			for _, name := range target.FindAllStringSubmatch(m[1], -1) {
				require.Regexp(t, fmt.Sprintf(`(?m)^([a-z ]* )?%s\b[a-z ]*:`, regexp.QuoteMeta(name[1])), string(makefile), "%s names make %s", page, name[1])
			}
		}
	}
}
