// Package tracing follows single messages and requests through the pods, for the
// few of them that are sampled. It is OpenTelemetry underneath; who is traced sees
// nothing of that.
//
// The decision is made once, where a frame or a request comes in ([Tracer.Root]).
// What is not sampled has a nil *[Span] and the zero [Context], and costs a
// comparison a step. A nil *[Tracer] samples nothing.
//
// Spans carry only attributes that are named here: no body, token, user or device
// has a key to be put under.
package tracing

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"log/slog"
	mrand "math/rand/v2"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// Context names a span that others hang below. The zero value is no span: what it
// would be the parent of is not sampled.
type Context struct {
	Trace [16]byte
	Span  [8]byte
}

// Sampled reports whether there is a span.
func (c Context) Sampled() bool { return c.Span != [8]byte{} }

// ID is the trace in hexadecimal, for logs and exemplars; "" where nothing is sampled.
func (c Context) ID() string {
	if !c.Sampled() {
		return ""
	}
	return hex.EncodeToString(c.Trace[:])
}

// LogAttr is the field trace_id of a line in the log, or none where nothing is sampled.
func (c Context) LogAttr() slog.Attr {
	if !c.Sampled() {
		return slog.Attr{}
	}
	return slog.String("trace_id", c.ID())
}

func (c Context) remote() trace.SpanContext {
	return trace.NewSpanContext(trace.SpanContextConfig{TraceID: c.Trace, SpanID: c.Span, TraceFlags: trace.FlagsSampled, Remote: true})
}

// Key names an attribute.
type Key string

// The attributes that there are. Values are a conversation, numbers, names that the
// program itself gives, and what OpenTelemetry's conventions say of HTTP and of
// messaging.
const (
	Conv    Key = "parley.conv"
	Seq     Key = "parley.seq"
	Entries Key = "parley.entries" // in a batch
	Pod     Key = "parley.pod"
	Outcome Key = "parley.outcome"
	Op      Key = "db.operation.name"
	Route   Key = "http.route"
	Method  Key = "http.request.method"
	Status  Key = "http.response.status_code"
)

// Kind is a span's place between two parts.
type Kind uint8

// The kinds, as OpenTelemetry has them.
const (
	Internal Kind = iota
	Server        // answers a client
	Client        // asks a store
	Producer      // sends to other pods
	Consumer      // was sent to by another pod
)

var kinds = [...]trace.SpanKind{trace.SpanKindInternal, trace.SpanKindServer, trace.SpanKindClient, trace.SpanKindProducer, trace.SpanKindConsumer}

// Options configure a [Tracer].
type Options struct {
	Service string // "gateway", "history"
	Version string
	// Sample is the share of frames and requests that are followed, 0 to 1.
	Sample float64
	// Exporter gets spans, a batch at a time, from one goroutine. [NewExporter] makes one.
	Exporter sdk.SpanExporter
	Queue    int           // spans that wait for it; more are dropped; default 4,096
	Batch    int           // most spans in one call of it; default 512
	Every    time.Duration // longest wait of a span; default 1 s
	Timeout  time.Duration // of one call; default 5 s
	Log      *slog.Logger  // gets when spans begin to be lost, and when no more are; default: slog.Default()
}

// Tracer makes spans. Make it with [New], end it with Stop. Nil is a tracer that is
// off.
type Tracer struct {
	threshold uint64 // a random number below it is sampled
	all       bool
	tracer    trace.Tracer
	queue     *queue
}

// New starts a tracer.
func New(o Options) *Tracer {
	q := newQueue(o)
	res := resource.NewSchemaless(attribute.String("service.name", "parley-"+o.Service),
		attribute.String("service.version", o.Version), attribute.String("service.instance.id", rand.Text()))
	p := sdk.NewTracerProvider(sdk.WithSampler(sdk.AlwaysSample()), sdk.WithResource(res), sdk.WithSpanProcessor(q))
	t := &Tracer{tracer: p.Tracer("github.com/parley-chat/parley"), queue: q}
	t.all = o.Sample >= 1
	t.threshold = uint64(max(0, min(o.Sample, 1))*(1<<63)) * 2
	return t
}

// Open makes a tracer that sends spans to a collector, see [NewExporter]; without an
// endpoint it makes none.
func Open(endpoint string, o Options) (*Tracer, error) {
	if endpoint == "" {
		return nil, nil
	}
	e, err := NewExporter(endpoint)
	if err != nil {
		return nil, err
	}
	o.Exporter = e
	return New(o), nil
}

// Root begins a trace for the share that is sampled; else it returns nil.
func (t *Tracer) Root(kind Kind, name string) *Span {
	if t == nil || !t.all && mrand.Uint64() >= t.threshold {
		return nil
	}
	return t.start(context.Background(), kind, name, trace.WithNewRoot())
}

// Start begins a span below another one, with links to more; nil where that one is
// not sampled.
func (t *Tracer) Start(parent Context, kind Kind, name string, links ...Context) *Span {
	if t == nil || !parent.Sampled() {
		return nil
	}
	var opts []trace.SpanStartOption
	for _, l := range links {
		opts = append(opts, trace.WithLinks(trace.Link{SpanContext: l.remote()}))
	}
	return t.start(trace.ContextWithRemoteSpanContext(context.Background(), parent.remote()), kind, name, opts...)
}

// Done notes a span that is over already.
func (t *Tracer) Done(parent Context, kind Kind, name string, begun time.Time, took time.Duration, attrs ...Attr) {
	if t == nil || !parent.Sampled() {
		return
	}
	s := t.start(trace.ContextWithRemoteSpanContext(context.Background(), parent.remote()), kind, name, trace.WithTimestamp(begun))
	s.Set(attrs...)
	s.span.End(trace.WithTimestamp(begun.Add(took)))
}

func (t *Tracer) start(ctx context.Context, kind Kind, name string, opts ...trace.SpanStartOption) *Span {
	_, s := t.tracer.Start(ctx, name, append(opts, trace.WithSpanKind(kinds[kind]))...)
	return &Span{s}
}

// Stop ends the tracer: what is queued is exported, as long as ctx allows. Spans
// that end later are dropped.
func (t *Tracer) Stop(ctx context.Context) error {
	if t == nil {
		return nil
	}
	// Not by way of the provider, which does not reach its processor where ctx has ended.
	if err := t.queue.Shutdown(ctx); err != nil {
		return fmt.Errorf("stop tracing: %w", err)
	}
	return nil
}

// Spans counts the spans that have ended, by what became of them: "exported",
// "queue" for those that found the queue full, and "failed" for those that could
// not be exported. It does not block.
func (t *Tracer) Spans() map[string]uint64 {
	if t == nil {
		return map[string]uint64{outcomeExported: 0, outcomeQueue: 0, outcomeFailed: 0}
	}
	return t.queue.counts()
}

// Attr is an attribute of a span. Make it with [Text] or [Number].
type Attr struct{ kv attribute.KeyValue }

// Text is an attribute with a text.
func Text[S ~string](k Key, v S) Attr { return Attr{attribute.String(string(k), string(v))} }

// Number is an attribute with a number.
func Number[N ~int | ~int64 | ~uint64](k Key, v N) Attr {
	return Attr{attribute.Int64(string(k), int64(v))}
}

// Span is a step of what is sampled. Its methods do nothing on nil.
type Span struct{ span trace.Span }

// Context names the span for those below it.
func (s *Span) Context() Context {
	if s == nil {
		return Context{}
	}
	sc := s.span.SpanContext()
	return Context{Trace: sc.TraceID(), Span: sc.SpanID()}
}

// Set adds attributes.
func (s *Span) Set(attrs ...Attr) {
	if s == nil {
		return
	}
	for _, a := range attrs {
		s.span.SetAttributes(a.kv)
	}
}

// Name changes the span's name.
func (s *Span) Name(name string) {
	if s != nil {
		s.span.SetName(name)
	}
}

// Link connects the span with one of another trace.
func (s *Span) Link(to Context) {
	if s != nil && to.Sampled() {
		s.span.AddLink(trace.Link{SpanContext: to.remote()})
	}
}

// Fail says that the step did not do what it was for. why is a word of the
// program's own, such as an error code, and never the text of an error.
func (s *Span) Fail(why string) {
	if s != nil {
		s.span.SetStatus(codes.Error, why)
	}
}

// End ends the span.
func (s *Span) End() {
	if s != nil {
		s.span.End()
	}
}

type contextKey struct{}

// With puts a span's name into a context, for the calls below.
func With(ctx context.Context, c Context) context.Context {
	if !c.Sampled() {
		return ctx
	}
	return context.WithValue(ctx, contextKey{}, c)
}

// From is what With put there, or no span.
func From(ctx context.Context) Context {
	c, _ := ctx.Value(contextKey{}).(Context)
	return c
}

// Words is a context in 32-bit words, for envelopes; FromWords reads them.
const Words = 6

// AppendWords calls word with each.
func (c Context) AppendWords(word func(uint32)) {
	for i := 0; i < 16; i += 4 {
		word(binary.BigEndian.Uint32(c.Trace[i:]))
	}
	word(binary.BigEndian.Uint32(c.Span[:]))
	word(binary.BigEndian.Uint32(c.Span[4:]))
}

// FromWords is the inverse of AppendWords.
func FromWords(w [Words]uint32) (c Context) {
	for i := range 4 {
		binary.BigEndian.PutUint32(c.Trace[4*i:], w[i])
	}
	binary.BigEndian.PutUint32(c.Span[:], w[4])
	binary.BigEndian.PutUint32(c.Span[4:], w[5])
	return c
}
