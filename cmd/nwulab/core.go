// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/test/lab/core"
)

// coreCommand is the lab core.
func coreCommand() *cobra.Command {
	var file, level string
	var control bool
	cmd := &cobra.Command{
		Use: "core -c FILE", Short: "a 5G core: AMF and SMF over NGAP/SCTP, and a UPF with a data network that echoes", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := core.LoadConfig(file)
			if err != nil {
				return err
			}
			var threshold slog.Level
			if err := threshold.UnmarshalText([]byte(level)); err != nil {
				return err
			}
			c, err := core.New(cfg, slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: threshold})))
			if err != nil {
				return err
			}
			defer func() { _ = c.Close() }() // the process ends
			if !control {
				<-cmd.Context().Done()
				return nil
			}
			return controlledCore(cmd.Context(), c, &controlServer{out: cmd.OutOrStdout()})
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "core.yaml", "configuration `FILE`")
	cmd.Flags().StringVar(&level, "log", "info", "log `LEVEL`: debug, info, warn, error")
	cmd.Flags().BoolVar(&control, "control", false, "take commands from standard input, one JSON object a line")
	return cmd
}

// coreArgs name a UE and a PDU session.
type coreArgs struct {
	IMSI string `json:"imsi"`
	ID   uint8  `json:"id"`
}

// controlledCore is driven by a program.
func controlledCore(ctx context.Context, c *core.Core, server *controlServer) error {
	about := func(do func(a coreArgs) error) handler {
		return func(_ context.Context, args json.RawMessage) (any, error) {
			a, err := into[coreArgs](args)
			if err != nil {
				return nil, err
			}
			return nil, do(a)
		}
	}
	return server.serve(ctx, os.Stdin, map[string]handler{
		"state":      func(context.Context, json.RawMessage) (any, error) { return c.State(), nil },
		"release":    about(func(a coreArgs) error { return c.ReleaseSession(a.IMSI, a.ID) }),
		"context":    about(func(a coreArgs) error { return c.ReleaseContext(a.IMSI) }),
		"deregister": about(func(a coreArgs) error { return c.Deregister(a.IMSI) }),
	})
}
