package presence

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// Who is blocked is told that the blocker is offline, without a last visit: what is
// told of a user who never was here. In a direct conversation where one end blocks
// the other neither is told that the other types.
//
// Blocks are read before anything is told, and then kept: of who is watched until
// the watch ends, of who types for a minute. Every change is said to all pods, and is
// fenced by its version, so a read that it overtook undoes nothing. Where the bus may
// have lost one ([Tracker.Missed]) all are read again. Unlike sends, which read blocks
// with every flush, these are hints: a change holds when the pods have heard it.

const (
	blockPairs = 1000             // pairs in one read, what a store takes
	blockRetry = time.Second      // after a read that failed
	hushLife   = time.Minute      // what is known of who types to whom is read again then
	hushSweep  = 30 * time.Second // between two looks for what has expired
)

// question is a block that has to be read: of a watch, or of two users in a direct
// conversation.
type question struct {
	pair    store.Pair
	watcher Watcher // nil: hush
	s       *subject
	hush    ends
}

// ends is a direct conversation with two ends, lower first.
type ends struct {
	ns   chat.NS
	a, b chat.User
}

// hush is what is known of the blocks between two ends.
type hush struct {
	ab, ba chat.Block // a blocks b; b blocks a
	left   int        // questions without an answer
	held   map[chat.User]Typing
	asked  time.Time
}

// askBlockLocked has it read whether a subject has blocked a watcher's user.
func (t *Tracker) askBlockLocked(w Watcher, watch *watching, s *subject) {
	t.questions = append(t.questions, question{pair: store.Pair{NS: s.NS, User: s.User.User, Peer: watch.self}, watcher: w, s: s})
	t.readBlocksLocked()
}

func (t *Tracker) readBlocksLocked() {
	if t.readingBlocks || t.stopped || len(t.questions)+len(t.doubts) == 0 || time.Now().Before(t.blocksAgain) {
		return
	}
	t.readingBlocks = true
	t.wg.Go(t.readBlocks)
}

// readBlocks reads until nothing is asked, one read at a time: what is asked in the
// meantime is in the next one. What is in doubt comes last.
func (t *Tracker) readBlocks() {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer func() { t.readingBlocks = false }()
	for !t.stopped {
		t.askDoubtsLocked()
		if len(t.questions) == 0 {
			return
		}
		batch := t.questions[:min(blockPairs, len(t.questions))]
		t.questions = t.questions[len(batch):]
		pairs := make([]store.Pair, len(batch))
		for i := range batch {
			pairs[i] = batch[i].pair
		}
		var found map[store.Pair]chat.Block
		err := t.askStoreLocked(func(ctx context.Context) (err error) {
			found, err = t.opts.Blocked(ctx, pairs)
			return err
		})
		if err != nil {
			t.opts.Log.Debug("could not read blocks; trying again", "error", err)
			t.blocksAgain = time.Now().Add(blockRetry)
			t.putBackLocked(batch)
			return
		}
		for i := range batch {
			t.contain("a block", func() { t.answeredLocked(&batch[i], found[batch[i].pair]) })
		}
		t.wakeUp()
	}
}

// putBackLocked keeps the questions of watches. Of typing nobody wants to know later.
func (t *Tracker) putBackLocked(batch []question) {
	for i := range batch {
		if q := &batch[i]; q.watcher != nil {
			t.questions = append(t.questions, *q)
		} else {
			delete(t.hushes, q.hush)
		}
	}
}

func (t *Tracker) answeredLocked(q *question, b chat.Block) {
	if q.watcher == nil {
		if h := t.hushes[q.hush]; h != nil && h.left > 0 {
			h.left--
			t.hushLocked(q.hush, h, q.pair, b)
		}
		return
	}
	watch := t.watchers[q.watcher]
	if watch == nil || q.s.index < 0 {
		return
	}
	known, listed := watch.list[q.s]
	if !listed {
		return
	}
	watch.list[q.s] = true
	t.sightLocked(q.watcher, watch, q.s, b)
	if !known && q.s.ready {
		t.dirtyLocked(q.watcher, watch, q.s)
	}
}

// sightLocked takes a block of a watcher's user by a subject, and has the change
// told. Of who is offline there is nothing to be told: it would only tell that
// something was changed.
func (t *Tracker) sightLocked(w Watcher, watch *watching, s *subject, b chat.Block) {
	old := watch.blocks[s]
	if b.Version <= old.Version {
		return
	}
	if watch.blocks == nil {
		watch.blocks = make(map[*subject]chat.Block)
	}
	watch.blocks[s] = b
	if b.On != old.On && watch.list[s] && s.ready && s.online {
		t.dirtyLocked(w, watch, s)
	}
}

func (t *Tracker) dirtyLocked(w Watcher, watch *watching, s *subject) {
	watch.dirty[s] = true
	t.dirty[w] = watch
}

// frameOf is what a watcher is told of a subject.
func (watch *watching) frameOf(s *subject) []byte {
	if watch.blocks[s].On {
		return wire.Encode(&wire.Presence{Type: "presence", User: s.User.User})
	}
	return s.frame
}

// Blocked says that a block was switched on or off, on whatever pod.
func (t *Tracker) Blocked(ns chat.NS, b chat.Block) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if s := t.subjects[User{ns, b.User}]; s != nil {
		for w := range s.watchers {
			if watch := t.watchers[w]; watch.self == b.Peer {
				t.sightLocked(w, watch, s, b)
			}
		}
	}
	e := endsOf(ns, b.User, b.Peer)
	if h := t.hushes[e]; h != nil {
		t.hushLocked(e, h, store.Pair{NS: ns, User: b.User, Peer: b.Peer}, b)
	}
	t.wakeUp()
}

// doubtLocked has all blocks read again that are known, and forgets those of typing.
func (t *Tracker) doubtLocked() {
	t.doubts = make([]Watcher, 0, len(t.watchers))
	for w := range t.watchers {
		t.doubts = append(t.doubts, w)
	}
	for e, h := range t.hushes {
		if h.left == 0 {
			delete(t.hushes, e)
		}
	}
	t.readBlocksLocked()
}

// askDoubtsLocked fills up the next read with what is in doubt. Of all watches at once
// there may be too many questions.
func (t *Tracker) askDoubtsLocked() {
	for len(t.questions) < blockPairs && len(t.doubts) > 0 {
		w := t.doubts[len(t.doubts)-1]
		t.doubts = t.doubts[:len(t.doubts)-1]
		watch := t.watchers[w]
		if watch == nil {
			continue
		}
		for s := range watch.list {
			if s.User.User != watch.self {
				t.questions = append(t.questions, question{pair: store.Pair{NS: s.NS, User: s.User.User, Peer: watch.self}, watcher: w, s: s})
			}
		}
	}
}

func endsOf(ns chat.NS, a, b chat.User) ends {
	if a > b {
		a, b = b, a
	}
	return ends{ns, a, b}
}

// typedLocked tells the sessions of this pod that somebody types; in a direct
// conversation once it is known that neither end blocks the other. What cannot be
// known is not told.
func (t *Tracker) typedLocked(ty Typing, now time.Time) {
	if ty.Key.Conv.Kind() != chat.Direct {
		t.opts.Typing(ty)
		return
	}
	peer := t.opts.Peer(ty.Key, ty.User)
	if peer == "" {
		return // nobody here wants it
	}
	e := endsOf(ty.Key.NS, ty.User, peer)
	h := t.hushes[e]
	switch {
	case h != nil && h.left > 0:
		h.held[ty.User] = ty
	case h != nil && now.Sub(h.asked) < hushLife:
		if !h.ab.On && !h.ba.On {
			t.opts.Typing(ty)
		}
	case h == nil && len(t.hushes) >= t.opts.MaxTyping:
		t.counts.Dropped++
	default:
		t.hushes[e] = &hush{left: 2, held: map[chat.User]Typing{ty.User: ty}, asked: now}
		t.questions = append(t.questions, question{pair: store.Pair{NS: e.ns, User: e.a, Peer: e.b}, hush: e},
			question{pair: store.Pair{NS: e.ns, User: e.b, Peer: e.a}, hush: e})
		t.readBlocksLocked()
	}
}

// hushLocked takes a block between two ends, and once all is known tells what was
// held, unless that is old by now.
func (t *Tracker) hushLocked(e ends, h *hush, pair store.Pair, b chat.Block) {
	kept := &h.ab
	if pair.User != e.a {
		kept = &h.ba
	}
	if b.Version > kept.Version {
		*kept = b
	}
	if h.left > 0 {
		return
	}
	if !h.ab.On && !h.ba.On && time.Since(h.asked) < typingRenew {
		for _, ty := range h.held {
			t.opts.Typing(ty)
		}
	}
	h.held = nil
}

// hushSweepLocked forgets what is too old.
func (t *Tracker) hushSweepLocked(now time.Time) {
	if now.Sub(t.hushSwept) < hushSweep {
		return
	}
	t.hushSwept = now
	for e, h := range t.hushes {
		if h.left == 0 && now.Sub(h.asked) >= hushLife {
			delete(t.hushes, e)
		}
	}
}
