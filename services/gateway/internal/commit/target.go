package commit

import (
	"context"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

const (
	targetsAtOnce = 32 // messages that one look learns of
	targetSpan    = 50 // entries of one read for them
)

// unknown reports whether the request aims at an entry of the log of which s does
// not know what became of it.
func (r *Request) unknown(s *state.State) bool {
	return r.Target > 0 && r.Target <= s.Tail.Seq && s.Target(r.Target) == nil
}

// learn reads what became of the entries that a lane's requests aim at. Reading the
// rest of the log comes after it: what was read is as of some later entry, and folding
// everything up to there makes it right as of the tail, where it will be judged.
func (c *Committer) learn(ctx context.Context, w *work) error {
	s := w.lane.state
	var seqs []chat.Seq
	for _, r := range w.reqs {
		if r.unknown(s) && !slices.Contains(seqs, r.Target) && len(seqs) < targetsAtOnce {
			seqs = append(seqs, r.Target)
		}
	}
	slices.Sort(seqs)
	entries, err := c.readTargets(ctx, s.Key, seqs)
	if err != nil {
		return err
	}
	folds, err := c.opts.Store.Folds(ctx, s.Key, seqs)
	if err != nil {
		return fmt.Errorf("read folds: %w", err)
	}
	for i := range entries {
		s.Learn(&entries[i], folds[entries[i].Seq])
	}
	if _, err := c.catchUp(ctx, w); err != nil {
		s.Unlearn()
		return err
	}
	return nil
}

// Unlearn forgets what became of the messages of a conversation: bodies were taken
// away, of which the log says nothing. Commands that are submitted later read it
// again.
func (c *Committer) Unlearn(k chat.Key) {
	sh := c.shard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	switch l := sh.lanes[k]; {
	case l == nil:
	case l.busy:
		l.stale = true // its state is being used
	case l.state != nil:
		l.state.Unlearn()
	}
}

// readTargets reads entries; neighbours come with one read.
func (c *Committer) readTargets(ctx context.Context, key chat.Key, seqs []chat.Seq) ([]chat.Entry, error) {
	var found []chat.Entry
	all := len(seqs)
	for len(seqs) > 0 {
		n := 1
		for n < len(seqs) && seqs[n]-seqs[0] < targetSpan {
			n++
		}
		first, last := seqs[0], seqs[n-1]
		entries, err := c.opts.Store.Entries(ctx, key, store.Range{After: first - 1, Before: last + 1, Limit: int(last-first) + 1})
		if err != nil {
			return nil, fmt.Errorf("read targets: %w", err)
		}
		for _, e := range entries {
			if slices.Contains(seqs[:n], e.Seq) {
				found = append(found, e)
			}
		}
		seqs = seqs[n:]
	}
	if len(found) != all { // they are below the tail
		return nil, fmt.Errorf("read targets of %s: %w", key.Conv, store.ErrNotFound)
	}
	return found, nil
}
