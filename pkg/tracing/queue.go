package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
)

// The outcomes of spans.
const (
	outcomeExported = "exported"
	outcomeQueue    = "queue"
	outcomeFailed   = "failed"
)

// queue is between spans that end and the exporter: bounded, and never waited for.
// A batch that cannot be exported is dropped; the next one is tried.
type queue struct {
	exporter sdk.SpanExporter
	in       chan sdk.ReadOnlySpan
	batch    int
	every    time.Duration
	timeout  time.Duration
	log      *slog.Logger

	exported, full, failed atomic.Uint64

	life   context.Context // ends when Shutdown has no more time
	end    context.CancelFunc
	stop   chan struct{}
	once   sync.Once
	ended  chan struct{}
	broken bool // owned by run: the last batch was lost
}

func newQueue(o Options) *queue {
	def := func(v, d int) int {
		if v == 0 {
			return d
		}
		return v
	}
	q := &queue{exporter: o.Exporter, in: make(chan sdk.ReadOnlySpan, def(o.Queue, 4096)), batch: def(o.Batch, 512),
		every: o.Every, timeout: o.Timeout, log: o.Log, stop: make(chan struct{}), ended: make(chan struct{})}
	if q.every == 0 {
		q.every = time.Second
	}
	if q.timeout == 0 {
		q.timeout = 5 * time.Second
	}
	if q.log == nil {
		q.log = slog.Default()
	}
	q.life, q.end = context.WithCancel(context.Background())
	go q.run()
	return q
}

// OnStart implements sdk.SpanProcessor.
func (*queue) OnStart(context.Context, sdk.ReadWriteSpan) {}

// OnEnd implements sdk.SpanProcessor.
func (q *queue) OnEnd(s sdk.ReadOnlySpan) {
	select {
	case <-q.stop:
		q.full.Add(1)
		return
	default:
	}
	select {
	case q.in <- s:
	default:
		q.full.Add(1)
	}
}

// ForceFlush implements sdk.SpanProcessor; nobody asks for it.
func (*queue) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdk.SpanProcessor.
func (q *queue) Shutdown(ctx context.Context) error {
	q.once.Do(func() { close(q.stop) })
	stop := context.AfterFunc(ctx, q.end)
	defer stop()
	<-q.ended
	q.end()
	return q.exporter.Shutdown(ctx)
}

func (q *queue) run() {
	defer close(q.ended)
	tick := time.NewTicker(q.every)
	defer tick.Stop()
	var batch []sdk.ReadOnlySpan
	for {
		select {
		case s := <-q.in:
			if batch = append(batch, s); len(batch) < q.batch {
				continue
			}
		case <-tick.C:
		case <-q.stop:
			q.rest(batch)
			return
		}
		q.export(batch)
		batch = nil
	}
}

// rest exports what is queued at the end.
func (q *queue) rest(batch []sdk.ReadOnlySpan) {
	for {
		select {
		case s := <-q.in:
			if batch = append(batch, s); len(batch) < q.batch {
				continue
			}
		default:
			q.export(batch)
			return
		}
		q.export(batch)
		batch = nil
	}
}

func (q *queue) export(batch []sdk.ReadOnlySpan) {
	if len(batch) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(q.life, q.timeout)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	switch {
	case err != nil:
		q.failed.Add(uint64(len(batch)))
		if !q.broken {
			q.log.Warn("spans cannot be exported; they are dropped", "error", err)
		}
	default:
		q.exported.Add(uint64(len(batch)))
		if q.broken {
			q.log.Info("spans are exported again")
		}
	}
	q.broken = err != nil
}

func (q *queue) counts() map[string]uint64 {
	return map[string]uint64{outcomeExported: q.exported.Load(), outcomeQueue: q.full.Load(), outcomeFailed: q.failed.Load()}
}
