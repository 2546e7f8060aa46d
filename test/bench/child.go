// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"syscall"
	"time"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// The N3IWF's process is this program once more. It runs the network function as cmd/n3iwf does and answers questions about its own
// process on standard input, one a line; so the product needs no hook for measurements.
const (
	childEnv     = "N3IWF_BENCH_CHILD" // configuration file
	childProfile = "N3IWF_BENCH_PROFILE"
)

func inChild() bool { return os.Getenv(childEnv) != "" }

// answer of the child: one line of JSON for each question.
type answer struct {
	Error string          `json:"error,omitempty"`
	Value json.RawMessage `json:"value,omitempty"`
}

// heapState is the answer to "heap".
type heapState struct {
	Live  uint64 `json:"live"`  // octets of live objects after a collection
	Stack uint64 `json:"stack"` // octets of goroutines' stacks
	Sys   uint64 `json:"sys"`   // octets taken from the system
}

func childMain() int {
	if os.Getenv(childProfile) != "" {
		runtime.MemProfileRate = 16 << 10
	}
	cfg, err := config.Load(os.Getenv(childEnv))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { // ends with the process
		answerQuestions(os.Stdin, os.Stdout)
		cancel() // the bench is done, or has died
	}()
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.Log.Level)); err != nil {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
	if err := n3iwf.Run(ctx, cfg, log); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// answerQuestions serves until in ends.
func answerQuestions(in io.Reader, out io.Writer) {
	lines, enc := bufio.NewScanner(in), json.NewEncoder(out)
	var profile *os.File
	for lines.Scan() {
		command, argument, _ := strings.Cut(lines.Text(), " ")
		value, err := any(nil), error(nil)
		switch command {
		case "usage":
			value, err = ownCPU()
		case "heap":
			value = ownHeap()
		case "heapprofile":
			err = writeHeapProfile(argument)
		case "profile":
			if profile, err = os.Create(argument); err == nil {
				err = pprof.StartCPUProfile(profile)
			}
		case "endprofile":
			pprof.StopCPUProfile()
			err = profile.Close()
		default:
			err = fmt.Errorf("unknown question %q", command)
		}
		a := answer{}
		if err == nil {
			a.Value, err = json.Marshal(value)
		}
		if err != nil {
			a.Error = err.Error()
		}
		if enc.Encode(a) != nil {
			return
		}
	}
}

// ownCPU is the CPU time of all threads, in user and kernel mode.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

func ownHeap() heapState {
	runtime.GC() // what pools hold survives the first collection
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return heapState{Live: m.HeapAlloc, Stack: m.StackInuse, Sys: m.Sys}
}

func writeHeapProfile(file string) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup("heap").WriteTo(f, 0), f.Close())
}
