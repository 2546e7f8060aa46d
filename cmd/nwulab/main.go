// SPDX-License-Identifier: Apache-2.0

// Command nwulab is the lab of the N3IWF in one binary: a UE on untrusted WLAN, a 5G core (AMF, SMF, UPF), the demo that runs both beside a real
// N3IWF, and for any N3IWF a load generator and conformance checks.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "nwulab:", err)
		os.Exit(1)
	}
}

func run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends at once
	return newCommand().ExecuteContext(ctx)
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use: "nwulab", Short: "UE simulator, lab core, demo, load generator and conformance checks for N3IWFs",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(ueCommand(), coreCommand(), demoCommand(), relayCommand(), loadCommand(), conformanceCommand())
	return root
}
