// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/test/lab/conformance"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// conformanceCommand checks an N3IWF.
func conformanceCommand() *cobra.Command {
	var file, output, to, familyLocal, familyN3IWF string
	var o conformance.Options
	var list bool
	cmd := &cobra.Command{
		Use: "conformance -c FILE", Short: "which procedures an N3IWF passes, each with its clause", Args: cobra.NoArgs,
		Long: `Runs a list of procedures against an N3IWF with a core behind it, and prints which ones it passes. The configuration is that of "nwulab ue".
The exit status is 1 when a check failed; checks that cannot be made for want of an address are skipped.`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if list {
				fmt.Fprintln(cmd.OutOrStdout(), strings.Join(conformance.Names(), "\n"))
				return nil
			}
			if output != "table" && output != "json" {
				return fmt.Errorf("-o %s: want table or json", output)
			}
			c, err := ue.LoadConfig(file)
			if err != nil {
				return err
			}
			if o.UE, err = c.Options(slog.New(slog.DiscardHandler), nil); err != nil {
				return err
			}
			o.DNN, o.Slice, o.Ping = c.Session.DNN, *c.Slice(), c.Session.Ping
			for _, a := range []struct {
				flag, text string
				to         *netip.Addr
			}{{"to", to, &o.MoveTo}, {"family-local", familyLocal, &o.FamilyLocal}, {"family-n3iwf", familyN3IWF, &o.FamilyN3IWF}} {
				if a.text == "" {
					continue
				}
				if *a.to, err = netip.ParseAddr(a.text); err != nil {
					return fmt.Errorf("--%s: %w", a.flag, err)
				}
			}
			return check(cmd.Context(), cmd, o, output)
		},
	}
	f := cmd.Flags()
	f.StringVarP(&file, "config", "c", "ue.yaml", "configuration `FILE` of the UE")
	f.StringVarP(&output, "output", "o", "table", "`FORMAT` of what is printed: table or json")
	f.StringVar(&to, "to", "", "another local `ADDRESS`, for a move")
	f.StringVar(&familyLocal, "family-local", "", "a local `ADDRESS` of the other IP family, for a move to it")
	f.StringVar(&familyN3IWF, "family-n3iwf", "", "the N3IWF's `ADDRESS` of the other IP family")
	f.IntVar(&o.Cookies, "cookies", 300, "IKE_SA_INIT requests that are sent at most until a cookie is asked for")
	f.DurationVar(&o.Timeout, "timeout", 20*time.Second, "of each check")
	f.StringSliceVar(&o.Only, "only", nil, "the `NAMES` of the checks to run, with those that they need (default: all)")
	f.BoolVar(&list, "list", false, "print the names of the checks")
	return cmd
}

// check runs the checks and prints them.
func check(ctx context.Context, cmd *cobra.Command, o conformance.Options, output string) error {
	w := cmd.OutOrStdout()
	if output == "table" {
		fmt.Fprintf(w, "%-20s %-33s %-4s %9s  %s\n", "CHECK", "CLAUSE", "", "TOOK", "FOUND")
		o.Done = func(r conformance.Result) {
			fmt.Fprintf(w, "%-20s %-33s %-4s %9s  %s\n", r.Name, r.Clause, r.Outcome, r.Took.Round(100*time.Microsecond), r.Detail)
		}
	}
	r, err := conformance.Run(ctx, o)
	if err != nil {
		return err
	}
	counts := map[conformance.Outcome]int{}
	for _, c := range r.Checks {
		counts[c.Outcome]++
	}
	if output == "json" {
		text, err := json.MarshalIndent(r, "", "  ")
		if err != nil {
			return err
		}
		fmt.Fprintln(w, string(text))
	} else {
		fmt.Fprintf(w, "%d passed, %d failed, %d skipped\n", counts[conformance.Passed], counts[conformance.Failed], counts[conformance.Skipped])
	}
	if !r.OK {
		return fmt.Errorf("the N3IWF %s does not pass: %d of %d checks failed", r.N3IWF, counts[conformance.Failed], len(r.Checks))
	}
	return nil
}
