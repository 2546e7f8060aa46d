// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
)

// serve runs the network function with its management API until ctx ends, and follows its configuration. The API goes on while UEs
// are being released.
func serve(ctx context.Context, p program) error {
	nf, err := n3iwf.New(p.cfg, p.log)
	if err != nil {
		return err
	}
	server, err := api.New(nf, p.cfg, api.Options{Version: version(), Level: p.level, Log: p.log})
	if err != nil {
		ended, end := context.WithCancel(ctx)
		end()
		_ = nf.Serve(ended) // closes what New has opened
		return err
	}
	ended, end := context.WithCancel(context.Background())
	defer end()
	var all errgroup.Group
	all.Go(func() error { return server.Serve(ended) })
	all.Go(func() error {
		(&reloader{file: p.file, nf: nf, level: p.level, log: p.log, cfg: p.cfg}).run(ended)
		return nil
	})
	all.Go(func() error {
		defer end()
		return nf.Serve(ctx)
	})
	return all.Wait()
}
