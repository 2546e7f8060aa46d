// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// asker is what the commands that talk to a running N3IWF share.
type asker struct {
	options api.ClientOptions
	format  string
}

// askCommands are the commands that ask a running N3IWF through its management API.
func askCommands() []*cobra.Command {
	a := &asker{}
	all := []*cobra.Command{
		a.statusCommand(), a.uesCommand(), a.ueCommand(), a.sasCommand(), a.amfsCommand(), a.releaseCommand(), a.logLevelCommand(),
		a.moveCommand(), a.drainCommand(), a.rekeyCommand(),
	}
	for _, c := range all {
		f := c.Flags()
		f.StringVar(&a.options.Server, "server", config.DefaultSocket, "unix socket or URL of the management API")
		f.StringVar(&a.options.Token, "token", os.Getenv("N3IWF_MANAGEMENT_TOKEN"), "bearer token for a URL; default: the environment variable N3IWF_MANAGEMENT_TOKEN")
		f.Lookup("token").DefValue = ""
		f.StringVar(&a.options.CA, "ca", "", "PEM `FILE` of CAs for an https URL; default: the system's")
		f.StringVar(&a.options.Cert, "cert", "", "PEM `FILE` of a client certificate (mTLS)")
		f.StringVar(&a.options.Key, "key", "", "PEM `FILE` of its key")
		f.StringVarP(&a.format, "output", "o", "table", "table or json")
	}
	return all
}

// ask gets an answer and prints it as JSON, or as show does.
func ask[T any](a *asker, cmd *cobra.Command, method, path string, body any, show func(io.Writer, T)) error {
	return askFor(a, cmd, quick, method, path, body, show)
}

// askFor does so with an answer that may take so long.
func askFor[T any](a *asker, cmd *cobra.Command, limit time.Duration, method, path string, body any, show func(io.Writer, T)) error {
	if a.format != "table" && a.format != "json" {
		return fmt.Errorf("-o %s: choose table or json", a.format)
	}
	client, err := api.NewClient(a.options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), limit)
	defer cancel()
	var answer T
	if err := client.Do(ctx, method, path, body, &answer); err != nil {
		return failure{err}
	}
	out := cmd.OutOrStdout()
	if a.format == "json" {
		e := json.NewEncoder(out)
		e.SetIndent("", "  ")
		if err := e.Encode(answer); err != nil {
			return err
		}
	} else {
		show(out, answer)
	}
	if m, ok := any(answer).(interface{ Err() error }); ok && m.Err() != nil {
		return failure{m.Err()}
	}
	return nil
}

func (a *asker) statusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "How a running N3IWF is: AMFs, UEs, traffic, alarms; the exit status is 1 when it does not serve UEs", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ready := false
			err := ask(a, cmd, http.MethodGet, "/status", nil, func(w io.Writer, s api.Status) {
				ready = s.Ready
				showStatus(w, s)
			})
			if err == nil && !ready && a.format == "table" {
				return failure{errNotReady}
			}
			return err
		},
	}
}

// pages are the flags of lists of UEs.
func pages(cmd *cobra.Command) (path func(string) string) {
	filter := cmd.Flags().StringP("filter", "f", "", "part of the id, an address, the state or the AMF")
	offset := cmd.Flags().Int("offset", 0, "how many to leave out")
	limit := cmd.Flags().Int("limit", 100, "how many at most, up to 1000")
	return func(base string) string {
		q := url.Values{"filter": {*filter}, "offset": {strconv.Itoa(*offset)}, "limit": {strconv.Itoa(*limit)}}
		return base + "?" + q.Encode()
	}
}

func (a *asker) uesCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "ues", Short: "List the UEs of a running N3IWF", Args: cobra.NoArgs}
	path := pages(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return ask(a, cmd, http.MethodGet, path("/ues"), nil, showUEs)
	}
	return cmd
}

func (a *asker) ueCommand() *cobra.Command {
	return &cobra.Command{
		Use: "ue ID", Short: "Show one UE with its path, SAs and PDU sessions", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(a, cmd, http.MethodGet, "/ues/"+url.PathEscape(args[0]), nil, showUE)
		},
	}
}

func (a *asker) sasCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "sas", Short: "List the child SAs with their counters", Args: cobra.NoArgs}
	path := pages(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		return ask(a, cmd, http.MethodGet, path("/sas"), nil, showSAs)
	}
	return cmd
}

func (a *asker) amfsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "amfs", Short: "List the AMFs and their NG connections", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return ask(a, cmd, http.MethodGet, "/amfs", nil, showAMFs) },
	}
}

func (a *asker) releaseCommand() *cobra.Command {
	return &cobra.Command{
		Use: "release ID", Short: "Release a UE: the AMF is asked to, and its IKE SA is deleted", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return ask(a, cmd, http.MethodDelete, "/ues/"+url.PathEscape(args[0]), nil, func(w io.Writer, _ *n3iwf.UEDetail) {
				fmt.Fprintf(w, "UE %s is being released\n", args[0])
			})
		},
	}
}

func (a *asker) logLevelCommand() *cobra.Command {
	return &cobra.Command{
		Use: "log-level [LEVEL]", Short: "Show the log level, or set it until the next start: debug, info, warn, error", Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			show := func(w io.Writer, l api.LogLevel) { fmt.Fprintln(w, l.Level) }
			if len(args) == 0 {
				return ask(a, cmd, http.MethodGet, "/log-level", nil, show)
			}
			return ask(a, cmd, http.MethodPut, "/log-level", api.LogLevel{Level: args[0]}, show)
		},
	}
}
