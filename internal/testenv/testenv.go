// SPDX-License-Identifier: Apache-2.0

// Package testenv is how a test says what it needs of the machine. Where the need is not met the test is skipped with a
// reason that `make test` collects and prints at its end; under CI=true nothing may be skipped, so there it fails.
package testenv

import (
	"os"
	"os/exec"
	"testing"
)

// Need skips the test unless ok. What is the missing thing and how to get it, for example "root: run the tests as root".
func Need(t testing.TB, ok bool, what string) {
	t.Helper()
	switch {
	case ok:
	case os.Getenv("CI") == "true":
		t.Fatalf("CI=true allows no skip, but this test needs %s", what)
	default:
		t.Skipf("needs %s", what)
	}
}

// NeedRoot skips the test for users other than root.
func NeedRoot(t testing.TB) {
	t.Helper()
	Need(t, os.Geteuid() == 0, "root: run the tests as root")
}

// NeedTool skips the test unless the program is found, by PATH or by absolute name. Package is the Debian package that
// has it.
func NeedTool(t testing.TB, program, debianPackage string) {
	t.Helper()
	_, err := exec.LookPath(program)
	Need(t, err == nil, program+": apt-get install "+debianPackage)
}
