// Package gateway is the service that holds users' WebSocket sessions and answers
// everything that changes something. It connects the steps of a message's way,
// which know nothing of each other:
//
//	frame in → 1 session reads → 2 identity → 3 command → 4 commit → ack
//	         → 5 route → 6 local sessions and the bus → 7 queue → 8 write → frame out
//
// A gateway keeps nothing that matters: kill it, and its clients carry on with
// another one.
package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tally"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/commit"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
	"github.com/parley-chat/parley/services/gateway/internal/journal"
	"github.com/parley-chat/parley/services/gateway/internal/presence"
	"github.com/parley-chat/parley/services/gateway/internal/receipt"
	"github.com/parley-chat/parley/services/gateway/internal/repair"
	"github.com/parley-chat/parley/services/gateway/internal/roster"
	"github.com/parley-chat/parley/services/gateway/internal/route"
	"github.com/parley-chat/parley/services/gateway/internal/session"
	"github.com/parley-chat/parley/services/gateway/internal/upload"
)

// Bus is what a gateway needs of the bus; a [bus.Bus] is one. PublishTo and
// SubscribeTo are for [RoutingUsers].
type Bus interface {
	Publish(topic bus.Topic, data []byte) error
	Subscribe(topic bus.Topic, fn func(data []byte)) (unsubscribe func(), err error)
	PublishTo(a bus.Address, data []byte) error
	SubscribeTo(fn func(data []byte)) (listen func(a bus.Address, there bool), unsubscribe func(), err error)
	Flush(ctx context.Context) error
}

// Verifier turns a token into an identity; an [auth.Verifier] is one.
type Verifier interface {
	Verify(token string) (auth.Identity, error)
}

// Options configure a [Gateway]. Store, Bus and Verifier are required.
type Options struct {
	Store    store.Store
	Bus      Bus
	Verifier Verifier
	Meta     store.MetaInfo // as the store has it at the start

	Routing    Routing      // how entries reach other pods; default RoutingBroadcast
	Origins    []string     // patterns of allowed origins beside the same host
	Limits     chat.Limits  // zero fields: defaults
	Guard      *guard.Guard // bounds what one address and one user may ask for; nil: nothing does
	FramesPerS int          // that a session may send, with twice that at once; beyond it, it is closed; 0: no limit
	BytesPerS  int          // the same in bytes
	// Admission turns handshakes away while not even the fastest takes less than this:
	// [DefaultAdmission] is good; 0: nobody is turned away.
	Admission    time.Duration
	Heartbeat    time.Duration   // default 25 s
	DrainWindow  time.Duration   // over which Drain sends clients away; 0: at once
	Features     []string        // what welcome names beside the gateway's own: what other services of the deployment do
	Server       string          // what welcome calls the server; default "parley"
	Reader       Reader          // how connections wait for their clients; default: the best that the system has
	Name         string          // what operators call this pod; default: the host's name
	Rebalance    bool            // send sessions to other pods while this one has clearly more than they have
	Linger       time.Duration   // between two flushes to the store, at a high rate of messages; 0: none
	MaxReads     int             // most reads of the store for flushes at a time; default 64
	Attachments  Attachments     // zero: switched off
	Search       search.Store    // the index that content which is taken away leaves at once; nil: none is kept
	Meters       *Meters         // what is measured; nil: nothing is
	Tracer       *tracing.Tracer // follows single frames and requests; nil: none
	TraceTrusted []netip.Prefix  // callers whose traceparent header is believed; nil: nobody's is
	Log          *slog.Logger    // default: slog.Default()

	// Retention is for how many hours content is kept of conversations for which nobody
	// has decided, see [sweeper]; 0: for ever. With it Conversations must be set.
	Retention     int
	Conversations search.Conversations

	Expiries *certs.Expiries // of what the pod's status tells; nil: of none

	// For tests: triggers of repair that are switched off, the time of a sweep.
	without  repair.Trigger
	sweep    time.Duration
	deadline time.Duration    // of commands; default: of package commit
	session  session.Options  // fields of it that a test sets
	presence presence.Options // fields of it that a test sets
	balance  balanceOptions   // for tests: zero fields have defaults
	jobs     jobs.Options     // fields of it that a test sets
	census   time.Duration    // between two counts of jobs; default a minute
	logsOnly bool             // erasures use no index
	keep     keepOptions      // for tests: zero fields have defaults
}

// Reader is how connections wait for their clients.
type Reader string

// The readers.
const (
	// ReaderEvent keeps no goroutine for a connection that is idle. It needs Linux.
	ReaderEvent Reader = "event"
	// ReaderGoroutine keeps one goroutine a connection.
	ReaderGoroutine Reader = "goroutine"
)

// poller makes the sessions' poller.
func (r Reader) poller(log *slog.Logger) (session.Poller, error) {
	if r == ReaderGoroutine {
		return session.Goroutines{}, nil
	}
	p, err := session.NewEpoll(log)
	if err != nil && r == "" {
		return session.Goroutines{}, nil
	}
	return p, err
}

// features is what welcome names beyond what every server of this version does.
var features = []string{"batch", "blocks", "broadcast", "devices", "edit", "erase", "export", "groups", "hide_read", "history", "mention_all", "mentions", "mute_member", "presence", "react", "recall", "receipts", "retention", "seen", "settings", "trace", "typing"}

// Gateway is one pod. Make it with [New], serve its Handler, end it with Drain.
type Gateway struct {
	opts      Options
	log       *slog.Logger
	sessions  session.Options
	api       rest.API
	view      *view.Reader
	journal   *journal.Journal
	commit    *commit.Committer
	receipts  *receipt.Tracker
	uploads   *upload.Manager // nil: switched off
	presence  *presence.Tracker
	jobs      *jobs.Runner
	census    *census
	keeper    *keeper
	sweeper   *sweeper
	table     *route.Table
	repair    *repair.Reconciler
	reads     *reads
	entries   route.Scanner // owned by the subscription to entries
	mail      route.Scanner // owned by the subscription to users' subjects
	digest    digest
	notices   notices
	hiders    hiders
	listen    func(a bus.Address, there bool) // nil: users' subjects are not taken
	kicks     kicks
	roster    roster.Roster
	balance   *rebalancer
	syncing   atomic.Int64 // sessions that read what they missed
	began     time.Time
	revoked   *revoke.List
	admission admission
	epoch     atomic.Pointer[string]
	stats     counters
	meters    *Meters

	revokedNews chan struct{} // holds one: the list has changed

	ctx     context.Context // ends when Drain begins its last step
	cancel  context.CancelFunc
	endWork func() // gives back the jobs that are under way, and waits for that
	unsub   []func()
	loops   sync.WaitGroup
	served  sync.WaitGroup // sessions, and their requests

	mu       sync.Mutex
	open     map[*client]bool
	draining bool // no new sessions
	ended    bool // not even those whose handshake was under way
}

// New registers the pod and starts it. It blocks until the store has its
// registration and the bus its subscriptions.
func New(ctx context.Context, opts Options) (*Gateway, error) {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Server == "" {
		opts.Server = "parley"
	}
	opts.Name = podName(opts.Name)
	if opts.MaxReads == 0 {
		opts.MaxReads = 64
	}
	switch opts.Routing {
	case "":
		opts.Routing = RoutingBroadcast
	case RoutingBroadcast, RoutingUsers:
	default:
		return nil, fmt.Errorf("there is no routing %q", opts.Routing)
	}
	opts.Limits = opts.Limits.WithDefaults()
	g := &Gateway{opts: opts, log: opts.Log, meters: opts.Meters, open: make(map[*client]bool), reads: newReads(opts.MaxReads), began: time.Now()}
	if g.meters == nil {
		g.meters = &Meters{}
	}
	g.stats.refused = tally.New(refusals...)
	g.balance = newRebalancer(opts.balance, opts.Rebalance)
	g.epoch.Store(&opts.Meta.Epoch)
	g.admission.bound = opts.Admission
	if err := g.loadRevoked(ctx); err != nil {
		return nil, err
	}
	opts.Verifier = g.opts.Verifier
	g.takeUploads() // before the limits are handed on
	opts.Limits = g.opts.Limits
	g.ctx, g.cancel = context.WithCancel(context.Background())
	g.sessions = opts.session
	g.sessions.Limits, g.sessions.Heartbeat, g.sessions.Log = opts.Limits, opts.Heartbeat, opts.Log
	g.sessions.FramesPerS, g.sessions.BytesPerS = opts.FramesPerS, opts.BytesPerS
	g.sessions.TooFast = func() { opts.Guard.Refuse(guard.Frames) }
	g.sessions = g.sessions.WithDefaults()
	g.sessions.Syncing = &g.syncing
	g.sessions.Clock = session.NewClock(min(time.Second, g.sessions.Heartbeat/4))
	g.api = rest.API{Verifier: opts.Verifier, Guard: opts.Guard, Timeout: 10 * time.Second, Log: opts.Log}
	g.view = view.New(opts.Store, opts.Limits).Keeping(opts.Retention)
	g.journal = journal.New(journal.Options{Store: opts.Store, Epoch: opts.Meta.Epoch, Log: opts.Log})
	g.table = route.NewTable(route.Options{Read: g.readFrames, Present: g.attending, Hides: g.hiders.has, Log: opts.Log})
	g.table.Gaps = func() { g.stats.gaps.Add(1) }
	g.repair = repair.New(repair.Options{Store: opts.Store, Table: g.table, Self: g.journal.Pod, Log: opts.Log, Without: opts.without, Sweep: opts.sweep})
	committer := commit.Options{Store: opts.Store, Journal: g.journal, Committed: g.committed, Keeps: g.table.Keep, Appended: g.meters.appended, Tracer: opts.Tracer, Linger: opts.Linger, Deadline: opts.deadline, Log: opts.Log}
	if opts.Routing == RoutingUsers {
		committer.Audience = fewReaders
	}
	g.commit = commit.NewCommitter(committer)
	g.presence = g.newPresence()
	g.jobs = g.newJobs()
	g.keeper = newKeeper(g)
	g.sweeper = newSweeper(g)
	g.census = newJobCensus(g)
	g.receipts = receipt.New(receipt.Options{Store: opts.Store, Told: g.told, Log: opts.Log})

	if err := g.journal.Renew(ctx); err != nil {
		g.cancel()
		return nil, err
	}
	if err := g.sweeper.begin(ctx); err != nil {
		g.cancel()
		return nil, err
	}
	for topic, fn := range map[bus.Topic]func([]byte){
		bus.TopicEntries: g.onEntries, bus.TopicSignals: g.onSignals, bus.TopicControl: g.onSocial,
	} {
		unsub, err := opts.Bus.Subscribe(topic, g.contained(topic, fn))
		if err != nil {
			g.cancel()
			return nil, fmt.Errorf("subscribe %s: %w", topic, err)
		}
		g.unsub = append(g.unsub, unsub)
	}
	if opts.Routing == RoutingUsers {
		if err := g.joinUsers(); err != nil {
			g.cancel()
			return nil, fmt.Errorf("subscribe to users: %w", err)
		}
	}
	if err := opts.Bus.Flush(ctx); err != nil {
		g.cancel()
		return nil, fmt.Errorf("flush subscriptions: %w", err)
	}
	g.heartbeat(false) // so that pods that thought themselves alone announce from now on
	if err := g.repair.Start(ctx); err != nil {
		g.cancel()
		return nil, err
	}
	var err error
	if g.sessions.Poller, err = opts.Reader.poller(opts.Log); err != nil {
		g.cancel()
		return nil, err
	}
	g.loops.Go(func() { g.journal.Run(g.ctx) })
	g.loops.Go(func() { g.repair.Run(g.ctx) })
	g.loops.Go(func() { g.repair.RunSweep(g.ctx) })
	g.loops.Go(g.beat)
	g.loops.Go(g.watchPods)
	g.loops.Go(g.tick)
	g.loops.Go(g.watchEpoch)
	g.loops.Go(func() { g.revoked.Run(g.ctx) })
	g.loops.Go(g.endRevoked)
	g.loops.Go(func() { g.presence.Run(g.ctx) })
	if g.uploads != nil {
		g.loops.Go(func() { g.uploads.Run(g.ctx) })
	}
	g.work()
	return g, nil
}

// Pod is the pod's present id.
func (g *Gateway) Pod() string { return g.journal.Pod() }

// tick looks after the clocks of all sessions.
func (g *Gateway) tick() {
	every := time.NewTicker(g.sessions.Clock.Every())
	defer every.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case now := <-every.C:
			g.sessions.Clock.Tick()
			g.kickAgain()
			g.table.SweepRings(now)
		}
	}
}

// beat tells the other pods where this one's journal stands, also while nothing
// is announced: so they notice that the last announcement was lost.
func (g *Gateway) beat() {
	every := time.NewTicker(repair.Beat)
	defer every.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-every.C:
		}
		g.heartbeat(false)
		g.sayAgain()
	}
}

// Missed says that the bus has lost announcements, or was away: every journal is
// looked at now, and not only when its pod is heard again.
func (g *Gateway) Missed() {
	g.repair.Look()
	g.presence.Missed()
	g.revoked.Look()
}

func (g *Gateway) clients() []*client {
	g.mu.Lock()
	defer g.mu.Unlock()
	list := make([]*client, 0, len(g.open))
	for c := range g.open {
		list = append(list, c)
	}
	return list
}

// watchEpoch notices that the data were restored from a backup: every cached tail
// may be too high, and every client's cursor too.
func (g *Gateway) watchEpoch() {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-g.ctx.Done():
			return
		case <-every.C:
		}
		ctx, cancel := context.WithTimeout(g.ctx, 5*time.Second)
		meta, err := g.opts.Store.Meta(ctx)
		cancel()
		if err != nil || meta.Epoch == *g.epoch.Load() {
			continue // a store that is away is noticed by whoever needs it
		}
		g.log.Warn("the data have a new epoch: dropping caches and sessions", "epoch", meta.Epoch)
		g.epoch.Store(&meta.Epoch)
		g.journal.SetEpoch(meta.Epoch)
		g.commit.Forget()
		for _, c := range g.clients() {
			c.s.Close(chat.CloseRestart, "the server's data were restored; reconnect")
		}
	}
}

// Drain ends the gateway: no new sessions, clients are sent elsewhere over the
// drain window, what was accepted is stored and answered, then the rest is closed.
// It blocks until that is done or ctx ends; then it cuts short what is left.
func (g *Gateway) Drain(ctx context.Context) {
	g.mu.Lock()
	g.draining = true
	g.mu.Unlock()
	g.presence.Drain()
	g.tellStatus(false) // so that nobody rebalances meanwhile
	if list := g.clients(); len(list) > 0 && g.opts.DrainWindow > 0 {
		g.log.Info("draining", "sessions", len(list), "window", g.opts.DrainWindow)
		for _, c := range list {
			wait := rand.N(g.opts.DrainWindow)
			c.s.Answer(wire.Encode(&wire.GoAway{Type: "goaway", ReconnectMS: wait.Milliseconds()}))
		}
		g.untilEmpty(ctx, g.opts.DrainWindow)
	}
	g.endWork() // while there is somebody who stores what it sends
	g.commit.Stop(ctx)
	g.mu.Lock()
	g.ended = true
	g.mu.Unlock()
	for _, c := range g.clients() {
		c.s.Close(chat.CloseRestart, "this pod is stopping; reconnect")
	}
	g.served.Wait()
	g.sessions.Poller.Close()
	g.receipts.Stop(ctx)
	g.heartbeat(true) // goodbye: the others need not read the journal
	for _, unsub := range g.unsub {
		unsub()
	}
	g.cancel()
	g.loops.Wait()
	g.presence.Stop()
	g.tellStatus(true)
	g.table.Stop()
}

// untilEmpty waits until no session is left, for at most a time.
func (g *Gateway) untilEmpty(ctx context.Context, most time.Duration) {
	over := time.NewTimer(most)
	defer over.Stop()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for g.sessionCount() > 0 {
		select {
		case <-look.C:
		case <-over.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (g *Gateway) sessionCount() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.open)
}

// Draining reports whether the gateway refuses new sessions.
func (g *Gateway) Draining() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.draining
}

// Stats is what a gateway counts; it does not block.
type Stats struct {
	Sessions  int               // connections that have said hello
	Pending   int               // commands waiting or in flight
	Bytes     int64             // of their bodies
	Commit    commit.Stats      // what became of commands on the way into the log
	Traffic   Traffic           // connections and frames
	Entries   uint64            // entries that this pod stored
	Received  uint64            // entries that other pods announced, as often as they came here
	Unheard   uint64            // announcements that the bus did not take
	Envelopes uint64            // announcements that the bus took
	Foreign   uint64            // envelopes of another epoch, or that could not be read
	Gaps      uint64            // gaps that had to be read from the store
	Refused   map[string]uint64 // frames that were refused with an error, by its code
	Repaired  map[string]uint64 // entries found by repair, by trigger
	Files     upload.Stats      // what became of attachments
	Online    presence.Stats    // who is online
	Dropped   uint64            // typing frames for which a session had no room
	Syncing   int               // sessions that read what they missed
	Moved     uint64            // sessions that were sent to other pods because this one had more
	Over      int               // sessions above what the pod would have after rebalancing
	Revoked   revoke.Stats      // the list of tokens that are not taken any more
	Limited   map[string]uint64 // what was refused because of a limit, by limit
	Jobs      jobs.Stats        // what became of broadcasts and erasures
	Keep      KeepStats         // what became of conversations that are kept for a time
	Census    JobCensus         // what there is of jobs
	Panics    uint64            // of loops, that were contained
}

type counters struct {
	entries, received, unheard, envelopes, foreign, gaps, dropped atomic.Uint64

	refused *tally.Tally
}

// Stats returns the present counts.
func (g *Gateway) Stats() Stats {
	return Stats{Sessions: g.sessionCount(), Pending: g.commit.Pending(), Bytes: g.commit.PendingBytes(), Commit: g.commit.Stats(), Traffic: trafficOf(g.sessions.Counts), Envelopes: g.stats.envelopes.Load(), Entries: g.stats.entries.Load(),
		Received: g.stats.received.Load(), Unheard: g.stats.unheard.Load(), Foreign: g.stats.foreign.Load(),
		Gaps: g.stats.gaps.Load(), Refused: g.stats.refused.Read(), Repaired: g.repair.Found(), Files: g.fileStats(), Online: g.presence.Stats(), Dropped: g.stats.dropped.Load(),
		Syncing: int(g.syncing.Load()), Moved: g.balance.moved.Load(), Over: int(g.balance.over.Load()),
		Revoked: g.revoked.Stats(), Limited: g.opts.Guard.Refused(), Jobs: g.jobs.Stats(), Keep: g.keeper.stats(), Census: *g.census.last.Load(), Panics: g.panics()}
}

// Handler serves the socket at /v1/ws and every REST request that changes
// something.
func (g *Gateway) Handler() http.Handler { return g.routes() }

// Sum adds the counts of several pods.
func Sum(list []Stats) (sum Stats) {
	sum.Repaired, sum.Refused, sum.Limited = make(map[string]uint64), make(map[string]uint64), make(map[string]uint64)
	for _, s := range list {
		for why, n := range s.Repaired {
			sum.Repaired[why] += n
		}
		for limit, n := range s.Limited {
			sum.Limited[limit] += n
		}
		sum.Sessions += s.Sessions
		sum.Pending += s.Pending
		sum.Bytes += s.Bytes
		sum.Commit = sum.Commit.Add(s.Commit)
		sum.Traffic = sum.Traffic.add(s.Traffic)
		sum.Envelopes += s.Envelopes
		sum.Entries += s.Entries
		sum.Received += s.Received
		sum.Unheard += s.Unheard
		sum.Foreign += s.Foreign
		sum.Gaps += s.Gaps
		sum.Refused = tally.Sum(sum.Refused, s.Refused)
		sum.Online = sum.Online.Add(s.Online)
		sum.Dropped += s.Dropped
		sum.Revoked.Entries = max(sum.Revoked.Entries, s.Revoked.Entries) // all have the same
		sum.Revoked.Age = max(sum.Revoked.Age, s.Revoked.Age)
		sum.Syncing += s.Syncing
		sum.Moved += s.Moved
		sum.Over += s.Over
		sum.Jobs = sum.Jobs.Add(s.Jobs)
		sum.Keep = sum.Keep.add(s.Keep)
		sum.Census = sum.Census.max(s.Census)
		sum.Panics += s.Panics
		sum.Files.Completed += s.Files.Completed
		sum.Files.Refused += s.Files.Refused
		sum.Files.Collected += s.Files.Collected
	}
	return sum
}
