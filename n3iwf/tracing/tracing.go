// SPDX-License-Identifier: Apache-2.0

// Package tracing takes the spans of registrations to an OpenTelemetry collector, by OTLP over HTTP. It stands beside the network function, which
// only knows the tracer: spans wait in a bounded queue, and those that no collector takes are dropped and counted in the log.
package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/open-n3iwf/n3iwf/config"
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
	sdk       *sdk.TracerProvider
	transport *http.Transport
}

// Open begins to carry spans to the collector that c names. Whether it is there shows later, in the log; only a file that cannot be used is an error.
func Open(c config.Traces, o Options) (*Provider, error) {
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, fmt.Errorf("management.traces.endpoint: %w", err)
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CA != "" {
		text, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("management.traces.ca: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("management.traces.ca: %s has no certificate that can be read", c.CA)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(endpoint.String()),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: patience}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: 500 * time.Millisecond, MaxInterval: 5 * time.Second, MaxElapsedTime: patience,
		}),
	}
	if c.Token != "" {
		options = append(options, otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + string(c.Token)}))
	}
	exporter, err := otlptracehttp.New(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("management.traces: %w", err)
	}
	about := resource.NewSchemaless(
		attribute.String("service.name", "n3iwf"), attribute.String("service.instance.id", o.Name), attribute.String("service.version", o.Version))
	return &Provider{
		transport: transport,
		sdk: sdk.NewTracerProvider(
			sdk.WithResource(about),
			sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.Ratio))),
			sdk.WithBatcher(&patient{SpanExporter: exporter, log: o.Log, collector: endpoint.Redacted()},
				sdk.WithMaxQueueSize(queue), sdk.WithMaxExportBatchSize(batch), sdk.WithBatchTimeout(Every)),
		),
	}, nil
}

// Tracer is what the network function makes spans with.
func (p *Provider) Tracer() trace.Tracer { return p.sdk.Tracer(scope) }

// Close sends what waits, if the collector takes it soon.
func (p *Provider) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = p.sdk.Shutdown(ctx) // what is lost is in the log
	p.transport.CloseIdleConnections()
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
