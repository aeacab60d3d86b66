package session

import (
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Clock looks after the times of all sessions of a pod: the hello that does not
// come, the ping that is due, the token that expires, the write that is stuck. It
// is a wheel: a session stands in the slot of the time at which it must be looked
// at next, so that one with nothing due costs nothing. What happens in between only
// is noted; a session that was heard is not moved, but found well when its time
// comes.
type Clock struct {
	every time.Duration
	start time.Time

	mu    sync.Mutex // after Session.mu
	tick  int64      // the last slot that was looked at
	slots [wheel]*Session
}

// wheel is how many slots there are. What is due later than one turn of the wheel
// is looked at earlier, and put off again.
const wheel = 64

// NewClock makes a clock that is exact to a time; default 1 s.
func NewClock(every time.Duration) *Clock {
	if every <= 0 {
		every = time.Second
	}
	return &Clock{every: every, start: time.Now()}
}

// Every is how often Tick is to be called.
func (c *Clock) Every() time.Duration { return c.every }

// now is the time since the clock was made. It does not jump with the wall clock.
func (c *Clock) now() time.Duration { return time.Since(c.start) }

// at is a time of now as others have it.
func (c *Clock) at(d time.Duration) time.Time { return c.start.Add(d) }

// Tick looks at the sessions whose time has come. It does not block.
func (c *Clock) Tick() {
	now := c.now()
	for c.advance(int64(now / c.every)) {
		for s := c.pop(); s != nil; s = c.pop() {
			s.look(now)
		}
	}
}

// advance goes on to the next slot, if its time has come.
func (c *Clock) advance(to int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tick >= to {
		return false
	}
	c.tick = max(c.tick+1, to-wheel+1) // after a long pause each slot is looked at once
	return true
}

// pop takes a session out of the present slot; nil: it is empty.
func (c *Clock) pop() *Session {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.slots[c.tick%wheel]
	if s != nil {
		c.removeLocked(s)
	}
	return s
}

// hand is a session's place on a [Clock].
type hand struct {
	prev, next *Session
	slot       int16 // one more than the slot; 0: none
}

// set puts a session where it will be looked at at a time, or a little later.
func (c *Clock) set(s *Session, at time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(s)
	ahead := min(max(1, int64((at+c.every-1)/c.every)-c.tick), wheel-1)
	i := (c.tick + ahead) % wheel
	h := &s.hand
	h.slot, h.prev, h.next = int16(i+1), nil, c.slots[i]
	if h.next != nil {
		h.next.hand.prev = s
	}
	c.slots[i] = s
}

func (c *Clock) remove(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(s)
}

func (c *Clock) removeLocked(s *Session) {
	h := &s.hand
	if h.slot == 0 {
		return
	}
	if h.prev != nil {
		h.prev.hand.next = h.next
	} else {
		c.slots[h.slot-1] = h.next
	}
	if h.next != nil {
		h.next.hand.prev = h.prev
	}
	*h = hand{}
}

// dueLocked sees to it that the session is looked at after a time, or before.
func (s *Session) dueLocked(in time.Duration) {
	if at := s.opts.Clock.now() + in; !s.dead && (s.due == 0 || at < s.due) {
		s.due = at
		s.opts.Clock.set(s, at)
	}
}

// look is what happens when the session's time has come.
func (s *Session) look(now time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	s.due = 0
	s.dueLocked(max(0, s.checkLocked(now)))
}

// checkLocked does what is due, and says when to look again.
func (s *Session) checkLocked(now time.Duration) time.Duration {
	if s.closing {
		left := s.closeBy - now
		if left <= 0 {
			s.link.interrupt() // the client does not read the close frame, or does not answer it
			return s.opts.SlowAfter
		}
		return left
	}
	heard := time.Duration(s.heard.Load())
	silent := now - heard
	next := 2*s.opts.Heartbeat - silent
	sooner := func(left time.Duration, code chat.CloseCode, reason string) {
		if left <= 0 {
			s.closeLocked(code, reason)
		}
		next = min(next, left)
	}
	if !s.ready {
		sooner(s.opts.HelloWait-(now-s.started), chat.CloseProtocol, "no hello in time")
	}
	if expires := s.expires.Load(); expires != 0 {
		sooner(time.Until(time.UnixMilli(expires)), chat.CloseUnauthorized, "the token has expired")
	}
	if s.out.since != 0 {
		sooner(s.opts.SlowAfter-(now-s.out.since), chat.CloseTooSlow, "too slow to keep up")
	}
	sooner(2*s.opts.Heartbeat-silent, chat.CloseGoingAway, "no sign of life")
	switch {
	case s.closing:
		return s.closeBy - now
	case silent < s.opts.Heartbeat:
		return min(next, s.opts.Heartbeat-silent)
	case s.pinged == 0 || heard >= s.pinged: // and was heard since: by its pong, mostly
		s.pinged = now
		s.out.addControl(ping)
		s.startWriterLocked()
	}
	return next
}
