package commit

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// refuse gives the first request its refusal, unless an earlier try of it is
// stored: then that is its answer, whatever has changed since. A refusal is final, and
// what this pod knows may be older than what the client was told by another one, and a
// majority read too, where a primary was deposed. So the earlier try is looked for in a way
// that sees whatever is stored; and only after that, when the store is known to be up to
// date, the log is read to its end, as of which the command is judged once more.
func (c *Committer) refuse(ctx context.Context, w *work, cerr *chat.Error) error {
	r := w.reqs[0]
	if r.tried > w.lane.state.Tail.Seq {
		void, err := c.void(ctx, w, r)
		if err != nil {
			return err
		}
		if !void {
			// The place that an earlier try aimed at is still free: it could yet be
			// stored. The state that refuses it is on its way.
			return errNotVisible
		}
		r.tried, r.open = 0, 0
	}
	found, err := c.lookup(ctx, w, r, c.opts.Store.LookupLinearizable)
	if err != nil || found {
		return err
	}
	if !r.upToDate {
		r.upToDate = true
		if moved, err := c.catchUp(ctx, w); moved || err != nil {
			r.upToDate = err == nil
			return err
		}
	}
	w.drop(r)
	c.answer(r, Result{Err: cerr})
	return nil
}

// void reports whether the last try of r cannot be stored any more although its place
// is free: another entry stands in one of the places before it that the same append
// aimed at, and an append ends where it is refused. Without that nobody but another
// writer could end the wait for such a place.
func (c *Committer) void(ctx context.Context, w *work, r *Request) (bool, error) {
	tail := w.lane.state.Tail.Seq
	if len(r.batch) == 0 || r.batch[0].Seq > tail {
		return false, nil // what it was to be stored behind is the tail
	}
	first := r.batch[0].Seq
	entries, err := c.opts.Store.Entries(ctx, r.Key, store.Range{After: first - 1, Before: tail + 1, Limit: len(r.batch)})
	if err != nil {
		return false, fmt.Errorf("read what an append aimed at: %w", err)
	}
	for i := range entries {
		if entries[i].From != r.batch[i].From || entries[i].CMID != r.batch[i].CMID {
			return true, nil
		}
	}
	return false, nil
}

// unmade makes sure, before requests are refused for good, that a conversation which was
// not found is not just unknown to a primary that was deposed: that none of them is
// stored in it, and then, when the store is known to be up to date, that it is not there.
func (c *Committer) unmade(ctx context.Context, key chat.Key, reqs []*Request) error {
	for _, r := range reqs {
		_, err := c.opts.Store.LookupLinearizable(ctx, key, r.From, r.CMID)
		switch {
		case err == nil:
			return errNotVisible
		case !errors.Is(err, store.ErrNotFound):
			return fmt.Errorf("look up cmid: %w", err)
		}
	}
	convs, err := c.opts.Store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) > 0 {
		return errNotVisible
	}
	return nil
}
