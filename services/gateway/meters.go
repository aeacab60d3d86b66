package gateway

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
)

// Meters are the histograms of gateways: what cannot be read off a counter when
// somebody asks. Several gateways of a process may share them.
type Meters struct {
	stored   *ops.Histogram            // of commands, as most are
	commands map[string]*ops.Histogram // by outcome
	append   *ops.Histogram
	batch    *ops.Histogram
	local    *ops.Histogram // ages of entries, by how they came here
	heard    *ops.Histogram
	read     *ops.Histogram
	requests *rest.Meter
}

// The outcomes of commands beside the error codes of the protocol.
const (
	outcomeStored = "stored"
	outcomeRepeat = "repeat"
)

var (
	latencies = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	batches   = []float64{1, 2, 4, 8, 16, 32, 64, 128, 256, 512}
)

// refusals are the codes that a frame may be answered with.
var refusals = []string{string(chat.CodeBadFrame), string(chat.CodeBadRequest), string(chat.CodeUnauthenticated), string(chat.CodeForbidden),
	string(chat.CodeNotFound), string(chat.CodeCMIDConflict), string(chat.CodeTooLarge), string(chat.CodeRateLimited), string(chat.CodeUnavailable), string(chat.CodeInternal)}

// NewMeters registers the histograms.
func NewMeters(m *ops.Metrics) *Meters {
	commands := m.HistogramBy("gateway_command_seconds", "Time from a command's arrival to its answer, by what became of it.", latencies, "outcome")
	delivery := m.HistogramBy("gateway_delivery_seconds", "Age of entries when a pod handed them to its sessions, by how they came to it.", latencies, "path")
	mt := &Meters{
		commands: map[string]*ops.Histogram{},
		append:   m.Histogram("gateway_append_seconds", "Time of one append to the store.", latencies),
		batch:    m.Histogram("gateway_append_entries", "Entries in one append to the store.", batches),
		local:    delivery.With("local"),
		heard:    delivery.With("bus"),
		read:     delivery.With("repair"),
		requests: rest.NewMeter(m, "gateway"),
	}
	for _, outcome := range append([]string{outcomeStored, outcomeRepeat}, refusals...) {
		mt.commands[outcome] = commands.With(outcome)
	}
	mt.stored = mt.commands[outcomeStored]
	return mt
}

// commandDone takes what became of a command that came at a time.
func (m *Meters) commandDone(begun time.Time, res *commit.Result, trace string) {
	h := m.stored
	switch {
	case res.Err != nil:
		h = m.commands[string(res.Err.Code)]
	case res.Dup:
		h = m.commands[outcomeRepeat]
	}
	h.Observe(time.Since(begun).Seconds(), trace)
}

// appended takes an append.
func (m *Meters) appended(a commit.Append) {
	m.append.Observe(a.Took.Seconds(), a.Trace)
	m.batch.Observe(float64(a.Entries), a.Trace)
}

// handed takes entries that were handed to this pod's sessions just now. Those of a
// flush are of few times: they are taken together.
type handed struct {
	h    *ops.Histogram
	now  time.Time
	made time.Time
	n    uint64
}

func (a *handed) add(made time.Time) {
	if a.n > 0 && !made.Equal(a.made) {
		a.done()
	}
	a.made = made
	a.n++
}

func (a *handed) done() {
	if a.n > 0 && !a.made.IsZero() {
		a.h.ObserveMany(max(0, a.now.Sub(a.made).Seconds()), a.n)
	}
	a.n = 0
}

// delivered takes an entry that was handed to this pod's sessions just now.
func delivered(h *ops.Histogram, now, made time.Time) {
	if h != nil && !made.IsZero() {
		h.Observe(max(0, now.Sub(made).Seconds()), "")
	}
}
