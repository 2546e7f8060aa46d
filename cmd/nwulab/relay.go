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
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/test/lab/nas"
	"github.com/open-n3iwf/n3iwf/test/lab/proserelay"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// relayCommand is a ProSe layer-3 relay UE.
func relayCommand() *cobra.Command {
	var file, level string
	var control bool
	var texts []string
	cmd := &cobra.Command{
		Use: "relay -c FILE --link LISTEN=N3IWF ...", Short: "a ProSe layer-3 relay UE: forwards remote UEs to their N3IWF over its own PDU session", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := ue.LoadConfig(file)
			if err != nil {
				return err
			}
			links, err := parseLinks(texts)
			if err != nil {
				return err
			}
			var threshold slog.Level
			if err := threshold.UnmarshalText([]byte(level)); err != nil {
				return err
			}
			r := &relayDriver{config: c, links: links, log: slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: threshold}))}
			defer r.close()
			if control {
				return r.controlled(cmd.Context(), cmd.InOrStdin(), cmd.OutOrStdout())
			}
			return r.standalone(cmd.Context(), cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "ue.yaml", "configuration `FILE` of the relay as a UE")
	cmd.Flags().StringArrayVar(&texts, "link", nil, "`LISTEN=N3IWF`: addresses with ports, of the link to remote UEs and of the N3IWF that is found there")
	cmd.Flags().StringVar(&level, "log", "warn", "log `LEVEL`: debug, info, warn, error")
	cmd.Flags().BoolVar(&control, "control", false, "take commands from standard input, one JSON object a line")
	return cmd
}

func parseLinks(texts []string) (links []proserelay.Link, err error) {
	for _, text := range texts {
		listen, n3iwf, _ := strings.Cut(text, "=")
		var l proserelay.Link
		if l.Listen, err = netip.ParseAddrPort(listen); err == nil {
			l.N3IWF, err = netip.ParseAddrPort(n3iwf)
		}
		if err != nil {
			return nil, fmt.Errorf("--link %s: %w; give two addresses with ports, such as 192.168.0.1:4500=192.0.2.1:4500", text, err)
		}
		links = append(links, l)
	}
	if len(links) == 0 {
		return nil, errors.New("give at least one --link, on which remote UEs find the N3IWF")
	}
	return links, nil
}

// relayDriver keeps what lies between the commands.
type relayDriver struct {
	config *ue.Config
	links  []proserelay.Link
	log    *slog.Logger
	ue     *ue.UE
	relay  *proserelay.Relay
}

// relayState is what a relay tells of itself.
type relayState struct {
	Address  netip.Addr           `json:"address"`
	Prefix   netip.Prefix         `json:"prefix"`
	Up       uint64               `json:"up"`
	Down     uint64               `json:"down"`
	Mappings []proserelay.Mapping `json:"mappings"`
}

// start registers, brings the session up and has a prefix delegated. The links are open when it returns.
func (d *relayDriver) start(ctx context.Context, step func(string)) (relayState, error) {
	o, err := d.config.Options(d.log, step)
	if err != nil {
		return relayState{}, err
	}
	o.SessionType = nas.SessionIPv4v6
	if d.ue, err = ue.New(o); err != nil {
		return relayState{}, err
	}
	if err := d.ue.Register(ctx); err != nil {
		return relayState{}, err
	}
	s, err := d.ue.EstablishSession(ctx, 1, d.config.Session.DNN, d.config.Slice())
	if err != nil {
		return relayState{}, err
	}
	d.relay, err = proserelay.Start(ctx, proserelay.Options{UE: d.ue, Session: s, Links: d.links, Logger: d.log})
	if err != nil {
		return relayState{}, err
	}
	return d.state(), nil
}

func (d *relayDriver) state() relayState {
	up, down := d.relay.Forwarded()
	s := relayState{Prefix: d.relay.Prefix(), Up: up, Down: down, Mappings: d.relay.Mappings()}
	if session := d.ue.Session(1); session != nil {
		s.Address = session.Address()
	}
	return s
}

func (d *relayDriver) close() {
	if d.relay != nil {
		_ = d.relay.Close()
	}
	if d.ue != nil {
		_ = d.ue.Close()
	}
}

func (d *relayDriver) standalone(ctx context.Context, out io.Writer) error {
	limit, cancel := context.WithTimeout(ctx, d.config.Timeout())
	defer cancel()
	s, err := d.start(limit, func(step string) { fmt.Fprintln(out, step) })
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "relaying from %s, prefix %s; stop with SIGINT\n", s.Address, s.Prefix)
	<-ctx.Done()
	goodbye, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return d.ue.Deregister(goodbye)
}

var errNotStarted = errors.New("the relay is not started")

func (d *relayDriver) controlled(ctx context.Context, in io.Reader, out io.Writer) error {
	server := &controlServer{out: out}
	started := func(do func(ctx context.Context) (any, error)) handler {
		return func(ctx context.Context, _ json.RawMessage) (any, error) {
			if d.relay == nil {
				return nil, errNotStarted
			}
			return do(ctx)
		}
	}
	return server.serve(ctx, in, map[string]handler{
		"start": func(ctx context.Context, _ json.RawMessage) (any, error) {
			return d.start(ctx, func(step string) { server.event("step", step) })
		},
		"state":      started(func(context.Context) (any, error) { return d.state(), nil }),
		"rebind":     started(func(context.Context) (any, error) { d.relay.Rebind(); return nil, nil }),
		"deregister": started(func(ctx context.Context) (any, error) { return nil, d.ue.Deregister(ctx) }),
	})
}
