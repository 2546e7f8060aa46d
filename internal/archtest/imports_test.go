// SPDX-License-Identifier: Apache-2.0

package archtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

const module = "github.com/open-n3iwf/n3iwf"

// layers are the storeys of the house, from the top. A package may import packages of its own layer and of lower ones,
// never of a higher one. A package belongs to the entry with its longest matching prefix.
var layers = [][]string{
	{"cmd", "deploy"},
	{"n3iwf/api"},
	{"n3iwf", "test"},
	{"gre/relay", "gre/ebpf"},
	{"nwu"},
	{"ikev2", "ngap", "gre", "nwu/eap5g", "config"},
	{"ngap/aper", "ikev2/message", "ikev2/suite", "internal"},
}

// strangers are packages (with all below them) that know nothing of the other ones of this module, except of what is
// named here. Internal packages are tools that everyone may use.
var strangers = map[string][]string{
	"ikev2":            {"ikev2"},
	"ngap":             {"ngap"},
	"gre":              {"gre"}, // gre itself and gre/gtpu; gre/relay and gre/ebpf have their own entries
	"gre/relay":        {"gre", "nwu/ipsec"},
	"gre/ebpf":         {"gre", "nwu/ipsec"},
	"nwu/eap5g":        {"nwu/eap5g"},
	"nwu/ipsec":        {"nwu/ipsec"}, // plain IPsec, no 5G; suites come as numbers and keys
	"nwu/nas":          {"nwu/nas"},
	"config":           {},
	"config/free5gc":   {"config"},
	"config/reference": {"config"},
	"test/lab/nas": {
		"test/lab/nas",
	},
	"internal": {"internal"},
}

// pureCores have no I/O: a protocol takes datagrams and the time, and returns what to do (DESIGN 1). What they must not
// import shows that.
var pureCores = []string{"ikev2", "ngap", "ngap/aper", "gre", "gre/gtpu", "nwu/eap5g", "test/lab/nas"}

var ioPackages = []string{"os", "syscall", "golang.org/x/sys/unix", "golang.org/x/net/ipv4", "golang.org/x/net/ipv6"}

type pkg struct {
	ImportPath, Dir  string
	GoFiles, Imports []string
}

// goCommand runs the go command in the root of the module.
func goCommand(t *testing.T, args ...string) ([]byte, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	cmd.Stderr = os.Stderr
	return cmd.Output()
}

// graph returns the packages of this module by their path below it, as the go command sees them.
func graph(t *testing.T) map[string]*pkg {
	t.Helper()
	out, err := goCommand(t, "list", "-e", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	require.NoError(t, err)
	packages := map[string]*pkg{}
	dec := json.NewDecoder(bytes.NewReader(out))
	for {
		var p pkg
		err := dec.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		packages[own(p.ImportPath)] = &p
	}
	require.Greater(t, len(packages), 5)
	return packages
}

// own returns the path of a package of this module below the module, "." for its root and "" for other packages.
func own(path string) string {
	if path == module {
		return "."
	}
	rest, ok := strings.CutPrefix(path, module+"/")
	if !ok {
		return ""
	}
	return rest
}

func within(path, root string) bool { return path == root || strings.HasPrefix(path, root+"/") }

func layerOf(path string) int {
	best, length := -1, 0
	for i, roots := range layers {
		for _, r := range roots {
			if within(path, r) && len(r) > length {
				best, length = i, len(r)
			}
		}
	}
	return best
}

// upward lists the imports that point up, or into a room that others may not enter.
func upward(packages map[string]*pkg) (wrong []string) {
	report := func(path, to, why string) { wrong = append(wrong, path+" imports "+to+": "+why) }
	for path, p := range packages {
		for _, i := range p.Imports {
			to := own(i)
			switch {
			case to == "" || path == ".":
			case layerOf(to) < layerOf(path):
				report(path, to, "it lies above")
			case within(to, "cmd"):
				report(path, to, "nobody imports a command")
			case within(to, "n3iwf") && !within(path, "n3iwf") && !within(path, "cmd") && !within(path, "test"):
				report(path, to, "only commands and tests stand above the network function")
			case within(to, "test") && !within(path, "test") && !within(path, "cmd/nwulab"):
				report(path, to, "only cmd/nwulab uses the lab")
			case within(path, "test/lab") && within(to, "n3iwf"):
				report(path, to, "the lab is the counterpart of the network function and shares no procedure with it")
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

// acquaintances lists the imports of packages that should know nothing of each other.
func acquaintances(packages map[string]*pkg) (wrong []string) {
	for path, p := range packages {
		root := ""
		for r := range strangers {
			if within(path, r) && len(r) > len(root) {
				root = r
			}
		}
		if root == "" {
			continue
		}
		for _, i := range p.Imports {
			to := own(i)
			if to == "" || within(to, "internal") {
				continue
			}
			known := slices.ContainsFunc(strangers[root], func(k string) bool { return within(to, k) })
			if !known || root == "gre" && (within(to, "gre/relay") || within(to, "gre/ebpf")) {
				wrong = append(wrong, path+" imports "+to+", of which "+root+" must know nothing")
			}
		}
	}
	slices.Sort(wrong)
	return wrong
}

func TestArrowsPointDown(t *testing.T) {
	packages := graph(t)
	for path := range packages {
		require.True(t, path == "." || layerOf(path) >= 0, "package %s has no place: add it to layers here, and to the rooms of the design", path)
	}
	require.Empty(t, upward(packages))
}

func TestStrangers(t *testing.T) { require.Empty(t, acquaintances(graph(t))) }

func TestRulesFindWhatTheyForbid(t *testing.T) {
	for _, wrong := range [][2]string{
		{"nwu", "n3iwf"}, {"nwu", "gre/relay"}, {"ikev2/message", "ikev2"}, {"cmd/nwulab", "cmd/n3iwf"}, {"n3iwf", "test/lab"},
		{"cmd/n3iwf", "test/lab"}, {"test/lab", "n3iwf"}, {"internal/udpbatch", "nwu"},
	} {
		p := map[string]*pkg{wrong[0]: {Imports: []string{module + "/" + wrong[1]}}}
		require.Len(t, upward(p), 1, wrong)
	}
	for _, wrong := range [][2]string{
		{"ikev2", "ngap"}, {"ikev2/message", "gre"}, {"ngap/aper", "ikev2/suite"}, {"gre/gtpu", "ngap"}, {"gre", "gre/relay"}, {"nwu/eap5g", "ikev2"},
		{"nwu/ipsec/user", "nwu/eap5g"}, {"config", "ikev2"}, {"gre/relay", "ikev2"},
	} {
		p := map[string]*pkg{wrong[0]: {Imports: []string{module + "/" + wrong[1]}}}
		require.Len(t, acquaintances(p), 1, wrong)
	}
	fine := map[string]*pkg{
		"cmd/nwulab": {Imports: []string{module + "/test/lab", module + "/config", module + "/n3iwf", "net"}},
		"n3iwf":      {Imports: []string{module + "/nwu", module + "/ngap/transport", module + "/gre/relay", module + "/config"}},
		"gre/relay":  {Imports: []string{module + "/gre/gtpu", module + "/nwu/ipsec", module + "/internal/udpbatch"}},
	}
	require.Empty(t, upward(fine))
	require.Empty(t, acquaintances(fine))
}

func TestCoresDoNoIO(t *testing.T) {
	packages := graph(t)
	for _, core := range pureCores {
		p := packages[core]
		if p == nil {
			t.Errorf("%s does not exist", core)
			continue
		}
		for _, i := range p.Imports {
			if slices.Contains(ioPackages, i) {
				t.Errorf("%s imports %s; its caller does the input and output", core, i)
			}
			if i == "net" {
				require.Empty(t, socketNames(t, p), "%s uses package net for more than the addresses in a certificate", core)
			}
		}
	}
}

// socketNames lists what a package's files use of package net, other than the type of addresses in crypto/x509.
func socketNames(t *testing.T, p *pkg) (names []string) {
	t.Helper()
	selector := regexp.MustCompile(`\bnet\.([A-Z]\w*)`)
	for _, file := range p.GoFiles {
		text, err := os.ReadFile(filepath.Join(p.Dir, file))
		require.NoError(t, err)
		for _, m := range selector.FindAllSubmatch(text, -1) {
			if name := string(m[1]); name != "IP" {
				names = append(names, file+": net."+name)
			}
		}
	}
	return names
}

// The names in the rules must exist, or a rule would hold only because it is misspelt.
func TestRulesNamePackages(t *testing.T) {
	packages := graph(t)
	exists := func(root string) bool {
		for path := range packages {
			if within(path, root) {
				return true
			}
		}
		return false
	}
	for _, roots := range layers {
		for _, r := range roots {
			require.True(t, exists(r), r)
		}
	}
	for r := range strangers {
		require.True(t, exists(r), r)
	}
}

// A test skips itself only through internal/testenv, so that make test can name every skip, and CI refuse it.
func TestSkipsAreNamed(t *testing.T) {
	skip := regexp.MustCompile(`\b(t|b|tb)\.Skip(f|Now)?\(`)
	err := fs.WalkDir(os.DirFS("../.."), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(path, ".go") || within(path, "internal/testenv") || within(path, "internal/archtest") {
			return err
		}
		text, err := os.ReadFile("../../" + path)
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a build's temporary file
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if skip.Match(line) {
				t.Errorf("%s:%d skips by itself; use internal/testenv", path, i+1)
			}
		}
		return err
	})
	require.NoError(t, err)
}

// toolModules are modules of tools; they belong to tools/go.mod.
var toolModules = []string{"golangci", "staticcheck", "honnef.co", "helm.sh", "kubeconform", "golang.org/x/perf", "golang.org/x/tools", "gofumpt"}

func TestProductModuleIsLean(t *testing.T) {
	text, err := goCommand(t, "mod", "edit", "-json")
	require.NoError(t, err)
	var mod struct {
		Require       []struct{ Path string }
		Tool, Replace []any
	}
	require.NoError(t, json.Unmarshal(text, &mod))
	require.NotEmpty(t, mod.Require)
	require.Empty(t, mod.Tool, "tools belong to tools/go.mod")
	require.Empty(t, mod.Replace, "go install of a module with replace directives fails")
	for _, r := range mod.Require {
		require.False(t, slices.ContainsFunc(toolModules, func(m string) bool { return strings.Contains(r.Path, m) }), "%s belongs to tools/go.mod", r.Path)
	}
	// What only tests use must not be linked into the product.
	out, err := goCommand(t, "list", "-e", "-deps", "-f", "{{.ImportPath}}", "./cmd/n3iwf")
	require.NoError(t, err)
	for dep := range strings.Lines(string(out)) {
		dep = strings.TrimSpace(dep)
		for _, only := range []string{"testing", "github.com/stretchr", "github.com/google/go-cmp", "github.com/google/gopacket", "go.uber.org/goleak", "pgregory.net/rapid", module + "/test"} {
			require.False(t, within(dep, only), "cmd/n3iwf links %s", dep)
		}
	}
}
