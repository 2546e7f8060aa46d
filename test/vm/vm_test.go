// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
	"github.com/open-n3iwf/n3iwf/test/vm/job"
)

// busybox is the judge of the archive: it unpacks what the kernel would unpack.
func TestArchiveUnpacks(t *testing.T) {
	busybox := testenv.NeedTool(t, "busybox", "busybox-static")
	from := filepath.Join(t.TempDir(), "program")
	require.NoError(t, os.WriteFile(from, []byte("#!/bin/sh\n"), 0o750))
	var b bytes.Buffer
	a := newArchive(&b)
	a.file("/deep/in/it/program", from)
	a.file("/deep/in/it/program", from) // the first one counts
	a.bytes("etc/a", 0o600, "1")
	a.bytes("etc/b", 0o644, "12345")
	a.symlink("/bin/sh", "/deep/in/it/program")
	require.NoError(t, a.close())
	to := t.TempDir()
	cmd := exec.Command(busybox, "cpio", "-i")
	cmd.Dir, cmd.Stdin = to, &b
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	for name, content := range map[string]string{"deep/in/it/program": "#!/bin/sh\n", "etc/a": "1", "etc/b": "12345"} {
		got, err := os.ReadFile(filepath.Join(to, name))
		require.NoError(t, err)
		require.Equal(t, content, string(got))
	}
	st, err := os.Stat(filepath.Join(to, filepath.FromSlash("deep/in/it/program")))
	require.NoError(t, err)
	require.EqualValues(t, 0o750, st.Mode().Perm())
	target, err := os.Readlink(filepath.Join(to, "bin", "sh"))
	require.NoError(t, err)
	require.Equal(t, "/deep/in/it/program", target)

	a = newArchive(&b)
	a.file("x", filepath.Join(to, "missing"))
	require.ErrorIs(t, a.close(), os.ErrNotExist)
}

// A program comes with its loader and its libraries: those that ldd names.
func TestProgramsComeWithTheirLibraries(t *testing.T) {
	ldd := testenv.NeedTool(t, "ldd", "libc-bin")
	ip := testenv.NeedTool(t, "ip", "iproute2")
	var b bytes.Buffer
	a := newArchive(&b)
	require.NoError(t, a.program("ip"))
	out, err := exec.Command(ldd, ip).Output()
	require.NoError(t, err)
	n := 0
	for _, word := range strings.Fields(string(out)) {
		if strings.HasPrefix(word, "/") {
			require.True(t, a.made[word], word)
			n++
		}
	}
	require.Greater(t, n, 2)
	require.Error(t, a.program("no-such-program"))
}

func TestModulesComeWithTheirNeeds(t *testing.T) {
	root := t.TempDir()
	dir := filepath.Join(root, "lib", "modules", "6.1.0-test")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(root, "boot"), 0o755))
	_, err := openKernel(root)
	require.Error(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(root, "boot", "vmlinuz-6.1.0-test"), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.dep"),
		[]byte("kernel/a-b.ko: kernel/c.ko.xz kernel/d.ko\nkernel/c.ko.xz:\nkernel/d.ko: kernel/c.ko.xz\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "modules.builtin"), []byte("kernel/f-g.ko\n"), 0o644))
	k, err := openKernel(root)
	require.NoError(t, err)
	require.Equal(t, "6.1.0-test", k.version)
	files, absent := k.files([]string{"a_b", "d", "e", "a-b", "f_g"})
	require.Equal(t, []string{"kernel/a-b.ko", "kernel/c.ko.xz", "kernel/d.ko"}, files)
	require.Equal(t, []string{"e"}, absent)
}

func TestChoose(t *testing.T) {
	all, err := choose("", nil, "")
	require.NoError(t, err)
	require.Equal(t, slices.DeleteFunc(slices.Clone(suites), func(s suite) bool { return s.extra }), all)
	bench, err := choose("", []string{"bench"}, "")
	require.NoError(t, err)
	require.Len(t, bench, 1, "an extra one, when it is named")
	one, err := choose("", []string{"sctp"}, "TestX")
	require.NoError(t, err)
	require.Len(t, one, 1)
	require.Equal(t, []string{"-test.run", "TestX"}, one[0].args)
	older, err := choose("bullseye", nil, "")
	require.NoError(t, err)
	require.Equal(t, olderSuites, older)
	one, err = choose("bullseye", []string{"ipsec"}, "")
	require.NoError(t, err)
	require.Equal(t, []string{"-test.skip", "PacketLog"}, one[0].args, "all of what is named")
	_, err = choose("", []string{"sctp", "no-such-suite"}, "")
	require.ErrorContains(t, err, "no-such-suite")
}

// What failed, was killed, or never ran, is a failure.
func TestJudge(t *testing.T) {
	chosen := []suite{{name: "a"}, {name: "b"}}
	require.NoError(t, judge(chosen, []job.Outcome{{Name: "a"}, {Name: "b"}}))
	require.ErrorContains(t, judge(chosen, []job.Outcome{{Name: "a", Exit: 1}, {Name: "b"}}), "failed: a")
	require.ErrorContains(t, judge(chosen, []job.Outcome{{Name: "a"}, {Name: "b", Error: "killed"}}), "failed: b")
	require.ErrorContains(t, judge(chosen, []job.Outcome{{Name: "a"}}), "b (never ran)")
}

// A machine without QEMU says so at once, with what installs it. make test passes the kernel tests by there and names them at its end; under CI=true it
// fails.
func TestWithoutQEMU(t *testing.T) {
	path := t.TempDir()
	for _, name := range []string{"bash", "cat", "dirname", "go", "mktemp", "rm", "sed", "sort"} {
		at, err := exec.LookPath(name)
		require.NoError(t, err)
		at, err = filepath.Abs(at)
		require.NoError(t, err)
		require.NoError(t, os.Symlink(at, filepath.Join(path, name)))
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	t.Setenv("PATH", path)
	t.Setenv("GOROOT", strings.TrimSpace(string(goroot)))
	cache := filepath.Join(t.TempDir(), "cache")
	err = (&vm{cache: cache}).run(t.Context(), suites)
	require.ErrorContains(t, err, emulator)
	require.ErrorContains(t, err, "scripts/deps test installs qemu-system-x86")
	require.NoDirExists(t, cache)

	for _, ci := range []string{"", "true"} {
		t.Setenv("CI", ci)
		cmd := exec.Command("bash", "scripts/test", "kernel")
		cmd.Dir = filepath.Join("..", "..")
		out, err := cmd.CombinedOutput()
		require.Contains(t, string(out), emulator)
		if ci == "" {
			require.NoError(t, err, string(out))
			require.Contains(t, string(out), "skipped on this machine:\n  test/vm needs "+emulator)
		} else {
			require.Error(t, err)
			require.Contains(t, string(out), "FAIL")
			require.Contains(t, string(out), "nothing was skipped")
		}
	}
}

func TestStreamGivesTheLastWords(t *testing.T) {
	up := 0
	tail := stream(strings.NewReader("firmware\r\nkernel\r\n"+job.Start+"\r\nPanic: at the end"), false, func() { up++ })
	require.Equal(t, 1, up)
	require.Equal(t, "firmware\nkernel\n"+job.Start+"\nPanic: at the end", tail)
}

// Files come back to the folder for artefacts and to no other place; a disk without results is an error.
func TestCollect(t *testing.T) {
	dir := t.TempDir()
	v := &vm{artefacts: filepath.Join(dir, "artefacts")}
	disk := filepath.Join(dir, "disk")
	write := func(files map[string]string) {
		f, err := os.Create(disk)
		require.NoError(t, err)
		w := tar.NewWriter(f)
		for name, content := range files {
			require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
			_, err := w.Write([]byte(content))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		require.NoError(t, f.Truncate(1<<20))
		require.NoError(t, f.Close())
	}
	skips := filepath.Join(dir, "skips")
	t.Setenv("TESTENV_SKIPS", skips)
	write(map[string]string{
		job.Result: `[{"Name":"a","Exit":3}]`, "artefacts/deep/x": "1", "artefacts/../../y": "2", "artefacts/skips": "TestX needs y\n",
	})
	outcomes, err := v.collect(disk)
	require.NoError(t, err)
	require.Equal(t, []job.Outcome{{Name: "a", Exit: 3}}, outcomes)
	x, err := os.ReadFile(filepath.Join(v.artefacts, "deep", "x"))
	require.NoError(t, err)
	require.Equal(t, "1", string(x))
	require.NoFileExists(t, filepath.Join(dir, "y"))
	require.NoFileExists(t, filepath.Join(filepath.Dir(dir), "y"))
	noted, err := os.ReadFile(skips)
	require.NoError(t, err)
	require.Equal(t, "TestX needs y\n", string(noted))

	write(map[string]string{"artefacts/x": "1"})
	_, err = v.collect(disk)
	require.ErrorContains(t, err, "no archive")
}
