package rest

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/tally"
	"github.com/parley-chat/parley/pkg/tracing"
)

// Meter measures the requests of a service. Make it with [NewMeter]; nil measures
// nothing.
type Meter struct {
	took    *ops.HistogramVec
	answers *tally.Tally
}

// The classes of an answer's status, as a metric label. Switching protocols is ok.
const (
	classOK              = "ok"
	classClient          = "client"          // 4xx but for the two below
	classUnauthenticated = "unauthenticated" // 401
	classLimited         = "limited"         // 429
	classServer          = "server"          // 5xx
)

// requestTimes are upper bounds in seconds, up to the time that a request has.
var requestTimes = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// NewMeter registers the metrics of a service: history_request_seconds and
// history_answers_total for one that is called history.
func NewMeter(m *ops.Metrics, service string) *Meter {
	mt := &Meter{
		took:    m.HistogramBy(service+"_request_seconds", "Time from an HTTP request to its answer, by route and class of status.", requestTimes, "route", "status"),
		answers: tally.New(classOK, classClient, classUnauthenticated, classLimited, classServer),
	}
	m.CounterBy(service+"_answers_total", "Answers to HTTP requests by class of status.", "status", mt.answers.Read)
	return mt
}

// Answers counts the answers by class of status.
func (m *Meter) Answers() map[string]uint64 { return m.answers.Read() }

// request is what the parts that a request passes tell the outermost of them.
type request struct {
	route string
}

type requestKey struct{}

// NameRoute says by what name a request is counted: that of a route, of which there
// are few, and never the path of the request itself. [API.Handle] says it of what
// it handles.
func NameRoute(r *http.Request, route string) {
	if o, ok := r.Context().Value(requestKey{}).(*request); ok {
		o.route = route
	}
}

func (m *Meter) answered(route string, status int, took time.Duration, trace string) {
	if m == nil {
		return
	}
	class := classOf(status)
	m.answers.Add(class, 1)
	m.took.With(route, class).Observe(took.Seconds(), trace)
}

// Observer looks at requests: it measures all of them, and follows those that are
// sampled. The zero value does neither.
type Observer struct {
	Meter  *Meter          // nil: nothing is measured
	Tracer *tracing.Tracer // nil: nothing is followed
	// Trusted are the addresses of callers that may say themselves, with a traceparent
	// header, whether a request is sampled. Of others the header is not looked at.
	Trusted []netip.Prefix
}

// Handler observes what next answers. The request's context names the span.
func (o Observer) Handler(next http.Handler) http.Handler {
	if o.Meter == nil && o.Tracer == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, seen, about := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}, &request{route: "none"}
		span := o.span(r)
		defer func() {
			o.Meter.answered(about.route, seen.status, time.Since(begun), span.Context().ID())
			span.Name(about.route)
			if span != nil {
				span.Set(tracing.Text(tracing.Route, about.route), tracing.Number(tracing.Status, seen.status))
			}
			if seen.status >= http.StatusInternalServerError {
				span.Fail(classServer)
			}
			span.End()
		}()
		ctx := tracing.With(context.WithValue(r.Context(), requestKey{}, about), span.Context())
		next.ServeHTTP(seen, r.WithContext(ctx))
	})
}

// span begins the span of a request; nil: it is not sampled.
func (o Observer) span(r *http.Request) *tracing.Span {
	if len(o.Trusted) > 0 && o.trusts(r.RemoteAddr) {
		if parent, ok := tracing.Parent(r.Header); ok {
			return o.Tracer.Start(parent, tracing.Server, "request")
		}
	}
	return o.Tracer.Root(tracing.Server, "request")
}

func (o Observer) trusts(remote string) bool {
	at, err := netip.ParseAddrPort(remote)
	return err == nil && slices.ContainsFunc(o.Trusted, func(p netip.Prefix) bool { return p.Contains(at.Addr().Unmap()) })
}

func classOf(status int) string {
	switch {
	case status >= http.StatusInternalServerError:
		return classServer
	case status == http.StatusUnauthorized:
		return classUnauthenticated
	case status == http.StatusTooManyRequests:
		return classLimited
	case status >= http.StatusBadRequest:
		return classClient
	}
	return classOK
}

// statusWriter remembers the status of an answer.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if status >= http.StatusOK || status == http.StatusSwitchingProtocols { // not one of the informational ones before it
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap lets [http.ResponseController] flush.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Hijack implements http.Hijacker for WebSocket.
func (w *statusWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	return http.NewResponseController(w.ResponseWriter).Hijack()
}
