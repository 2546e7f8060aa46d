// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/api"
	"github.com/open-n3iwf/n3iwf/n3iwf/tracing"
)

// serve runs the network function with its management API until ctx ends, and follows its configuration. The API goes on while UEs
// are being released.
func serve(ctx context.Context, p program) error {
	nf, err := n3iwf.New(p.cfg, p.log)
	if err != nil {
		return err
	}
	stopTraces, err := traces(nf, p)
	if err != nil {
		return errors.Join(err, discard(ctx, nf))
	}
	defer stopTraces()
	server, err := api.New(nf, api.Options{Version: version(), Level: p.level, Log: p.log})
	if err != nil {
		return errors.Join(err, discard(ctx, nf))
	}
	ended, end := context.WithCancel(context.Background())
	defer end()
	var all errgroup.Group
	all.Go(func() error { return server.Serve(ended) })
	all.Go(func() error {
		(&reloader{file: p.file, nf: nf, api: server, level: p.level, log: p.log, cfg: p.cfg}).run(ended)
		return nil
	})
	all.Go(func() error {
		defer end()
		return nf.Serve(ctx)
	})
	return all.Wait()
}

// discard closes what n3iwf.New has opened.
func discard(ctx context.Context, nf *n3iwf.N3IWF) error {
	ended, end := context.WithCancel(ctx)
	end()
	return nf.Serve(ended)
}

// traces lets the network function make spans, if somebody wants them.
func traces(nf *n3iwf.N3IWF, p program) (stop func(), err error) {
	c := p.cfg.Management.Traces
	if c.Endpoint == "" {
		return func() {}, nil
	}
	provider, err := tracing.Open(c, tracing.Options{Name: p.cfg.N3IWF.Name, Version: version(), Log: p.log})
	if err != nil {
		return nil, err
	}
	nf.Trace(provider.Tracer())
	return provider.Close, nil
}
