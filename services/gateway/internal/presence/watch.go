package presence

import (
	"context"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// subject is a user who is watched on this pod.
type subject struct {
	User
	index    int // in Tracker.order
	watchers map[Watcher]bool
	pods     map[string]time.Time // others where the user is online: when that was last confirmed
	asked    time.Time            // when the others were asked last
	ready    bool                 // it is known, and told
	online   bool                 // as told
	looking  bool                 // the last visit is being read
	known    bool                 // it was read
	seen     time.Time            // the last visit; zero: none is known
	offAt    time.Time            // when it is told that the user is offline; zero: not
	frame    []byte               // as told
}

// watching is one session's watch list.
type watching struct {
	self   chat.User
	list   map[*subject]bool       // true: it is known whether the subject blocks self
	blocks map[*subject]chat.Block // of self by a subject, on or off; nil: none
	dirty  map[*subject]bool       // those whose frame has not been queued yet
}

// deadline is when something about a subject has to be decided.
type deadline struct {
	s  *subject
	at time.Time
}

// Watch adds users to the list of a session of self, which may have at most most. The
// session is told of each, at once or when it is known, and then of changes.
func (t *Tracker) Watch(w Watcher, self User, users []chat.User, most int) *chat.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	watch := t.watchers[w]
	if watch == nil {
		watch = &watching{self: self.User, list: make(map[*subject]bool), dirty: make(map[*subject]bool)}
	}
	more, fresh := 0, 0
	for _, u := range users {
		s := t.subjects[User{self.NS, u}]
		if s == nil {
			fresh++
		}
		if _, listed := watch.list[s]; s == nil || !listed {
			more++
		}
	}
	switch {
	case len(watch.list)+more > most:
		return chat.Errorf(chat.CodeBadRequest, "a session watches at most %d users", most)
	case len(t.subjects)+fresh > t.opts.MaxSubjects || len(t.questions) > t.opts.MaxSubjects:
		return chat.Unavailable("too many users are watched on this pod; repeat later")
	}
	t.watchers[w] = watch
	for _, u := range users {
		s := t.subjectLocked(User{self.NS, u})
		if _, listed := watch.list[s]; !listed {
			s.watchers[w], watch.list[s] = true, u == self.User
			if u != self.User {
				t.askBlockLocked(w, watch, s)
			}
		}
		if s.ready && watch.list[s] {
			t.dirtyLocked(w, watch, s)
		}
	}
	t.wakeUp()
	return nil
}

// subjectLocked finds a subject, or begins to ask about it.
func (t *Tracker) subjectLocked(u User) *subject {
	s := t.subjects[u]
	if s != nil {
		return s
	}
	now := time.Now()
	s = &subject{User: u, index: len(t.order), watchers: make(map[Watcher]bool), pods: make(map[string]time.Time)}
	t.subjects[u] = s
	t.order = append(t.order, s)
	t.askLocked(s, now)
	t.judgeLocked(s, now)
	switch {
	case s.ready:
	case len(t.peers) > 0 || now.Sub(t.began) < 2*t.opts.Beat:
		t.asking = append(t.asking, deadline{s, now.Add(t.opts.Answer)})
	default:
		t.lookLocked(s) // there is nobody to answer
	}
	return s
}

func (t *Tracker) askLocked(s *subject, now time.Time) {
	s.asked = now
	t.out.ask[s.User] = true
	t.checking = append(t.checking, deadline{s, now.Add(t.opts.Beat + 4*t.opts.Batch)})
}

// Unwatch takes users off a session's list.
func (t *Tracker) Unwatch(w Watcher, ns chat.NS, users []chat.User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	watch := t.watchers[w]
	if watch == nil {
		return
	}
	for _, u := range users {
		if s := t.subjects[User{ns, u}]; s != nil {
			t.leaveLocked(w, watch, s)
		}
	}
}

// Gone ends all that a session watches.
func (t *Tracker) Gone(w Watcher) {
	t.mu.Lock()
	defer t.mu.Unlock()
	watch := t.watchers[w]
	if watch == nil {
		return
	}
	for s := range watch.list {
		t.leaveLocked(w, watch, s)
	}
	delete(t.watchers, w)
	delete(t.dirty, w)
}

func (t *Tracker) leaveLocked(w Watcher, watch *watching, s *subject) {
	delete(watch.list, s)
	delete(watch.dirty, s)
	delete(watch.blocks, s)
	delete(s.watchers, w)
	if len(s.watchers) > 0 {
		return
	}
	delete(t.subjects, s.User)
	delete(t.out.ask, s.User)
	moved := t.order[len(t.order)-1]
	t.order[s.index], moved.index = moved, s.index
	t.order[len(t.order)-1] = nil
	t.order = t.order[:len(t.order)-1]
	s.index = -1 // what waits for it finds that nobody does any more
}

// judgeLocked compares what is known of a subject with what was told.
func (t *Tracker) judgeLocked(s *subject, now time.Time) {
	online := t.local[s.User] > 0 || len(s.pods) > 0
	switch {
	case online:
		s.offAt = time.Time{}
		if !s.ready || !s.online {
			t.tellLocked(s, true)
		}
	case s.ready && s.online && s.offAt.IsZero():
		s.offAt = now.Add(t.opts.Linger)
		t.leaving = append(t.leaving, deadline{s, s.offAt})
	}
}

// tellLocked has all watchers told who may know.
func (t *Tracker) tellLocked(s *subject, online bool) {
	first := !s.ready
	s.ready, s.online = true, online
	f := wire.Presence{Type: "presence", User: s.User.User, Online: online}
	if !online && !s.seen.IsZero() {
		f.LastSeen = wire.Time{Time: s.seen}
	}
	s.frame = wire.Encode(&f)
	for w := range s.watchers {
		if watch := t.watchers[w]; watch.list[s] && (first || !watch.blocks[s].On) {
			t.dirtyLocked(w, watch, s)
		}
	}
}

// lookLocked has the last visit of a subject read, who is not online.
func (t *Tracker) lookLocked(s *subject) {
	if s.looking || t.stopped {
		return
	}
	if s.known {
		t.tellLocked(s, false)
		return
	}
	s.looking = true
	t.lookups = append(t.lookups, s)
	if t.reading < workers {
		t.reading++
		t.wg.Go(t.readAll)
	}
}

// readAll reads last visits until none is asked for. Where the store does not
// answer, it is told that the user is offline, without a last visit.
func (t *Tracker) readAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.lookups) > 0 {
		s := t.lookups[0]
		t.lookups = t.lookups[1:]
		var seen time.Time
		err := t.askStoreLocked(func(ctx context.Context) (err error) {
			seen, err = t.opts.LastSeen(ctx, s.User)
			return err
		})
		s.looking, s.known = false, err == nil
		s.seen = later(s.seen, seen)
		if s.index >= 0 && !t.onlineLocked(s) {
			t.contain("a last visit", func() { t.tellLocked(s, false) })
			t.wakeUp()
		}
	}
	t.reading--
}

func (t *Tracker) onlineLocked(s *subject) bool { return t.local[s.User] > 0 || len(s.pods) > 0 }

// touchLocked has a last visit written down. What does not fit is left out: the
// store still has an earlier one.
func (t *Tracker) touchLocked(d touch, at time.Time) {
	if _, known := t.touches[d]; !known && len(t.touches) >= mostTouches {
		t.counts.Dropped++
		return
	}
	t.touches[d] = at
	if t.writing < workers {
		t.writing++
		t.wg.Go(t.writeAll)
	}
}

// writeAll writes last visits until none waits.
func (t *Tracker) writeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		var d touch
		var at time.Time
		for d, at = range t.touches {
			break
		}
		if at.IsZero() {
			t.writing--
			return
		}
		delete(t.touches, d)
		err := t.askStoreLocked(func(ctx context.Context) error {
			return t.opts.Seen(ctx, d.User, store.DeviceInfo{Device: d.device, Seen: at})
		})
		if err != nil {
			t.counts.Dropped++
			t.opts.Log.Debug("could not write down a device's last visit", "error", err)
		}
	}
}
