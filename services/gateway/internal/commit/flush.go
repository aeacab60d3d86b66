package commit

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/failpoint"
)

// work is what one flush does for one lane.
type work struct {
	lane    *lane
	reqs    []*Request    // not answered yet, in order
	entries []chat.Entry  // made from the first len(entries) of reqs
	again   bool          // it comes from a repair
	stuck   store.Outcome // of the first entry that was not stored; NotTried: there is none
}

// flush appends and finishes one batch. Lanes that need more than that, because
// their state is not known or their entries were not simply stored, go on by
// themselves, so that they keep nobody waiting.
func (c *Committer) flush(works []*work) {
	works = c.askFloors(c.askBlocks(works))
	batch := store.Batch{Entries: make([]chat.Entry, 0, requestsOf(works))}
	fast := make([]*work, 0, len(works))
	now := time.Now().UTC().Truncate(time.Millisecond)
	for _, w := range works {
		if w.lane.state == nil || !c.judgeAll(w, now, &batch.Entries) {
			c.repair(w)
			continue
		}
		fast = append(fast, w)
	}
	if len(fast) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.opts.Deadline)
	defer cancel()
	if err := c.opts.Journal.Ready(ctx); err != nil {
		for _, w := range fast {
			c.repair(w) // which tries again
		}
		return
	}
	batch.Journal = c.opts.Journal.Next()
	if mutant.Is(mutant.AckBeforeStore) {
		answerEarly(fast)
	}
	if mutant.Is(mutant.AnnounceBeforeStore) {
		c.opts.Committed(batch.Journal, batch.Entries, nil)
	}
	begun, span := time.Now(), c.follow(fast, len(batch.Entries))
	ctx = tracing.With(ctx, span.Context())
	res := c.opts.Store.Append(ctx, batch)
	c.appended(begun, res.Outcomes, span)
	failpoint.Hit("before-finish")
	stored := storedOf(batch.Entries, res.Outcomes)
	err := c.finish(ctx, store.Batch{Entries: stored, Journal: batch.Journal}, res.Finished)
	span.End()
	var told []chat.Entry
	var traces []tracing.Context
	at := 0
	for _, w := range fast {
		outcomes := res.Outcomes[at : at+len(w.entries)]
		at += len(w.entries)
		n := w.settle(outcomes)
		if err != nil {
			// Stored, but perhaps not finished: nobody may be told. The repair loads the
			// state anew, which finishes what is above the head, and finds the entries
			// by their cmid.
			w.lane.state = nil
			w.doubt(n)
			continue
		}
		traces = appendTraces(traces, len(told), w.reqs[:n])
		if entries := c.answerStored(w, n); len(stored) == len(batch.Entries) {
			told = batch.Entries[:at]
		} else {
			told = append(told, entries...)
		}
	}
	if err == nil {
		c.opts.Committed(batch.Journal, told, traces)
	}
	for _, w := range fast { // only now: a lane's next entries must not overtake these
		if len(w.reqs) > 0 {
			c.repair(w)
		} else {
			w.lane.waits = 0
			c.release(w.lane)
		}
	}
}

// requestsOf is how many requests works have.
func requestsOf(works []*work) (n int) {
	for _, w := range works {
		n += len(w.reqs)
	}
	return n
}

func storedOf(entries []chat.Entry, outcomes []store.Outcome) []chat.Entry {
	all := true
	for _, o := range outcomes {
		all = all && o == store.Stored
	}
	if all {
		return entries
	}
	var stored []chat.Entry
	for i, o := range outcomes {
		if o == store.Stored {
			stored = append(stored, entries[i])
		}
	}
	return stored
}

// finish finishes stored entries and settles the journal number. An append that
// finished already leaves only the number.
func (c *Committer) finish(ctx context.Context, b store.Batch, finished bool) error {
	defer c.opts.Journal.Settle(b.Journal)
	if finished || len(b.Entries) == 0 {
		return nil
	}
	var err error
	for wait := range backoff(ctx) {
		if err = c.opts.Store.Finish(ctx, b); err == nil {
			return nil
		}
		c.opts.Log.Warn("could not finish a batch; trying again", "entries", len(b.Entries), "error", err)
		wait()
	}
	return fmt.Errorf("finish: %w", err)
}

// backoff yields waits of 1, 2, 4 … 100 ms, until ctx ends.
func backoff(ctx context.Context) func(func(func()) bool) {
	return func(yield func(func()) bool) {
		pause := time.Millisecond
		wait := func() {
			t := time.NewTimer(pause)
			defer t.Stop()
			select {
			case <-t.C:
			case <-ctx.Done():
			}
			pause = min(2*pause, 100*time.Millisecond)
		}
		for ctx.Err() == nil && yield(wait) {
		}
	}
}

// judgeAll makes entries of requests, against the state as of the tail that they
// are appended to; it returns false where the first of them wants a look into the
// store before: because it is refused, may be stored already, or comes behind one
// that may be. Such a one further back ends the batch, and is looked at when it is
// first. After a look, a request that may be stored is tried once more: "not
// found" is not "not stored", only the index decides.
//
// A members entry changes what the next command is judged against, so it stands
// alone in its batch. What an entry does to a message is supposed for those behind it:
// they are only stored if it is.
//
// The entries are put behind those of other lanes in the flush's batch, which has room
// for them: an entry is large, and is copied no more than it must be.
func (c *Committer) judgeAll(w *work, now time.Time, batch *[]chat.Entry) bool {
	s := w.lane.state
	tail, from := s.Tail, len(*batch)
	w.entries = nil
	s.Now = now
	defer func() {
		s.Now = time.Time{}
		s.EndSuppositions()
	}()
	for _, r := range w.reqs {
		if r.behind != "" || r.maybe && !w.again || r.unknown(s) {
			break
		}
		e, cerr := c.judge(r, s)
		if cerr != nil || e.Kind == chat.KindMembers && len(*batch) > from {
			break
		}
		e.From, e.CMID, e.Hash = r.From, r.CMID, r.Hash
		s.Next(&e, tail)
		if c.opts.Audience > 0 {
			e.Audience = s.Audience(&e, c.opts.Audience)
		}
		tail = store.LastOf(&e)
		s.Suppose(&e)
		*batch = append(*batch, e)
		if e.Kind == chat.KindMembers {
			break
		}
	}
	w.entries = (*batch)[from:len(*batch):len(*batch)]
	return len(w.entries) > 0
}

// settle folds the stored prefix and marks what may be stored too; it returns the
// length of the prefix.
func (w *work) settle(outcomes []store.Outcome) int {
	n := 0
	for n < len(outcomes) && outcomes[n] == store.Stored {
		w.lane.state.Fold(&w.entries[n])
		n++
	}
	switch {
	case n < len(outcomes) && n == 0 && outcomes[0] == store.NotTried:
		// No entry before it is to blame: the log does not end where the state does.
		w.stuck, w.lane.state = store.Unknown, nil
	case n < len(outcomes):
		w.stuck = outcomes[n]
	}
	if n > 0 {
		w.lane.waits = 0
	}
	w.voidBehind(n)
	for i := n; i < len(outcomes); i++ {
		r := w.reqs[i]
		if outcomes[i] == store.NotTried {
			continue // which says nothing of an earlier try
		}
		r.maybe, r.tried, r.batch = true, w.entries[i].Seq, w.entries
		if outcomes[i] == store.Unknown {
			r.open = r.tried
		} else {
			r.raced = true
		}
	}
	return n
}

// voidBehind forgets earlier tries that cannot be stored any more: those that would
// have to store something in a place that this append itself has filled.
func (w *work) voidBehind(stored int) {
	if stored == 0 {
		return
	}
	for _, r := range w.reqs[stored:] {
		if r.tried != 0 && r.batch[0].Seq <= w.entries[stored-1].Seq {
			r.tried, r.open = 0, 0
		}
	}
}

// doubt marks all requests as perhaps stored, of which the first n are.
func (w *work) doubt(n int) {
	for i, r := range w.reqs {
		r.maybe = true
		if i < n {
			r.tried, r.batch, r.open = w.entries[i].Seq, w.entries, w.entries[i].Seq
		}
	}
}

// answerStored answers the requests of the first n entries, and returns these.
func (c *Committer) answerStored(w *work, n int) []chat.Entry {
	entries := w.entries[:n:n]
	for i, r := range w.reqs[:n] {
		if r.raced {
			c.counts.lost.Add(1)
		}
		c.answer(r, Result{Entry: entries[i]})
	}
	w.reqs = w.reqs[n:]
	w.entries = nil // whoever is told may keep them
	return entries
}

func (c *Committer) answer(r *Request, res Result) {
	c.left(r)
	switch {
	case res.Err != nil && (res.Err.Code == chat.CodeUnavailable || res.Err.Code == chat.CodeInternal):
		r.breakStream()
	case res.Err == nil && r.Stream != nil:
		r.Stream.isStored(r.CMID)
	}
	r.Done(res)
}

// release makes a lane idle, or ready again.
func (c *Committer) release(l *lane) {
	sh := l.shard
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l.foldSeenLocked()
	if len(l.queue) > 0 {
		c.readyLocked(l)
		return
	}
	l.queue = nil
	l.busy = false
	if l.state == nil {
		c.forgetLocked(l)
		return
	}
	sh.idle.push(l)
	for sh.idle.n > max(1, c.opts.MaxStates/shards) || sh.idle.n > 1 && sh.idle.members > c.opts.MaxMembers/shards {
		c.dropLocked(sh.idle.oldest)
	}
}

// foldSeenLocked moves the state past what others announced while the lane was
// busy.
func (l *lane) foldSeenLocked() {
	if l.stale {
		l.state, l.stale = nil, false
	}
	l.fold(l.seen)
	l.seen = nil
}
