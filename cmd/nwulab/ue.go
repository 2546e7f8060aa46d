// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/test/lab/probe"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// ueCommand is the UE simulator.
func ueCommand() *cobra.Command {
	var file, level string
	var control, once bool
	cmd := &cobra.Command{
		Use: "ue -c FILE", Short: "a UE: registers, brings a PDU session up, pings, and stays until it is stopped", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := ue.LoadConfig(file)
			if err != nil {
				return err
			}
			var threshold slog.Level
			if err := threshold.UnmarshalText([]byte(level)); err != nil {
				return err
			}
			log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: threshold}))
			if control {
				return controlledUE(cmd.Context(), c, log, cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return standaloneUE(cmd.Context(), c, log, cmd.OutOrStdout(), once)
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "ue.yaml", "configuration `FILE`")
	cmd.Flags().StringVar(&level, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	cmd.Flags().BoolVar(&once, "once", false, "leave after the ping; the exit status says whether all went well")
	cmd.Flags().BoolVar(&control, "control", false, "take commands from standard input, one JSON object a line")
	return cmd
}

// standaloneUE does what most people want of a UE simulator, with a line a step.
func standaloneUE(ctx context.Context, c *ue.Config, log *slog.Logger, out io.Writer, once bool) error {
	start := time.Now()
	say := func(format string, args ...any) {
		fmt.Fprintf(out, "%9.1f ms  %s\n", float64(time.Since(start))/1e6, fmt.Sprintf(format, args...))
	}
	o, err := c.Options(log, func(step string) { say("%s", step) })
	if err != nil {
		return err
	}
	u, err := ue.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = u.Close() }()
	limit, cancel := context.WithTimeout(ctx, c.Timeout())
	defer cancel()
	if err := u.Register(limit); err != nil {
		return err
	}
	s, err := u.EstablishSession(limit, 1, c.Session.DNN, c.Slice())
	if err != nil {
		return err
	}
	say("PDU session address %s", s.Address())
	p := probe.New(u, s, c.Session.Ping)
	rtts, err := p.Ping(limit, 3)
	if err != nil {
		return err
	}
	say("ping %s: %v", c.Session.Ping, rtts)
	if !once {
		say("up; stop with SIGINT")
		select {
		case <-ctx.Done():
		case err := <-u.Ended(): // nothing is left to say goodbye to
			return err
		}
	}
	goodbye, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return u.Deregister(goodbye)
}

// controlledUE is driven by a program.
func controlledUE(ctx context.Context, c *ue.Config, log *slog.Logger, in io.Reader, out io.Writer) error {
	server := &controlServer{out: out}
	o, err := c.Options(log, func(step string) { server.event("step", step) })
	if err != nil {
		return err
	}
	u, err := ue.New(o)
	if err != nil {
		return err
	}
	defer func() { _ = u.Close() }()
	d := &driver{ue: u, config: c}
	return server.serve(ctx, in, map[string]handler{
		"register":   func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, u.Register(ctx) },
		"deregister": func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, u.Deregister(ctx) },
		"session":    d.establish,
		"release":    func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, u.ReleaseSession(ctx, 1) },
		"ping":       d.ping,
		"traffic":    d.traffic,
		"stop":       d.stopTraffic,
		"packets":    d.packets,
		"move":       d.move,
		"rekey":      d.rekey,
		"arrived": func(ctx context.Context, _ json.RawMessage) (any, error) {
			ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
			defer cancel()
			at, err := u.Arrived(ctx)
			return map[string]time.Time{"arrived": at}, err
		},
		"probe":      func(ctx context.Context, _ json.RawMessage) (any, error) { return nil, u.Probe(ctx) },
		"state":      func(context.Context, json.RawMessage) (any, error) { return u.State(), nil },
		"throughput": d.throughput,
		"bulk":       d.bulk,
	})
}

// driver keeps what lies between the commands.
type driver struct {
	ue     *ue.UE
	config *ue.Config
	probe  *probe.Probe
	stop   context.CancelFunc
}

var errNoSession = errors.New("no PDU session yet")

func (d *driver) establish(ctx context.Context, _ json.RawMessage) (any, error) {
	s, err := d.ue.EstablishSession(ctx, 1, d.config.Session.DNN, d.config.Slice())
	if err != nil {
		return nil, err
	}
	d.probe = probe.New(d.ue, s, d.config.Session.Ping)
	return map[string]string{"address": s.Address().String()}, nil
}

func (d *driver) ping(ctx context.Context, _ json.RawMessage) (any, error) {
	if d.probe == nil {
		return nil, errNoSession
	}
	return d.probe.Ping(ctx, 3)
}

// trafficArgs ask for a steady flow.
type trafficArgs struct {
	PerSecond int `json:"per_second"`
	Size      int `json:"size"`
}

func (d *driver) traffic(_ context.Context, args json.RawMessage) (any, error) {
	a, err := into[trafficArgs](args)
	if err != nil || d.probe == nil {
		return nil, errors.Join(err, errNoSession)
	}
	ctx, cancel := context.WithCancel(context.Background())
	d.stop = cancel
	go d.probe.Run(ctx, a.PerSecond, a.Size)
	return d.probe.Start(), nil
}

func (d *driver) stopTraffic(context.Context, json.RawMessage) (any, error) {
	if d.stop != nil {
		d.stop()
	}
	return nil, nil
}

func (d *driver) packets(context.Context, json.RawMessage) (any, error) {
	if d.probe == nil {
		return nil, errNoSession
	}
	return d.probe.Packets(), nil
}

// rekeyArgs say what is rekeyed.
type rekeyArgs struct {
	Children bool `json:"children"`
	IKE      bool `json:"ike"`
}

func (d *driver) rekey(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := into[rekeyArgs](args)
	if err != nil {
		return nil, err
	}
	if a.Children {
		err = d.ue.RekeyChildren(ctx)
	}
	if a.IKE && err == nil {
		err = d.ue.RekeyIKE(ctx)
	}
	return d.ue.State(), err
}

// moveArgs name the new path.
type moveArgs struct {
	Local netip.Addr `json:"local"`
	N3IWF netip.Addr `json:"n3iwf"`
	Port  uint16     `json:"port"` // 0: that of the configuration
}

func (d *driver) move(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := into[moveArgs](args)
	if err != nil {
		return nil, err
	}
	if a.Port == 0 {
		return nil, d.ue.Move(ctx, a.Local, a.N3IWF)
	}
	return nil, d.ue.MoveTo(ctx, netip.AddrPortFrom(a.Local, 0), netip.AddrPortFrom(a.N3IWF, a.Port))
}

// throughputArgs ask for a bulk transfer.
type throughputArgs struct {
	Downlink  bool   `json:"downlink"`
	Millis    int    `json:"ms"`
	Size      int    `json:"size"`
	PerSecond uint32 `json:"per_second"` // downlink
}

func (d *driver) throughput(ctx context.Context, args json.RawMessage) (any, error) {
	a, err := into[throughputArgs](args)
	if err != nil || d.probe == nil {
		return nil, errors.Join(err, errNoSession)
	}
	t := time.Duration(a.Millis) * time.Millisecond
	if a.Downlink {
		return d.probe.Downlink(ctx, t, a.Size, a.PerSecond)
	}
	return d.probe.Uplink(ctx, t, a.Size)
}

// bulk is how much has come of bulk transfers so far.
func (d *driver) bulk(context.Context, json.RawMessage) (any, error) {
	if d.probe == nil {
		return nil, errNoSession
	}
	return d.probe.Bulk(), nil
}
