package rest

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/tally"
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
	trace string
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

// Handler measures what next answers.
func (m *Meter) Handler(next http.Handler) http.Handler {
	if m == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begun, seen, about := time.Now(), &statusWriter{ResponseWriter: w, status: http.StatusOK}, &request{route: "none"}
		defer func() {
			class := classOf(seen.status)
			m.answers.Add(class, 1)
			m.took.With(about.route, class).Observe(time.Since(begun).Seconds(), about.trace)
		}()
		next.ServeHTTP(seen, r.WithContext(context.WithValue(r.Context(), requestKey{}, about)))
	})
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
