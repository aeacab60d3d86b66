// Package receipt is how far everybody has got: recv and read. Positions are
// coalesced, stored, and only then told.
//
// Like commit it batches by nature: an idle tracker stores at once, and what
// comes while it stores makes the next batch. A position that is overtaken before
// it is stored is never written.
package receipt

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
)

// Store is what the tracker needs of a store.
type Store interface {
	store.Cursors
	Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error)
	Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error)
}

// Options configure a [Tracker]. Store and Told are required.
type Options struct {
	Store Store
	// Told is handed stored positions. It must not block.
	Told func([]Position)
	Log  *slog.Logger // default: slog.Default()
	// Max bounds the positions that wait; default 131,072. Beyond it Move refuses.
	Max int
	// Linger is the shortest time between two batches; default 10 ms.
	Linger time.Duration
}

// Position is how far a user is, over all of the user's devices.
type Position struct {
	Key             chat.Key
	User            chat.User
	Delivered, Read chat.Seq
	// Hidden says that the user keeps Read from others.
	Hidden bool
}

const (
	batch    = 500             // moves in one write: what a store takes
	opTime   = 5 * time.Second // for one write, or for the reads before it
	counters = 8               // reads at a time
)

// Tracker stores positions. Make it with [New], end it with Stop.
type Tracker struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	ready   queue // what can be stored
	reads   queue // what must be counted before
	stopped bool
}

// queue is positions that wait for one kind of work, and for the goroutine that
// does it while there are any. It is guarded by Tracker.mu.
type queue struct {
	work    func([]move) error
	waiting map[place]move
	running bool
}

// place is what one move is about.
type place struct {
	key    chat.Key
	user   chat.User
	device chat.Device // "" for read
}

// move is a position on its way. counted says that ReadCount is right for Read.
type move struct {
	store.Move
	counted bool
}

func (m *move) place() place { return place{m.Key, m.User, m.Device} }

// merge keeps what is further in each of two moves of one place.
func (m move) merge(o move) move {
	at := o.Reached(chat.Reached{Seq: m.Recv + m.Read, Time: m.Time}, o.Recv+o.Read) // one of them is 0
	m.Recv = max(m.Recv, o.Recv)
	if o.Read > m.Read || o.Read == m.Read && o.counted {
		m.Read, m.ReadCount, m.counted = o.Read, o.ReadCount, o.counted
	}
	m.Time = at.Time
	return m
}

// New starts a tracker.
func New(opts Options) *Tracker {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	if opts.Max == 0 {
		opts.Max = 128 << 10
	}
	if opts.Linger == 0 {
		opts.Linger = 10 * time.Millisecond
	}
	t := &Tracker{opts: opts}
	t.ready = queue{work: t.advance, waiting: make(map[place]move)}
	t.reads = queue{work: t.count, waiting: make(map[place]move)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Recv says that a device has everything up to seq. It does not block.
func (t *Tracker) Recv(key chat.Key, user chat.User, device chat.Device, seq chat.Seq) *chat.Error {
	return t.move(&t.ready, move{Move: store.Move{Key: key, User: user, Device: device, Recv: seq, Time: now()}})
}

// Read says that a user has read everything up to seq. It does not block.
func (t *Tracker) Read(key chat.Key, user chat.User, seq chat.Seq) *chat.Error {
	return t.move(&t.reads, move{Move: store.Move{Key: key, User: user, Read: seq, Time: now()}})
}

func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

func (t *Tracker) move(q *queue, m move) *chat.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, ok := q.waiting[m.place()]; !ok && (t.stopped || len(t.ready.waiting)+len(t.reads.waiting) >= t.opts.Max) {
		return chat.Unavailable("this pod is overloaded; repeat later")
	}
	t.addLocked(q, m)
	return nil
}

// addLocked queues a move, and starts the queue's goroutine.
func (t *Tracker) addLocked(q *queue, m move) {
	if old, ok := q.waiting[m.place()]; ok {
		m = old.merge(m)
	}
	q.waiting[m.place()] = m
	if !q.running {
		q.running = true
		t.wg.Go(func() { t.run(q) })
	}
}

// add queues moves that are under way already.
func (t *Tracker) add(q *queue, moves []move) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range moves {
		t.addLocked(q, m)
	}
}

// run works until nothing waits. The two queues have a goroutine each, so that a
// slow store holds up nobody's recv by what has to be counted.
func (t *Tracker) run(q *queue) {
	for pause := t.opts.Linger; ; {
		moves := t.take(q)
		if moves == nil {
			return
		}
		if err := q.work(moves); err != nil {
			if t.ctx.Err() != nil {
				return
			}
			t.opts.Log.Warn("could not store positions; trying again", "error", err)
			pause = min(2*pause, time.Second)
		} else {
			pause = t.opts.Linger
		}
		select {
		case <-time.After(pause):
		case <-t.ctx.Done():
		}
	}
}

func (t *Tracker) take(q *queue) []move {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(q.waiting) == 0 {
		q.running = false
		return nil
	}
	moves := make([]move, 0, min(batch, len(q.waiting)))
	for p, m := range q.waiting {
		moves = append(moves, m)
		delete(q.waiting, p)
		if len(moves) == batch {
			break
		}
	}
	return moves
}

// advance stores positions and tells of them.
func (t *Tracker) advance(moves []move) error {
	ctx, cancel := context.WithTimeout(t.ctx, opTime)
	defer cancel()
	list := make([]store.Move, len(moves))
	for i, m := range moves {
		list[i] = m.Move
	}
	if mutant.Is(mutant.TellBeforeStored) {
		t.opts.Told(unstored(list))
	}
	members, err := t.opts.Store.Advance(ctx, list)
	if err != nil {
		t.add(&t.ready, moves)
		return fmt.Errorf("advance: %w", err)
	}
	told := make([]Position, len(members))
	for i, m := range members {
		told[i] = Position{Key: m.Key, User: m.User, Delivered: view.Delivered(m), Read: m.Read}
	}
	if err := t.hide(ctx, told); err != nil {
		t.add(&t.ready, moves) // they are stored; what others may see of them is not known
		return err
	}
	t.opts.Told(told)
	return nil
}

// count fills in how many messages there are up to each read position, what makes
// unread a subtraction, for as many moves as the time allows: what was counted stays
// counted, so that every try gets further.
func (t *Tracker) count(moves []move) error {
	ctx, cancel := context.WithTimeout(t.ctx, opTime)
	defer cancel()
	errs := make([]error, len(moves))
	var wg sync.WaitGroup
	for worker := range counters {
		wg.Go(func() {
			for i := worker; i < len(moves); i += counters {
				errs[i] = t.countOne(ctx, &moves[i])
			}
		})
	}
	wg.Wait()
	var counted, left []move
	var err error
	for i, m := range moves {
		if errs[i] != nil {
			left, err = append(left, m), errs[i]
			continue
		}
		counted = append(counted, m)
	}
	t.add(&t.ready, counted)
	t.add(&t.reads, left)
	return err
}

func (t *Tracker) countOne(ctx context.Context, m *move) error {
	entries, err := t.opts.Store.Entries(ctx, m.Key, store.Range{After: m.Read - 1, Before: m.Read + 1, Limit: 1})
	if err != nil {
		return fmt.Errorf("read entry: %w", err)
	}
	if len(entries) == 1 {
		m.ReadCount = entries[0].Count
	} else {
		m.Read = 0 // not there: Read was checked against the head, so this is another epoch's
	}
	m.counted = true
	return nil
}

// Stop refuses new positions and stores those that wait, as long as ctx allows.
func (t *Tracker) Stop(ctx context.Context) {
	t.mu.Lock()
	t.stopped = true
	t.mu.Unlock()
	stop := context.AfterFunc(ctx, t.cancel)
	defer stop()
	t.wg.Wait()
	t.cancel()
}
