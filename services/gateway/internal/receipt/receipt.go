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
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
)

// Store is what the tracker needs of a store.
type Store interface {
	store.Cursors
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
}

const batch = 500 // moves in one write: what a store takes

// Tracker stores positions. Make it with [New], end it with Stop.
type Tracker struct {
	opts   Options
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	waiting map[place]store.Move
	running bool
	stopped bool
}

// place is what one move is about.
type place struct {
	key    chat.Key
	user   chat.User
	device chat.Device // "" for read
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
	t := &Tracker{opts: opts, waiting: make(map[place]store.Move)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Recv says that a device has everything up to seq. It does not block.
func (t *Tracker) Recv(key chat.Key, user chat.User, device chat.Device, seq chat.Seq) *chat.Error {
	return t.move(place{key, user, device}, store.Move{Key: key, User: user, Device: device, Recv: seq})
}

// Read says that a user has read everything up to seq. It does not block.
func (t *Tracker) Read(key chat.Key, user chat.User, seq chat.Seq) *chat.Error {
	return t.move(place{key, user, ""}, store.Move{Key: key, User: user, Read: seq})
}

func (t *Tracker) move(p place, m store.Move) *chat.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.waiting[p]; ok {
		m.Recv, m.Read = max(m.Recv, old.Recv), max(m.Read, old.Read)
	} else if t.stopped || len(t.waiting) >= t.opts.Max {
		return chat.Unavailable("this pod is overloaded; repeat later")
	}
	t.waiting[p] = m
	if !t.running {
		t.running = true
		t.wg.Go(t.run)
	}
	return nil
}

// run stores until nothing waits.
func (t *Tracker) run() {
	for pause := t.opts.Linger; ; {
		moves := t.take()
		if moves == nil {
			return
		}
		if err := t.store(moves); err != nil {
			if t.ctx.Err() != nil {
				return
			}
			t.opts.Log.Warn("could not store positions; trying again", "moves", len(moves), "error", err)
			t.putBack(moves)
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

func (t *Tracker) take() []store.Move {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.running = false
		return nil
	}
	moves := make([]store.Move, 0, min(batch, len(t.waiting)))
	for p, m := range t.waiting {
		moves = append(moves, m)
		delete(t.waiting, p)
		if len(moves) == batch {
			break
		}
	}
	return moves
}

func (t *Tracker) putBack(moves []store.Move) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range moves {
		p := place{m.Key, m.User, m.Device}
		old := t.waiting[p]
		m.Recv, m.Read = max(m.Recv, old.Recv), max(m.Read, old.Read)
		t.waiting[p] = m
	}
}

func (t *Tracker) store(moves []store.Move) error {
	ctx, cancel := context.WithTimeout(t.ctx, 5*time.Second)
	defer cancel()
	for i := range moves {
		if err := t.count(ctx, &moves[i]); err != nil {
			return err
		}
	}
	members, err := t.opts.Store.Advance(ctx, moves)
	if err != nil {
		return fmt.Errorf("advance: %w", err)
	}
	told := make([]Position, len(members))
	for i, m := range members {
		told[i] = Position{Key: m.Key, User: m.User, Delivered: view.Delivered(m), Read: m.Read}
	}
	t.opts.Told(told)
	return nil
}

// count fills in how many messages there are up to the read position: what makes
// unread a subtraction.
func (t *Tracker) count(ctx context.Context, m *store.Move) error {
	if m.Read == 0 {
		return nil
	}
	entries, err := t.opts.Store.Entries(ctx, m.Key, store.Range{After: m.Read - 1, Before: m.Read + 1, Limit: 1})
	if err != nil {
		return fmt.Errorf("read entry: %w", err)
	}
	if len(entries) == 1 {
		m.ReadCount = entries[0].Count
	} else {
		m.Read = 0 // not there: Read was checked against the head, so this is another epoch's
	}
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
