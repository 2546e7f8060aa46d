// SPDX-License-Identifier: Apache-2.0

// Command n3iwf is the network function: it runs from a configuration file, and checks one without starting.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/open-n3iwf/n3iwf/config"
)

// Exit statuses.
const (
	exitFailed = 1 // it ran, and ended with an error
	exitUsage  = 2 // the command line or the configuration is wrong
)

// program is what a run begins with.
type program struct {
	file string // of the configuration
	cfg  *config.Config
	log  *slog.Logger
	set  *logSettings // of log
	from *takeover    // nil: it starts from nothing
}

// runner runs the network function until the context is done, then releases its UEs and returns.
type runner func(context.Context, program) error

// failure is an error of running, unlike those of the command line and the configuration.
type failure struct{ error }

func (f failure) Unwrap() error { return f.error }

func main() {
	cmd := newCommand(serve)
	if err := cmd.Execute(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(exitStatus(err))
	}
}

func exitStatus(err error) int {
	if errors.As(err, new(failure)) {
		return exitFailed
	}
	return exitUsage
}

func newCommand(run runner) *cobra.Command {
	root := &cobra.Command{
		Use:           "n3iwf",
		Short:         "Non-3GPP interworking function of a 5G core",
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.AddCommand(runCommand(run), checkCommand(), certCommand(), importCommand(), versionCommand())
	root.AddCommand(askCommands()...)
	explainArguments(root)
	return root
}

func fileFlag(cmd *cobra.Command) *string {
	file := cmd.Flags().StringP("config", "c", "/etc/n3iwf/n3iwf.yaml", "configuration `FILE`")
	return file
}

func runCommand(run runner) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "run -c FILE",
		Short: "Run until SIGINT or SIGTERM, then release all UEs; a second signal ends at once. SIGHUP reads the configuration again",
		Long: `Run until SIGINT or SIGTERM, then release all UEs; a second signal ends at once. SIGHUP reads the configuration again.

With --take-over go on in the place of the process that runs with the same management.socket, with all its UEs: none of them loses its SAs,
PDU sessions or packets. That process then ends; when anything fails, this one does, and the other one goes on. SIGUSR2 makes a running process
start its program file again in this way.`,
		Args: cobra.NoArgs,
	}
	file := fileFlag(cmd)
	from := takeoverFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*file)
		if err != nil {
			return err
		}
		ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
		defer stop()
		context.AfterFunc(ctx, stop) // from here on a signal has its default effect again
		log, set := newLogger(cfg.Log, cmd.ErrOrStderr())
		for _, w := range config.Exposed(*file, cfg) {
			log.Warn(w.Error())
		}
		if err := run(ctx, program{*file, cfg, log, set, from()}); err != nil {
			err = config.Locate(*file, advise(err))
			if elsewhere := config.NotHere(*file, cfg, here); len(elsewhere) > 0 {
				err = fmt.Errorf("%w\n%w", elsewhere, err)
			}
			return failure{err}
		}
		return nil
	}
	return cmd
}

// here tells whether an address is this machine's, which the system knows best: loopback networks and addresses that are routed here count too.
func here(a netip.Addr) bool {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, 0)))
	if err == nil {
		_ = conn.Close()
	}
	return !errors.Is(err, syscall.EADDRNOTAVAIL)
}

func checkCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "check -c FILE",
		Short: "Check a configuration file; every problem is printed with its file, line and key, and choices that are weak",
		Args:  cobra.NoArgs,
	}
	file := fileFlag(cmd)
	show := cmd.Flags().Bool("show", false, "print the whole effective configuration, defaults included, secrets hidden")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		cfg, err := config.Load(*file)
		if err != nil {
			return err
		}
		if *show {
			fmt.Fprint(cmd.OutOrStdout(), cfg.Redacted())
			return nil
		}
		for _, w := range config.Warnings(*file, cfg, time.Now()) {
			fmt.Fprintln(cmd.OutOrStdout(), "warning:", w)
		}
		for _, w := range config.NotHere(*file, cfg, here) {
			fmt.Fprintln(cmd.OutOrStdout(), "warning:", w)
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s is good\n", *file)
		return nil
	}
	return cmd
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version, the source revision and the Go version",
		Args:  cobra.NoArgs,
		Run: func(cmd *cobra.Command, _ []string) {
			fmt.Fprintln(cmd.OutOrStdout(), version())
		},
	}
}

// release is the version of a binary that `make dist` has made.
var release string

// version reads what the Go tool wrote into the binary.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "n3iwf (built without module information)"
	}
	if release != "" {
		return fmt.Sprintf("n3iwf %s %s", release, info.GoVersion)
	}
	revision := "unknown revision"
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision":
			revision = s.Value
		case s.Key == "vcs.modified" && s.Value == "true":
			revision += ", modified"
		}
	}
	return fmt.Sprintf("n3iwf %s (%s) %s", info.Main.Version, revision, info.GoVersion)
}
