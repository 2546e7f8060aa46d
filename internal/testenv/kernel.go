// SPDX-License-Identifier: Apache-2.0

//go:build linux

package testenv

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"
)

// KernelAtLeast tells whether the running kernel is of that version or newer.
func KernelAtLeast(t testing.TB, major, minor int) bool {
	t.Helper()
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		t.Fatal(err)
	}
	var have, sub int
	if _, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &have, &sub); err != nil {
		t.Fatalf("kernel version %s: %v", u.Release, err)
	}
	return have > major || have == major && sub >= minor
}
