// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

const version = "1.2.3-rc1"

// TestDist makes everything for one architecture and looks into it with Debian's own tools, and with the programs that came out.
func TestDist(t *testing.T) {
	dpkg := testenv.NeedTool(t, "dpkg-deb", "dpkg")
	out := filepath.Join(t.TempDir(), "dist")
	o := options{root: "../..", out: out, version: version, architectures: []string{"amd64"}}
	require.NoError(t, o.run(t.Context()))
	name := "n3iwf-" + version + "-linux-amd64"
	deb := filepath.Join(out, "n3iwf_"+version+"_amd64.deb")

	// SHA256SUMS names every file, and is right.
	sums, err := os.ReadFile(filepath.Join(out, "SHA256SUMS"))
	require.NoError(t, err)
	want := map[string]string{}
	for line := range strings.Lines(string(sums)) {
		fields := strings.Fields(line)
		want[fields[1]] = fields[0]
	}
	require.Len(t, want, 4)
	for _, file := range []string{name + ".tar.gz", name + ".cdx.json", name + ".image.tar", filepath.Base(deb)} {
		b, err := os.ReadFile(filepath.Join(out, file))
		require.NoError(t, err)
		require.Equal(t, fmt.Sprintf("%x", sha256.Sum256(b)), want[file], file)
	}

	// The tar file has what an operator needs, and its programs run.
	files := untar(t, filepath.Join(out, name+".tar.gz"))
	for _, file := range []string{"bin/n3iwf", "bin/nwulab", "examples/n3iwf.example.yaml", "systemd/n3iwf.service", "examples/kernel.conf", "doc/LICENSE", "doc/nwulab.md", "doc/configuration.md", "doc/sbom.cdx.json"} {
		require.NotEmpty(t, files[name+"/"+file], file)
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "n3iwf")
	require.NoError(t, os.WriteFile(program, files[name+"/bin/n3iwf"], 0o755))
	text, err := exec.CommandContext(t.Context(), program, "version").CombinedOutput()
	require.NoError(t, err, "%s", text)
	require.Contains(t, string(text), "n3iwf "+version)

	// Debian's tools read the package.
	run := func(args ...string) string {
		text, err := exec.CommandContext(t.Context(), dpkg, args...).CombinedOutput()
		require.NoError(t, err, "%s", text)
		return string(text)
	}
	require.Equal(t, "n3iwf", strings.TrimSpace(run("--field", deb, "Package")))
	require.Equal(t, "1.2.3+rc1", strings.TrimSpace(run("--field", deb, "Version")))
	require.Equal(t, "amd64", strings.TrimSpace(run("--field", deb, "Architecture")))
	list := run("--contents", deb)
	for _, file := range []string{"./usr/bin/n3iwf", "./usr/bin/nwulab", "./lib/systemd/system/n3iwf.service", "./usr/share/doc/n3iwf/examples/n3iwf.example.yaml", "./usr/share/doc/n3iwf/copyright"} {
		require.Contains(t, list, " "+file+"\n")
	}
	require.NotContains(t, list, "LICENSE")
	extracted := filepath.Join(dir, "deb")
	run("--raw-extract", deb, extracted)
	installed, err := os.ReadFile(filepath.Join(extracted, "usr", "bin", "n3iwf"))
	require.NoError(t, err)
	require.Equal(t, files[name+"/bin/n3iwf"], installed)
	check := exec.CommandContext(t.Context(), "md5sum", "--quiet", "-c", "DEBIAN/md5sums")
	check.Dir = extracted
	text, err = check.CombinedOutput()
	require.NoError(t, err, "%s", text)
	// The unit starts what the package installs.
	unit, err := os.ReadFile(filepath.Join(extracted, "lib", "systemd", "system", "n3iwf.service"))
	require.NoError(t, err)
	require.Contains(t, string(unit), "ExecStart=/usr/bin/n3iwf ")

	// The SBOM has exactly the modules of the binaries.
	info, err := buildinfo.ReadFile(program)
	require.NoError(t, err)
	require.NotEmpty(t, info.Deps)
	var sbom struct {
		BOMFormat, SpecVersion string
		Components             []component
	}
	require.NoError(t, json.Unmarshal(files[name+"/doc/sbom.cdx.json"], &sbom))
	require.Equal(t, "CycloneDX", sbom.BOMFormat)
	versions := map[string]string{}
	for _, c := range sbom.Components {
		versions[c.Name] = c.Version
		require.True(t, c.Name == "stdlib" || len(c.Hashes) == 1, c.Name)
	}
	require.Equal(t, info.GoVersion, versions["stdlib"])
	for _, m := range info.Deps {
		require.Equal(t, m.Version, versions[m.Path], m.Path)
	}
}

// TestReproducible: the packages depend on their files alone, not on time, place or order of a map.
func TestReproducible(t *testing.T) {
	files := []file{{kindBinary, "n3iwf", 0o755, []byte("program")}, {kindDoc, "LICENSE", 0o644, []byte("text")}}
	var first []byte
	for range 3 {
		tarball, err := compress(files, "n3iwf-1/", layoutTar)
		require.NoError(t, err)
		deb, err := debian(files, "1", "arm64")
		require.NoError(t, err)
		both := slices.Concat(tarball, deb)
		if first == nil {
			first = both
		}
		require.Equal(t, first, both)
	}
	program, err := os.Executable()
	require.NoError(t, err)
	var texts [2][]byte
	for i := range texts {
		var b bill
		require.NoError(t, b.add("n3iwf", program))
		texts[i], err = b.json("x")
		require.NoError(t, err)
	}
	require.Equal(t, texts[0], texts[1])
}

func TestVersions(t *testing.T) {
	for _, bad := range []string{"v1.0", "1 0", "-1", "1/2"} {
		o := options{root: "../..", out: t.TempDir(), version: bad}
		require.ErrorContains(t, o.run(t.Context()), "version", bad)
	}
}

// untar reads a .tar.gz; everything in it is root's and of no time.
func untar(t *testing.T, name string) map[string][]byte {
	b, err := os.ReadFile(name)
	require.NoError(t, err)
	z, err := gzip.NewReader(bytes.NewReader(b))
	require.NoError(t, err)
	files, r := map[string][]byte{}, tar.NewReader(z)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		require.NoError(t, err)
		require.Zero(t, h.Uid+h.Gid)
		require.Zero(t, h.ModTime.Unix())
		data, err := io.ReadAll(r)
		require.NoError(t, err)
		files[h.Name] = data
	}
}
