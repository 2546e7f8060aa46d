// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"path/filepath"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
)

// settle is the wait before a look at the heap: answers that are kept for retransmission and half-open state go away meanwhile.
const settle = time.Second

// heap looks at the N3IWF's heap when it has settled. With -profile it is recorded under that name.
func (b *bench) heap(name string) (h heapState, err error) {
	time.Sleep(settle)
	if h, err = b.n3iwf.heap(); err != nil || b.o.profile == "" {
		return h, err
	}
	file, err := filepath.Abs(filepath.Join(b.o.profile, name+".pprof"))
	if err != nil {
		return h, err
	}
	return h, b.n3iwf.call("heapprofile", file, nil)
}

// memory gives every UE its PDU session and looks what the N3IWF's heap has grown by since before the registrations.
func (b *bench) memory(ctx context.Context, before heapState) error {
	b.say("setting up %d PDU sessions", len(b.ues))
	cpu, err := b.cost("sessions", func() error {
		if err := b.all(ctx, b.ues, (*fleet.UE).Establish); err != nil {
			return err
		}
		return b.coreHas(ctx, "all PDU sessions", len(b.warm)+len(b.ues), sessionUp)
	})
	if err != nil || !b.o.wants(groupMemory) {
		return err
	}
	after, err := b.heap("heap_after")
	if err != nil {
		return err
	}
	b.report.set(metricHeap, (float64(after.Live)-float64(before.Live))/float64(len(b.ues)))
	b.report.note("%.0f PDU session set-ups per CPU-second; the N3IWF's heap has grown from %.1f to %.1f MiB, its goroutines' stacks from %.1f to %.1f MiB",
		float64(len(b.ues))/cpu.Seconds(), mib(before.Live), mib(after.Live), mib(before.Stack), mib(after.Stack))
	return nil
}

func mib(octets uint64) float64 { return float64(octets) / (1 << 20) }
