// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

func main() {
	seeds := flag.Uint64("seeds", 2000, "number of seeds")
	from := flag.Uint64("from", 1, "first seed")
	seed := flag.Uint64("seed", 0, "run this seed only")
	verbose := flag.Bool("v", false, "print the whole timeline of -seed")
	ops := flag.String("ops", "", "numbers of the operations of -seed that are carried out, all without")
	name := flag.String("break", "", "run with a deliberate defect: "+strings.Join(defectNames(), ", "))
	workers := flag.Int("workers", runtime.GOMAXPROCS(0), "simulations at the same time")
	flag.Parse()
	d, known := defects[*name]
	if *name != "" && !known {
		fmt.Fprintf(os.Stderr, "sim: there is no defect %q\n", *name)
		os.Exit(2)
	}
	if *seed != 0 {
		os.Exit(replay(*seed, d.defect, *name, *ops, *verbose))
	}
	if !campaign(*from, *seeds, d.defect, *name, *workers) {
		os.Exit(1)
	}
}

// replay runs one seed and returns the status.
func replay(seed uint64, d defect, name, ops string, verbose bool) int {
	var only []int
	if ops != "" {
		only = []int{}
		for _, s := range strings.Split(ops, ",") {
			n, err := strconv.Atoi(s)
			if err != nil {
				fmt.Fprintf(os.Stderr, "sim: -ops: %v\n", err)
				return 2
			}
			only = append(only, n)
		}
	}
	var r result
	if verbose {
		r = simulate(seed, d, only, os.Stdout)
	} else {
		r = simulate(seed, d, only, nil)
	}
	fmt.Printf("seed %d: %d events, %v, timeline %016x\n", seed, r.stats.events, r.stats.virtual.Round(time.Second), r.sum)
	if r.broken == nil {
		return 0
	}
	fmt.Printf("VIOLATION %v\n", r.broken)
	if only == nil {
		_, text := shrink(r, d, name)
		fmt.Println(text)
	}
	return 1
}

// maxReports bounds how many failures are shown in full; of further ones only the seed and the broken rule are.
const maxReports = 5

// campaign runs many seeds, after those that found something once, and prints one line at the end. It tells whether all
// invariants held.
func campaign(from, seeds uint64, d defect, name string, workers int) bool {
	known := found
	if name != "" {
		known = nil
	}
	seeds += uint64(len(known))
	var next atomic.Uint64
	var mu sync.Mutex
	var total stats
	violations := 0
	begin := time.Now()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			for n := next.Add(1) - 1; n < seeds; n = next.Add(1) - 1 {
				seed := from + n - uint64(len(known))
				if n < uint64(len(known)) {
					seed = known[n]
				}
				r := simulate(seed, d, nil, nil)
				mu.Lock()
				total.add(r.stats)
				report := false
				if r.broken != nil {
					violations++
					report = violations <= maxReports
				}
				mu.Unlock()
				if r.broken != nil {
					text := ""
					if report {
						_, text = shrink(r, d, name)
						text += "\n"
					}
					mu.Lock()
					fmt.Printf("seed %d: VIOLATION %v\n%s", r.seed, r.broken, text)
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	fmt.Printf("sim: %d seeds, %.1f simulated hours, %d sessions, %d children, %d moves, %d rekeys, %d exports, %d user packets, %d faults injected, %d events in %.1f s, %d violations\n",
		seeds, total.virtual.Hours(), total.sessions, total.children, total.moves, total.rekeys, total.travels, total.packets, total.faults,
		total.events, time.Since(begin).Seconds(), violations)
	return violations == 0
}
