package commit

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Floors, like blocks, are not in the log, so nothing tells a state that its own is
// out of date. What aims at a message is therefore judged by a floor that is read
// anew: one read for a flush with such commands, and none for one without. A command
// that is submitted after a floor was raised is refused where its message is below
// it, on whatever pod; one that was under way may be stored still.
//
// A reply names a message, too, and is judged by the floor that the state happens to have:
// it carries a number and nothing of the message, so one that is stored beside a floor that
// was just raised is no other than one that was stored before it.

// maxKeys is how many conversations one read asks for.
const maxKeys = 500

// askFor is how long a flush waits for floors or blocks: a part of the deadline. A read
// that hangs keeps those waiting who are in the flush and need not ask, and those who
// must can ask again. It is no shorter, so that a store that is slow gets through.
func (c *Committer) askFor() time.Duration { return c.opts.Deadline / 4 }

// askFloors raises the floors of states whose requests aim at messages, and returns
// the works that may be judged now. Where the store does not tell, those wait and try
// again, and others go on.
func (c *Committer) askFloors(works []*work) []*work {
	aims := func(w *work) bool {
		return w.lane.state != nil && slices.ContainsFunc(w.reqs, func(r *Request) bool { return r.Target > 0 })
	}
	var keys []chat.Key
	for _, w := range works {
		if aims(w) {
			keys = append(keys, w.lane.key)
		}
	}
	if len(keys) == 0 {
		return works
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.askFor())
	defer cancel()
	floors, err := c.floors(ctx, keys)
	if err != nil {
		c.opts.Log.Warn("could not read floors; trying again", "error", err)
		return slices.DeleteFunc(works, func(w *work) bool {
			if !aims(w) {
				return false
			}
			w.stuck = store.Unknown // pauses
			c.repair(w)
			return true
		})
	}
	for _, w := range works {
		if s := w.lane.state; s != nil {
			s.Floor = max(s.Floor, floors[w.lane.key])
		}
	}
	return works
}

func (c *Committer) floors(ctx context.Context, keys []chat.Key) (map[chat.Key]chat.Seq, error) {
	all := make(map[chat.Key]chat.Seq, len(keys))
	for part := range slices.Chunk(keys, maxKeys) {
		convs, err := c.opts.Store.ConversationsByKey(ctx, part)
		if err != nil {
			return nil, fmt.Errorf("read conversations: %w", err)
		}
		for i := range convs {
			all[convs[i].Key] = convs[i].Floor
		}
	}
	return all, nil
}
