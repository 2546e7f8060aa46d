// SPDX-License-Identifier: Apache-2.0

// Package tracing takes the spans of registrations to an OpenTelemetry collector, by OTLP over HTTP. It stands beside the network function, which
// only knows the tracer: spans wait in a bounded queue, and those that no collector takes are dropped and counted in the log.
package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
)

const (
	scope = "github.com/open-n3iwf/n3iwf"
	// queue is how many spans wait for the collector: a second of some hundred registrations. What comes beyond is dropped; UEs never wait.
	queue = 8192
	batch = 512
	// Every is how long a span waits for others at most.
	Every = time.Second
	// patience bounds how long one batch is tried, and how long the last one may hold up the end.
	patience = 10 * time.Second
	farewell = 2 * time.Second
	// firstRetry and lastRetry bound the pauses between attempts.
	firstRetry = 500 * time.Millisecond
	lastRetry  = 5 * time.Second
	// silence is how long one complaint about the collector lasts.
	silence = time.Minute
)

// Options are what the program around the network function knows.
type Options struct {
	Name    string // of this N3IWF: service.instance.id
	Version string // service.version
	Log     *slog.Logger
}

// A Provider gives the tracer and carries its spans away.
type Provider struct {
	options Options
	sdk     *sdk.TracerProvider
	now     atomic.Pointer[carrier] // nil: nowhere
	leaving sync.WaitGroup          // carriers that send what they have
}

// Open begins to carry spans to the collector that c names, if any. Whether it is there shows later, in the log; only a file that cannot be used is
// an error.
func Open(c config.Traces, o Options) (*Provider, error) {
	p := &Provider{options: o}
	first, err := p.carrier(c)
	if err != nil {
		return nil, err
	}
	p.now.Store(first)
	about := resource.NewSchemaless(
		attribute.String("service.name", "n3iwf"), attribute.String("service.instance.id", o.Name), attribute.String("service.version", o.Version))
	p.sdk = sdk.NewTracerProvider(sdk.WithResource(about), sdk.WithSampler(sdk.ParentBased(sampler{p})), sdk.WithSpanProcessor(processor{p}))
	return p, nil
}

// Tracer is what the network function makes spans with.
func (p *Provider) Tracer() trace.Tracer { return p.sdk.Tracer(scope) }

// Prepare implements n3iwf.Part: spans that end from then on go to the collector that next names. Those that have ended go to the former one still.
func (p *Provider) Prepare(old, next *config.Config) (n3iwf.Change, error) {
	c := next.Management.Traces
	if c == old.Management.Traces && c.CA == "" { // a file is read again
		return n3iwf.Change{}, nil
	}
	other, err := p.carrier(c)
	if err != nil {
		return n3iwf.Change{}, err
	}
	return n3iwf.Change{
		Commit: func() { p.leave(p.now.Swap(other)) },
		Undo:   func() { p.leave(other) },
	}, nil
}

// leave lets a carrier send what it has, beside.
func (p *Provider) leave(c *carrier) {
	if c != nil {
		p.leaving.Go(c.close)
	}
}

// Close sends what waits, if the collector takes it soon.
func (p *Provider) Close() {
	p.leave(p.now.Swap(nil))
	p.leaving.Wait()
	_ = p.sdk.Shutdown(context.Background()) // nothing is there any more
}

// patient says in the log, once in a while, what the collector did not take.
type patient struct {
	sdk.SpanExporter
	log       *slog.Logger
	collector string

	mu   sync.Mutex
	said time.Time
	lost int
}

// ExportSpans never fails: nobody could do anything about it but the operator.
func (p *patient) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := p.SpanExporter.ExportSpans(ctx, spans)
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.lost += len(spans)
	if now := time.Now(); now.Sub(p.said) >= silence {
		p.log.Warn("spans are lost: the collector of management.traces does not take them; UEs are not concerned",
			slog.String("collector", p.collector), slog.Int("spans", p.lost), slog.Any("error", err))
		p.said, p.lost = now, 0
	}
	return nil
}
