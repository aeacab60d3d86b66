package route

import (
	"context"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
)

// conv is one conversation with local members.
type conv struct {
	table *Table
	key   chat.Key

	mu      sync.Mutex
	subs    []*Sub
	live    int      // subs that are live
	idle    int      // subs that are idle
	last    chat.Seq // everything up to it went by; meaningful while primed
	primed  bool
	seen    chat.Seq            // highest seq announced
	members int                 // 0: not known
	ring    []*Frame            // the latest frames, without gaps, ending at last
	held    map[chat.Seq]*Frame // frames beyond a gap
	filling bool                // a fill is under way or about to be
	told    map[chat.User]marks // receipts handed out, so that none goes back
	used    time.Duration       // when a frame came last, by Table.clock
}

type marks struct{ delivered, read chat.Seq }

// Sub is one session's place in one conversation. It is in one of three states:
// syncing (the session reads from the store), idle (it has everything, and syncs
// at the next entry) and live (it gets frames as they go by).
type Sub struct {
	conv   *conv
	sink   Sink
	user   chat.User
	index  int      // in conv.subs; -1: detached
	state  subState // the rest is guarded by conv.mu
	cursor chat.Seq // idle, live: what the session had when it became so
	over   bool     // its part has ended, and it has yet to come to that: nothing else is for it
}

type subState uint8

const (
	syncing subState = iota
	idle
	live
)

func (c *conv) removeLocked(s *Sub) {
	if s.index < 0 {
		return
	}
	c.setLocked(s, syncing)
	moved := c.subs[len(c.subs)-1]
	c.subs[s.index] = moved
	moved.index = s.index
	c.subs[len(c.subs)-1] = nil
	c.subs = c.subs[:len(c.subs)-1]
	s.index = -1
}

// setLocked changes a sub's state and keeps the counts.
func (c *conv) setLocked(s *Sub, to subState) {
	count := func(st subState, n int) {
		switch st {
		case live:
			c.live += n
		case idle:
			c.idle += n
		}
	}
	count(s.state, -1)
	count(to, +1)
	s.state = to
}

func (c *conv) has(sink Sink) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if s.sink == sink {
			return true
		}
	}
	return false
}

// Known is the highest seq that is known to be stored and finished.
func (s *Sub) Known() chat.Seq {
	c := s.conv
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.last, c.seen, s.cursor)
}

// SetMembers tells how many members the conversation has, as its documents have it.
func (s *Sub) SetMembers(n int) {
	c := s.conv
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members == 0 {
		c.members = n
	}
}

// Idle says that the session has everything up to cursor, and wants to be told to
// sync at the next entry. False: there is a next entry already; it stays syncing.
func (s *Sub) Idle(cursor chat.Seq) bool {
	c := s.conv
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.index < 0 || c.seen > cursor && !mutant.Is(mutant.RestUnchecked) {
		return s.index < 0
	}
	c.setLocked(s, idle)
	s.cursor = cursor
	return true
}

// Live says that the session has been sent everything up to cursor, and wants the
// rest as it goes by. Frames that the ring still has are delivered before it
// returns. ok is false where there is more in the store, at least up to upTo: the
// session goes on syncing, from cursor.
func (s *Sub) Live(cursor chat.Seq) (ok bool, upTo chat.Seq) {
	c := s.conv
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.index < 0 {
		return true, cursor
	}
	if cursor > c.seen && !mutant.Is(mutant.AheadAlone) {
		// It has read further than what was announced: others may lack it, and nobody
		// will tell them of it again, now that it is known here.
		c.seen = cursor
		c.wakeLocked()
	}
	if !c.primed {
		if c.seen > cursor && !mutant.Is(mutant.NoDirtyFlag) {
			return false, c.seen
		}
		c.primed, c.last, c.ring, c.held = true, cursor, nil, nil
	}
	for cursor < c.last {
		f := c.fromRingLocked(cursor + 1)
		if f == nil || !s.sink.Deliver(c.key, f.Seq, f.Data) {
			s.cursor = cursor
			return false, c.last
		}
		cursor++
		if f.endsFor(s.user) {
			c.endLocked(s, cursor)
			return true, cursor
		}
	}
	switch {
	case cursor > c.last && c.live == 0:
		c.last, c.ring = cursor, nil
	case cursor > c.last && !mutant.Is(mutant.AheadAlone):
		c.fillLocked(0) // those that are live lack it
	}
	c.setLocked(s, live)
	s.cursor, s.over = cursor, false
	return true, cursor
}

// Cursor is how far the session was when it last stopped being live.
func (s *Sub) Cursor() chat.Seq {
	s.conv.mu.Lock()
	defer s.conv.mu.Unlock()
	return s.cursor
}

func (c *conv) fromRingLocked(seq chat.Seq) *Frame {
	if len(c.ring) == 0 || seq < c.ring[0].Seq {
		return nil
	}
	return c.ring[seq-c.ring[0].Seq]
}

func (c *conv) route(f *Frame) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = time.Duration(c.table.clock.Load())
	c.seen = max(c.seen, f.Seq)
	c.wakeLocked()
	if f.Kind == chat.KindMembers {
		c.hushLocked(f)
	}
	switch {
	case !c.primed || f.Seq <= c.last:
		if !c.primed {
			c.members = f.Members
		}
	case f.Seq == c.last+1:
		c.advanceLocked(f)
		c.drainHeldLocked()
	case c.live == 0:
		c.unprimeLocked()
	default:
		if c.held == nil {
			c.held = make(map[chat.Seq]*Frame)
		}
		if len(c.held) < c.table.opts.MaxHeld {
			c.held[f.Seq] = f
		}
		c.fillLocked(c.table.opts.GapWait)
	}
}

// hushLocked sees to it that sessions which an entry removes get no receipts and no
// typing from now on, although they may have to read up to that entry first.
func (c *conv) hushLocked(f *Frame) {
	for _, s := range c.subs {
		if f.endsFor(s.user) && f.Seq > s.cursor && (s.state != live || f.Seq > c.last) {
			s.over = true
		}
	}
}

// repair is route without a frame: what is missing is read.
func (c *conv) repair(seq chat.Seq) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if seq <= max(c.seen, c.last) && (!c.primed || seq <= c.last) {
		return
	}
	c.seen = max(c.seen, seq)
	c.wakeLocked()
	if !c.primed || c.last >= c.seen {
		return
	}
	if c.live == 0 {
		c.unprimeLocked()
		return
	}
	c.fillLocked(0)
}

// wakeLocked makes idle sessions sync that lack something.
func (c *conv) wakeLocked() {
	if c.idle == 0 {
		return
	}
	for _, s := range c.subs {
		if s.state == idle && s.cursor < c.seen {
			c.setLocked(s, syncing)
			s.sink.Sync(c.key)
		}
	}
}

func (c *conv) unprimeLocked() {
	c.primed, c.ring, c.held = false, nil, nil
}

func (c *conv) drainHeldLocked() {
	for len(c.held) > 0 {
		f := c.held[c.last+1]
		if f == nil {
			return
		}
		delete(c.held, f.Seq)
		c.advanceLocked(f)
	}
}

// advanceLocked lets the next frame go by.
func (c *conv) advanceLocked(f *Frame) {
	c.last = f.Seq
	c.members = f.Members
	if len(c.ring) == c.table.opts.Ring {
		copy(c.ring, c.ring[1:])
		c.ring = c.ring[:len(c.ring)-1]
	}
	c.ring = append(c.ring, f)
	for i := 0; i < len(c.subs); i++ {
		s := c.subs[i]
		if s.state != live || f.Seq <= s.cursor {
			continue
		}
		if !s.sink.Deliver(c.key, f.Seq, f.Data) && !mutant.Is(mutant.DropWithoutResync) {
			c.setLocked(s, syncing)
			s.cursor = f.Seq - 1
			s.sink.Sync(c.key)
			continue
		}
		if f.Kind != chat.KindMembers {
			continue
		}
		if f.endsFor(s.user) {
			c.endLocked(s, f.Seq)
			i-- // the last one has moved here
			continue
		}
		s.sink.Changed(c.key)
	}
}

// endLocked detaches a session whose part of the log ends with an entry. Where later
// ones are known the user may be in again, and nobody has told the session so, because
// it was attached when they came.
func (c *conv) endLocked(s *Sub, at chat.Seq) {
	c.removeLocked(s)
	s.sink.Ended(c.key, at)
	if c.seen > at {
		s.sink.Discover(c.key)
	}
}

// fillLocked reads what is missing up to seen, once for all local sessions, after
// a wait in which it may come by itself.
func (c *conv) fillLocked(after time.Duration) {
	if c.filling || c.table.ctx.Err() != nil {
		return
	}
	c.filling = true
	c.table.wg.Add(1)
	go func() {
		defer c.table.wg.Done()
		c.fill(after)
	}()
}

func (c *conv) fill(after time.Duration) {
	t := c.table
	if !sleep(t.ctx, after) {
		return
	}
	counted := false
	for pause := time.Millisecond; ; pause = min(2*pause, time.Second) {
		c.mu.Lock()
		last, upTo := c.last, c.seen
		if !c.primed || last >= upTo || c.live == 0 {
			if c.primed && last < upTo {
				c.unprimeLocked() // nobody is live: whoever comes next reads for itself
			}
			c.filling = false
			c.mu.Unlock()
			return
		}
		c.mu.Unlock()
		if !counted && t.Gaps != nil {
			t.Gaps()
			counted = true
		}
		if moved := c.fillOnce(last, upTo); moved {
			pause = time.Millisecond
			continue
		}
		if !sleep(t.ctx, pause) {
			return
		}
	}
}

func (c *conv) fillOnce(last, upTo chat.Seq) (moved bool) {
	t := c.table
	select {
	case t.fills <- struct{}{}:
		defer func() { <-t.fills }()
	case <-t.ctx.Done():
		return false
	}
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	frames, err := t.opts.Read(ctx, c.key, last, upTo, t.opts.FillPage)
	if err != nil {
		t.opts.Log.Warn("could not read a gap; trying again", "conv", c.key.Conv, "after", last, "error", err)
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range frames {
		if c.primed && frames[i].Seq == c.last+1 {
			c.advanceLocked(&frames[i])
			moved = true
		}
	}
	c.drainHeldLocked()
	for seq := range c.held {
		if seq <= c.last {
			delete(c.held, seq)
		}
	}
	return moved
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d == 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func (c *conv) receipt(r Receipt, most int, frame func(Receipt) []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	told := c.told[r.User]
	if r.Delivered <= told.delivered && r.Read <= told.read {
		return
	}
	r.Delivered, r.Read = max(told.delivered, r.Delivered), max(told.read, r.Read)
	toAll := c.members > 0 && c.members <= most
	if c.told == nil {
		c.told = make(map[chat.User]marks)
	}
	if told != (marks{}) || len(c.told) < most {
		c.told[r.User] = marks{r.Delivered, r.Read}
	}
	bare := r // as it is told where Read is hidden
	bare.Read = 0
	var data, bareData []byte
	for _, s := range c.subs {
		switch {
		case s.over:
		case s.user != r.User && !toAll:
		case s.user != r.User && (r.Hidden || c.hides(s.user)):
			if r.Delivered > told.delivered {
				bareData = offer(s, bareData, bare, frame)
			}
		default:
			data = offer(s, data, r, frame)
		}
	}
}

// hides reports whether a user is not shown how far others have read.
func (c *conv) hides(u chat.User) bool {
	hides := c.table.opts.Hides
	return hides != nil && hides(UserKey{c.key.NS, u})
}

// offer gives a receipt to a session, and makes its frame for the first one.
func offer(s *Sub, data []byte, r Receipt, frame func(Receipt) []byte) []byte {
	if data == nil {
		data = frame(r)
	}
	s.sink.Offer(data)
	return data
}
