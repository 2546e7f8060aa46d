// SPDX-License-Identifier: Apache-2.0

// Command vm runs tests on a real kernel: it boots Debian's cloud kernel in QEMU, without hardware help, from a first file system that it
// builds from busybox, a few programs of this machine and static test binaries. Their output is streamed, their files come back, and the exit
// status is theirs. Nothing needs to be root.
//
//	go run ./test/vm                  all suites of suites.go
//	go run ./test/vm sctp ipsec       some of them
//	go run ./test/vm -run Move ipsec  some of their tests
//	go run ./test/vm -kernel bullseye on the kernel of another Debian release: what kernels differ in, or the suites that are named
//	go run ./test/vm -kernel ./old    on a kernel that is in a folder, as its package or "make modules_install" lays it out: boot and lib/modules
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

func main() {
	v := vm{}
	var run string
	flag.StringVar(&v.cache, "cache", ".cache/vm", "folder for the kernel and what is built")
	flag.StringVar(&v.artefacts, "artefacts", ".cache/vm/artefacts", "folder for the files that the runs leave")
	flag.StringVar(&run, "run", "", "regular expression of tests, in place of the suites' own")
	flag.IntVar(&v.seconds, "seconds", 0, "limit for each suite, in place of its own")
	flag.IntVar(&v.memory, "memory", 2048, "of the guest, in MiB")
	flag.BoolVar(&v.verbose, "v", false, "show the names of passing tests, and kernel messages")
	flag.DurationVar(&v.limit, "timeout", 12*time.Minute, "for the whole")
	flag.StringVar(&v.kernel, "kernel", "", "Debian release whose kernel to boot (bullseye has Linux 5.10, trixie 6.12), in place of this machine's own release; or a folder that has boot/vmlinuz-* and lib/modules")
	list := flag.Bool("list", false, "name the suites and stop")
	flag.Parse()
	if *list {
		for _, s := range suites {
			fmt.Printf("%-12s %s\n", s.name, s.pkg)
		}
		return
	}
	chosen, err := choose(v.kernel, flag.Args(), run)
	if err == nil {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
		err = v.run(ctx, chosen)
		stop()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "vm:", err)
		os.Exit(1)
	}
}

func choose(kernel string, names []string, run string) ([]suite, error) {
	var chosen []suite
	for _, name := range names {
		i := slices.IndexFunc(suites, func(s suite) bool { return s.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no suite %s; -list names them", name)
		}
		chosen = append(chosen, suites[i])
	}
	switch {
	case len(names) > 0:
	case kernel != "":
		chosen = slices.Clone(olderSuites)
	default:
		chosen = slices.DeleteFunc(slices.Clone(suites), func(s suite) bool { return s.extra })
	}
	if run != "" {
		for i := range chosen {
			chosen[i].args = []string{"-test.run", run}
		}
	}
	return chosen, nil
}

// vm is a machine that boots, runs suites and goes.
type vm struct {
	cache, artefacts string
	kernel           string // Debian release, or a folder; empty is this machine's own release
	memory, seconds  int
	verbose          bool
	limit            time.Duration
}

func (v *vm) run(ctx context.Context, chosen []suite) error {
	if runtime.GOARCH != "amd64" {
		return errors.New("the kernel tests emulate an amd64 machine, for binaries of this one: they need amd64")
	}
	if err := tools(); err != nil {
		return err
	}
	if err := os.MkdirAll(v.cache, 0o755); err != nil {
		return err
	}
	var err error
	if v.cache, err = filepath.Abs(v.cache); err != nil {
		return err
	}
	work, err := os.MkdirTemp(v.cache, "run")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work) //nolint:errcheck // its content is of no use later
	k, err := getKernel(v.cache, v.kernel)
	if err != nil {
		return err
	}
	begin := time.Now()
	initrd := filepath.Join(work, "initrd")
	if err := v.build(ctx, k, chosen, work, initrd); err != nil {
		return err
	}
	fmt.Printf("vm: Linux %s for %s; built in %.0f s\n", k.version, names(chosen), time.Since(begin).Seconds())
	ctx, cancel := context.WithTimeout(ctx, v.limit)
	defer cancel()
	outcomes, err := v.boot(ctx, k, initrd, filepath.Join(work, "disk"))
	if err != nil {
		return err
	}
	return judge(chosen, outcomes)
}

func names(chosen []suite) string {
	var list []string
	for _, s := range chosen {
		list = append(list, s.name)
	}
	return strings.Join(list, ", ")
}
