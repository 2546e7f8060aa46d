// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	otlp "go.opentelemetry.io/proto/otlp/trace/v1"
	"go.uber.org/goleak"
	"google.golang.org/protobuf/proto"

	"github.com/open-n3iwf/n3iwf/config"
	"github.com/open-n3iwf/n3iwf/n3iwf"
	"github.com/open-n3iwf/n3iwf/n3iwf/tracing"
	"github.com/open-n3iwf/n3iwf/test/lab/ue"
)

// receiver is an OpenTelemetry collector: OTLP over HTTP, in protobuf.
type receiver struct {
	t      *testing.T
	server *httptest.Server

	mu       sync.Mutex
	requests []*http.Request
	resource map[string]string
	spans    []*otlp.Span
	text     strings.Builder // all that came, readable
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{t: t, resource: map[string]string{}}
	r.server = httptest.NewServer(r)
	t.Cleanup(r.server.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	body := io.Reader(request.Body)
	if request.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		body = unzipped
	}
	b, err := io.ReadAll(body)
	var export collector.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(b, &export)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests = append(r.requests, request)
	for _, rs := range export.ResourceSpans {
		for _, a := range rs.Resource.Attributes {
			r.resource[a.Key] = a.Value.GetStringValue()
		}
		for _, ss := range rs.ScopeSpans {
			r.spans = append(r.spans, ss.Spans...)
		}
	}
	r.text.WriteString(export.String())
	answer, _ := proto.Marshal(&collector.ExportTraceServiceResponse{})
	w.Header().Set("Content-Type", "application/x-protobuf")
	_, _ = w.Write(answer)
}

// named gives the spans of a name, in the order of their ends.
func (r *receiver) named(name string) (all []*otlp.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.spans {
		if s.Name == name {
			all = append(all, s)
		}
	}
	return all
}

// one gives the only span of a name, when it has come.
func (r *receiver) one(w *world, name string) *otlp.Span {
	r.t.Helper()
	w.until("span "+name, func() bool { return len(r.named(name)) > 0 })
	all := r.named(name)
	require.Len(r.t, all, 1, name)
	return all[0]
}

func attribute(s *otlp.Span, key string) *common.AnyValue {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return nil
}

// tracedWorld is a world whose N3IWF sends its spans to a collector.
func tracedWorld(t *testing.T, c config.Traces, coreLines ...string) (w *world, finish func()) {
	w = prepareWorld(t, nil, coreLines...)
	w.before = func(nf *n3iwf.N3IWF) {
		p, err := tracing.Open(c, tracing.Options{Name: w.cfg.N3IWF.Name, Version: "v1", Log: w.log.With("who", "n3iwf")})
		require.NoError(t, err)
		finish = sync.OnceFunc(p.Close)
		t.Cleanup(finish)
		nf.Trace(p.Tracer())
	}
	w.startCore()
	w.startN3IWF()
	w.until("NG Setup", func() bool { return w.nf.Status().AMFs == 1 })
	return w, finish
}

// TestTraces: a collector gets one trace of a registration whose spans tell who took how long, and then the PDU session and the move.
func TestTraces(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	r := newReceiver(t)
	w, _ := tracedWorld(t, config.Traces{Endpoint: r.server.URL, Ratio: 1, Token: "a token of the collector"}, "anySubscriber: true")
	found := &secrets{keys: map[string][]byte{}}
	before := time.Now()
	u := w.ue(0, func(o *ue.Options) { o.Subscriber.IMSI, o.KeyLog = secretIMSI, found })
	w.register(u)
	took := time.Since(before)
	found.add("K_N3IWF", u.KN3IWF())

	root := r.one(w, "registration")
	require.Empty(t, root.ParentSpanId)
	require.Len(t, root.TraceId, 16)
	require.Equal(t, "/v1/traces", r.requests[0].URL.Path)
	require.Equal(t, "application/x-protobuf", r.requests[0].Header.Get("Content-Type"))
	require.Equal(t, "Bearer a token of the collector", r.requests[0].Header.Get("Authorization"))
	require.Equal(t, map[string]string{"service.name": "n3iwf", "service.instance.id": w.cfg.N3IWF.Name, "service.version": "v1"}, r.resource)
	page := w.nf.UEs(w.ctx, n3iwf.UEQuery{})
	require.Len(t, page.UEs, 1)
	require.Equal(t, int64(page.UEs[0].ID), attribute(root, "n3iwf.ue").GetIntValue())
	require.Equal(t, w.addr(10).String(), attribute(root, "network.peer.address").GetStringValue())
	require.NotEmpty(t, attribute(root, "n3iwf.amf").GetStringValue())
	length := func(s *otlp.Span) time.Duration { return time.Duration(s.EndTimeUnixNano - s.StartTimeUnixNano) }
	require.Positive(t, length(root))
	require.LessOrEqual(t, length(root), took+time.Second)

	// under checks that a span is part of the trace, below its parent, with a time of its own.
	under := func(s, parent *otlp.Span) {
		t.Helper()
		require.Equal(t, root.TraceId, s.TraceId, s.Name)
		require.Equal(t, parent.SpanId, s.ParentSpanId, s.Name)
		require.GreaterOrEqual(t, s.StartTimeUnixNano, parent.StartTimeUnixNano, s.Name)
		require.Positive(t, length(s), s.Name)
		require.Equal(t, otlp.Status_STATUS_CODE_UNSET, s.GetStatus().GetCode(), s.Name)
	}
	eap, setup := r.one(w, "EAP-5G"), r.one(w, "Initial Context Setup")
	for _, s := range []*otlp.Span{r.one(w, "IKE_SA_INIT"), eap, setup, r.one(w, "NAS connection")} {
		under(s, root)
		require.LessOrEqual(t, s.EndTimeUnixNano, root.EndTimeUnixNano, s.Name)
	}
	under(r.one(w, "signalling SA"), setup)
	// 5G-AKA and the security mode: registration request, authentication response, security mode complete.
	waits, rounds := r.named("NAS transport: wait for the AMF"), r.named("EAP-5G: wait for the UE")
	require.Len(t, waits, 3)
	require.GreaterOrEqual(t, len(rounds), 3)
	var inner time.Duration
	for _, s := range append(waits, rounds...) {
		under(s, eap)
		inner += length(s)
	}
	require.LessOrEqual(t, inner, length(eap), "the UE and the AMF wait for each other, never both")
	require.Equal(t, "InitialUEMessage", attribute(waits[0], "ngap.message").GetStringValue())
	require.Equal(t, "InitialContextSetupRequest", attribute(waits[2], "ngap.message.answer").GetStringValue())

	w.session(u)
	session := r.one(w, "PDU session")
	under(session, root)
	require.EqualValues(t, 1, attribute(session, "n3iwf.pdu_session").GetIntValue())
	under(r.one(w, "child SA"), session)
	require.NoError(t, w.within(func(ctx context.Context) error { return u.Move(ctx, w.addr(30), w.addr(hostN3IWF)) }))
	move := r.one(w, "move")
	under(move, root)
	require.Equal(t, "address", attribute(move, "n3iwf.move").GetStringValue())
	require.Contains(t, attribute(move, "n3iwf.move.to").GetStringValue(), w.addr(30).String())

	r.mu.Lock()
	defer r.mu.Unlock()
	for _, text := range []string{secretIMSI, secretMSIN, "2837460591", "suci"} {
		require.NotContains(t, strings.ToLower(r.text.String()), text)
	}
	for name, key := range found.keys {
		for _, text := range writings(key) {
			require.NotContains(t, r.text.String(), text, name)
		}
	}
}

// TestTraceOfRefusal: the trace of a registration that fails says why.
func TestTraceOfRefusal(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	r := newReceiver(t)
	w, _ := tracedWorld(t, config.Traces{Endpoint: r.server.URL + "/v1/traces", Ratio: 1})
	require.Error(t, w.within(w.ue(0, func(o *ue.Options) { o.Subscriber.Key.K[0]++ }).Register))
	root, eap := r.one(w, "registration"), r.one(w, "EAP-5G")
	for _, s := range []*otlp.Span{root, eap} {
		require.Equal(t, otlp.Status_STATUS_CODE_ERROR, s.Status.Code, s.Name)
		require.NotEmpty(t, s.Status.Message, s.Name)
	}
	require.Empty(t, r.named("Initial Context Setup"))
	require.Equal(t, root.TraceId, eap.TraceId)
}

// TestTracesNoCollector: a collector that is not there costs a line in the log, and UEs notice nothing.
func TestTracesNoCollector(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, closed.Close())
	refusing := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusForbidden) }))
	t.Cleanup(refusing.Close)
	for name, endpoint := range map[string]string{"not there": "http://" + closed.Addr().String(), "refusing": refusing.URL} {
		t.Run(name, func(t *testing.T) {
			w, _ := tracedWorld(t, config.Traces{Endpoint: endpoint, Ratio: 1})
			for i := range 5 {
				w.online(i)
			}
			w.logged("who=n3iwf", "spans are lost", endpoint)
			for i := range 5 {
				require.NoError(t, w.within(w.ues[i].Deregister))
			}
			w.empty()
			require.Equal(t, 1, strings.Count(w.text.tail(8<<20), "spans are lost"))
		})
	}
}

// TestTracesSampled: management.traces.ratio 0 traces nothing.
func TestTracesSampled(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	r := newReceiver(t)
	w, finish := tracedWorld(t, config.Traces{Endpoint: r.server.URL})
	w.online(0)
	require.NoError(t, w.within(w.ues[0].Deregister))
	w.empty()
	finish() // sends what waits
	require.Empty(t, r.requests)
}
