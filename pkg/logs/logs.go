// Package logs is how Parley logs: lines of log/slog with fields of one list, and
// no more of them than anybody can read.
//
// # Fields
//
// [Fields] are all that there are. A conversation and a seq may be in a line: they
// say where to look, and mean nothing without the store. A user, a device, an
// address, a cmid, a token and a body may not, also not inside of an error. A test
// reads the sources for it.
//
// # Levels
//
// Error: an operator has to do something. Warn: something failed and is tried again
// by itself, or a client is told to. Info: once in a while, so that a log can be
// read: starting, draining, who leads. Debug: whatever helps to find a defect.
package logs

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Fields are the keys of fields, and what they hold.
var fields = map[string]string{
	"error":   "why, without secrets",
	"conv":    "a conversation",
	"after":   "the seq behind which something is looked at, or a duration",
	"session": "a session's id",
	"pod":     "a gateway's id",
	"gateway": "which of several in a process",
	"epoch":   "of the data",
	"cluster": "of the data",

	"trace_id": "the trace of what was going on, if it is sampled",
	"method":   "of a request",
	"route":    "of a request: the pattern, never the path",
	"panic":    "what a handler panicked with",
	"stack":    "where",

	"version":  "of the binary",
	"settings": "of the binary, without secrets",
	"listen":   "an address of the binary's own",
	"what":     "a part of the binary",
	"part":     "a part that does not work as it should",
	"reason":   "why it does not",
	"from":     "a state",
	"to":       "a state",
	"took":     "a duration",
	"window":   "a duration",
	"server":   "a NATS server",
	"host":     "an issuer of tokens",
	"bucket":   "where attachments are kept",
	"topic":    "a subject of the bus",
	"file":     "of a certificate",
	"names":    "of a certificate",
	"expires":  "when a certificate does",
	"job":      "a job's id",
	"kind":     "what a job does",
	"attempt":  "which worker's turn at a job it is",
	"tries":    "how often something failed in a row",
	"wait":     "a duration",

	"entries":       "how many",
	"commands":      "how many",
	"sessions":      "how many",
	"known":         "how many",
	"over":          "how many",
	"told":          "how many",
	"conversations": "how many",
	"messages":      "how many",
	"round":         "which one",
	"generation":    "of the search index",
	"built":         "whether the search index has everything",
	"suppressed":    "how many lines like this one were left out before it",
}

// Fields lists the keys of fields with what they hold. It is the caller's.
func Fields() map[string]string {
	list := make(map[string]string, len(fields))
	for k, v := range fields {
		list[k] = v
	}
	return list
}

// Options configure a [Handler]. The zero value works.
type Options struct {
	// Lines of one message and level in Every are written; more are counted, and the
	// next one that is written says how many they were. Default 10 in 10 s.
	Lines int
	Every time.Duration
}

// Handler writes to another handler, at most so many lines of one message in a
// time. What fails for each of 10,000 clients says so ten times, and how often it
// was. It is safe for concurrent use.
type Handler struct {
	slog.Handler
	limit *limit // shared by the handlers that With makes
}

type limit struct {
	lines int
	every time.Duration
	left  atomic.Uint64 // lines left out

	mu   sync.Mutex
	seen map[kind]*count
}

type kind struct {
	level   slog.Level
	message string
}

type count struct {
	begun time.Time // of the present stretch
	lines int       // in it
	left  int       // since the last line that was written
}

// mostKinds bounds what is remembered: messages are texts of the program, but some
// have a number in them. Beyond it all are forgotten.
const mostKinds = 1024

// New limits what goes to h.
func New(h slog.Handler, o Options) *Handler {
	if o.Lines == 0 {
		o.Lines = 10
	}
	if o.Every == 0 {
		o.Every = 10 * time.Second
	}
	return &Handler{h, &limit{lines: o.Lines, every: o.Every, seen: make(map[kind]*count)}}
}

// Handle implements slog.Handler.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	left, ok := h.limit.take(kind{r.Level, r.Message}, time.Now())
	if !ok {
		return nil
	}
	if left > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("suppressed", left))
	}
	return h.Handler.Handle(ctx, r)
}

// take reports whether a line may be written, and how many like it were not.
func (l *limit) take(k kind, now time.Time) (left int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	c := l.seen[k]
	if c == nil {
		if len(l.seen) >= mostKinds {
			clear(l.seen)
		}
		c = &count{begun: now}
		l.seen[k] = c
	}
	if now.Sub(c.begun) >= l.every {
		c.begun, c.lines = now, 0
	}
	if c.lines >= l.lines {
		c.left++
		l.left.Add(1)
		return 0, false
	}
	c.lines++
	left, c.left = c.left, 0
	return left, true
}

// WithAttrs implements slog.Handler.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &Handler{h.Handler.WithAttrs(attrs), h.limit}
}

// WithGroup implements slog.Handler.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.Handler.WithGroup(name), h.limit}
}

// Suppressed counts the lines that were left out. It does not block.
func (h *Handler) Suppressed() uint64 { return h.limit.left.Load() }
