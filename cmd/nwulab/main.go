// SPDX-License-Identifier: Apache-2.0

// Command nwulab is the lab of the N3IWF in one binary: a UE on untrusted WLAN, a 5G core (AMF, SMF, UPF), and the demo that runs both beside
// a real N3IWF.
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
	root := &cobra.Command{
		Use: "nwulab", Short: "UE simulator, lab core and demo for an N3IWF",
		SilenceErrors: true, SilenceUsage: true,
	}
	root.AddCommand(ueCommand(), coreCommand(), demoCommand(), relayCommand(), loadCommand())
	return root.ExecuteContext(ctx)
}
