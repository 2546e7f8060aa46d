// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

var readme = flag.String("readme", "", "write the table of this file (README.md) anew, when all scenarios have passed")

// TestMain removes what an interrupted run left behind, and prints what was proven.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil { // scenarios mostly wait
		panic(err)
	}
	sweep(func(pid int) bool { return syscall.Kill(pid, 0) != nil })
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		building.Lock() // for good
		sweep(func(pid int) bool { return pid == os.Getpid() })
		os.Exit(130) // charon dies with its parent
	}()
	code := m.Run()
	printMatrix()
	if code == 0 && *readme != "" {
		if err := writeReadme(*readme); err != nil {
			fmt.Println(err)
			code = 1
		}
	}
	os.Exit(code)
}

// building is held while something is made that sweep must find.
var building sync.RWMutex

// sweep deletes the namespaces and folders of processes.
func sweep(of func(pid int) bool) {
	for _, dir := range []string{"/run/netns", os.TempDir()} {
		names, _ := filepath.Glob(filepath.Join(dir, nsPrefix+"*"))
		for _, name := range names {
			rest, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(name), nsPrefix), "-")
			switch pid, err := strconv.Atoi(rest); {
			case err != nil || !of(pid):
			case dir == os.TempDir():
				_ = os.RemoveAll(name)
			default:
				_ = exec.Command("ip", "netns", "del", filepath.Base(name)).Run()
			}
		}
	}
}

// launches runs on a thread of its own that lives as long as the process: the kernel sends a child its Pdeathsig when the
// thread that made it ends.
var launches = sync.OnceValue(func() chan func() {
	c := make(chan func())
	go func() {
		runtime.LockOSThread()
		for f := range c {
			f()
		}
	}()
	return c
})

// launch starts a program that dies with this process, however that ends.
func launch(cmd *exec.Cmd) (err error) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	done := make(chan struct{})
	launches() <- func() { err = cmd.Start(); close(done) }
	<-done
	return err
}

// row is one line of the matrix.
type row struct {
	name         string
	ok           bool
	sent, lost   int
	gap, elapsed time.Duration
}

var matrix struct {
	sync.Mutex
	rows []row
}

func note(r row) {
	matrix.Lock()
	defer matrix.Unlock()
	matrix.rows = append(matrix.rows, r)
}

func printMatrix() {
	if len(matrix.rows) == 0 {
		return
	}
	sort.Slice(matrix.rows, func(i, j int) bool { return matrix.rows[i].name < matrix.rows[j].name })
	failed, sent, lost := 0, 0, 0
	fmt.Printf("\n%-95s %6s %5s %8s\n", "scenario against strongSwan", "pings", "lost", "gap")
	for _, r := range matrix.rows {
		mark := ""
		if !r.ok {
			mark = "FAILED"
			failed++
		}
		sent, lost = sent+r.sent, lost+r.lost
		name := strings.ReplaceAll(strings.TrimPrefix(r.name, "Test"), "_", " ")
		fmt.Printf("%-95s %6d %5d %8s %s\n", name, r.sent, r.lost, r.gap.Round(time.Millisecond), mark)
	}
	fmt.Printf("%d scenarios, %d failed; %d pings, %d lost\n\n", len(matrix.rows), failed, sent, lost)
}

// writeReadme replaces everything behind the head of a table by the scenarios: subject, scenario, and what was lost of the
// pings in each role.
func writeReadme(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	const head = "|---|---|---|---|\n"
	before, _, ok := strings.Cut(string(text), head)
	if !ok {
		return fmt.Errorf("%s has no table of four columns", file)
	}
	cells := map[string]map[role]string{}
	var names []string
	for _, r := range matrix.rows {
		subject, rest, _ := strings.Cut(strings.ReplaceAll(strings.TrimPrefix(r.name, "Test"), "_", " "), "/")
		who, name, _ := strings.Cut(rest, "/")
		key := subject + " | " + name
		if cells[key] == nil {
			cells[key] = map[role]string{}
			names = append(names, key)
		}
		cells[key][role(who)] = "yes"
		if r.sent > 0 {
			cells[key][role(who)] = fmt.Sprintf("%d of %d, %d ms", r.lost, r.sent, r.gap.Milliseconds())
		}
	}
	sort.Strings(names)
	var table strings.Builder
	for _, key := range names {
		fmt.Fprintf(&table, "| %s | %s | %s |\n", key, cells[key][charonInitiates], cells[key][weInitiate])
	}
	return os.WriteFile(file, []byte(before+head+table.String()), 0o644)
}
