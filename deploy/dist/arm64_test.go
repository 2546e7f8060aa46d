// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"debug/elf"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// TestOtherArchitecture makes everything for a machine that this one is not, of two programs that compile fast: what comes out is that machine's, in the
// package's, the image's and the tar file's own words. `make dist` does it with the real ones.
func TestOtherArchitecture(t *testing.T) {
	dpkg := testenv.NeedTool(t, "dpkg-deb", "dpkg")
	root, out := t.TempDir(), filepath.Join(t.TempDir(), "dist")
	write := func(name, text string) {
		file := filepath.Join(root, filepath.FromSlash(name))
		require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	write("go.mod", "module example.org/small\n\ngo 1.26\n")
	for _, command := range commands {
		write("cmd/"+command+"/main.go", "package main\n\nvar release string\n\nfunc main() { println(release) }\n")
	}
	image, err := os.ReadFile(filepath.Join("..", "image", "main.go"))
	require.NoError(t, err)
	write("deploy/image/main.go", string(image))
	write("LICENSE", "a licence")
	o := options{root: root, out: out, version: version, architectures: []string{"arm64"}}
	require.NoError(t, o.run(t.Context()))

	name := "n3iwf-" + version + "-linux-arm64"
	files := untar(t, filepath.Join(out, name+".tar.gz"))
	for _, command := range commands {
		program, err := elf.NewFile(bytes.NewReader(files[name+"/bin/"+command]))
		require.NoError(t, err)
		require.Equal(t, elf.EM_AARCH64, program.Machine)
		require.False(t, slices.ContainsFunc(program.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }), "static")
	}
	text, err := exec.CommandContext(t.Context(), dpkg, "--field", filepath.Join(out, "n3iwf_"+version+"_arm64.deb"), "Architecture").CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Equal(t, "arm64", strings.TrimSpace(string(text)))

	list := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "SHA256SUMS")
	list.Dir = out
	text, err = list.CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Equal(t, 4, strings.Count(string(text), ": OK"))

	// The image says whose it is, and has the same program as the others.
	archived, err := exec.CommandContext(t.Context(), "tar", "-xOf", filepath.Join(out, name+".image.tar"), "manifest.json").Output()
	require.NoError(t, err)
	var manifest []struct {
		Config string
		Layers []string
	}
	require.NoError(t, json.Unmarshal(archived, &manifest))
	config, err := exec.CommandContext(t.Context(), "tar", "-xOf", filepath.Join(out, name+".image.tar"), manifest[0].Config).Output()
	require.NoError(t, err)
	require.Contains(t, string(config), `"architecture":"arm64"`)
	layer := exec.CommandContext(t.Context(), "bash", "-c", `tar -xOf "$0" "$1" | tar -xO n3iwf`, filepath.Join(out, name+".image.tar"), manifest[0].Layers[0])
	program, err := layer.Output()
	require.NoError(t, err)
	require.True(t, bytes.Equal(files[name+"/bin/n3iwf"], program))
}
