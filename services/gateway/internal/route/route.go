// Package route is steps 5 and 6 of a message's way: a stored entry goes to the
// sessions of this pod and, once, onto the bus for the others.
//
// The table holds, for each conversation with local members, the last seq that
// went by and a ring of the latest frames. A session that is live in a
// conversation gets every frame as it goes by. One that is not is told to sync:
// to read what it lacks from the store until it has caught up, and then to go
// live. Registering comes before reading, so nothing falls between the two.
package route

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
)

// Frame is one finished entry on its way to sessions: the encoded bytes, which
// all of them share, and what routing has to know.
type Frame struct {
	Key     chat.Key
	Seq     chat.Seq
	Kind    chat.Kind
	Members int         // members of the conversation after this entry
	Leaving []chat.User // whose part of the log ends here
	Closing bool        // everybody's does
	// Concerns is whom it concerns who may not know the conversation yet.
	Concerns []chat.User
	Data     []byte
}

func (f *Frame) endsFor(u chat.User) bool {
	if f.Closing {
		return true
	}
	for _, l := range f.Leaving {
		if l == u && !mutant.Is(mutant.RemovalKeepsStream) {
			return true
		}
	}
	return false
}

// Sink is a session as the table sees it. No method may block or call back into
// the table.
type Sink interface {
	// Owner is whose session it is; it never changes.
	Owner() (chat.NS, chat.User)
	// Deliver queues an entry's frame; false: the queue is full, nothing was queued.
	Deliver(key chat.Key, seq chat.Seq, frame []byte) bool
	// Offer queues a frame that is not part of a stream.
	Offer(frame []byte)
	// Sync asks the session to catch up with a conversation that it is attached to.
	Sync(key chat.Key)
	// Discover tells it of a conversation that it may not know yet.
	Discover(key chat.Key)
	// Changed tells it that something about a conversation changed.
	Changed(key chat.Key)
	// Ended tells it that its part of the log has ended with an entry, and that it is
	// detached.
	Ended(key chat.Key, at chat.Seq)
}

// Reader reads finished frames: those with after < seq ≤ upTo, ascending, at most
// limit; fewer if the store does not show all of them yet.
type Reader func(ctx context.Context, key chat.Key, after, upTo chat.Seq, limit int) ([]Frame, error)

// Options configure a [Table]. Read is required.
type Options struct {
	Read Reader
	Log  *slog.Logger // default: slog.Default()

	Ring      int           // frames kept per conversation that is in use; default 16
	GapWait   time.Duration // how long a gap may close by itself: announcements of two pods cross; default 20 ms
	MaxHeld   int           // frames held over a gap per conversation; the rest is read; default 256
	MaxFills  int           // gaps read at a time; default 32
	FillPage  int           // frames of one read; default 200
	RingsIdle time.Duration // after this long without traffic a ring is dropped; default 10 s

	// Present is told of a user's first session on this pod, and of the end of the
	// last one, in that order for each user. It must not block nor call the table.
	// Default: nobody is told.
	Present func(k UserKey, there bool)
	// Hides says who is not shown how far others have read. It must not block nor call
	// the table. Default: nobody.
	Hides func(k UserKey) bool
}

const shards = 64

// Table is which sessions of this pod want what. It is safe for concurrent use.
type Table struct {
	opts   Options
	seed   maphash.Seed
	convs  [shards]convShard
	users  [shards]userShard
	swept  uint // shards so far; owned by who calls SweepRings
	began  time.Time
	clock  atomic.Int64 // time since began as of the last call of SweepRings, ns: near enough for rings
	fills  chan struct{}
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	Gaps   func() // called for every gap that had to be read; may be nil

	interest interest
}

type convShard struct {
	mu sync.Mutex
	m  map[chat.Key]*conv
}

// UserKey is a user across tenants.
type UserKey struct {
	NS   chat.NS
	User chat.User
}

type userShard struct {
	mu sync.Mutex
	m  map[UserKey][]Sink
}

// NewTable makes an empty table; Stop ends it.
func NewTable(opts Options) *Table {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&opts.Ring, 16)
	def(&opts.MaxHeld, 256)
	def(&opts.MaxFills, 32)
	def(&opts.FillPage, 200)
	if opts.GapWait == 0 {
		opts.GapWait = 20 * time.Millisecond
	}
	if opts.RingsIdle == 0 {
		opts.RingsIdle = 10 * time.Second
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	t := &Table{opts: opts, seed: maphash.MakeSeed(), fills: make(chan struct{}, opts.MaxFills), began: time.Now()}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	for i := range shards {
		t.convs[i].m = make(map[chat.Key]*conv)
		t.users[i].m = make(map[UserKey][]Sink)
	}
	return t
}

// Stop ends the fills under way and waits for them.
func (t *Table) Stop() {
	t.cancel()
	t.wg.Wait()
}

func (t *Table) convShard(k chat.Key) *convShard {
	return &t.convs[maphash.Comparable(t.seed, k)%shards]
}

func (t *Table) userShard(k UserKey) *userShard {
	return &t.users[maphash.Comparable(t.seed, k)%shards]
}

// Register makes a session findable by its user. It comes before everything that
// the session reads.
func (t *Table) Register(s Sink) {
	ns, user := s.Owner()
	k := UserKey{ns, user}
	sh := t.userShard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.m[k] = append(sh.m[k], s)
	if len(sh.m[k]) == 1 {
		t.present(k, true)
	}
}

// present is called with the user's shard locked.
func (t *Table) present(k UserKey, there bool) {
	t.interest.note(HashUser(k.NS, k.User), there)
	if t.opts.Present != nil {
		t.opts.Present(k, there)
	}
}

// Unregister ends Register.
func (t *Table) Unregister(s Sink) {
	ns, user := s.Owner()
	k := UserKey{ns, user}
	sh := t.userShard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	list := sh.m[k]
	for i := range list {
		if list[i] != s {
			continue
		}
		if len(list) == 1 {
			delete(sh.m, k)
			t.present(k, false)
			return
		}
		rest := make([]Sink, 0, len(list)-1) // a copy: Sessions hands the list out
		sh.m[k] = append(append(rest, list[:i]...), list[i+1:]...)
		return
	}
}

// Sessions lists a user's sessions on this pod. The list is not to be changed.
func (t *Table) Sessions(ns chat.NS, user chat.User) []Sink {
	k := UserKey{ns, user}
	sh := t.userShard(k)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	list := sh.m[k]
	return list[:len(list):len(list)]
}

// Attach adds a session to a conversation, syncing: it gets nothing until it says
// [Sub.Idle] or [Sub.Live]. It must be detached in the end.
func (t *Table) Attach(key chat.Key, s Sink) *Sub {
	sh := t.convShard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c := sh.m[key]
	if c == nil {
		c = &conv{table: t, key: key}
		sh.m[key] = c
		t.Keep(key, true)
	}
	_, user := s.Owner()
	sub := &Sub{conv: c, sink: s, user: user}
	c.mu.Lock()
	defer c.mu.Unlock()
	sub.index = len(c.subs)
	c.subs = append(c.subs, sub)
	return sub
}

// Detach ends Attach; it may be repeated.
func (s *Sub) Detach() {
	c := s.conv
	sh := c.table.convShard(c.key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.removeLocked(s)
	if len(c.subs) == 0 && sh.m[c.key] == c {
		delete(sh.m, c.key)
		c.table.Keep(c.key, false)
	}
}

func (t *Table) conv(key chat.Key) *conv {
	sh := t.convShard(key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return sh.m[key]
}

// Route hands a frame to the sessions of this pod that want it. Frames of one
// conversation may come in any order, and again.
func (t *Table) Route(f *Frame) {
	c := t.conv(f.Key)
	var had []Sink // who may be at the end of an earlier membership just now
	for _, u := range f.Concerns {
		for _, s := range t.Sessions(f.Key.NS, u) {
			switch {
			case c == nil || !c.has(s):
				s.Discover(f.Key)
			case f.Kind == chat.KindMembers && !f.endsFor(u):
				had = append(had, s)
			}
		}
	}
	if c == nil {
		return
	}
	c.route(f)
	for _, s := range had {
		if !c.has(s) {
			s.Discover(f.Key)
		}
	}
}

// Repair says that a conversation is known to have entries up to seq: sessions of
// this pod that lack some get them, read from the store. Users are those who may
// not know the conversation yet.
func (t *Table) Repair(key chat.Key, seq chat.Seq, users []chat.User) {
	c := t.conv(key)
	for _, u := range users {
		for _, s := range t.Sessions(key.NS, u) {
			if c == nil || !c.has(s) {
				s.Discover(key)
			}
		}
	}
	if c != nil {
		c.repair(seq)
	}
}

// Heads lists the conversations with local sessions, and how far each is known
// to be.
func (t *Table) Heads() map[chat.Key]chat.Seq {
	heads := make(map[chat.Key]chat.Seq)
	for i := range t.convs {
		sh := &t.convs[i]
		sh.mu.Lock()
		for k, c := range sh.m {
			c.mu.Lock()
			heads[k] = max(c.seen, c.last)
			c.mu.Unlock()
		}
		sh.mu.Unlock()
	}
	return heads
}

// Head is how far a conversation is known to be; 0: no session here follows it.
func (t *Table) Head(key chat.Key) chat.Seq {
	c := t.conv(key)
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return max(c.seen, c.last)
}

// Users lists the users with local sessions.
func (t *Table) Users() []UserKey {
	var list []UserKey
	for i := range t.users {
		sh := &t.users[i]
		sh.mu.Lock()
		for k := range sh.m {
			list = append(list, k)
		}
		sh.mu.Unlock()
	}
	return list
}

// Receipt hands out how far a user is: to the user's own sessions always, to
// others where the conversation has at most most members. What was told already,
// or is behind it, is not told again.
func (t *Table) Receipt(r Receipt, most int, frame func(Receipt) []byte) {
	if c := t.conv(r.Key); c != nil {
		c.receipt(r, most, frame)
	}
}

// Receipt is a user's position in a conversation.
type Receipt struct {
	Key             chat.Key
	User            chat.User
	Delivered, Read chat.Seq
	Hidden          bool // Read is for the user's own sessions alone
}

// SweepRings drops the rings of conversations that have been quiet, in a sixteenth
// of the table at a call: so that many quiet conversations cost little. It is
// called by one goroutine.
func (t *Table) SweepRings(now time.Time) {
	at := now.Sub(t.began)
	t.clock.Store(int64(at))
	for range shards / 16 {
		sh := &t.convs[t.swept%shards]
		t.swept++
		sh.mu.Lock()
		for _, c := range sh.m {
			c.mu.Lock()
			if c.ring != nil && at-c.used > t.opts.RingsIdle {
				c.ring = nil
			}
			c.mu.Unlock()
		}
		sh.mu.Unlock()
	}
}
