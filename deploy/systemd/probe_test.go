// SPDX-License-Identifier: Apache-2.0

package systemd

import (
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"
)

// TestMain is the tests or, started by a unit, a program that does what the kernel data plane does, and what it should not be able to do.
func TestMain(m *testing.M) {
	if os.Getenv("KERNEL_PROBE") == "" {
		os.Exit(m.Run())
	}
	for _, p := range []struct {
		what string
		do   func() error
	}{
		{"packet socket", func() error { return socket(unix.AF_PACKET, unix.SOCK_DGRAM, 0) }},
		{"raw socket", func() error { return socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ESP) }},
		{"netlink socket", func() error { return socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE) }},
		{"bluetooth socket", func() error { return socket(unix.AF_BLUETOOTH, unix.SOCK_RAW, 0) }},
		{"forced buffer", func() error {
			fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0)
			if err != nil {
				return err
			}
			return unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 4<<20)
		}},
		{"sysctl of the network", func() error { return os.WriteFile("/proc/sys/net/ipv4/tcp_fwmark_accept", []byte("1"), 0) }},
		{"sysctl of the kernel", func() error { return open("/proc/sys/kernel/core_pattern") }},
		{"/sys", func() error { return open("/sys/kernel/profiling") }},
		{"file system", func() error { return os.Mkdir("/usr/probe", 0o755) }},
		{"pinned map", pin},
		{"chroot", func() error { return unix.Chroot("/run") }},
	} {
		fmt.Printf("%s: %v\n", p.what, p.do())
	}
}

func socket(family, kind, protocol int) error {
	fd, err := unix.Socket(family, kind, protocol)
	if err == nil {
		_ = unix.Close(fd)
	}
	return err
}

func open(name string) error {
	f, err := os.OpenFile(name, os.O_WRONLY, 0)
	if err == nil {
		_ = f.Close()
	}
	return err
}

// pin leaves a map in the BPF file system.
func pin() error {
	m, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Hash, KeySize: 4, ValueSize: 4, MaxEntries: 1})
	if err != nil {
		return err
	}
	defer m.Close()
	if err := os.MkdirAll("/sys/fs/bpf/n3iwf/1", 0o700); err != nil {
		return err
	}
	return m.Pin("/sys/fs/bpf/n3iwf/1/probe")
}
