// SPDX-License-Identifier: Apache-2.0

// Command bench measures the N3IWF. The network function runs as a process of its own with its real configuration; the lab's core and many
// UEs load it from this process over loopback. Everything is given per CPU-second of the N3IWF's process, as the kernel counts it, so
// that neither the load generator beside it nor the idle time of a machine that is not full counts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	ues      int           // registered UEs
	inFlight int           // procedures at a time
	moves    int           // of all UEs together
	duration time.Duration // of each user-plane measurement
	traffic  int           // UEs with user traffic
	burst    int           // packets of one UE that follow each other
	only     []string      // groups; empty is all
	json     string        // file of the figures; empty writes none
	profile  string        // folder of the profiles; empty writes none
}

// groups of measurements, in the order in which they run.
const (
	groupRegistration = "registration"
	groupMemory       = "memory"
	groupMoves        = "moves"
	groupUser         = "user"
	groupIKE          = "ike"
)

var groups = []string{groupRegistration, groupMemory, groupMoves, groupUser, groupIKE}

func (o *options) wants(group ...string) bool {
	return len(o.only) == 0 || slices.ContainsFunc(group, func(g string) bool { return slices.Contains(o.only, g) })
}

func main() {
	if inChild() {
		os.Exit(childMain())
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if err := runUntilSignal(o); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func runUntilSignal(o *options) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	return run(ctx, o, os.Stdout)
}

// parse reads the command line.
func parse(args []string, usage io.Writer) (*options, error) {
	o := &options{}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(usage)
	flags.IntVar(&o.ues, "ues", 2000, "UEs that register")
	flags.IntVar(&o.inFlight, "inflight", 32, "registrations or moves at a time")
	flags.IntVar(&o.moves, "moves", 20000, "moves of all UEs together")
	seconds := flags.Float64("seconds", 5, "length of each of the four user-plane measurements")
	flags.IntVar(&o.traffic, "traffic", 16, "UEs that have user traffic")
	only := flags.String("only", "", "measure only these, with commas between: "+strings.Join(groups, ", "))
	flags.IntVar(&o.burst, "burst", 16, "packets of one UE that follow each other, as in bulk traffic over Wi-Fi; the system coalesces them on the way")
	flags.StringVar(&o.json, "json", "", "write the figures to this file")
	flags.StringVar(&o.profile, "profile", "", "write profiles of the N3IWF to this folder; they cost a few per cent")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	if flags.NArg() > 0 {
		return nil, fmt.Errorf("what is %q? bench takes flags only", flags.Arg(0))
	}
	if *only != "" {
		o.only = strings.Split(*only, ",")
	}
	for _, g := range o.only {
		if !slices.Contains(groups, g) {
			return nil, fmt.Errorf("-only %s: known are %s", g, strings.Join(groups, ", "))
		}
	}
	o.duration = time.Duration(*seconds * float64(time.Second))
	for _, bound := range []struct {
		name       string
		value, max int
	}{{"ues", o.ues, 15000}, {"inflight", o.inFlight, 1024}, {"moves", o.moves, 1_000_000}, {"traffic", o.traffic, warmUp}, {"burst", o.burst, 64}} {
		if bound.value < 1 || bound.value > bound.max {
			return nil, fmt.Errorf("-%s %d: want 1 to %d", bound.name, bound.value, bound.max)
		}
	}
	if o.duration < 10*time.Millisecond || o.duration > time.Minute {
		return nil, fmt.Errorf("-seconds %v: want 0.01 to 60", *seconds)
	}
	return o, nil
}

// run measures and reports.
func run(ctx context.Context, o *options, out io.Writer) error {
	start := time.Now()
	r := newReport()
	if o.profile != "" {
		if err := os.MkdirAll(o.profile, 0o755); err != nil {
			return err
		}
	}
	if o.wants(groupIKE) {
		if err := measureIKE(ctx, o, r, out); err != nil {
			return err
		}
		if err := measureHandshakes(ctx, o, r, out); err != nil {
			return err
		}
	}
	if o.wants(groupRegistration, groupMemory, groupMoves, groupUser) {
		if err := measure(ctx, o, r, out); err != nil {
			return err
		}
	}
	r.print(out, time.Since(start))
	if o.json == "" {
		return nil
	}
	return r.writeJSON(o.json)
}
