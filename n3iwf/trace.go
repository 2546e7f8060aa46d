// SPDX-License-Identifier: Apache-2.0

package n3iwf

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/open-n3iwf/n3iwf/ikev2"
	"github.com/open-n3iwf/n3iwf/ngap"
)

// Traces show where the time of a registration goes: in the UE, in the AMF or here. A UE's owner makes the spans from the events that it handles
// anyway, so that the protocol cores know nothing of them. A registration is one trace; PDU sessions and moves that follow are spans of the same.

// Names of spans.
const (
	spanRegistration  = "registration"
	spanInit          = "IKE_SA_INIT"
	spanEAP           = "EAP-5G"
	spanEAPRound      = "EAP-5G: wait for the UE"
	spanNAS           = "NAS transport: wait for the AMF"
	spanContextSetup  = "Initial Context Setup"
	spanSignalling    = "signalling SA"
	spanNASConnection = "NAS connection"
	spanSession       = "PDU session"
	spanChild         = "child SA"
	spanMove          = "move"
)

// Attributes of spans, beside those of OpenTelemetry's own conventions. None names a subscriber or holds a key.
const (
	attrUE      = "n3iwf.ue" // as in logs, commands and at the AMF
	attrAMF     = "n3iwf.amf"
	attrSession = "n3iwf.pdu_session"
	attrQFIs    = "n3iwf.qfis"
	attrMove    = "n3iwf.move"
	attrFrom    = "n3iwf.move.from"
	attrTo      = "n3iwf.move.to"
	attrNGAP    = "ngap.message"
	attrPeer    = "network.peer.address"
	attrPort    = "network.peer.port"
)

// Trace makes spans of what UEs do. It is called before Serve, if at all.
func (nf *N3IWF) Trace(t trace.Tracer) { nf.tracer = t }

// ueTrace is the trace of one UE. It belongs to the UE's owner. A nil one makes no spans.
type ueTrace struct {
	tracer trace.Tracer
	within context.Context    // of the registration
	root   trace.Span         // nil when the registration has ended
	open   map[any]trace.Span // by name, or by what they are about
	failed string             // why the registration fails
}

// beginTrace begins the trace of a UE with its first message. A UE that is not sampled has none.
func (u *ue) beginTrace() {
	if u.nf.tracer == nil {
		return
	}
	_, root := u.nf.tracer.Start(context.Background(), spanRegistration, trace.WithTimestamp(u.since), trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(attribute.Int64(attrUE, int64(u.ranID)), attribute.String(attrPeer, u.path.Remote.Addr().String()), attribute.Int(attrPort, int(u.path.Remote.Port()))))
	if !root.IsRecording() {
		return
	}
	u.trace = &ueTrace{tracer: u.nf.tracer, root: root, open: map[any]trace.Span{},
		within: trace.ContextWithSpanContext(context.Background(), root.SpanContext())}
	u.trace.begin(spanInit, spanInit, spanRegistration)
}

// resumeTrace is for a UE from another node, where its registration was traced: what happens here are traces of their own.
func (u *ue) resumeTrace() {
	if u.nf.tracer != nil {
		u.trace = &ueTrace{tracer: u.nf.tracer, within: context.Background(), open: map[any]trace.Span{}}
	}
}

// registering tells whether NAS that passes still belongs to the registration.
func (t *ueTrace) registering() bool { return t != nil && t.root != nil }

// begin opens a span below an open one, or below the registration. One that is open under the key already has been overtaken.
func (t *ueTrace) begin(key any, name string, under any, attributes ...attribute.KeyValue) {
	if t == nil {
		return
	}
	t.end(key, "overtaken")
	ctx := t.within
	if parent := t.open[under]; parent != nil {
		ctx = trace.ContextWithSpan(ctx, parent)
	}
	_, t.open[key] = t.tracer.Start(ctx, name, trace.WithAttributes(attributes...))
}

// note adds to an open span.
func (t *ueTrace) note(key any, attributes ...attribute.KeyValue) {
	if t == nil {
		return
	}
	if key == spanRegistration && t.root != nil {
		t.root.SetAttributes(attributes...)
	}
	if span := t.open[key]; span != nil {
		span.SetAttributes(attributes...)
	}
}

// end closes a span, which has failed unless failure is empty. It does nothing when none is open.
func (t *ueTrace) end(key any, failure string) {
	if t == nil || t.open[key] == nil {
		return
	}
	finish(t.open[key], failure)
	delete(t.open, key)
}

func finish(span trace.Span, failure string) {
	if failure != "" {
		span.SetStatus(codes.Error, failure)
	}
	span.End()
}

// fail says why the registration will not succeed; the first reason counts.
func (t *ueTrace) fail(why string) {
	if t != nil && t.failed == "" {
		t.failed = why
	}
}

// registered closes the registration when nothing of it is under way any more.
func (t *ueTrace) registered(u *ue) {
	if t.registering() && len(t.open) == 0 && u.state == stateUp {
		t.root.End()
		t.root = nil
	}
}

// endTrace is for a UE that goes: whatever is open has not come to its end.
func (u *ue) endTrace() {
	t := u.trace
	if t == nil {
		return
	}
	why := t.failed
	if why == "" {
		why = "the UE has gone"
	}
	for key := range t.open {
		t.end(key, why)
	}
	if t.root != nil {
		finish(t.root, why)
		t.root = nil
	}
	u.trace = nil
}

// traceMove begins the span of a move, which ends when the child SAs follow.
func (u *ue) traceMove(from, to ikev2.Path) {
	if u.trace != nil {
		u.trace.begin(spanMove, spanMove, spanRegistration, attribute.Int64(attrUE, int64(u.ranID)), attribute.String(attrMove, moveKind(from, to)),
			attribute.String(attrFrom, from.String()), attribute.String(attrTo, to.String()))
	}
}

// traceSession begins the span of a PDU session's set-up.
func (u *ue) traceSession(id int) {
	if u.trace != nil {
		u.trace.begin(spanSession, spanSession, spanContextSetup, attribute.Int64(attrUE, int64(u.ranID)), attribute.Int(attrSession, id))
	}
}

// traceChild begins the span of a child SA that the UE is asked for.
func (u *ue) traceChild(c *childSA) {
	if u.trace == nil {
		return
	}
	qfis := make([]int, len(c.qfis))
	for i, q := range c.qfis {
		qfis[i] = int(q)
	}
	u.trace.begin(c, spanChild, spanSession, attribute.IntSlice(attrQFIs, qfis))
}

// traceNAS begins the wait for the AMF's next message, which NAS of the UE brings about during its registration.
func (u *ue) traceNAS(m ngap.Message) {
	if u.trace.registering() && u.state == stateEAP {
		u.trace.note(spanRegistration, attribute.String(attrAMF, u.amfName()))
		u.trace.begin(spanNAS, spanNAS, spanEAP, attribute.String(attrNGAP, ngap.Name(m)))
	}
}

// traceAnswer ends that wait.
func (u *ue) traceAnswer(pdu *ngap.PDU) {
	if u.trace != nil {
		u.trace.note(spanNAS, attribute.String(attrNGAP+".answer", pdu.Name()))
		u.trace.end(spanNAS, "")
	}
}
