package tracing_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/tracing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var quiet = slog.New(slog.DiscardHandler)

// sink is an exporter that can be away, or not come back.
type sink struct {
	mu    sync.Mutex
	spans []sdk.ReadOnlySpan
	err   error
	hold  chan struct{} // nil: it answers at once
	calls chan int      // sizes of batches
}

func (s *sink) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	if s.calls != nil {
		s.calls <- len(spans)
	}
	if s.hold != nil {
		select {
		case <-s.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	s.spans = append(s.spans, spans...)
	return nil
}

func (s *sink) Shutdown(context.Context) error { return nil }

func TestHeadSampling(t *testing.T) {
	for _, share := range []float64{0, 0.01, 0.5, 1} {
		s := &sink{}
		tr := tracing.New(tracing.Options{Sample: share, Exporter: s, Log: quiet, Queue: 20_000})
		n := 0
		const tries = 10_000
		for range tries {
			if root := tr.Root(tracing.Server, "x"); root != nil {
				n++
				root.End()
			}
		}
		if err := tr.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got, want := float64(n)/tries, share; got < want-0.03 || got > want+0.03 || (share == 0 || share == 1) && got != want {
			t.Errorf("of a share of %v %v were sampled", share, got)
		}
		if len(s.spans) != n {
			t.Errorf("%d sampled, %d exported", n, len(s.spans))
		}
	}
}

// Off and not sampled cost a comparison, and nothing to collect.
func TestNothingAllocates(t *testing.T) {
	s := &sink{}
	zero := tracing.New(tracing.Options{Sample: 0, Exporter: s, Log: quiet})
	defer func() { _ = zero.Stop(context.Background()) }()
	for name, tr := range map[string]*tracing.Tracer{"off": nil, "not sampled": zero} {
		if n := testing.AllocsPerRun(1000, func() {
			root := tr.Root(tracing.Server, "send")
			below := tr.Start(root.Context(), tracing.Internal, "commit")
			ctx := tracing.With(context.Background(), below.Context())
			_ = tracing.From(ctx).ID()
			below.Link(root.Context())
			below.End()
			root.End()
		}); n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}

func BenchmarkRoot(b *testing.B) {
	zero := tracing.New(tracing.Options{Sample: 0, Exporter: &sink{}, Log: quiet})
	defer func() { _ = zero.Stop(context.Background()) }()
	for name, tr := range map[string]*tracing.Tracer{"off": nil, "notSampled": zero} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				tr.Root(tracing.Server, "send").End()
			}
		})
	}
}

// An exporter that does not come back costs spans, and nobody's time.
func TestAFullQueueDropsAndCounts(t *testing.T) {
	s := &sink{hold: make(chan struct{}), calls: make(chan int, 100)}
	tr := tracing.New(tracing.Options{Sample: 1, Exporter: s, Log: quiet, Queue: 8, Batch: 4, Every: time.Hour, Timeout: time.Hour})
	for range 4 {
		tr.Root(tracing.Server, "x").End()
	}
	if n := <-s.calls; n != 4 { // the exporter holds these now
		t.Fatalf("a batch of %d", n)
	}
	for range 100 {
		tr.Root(tracing.Server, "x").End()
	}
	if got := tr.Spans(); got["queue"] != 92 || got["exported"] != 0 {
		t.Errorf("%v", got)
	}
	close(s.hold)
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := tr.Spans(); got["exported"] != 12 || got["failed"] != 0 {
		t.Errorf("%v", got)
	}
	tr.Root(tracing.Server, "late").End()
	if got := tr.Spans(); got["queue"] != 93 {
		t.Errorf("after the end: %v", got)
	}
}

// Stop does not wait longer than it is told.
func TestStopEndsAnExporterThatHangs(t *testing.T) {
	s := &sink{hold: make(chan struct{})}
	tr := tracing.New(tracing.Options{Sample: 1, Exporter: s, Log: quiet, Timeout: time.Hour})
	tr.Root(tracing.Server, "x").End()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_ = tr.Stop(ctx)
	if got := tr.Spans(); got["failed"] != 1 {
		t.Errorf("%v", got)
	}
}

// Trouble is told when it begins and when it ends, not with every batch.
func TestTroubleIsToldOnce(t *testing.T) {
	var log bytes.Buffer
	s := &sink{err: errors.New("away"), calls: make(chan int, 100)}
	tr := tracing.New(tracing.Options{Sample: 1, Exporter: s, Log: slog.New(slog.NewTextHandler(&log, nil)), Batch: 1, Every: time.Hour})
	for range 5 {
		tr.Root(tracing.Server, "x").End()
		<-s.calls
	}
	s.mu.Lock()
	s.err = nil
	s.mu.Unlock()
	tr.Root(tracing.Server, "x").End()
	tr.Root(tracing.Server, "x").End()
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(log.String(), "cannot be exported"); n != 1 || strings.Count(log.String(), "exported again") != 1 {
		t.Errorf("%s", log.String())
	}
}

// collector is an OTLP/HTTP receiver.
func collector(t *testing.T, status int) (url string, bodies func() []string) {
	var mu sync.Mutex
	var list []string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != "POST" || r.URL.Path != "/v1/traces" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %v", r.Method, r.URL, err)
		}
		mu.Lock()
		list = append(list, string(body))
		mu.Unlock()
		w.WriteHeader(status)
		fmt.Fprint(w, "{}")
	}))
	t.Cleanup(srv.Close)
	return srv.URL, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return list
	}
}

func TestOTLP(t *testing.T) {
	url, bodies := collector(t, http.StatusOK)
	tr, err := tracing.Open(url, tracing.Options{Service: "gateway", Version: "v1", Sample: 1, Log: quiet,
		Every: time.Hour, Timeout: time.Hour}) // both spans go in the batch of the end, however long it takes
	if err != nil {
		t.Fatal(err)
	}
	root := tr.Root(tracing.Server, "send")
	other := tr.Root(tracing.Server, "other")
	child := tr.Start(root.Context(), tracing.Producer, "announce", root.Context(), other.Context())
	child.Set(tracing.Text(tracing.Pod, "p1"), tracing.Number(tracing.Entries, 3))
	child.Fail("unavailable")
	child.End()
	root.End()
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(bodies()) != 1 {
		t.Fatalf("%d requests", len(bodies()))
	}
	body := bodies()[0]
	for _, want := range []string{
		`{"key":"service.name","value":{"stringValue":"parley-gateway"}}`,
		`"traceId":"` + root.Context().ID() + `"`,
		`"parentSpanId":"` + fmt.Sprintf("%x", root.Context().Span) + `","name":"announce","kind":4`,
		`{"key":"parley.entries","value":{"intValue":"3"}}`,
		`"links":[{"traceId":"` + root.Context().ID() + `"`,
		`"status":{"code":2,"message":"unavailable"}`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in %s", want, body)
		}
	}
	if got := tr.Spans(); got["exported"] != 2 {
		t.Errorf("%v", got)
	}
}

// A collector that refuses or is away loses spans, and its address is in no error.
func TestCollectorAway(t *testing.T) {
	refusing, _ := collector(t, http.StatusTooManyRequests)
	const away = "http://127.0.0.1:0/v1/traces?key=canary" // where nobody can listen
	for _, address := range []string{refusing, away} {
		var log bytes.Buffer
		tr, err := tracing.Open(address, tracing.Options{Sample: 1, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		tr.Root(tracing.Server, "x").End()
		if err := tr.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := tr.Spans(); got["failed"] != 1 || !strings.Contains(log.String(), "dropped") || strings.Contains(log.String(), "canary") {
			t.Errorf("%v, %s", got, log.String())
		}
	}
	for _, address := range []string{"collector:4318", "grpc://collector:4317", "http://user:secret@collector", "http://"} {
		if _, err := tracing.Open(address, tracing.Options{}); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", address, err)
		}
	}
	if tr, err := tracing.Open("", tracing.Options{}); tr != nil || err != nil {
		t.Error("off is not off")
	}
}

func TestParent(t *testing.T) {
	const good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	for v, want := range map[string]string{
		good: "0af7651916cd43dd8448eb211c80319c",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00":        "unsampled",
		"cc-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-future": "0af7651916cd43dd8448eb211c80319c",
		"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x":      "",
		"ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":        "",
		"00-00000000000000000000000000000000-b7ad6b7169203331-01":        "",
		"00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01":        "",
		"00-0AF7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01":        "",
		"00-0af7651916cd43dd8448eb211c8031-b7ad6b7169203331-01":          "",
		"": "",
	} {
		c, ok := tracing.Parent(http.Header{"Traceparent": {v}})
		got := c.ID()
		if ok && got == "" {
			got = "unsampled"
		}
		if got != want {
			t.Errorf("%s: %q", v, got)
		}
	}
	if _, ok := tracing.Parent(http.Header{"Traceparent": {good, good}}); ok {
		t.Error("two headers are taken for one")
	}
	h := http.Header{"Traceparent": {good}, "Tracestate": {"x=y"}}
	tracing.SetParent(h, tracing.Context{})
	if len(h) != 0 {
		t.Errorf("left: %v", h)
	}
	c, _ := tracing.Parent(http.Header{"Traceparent": {good}})
	if tracing.SetParent(h, c); h.Get("Traceparent") != good {
		t.Errorf("%v", h)
	}
}
