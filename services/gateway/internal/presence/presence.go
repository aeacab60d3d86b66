// Package presence is who is online, and who types: what pods tell each other about
// users, that may be lost and is never stored.
//
// # What it costs
//
// A pod announces its own users to all others when their first session here begins
// and the last one ends, whoever watches them: some 40 bytes each, many in one
// message, at most four messages a second. What others announce it forgets, unless
// one of its sessions watches that user: so its memory is bounded by its own
// sessions' watch lists ([Options].MaxSubjects), and what it hears costs a look into
// a map. When a user is watched here for the first time, the pod asks the others
// once, and those where the user is online answer. What was lost on the way is found
// by a slow pass that asks again about everybody who is watched, in two minutes, or
// at 800 users a second if there are more than that covers.
//
// For a cluster of P pods, C connects and disconnects a second, and W watched users
// a pod, each pod sends and hears about C + P·min(W/120, 800) users a second.
// A change is told after at most 250 ms and the bus; that a user went offline after
// 3 s more, so that a reconnect is no change.
//
// Blocks cost one read of the store for all that is watched, and for all direct
// conversations in which somebody begins to type to a user of this pod, while the read before was under way:
// at most one at a time, of at most 1,000 pairs.
//
// # Pods that die
//
// Each pod sends a beat every two seconds. One that is not heard for five is looked up in the
// store: when its lease has run out, the users that were online there, and only
// there, are offline since it was heard last. A pod that is silent because the bus
// is away keeps its lease, and its users.
package presence

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/contain"
)

// User is a user across tenants.
type User struct {
	NS   chat.NS
	User chat.User
}

// Watcher is a session that watches users. It must not call back.
type Watcher interface {
	// Try queues a frame if there is room for what may be left out; it does not
	// block.
	Try(frame []byte) bool
}

// Options configure a [Tracker]. The functions are required.
type Options struct {
	// Publish hands bytes to every other pod; it does not block. An error means that
	// nobody has them.
	Publish func([]byte) error
	Pod     func() string // this pod's present id
	Epoch   func() string
	// Pods lists all registrations, and the store's present time.
	Pods func(ctx context.Context) ([]store.Pod, time.Time, error)
	// LastSeen reads when a user's devices were last seen; zero: never.
	LastSeen func(ctx context.Context, u User) (time.Time, error)
	// Seen writes down that a device was seen.
	Seen func(ctx context.Context, u User, d store.DeviceInfo) error
	// Typing tells the sessions of this pod that somebody types. It does not block.
	Typing func(Typing)
	// Peer is the other end of a direct conversation, if it has a session on this pod
	// there; else "". It does not block.
	Peer func(key chat.Key, but chat.User) chat.User
	// Blocked reads some blocks, as [store.Blocks].BlocksAmong does.
	Blocked func(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error)
	Log     *slog.Logger // default: slog.Default()

	Batch       time.Duration // between two messages to the others; default 250 ms
	Beat        time.Duration // between two messages even if there is nothing to tell; default 2 s
	Answer      time.Duration // for others to answer, before a user counts as offline; default 300 ms
	Linger      time.Duration // before it is told that a user is offline; default 3 s
	Pass        time.Duration // in which everybody who is watched is asked about again; default 2 min
	Silence     time.Duration // of a pod, before the store is asked; default 5 s
	MaxSubjects int           // users that are watched here; default 262,144
	MaxTyping   int           // users who type here, each in each conversation; default 65,536
}

func (o *Options) setDefaults() {
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	dur(&o.Batch, 250*time.Millisecond)
	dur(&o.Beat, 2*time.Second)
	dur(&o.Answer, 300*time.Millisecond)
	dur(&o.Linger, 3*time.Second)
	dur(&o.Pass, 2*time.Minute)
	dur(&o.Silence, 5*time.Second)
	if o.MaxSubjects == 0 {
		o.MaxSubjects = 256 << 10
	}
	if o.MaxTyping == 0 {
		o.MaxTyping = 64 << 10
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

const (
	tick        = 50 * time.Millisecond
	perPass     = 200              // users asked about again in one batch
	young       = 10 * time.Second // a pod so old was heard from its first user on
	mostTouches = 64 << 10         // devices whose last visit waits to be written
	workers     = 8                // reads and writes of devices at a time
	opTime      = 3 * time.Second  // for one of them
)

// Tracker is one pod's part. Make it with [New], run it with Run; it is safe for
// concurrent use.
type Tracker struct {
	opts  Options
	began time.Time
	wake  chan struct{}
	wg    sync.WaitGroup // of lookups and touches

	panics contain.Panics

	mu       sync.Mutex
	stopped  bool
	local    map[User]int // sessions on this pod
	sessions int
	peers    map[string]*peer
	subjects map[User]*subject
	order    []*subject // all subjects, for the pass
	passed   int        // how far the pass has come in order
	credit   float64    // subjects that the pass is behind
	swept    time.Time  // when the pass and the typists were looked at last
	hurry    int        // subjects that a loss has made doubtful: the pass takes more at a time
	watchers map[Watcher]*watching
	dirty    map[Watcher]*watching // those with frames to be sent
	asking   []deadline            // by time: not ready until then
	checking []deadline            // by time: asked again, and who has not confirmed is not there
	leaving  []deadline            // by time: offline then
	lookups  []*subject            // last visits to be read
	reading  int
	touches  map[touch]time.Time // last visits to be written
	writing  int
	out      outgoing
	sent     time.Time // when the last message was
	typing   map[typist]*typingState
	counts   Stats

	// Of blocks, see blocks.go.
	questions     []question // to be read
	doubts        []Watcher  // whose blocks are to be read again, after those
	readingBlocks bool
	blocksAgain   time.Time // not before, after a read that failed
	hushes        map[ends]*hush
	hushSwept     time.Time
}

// peer is another pod.
type peer struct {
	heard           time.Time
	users, sessions int
}

// touch is a device that was here.
type touch struct {
	User
	device chat.Device
}

// Stats is what a pod knows about who is online; it does not block.
type Stats struct {
	Users           int    // users with a session on this pod
	Subjects        int    // users who are watched here
	Pods            int    // pods that are heard, this one included
	ClusterUsers    int    // users online over all pods; who is on two pods counts twice
	ClusterSessions int    // sessions over all pods
	Asked, Told     uint64 // users asked about, and told of, on the bus
	Lost            uint64 // messages that the bus did not take
	Dropped         uint64 // typing that was left out, and last visits that were not written
	Panics          uint64 // that were contained
}

// Add is the counts of two pods of one cluster in this process.
func (s Stats) Add(o Stats) Stats {
	s.Users += o.Users
	s.Subjects += o.Subjects
	s.Pods = max(s.Pods, o.Pods)
	s.ClusterUsers = max(s.ClusterUsers, o.ClusterUsers)
	s.ClusterSessions = max(s.ClusterSessions, o.ClusterSessions)
	s.Asked += o.Asked
	s.Told += o.Told
	s.Lost += o.Lost
	s.Dropped += o.Dropped
	s.Panics += o.Panics
	return s
}

// New makes a tracker.
func New(o Options) *Tracker {
	o.setDefaults()
	return &Tracker{opts: o, began: time.Now(), wake: make(chan struct{}, 1), local: make(map[User]int),
		peers: make(map[string]*peer), subjects: make(map[User]*subject), watchers: make(map[Watcher]*watching),
		dirty: make(map[Watcher]*watching), touches: make(map[touch]time.Time), typing: make(map[typist]*typingState),
		out: newOutgoing(), hushes: make(map[ends]*hush)}
}

// Stats returns the present counts.
func (t *Tracker) Stats() Stats {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.counts
	s.Panics = t.panics.Load()
	s.Users, s.Subjects, s.Pods = len(t.local), len(t.subjects), 1+len(t.peers)
	s.ClusterUsers, s.ClusterSessions = len(t.local), t.sessions
	for _, p := range t.peers {
		s.ClusterUsers += p.users
		s.ClusterSessions += p.sessions
	}
	return s
}

func (t *Tracker) wakeUp() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// Connected says that a user has one more session on this pod.
func (t *Tracker) Connected(u User) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sessions++
	t.local[u]++
	if t.local[u] > 1 {
		return
	}
	t.out.tell[u] = time.Time{}
	if s := t.subjects[u]; s != nil {
		t.judgeLocked(s, time.Now())
	}
	t.wakeUp()
}

// Disconnected ends Connected, and has the last visit of the device written down.
func (t *Tracker) Disconnected(u User, device chat.Device) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	t.sessions--
	if !t.stopped { // else the device goes to another pod at once
		t.touchLocked(touch{u, device}, now)
	}
	if t.local[u]--; t.local[u] > 0 {
		return
	}
	delete(t.local, u)
	t.out.tell[u] = now
	if s := t.subjects[u]; s != nil {
		s.seen = now
		t.judgeLocked(s, now)
	}
	t.wakeUp()
}

// Missed says that the bus has lost messages, or was away: everybody who is
// watched is asked about again, 16 times as fast as by the slow pass, and the
// blocks that are known here are read again.
func (t *Tracker) Missed() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.hurry = len(t.order)
	t.doubtLocked()
	for u := range t.local {
		t.out.tell[u] = time.Time{}
	}
}

// Run does what time brings, until ctx ends. What breaks costs the user or the session
// that it was about to deal with: each is taken off its list before, or stays marked, and
// all locks are released by defer.
func (t *Tracker) Run(ctx context.Context) {
	var stepped time.Time
	every := time.NewTicker(tick)
	defer every.Stop()
	pods := time.NewTicker(time.Second)
	defer pods.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		case <-t.wake:
			if time.Since(stepped) < tick/5 {
				continue // the next tick will do
			}
		case <-pods.C:
			t.contain("the look for dead pods", func() { t.lookForDead(ctx) })
		}
		stepped = time.Now()
		t.contain("a step of presence", func() { t.step(stepped) })
	}
}

// Drain says that the pod is stopping: from now on who disconnects is about to
// connect to another one.
func (t *Tracker) Drain() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.stopped = true
}

// Stop says goodbye to the other pods, for whom nobody is online here any more, and
// waits for the reads and writes under way. Run must have ended.
func (t *Tracker) Stop() {
	t.mu.Lock()
	t.stopped = true
	t.out.bye = true
	t.lookups, t.touches, t.questions, t.doubts = nil, nil, nil, nil
	t.publishLocked(time.Now())
	t.mu.Unlock()
	t.wg.Wait()
}

// lookForDead asks the store about pods that are silent.
func (t *Tracker) lookForDead(ctx context.Context) {
	silent := t.silent()
	if len(silent) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	pods, now, err := t.opts.Pods(ctx)
	if err != nil {
		t.opts.Log.Debug("could not list pods", "error", err)
		return // nobody can say whether they live
	}
	for _, p := range pods {
		if p.Until.After(now) {
			delete(silent, p.ID)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for id, heard := range silent {
		if p := t.peers[id]; p != nil && p.heard.Equal(heard) {
			t.dropLocked(id, heard)
		}
	}
}

// silent are the pods that are, and when they were heard last.
func (t *Tracker) silent() map[string]time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	silent := make(map[string]time.Time)
	for id, p := range t.peers {
		if time.Since(p.heard) > t.opts.Silence {
			silent[id] = p.heard
		}
	}
	return silent
}

// dropLocked forgets a pod, whose users were last seen then.
func (t *Tracker) dropLocked(id string, seen time.Time) {
	delete(t.peers, id)
	for _, s := range t.order {
		if _, there := s.pods[id]; there {
			delete(s.pods, id)
			s.seen = later(s.seen, seen)
			t.judgeLocked(s, time.Now())
		}
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
