// Package pebblestore keeps Parley's data in a folder of this machine, in Pebble:
// the store of the all-in-one binary. It is step 4 of the way of a message.
//
// # Writing
//
// One process owns the folder (Pebble locks it), so what needs unique indexes and
// fences elsewhere is decided by taking turns here: a write waits for its turn,
// reads what it depends on, builds one batch, and gives the turn back as soon as
// the batch is in Pebble's memory and in the buffer of its write-ahead log (WAL).
// It answers when the WAL is synced. Writes that come meanwhile build on top of it
// and share the next sync. That is sound because the WAL is recovered as a prefix:
// a batch that survives a crash has all batches before it.
//
// Append and the effects of its entries are one batch, so an entry is finished
// when it is stored. What the log itself tells is not written again: the head and
// the preview of a conversation are read from the end of its log. A message costs
// two keys, the entry and its cmid, and one line in its batch's journal document.
//
// # Reading
//
// Pebble shows a batch to readers before it is synced; a reader of this package
// must not see it, because a crash could take it back. So a batch leaves a mark on
// everything that it touches before Pebble may show it, and a read that has what
// it wants waits for the newest batch that it finds marked there. Batches are
// declared durable in order, so that batch stands for all before it. Reads of what
// is not being written wait for nothing.
//
// # Failure
//
// If the WAL cannot be written or synced, nobody knows what of the last batches is
// on disk. They answer Unknown, and from then on the store refuses every write, and
// every read of what those batches touched; [Store.Ping] tells why. Only opening it
// again, which recovers the WAL, helps. Where Pebble itself finds that it cannot go
// on in the background (it calls this fatal: a manifest that cannot be written, a
// corrupt file), the process panics; the WAL is what it restarts from. A full disk
// while it flushes or compacts is not fatal: Pebble tries again, writes stall and
// end with their contexts.
package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parley-chat/parley/pkg/store"
)

// ErrClosed is what every method returns once [Store.Close] has begun.
var ErrClosed = errors.New("the store is closed")

// ErrInUse says that another process has the folder. Another store of this process
// that has it is an error, too, but not this one.
var ErrInUse = errors.New("is in use by another parley; stop it or use --data")

// ErrFormat says that a folder holds something that this version cannot read.
var ErrFormat = errors.New("this parley cannot read the data")

// Options configures a store. Only Dir is required.
type Options struct {
	Dir string // the folder; made if it is not there

	// FS is where the folder is. The default is the machine's file system, with
	// warnings where it is slow.
	FS vfs.FS
	// Logger gets what an operator should know; the default discards it.
	Logger *slog.Logger
	// CacheBytes bounds the memory of caches; default 128 MiB. One half is for what
	// was read, the other for what appending must know of the conversations that are
	// written to: 600 bytes each and two to four for every entry in their logs (up
	// to 65,536 each). Where that is too little, appends become slow. Writes use up
	// to 64 MiB besides.
	CacheBytes int64
	// Now is the store's clock, of leases and of the journal; default time.Now.
	Now func() time.Time
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.CacheBytes <= 0 {
		o.CacheBytes = 128 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return o
}

// Store implements [store.Store].
type Store struct {
	db   *pebble.DB
	lock *pebble.Lock
	log  *slog.Logger
	now  func() time.Time

	// calls is every call and every batch that is under way.
	calls   gate
	stop    context.CancelFunc // ends the two loops
	loops   sync.WaitGroup
	closing sync.Once
	closed  error // what Close returns, once closing is over

	turn    chan struct{} // holds one element while it is somebody's turn
	toApply chan *flight  // at most one, that of whose turn it is
	toSync  chan *flight

	seed    maphash.Seed
	fences  [hashed + 1]atomic.Pointer[flight] // the newest batch that touched what hashes here
	blocks  atomic.Bool                        // there may be blocks
	revoked atomic.Int64                       // latest change of a revocation, Unix ms; 0: there is none
	failed  atomic.Pointer[error]              // the first failed commit

	searching sync.Mutex // one writes to the search index at a time

	// The rest belongs to whose turn it is.
	tails  *tails
	secret secret
	turns  uint64            // so far
	ends   map[string]uint64 // the highest number in the journals of some pods, or above it
}

var _ store.Store = (*Store)(nil)

// Open opens the folder, makes it where there is none, and recovers what a crash
// has left in the WAL. It returns [ErrInUse] or [ErrFormat], wrapped, where these
// are the cause. It blocks for as long as recovery takes: seconds.
func Open(o Options) (*Store, error) {
	o = o.withDefaults()
	if o.Dir == "" {
		return nil, errors.New("pebblestore: open: no folder is named")
	}
	s, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("pebblestore: open %s: %w", o.Dir, err)
	}
	return s, nil
}

func open(o Options) (*Store, error) {
	lock, err := lockDir(o)
	if err != nil {
		return nil, err
	}
	po := pebbleOptions(o)
	po.Lock = lock
	db, err := pebble.Open(o.Dir, po)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if err := checkFormat(db); err != nil {
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Store{
		db: db, lock: lock, log: o.Logger, now: o.Now, stop: stop,
		turn: make(chan struct{}, 1), toApply: make(chan *flight, 1), toSync: make(chan *flight, maxUnsynced),
		seed: maphash.MakeSeed(), secret: newSecret(),
		tails: newTails(o.CacheBytes / 2),
	}
	if err := errors.Join(s.findBlocks(), s.findRevocations()); err != nil {
		stop()
		return nil, errors.Join(err, db.Close(), lock.Close())
	}
	s.loops.Go(func() { s.applyAll(ctx) })
	s.loops.Go(func() { s.syncAll(ctx) })
	return s, nil
}

// lockDir makes the folder and locks it. Pebble would do so too, but its error
// does not tell a locked folder from a broken one.
func lockDir(o Options) (*pebble.Lock, error) {
	fs := o.FS
	if fs == nil {
		fs = vfs.Default
	}
	if err := fs.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder: %w", err)
	}
	lock, err := pebble.LockDirectory(o.Dir, fs)
	if errors.Is(err, syscall.EAGAIN) { // fcntl(2): another process has it
		return nil, ErrInUse
	}
	if err != nil {
		return nil, fmt.Errorf("lock the folder: %w", err)
	}
	return lock, nil
}

// Close refuses new calls, waits for those that are under way and for their
// batches to be synced, and gives the folder back. It may be called again.
func (s *Store) Close() error {
	s.closing.Do(func() {
		s.calls.close()
		s.stop()
		s.loops.Wait()
		if err := s.close(); err != nil {
			s.closed = fmt.Errorf("pebblestore: close: %w", err)
		}
	})
	return s.closed
}

func (s *Store) close() error {
	var wedged *wedgedError
	if err := s.failure(); errors.As(err, &wedged) {
		return fmt.Errorf("the folder stays locked until the process ends: %w", err)
	}
	return errors.Join(s.db.Close(), s.lock.Close())
}

// Ping implements [store.Meta]. It returns the cause if the store has failed.
func (s *Store) Ping(ctx context.Context) error {
	_, err := read(ctx, s, "ping", nil, func() (struct{}, error) { return struct{}{}, s.failure() })
	return err
}

// gate lets calls in until it is closed, and then waits for them.
type gate struct {
	mu     sync.RWMutex
	shut   bool
	inside sync.WaitGroup
}

func (g *gate) enter() error {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.shut {
		return ErrClosed
	}
	g.inside.Add(1)
	return nil
}

func (g *gate) leave() { g.inside.Done() }

func (g *gate) close() {
	g.mu.Lock()
	g.shut = true
	g.mu.Unlock()
	g.inside.Wait()
}
