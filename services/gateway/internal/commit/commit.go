// Package commit is step 4 of a message's way: group commit over the store.
//
// Commands of one conversation form a lane. An idle committer flushes at once;
// while flushes are in flight the next batch grows. Several flushes may be in
// flight, but only one per conversation, so a lane's commands are judged and
// stored in the order in which they came. What one flush stores is appended,
// finished and journalled; only then is it announced and are its waiters
// answered.
//
// A caller that gives up does not cancel a flush. Everything that was submitted
// is answered exactly once: with the entry, with a refusal that is final, or
// with "unavailable", which says nothing about the outcome.
package commit

import (
	"context"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/journal"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// Store is what the committer needs of a store.
type Store interface {
	store.Log
	store.Conversations
	BlocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error)
}

// Options configure a [Committer]. Only Store, Journal and Committed are required.
type Options struct {
	Store   Store
	Journal *journal.Journal
	// Committed is handed the stored and finished entries of one flush, those of one
	// conversation in order, after their waiters were answered, with the number of
	// their journal document. Where a retry shows that an announcement may have been
	// lost, it is handed an entry again, with no number. A number under which
	// nothing was stored comes without entries. It must not block.
	// traces names the spans of the entries that are sampled; nil: none of them is.
	Committed func(id store.JournalID, entries []chat.Entry, traces []tracing.Context)
	// Keeps is told of which conversations a state is kept, so that Observe be called
	// for them. It must not block nor call the committer. Default: nobody is told.
	Keeps func(key chat.Key, there bool)
	// Appended is told of every append when the store has answered. It must not
	// block. Default: nobody is told.
	Appended func(Append)
	Tracer   *tracing.Tracer // makes a span of each append with a command that is followed; nil: none
	Log      *slog.Logger    // default: slog.Default()

	Flushes      int           // flushes in flight; default 4
	FlushEntries int           // entries in one flush; default 512
	LaneEntries  int           // entries of one conversation in one flush; default 128
	MaxPending   int           // commands waiting or in flight; more are refused at once; default 32,768
	MaxBytes     int           // bytes of their bodies; default 64 MiB
	MaxStates    int           // conversations whose state is kept while idle; default 65,536
	MaxMembers   int           // members of these, those who left included, of some 300 bytes each; default 1,048,576
	MaxRepairs   int           // lanes that load, look or wait at a time; default 64
	Deadline     time.Duration // when a command is given no answer but "unavailable"; default 8 s
	Linger       time.Duration // between the beginnings of two flushes, so that the second is larger; default 0: none
	Audience     int           // entries with so many readers or fewer name them; default 0: none does
}

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Flushes, 4)
	def(&o.FlushEntries, 512)
	def(&o.LaneEntries, 128)
	def(&o.MaxPending, 32<<10)
	def(&o.MaxBytes, 64<<20)
	def(&o.MaxStates, 64<<10)
	def(&o.MaxMembers, 1<<20)
	def(&o.MaxRepairs, 64)
	if o.Deadline == 0 {
		o.Deadline = 8 * time.Second
	}
	if o.Keeps == nil {
		o.Keeps = func(chat.Key, bool) {}
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Request is one command on its way into the log.
type Request struct {
	Key  chat.Key
	From chat.User
	CMID chat.CMID
	Hash chat.Hash // of what the client asks for
	// Judge decides over the command as of s, and makes the entry: everything but
	// its place and running values. It may be called again after a lost race. It
	// must not keep or change s.
	Judge func(s *state.State) (chat.Entry, *chat.Error)
	// Target is the entry that the command aims at: what became of it is in the state
	// that Judge is given, if there is such an entry. 0: it aims at none.
	Target chat.Seq
	// New is the conversation to make where there is none; nil: it must exist.
	New *New
	// Stream keeps the order of one session's commands; nil: none to keep.
	Stream *Stream
	// Done is called exactly once, from any goroutine; it must not block.
	Done func(Result)
	Size int // bytes of its body, for MaxBytes
	// Span is what the command is followed with; nil: it is not. It is the owner's, and
	// is ended in Done, or after.
	Span *tracing.Span

	deadline time.Time
	behind   chat.CMID    // the stream's command that had no answer when this one came
	tried    chat.Seq     // the seq of its last try that may be stored; 0: none
	open     chat.Seq     // the seq of its last try whose outcome is not known; 0: none
	batch    []chat.Entry // what that try appended in its conversation, itself included
	upToDate bool         // the state was moved to the end of the log after this came
	maybe    bool         // an earlier try may have stored it: look before judging
	raced    bool         // an index refused an earlier try
}

// New is a conversation to be made.
type New struct {
	Conversation chat.Conversation
	Members      []chat.Member
}

// Result answers a request.
type Result struct {
	Entry chat.Entry
	Dup   bool        // it had been stored before
	Err   *chat.Error // nil: Entry is stored and finished
}

// Stream is the order of one session's commands in one conversation. Once one of
// them had no answer, the later ones get none either, until it is repeated or
// turns out to be stored: so that a message never overtakes an earlier one that is
// sent again. The zero value is ready; its owner keeps it as long as it may send.
type Stream struct {
	mu     sync.Mutex
	broken chat.CMID // the command that had no answer; "": none
	code   chat.Code // why
	stored chat.CMID // the last one that is known to be stored
}

// Committer runs the lanes. Make it with [NewCommitter], end it with Stop.
type Committer struct {
	opts    Options
	ctx     context.Context // ends the waits of repairs when Stop runs out of time
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	repairs chan struct{}
	seed    maphash.Seed
	started time.Time
	shards  [shards]shard
	next    atomic.Uint32 // the shard that a flush takes from first

	flushes atomic.Int64 // flushers that run
	latest  atomic.Int64 // when the last flush began, in ns since started; with Linger only
	pending atomic.Int64 // commands waiting or in flight
	bytes   atomic.Int64 // of their bodies
	counts  counts
}

// lane is one conversation's commands and state.
type lane struct {
	shard *shard
	key   chat.Key
	older *lane // in shard.idle
	newer *lane
	size  int           // members, as counted in shard.idle
	queue []*Request    // guarded by shard.mu
	busy  bool          // guarded by shard.mu: ready or in flight
	seen  []chat.Entry  // guarded by shard.mu: announced by others while busy
	stale bool          // guarded by shard.mu: drop state when the flush is over
	again bool          // guarded by shard.mu: it comes from a repair
	waits time.Duration // owned like state: the last pause
	state *state.State  // owned by the flush while busy, else by shard.mu; nil: unknown
}

// NewCommitter starts a committer.
func NewCommitter(opts Options) *Committer {
	opts.setDefaults()
	c := &Committer{opts: opts, seed: maphash.MakeSeed(), started: time.Now(), repairs: make(chan struct{}, opts.MaxRepairs)}
	for i := range c.shards {
		c.shards[i].lanes = make(map[chat.Key]*lane)
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// Submit takes a command; r is the committer's until Done is called. It does not
// block: a full committer answers "unavailable" at once.
func (c *Committer) Submit(r *Request) {
	r.deadline = time.Now().Add(c.opts.Deadline)
	if cerr := c.enqueue(r); cerr != nil {
		r.Done(Result{Err: cerr})
	}
}

func (c *Committer) enqueue(r *Request) *chat.Error {
	sh := c.shard(r.Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if r.Stream != nil {
		if cerr := r.Stream.join(r); cerr != nil {
			return cerr
		}
	}
	if sh.stopped {
		r.breakStream()
		return chat.Unavailable("this pod is stopping; reconnect and repeat")
	}
	if pending, bytes := c.pending.Add(1), c.bytes.Add(int64(r.Size)); pending > int64(c.opts.MaxPending) || bytes > int64(c.opts.MaxBytes) {
		c.left(r)
		r.breakStream()
		return chat.Unavailable("this pod is overloaded; repeat later")
	}
	l := sh.lanes[r.Key]
	if l == nil {
		l = &lane{shard: sh, key: r.Key}
		sh.lanes[r.Key] = l
		c.opts.Keeps(r.Key, true)
	}
	l.queue = append(l.queue, r)
	if !l.busy {
		sh.idle.remove(l)
		c.readyLocked(l)
	}
	return nil
}

// left counts a request out.
func (c *Committer) left(r *Request) {
	c.pending.Add(-1)
	c.bytes.Add(-int64(r.Size))
}

// join takes a request's place in its stream, behind one that had no answer if
// there is such a one.
func (s *Stream) join(r *Request) *chat.Error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.broken == "" || mutant.Is(mutant.Overtake):
	case s.broken == r.CMID:
		s.broken = ""
	case s.code == chat.CodeRateLimited: // it was never tried
		return &chat.Error{Code: s.code, Message: "an earlier send in this conversation was one too many; repeat that first", RetryAfter: time.Second}
	default:
		// The client may have learnt from its entry that the earlier one is stored,
		// and never repeat it: that is looked up.
		r.behind = s.broken
	}
	return nil
}

// Refuse breaks the stream for a command that was refused before it was submitted:
// by a rate limit, say.
func (s *Stream) Refuse(cmid chat.CMID) { s.breakAt(cmid, chat.CodeRateLimited) }

// Withhold breaks the stream for a command that got "unavailable" before it was
// submitted: what it needs could not be reached.
func (s *Stream) Withhold(cmid chat.CMID) { s.breakAt(cmid, chat.CodeUnavailable) }

func (s *Stream) breakAt(cmid chat.CMID, code chat.Code) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.broken == "" {
		s.broken, s.code = cmid, code
	}
}

// Broken reports whether the stream waits for one of its commands to be repeated.
func (s *Stream) Broken() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.broken != ""
}

// isStored notes that a command is known to be stored.
func (s *Stream) isStored(cmid chat.CMID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored = cmid
	if s.broken == cmid {
		s.broken = ""
	}
}

// lastStored is the last command that is known to be stored.
func (s *Stream) lastStored() chat.CMID {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.stored
}

func (r *Request) breakStream() {
	if r.Stream != nil {
		r.Stream.breakAt(r.CMID, chat.CodeUnavailable)
	}
}

// Observe folds entries of one conversation that another pod has announced, in
// order, into the state that this pod may hold: its tail cache.
func (c *Committer) Observe(entries []chat.Entry) {
	if len(entries) == 0 {
		return
	}
	sh := c.shard(entries[0].Key)
	sh.mu.Lock()
	defer sh.mu.Unlock()
	l := sh.lanes[entries[0].Key]
	if l == nil {
		return
	}
	if l.busy {
		if len(l.seen)+len(entries) <= c.opts.LaneEntries {
			l.seen = append(l.seen, entries...)
		}
		return
	}
	l.fold(entries)
}

// fold moves the state past the entries that continue it.
func (l *lane) fold(entries []chat.Entry) {
	if l.state == nil {
		return
	}
	for i := range entries {
		if entries[i].Seq == l.state.Tail.Seq+1 {
			l.state.Fold(&entries[i])
		}
	}
}

// Forget drops every cached state: the epoch has changed.
func (c *Committer) Forget() {
	for i := range c.shards {
		sh := &c.shards[i]
		sh.mu.Lock()
		for sh.idle.oldest != nil {
			c.dropLocked(sh.idle.oldest)
		}
		for _, l := range sh.lanes {
			l.stale = true
		}
		sh.mu.Unlock()
	}
}

// dropLocked forgets an idle lane.
func (c *Committer) dropLocked(l *lane) {
	l.shard.idle.remove(l)
	c.forgetLocked(l)
}

func (c *Committer) forgetLocked(l *lane) {
	delete(l.shard.lanes, l.key)
	c.opts.Keeps(l.key, false)
}

// Pending is how many commands are waiting or in flight.
func (c *Committer) Pending() int { return int(c.pending.Load()) }

// PendingBytes is how large the bodies of these commands are.
func (c *Committer) PendingBytes() int64 { return c.bytes.Load() }

// Stop refuses new commands, and waits until every command taken is answered: as
// long as ctx allows by the store, then with "unavailable".
func (c *Committer) Stop(ctx context.Context) {
	for i := range c.shards {
		c.shards[i].mu.Lock()
		c.shards[i].stopped = true
		c.shards[i].mu.Unlock()
	}
	stop := context.AfterFunc(ctx, c.cancel)
	defer stop()
	c.wg.Wait()
	c.cancel()
}

// lru is the list of idle lanes, by last use.
type lru struct {
	oldest, newest *lane
	n, members     int
}

func (q *lru) push(l *lane) {
	l.size = l.state.Size()
	q.members += l.size
	l.older, l.newer = q.newest, nil
	if q.newest != nil {
		q.newest.newer = l
	} else {
		q.oldest = l
	}
	q.newest = l
	q.n++
}

func (q *lru) remove(l *lane) {
	if l.older == nil && l.newer == nil && q.oldest != l {
		return
	}
	if l.older != nil {
		l.older.newer = l.newer
	} else {
		q.oldest = l.newer
	}
	if l.newer != nil {
		l.newer.older = l.older
	} else {
		q.newest = l.older
	}
	l.older, l.newer = nil, nil
	q.n--
	q.members -= l.size
}
