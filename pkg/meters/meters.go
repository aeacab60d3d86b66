// Package meters is the metrics that several binaries show in the same way: calls of
// the store, tokens. Each function registers what it is about, and gives
// back what has to be put in the place of what is measured.
package meters

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/meterstore"
	"github.com/parley-chat/parley/pkg/tracing"
)

// callTimes are upper bounds in seconds, from a cached read to a deadline.
var callTimes = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}

// Store measures every call of a store, but for those of its search index.
// Calls for what is sampled become spans of t.
func Store(m *ops.Metrics, t *tracing.Tracer, s store.Store) store.Store {
	return meterstore.New(s, StoreCalls(m, t))
}

// StoreCalls is what Store observes with.
func StoreCalls(m *ops.Metrics, t *tracing.Tracer) meterstore.Observer {
	took := m.HistogramBy("store_call_seconds", "Time of one call of the store, by method and outcome.", callTimes, "op", "outcome")
	return func(ctx context.Context, op meterstore.Op, outcome meterstore.Outcome, begun time.Time, d time.Duration) {
		at := tracing.From(ctx)
		took.With(string(op), string(outcome)).Observe(d.Seconds(), at.ID())
		if at.Sampled() {
			t.Done(at, tracing.Client, "store "+string(op), begun, d, tracing.Text(tracing.Op, op), tracing.Text(tracing.Outcome, outcome))
		}
	}
}

// Logs shows how many lines a log has left out.
func Logs(m *ops.Metrics, h *logs.Handler) {
	m.Counter("log_lines_suppressed_total", "Lines of the log that were left out, because many like them had just been written.", h.Suppressed)
}

// Spans shows what became of spans; t is nil where nothing is traced.
func Spans(m *ops.Metrics, t *tracing.Tracer) {
	m.CounterBy("trace_spans_total", "Spans of sampled messages and requests, by what became of them.", "outcome", t.Spans)
}

// Limits shows what a service that is called history has refused because of its limits.
func Limits(m *ops.Metrics, service string, g *guard.Guard) {
	m.CounterBy(service+"_limited_total", "Requests that were refused because of a limit.", "limit", g.Refused)
}

// Tokens counts what v says of tokens, and shows what is known of an issuer's keys;
// keys is nil where there is one key for all.
func Tokens(m *ops.Metrics, v auth.TokenVerifier, keys *auth.KeySet) auth.TokenVerifier {
	meter := auth.NewMeter()
	m.CounterBy("auth_tokens_total", "Tokens that were checked, by what was found.", "outcome", meter.Outcomes)
	m.Gauge("auth_keys", "Keys of the issuer that are known; 0 where one key is configured.", func() float64 { return float64(keys.Stats().Keys) })
	m.CounterBy("auth_key_fetches_total", "Times that the issuer's keys were fetched, by outcome.", "outcome", func() map[string]uint64 {
		s := keys.Stats()
		return map[string]uint64{"ok": s.Fetched, "error": s.Failed}
	})
	m.Gauge("auth_keys_fetched_timestamp_seconds", "When the issuer's keys were fetched last, in Unix time; 0: never.", func() float64 {
		if at := keys.Stats().At; !at.IsZero() {
			return float64(at.UnixMilli()) / 1000
		}
		return 0
	})
	return meter.Observe(v)
}
