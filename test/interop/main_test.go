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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Scenarios mostly wait.
var parallel = flag.Int("side-by-side", 6, "so many scenarios at a time")

// TestMain removes what an interrupted run left behind, and prints what was proven.
func TestMain(m *testing.M) {
	flag.Parse()
	set := func(name, value string) {
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
	set("test.parallel", fmt.Sprint(*parallel))
	chosen := *essentialOnly && flag.Lookup("test.run").Value.String() == ""
	if chosen {
		set("test.run", essentialPattern())
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
	if missing := essentialMissing(); chosen && len(missing) > 0 {
		fmt.Printf("there are no such scenarios any more: %q\n", missing)
		code = 1
	}
	if code == 0 && *readme != "" {
		if err := writeReadme(*readme, *readmeTo); err != nil {
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
