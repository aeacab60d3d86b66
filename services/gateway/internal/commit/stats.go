package commit

import (
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tracing"
)

// Append is what became of one append of a flush.
type Append struct {
	Entries int // in the batch
	Stored  int
	Took    time.Duration
	Trace   string // of a command in it that is followed; "": there is none
}

// Stats is what a committer counts.
type Stats struct {
	LostRaces uint64 // commands that were stored behind another pod's entry, which had taken their place
	Unknown   uint64 // entries of which the store did not say whether they are stored
	Repeats   uint64 // commands that were found stored: repeats, and tries whose answer was lost
	Repairs   uint64 // looks into the store for a conversation: its state was not known, a try failed, or a command is refused
}

// Add sums what two committers count.
func (s Stats) Add(t Stats) Stats {
	return Stats{LostRaces: s.LostRaces + t.LostRaces, Unknown: s.Unknown + t.Unknown, Repeats: s.Repeats + t.Repeats, Repairs: s.Repairs + t.Repairs}
}

type counts struct {
	lost, unknown, repeats, repairs atomic.Uint64
}

// Stats returns the present counts. It does not block.
func (c *Committer) Stats() Stats {
	return Stats{LostRaces: c.counts.lost.Load(), Unknown: c.counts.unknown.Load(),
		Repeats: c.counts.repeats.Load(), Repairs: c.counts.repairs.Load()}
}

// appended tells of an append that began at a time.
func (c *Committer) appended(begun time.Time, outcomes []store.Outcome, span *tracing.Span) {
	a := Append{Entries: len(outcomes), Took: time.Since(begun), Trace: span.Context().ID()}
	for _, o := range outcomes {
		switch o {
		case store.Stored:
			a.Stored++
		case store.Unknown:
			c.counts.unknown.Add(1)
		}
	}
	if c.opts.Appended != nil {
		c.opts.Appended(a)
	}
}
