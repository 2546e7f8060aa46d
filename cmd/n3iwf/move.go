// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// quick bounds answers that wait for nobody.
const quick = 30 * time.Second

// patience is how long a command waits for the move of one UE: longer than all ways to ask it together.
const patience = 2 * time.Minute

// lookAgain is how often a command that waits asks how far the move is.
const lookAgain = 500 * time.Millisecond

func (a *asker) moveCommand() *cobra.Command {
	r := api.MoveRequest{}
	wait := time.Duration(0)
	cmd := &cobra.Command{
		Use: "move {ID|all} TO", Args: cobra.ExactArgs(2),
		Short: "Move a UE, or all, to another address of this N3IWF (an IP address) or to another node (node:N)",
		Long: "Move a UE, or all, to another address of this N3IWF (an IP address) or to another node (node:N). Only the UE can move, so it is asked\n" +
			"in every way that it may know, one after the other, which can take half a minute each: one UE is waited for, for two minutes or\n" +
			"--wait; all only with --wait. A UE that has been asked and is not there yet has not moved, and the exit status is 1; `n3iwf ue ID`\n" +
			"shows where it is.",
		RunE: func(cmd *cobra.Command, args []string) error {
			r.To = args[1]
			if args[0] == "all" {
				return a.follow(cmd, "/move", r, wait)
			}
			if wait <= 0 {
				wait = patience
			}
			err := askFor(a, cmd, wait, http.MethodPost, "/ues/"+url.PathEscape(args[0])+"/move", r, showMove)
			if errors.Is(err, context.DeadlineExceeded) {
				return failure{fmt.Errorf("UE %s is asked to go to %s and has not moved within %s; it may still: n3iwf ue %[1]s shows its path", args[0], r.To, wait)}
			}
			return err
		},
	}
	moveFlags(cmd, &r, &wait)
	return cmd
}

// showMove says what became of a UE that was asked to move; one that stayed is an error.
func showMove(w io.Writer, m api.MoveResult) {
	switch {
	case m.Err() != nil:
	case !m.Moved:
		fmt.Fprintf(w, "UE %d has not moved; its IKE SA was deleted, so that it registers anew\n", m.UE)
	case m.How == "":
		fmt.Fprintf(w, "UE %d was there already\n", m.UE)
	default:
		fmt.Fprintf(w, "UE %d has moved in %s (%s)\n", m.UE, m.Took, m.How)
	}
}

func (a *asker) drainCommand() *cobra.Command {
	r := api.MoveRequest{}
	wait := time.Duration(0)
	cmd := &cobra.Command{
		Use: "drain", Args: cobra.NoArgs,
		Short: "Empty this node before it stops: new UEs are sent away, those that are here are moved to another node",
		Long: "Empty this node before it stops: new UEs are sent away, and those that are here are moved to another node of the cluster with\n" +
			"their PDU sessions. A node without cluster has nowhere to move them: then this ends at once, and the stop itself releases them\n" +
			"in order (and redirects them to nwu.ike.redirectTo, when that is set). It is the drain hook of the Helm chart.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if r.To == "" {
				var s api.Status
				if err := a.get(cmd, "/status", &s); err != nil {
					return err
				}
				if len(s.Nodes) == 0 {
					fmt.Fprintln(cmd.OutOrStdout(), "there is no other node to move UEs to: they are released when this one stops")
					return nil
				}
				r.To = fmt.Sprintf("node:%d", s.Nodes[0])
			}
			return a.follow(cmd, "/drain", r, wait)
		},
	}
	moveFlags(cmd, &r, &wait)
	cmd.Flags().StringVar(&r.To, "to", "", "node:N; default: a node that is connected")
	return cmd
}

func moveFlags(cmd *cobra.Command, r *api.MoveRequest, wait *time.Duration) {
	cmd.Flags().Float64Var(&r.PerSecond, "per-second", 0, "UEs asked in a second; 0: cluster.rate")
	cmd.Flags().BoolVar(&r.Delete, "delete", false, "end the IKE SAs of UEs that cannot be moved, which makes them register anew")
	cmd.Flags().DurationVar(wait, "wait", 0, "wait so long for the end, and print how far it is")
}

func (a *asker) rekeyCommand() *cobra.Command {
	return &cobra.Command{
		Use: "rekey", Short: "Rekey all child SAs and IKE SAs now", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return ask(a, cmd, http.MethodPost, "/rekey", nil, func(w io.Writer, r api.Rekeyed) { fmt.Fprintf(w, "%d UEs are asked to rekey\n", r.UEs) })
		},
	}
}

// get asks without printing.
func (a *asker) get(cmd *cobra.Command, path string, answer any) error {
	client, err := api.NewClient(a.options)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), quick)
	defer cancel()
	if err := client.Do(ctx, http.MethodGet, path, nil, answer); err != nil {
		return failure{err}
	}
	return nil
}

// follow starts a move of all UEs, and waits for it when asked to.
func (a *asker) follow(cmd *cobra.Command, path string, r api.MoveRequest, wait time.Duration) error {
	if err := ask(a, cmd, http.MethodPost, path, r, showJob); err != nil || wait <= 0 {
		return err
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), wait)
	defer cancel()
	for {
		select {
		case <-ctx.Done():
			return failure{fmt.Errorf("it is not done after %s; n3iwf status shows the UEs that are left", wait)}
		case <-time.After(lookAgain):
		}
		var j api.JobStatus
		if err := a.get(cmd, "/job", &j); err != nil {
			return err
		}
		showJob(cmd.ErrOrStderr(), j)
		if j.Done && j.Error != "" {
			return failure{errors.New(j.Error)}
		}
		if j.Done {
			return nil
		}
	}
}

func showJob(w io.Writer, j api.JobStatus) {
	fmt.Fprintf(w, "%s to %s: %d moved, %d not, %d UEs here", j.What, j.To, j.Moved, j.Failed, j.UEsLeft)
	if j.Done {
		fmt.Fprint(w, ", done")
	}
	fmt.Fprintln(w)
}
