package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/pkg/wire"
)

// collector keeps spans; it may be looked at while others come.
type collector struct {
	mu    sync.Mutex
	spans tracetest.SpanStubs
}

func (c *collector) ExportSpans(_ context.Context, spans []sdk.ReadOnlySpan) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.spans = append(c.spans, tracetest.SpanStubsFromReadOnlySpans(spans)...)
	return nil
}

func (*collector) Shutdown(context.Context) error { return nil }

func (c *collector) all() tracetest.SpanStubs {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append(tracetest.SpanStubs(nil), c.spans...)
}

// followed is a cluster of which everything is followed. Each pod has a tracer of
// its own, as in a deployment.
func followed(t *testing.T, n int, change ...func(*Options)) (*cluster, *collector) {
	got := &collector{}
	change = append([]func(*Options){func(o *Options) {
		tr := tracing.New(tracing.Options{Service: "gateway", Sample: 1, Exporter: got, Every: 5 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
		t.Cleanup(func() { _ = tr.Stop(context.Background()) })
		o.Tracer = tr
		o.Store = meters.Store(&ops.New(ops.Options{}).Metrics, tr, o.Store)
	}}, change...)
	return newCluster(t, n, change...), got
}

// shape writes the spans of the trace of root as a tree, one a line.
func shape(spans tracetest.SpanStubs, root tracetest.SpanStub) string {
	var b strings.Builder
	var below func(s tracetest.SpanStub, depth int)
	below = func(s tracetest.SpanStub, depth int) {
		fmt.Fprintf(&b, "%s%s %s\n", strings.Repeat("  ", depth), s.Name, s.SpanKind)
		for _, c := range spans {
			if c.SpanContext.TraceID() == root.SpanContext.TraceID() && c.Parent.SpanID() == s.SpanContext.SpanID() {
				below(c, depth+1)
			}
		}
	}
	below(root, 0)
	return b.String()
}

func named(spans tracetest.SpanStubs, name string) (list tracetest.SpanStubs) {
	for _, s := range spans {
		if s.Name == name {
			list = append(list, s)
		}
	}
	return list
}

func attr(s tracetest.SpanStub, key tracing.Key) string {
	for _, a := range s.Attributes {
		if string(a.Key) == string(key) {
			return a.Value.String()
		}
	}
	return ""
}

// One message from one pod to another is one trace: every step hangs where it
// belongs, on both pods.
func TestOneMessageIsOneTrace(t *testing.T) { eachWay(t, oneMessageIsOneTrace) }

func oneMessageIsOneTrace(t *testing.T, way func(*Options)) {
	c, got := followed(t, 2, way)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m0", "first") // makes the conversation, which takes more steps
	expect[*wire.Entry](bob)
	ack := alice.sendTo("bob", "m1", "hello")
	expect[*wire.Entry](bob)
	var root tracetest.SpanStub
	c.until(func() bool {
		spans := got.all()
		for _, s := range named(spans, "commit") {
			if attr(s, tracing.Seq) != fmt.Sprint(ack.Seq) {
				continue
			}
			for _, r := range named(spans, "send") {
				if r.SpanContext.SpanID() == s.Parent.SpanID() {
					root = r
				}
			}
		}
		return root.Name != "" && strings.Count(shape(spans, root), "deliver") == 2 && strings.Contains(shape(spans, root), "store finish")
	})
	spans := got.all()
	tree := shape(spans, root)
	for _, want := range []string{
		"send server\n  commit internal\n",
		"\n    append internal\n",
		"\n      store append client\n",
		"\n      store finish client\n",
		"\n    deliver consumer\n",
		"\n    announce producer\n      deliver consumer\n",
	} {
		if !strings.Contains("\n"+tree, want) {
			t.Errorf("no %q in\n%s", want, tree)
		}
	}
	pods := map[string]int{}
	for _, s := range named(spans, "deliver") {
		if s.SpanContext.TraceID() == root.SpanContext.TraceID() {
			pods[attr(s, tracing.Pod)]++
		}
	}
	if pods[c.gates[0].Pod()] != 1 || pods[c.gates[1].Pod()] != 1 {
		t.Errorf("delivered on %v", pods)
	}
	for _, s := range named(spans, "append") {
		if s.SpanContext.TraceID() == root.SpanContext.TraceID() && (len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != s.Parent.SpanID()) {
			t.Errorf("links %+v", s.Links)
		}
	}
}

// An append that stores several messages is linked with each, and each with it.
func TestABatchIsLinkedWithItsCommands(t *testing.T) {
	c, got := followed(t, 1, patient)
	alice, _ := c.login(0, "alice", "")
	alice.sendTo("bob", "m0", "first")
	second := c.store.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1}) // others collect behind it
	alice.send(`{"type":"send","to":"bob","cmid":"m00","body":{"text":"second"}}`)
	if err := second.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	for i := range 8 {
		alice.send(`{"type":"send","ref":"%d","to":"bob","cmid":"m%d","body":{"text":"hello"}}`, i, i+1)
	}
	c.until(func() bool { return c.gates[0].Stats().Pending == 9 })
	second.Release()
	for range 9 {
		expect[*wire.Ack](alice)
	}
	c.until(func() bool { return len(named(got.all(), "commit")) == 10 })
	var batch tracetest.SpanStub
	c.until(func() bool {
		for _, s := range named(got.all(), "append") {
			if len(s.Links) > 1 {
				batch = s
			}
		}
		return batch.Name != ""
	})
	if attr(batch, tracing.Entries) != fmt.Sprint(len(batch.Links)) {
		t.Errorf("%s entries, %d links", attr(batch, tracing.Entries), len(batch.Links))
	}
	commits := map[string]tracetest.SpanStub{}
	for _, s := range named(got.all(), "commit") {
		commits[s.SpanContext.SpanID().String()] = s
	}
	for i, l := range batch.Links {
		s, ok := commits[l.SpanContext.SpanID().String()]
		if !ok || i == 0 && s.SpanContext.SpanID() != batch.Parent.SpanID() {
			t.Errorf("link %d is of no command: %+v", i, l)
		}
		if i > 0 && (len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != batch.SpanContext.SpanID()) {
			t.Errorf("command %d has the links %+v", i, s.Links)
		}
	}
}

// Only callers that are trusted decide whether a request is followed.
func TestTraceparent(t *testing.T) {
	const parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for name, c := range map[string]struct {
		trusted string
		sample  float64
		header  string
		want    string // the trace; "": none, "own": any other
	}{
		"trusted":            {"127.0.0.0/8", 0, parent, "0af7651916cd43dd8448eb211c80319c"},
		"trusted, no":        {"127.0.0.0/8", 1, parent[:len(parent)-1] + "0", ""},
		"trusted, malformed": {"127.0.0.0/8", 1, "00-" + strings.ToUpper(parent[3:]), "own"},
		"trusted, none":      {"127.0.0.0/8", 0, "", ""},
		"not trusted":        {"10.0.0.0/8", 0, parent, ""},
		"not trusted, own":   {"10.0.0.0/8", 1, parent, "own"},
	} {
		t.Run(name, func(t *testing.T) {
			got := &collector{}
			tr := tracing.New(tracing.Options{Sample: c.sample, Exporter: got, Log: slog.New(slog.DiscardHandler)})
			cl := newCluster(t, 1, func(o *Options) {
				o.Tracer, o.TraceTrusted = tr, []netip.Prefix{netip.MustParsePrefix(c.trusted)}
			})
			r, err := http.NewRequestWithContext(t.Context(), "POST", cl.urls[0]+"/v1/messages", strings.NewReader(`{"to":"bob","cmid":"m1","body":{"text":"secret-canary"}}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+cl.token("alice", time.Hour))
			if c.header != "" {
				r.Header.Set("Traceparent", c.header)
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil || resp.StatusCode != 201 && resp.StatusCode != 200 {
				t.Fatalf("%v, %v", resp, err)
			}
			resp.Body.Close()
			if err := tr.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
			spans := named(got.all(), "POST /v1/messages")
			switch {
			case c.want == "":
				if len(got.all()) != 0 {
					t.Errorf("followed: %v", got.all())
				}
			case len(spans) != 1 || len(named(got.all(), "commit")) != 1:
				t.Fatalf("%v", got.all())
			case (c.want == "own") == (spans[0].SpanContext.TraceID().String() == "0af7651916cd43dd8448eb211c80319c"):
				t.Errorf("trace %s", spans[0].SpanContext.TraceID())
			case attr(spans[0], tracing.Status) == "" || attr(spans[0], tracing.Route) != "POST /v1/messages":
				t.Errorf("%+v", spans[0].Attributes)
			}
		})
	}
}

// What people write, who they are and what lets them in is in no span.
func TestSpansHaveNoSecrets(t *testing.T) {
	c, got := followed(t, 2)
	alice, _ := c.login(0, "alice-canary", `{"type":"hello","device":"device-canary"}`)
	bob, _ := c.login(1, "bob-canary", "")
	alice.sendTo("bob-canary", "cmid-canary", "body-canary")
	e := expect[*wire.Entry](bob)
	bob.send(`{"type":"edit","conv":%q,"target":1,"cmid":"e-canary","body":{"text":"body-canary"}}`, e.Conv)
	bob.send(`{"type":"history","conv":%q,"ref":"ref-canary","before":5}`, e.Conv)
	bob.send(`{"type":"typing","conv":%q,"on":true}`, e.Conv)
	c.until(func() bool {
		return len(named(got.all(), "typing")) > 0 && len(named(got.all(), "history")) > 0 && len(named(got.all(), "edit")) > 0 && len(named(got.all(), "announce")) > 0
	})
	known := map[string]bool{}
	for _, k := range []tracing.Key{tracing.Conv, tracing.Seq, tracing.Entries, tracing.Pod, tracing.Outcome, tracing.Op, tracing.Route, tracing.Method, tracing.Status} {
		known[string(k)] = true
	}
	token := c.token("alice-canary", time.Hour)
	for _, s := range got.all() {
		text := fmt.Sprintf("%+v", s)
		if strings.Contains(text, "canary") || strings.Contains(text, token[:20]) {
			t.Errorf("%s", text)
		}
		for _, a := range s.Attributes {
			if !known[string(a.Key)] {
				t.Errorf("%s has the attribute %s", s.Name, a.Key)
			}
		}
	}
}

// What is not sampled leaves nothing in an envelope and nothing at the exporter.
func TestNothingIsFollowedWithoutASample(t *testing.T) {
	got := &collector{}
	tr := tracing.New(tracing.Options{Sample: 0, Exporter: got, Log: slog.New(slog.DiscardHandler)})
	c := newCluster(t, 2, func(o *Options) { o.Tracer = tr })
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	for i := range 50 {
		alice.sendTo("bob", fmt.Sprint("m", i), "hello")
		expect[*wire.Entry](bob)
	}
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := len(got.all()); n != 0 {
		t.Errorf("%d spans", n)
	}
}

// The histograms name the trace of what they observed, for who asks for OpenMetrics.
func TestExemplarsNameTheTrace(t *testing.T) {
	port := ops.New(ops.Options{})
	m := NewMeters(&port.Metrics)
	c, got := followed(t, 1, func(o *Options) { o.Meters = m })
	alice, _ := c.login(0, "alice", "")
	alice.sendTo("bob", "m1", "hello")
	c.until(func() bool { return len(named(got.all(), "send")) == 1 })
	id := named(got.all(), "send")[0].SpanContext.TraceID().String()
	r := httptest.NewRequest("GET", "/metrics", nil)
	r.Header.Set("Accept", "application/openmetrics-text")
	w := httptest.NewRecorder()
	port.Handler().ServeHTTP(w, r)
	for _, name := range []string{"parley_gateway_command_seconds_bucket", "parley_gateway_append_seconds_bucket"} {
		found := false
		for line := range strings.Lines(w.Body.String()) {
			found = found || strings.HasPrefix(line, name) && strings.Contains(line, `# {trace_id="`+id+`"}`)
		}
		if !found {
			t.Errorf("%s has no exemplar of %s", name, id)
		}
	}
}
