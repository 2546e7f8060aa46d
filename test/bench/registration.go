// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
)

// registrations registers all UEs: IKE_SA_INIT, EAP-5G with 5G-AKA and security mode, the signalling SA, NAS over TCP, Registration Accept
// and Complete.
func (b *bench) registrations(ctx context.Context) error {
	b.say("registering %d UEs, %d at a time", len(b.ues), b.o.inFlight)
	start := time.Now()
	var took time.Duration
	cpu, err := b.cost("registrations", func() error {
		if err := b.all(ctx, b.ues, (*fleet.UE).Register); err != nil {
			return err
		}
		took = time.Since(start)
		return b.coreHas(ctx, "all UEs registered", len(b.warm)+len(b.ues), func(u core.UEState) bool { return u.Registered })
	})
	if err != nil {
		return err
	}
	if b.o.wants(groupRegistration) {
		b.report.rate(metricRegistrations, len(b.ues), cpu)
		b.report.note("%d registrations in %.2f s; the N3IWF used %.2f s of CPU time", len(b.ues), took.Seconds(), cpu.Seconds())
	}
	return nil
}

// coreHas waits until the core has so many UEs for which ok is true: by then the N3IWF has passed on everything that it was sent.
func (b *bench) coreHas(ctx context.Context, what string, want int, ok func(core.UEState) bool) error {
	ctx, cancel := context.WithTimeout(ctx, fleet.ProcedureTime)
	defer cancel()
	for {
		got := 0
		for _, u := range b.lab.core.State().UEs {
			if ok(u) {
				got++
			}
		}
		if got >= want {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for the core to have %s: %d of %d: %w", what, got, want, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// sessionUp tells whether the PDU session of a UE has both ends of its tunnel.
func sessionUp(u core.UEState) bool { return len(u.Sessions) > 0 && u.Sessions[0].DownlinkTEID != 0 }
