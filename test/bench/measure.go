// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
)

// warmUp is how many UEs are there before anything is measured: code, pools and tables have been used once.
const warmUp = 64

// bench is one run.
type bench struct {
	o      *options
	lab    *lab
	fleet  *fleet.Fleet
	n3iwf  *process
	report *report
	out    io.Writer
	warm   []*fleet.UE
	ues    []*fleet.UE // those that are counted
}

// measure brings the lab up and runs the groups that are wanted.
func measure(ctx context.Context, o *options, r *report, out io.Writer) (err error) {
	l, err := newLab()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	f, err := newFleet(l, warmUp+o.ues, o.traffic)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	n3iwf, err := startProcess(l.dir, o.profile != "")
	if err != nil {
		return err
	}
	// The UEs and the core still answer when the N3IWF releases them.
	defer func() { err = errors.Join(err, n3iwf.stop()) }()
	b := &bench{o: o, lab: l, fleet: f, n3iwf: n3iwf, report: r, out: out, warm: f.UEs()[:warmUp], ues: f.UEs()[warmUp:]}
	return b.run(ctx)
}

func (b *bench) run(ctx context.Context) error {
	b.say("starting the core and the N3IWF, %d UEs to warm up", warmUp)
	if err := b.first(ctx); err != nil {
		return err
	}
	if err := b.all(ctx, b.warm[1:], (*fleet.UE).Register); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	if err := b.all(ctx, b.warm, (*fleet.UE).Establish); err != nil {
		return fmt.Errorf("warm-up: %w", err)
	}
	if b.o.wants(groupRegistration, groupMemory, groupMoves) {
		before, err := b.heap("heap_before")
		if err != nil {
			return err
		}
		if err := b.registrations(ctx); err != nil {
			return err
		}
		if b.o.wants(groupMemory, groupMoves) {
			if err := b.memory(ctx, before); err != nil {
				return err
			}
		}
	}
	if b.o.wants(groupMoves) {
		if err := b.moves(ctx); err != nil {
			return err
		}
	}
	if b.o.wants(groupUser) {
		return b.userPlane(ctx)
	}
	return nil
}

// first registers the first UE, which fails until the N3IWF has its AMF.
func (b *bench) first(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	for {
		err := b.warm[0].Register(ctx)
		if err == nil {
			return nil
		}
		if gone := b.n3iwf.ended(); gone != nil {
			return gone
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the first UE cannot register: %w; %s", err, b.n3iwf.lastWords())
		case <-time.After(50 * time.Millisecond):
		}
		b.fleet.Renew(b.warm[0])
	}
}

func (b *bench) say(format string, args ...any) { fmt.Fprintf(b.out, "  "+format+"\n", args...) }

// cost runs one measurement and gives the CPU time that the N3IWF has spent on it. With -profile it is recorded under that name.
func (b *bench) cost(name string, measurement func() error) (cpu time.Duration, err error) {
	if b.o.profile != "" {
		file, err := filepath.Abs(filepath.Join(b.o.profile, name+".cpu.pprof"))
		if err != nil {
			return 0, err
		}
		if err := b.n3iwf.call("profile", file, nil); err != nil {
			return 0, err
		}
		defer func() { err = errors.Join(err, b.n3iwf.call("endprofile", "", nil)) }()
	}
	before, err := b.n3iwf.usage()
	if err != nil {
		return 0, err
	}
	if err := measurement(); err != nil {
		return 0, fmt.Errorf("%s: %w", name, err)
	}
	after, err := b.n3iwf.usage()
	return after - before, err
}

// all runs a procedure for every UE, so many at a time as the options say. It stops at the first failure.
func (b *bench) all(ctx context.Context, ues []*fleet.UE, procedure func(*fleet.UE, context.Context) error) error {
	return forAll(ctx, len(ues), b.o.inFlight, func(ctx context.Context, i int) error {
		if err := procedure(ues[i], ctx); err != nil {
			return fmt.Errorf("UE %d of %d: %w", i+1, len(ues), err)
		}
		return nil
	})
}
