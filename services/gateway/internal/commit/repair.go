package commit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// errNotVisible says that an index refused an entry and that a read does not
// show yet what took its place.
var errNotVisible = errors.New("what took the place is not committed yet")

// readPage is how many entries or members one read asks for.
const readPage = 500

// repair looks into the store for a lane, in a goroutine of its own: the state is
// loaded, a race was lost, an outcome is not known, a command is refused. Then the
// lane goes back to be flushed together with the others. It stays busy meanwhile.
func (c *Committer) repair(w *work) {
	c.counts.repairs.Add(1)
	c.wg.Go(func() {
		ctx, cancel := context.WithDeadline(c.ctx, w.reqs[0].deadline)
		defer cancel()
		ctx = tracing.With(ctx, w.reqs[0].Span.Context())
		select {
		case c.repairs <- struct{}{}:
			defer func() { <-c.repairs }()
		case <-ctx.Done():
		}
		var err error
		for wait := range backoff(ctx) {
			var ready bool
			ready, err = c.step(ctx, w)
			switch {
			case len(w.reqs) == 0: // whatever else went wrong, nobody waits for it
				c.release(w.lane)
				return
			case err != nil:
				wait()
			case ready:
				c.flushAgain(w)
				return
			}
		}
		c.fail(w, err)
	})
}

// flushAgain puts a repaired lane among those that are ready, its commands before
// those that came meanwhile.
func (c *Committer) flushAgain(w *work) {
	l := w.lane
	l.shard.mu.Lock()
	defer l.shard.mu.Unlock()
	l.foldSeenLocked()
	l.queue = append(w.reqs[:len(w.reqs):len(w.reqs)], l.queue...)
	l.again = true
	c.readyLocked(l)
}

// fail answers everything that the lane holds with "unavailable": also what waits
// behind, which would otherwise overtake.
func (c *Committer) fail(w *work, err error) {
	c.opts.Log.Warn("no answer for a conversation's commands in time", "conv", w.lane.key.Conv,
		"commands", len(w.reqs), w.reqs[0].Span.Context().LogAttr(), "error", err)
	l := w.lane
	l.shard.mu.Lock()
	reqs := append(w.reqs[:len(w.reqs):len(w.reqs)], l.queue...)
	for _, r := range reqs {
		c.left(r)
		r.breakStream()
	}
	c.forgetLocked(l)
	l.shard.mu.Unlock()
	for _, r := range reqs {
		r.Done(Result{Err: chat.Unavailable("the store does not answer now; repeat this unchanged")})
	}
}

// step makes one look at what keeps a lane from being flushed. ready: nothing does
// any more. Neither ready nor an error: it has got further, and wants another look.
func (c *Committer) step(ctx context.Context, w *work) (ready bool, err error) {
	if err := c.opts.Journal.Ready(ctx); err != nil {
		return false, err
	}
	if err := c.refresh(ctx, w); err != nil {
		return false, err
	}
	if len(w.reqs) == 0 || w.lane.state == nil {
		return false, nil
	}
	stuck := w.stuck
	w.stuck = store.NotTried
	switch {
	case stuck == store.Unknown:
		w.lane.pause(ctx)
		return false, nil
	case stuck == store.Duplicate:
		visible, err := c.resolve(ctx, w)
		if err == nil && !visible {
			w.lane.pause(ctx) // then the index decides again
		}
		return err == nil && !visible, err
	case w.reqs[0].behind != "":
		return false, c.unblock(ctx, w)
	case w.reqs[0].unknown(w.lane.state):
		return false, c.learn(ctx, w)
	}
	if _, cerr := c.judge(w.reqs[0], w.lane.state); cerr != nil {
		return false, c.refuse(ctx, w, cerr)
	}
	return true, nil
}

// pause waits 1, 2, 4 … 100 ms, longer with every try of the lane that did not
// get anywhere.
func (l *lane) pause(ctx context.Context) {
	l.waits = min(max(2*l.waits, time.Millisecond), 100*time.Millisecond)
	t := time.NewTimer(l.waits)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// refresh makes the state right again before a try: loaded where it is unknown,
// and moved past what was stored meanwhile where a try was not simply stored.
func (c *Committer) refresh(ctx context.Context, w *work) error {
	if w.lane.state == nil {
		return c.load(ctx, w)
	}
	for _, r := range w.reqs {
		if r.maybe {
			_, err := c.catchUp(ctx, w)
			return err
		}
	}
	return nil
}

// resolve finds out who holds the place of the first request: the request's own
// earlier try, or another entry. It is not visible as long as it is not committed
// for good.
func (c *Committer) resolve(ctx context.Context, w *work) (visible bool, err error) {
	first := w.reqs[0]
	moved, err := c.catchUp(ctx, w)
	if err != nil || len(w.reqs) == 0 || w.reqs[0] != first {
		return true, err
	}
	found, err := c.lookup(ctx, w, first, c.opts.Store.Lookup)
	if err != nil || found {
		return true, err
	}
	if moved {
		// Another's entry had the place, and this one's cmid is nowhere: a lost race.
		first.maybe, first.tried, first.open = false, 0, 0
	}
	return moved, nil
}

// unblock lets the first request pass if the one before it in its stream, which
// had no answer, turns out to be stored. Else it gets no answer either.
func (c *Committer) unblock(ctx context.Context, w *work) error {
	r := w.reqs[0]
	if r.Stream.lastStored() != r.behind {
		_, err := c.opts.Store.Lookup(ctx, r.Key, r.From, r.behind)
		if errors.Is(err, store.ErrNotFound) {
			w.drop(r)
			c.answer(r, Result{Err: chat.Unavailable("an earlier send in this conversation has no answer yet; repeat that first")})
			return nil
		}
		if err != nil {
			return fmt.Errorf("look up the command before: %w", err)
		}
		r.Stream.isStored(r.behind)
	}
	r.behind = ""
	return nil
}

// lookFunc is one of the store's ways to look for a cmid.
type lookFunc func(context.Context, chat.Key, chat.User, chat.CMID) (chat.Entry, error)

// drop removes an answered request.
func (w *work) drop(r *Request) {
	w.reqs = slices.DeleteFunc(slices.Clone(w.reqs), func(x *Request) bool { return x == r })
}

// lookup answers r if the log, as look shows it, has an entry under its cmid. A repeat
// announces the entry again: whoever wrote it may have died before it could.
func (c *Committer) lookup(ctx context.Context, w *work, r *Request, look lookFunc) (found bool, err error) {
	e, err := look(ctx, r.Key, r.From, r.CMID)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look up cmid: %w", err)
	}
	if e.Seq > w.lane.state.Tail.Seq {
		// Not known to be finished: moving the state past it finishes it.
		if _, err := c.catchUp(ctx, w); err != nil {
			return false, err
		}
		if !slices.Contains(w.reqs, r) {
			return true, nil // met and answered on the way
		}
		if e.Seq > w.lane.state.Tail.Seq {
			return false, errNotVisible
		}
	}
	w.lane.state.Complete(&e)
	c.answerFound(w, r, e)
	return true, c.answerNeighbours(ctx, w, e.Seq)
}

// answerNeighbours answers the requests whose entries stand behind one that was found: who
// repeats one command mostly repeats those that were sent with it. Else each of them would
// be appended, and refused, and looked up by itself.
func (c *Committer) answerNeighbours(ctx context.Context, w *work, seq chat.Seq) error {
	s := w.lane.state
	if len(w.reqs) == 0 || seq >= s.Tail.Seq {
		return nil
	}
	entries, err := c.opts.Store.Entries(ctx, s.Key, store.Range{After: seq, Before: s.Tail.Seq + 1, Limit: 2 * len(w.reqs)})
	if err != nil {
		return fmt.Errorf("read what follows a repeat: %w", err)
	}
	for i := range entries {
		s.Complete(&entries[i])
	}
	w.match(c, entries)
	return nil
}

func (c *Committer) answerFound(w *work, r *Request, e chat.Entry) {
	w.drop(r)
	if e.Hash != r.Hash {
		c.answer(r, Result{Err: chat.Errorf(chat.CodeCMIDConflict,
			"this cmid was used before, for something else: take a new one")})
		return
	}
	c.counts.repeats.Add(1)
	// In a place where a try of this request was refused, it is another's.
	c.answer(r, Result{Entry: e, Dup: e.Seq != r.open})
	c.opts.Committed(store.JournalID{}, []chat.Entry{e}, appendTraces(nil, 0, []*Request{r}))
}

// catchUp moves the state past everything that is stored. What it reads may not
// be finished, because its writer may have died in between, so it finishes what
// is above the head first. Requests whose entries it meets are answered.
func (c *Committer) catchUp(ctx context.Context, w *work) (moved bool, err error) {
	s := w.lane.state
	for {
		entries, err := c.opts.Store.Entries(ctx, s.Key, store.Range{After: s.Tail.Seq, Limit: readPage})
		if err != nil {
			return moved, fmt.Errorf("read tail: %w", err)
		}
		if len(entries) == 0 {
			return moved, nil
		}
		if err := c.finishRead(ctx, s, entries); err != nil {
			return moved, err
		}
		for i := range entries {
			if entries[i].Seq != s.Tail.Seq+1 {
				// Contiguity is the log's first law; going on would make a hole for ever.
				return moved, fmt.Errorf("the log of %s has a hole after %d", s.Key.Conv, s.Tail.Seq)
			}
			if mutant.Is(mutant.StaleJudge) {
				s.Tail = store.LastOf(&entries[i])
				continue
			}
			s.Fold(&entries[i])
		}
		moved = true
		w.match(c, entries)
		if len(entries) < readPage {
			return moved, nil
		}
	}
}

// match answers the requests whose entries are among those.
func (w *work) match(c *Committer, entries []chat.Entry) {
	for i := range entries {
		for _, r := range w.reqs {
			if r.From == entries[i].From && r.CMID == entries[i].CMID {
				c.answerFound(w, r, entries[i])
			}
		}
	}
}

// finishRead finishes what is above the stored head of entries that were read
// from the log.
func (c *Committer) finishRead(ctx context.Context, s *state.State, entries []chat.Entry) error {
	convs, err := c.opts.Store.ConversationsByKey(ctx, []chat.Key{s.Key})
	if err != nil {
		return fmt.Errorf("read head: %w", err)
	}
	if len(convs) == 0 {
		return fmt.Errorf("read head of %s: %w", s.Key.Conv, store.ErrNotFound)
	}
	open := entries
	for len(open) > 0 && open[0].Seq <= convs[0].Last.Seq {
		open = open[1:]
	}
	for i := range entries {
		s.Complete(&entries[i])
	}
	if len(open) == 0 || mutant.Is(mutant.NoFinish) {
		return nil
	}
	// They are announced here, too: their writer may have died before it could.
	b := store.Batch{Entries: open, Journal: c.opts.Journal.Next()}
	if err := c.finish(ctx, b, false); err != nil {
		return err
	}
	c.opts.Committed(b.Journal, open, nil)
	return nil
}

// load reads a conversation's state, making the conversation where a request
// brings it along. The members are read before the log, so that they are never
// ahead of what is folded into them.
func (c *Committer) load(ctx context.Context, w *work) error {
	key := w.lane.key
	convs, err := c.opts.Store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 {
		if made, err := c.create(ctx, w); !made || err != nil {
			return err
		}
		if convs, err = c.opts.Store.ConversationsByKey(ctx, []chat.Key{key}); err != nil {
			return fmt.Errorf("read new conversation: %w", err)
		}
		if len(convs) == 0 {
			return errNotVisible
		}
	}
	var members []chat.Member
	for after := chat.User(""); ; {
		page, err := c.opts.Store.Members(ctx, key, after, readPage)
		if err != nil {
			return fmt.Errorf("read members: %w", err)
		}
		members = append(members, page...)
		if len(page) < readPage {
			break
		}
		after = page[len(page)-1].User
	}
	w.lane.state = state.New(convs[0], members)
	head := w.lane.state.Tail.Seq
	moved, err := c.catchUp(ctx, w)
	if err != nil {
		w.lane.state = nil
		return err
	}
	if moved {
		c.opts.Log.Info("finished entries that another pod had left", "conv", key.Conv, "after", head)
	}
	return nil
}

// create makes the conversation with the first request that brings one, and
// answers those that wanted it to exist.
func (c *Committer) create(ctx context.Context, w *work) (made bool, err error) {
	if err := c.refuseUnmade(ctx, w); err != nil {
		return false, err
	}
	for _, r := range w.reqs {
		if r.New == nil {
			continue
		}
		if err := c.opts.Store.Create(ctx, r.New.Conversation, r.New.Members); err != nil {
			return false, fmt.Errorf("create conversation: %w", err)
		}
		return true, nil
	}
	if len(w.reqs) == 0 {
		return false, nil
	}
	if err := c.unmade(ctx, w.lane.key, w.reqs); err != nil {
		return false, err
	}
	for _, r := range w.reqs {
		c.answer(r, Result{Err: chat.Errorf(chat.CodeNotFound, "no such conversation")})
	}
	w.reqs = nil
	return false, nil
}
