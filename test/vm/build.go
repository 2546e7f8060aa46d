// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/open-n3iwf/n3iwf/test/vm/job"
)

// slowness is how many times slower than a usual machine the emulated one may be; see internal/testenv.
const slowness = 4

// build compiles what runs in the guest and packs its first file system.
func (v *vm) build(ctx context.Context, k *kernel, chosen []suite, work, initrd string) error {
	f, err := os.Create(initrd)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // closed below when all went well
	a := newArchive(f)
	a.device("/dev/console", 5, 1)
	if err := compile(ctx, filepath.Join(work, "init"), "build", "", "./test/vm/guest"); err != nil {
		return err
	}
	a.file("/init", filepath.Join(work, "init"))
	j := job.Job{Env: []string{"TESTENV_SKIPS=" + job.Artefacts + "/skips", "ARTEFACTS=" + job.Artefacts, fmt.Sprint("TESTENV_SLOWNESS=", slowness)}}
	if os.Getenv("CI") == "true" {
		j.Env = append(j.Env, "CI=true")
	}
	if err := v.addKernel(a, k, &j); err != nil {
		return err
	}
	if err := addPrograms(a, chosen); err != nil {
		return err
	}
	if err := addSources(a); err != nil {
		return err
	}
	for _, s := range chosen {
		if v.seconds > 0 {
			s.seconds = v.seconds
		}
		r := job.Run{Name: s.name, Dir: path.Join("/src", s.pkg), Seconds: s.seconds}
		bin := filepath.Join(work, s.name)
		if err := compile(ctx, bin, "test", s.tags, s.pkg); err != nil {
			return err
		}
		at := "/tests/" + s.name + ".test"
		a.file(at, bin)
		a.parents(r.Dir + "/x")
		r.Command = append([]string{at, fmt.Sprintf("-test.timeout=%ds", max(s.seconds-5, 1))}, slices.Concat(s.args, s.flags)...)
		if v.verbose {
			r.Command = append(r.Command, "-test.v")
		}
		for _, command := range s.with {
			name := path.Base(command)
			if at := path.Join("/usr/bin", name); !a.made[at] {
				if err := compile(ctx, filepath.Join(work, "command-"+name), "build", s.tags, command); err != nil {
					return err
				}
				a.file(at, filepath.Join(work, "command-"+name))
			}
		}
		j.Runs = append(j.Runs, r)
	}
	raw, err := json.Marshal(j)
	if err != nil {
		return err
	}
	a.bytes(job.Path, 0o644, string(raw))
	return errors.Join(a.close(), f.Close())
}

// compile makes a static binary of a package.
func compile(ctx context.Context, out, verb, tags, pkg string) error {
	args := []string{verb, "-o", out, "-ldflags=-s -w"}
	if verb == "test" {
		args = append(args, "-c")
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "-buildvcs=false", "-tags="+tags, pkg)...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, text)
	}
	if _, err := os.Stat(out); err != nil {
		return fmt.Errorf("%s has no tests", pkg)
	}
	return nil
}

// addKernel adds the modules with their indexes.
func (v *vm) addKernel(a *archive, k *kernel, j *job.Job) error {
	files, absent := k.files(append(append([]string{}, loadFirst...), modules...))
	if len(absent) > 0 {
		fmt.Printf("vm: not in Linux %s: %s\n", k.version, strings.Join(absent, " "))
	}
	root := path.Join("/lib/modules", k.version)
	for _, name := range []string{"modules.dep", "modules.alias", "modules.symbols", "modules.builtin", "modules.order", "modules.softdep"} {
		a.file(path.Join(root, name), filepath.Join(k.modules, name))
	}
	for _, f := range files {
		a.file(path.Join(root, f), filepath.Join(k.modules, f))
	}
	for _, m := range loadFirst {
		if _, ok := k.deps[m]; ok {
			j.Modules = append(j.Modules, m)
		}
	}
	return a.err
}

// addPrograms adds busybox, the tools and the few files of /etc that they want.
func addPrograms(a *archive, chosen []suite) error {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		return err
	}
	a.file("/bin/busybox", busybox)
	tools := append([]string{}, commonTools...)
	for _, s := range chosen {
		tools = append(tools, s.tools...)
	}
	for _, t := range tools {
		if err := a.program(t); err != nil {
			return err
		}
	}
	for _, s := range chosen {
		for _, lib := range s.opened {
			if err := a.linked(lib); err != nil {
				return fmt.Errorf("%w (scripts/deps test installs it)", err)
			}
		}
	}
	for _, name := range applets {
		a.symlink(name, "/bin/busybox")
	}
	a.symlink("/bin/sh", "/usr/bin/dash")
	a.bytes("/etc/passwd", 0o644, "root:x:0:0:root:/root:/bin/sh\n")
	a.bytes("/etc/group", 0o644, "root:x:0:\n")
	a.bytes("/etc/hosts", 0o644, "127.0.0.1 localhost\n::1 localhost\n")
	a.bytes("/etc/nsswitch.conf", 0o644, "hosts: files\n")
	a.parents("/root/x")
	return a.err
}

// addSources adds what tests read: the files of this repository other than Go code.
func addSources(a *archive) error {
	list, err := output("", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	if err != nil {
		return err
	}
	for name := range strings.SplitSeq(list, "\x00") {
		st, err := os.Stat(name)
		if name == "" || strings.HasSuffix(name, ".go") || err != nil || !st.Mode().IsRegular() {
			continue
		}
		a.file(path.Join("/src", name), name)
	}
	return a.err
}
