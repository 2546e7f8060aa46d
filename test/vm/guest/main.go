// SPDX-License-Identifier: Apache-2.0

// Command guest is the first process of the virtual machine: it makes the system ready, runs the job, hands the results to the host and turns
// the machine off.
package main

import (
	"archive/tar"
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/open-n3iwf/n3iwf/test/vm/job"
)

func main() {
	if err := run(); err != nil {
		fmt.Println("guest:", err)
	}
	unix.Sync()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	select {} // the first process must not end
}

func run() error {
	if err := mounts(); err != nil {
		return err
	}
	for _, v := range []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TMPDIR=/tmp"} {
		name, value, _ := splitEnv(v)
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	raw, err := os.ReadFile(job.Path)
	if err != nil {
		return err
	}
	var j job.Job
	if err := json.Unmarshal(raw, &j); err != nil {
		return err
	}
	for _, m := range j.Modules {
		if out, err := exec.Command("/sbin/modprobe", m).CombinedOutput(); err != nil {
			return fmt.Errorf("modprobe %s: %w: %s", m, err, out)
		}
	}
	if out, err := exec.Command("ip", "link", "set", "lo", "up").CombinedOutput(); err != nil {
		return fmt.Errorf("loopback: %w: %s", err, out)
	}
	fmt.Println(job.Start)
	var outcomes []job.Outcome
	for _, r := range j.Runs {
		outcomes = append(outcomes, execute(r, j.Env))
	}
	return handOver(outcomes)
}

func splitEnv(s string) (name, value string, ok bool) {
	for i := range s {
		if s[i] == '=' {
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

func mounts() error {
	for _, m := range []struct{ kind, at string }{
		{"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"devpts", "/dev/pts"}, {"tmpfs", "/dev/shm"},
		{"tmpfs", "/run"}, {"tmpfs", "/tmp"}, {"bpf", "/sys/fs/bpf"}, {"tmpfs", job.Artefacts},
	} {
		if err := os.MkdirAll(m.at, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(m.kind, m.at, m.kind, 0, ""); err != nil {
			return fmt.Errorf("mount %s: %w", m.at, err)
		}
	}
	return errors.Join(os.MkdirAll("/run/netns", 0o755), os.MkdirAll("/var", 0o755), os.Symlink("/run", "/var/run"), os.Chmod("/tmp", 0o1777))
}

// execute runs one program with its output on the console.
func execute(r job.Run, env []string) job.Outcome {
	fmt.Printf("\n-- %s\n", r.Name)
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(r.Seconds)*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, r.Command[0], r.Command[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = r.Dir, os.Stdout, os.Stdout
	cmd.Env = append(os.Environ(), env...)
	// A process group of its own: what a run leaves behind ends with it.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	begin := time.Now()
	err := cmd.Run()
	o := job.Outcome{Name: r.Name, Seconds: time.Since(begin).Seconds()}
	if cmd.Process != nil {
		_ = unix.Kill(-cmd.Process.Pid, unix.SIGKILL)
		o.Exit = cmd.ProcessState.ExitCode()
	} else {
		o.Exit = -1
	}
	switch {
	case ctx.Err() != nil:
		o.Error = fmt.Sprintf("killed after %d s", r.Seconds)
	case err != nil:
		o.Error = err.Error()
	}
	return o
}

// handOver writes the archive for the host.
func handOver(outcomes []job.Outcome) error {
	raw, err := json.Marshal(outcomes)
	if err != nil {
		return err
	}
	disk, err := os.OpenFile(job.Disk, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(disk, 1<<20)
	w := tar.NewWriter(buffered)
	if err := w.WriteHeader(&tar.Header{Name: job.Result, Mode: 0o644, Size: int64(len(raw))}); err != nil {
		return err
	}
	if _, err := w.Write(raw); err != nil {
		return err
	}
	err = filepath.WalkDir(job.Artefacts, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(job.Artefacts, path)
		if err != nil {
			return err
		}
		if err := w.WriteHeader(&tar.Header{Name: "artefacts/" + name, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = w.Write(content)
		return err
	})
	return errors.Join(err, w.Close(), buffered.Flush(), disk.Sync(), disk.Close())
}
