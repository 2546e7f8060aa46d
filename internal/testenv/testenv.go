// SPDX-License-Identifier: Apache-2.0

// Package testenv is how a test says what it needs of the machine. Where the need is not met the test is skipped, and the
// reason is appended to the file named by TESTENV_SKIPS, which `make test` prints at its end. Under CI=true nothing may be
// skipped, so there the test fails.
package testenv

import (
	"fmt"
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
		note(t.Name() + " needs " + what)
		t.Skipf("needs %s", what)
	}
}

func note(line string) {
	name := os.Getenv("TESTENV_SKIPS")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return // the skip itself still stands in the test's output
	}
	defer f.Close()
	fmt.Fprintln(f, line)
}

// NeedRoot skips the test for users other than root.
func NeedRoot(t testing.TB) {
	t.Helper()
	Need(t, os.Geteuid() == 0, "root: run the tests as root")
}

// NeedTool returns where a program is, found by PATH or by absolute name, and skips the test where it is not installed. The
// Debian package that has it is named in the reason.
func NeedTool(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	Need(t, err == nil, program+": apt-get install "+debianPackage)
	return path
}
