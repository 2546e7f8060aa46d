// SPDX-License-Identifier: Apache-2.0

package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// shown says of each command that stands in a sentence, a table or a console block what runs it: a folder and a test, or why none does ("not run: ...").
// What is in sh blocks is run by TestCommands.
var shown = map[string]string{
	"n3iwf status":        "test/e2e TestCommandLine",
	"n3iwf ues":           "test/e2e TestCommandLine",
	"n3iwf ue":            "test/e2e TestCommandLine",
	"n3iwf amfs":          "test/e2e TestCommandLine",
	"n3iwf release":       "test/e2e TestCommandLine",
	"n3iwf move":          "test/e2e TestCommandLine",
	"n3iwf rekey":         "test/e2e TestCommandLine",
	"n3iwf log-level":     "test/e2e TestCommandLine",
	"n3iwf drain":         "test/docs TestCommands",
	"n3iwf run":           "test/docs TestCommands",
	"n3iwf check":         "cmd/n3iwf TestCheck",
	"n3iwf cert":          "cmd/n3iwf TestCert",
	"n3iwf import":        "cmd/n3iwf TestImport",
	"nwulab ue":           "cmd/nwulab TestDocumentation",
	"nwulab core":         "cmd/nwulab TestDocumentation",
	"nwulab load":         "cmd/nwulab TestDocumentation",
	"nwulab conformance":  "cmd/nwulab TestDocumentation",
	"nwulab relay":        "test/e2e TestRelayDemoOnLoopback",
	"nwulab demo":         "test/e2e TestDemoOnLoopback",
	"make demo":           "test/e2e TestDemoOnLoopback",
	"make test":           "not run: it runs this test",
	"make build":          "not run: it is go build, which all tests with programs do",
	"make bench":          "test/bench TestBenchSmoke",
	"make bench-kernel":   "not run: it takes eleven minutes; the suite bench of test/vm",
	"make sim":            "test/sim TestSeeds",
	"make soak":           "not run: it takes hours; it is make sim and make fuzz for longer",
	"make test-kernel":    "not run: the phase kernel of make test is the same",
	"make interop":        "not run: a phase of make test",
	"make helm":           "not run: a phase of make test",
	"make image":          "not run: a phase of make test, which make deploy is, runs it",
	"make dist":           "deploy/dist TestDist",
	"go run ./test/bench": "test/bench TestBenchSmoke",
	"go run ./test/vm":    "test/vm TestChoose",
	"systemctl restart":   "deploy/systemd TestStart",
	"systemctl reload":    "deploy/systemd TestStart",
	"systemctl kill":      "deploy/systemd TestStart",
	"kill":                "not run: the pages' own jobs end with their namespace, and upgrade.md runs it in a block",
	"kubectl":             "not run: it needs a cluster; what it asks is n3iwf status",
	"helm install":        "not run: it needs a cluster; make helm renders the chart with these values",
	"helm upgrade":        "not run: it needs a cluster; make helm renders the upgrade",
	"docker load":         "not run: it needs Docker; make deploy reads the archive by a registry client's library",
	"podman load":         "not run: as docker load",
	"ctr image import":    "not run: as docker load",
	"skopeo copy":         "not run: as docker load",
	"apt install":         "not run: it would change this machine; deploy/dist reads the package by dpkg-deb",
	"modprobe sctp":       "not run: it would change this machine; test/vm loads the module",
	"modprobe -a":         "not run: likewise, where the kernel is older; test/vm -kernel bullseye loads the modules",
	"sysctl net.":         "not run: it would change this machine",
	"ethtool":             "not run: it would change this machine",
	"ss -lunp":            "not run: it only shows; of another package than this project's",
	"tcpdump":             "not run: it only shows; of another package than this project's",
	"ip link set":         "not run: it would change this machine; test/vm does it",
}

var (
	console  = regexp.MustCompile("(?s)\n```console\n(.*?)\n```\n")
	sentence = regexp.MustCompile("`((?:n3iwf|nwulab|make|go run|systemctl|kill|pkill|kubectl|helm|docker|podman|ctr|skopeo|apt|apt-get|modprobe|sysctl|ethtool|ss|tcpdump|ip|bin/[a-z0-9]+|openssl|curl) [^`\n]+)`")
	flag     = regexp.MustCompile(`(?:^|\s)(--?[a-z][a-z0-9-]*)`)
	lone     = regexp.MustCompile("`(--[a-z][a-z0-9-]*)[^`\n]*`")
)

// TestCommandsInSentences: each command that a page names outside of the blocks that are run is run by a test or has a reason, and commands of this project have
// the subcommands and flags that the page gives them.
func TestCommandsInSentences(t *testing.T) {
	bin := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-o", bin+"/", root+"/cmd/...").CombinedOutput()
	require.NoError(t, err, "%s", out)
	helps := map[string]string{}
	help := func(program, command string) string {
		if text, ok := helps[program+command]; ok {
			return text
		}
		text, err := exec.CommandContext(t.Context(), filepath.Join(bin, program), command, "--help").CombinedOutput()
		require.NoError(t, err, "%s %s: %s", program, command, text)
		require.Contains(t, string(text), program+" "+command, "%s has no command %s", program, command)
		helps[program+command] = string(text)
		return string(text)
	}
	used := map[string]bool{}
	for _, page := range pages(t) {
		b, err := os.ReadFile(page)
		require.NoError(t, err)
		text := string(b)
		var commands []string
		for _, m := range console.FindAllStringSubmatch(text, -1) {
			commands = append(commands, strings.Split(m[1], "\n")...)
		}
		for _, m := range sentence.FindAllStringSubmatch(text, -1) {
			commands = append(commands, m[1])
		}
		for _, c := range commands {
			best := ""
			for known := range shown {
				if (c == known || strings.HasPrefix(c, known+" ") || strings.HasSuffix(known, ".") && strings.HasPrefix(c, known)) && len(known) > len(best) {
					best = known
				}
			}
			require.NotEmpty(t, best, "%s: no test runs %q, and no reason is given in this test", page, c)
			used[best] = true
			words := strings.Fields(c)
			if !slices.Contains([]string{"n3iwf", "nwulab"}, words[0]) || strings.HasPrefix(words[1], "-") {
				continue
			}
			for _, m := range flag.FindAllStringSubmatch(c, -1) {
				require.Regexp(t, `(?m)(^|\s|, )`+m[1]+`\b`, help(words[0], words[1]), "%s: %s", page, c)
			}
			help(words[0], words[1])
		}
		if filepath.Base(page) == "nwulab.md" {
			all := ""
			for _, command := range strings.Fields("ue core load conformance relay demo") {
				text := help("nwulab", command)
				all += text
				for _, m := range regexp.MustCompile(`(?m)^ .*?(--[a-z][a-z0-9-]*)`).FindAllStringSubmatch(text, -1) {
					require.True(t, m[1] == "--help" || m[1] == "--config" || strings.Contains(string(b), m[1]), "%s does not tell of %s of nwulab %s", page, m[1], command)
				}
			}
			for _, m := range lone.FindAllStringSubmatch(text, -1) {
				require.Regexp(t, `(?m)\s`+m[1]+`\b`, all, "%s names %s", page, m[1])
			}
		}
	}
	for known, by := range shown {
		require.True(t, used[known], "no page has %q any more", known)
		if strings.HasPrefix(by, "not run: ") {
			continue
		}
		folder, test, ok := strings.Cut(by, " ")
		require.True(t, ok, by)
		files, err := filepath.Glob(filepath.Join(root, filepath.FromSlash(folder), "*_test.go"))
		require.NoError(t, err)
		require.True(t, slices.ContainsFunc(files, func(f string) bool {
			b, err := os.ReadFile(f)
			return err == nil && strings.Contains(string(b), "\nfunc "+test+"(")
		}), "%s: there is no %s", known, by)
	}
}
