package observe

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/parley-chat/parley/pkg/tracing"
)

// ids are in hexadecimal in OTLP's JSON, where protobuf's own has base64.
var ids = regexp.MustCompile(`"(traceId|spanId|parentSpanId)":"([0-9a-f]+)"`)

// What the exporter posts is what OpenTelemetry's own definitions of the protocol
// say, without a field that they do not know.
func TestSpansAreOTLP(t *testing.T) {
	bodies := make(chan []byte, 1)
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- body
	}))
	defer srv.Close()
	// Nothing leaves before Stop: all is in one post, however long the spans take.
	tr, err := tracing.Open(srv.URL, tracing.Options{Service: "gateway", Version: "v1", Sample: 1, Every: time.Hour, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	root, other := tr.Root(tracing.Server, "send"), tr.Root(tracing.Server, "react")
	batch := tr.Start(root.Context(), tracing.Internal, "append", root.Context(), other.Context())
	batch.Set(tracing.Number(tracing.Entries, 2), tracing.Text(tracing.Outcome, "conflict"))
	batch.Fail("unavailable")
	batch.End()
	root.End()
	if err := tr.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	text := ids.ReplaceAllStringFunc(string(<-bodies), func(m string) string {
		part := ids.FindStringSubmatch(m)
		raw, err := hex.DecodeString(part[2])
		if err != nil {
			t.Error(err)
		}
		return fmt.Sprintf("%q:%q", part[1], base64.StdEncoding.EncodeToString(raw))
	})
	var got collector.ExportTraceServiceRequest
	if err := protojson.Unmarshal([]byte(text), &got); err != nil { // refuses fields that it does not know
		t.Fatalf("%v: %s", err, text)
	}
	if n := len(got.ResourceSpans); n != 1 || got.ResourceSpans[0].Resource.Attributes[1].Value.GetStringValue() != "parley-gateway" {
		t.Fatalf("%v", got.ResourceSpans)
	}
	spans := map[string]*trace.Span{}
	for _, s := range got.ResourceSpans[0].ScopeSpans[0].Spans {
		spans[s.Name] = s
	}
	a, s := spans["append"], spans["send"]
	id := root.Context()
	switch {
	case a == nil || s == nil || len(spans) != 2:
		t.Fatalf("%v", spans)
	case string(s.TraceId) != string(id.Trace[:]) || string(s.SpanId) != string(id.Span[:]) || len(s.ParentSpanId) != 0 || s.Kind != trace.Span_SPAN_KIND_SERVER:
		t.Errorf("%v", s)
	case string(a.ParentSpanId) != string(id.Span[:]) || len(a.Links) != 2 || string(a.Links[1].TraceId) == string(a.TraceId):
		t.Errorf("%v", a)
	case a.Status.GetCode() != trace.Status_STATUS_CODE_ERROR || a.Attributes[0].Value.GetIntValue() != 2 || a.StartTimeUnixNano == 0 || a.EndTimeUnixNano < a.StartTimeUnixNano:
		t.Errorf("%v", a)
	}
}
