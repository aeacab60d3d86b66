package tracing

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"go.opentelemetry.io/otel/attribute"
	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// Exporter posts spans to an OpenTelemetry collector: OTLP over HTTP in its JSON
// form (OTLP 1.x), which every collector takes at the same path as the binary one.
// The exporter that comes with OpenTelemetry would link gRPC into every binary,
// which makes a gateway half as large again.
type Exporter struct {
	url    string
	client *http.Client
}

// tracesPath is where a collector takes spans.
const tracesPath = "/v1/traces"

// NewExporter makes an exporter to a collector's address, such as
// http://otel-collector:4318; a path in it replaces /v1/traces. It does no I/O.
func NewExporter(endpoint string) (*Exporter, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil, u.Host == "", u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("the collector's address is not of the form http://host:4318")
	case u.User != nil:
		return nil, errors.New("the collector's address has a user name: credentials have no place in it")
	}
	if u.Path == "" || u.Path == "/" {
		u.Path = tracesPath
	}
	return &Exporter{url: u.String(), client: &http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
		MaxIdleConns: 1, MaxConnsPerHost: 1}, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

// ExportSpans implements sdk.SpanExporter. It tries once.
func (e *Exporter) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	body, err := encode(spans)
	if err != nil {
		return fmt.Errorf("encode spans: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, e.url, bytes.NewReader(body))
	if err != nil {
		return errors.New("export spans: the collector's address is malformed")
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := e.client.Do(req)
	if err != nil {
		var withURL *url.Error
		if errors.As(err, &withURL) {
			err = withURL.Err // the URL may have a query with a key in it
		}
		return fmt.Errorf("export spans: %w", err)
	}
	defer resp.Body.Close()
	_, _ = io.CopyN(io.Discard, resp.Body, 64<<10) // so that the connection can be used again
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("export spans: the collector answers %d", resp.StatusCode)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (e *Exporter) Shutdown(context.Context) error {
	e.client.CloseIdleConnections()
	return nil
}

// The messages of opentelemetry/proto/collector/trace/v1, in JSON: ids in
// hexadecimal, 64-bit numbers as texts.
type (
	otlpRequest struct {
		ResourceSpans []otlpResource `json:"resourceSpans"`
	}
	otlpResource struct {
		Resource   otlpAttributes `json:"resource"`
		ScopeSpans []otlpScope    `json:"scopeSpans"`
	}
	otlpScope struct {
		Scope otlpName   `json:"scope"`
		Spans []otlpSpan `json:"spans"`
	}
	otlpName struct {
		Name string `json:"name"`
	}
	otlpAttributes struct {
		Attributes []otlpAttribute `json:"attributes,omitempty"`
	}
	otlpSpan struct {
		TraceID    string          `json:"traceId"`
		SpanID     string          `json:"spanId"`
		Parent     string          `json:"parentSpanId,omitempty"`
		Name       string          `json:"name"`
		Kind       int             `json:"kind"`
		Flags      uint32          `json:"flags"`
		Start      string          `json:"startTimeUnixNano"`
		End        string          `json:"endTimeUnixNano"`
		Attributes []otlpAttribute `json:"attributes,omitempty"`
		Links      []otlpLink      `json:"links,omitempty"`
		Status     otlpStatus      `json:"status"`
	}
	otlpLink struct {
		TraceID string `json:"traceId"`
		SpanID  string `json:"spanId"`
	}
	otlpStatus struct {
		Code    int    `json:"code,omitzero"`
		Message string `json:"message,omitempty"`
	}
	otlpAttribute struct {
		Key   string    `json:"key"`
		Value otlpValue `json:"value"`
	}
	otlpValue struct {
		Text   *string `json:"stringValue,omitempty"`
		Number *string `json:"intValue,omitempty"`
	}
)

// encode puts spans of one process into one request: they have one resource and
// one scope.
func encode(spans []sdk.ReadOnlySpan) ([]byte, error) {
	scope := otlpScope{Scope: otlpName{spans[0].InstrumentationScope().Name}}
	for _, s := range spans {
		scope.Spans = append(scope.Spans, encodeSpan(s))
	}
	return json.Marshal(otlpRequest{[]otlpResource{{Resource: otlpAttributes{attributes(spans[0].Resource().Attributes())}, ScopeSpans: []otlpScope{scope}}}})
}

func encodeSpan(s sdk.ReadOnlySpan) otlpSpan {
	sc := s.SpanContext()
	o := otlpSpan{TraceID: sc.TraceID().String(), SpanID: sc.SpanID().String(), Name: s.Name(), Kind: int(s.SpanKind()), Flags: uint32(sc.TraceFlags()),
		Start: strconv.FormatInt(s.StartTime().UnixNano(), 10), End: strconv.FormatInt(s.EndTime().UnixNano(), 10), Attributes: attributes(s.Attributes())}
	if p := s.Parent(); p.HasSpanID() {
		id := p.SpanID()
		o.Parent = hex.EncodeToString(id[:])
	}
	for _, l := range s.Links() {
		o.Links = append(o.Links, otlpLink{l.SpanContext.TraceID().String(), l.SpanContext.SpanID().String()})
	}
	const statusError = 2
	if st := s.Status(); strings.EqualFold(st.Code.String(), "error") {
		o.Status = otlpStatus{statusError, st.Description}
	}
	return o
}

func attributes(list []attribute.KeyValue) (out []otlpAttribute) {
	for _, kv := range list {
		text := kv.Value.String()
		v := otlpValue{Text: &text}
		if kv.Value.Type() == attribute.INT64 {
			v = otlpValue{Number: &text}
		}
		out = append(out, otlpAttribute{string(kv.Key), v})
	}
	return out
}
