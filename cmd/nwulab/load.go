// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/ikev2/suite"
	"github.com/open-n3iwf/n3iwf/test/lab/fleet"
	"github.com/open-n3iwf/n3iwf/test/lab/load"
	"github.com/open-n3iwf/n3iwf/test/lab/report"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// errLoad says that the report has failures.
var errLoad = errors.New("not all that was tried has succeeded; the report says what failed")

// loadCommand is the load generator.
func loadCommand() *cobra.Command {
	var file, to, html, jsonFile string
	var o load.Options
	cmd := &cobra.Command{
		Use: "load -c FILE", Short: "many UEs on one N3IWF: registrations and moves at a rate, user data, and a report", Args: cobra.NoArgs,
		Long: `Registers many UEs at a rate, gives each a PDU session with echo requests over it, and lets them move by MOBIKE. The configuration is that of
"nwulab ue"; its subscriber is the first one, the others have the IMSIs that follow and the same keys.
The exit status is 1 when anything failed or a UE was lost.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := ue.LoadConfig(file)
			if err != nil {
				return err
			}
			count := o.Fleet.Count
			if o.Fleet, err = fleetOptions(c, to); err != nil {
				return err
			}
			o.Fleet.Count, o.Ping, o.Progress = count, c.Session.Ping, cmd.ErrOrStderr()
			found, err := load.Run(cmd.Context(), o)
			if err != nil {
				return err
			}
			if html != "" {
				err = found.WriteHTML(html)
			}
			if jsonFile != "" {
				err = errors.Join(err, found.WriteJSON(jsonFile))
			}
			if err != nil {
				return err
			}
			summary(cmd, found)
			if !found.OK {
				return errLoad
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", "ue.yaml", "configuration `FILE` of the first UE")
	f.IntVar(&o.Fleet.Count, "ues", 100, "how many UEs")
	f.Float64Var(&o.Rate, "rate", 20, "registrations that begin in a second")
	f.IntVar(&o.InFlight, "inflight", 64, "registrations, moves or deregistrations at a time")
	f.Float64Var(&o.Moves, "moves", 0, "moves of all UEs in a second")
	f.StringVar(&to, "to", "", "the local `ADDRESS` that the UEs move to and back from (default: another port of the same one)")
	f.Float64Var(&o.Packets, "packets", 10, "echo requests of each UE in a second")
	f.IntVar(&o.Size, "size", 200, "octets of an echo request")
	f.DurationVar(&o.Hold, "duration", 30*time.Second, "how long the load stays after the last UE has begun to register")
	f.Uint64Var(&o.Seed, "seed", 1, "of the choice of who moves")
	f.StringVar(&html, "html", "", "write the report with its plots to `FILE`")
	f.StringVar(&jsonFile, "json", "", "write the numbers to `FILE`")
	return cmd
}

// fleetOptions turns the configuration of a UE into that of many.
func fleetOptions(c *ue.Config, to string) (fleet.Options, error) {
	one, err := c.Options(slog.New(slog.DiscardHandler), nil)
	if err != nil {
		return fleet.Options{}, err
	}
	local, other := c.Ports.LocalNATT, c.Local
	if local == 0 {
		local = 4500
	}
	port := local + 1
	if to != "" {
		if other, err = netip.ParseAddr(to); err != nil {
			return fleet.Options{}, fmt.Errorf("--to: %w", err)
		}
		port = local
	}
	o := fleet.Options{
		N3IWF: c.N3IWF, IKEPort: c.Ports.IKE, NATTPort: c.Ports.NATT, LocalIKE: c.Ports.LocalIKE,
		Places: [2]netip.AddrPort{netip.AddrPortFrom(c.Local, local), netip.AddrPortFrom(other, port)},
		MCC:    c.Subscriber.MCC, MNC: c.Subscriber.MNC, Key: one.Subscriber.Key, DNN: c.Session.DNN, Slice: *c.Slice(),
	}
	if o.FirstMSIN, err = strconv.ParseUint(strings.TrimPrefix(c.Subscriber.IMSI, o.MCC+o.MNC), 10, 64); err != nil {
		return o, fmt.Errorf("subscriber.imsi: %w", err)
	}
	if c.Profile != "" {
		o.Profile, err = suite.ByName(c.Profile)
	}
	return o, err
}

// summary is the report for those who read no file.
func summary(cmd *cobra.Command, l *report.Load) {
	w := cmd.OutOrStdout()
	row := func(name, count string, t report.Latency) {
		if t.Count == 0 {
			fmt.Fprintf(w, "%-16s %15s\n", name, count)
			return
		}
		round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
		fmt.Fprintf(w, "%-16s %15s  median %v, 99 %% %v, longest %v\n", name, count, round(t.P50), round(t.P99), round(t.Max))
	}
	for _, p := range l.Procedures {
		row(p.Name, fmt.Sprintf("%d of %d", p.OK, p.Begun), p.Latency)
		for reason, n := range p.Reasons {
			fmt.Fprintf(w, "  failed %d times: %s\n", n, reason)
		}
	}
	row("echo", fmt.Sprintf("%d of %d", l.Received, l.Sent), l.RTT)
	fmt.Fprintf(w, "%-16s %15d\n", "UEs lost", l.Lost)
}
