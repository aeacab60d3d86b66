// Package repair finds what this pod was not told: announcements that were lost,
// that their pod could not send, or that it did not live to send.
//
// Every flush of a pod has a number, and a journal document of that number in the
// store. Announcements and heartbeats carry the numbers, so a reader knows which
// ones it lacks, and reads them. It compares numbers, never clocks. What a journal
// line names is read from the log, for those sessions of this pod that lack it.
//
// It is RocketMQ's check-back of transactional messages, with the store as the
// witness: a message is announced by whoever notices that it was not.
package repair

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/contain"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// Beat is how often a pod says where its journal stands.
const Beat = 500 * time.Millisecond

// Store is what repair reads.
type Store interface {
	store.Pods
	ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error)
	ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error)
	Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error)
}

// Table is where what was found goes: a route.Table.
type Table interface {
	Repair(key chat.Key, seq chat.Seq, users []chat.User)
	Heads() map[chat.Key]chat.Seq
	Head(key chat.Key) chat.Seq
	Users() []route.UserKey
	Interested(h route.Hash) bool
}

// Options configure a [Reconciler]. Store, Table and Self are required.
type Options struct {
	Store Store
	Table Table
	Self  func() string // this pod's present id: its own journal is not read
	Log   *slog.Logger  // default: slog.Default()

	Silence time.Duration // after which a pod's journal is read; default 1.2 s
	Grace   time.Duration // in which a number that was jumped over may still come; default 100 ms
	Sweep   time.Duration // a pass over all conversations and users takes so long; default 60 s
	// Without switches triggers off, so that a test proves the others.
	Without Trigger
}

// Trigger is a reason to read.
type Trigger uint8

// The triggers.
const (
	Jump    Trigger = 1 << iota // a number was not heard that was handed out
	Silence                     // a pod is not heard
	Sweep                       // the slow pass over everything
)

func (t Trigger) String() string {
	return map[Trigger]string{Jump: "jump", Silence: "silence", Sweep: "sweep"}[t]
}

const (
	page        = 200              // documents in one read
	mostReaders = 8                // journals that are read at the same time; the others wait for the next tick
	mostHeard   = 8192             // numbers kept above a hole; beyond, everything is read again
	lateWrite   = 10 * time.Second // after the end of its lease a dead pod's writes may still arrive
)

// Reconciler watches the other pods. Make it with [New], start it with Start.
type Reconciler struct {
	opts   Options
	found  [3]atomic.Uint64 // conversations repaired, by trigger
	panics contain.Panics
	wake   chan struct{} // looks now instead of at the next beat

	mu    sync.Mutex
	peers map[string]*peer
	under int // journals being read
}

// peer is what is known of another pod's journal.
type peer struct {
	id      string
	low     uint64            // everything up to it was heard, read or is void
	heard   map[uint64]uint64 // above low: parts still to come; 0: all were heard
	last    uint64            // highest number handed out, as far as we know
	settled uint64
	first   uint64    // lowest number that its journal may still have
	at      time.Time // when it was heard last
	jumped  time.Time // since when low+1 ≤ last is missing; zero: it is not
	until   time.Time // end of its lease, by the store's clock
	gone    bool      // it has said goodbye, and nothing of it is missing
	readAt  time.Time // when its journal was read last because it is silent
	reading bool      // its journal is being read
	mail    mail      // what it sends to single users
}

// New makes a reconciler.
func New(opts Options) *Reconciler {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Silence == 0 {
		opts.Silence = 1200 * time.Millisecond
	}
	if opts.Grace == 0 {
		opts.Grace = 100 * time.Millisecond
	}
	if opts.Sweep == 0 {
		opts.Sweep = time.Minute
	}
	return &Reconciler{opts: opts, peers: make(map[string]*peer), wake: make(chan struct{}, 1)}
}

// Start notes where every pod's journal stands. It comes after subscribing and
// before the first session: what is older, a session reads when it begins.
func (r *Reconciler) Start(ctx context.Context) error {
	pods, _, err := r.opts.Store.Pods(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for _, p := range pods {
		if p.ID != r.opts.Self() {
			q := r.peerLocked(p.ID)
			q.low, q.at = max(q.low, p.Settled-min(1, p.Settled)), now
		}
	}
	return nil
}

func (r *Reconciler) peerLocked(id string) *peer {
	p := r.peers[id]
	if p == nil {
		// A pod that registered after Start is followed from its first number.
		p = &peer{id: id, heard: make(map[uint64]uint64), first: 1, at: time.Now()}
		r.peers[id] = p
	}
	return p
}

// Heard takes the origin of an envelope whose entries have been routed, and the
// digest that came with it. It does not block, and keeps nothing of d.
func (r *Reconciler) Heard(o route.Origin, d route.Digest) {
	if o.Pod == r.opts.Self() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p := r.peerLocked(o.Pod)
	if o.To != 0 {
		// It says nothing of what went to others, nor that the pod is heard by all.
		p.got(o.Number, o.To)
		p.advance()
		return
	}
	p.at = time.Now()
	p.last = max(p.last, o.Last)
	p.settled = max(p.settled, o.Settled)
	p.part(o.Number, o.Parts)
	for l := range d.All {
		p.told(l, r.opts.Table.Interested)
	}
	p.advance()
	p.gone = o.Bye && p.low >= p.last && !p.lacks()
}

// part notes one of the parts of a number.
func (p *peer) part(number, parts uint64) {
	if number <= p.low {
		return
	}
	left, begun := p.heard[number]
	if !begun {
		left = parts
	}
	p.heard[number] = left - min(left, 1)
}

// had reports whether a number needs no look any more.
func (p *peer) had(number uint64) bool {
	left, begun := p.heard[number]
	return number <= p.low || begun && left == 0
}

// advance moves low past everything that was heard.
func (p *peer) advance() {
	for {
		left, ok := p.heard[p.low+1]
		if !ok || left > 0 {
			break
		}
		p.low++
		delete(p.heard, p.low)
		p.mail.forget(p.low)
	}
	switch {
	case p.low >= p.last:
		p.jumped = time.Time{}
	case p.jumped.IsZero():
		p.jumped = time.Now()
	}
}

// Alone reports whether there is no other pod to tell anything: none is registered,
// and none was heard. A pod that has just come is heard before it has sessions; what
// it was not told until then it finds in the journal, by the next heartbeat.
func (r *Reconciler) Alone() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.peers) == 0
}

// Lag is how many numbers of other pods' journals were handed out, and have been
// neither heard nor read here.
func (r *Reconciler) Lag() (n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.peers {
		n += max(p.last, p.low) - p.low
	}
	return n
}

// Look makes it look at all journals at once: announcements were lost, or NATS is
// back.
func (r *Reconciler) Look() {
	r.mu.Lock()
	for _, p := range r.peers {
		if p.low < p.last {
			p.jumped = time.Unix(0, 1)
		}
		p.mail.since = time.Time{}
	}
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Found counts the repaired conversations by trigger.
func (r *Reconciler) Found() map[string]uint64 {
	return map[string]uint64{"jump": r.found[0].Load(), "silence": r.found[1].Load(), "sweep": r.found[2].Load()}
}

// Panics counts what broke while it was looked at, and was contained.
func (r *Reconciler) Panics() uint64 { return r.panics.Load() }

// Run looks at the journals until ctx ends. A list or a journal that breaks it is one
// that could not be read: it is tried again, with the pause of any other failure. What
// is decided with the lock held is not contained, but for the lock's sake released by
// defer: it calls nobody.
func (r *Reconciler) Run(ctx context.Context) {
	tick := time.NewTicker(r.opts.Grace)
	defer tick.Stop()
	// Side by side: a journal that is slow to read, as a dead pod's may be, must not
	// keep the others waiting.
	var readers sync.WaitGroup
	defer readers.Wait()
	var listed time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.wake:
			listed = time.Time{}
		}
		if time.Since(listed) >= 2*Beat {
			if err := r.panics.Do(r.opts.Log, "the list of pods", func() error { return r.list(ctx) }); err != nil && ctx.Err() == nil {
				r.opts.Log.Warn("could not list pods", "error", err)
			}
			listed = time.Now()
		}
		for _, w := range r.due() {
			readers.Go(func() {
				err := r.panics.Do(r.opts.Log, "reading a journal", func() error { return r.read(ctx, w.peer, w.why) })
				if err != nil && ctx.Err() == nil {
					r.opts.Log.Warn("could not read a pod's journal; trying again", "pod", w.peer.id, "error", err)
				}
				r.mu.Lock()
				defer r.mu.Unlock()
				w.peer.reading = false
				r.under--
			})
		}
	}
}

// list learns of pods that are not heard: from their registrations.
func (r *Reconciler) list(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	pods, now, err := r.opts.Store.Pods(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	listed := make(map[string]bool, len(pods))
	for _, q := range pods {
		if q.ID == r.opts.Self() {
			continue
		}
		listed[q.ID] = true
		if r.peers[q.ID] == nil && now.Sub(q.Until) > lateWrite {
			continue // dead, and read to its end before
		}
		p := r.peerLocked(q.ID)
		p.first, p.until = q.First, q.Until
		p.settled = max(p.settled, q.Settled)
		if p.settled > 0 && time.Since(p.at) > r.opts.Silence {
			p.last = max(p.last, p.settled-1) // else it says so itself, with what it sent to whom
		}
		p.advance()
	}
	for id, p := range r.peers {
		over := !p.until.IsZero() && now.Sub(p.until) > lateWrite
		if (over || !listed[id]) && time.Since(p.at) > r.opts.Silence && p.jumped.IsZero() && !p.lacks() {
			delete(r.peers, id) // dead, and read to its end
		}
	}
	return nil
}

type reading struct {
	peer *peer
	why  Trigger
}

// due says whose journal to read now, and counts them as being read.
func (r *Reconciler) due() []reading {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []reading
	for _, p := range r.peers {
		if p.gone || p.reading {
			continue
		}
		silent := time.Since(p.at) > r.opts.Silence
		switch {
		case silent && r.opts.Without&Silence == 0:
			if time.Since(p.readAt) < Beat {
				continue
			}
			list = append(list, reading{p, Silence})
		case p.waited(r.opts.Grace) && r.opts.Without&Jump == 0 && !mutant.Is(mutant.IgnoreJump):
			list = append(list, reading{p, Jump})
		}
	}
	// A live pod's sessions wait for its jump; a dead one's for nothing new.
	slices.SortStableFunc(list, func(a, b reading) int { return cmp.Compare(a.why, b.why) })
	list = list[:min(len(list), mostReaders-r.under)]
	for _, w := range list {
		w.peer.reading, w.peer.readAt = true, time.Now()
	}
	r.under += len(list)
	return list
}

// read reads what is missing of a pod's journal, and has the conversations that it
// names looked at.
func (r *Reconciler) read(ctx context.Context, p *peer, why Trigger) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r.mu.Lock()
	low, first := p.low, p.first
	// What is settled now is settled for good: a document below it that a read which
	// begins later does not show will never be there.
	settled := p.settled
	r.mu.Unlock()
	if low+1 < first {
		r.opts.Log.Warn("a pod's journal was trimmed before it was read: looking at everything", "pod", p.id)
		if err := r.sweep(ctx, 0); err != nil {
			return err
		}
		low = first - 1
	}
	after := low
	for {
		docs, err := r.opts.Store.ReadJournal(ctx, p.id, after, page)
		if err != nil {
			return fmt.Errorf("read journal: %w", err)
		}
		for i := range docs {
			r.take(p, &docs[i], why)
			after = docs[i].Number
		}
		if len(docs) < page {
			break
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	p.low = max(p.low, low)
	for n := p.low + 1; n < settled; n++ {
		p.heard[n] = 0 // void, or read just now
	}
	p.mail.read(settled)
	p.advance()
	if len(p.heard) > mostHeard {
		clear(p.heard) // they are read again; a document that is read twice does no harm
	}
	if !p.jumped.IsZero() {
		p.jumped = time.Now() // the hole is in flight: look again after the grace
	}
	return nil
}

// take repairs what a document names, unless it was heard.
func (r *Reconciler) take(p *peer, d *store.JournalDoc, why Trigger) {
	if !r.fresh(p, d.Number) {
		return
	}
	r.count(why, len(d.Lines)) // first: who sees the entry may look at the count
	for _, l := range d.Lines {
		r.mend(l.Key, l.Seq, l.Users)
	}
}

// fresh notes a number whose document was read; false: it was heard before.
func (r *Reconciler) fresh(p *peer, number uint64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.had(number) {
		return false
	}
	p.heard[number] = 0
	p.mail.forget(number)
	p.last = max(p.last, number)
	return true
}

// mend has the sessions of this pod given what they lack of a conversation. One that
// breaks what does it costs none of the others: its number counts as read, or a journal
// would be read again and again for it; its next entry and the slow pass try again.
func (r *Reconciler) mend(key chat.Key, seq chat.Seq, users []chat.User) {
	_ = r.panics.Do(r.opts.Log.With("conv", key.Conv), "a repair", func() error {
		r.opts.Table.Repair(key, seq, users)
		return nil
	})
}

func (r *Reconciler) count(why Trigger, n int) {
	switch why {
	case Jump:
		r.found[0].Add(uint64(n))
	case Silence:
		r.found[1].Add(uint64(n))
	case Sweep:
		r.found[2].Add(uint64(n))
	}
}

// RunSweep makes one slow pass after the other over everything that this pod's
// sessions follow, until ctx ends: the backstop for what nobody thought of.
func (r *Reconciler) RunSweep(ctx context.Context) {
	if r.opts.Without&Sweep != 0 {
		return
	}
	for ctx.Err() == nil {
		err := r.panics.Do(r.opts.Log, "a sweep", func() error { return r.sweep(ctx, r.opts.Sweep) })
		if err != nil && ctx.Err() == nil {
			r.opts.Log.Warn("could not sweep", "error", err)
			pause(ctx, r.opts.Sweep/10)
		}
	}
}

// sweep compares all heads, and all users' memberships, with the store. It takes
// about as long as it is told, or no longer than it must. Only what this pod lacks when
// it has been looked at is counted: between listing and looking much is announced.
func (r *Reconciler) sweep(ctx context.Context, over time.Duration) error {
	heads := r.opts.Table.Heads()
	users := r.opts.Table.Users()
	keys := make([]chat.Key, 0, len(heads))
	for k := range heads {
		keys = append(keys, k)
	}
	steps := (len(keys)+page-1)/page + len(users)
	rest := over / time.Duration(steps+1)
	pause(ctx, rest)
	for chunk := range slices.Chunk(keys, page) {
		convs, err := r.opts.Store.ConversationsByKey(ctx, chunk)
		if err != nil {
			return fmt.Errorf("read heads: %w", err)
		}
		convs = slices.DeleteFunc(convs, func(c chat.Conversation) bool { return c.Last.Seq <= heads[c.Key] })
		if over > 0 && len(convs) > 0 {
			pause(ctx, r.opts.Grace) // some were stored just now, and their announcements are on the way
		}
		for _, c := range convs {
			if head := r.opts.Table.Head(c.Key); head > 0 && head < c.Last.Seq {
				r.count(Sweep, 1)
			}
			r.mend(c.Key, c.Last.Seq, nil)
		}
		pause(ctx, rest)
	}
	for _, u := range users {
		if err := r.sweepUser(ctx, u); err != nil {
			return err
		}
		pause(ctx, rest)
	}
	return nil
}

func (r *Reconciler) sweepUser(ctx context.Context, u route.UserKey) error {
	for after := chat.ConvID(""); ; {
		members, err := r.opts.Store.Memberships(ctx, u.NS, u.User, after, page)
		if err != nil {
			return fmt.Errorf("read memberships: %w", err)
		}
		for _, m := range members {
			if m.Left == 0 {
				r.mend(m.Key, m.Joined, []chat.User{u.User})
			}
		}
		if len(members) < page {
			return nil
		}
		after = members[len(members)-1].Conv
	}
}

func pause(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
