// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// serve runs the network function with its management API until ctx ends, and reads its certificate again at SIGHUP. The API goes on while UEs are being released.
func serve(ctx context.Context, cfg *config.Config, log *slog.Logger, level *slog.LevelVar) error {
	nf, err := n3iwf.New(cfg, log)
	if err != nil {
		return err
	}
	server, err := api.New(nf, cfg, api.Options{Version: version(), Level: level, Log: log})
	if err != nil {
		ended, end := context.WithCancel(ctx)
		end()
		_ = nf.Serve(ended) // closes what New has opened
		return err
	}
	stop := onHangup(func() { _ = nf.ReloadCertificates() }) // it logs what is wrong
	defer stop()
	ended, end := context.WithCancel(context.Background())
	defer end()
	var both errgroup.Group
	both.Go(func() error { return server.Serve(ended) })
	both.Go(func() error {
		defer end()
		return nf.Serve(ctx)
	})
	return both.Wait()
}

// onHangup calls f at every SIGHUP until stop is called.
func onHangup(f func()) (stop func()) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGHUP)
	var running sync.WaitGroup
	running.Go(func() {
		for range signals {
			f()
		}
	})
	return func() {
		signal.Stop(signals)
		close(signals)
		running.Wait()
	}
}
