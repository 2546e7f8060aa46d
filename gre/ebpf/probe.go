// SPDX-License-Identifier: Apache-2.0

//go:build linux

package ebpf

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/rlimit"
)

// Probe tells what this kernel or process lacks for the programs, in words for an operator; nil is nothing.
func Probe() error {
	// Kernels before 5.11 count maps as locked memory. Without the right to make a map it cannot be told whether this one does.
	lock := rlimit.RemoveMemlock()
	for _, need := range []struct {
		what string
		err  error
	}{
		{"classifiers of tc", features.HaveProgramType(ebpf.SchedCLS)},
		{"bpf_skb_adjust_room (Linux 4.13)", features.HaveProgramHelper(ebpf.SchedCLS, asm.FnSkbAdjustRoom)},
		{"bpf_spin_lock (Linux 5.1)", features.HaveProgramHelper(ebpf.SchedCLS, asm.FnSpinLock)},
		{"bpf_redirect_neigh (Linux 5.10)", features.HaveProgramHelper(ebpf.SchedCLS, asm.FnRedirectNeigh)},
	} {
		switch {
		case errors.Is(need.err, ebpf.ErrNotSupported):
			return fmt.Errorf("the kernel has no %s: %w", need.what, need.err)
		case need.err != nil:
			return fmt.Errorf("cannot ask the kernel for %s (CAP_BPF, CAP_NET_ADMIN; before Linux 5.11 CAP_SYS_RESOURCE): %w", need.what, need.err)
		}
	}
	if lock != nil {
		return fmt.Errorf("locked memory is limited, and cannot be raised (LimitMEMLOCK=infinity of systemd, ulimit -l unlimited, or CAP_SYS_RESOURCE): %w", lock)
	}
	return nil
}
