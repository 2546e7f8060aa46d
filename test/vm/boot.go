// SPDX-License-Identifier: Apache-2.0

package main

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/open-n3iwf/n3iwf/test/vm/job"
)

// diskSize is how much the guest can hand back; the file has holes.
const diskSize = 1 << 30

const emulator = "qemu-system-x86_64"

// tools tells what this machine has not, before anything is built.
func tools() error {
	for _, name := range []string{emulator, "busybox"} {
		if _, err := exec.LookPath(name); err != nil {
			return fmt.Errorf("no kernel tests on this machine: %w; scripts/deps test installs qemu-system-x86 and busybox-static", err)
		}
	}
	return nil
}

// boot runs the machine until it is off and gives what became of its runs.
func (v *vm) boot(ctx context.Context, k *kernel, initrd, disk string) ([]job.Outcome, error) {
	qemu, err := exec.LookPath(emulator)
	if err != nil {
		return nil, err
	}
	f, err := os.Create(disk)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(f.Truncate(diskSize), f.Close()); err != nil {
		return nil, err
	}
	loglevel := "quiet"
	if v.verbose {
		loglevel = "loglevel=5"
	}
	cpu := "max"
	if v.kernel != "" {
		// QEMU 7.2 emulates CMPXCHG16B with wrong flags, by which Linux 6.12 ends.
		cpu += ",cx16=off"
	}
	cmd := exec.CommandContext(ctx, qemu, "-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", cpu, "-smp", "2", "-m", fmt.Sprint(v.memory),
		"-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", "stdio",
		// Two network cards, on one wire that leads nowhere else.
		"-netdev", "hubport,hubid=0,id=n0", "-device", "virtio-net-pci,netdev=n0,romfile=", "-netdev", "hubport,hubid=0,id=n1", "-device", "virtio-net-pci,netdev=n1,romfile=",
		"-drive", "file="+disk+",format=raw,if=virtio,cache=unsafe",
		"-kernel", k.image, "-initrd", initrd,
		"-append", "console=ttyS0 panic=-1 mitigations=off rdinit=/init "+loglevel)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	last := stream(out, v.verbose, func() { fmt.Printf("vm: up after %.0f s\n", time.Since(begin).Seconds()) })
	err = cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, fmt.Errorf("stopped after %.0f s; the last words of the guest were:\n%s", time.Since(begin).Seconds(), last)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", qemu, err)
	}
	outcomes, err := v.collect(disk)
	if err != nil {
		return nil, fmt.Errorf("the guest left no results (%w); its last words were:\n%s", err, last)
	}
	return outcomes, nil
}

// stream prints the console, from the guest's start on, and gives its last lines.
func stream(r io.Reader, all bool, up func()) string {
	const keep = 40
	var tail []string
	started := all
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		line = strings.ReplaceAll(line, "\r", "")
		if line != "" {
			tail = append(tail, line)
			tail = tail[max(0, len(tail)-keep):]
		}
		switch {
		case strings.Contains(line, job.Start):
			up()
			started = true
		case started:
			fmt.Print(line)
		}
		if err != nil {
			return strings.Join(tail, "")
		}
	}
}

// collect reads the archive on the disk: the outcomes, and files into the folder for artefacts.
func (v *vm) collect(disk string) ([]job.Outcome, error) {
	f, err := os.Open(disk)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // only read
	var outcomes []job.Outcome
	found := false
	for r := tar.NewReader(bufio.NewReaderSize(f, 1<<20)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		raw, err := io.ReadAll(r)
		if err != nil {
			return nil, err
		}
		name, isFile := strings.CutPrefix(h.Name, "artefacts/")
		switch {
		case h.Name == job.Result:
			found = true
			err = json.Unmarshal(raw, &outcomes)
		case name == "skips":
			err = addSkips(raw)
		case isFile && filepath.IsLocal(name):
			to := filepath.Join(v.artefacts, name)
			if err = os.MkdirAll(filepath.Dir(to), 0o755); err == nil {
				err = os.WriteFile(to, raw, 0o644)
			}
			fmt.Printf("vm: %s (%d octets)\n", to, len(raw))
		}
		if err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, errors.New("no archive on its disk")
	}
	return outcomes, nil
}

// addSkips hands what tests skipped in the guest on to those who watch it here; see internal/testenv.
func addSkips(raw []byte) error {
	name := os.Getenv("TESTENV_SKIPS")
	if name == "" {
		fmt.Printf("vm: skipped:\n%s", raw)
		return nil
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	return errors.Join(err, f.Close())
}

// judge prints how the runs ended. Each suite must have run and passed.
func judge(chosen []suite, outcomes []job.Outcome) error {
	fmt.Println()
	var failed []string
	for i, s := range chosen {
		if i >= len(outcomes) {
			failed = append(failed, s.name+" (never ran)")
			continue
		}
		o := outcomes[i]
		word := "ok"
		if o.Exit != 0 || o.Error != "" {
			word = "FAIL " + o.Error
			failed = append(failed, s.name)
		}
		fmt.Printf("vm: %-12s %6.1f s  %s\n", s.name, o.Seconds, word)
	}
	if len(failed) > 0 {
		return fmt.Errorf("failed: %s", strings.Join(failed, ", "))
	}
	return nil
}
