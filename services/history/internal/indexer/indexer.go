// Package indexer feeds the search index from the log, apart from the way of a
// message: nobody who sends waits for it.
//
// Of all replicas one leads, by a lease. It follows the journals of all pods, which
// name what was finished, a fraction of a second later. A journal only says where
// to look: for each conversation a mark says up to where it is indexed, and what is
// indexed is everything from there up to the head. So nothing depends on a journal
// being complete, and what no journal names (its writer died between head and
// journal, or the journal was trimmed before it was read) comes with the next entry,
// or with a sweep over all conversations, which compares heads with marks. The
// first sweep is what builds an index.
//
// A message is indexed as it is folded when it is read. The index lets only newer
// texts replace older ones and lets what is gone stay gone, so it does no harm to
// index something twice, late, or from two places at once: a lease that two hold for
// a moment costs work and nothing else.
package indexer

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
)

// Log is what is read of the log.
type Log interface {
	Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error)
	Folds(ctx context.Context, key chat.Key, seqs []chat.Seq) (map[chat.Seq]store.Fold, error)
	ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error)
}

// Journals is what is read of the pods' journals.
type Journals interface {
	ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error)
	Pods(ctx context.Context) ([]store.Pod, time.Time, error)
}

// Source is where messages come from.
type Source interface {
	Log
	Journals
	search.Conversations
}

// Options configure an [Indexer]. Source, Store and Current are required.
type Options struct {
	Source  Source
	Store   search.Store
	Current *Current // of the same Store

	Poll  time.Duration // between two looks at a journal; default 500 ms
	Lease time.Duration // after which another replica takes over; default 10 s
	Sweep time.Duration // from the end of a sweep to the next one; default 10 min
	// Share of the time in which it works at most, while there is much to do; the
	// rest is left to others in the same process. Default 1.
	Share float64
	Log   *slog.Logger // default: discards
}

func (o Options) withDefaults() Options {
	def := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	def(&o.Poll, 500*time.Millisecond)
	def(&o.Lease, 10*time.Second)
	def(&o.Sweep, 10*time.Minute)
	if o.Share == 0 {
		o.Share = 1
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// stepEntries bounds a step's entries. One who shares the processor works in small
// pieces: a step of thousands would keep a core from everybody else for 100 ms.
func (o *Options) stepEntries() int {
	if o.Share < 1 {
		return sharedEntries
	}
	return stepEntries
}

// reads is how many conversations are read at a time.
func (o *Options) reads() int {
	if o.Share < 1 {
		return 1
	}
	return reads
}

// Bounds of one step. A step holds at most stepEntries entries in memory, which
// have 40 KiB each at most.
const (
	stepConvs     = 64   // conversations that are read in one step
	stepEntries   = 1000 // entries that are read in one step
	sharedEntries = 100  // the same where the processor is shared: about 4 ms
	convEntries   = 200  // of one conversation
	reads         = 8    // of the store at a time

	journalPage  = 200              // documents in one read of a journal
	journalPages = 5                // reads of one journal in a step
	mostSeen     = 65_536           // documents of a journal above a hole; it is not read on beyond
	lateWrite    = 10 * time.Second // after the end of its lease a dead pod's writes may still arrive
	sweepPage    = 200              // conversations in one step of a sweep
	mostMarks    = 65_536           // marks that are remembered
	mostFailures = 5                // in a row, of a conversation that cannot be read while others can

	listEvery = time.Second      // between two looks at the list of pods
	holeEvery = time.Second      // between two looks at the holes of a journal
	saveEvery = time.Second      // between two times that progress is saved
	dropAfter = 10 * time.Minute // without a leader, an index of another version goes
	callTime  = 10 * time.Second // for one call of the store
	mostPause = 5 * time.Second  // after errors
)

// Indexer feeds the index while it runs. Make it with [New].
type Indexer struct {
	opts  Options
	owner string

	leading  atomic.Bool
	messages atomic.Uint64
	entries  atomic.Uint64
	sweeps   atomic.Uint64
	errors   atomic.Uint64
	pending  atomic.Int64
	behind   atomic.Int64 // since when something is pending, Unix ns; 0: nothing is
}

// New makes an indexer.
func New(o Options) *Indexer { return &Indexer{opts: o.withDefaults(), owner: rand.Text()} }

// Stats is what an indexer counts.
type Stats struct {
	Leading  bool          // this replica feeds the index
	Pending  int64         // conversations that are known to be behind
	Lag      time.Duration // since when there are such without a break; 0: there are none
	Entries  uint64        // entries read
	Messages uint64        // documents written
	Sweeps   uint64        // sweeps that came to their end here
	Errors   uint64        // steps that failed and were tried again
}

// Stats returns the present counts. It does not block.
func (ix *Indexer) Stats() Stats {
	return Stats{Lag: ix.lag(time.Now()), Leading: ix.leading.Load(), Pending: ix.pending.Load(), Entries: ix.entries.Load(),
		Messages: ix.messages.Load(), Sweeps: ix.sweeps.Load(), Errors: ix.errors.Load()}
}

// note keeps how much is pending, and since when anything is.
func (ix *Indexer) note(pending int, now time.Time) {
	ix.pending.Store(int64(pending))
	if pending == 0 {
		ix.behind.Store(0)
		return
	}
	ix.behind.CompareAndSwap(0, now.UnixNano())
}

func (ix *Indexer) lag(now time.Time) time.Duration {
	since := ix.behind.Load()
	if since == 0 {
		return 0
	}
	return now.Sub(time.Unix(0, since))
}

// Run feeds the index whenever nobody else does, until ctx ends. It does not
// return before: what fails is tried again.
func (ix *Indexer) Run(ctx context.Context) {
	for ctx.Err() == nil {
		err := ix.lead(ctx)
		if err != nil && ctx.Err() == nil {
			ix.errors.Add(1)
			ix.opts.Log.Warn("the search index could not be fed; trying again", "error", err)
		}
		pause(ctx, time.Second)
	}
}

// lead feeds the index for as long as this replica leads.
func (ix *Indexer) lead(ctx context.Context) error {
	g, err := ix.opts.Current.Generation(ctx)
	if err != nil {
		return err
	}
	asked := time.Now()
	l, ok, err := ix.opts.Store.Lead(ctx, g, ix.owner, ix.opts.Lease)
	if err != nil || !ok {
		return err
	}
	ix.leading.Store(true)
	defer ix.leading.Store(false)
	defer ix.note(0, time.Time{}) // whoever leads next knows
	ix.opts.Log.Info("feeding the search index", "generation", g.Number, "built", l.Progress.Rounds > 0)
	f := newFeed(ix, g, l, asked)
	err = f.run(ctx)
	// Whoever is next takes over at once, and where this one has stopped.
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), ix.opts.Lease/4)
	defer cancel()
	if errors.Is(err, search.ErrNotLeading) {
		return nil
	}
	err = errors.Join(err, f.save(ending))
	_, _, errRelease := ix.opts.Store.Lead(ending, g, ix.owner, 0)
	if ctx.Err() != nil {
		return nil
	}
	return errors.Join(err, errRelease)
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
