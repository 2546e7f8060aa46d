// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

// takeover says how a process goes on in the place of a running one.
type takeover struct {
	patience time.Duration
	force    bool
}

const takeOverFlag = "take-over"

// takeoverFlags gives what the command line says, nil for a start from nothing.
func takeoverFlags(cmd *cobra.Command) func() *takeover {
	on := cmd.Flags().Bool(takeOverFlag, false, "go on in the place of the process that runs with the same management.socket, with its UEs")
	patience := cmd.Flags().Duration("patience", 10*time.Second, "how long exchanges that are under way may take to end before "+takeOverFlag)
	force := cmd.Flags().Bool("force", false, "release UEs that take longer; otherwise nothing is taken over then")
	return func() *takeover {
		if !*on {
			return nil
		}
		return &takeover{*patience, *force}
	}
}

// upgradeSocket is where a process is asked to make room for another one, beside the management API. Without that there is none.
func upgradeSocket(c *config.Config) string {
	if c.Management.Socket == "" {
		return ""
	}
	return c.Management.Socket + ".upgrade"
}

var errNoSocket = errors.New("an upgrade in place needs management.socket, beside which the running process is asked")

// offering is what lets other processes take over. It follows management.socket.
type offering struct {
	m  *management
	mu sync.Mutex
	// impossible is why nobody can; nil: it is offered.
	impossible error
}

// begin offers it beside the socket of c.
func (o *offering) begin(c *config.Config) {
	o.mu.Lock()
	defer o.mu.Unlock()
	offered := o.impossible == nil
	o.impossible = errNoSocket
	if o.m.server.Addr("socket") != nil {
		if o.impossible = o.m.nf.OfferSuccession(upgradeSocket(c)); o.impossible == nil {
			return
		}
		o.m.log.Warn("this process cannot be upgraded in place", slog.Any("error", o.impossible))
	}
	if offered {
		o.m.nf.WithdrawSuccession()
	}
}

func (o *offering) why() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.impossible
}

// Prepare implements n3iwf.Part.
func (o *offering) Prepare(old, next *config.Config) (n3iwf.Change, error) {
	if old.Management.Socket == next.Management.Socket {
		return n3iwf.Change{}, nil
	}
	return n3iwf.Change{Commit: func() { o.begin(next) }}, nil
}

// offer lets other processes take over until ctx ends, and starts one at SIGUSR2.
func (m *management) offer(ctx context.Context, all *errgroup.Group) *offering {
	o := &offering{m: m, impossible: errNoSocket}
	o.begin(m.cfg)
	all.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-m.upgrades:
				if why := o.why(); why != nil {
					m.log.Error("SIGUSR2: this process cannot be upgraded in place, and goes on", slog.Any("error", why))
					continue
				}
				m.startSuccessor(ctx)
			}
		}
	})
	return o
}

// startSuccessor runs the program file, which may be another one by now, so that it takes over. It returns when that has failed, or ctx has ended.
func (m *management) startSuccessor(ctx context.Context) {
	program, err := os.Executable()
	if err != nil {
		m.log.Error("upgrade", slog.Any("error", err))
		return
	}
	arguments := os.Args[1:]
	if !slices.Contains(arguments, "--"+takeOverFlag) {
		arguments = append(slices.Clone(arguments), "--"+takeOverFlag)
	}
	cmd := exec.Command(program, arguments...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		m.log.Error("the program was not started; this process goes on", slog.String("program", program), slog.Any("error", err))
		return
	}
	m.log.Info("the program was started to take over", slog.String("program", program), slog.Int("pid", cmd.Process.Pid))
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	select {
	case err := <-ended:
		m.log.Error("the program that was to take over has ended; this process goes on", slog.Any("error", err))
	case <-ctx.Done():
	}
}

// depart ends a process whose place another one has taken: the service manager hears which one it is, and that one that nobody is in its way.
func depart(nf *n3iwf.N3IWF) error {
	pid := nf.Successor()
	if pid == 0 {
		return nil
	}
	return errors.Join(notify(fmt.Sprintf("MAINPID=%d", pid)), nf.Depart())
}

// notify tells the service manager, where there is one: sd_notify(3).
func notify(state string) error {
	address := os.Getenv("NOTIFY_SOCKET")
	if address == "" {
		return nil
	}
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("service manager: %w", err)
	}
	_, err = conn.Write([]byte(state))
	return errors.Join(err, conn.Close())
}
