// SPDX-License-Identifier: Apache-2.0

package main

import (
	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/test/lab/demo"
)

// demoCommand runs the main job.
func demoCommand() *cobra.Command {
	var o demo.Options
	cmd := &cobra.Command{
		Use: "demo", Short: "core, N3IWF and a UE as separate processes: registration, user data, and five moves without losing anything", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.Out = cmd.OutOrStdout()
			return demo.Run(cmd.Context(), o)
		},
	}
	cmd.Flags().StringVar(&o.JSON, "json", "", "write the numbers to `FILE`")
	cmd.Flags().StringVar(&o.HTML, "html", "demo-report.html", "write the report with its plot to `FILE`")
	cmd.Flags().StringVar(&o.N3IWF, "n3iwf", "", "the n3iwf program (default: beside this one)")
	cmd.Flags().StringVar(&o.Dir, "dir", "", "keep configurations, logs and captures in `DIR` (default: a temporary directory)")
	cmd.Flags().BoolVar(&o.Capture, "capture", false, "record NWu, N2 and N3 with keys in Wireshark's formats into --dir (root only)")
	cmd.Flags().BoolVar(&o.Loopback, "loopback", false, "loopback addresses even where network namespaces are possible")
	cmd.Flags().BoolVar(&o.Relay, "relay", false, "a remote UE behind ProSe layer-3 relay UEs, which changes between them and its own WLAN")
	cmd.Flags().StringVar(&o.Routability, "routability", "before", "the N3IWF's return routability policy: before, after, off")
	cmd.Flags().StringVar(&o.DataPlane, "dataplane", "user", "where N3IWF and UE have ESP: user (their processes) or kernel")
	cmd.Flags().IntVar(&o.Rate, "rate", 0, "echo requests a second while the UE moves (default 500); fewer on a slow machine")
	cmd.Flags().DurationVar(&o.Bulk, "bulk", 0, "how long each bulk transfer takes (default 2s)")
	cmd.Flags().StringVar(&o.SCTP, "sctp", "", "SCTP between N3IWF and core: kernel, udp, raw, auto (default: what fits the network)")
	return cmd
}
