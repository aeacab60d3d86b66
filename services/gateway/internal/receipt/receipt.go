// Package receipt is how far everybody has got: recv and read. Positions are
// coalesced, stored, and only then told.
//
// Like commit it batches by nature: an idle tracker stores at once, and what
// comes while it stores makes the next batch. A position that is overtaken before
// it is stored is never written.
package receipt

import (
	"context"
	"errors"
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
	waiting map[place]move
	running bool
	stopped bool
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

// merge keeps what is further in each of two moves of one place.
func (m move) merge(o move) move {
	m.Recv = max(m.Recv, o.Recv)
	if o.Read > m.Read || o.Read == m.Read && o.counted {
		m.Read, m.ReadCount, m.counted = o.Read, o.ReadCount, o.counted
	}
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
	t := &Tracker{opts: opts, waiting: make(map[place]move)}
	t.ctx, t.cancel = context.WithCancel(context.Background())
	return t
}

// Recv says that a device has everything up to seq. It does not block.
func (t *Tracker) Recv(key chat.Key, user chat.User, device chat.Device, seq chat.Seq) *chat.Error {
	return t.move(place{key, user, device}, move{Move: store.Move{Key: key, User: user, Device: device, Recv: seq}})
}

// Read says that a user has read everything up to seq. It does not block.
func (t *Tracker) Read(key chat.Key, user chat.User, seq chat.Seq) *chat.Error {
	return t.move(place{key, user, ""}, move{Move: store.Move{Key: key, User: user, Read: seq}})
}

func (t *Tracker) move(p place, m move) *chat.Error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if old, ok := t.waiting[p]; ok {
		m = old.merge(m)
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

func (t *Tracker) take() []move {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		t.running = false
		return nil
	}
	moves := make([]move, 0, min(batch, len(t.waiting)))
	for p, m := range t.waiting {
		moves = append(moves, m)
		delete(t.waiting, p)
		if len(moves) == batch {
			break
		}
	}
	return moves
}

func (t *Tracker) putBack(moves []move) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, m := range moves {
		p := place{m.Key, m.User, m.Device}
		if old, ok := t.waiting[p]; ok {
			m = old.merge(m)
		}
		t.waiting[p] = m
	}
}

// store stores what can be stored. What wants a count first comes second, so that
// a slow store holds up nobody's recv; what was counted stays counted, so that
// every try gets further.
func (t *Tracker) store(moves []move) error {
	var ready, uncounted []move
	for _, m := range moves {
		if m.Read == 0 || m.counted {
			ready = append(ready, m)
		} else {
			uncounted = append(uncounted, m)
		}
	}
	err := t.advance(ready)
	counted, left, countErr := t.count(uncounted)
	t.putBack(left)
	return errors.Join(err, countErr, t.advance(counted))
}

func (t *Tracker) advance(moves []move) error {
	if len(moves) == 0 {
		return nil
	}
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
		t.putBack(moves)
		return fmt.Errorf("advance: %w", err)
	}
	told := make([]Position, len(members))
	for i, m := range members {
		told[i] = Position{Key: m.Key, User: m.User, Delivered: view.Delivered(m), Read: m.Read}
	}
	if err := t.hide(ctx, told); err != nil {
		t.putBack(moves) // they are stored; what others may see of them is not known
		return err
	}
	t.opts.Told(told)
	return nil
}

// count fills in how many messages there are up to each read position, what makes
// unread a subtraction, for as many moves as the time allows; left are the others.
func (t *Tracker) count(moves []move) (counted, left []move, err error) {
	if len(moves) == 0 {
		return nil, nil, nil
	}
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
	for i, m := range moves {
		if errs[i] != nil {
			left, err = append(left, m), errs[i]
			continue
		}
		counted = append(counted, m)
	}
	return counted, left, err
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
