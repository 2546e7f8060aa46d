// SPDX-License-Identifier: Apache-2.0

//go:build linux && !kernelipsec

// Compiling needs a C compiler, which this machine has, and the guest of test/vm (tag kernelipsec) has not.

package ebpf

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/stretchr/testify/require"

	"github.com/open-n3iwf/n3iwf/internal/testenv"
)

// The committed object is what the source compiles to.
func TestObjectIsCurrent(t *testing.T) {
	for _, tool := range []string{"clang", "llvm-strip"} {
		if _, err := exec.LookPath(tool); err != nil {
			testenv.Need(t, false, "clang, llvm and libbpf-dev: apt-get install clang llvm libbpf-dev")
		}
	}
	dir := t.TempDir()
	cmd := exec.Command("clang", "-O2", "-g", "-target", "bpfel", "-mcpu=v1", "-c", "userplane.bpf.c", "-o", filepath.Join(dir, "new.o"),
		"-I/usr/include/x86_64-linux-gnu", "-I/usr/include/aarch64-linux-gnu", "-D__TARGET_ARCH_x86")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, string(out))
	f, err := os.Open(filepath.Join(dir, "new.o"))
	require.NoError(t, err)
	defer f.Close() //nolint:errcheck // only read
	fresh, err := ebpf.LoadCollectionSpecFromReader(f)
	require.NoError(t, err)
	committed, err := loadUserplane()
	require.NoError(t, err)
	require.Len(t, committed.Programs, len(fresh.Programs))
	for name, p := range fresh.Programs {
		require.Equal(t, len(p.Instructions), len(committed.Programs[name].Instructions), "%s: run go generate ./gre/ebpf", name)
		for i := range p.Instructions {
			require.Equal(t, p.Instructions[i].OpCode, committed.Programs[name].Instructions[i].OpCode, "%s: run go generate ./gre/ebpf", name)
			require.Equal(t, p.Instructions[i].Constant, committed.Programs[name].Instructions[i].Constant, "%s: run go generate ./gre/ebpf", name)
		}
	}
}
