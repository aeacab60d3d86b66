package commit

import (
	"context"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// Blocks are read anew for every flush, and never cached. A state that a pod keeps
// is only refreshed by the log, and a block is not in the log: it would tell the
// blocked user at once, and for ever, what is nobody's business. Any other cache
// would have to be emptied on every pod before a block may be confirmed, and the bus
// promises nothing. So: one read for a flush that writes into direct conversations,
// however many, and none for one that does not. A command that is submitted after a
// block was confirmed is in a flush that reads after that, on whatever pod; one that
// was under way when it was confirmed may be stored still, as if it had come before.

// maxPairs is how many pairs one read asks for: what a store takes.
const maxPairs = 1000

// askBlocks lets the states of direct conversations know whom the other end has
// blocked, and returns the works that may be judged now. Where the store does not
// tell, those of direct conversations wait and try again, and others go on.
func (c *Committer) askBlocks(works []*work) []*work {
	var pairs []store.Pair
	for _, w := range works {
		if s := w.lane.state; s != nil {
			s.Blocked = nil
			pairs = appendPairs(pairs, s.Conversation, w.reqs)
		}
	}
	if len(pairs) == 0 {
		return works
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.askFor())
	defer cancel()
	blocks, err := c.blocksAmong(ctx, pairs)
	if err != nil {
		c.opts.Log.Warn("could not read blocks; trying again", "error", err)
		return slices.DeleteFunc(works, func(w *work) bool {
			if s := w.lane.state; s == nil || len(appendPairs(nil, s.Conversation, w.reqs)) == 0 {
				return false
			}
			w.stuck = store.Unknown // pauses
			c.repair(w)
			return true
		})
	}
	if len(blocks) > 0 {
		for _, w := range works {
			if s := w.lane.state; s != nil {
				s.Blocked = blockedAmong(blocks, s.Conversation)
			}
		}
	}
	return works
}

// appendPairs adds the pairs that decide over requests: who asks, and the other
// end. Groups and notes to oneself have none.
func appendPairs(pairs []store.Pair, c chat.Conversation, reqs []*Request) []store.Pair {
	if c.Kind != chat.Direct || len(c.Users) != 2 {
		return pairs
	}
	for i, u := range c.Users {
		if slices.ContainsFunc(reqs, func(r *Request) bool { return r.From == u }) {
			pairs = append(pairs, store.Pair{NS: c.NS, User: c.Users[1-i], Peer: u})
		}
	}
	return pairs
}

func (c *Committer) blocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
	if len(pairs) <= maxPairs {
		return c.opts.Store.BlocksAmong(ctx, pairs)
	}
	all := make(map[store.Pair]chat.Block)
	for part := range slices.Chunk(pairs, maxPairs) {
		found, err := c.opts.Store.BlocksAmong(ctx, part)
		if err != nil {
			return nil, err
		}
		for p, b := range found {
			all[p] = b
		}
	}
	return all, nil
}

// blockedAmong lists the ends of a direct conversation that the other one blocks.
func blockedAmong(blocks map[store.Pair]chat.Block, c chat.Conversation) (blocked []chat.User) {
	if c.Kind != chat.Direct || len(c.Users) != 2 {
		return nil
	}
	for i, u := range c.Users {
		if blocks[store.Pair{NS: c.NS, User: c.Users[1-i], Peer: u}].On {
			blocked = append(blocked, u)
		}
	}
	return blocked
}

// refuseUnmade judges the requests that bring a direct conversation along which is
// not made yet, so that one which a block refuses does not make it.
func (c *Committer) refuseUnmade(ctx context.Context, w *work) error {
	for _, r := range slices.Clone(w.reqs) {
		if r.New == nil {
			continue
		}
		pairs := appendPairs(nil, r.New.Conversation, []*Request{r})
		if len(pairs) == 0 {
			continue
		}
		blocks, err := c.blocksAmong(ctx, pairs)
		if err != nil {
			return fmt.Errorf("read blocks: %w", err)
		}
		s := state.New(r.New.Conversation, r.New.Members)
		if s.Blocked = blockedAmong(blocks, r.New.Conversation); len(s.Blocked) == 0 {
			continue
		}
		if _, cerr := c.judge(r, s); cerr != nil {
			if err := c.unmade(ctx, r.Key, []*Request{r}); err != nil {
				return err
			}
			w.drop(r)
			c.answer(r, Result{Err: cerr})
		}
	}
	return nil
}
