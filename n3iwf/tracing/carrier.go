// SPDX-License-Identifier: Apache-2.0

package tracing

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdk "go.opentelemetry.io/otel/sdk/trace"

	"github.com/open-n3iwf/n3iwf/config"
)

// carrier takes spans to one collector. A Provider has one at a time, so that a reload can change the collector under the traces that are open.
type carrier struct {
	sampler   sdk.Sampler
	queue     sdk.SpanProcessor
	transport *http.Transport
}

// carrier opens one; nil when c names no collector.
func (p *Provider) carrier(c config.Traces) (*carrier, error) {
	if c.Endpoint == "" {
		return nil, nil //nolint:nilnil // there is nothing to open
	}
	endpoint, err := url.Parse(c.Endpoint)
	if err != nil {
		return nil, &config.KeyError{Key: "management.traces.endpoint", What: err.Error(), Err: err}
	}
	if endpoint.Path == "" || endpoint.Path == "/" {
		endpoint.Path = "/v1/traces"
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if c.CA != "" {
		roots, err := readCA(c.CA)
		if err != nil {
			return nil, &config.KeyError{Key: "management.traces.ca", What: err.Error(), Err: err}
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	options := []otlptracehttp.Option{
		otlptracehttp.WithEndpointURL(endpoint.String()),
		otlptracehttp.WithHTTPClient(&http.Client{Transport: transport, Timeout: patience}),
		otlptracehttp.WithCompression(otlptracehttp.GzipCompression),
		otlptracehttp.WithRetry(otlptracehttp.RetryConfig{
			Enabled: true, InitialInterval: firstRetry, MaxInterval: lastRetry, MaxElapsedTime: patience,
		}),
	}
	if c.Token != "" {
		options = append(options, otlptracehttp.WithHeaders(map[string]string{"Authorization": "Bearer " + string(c.Token)}))
	}
	exporter, err := otlptracehttp.New(context.Background(), options...)
	if err != nil {
		return nil, &config.KeyError{Key: "management.traces", What: err.Error(), Err: err}
	}
	return &carrier{
		sampler:   sdk.TraceIDRatioBased(c.Ratio),
		transport: transport,
		queue: sdk.NewBatchSpanProcessor(&patient{SpanExporter: exporter, log: p.options.Log, collector: endpoint.Redacted()},
			sdk.WithMaxQueueSize(queue), sdk.WithMaxExportBatchSize(batch), sdk.WithBatchTimeout(Every)),
	}, nil
}

func readCA(name string) (*x509.CertPool, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s has no certificate that can be read", name)
	}
	return roots, nil
}

func (c *carrier) close() {
	ctx, cancel := context.WithTimeout(context.Background(), farewell)
	defer cancel()
	_ = c.queue.Shutdown(ctx) // what is lost is in the log
	c.transport.CloseIdleConnections()
}

// sampler and processor are the carrier's of the moment.
type sampler struct{ p *Provider }

func (s sampler) ShouldSample(p sdk.SamplingParameters) sdk.SamplingResult {
	if c := s.p.now.Load(); c != nil {
		return c.sampler.ShouldSample(p)
	}
	return sdk.NeverSample().ShouldSample(p)
}

func (sampler) Description() string { return "that of the configuration" }

type processor struct{ p *Provider }

func (processor) OnStart(context.Context, sdk.ReadWriteSpan) {}

func (r processor) OnEnd(span sdk.ReadOnlySpan) {
	if c := r.p.now.Load(); c != nil {
		c.queue.OnEnd(span)
	}
}

func (processor) Shutdown(context.Context) error { return nil } // Provider.Close has done it

func (r processor) ForceFlush(ctx context.Context) error {
	if c := r.p.now.Load(); c != nil {
		return c.queue.ForceFlush(ctx)
	}
	return nil
}
