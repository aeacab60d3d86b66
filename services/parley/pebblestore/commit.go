package pebblestore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
)

// maxUnsynced is how many batches may wait for a sync. More wait for their turn.
const maxUnsynced = 256

// flight is a batch on its way to the disk. It goes on whatever its caller does.
type flight struct {
	n     uint64 // flights are applied, synced and done in the order of n
	batch *pebble.Batch
	marks []fence

	done chan struct{} // closed when the batch is durable, or never will be for certain
	err  error         // to be read after done
}

// wedgedError is a commit that ended in a panic inside of Pebble, which holds its
// locks ever since.
type wedgedError struct{ cause any }

func (e *wedgedError) Error() string { return fmt.Sprint("commit: ", e.cause) }

func (e *wedgedError) Unwrap() error {
	err, _ := e.cause.(error)
	return err
}

// fence is a place in the table of marks.
type fence uint16

// fenceOf is the fence of a conversation, a user or a pod. Two things may share
// one: then a read may wait for a batch that it did not need.
func fenceOf[K comparable](s *Store, key K) fence {
	return fence(maphash.Comparable(s.seed, key) % hashed)
}

// hashed is how many fences are shared by what hashes to them.
const hashed = 4096

// blocksFence is marked by every write to a block, and by nothing else: a flush asks
// about hundreds of pairs, and with fences that are shared it would nearly always
// wait for a batch under way, that is for the disk.
const blocksFence fence = hashed

// The things that have fences, beside [chat.Key]. Each is marked by every write
// to what it names.
type (
	userFence struct { // the user's member documents and devices
		ns   chat.NS
		user chat.User
	}
	podFence     struct{ id string } // the journal
	podsFence    struct{}            // all registrations
	metaFence    struct{}            // the identity
	revokedFence struct{}            // all revocations
)

// write is one atomic change being built by whose turn it is.
type write struct {
	s *Store
	// entries holds what nothing reads before it is committed; nil at first.
	entries *pebble.Batch
	// rest is everything else; nil until changes is called. It is indexed: a step
	// reads what earlier ones wrote, and it comes after entries, so that it can
	// replace what is there.
	rest  *pebble.Batch
	marks []fence
	added []added // what is in entries
	turn  uint64  // number of this turn, from 1 up
	undo  func()  // called if the batch will not be applied; may be nil
}

// added is an entry of the caller's, and the last message up to it.
type added struct {
	*chat.Entry
	message chat.Seq
}

func (w *write) mark(f fence) { w.marks = append(w.marks, f) }

// reader shows the database as this write leaves it, but for entries.
func (w *write) reader() pebble.Reader {
	if w.rest == nil {
		return w.s.db
	}
	return w.rest
}

// changes is where the write goes.
func (w *write) changes() *pebble.Batch {
	if w.rest == nil {
		w.rest = w.s.db.NewIndexedBatch()
	}
	return w.rest
}

func (w *write) set(key, value []byte) error { return w.changes().Set(key, value, nil) }

func (w *write) empty() bool {
	return (w.rest == nil || w.rest.Empty()) && (w.entries == nil || w.entries.Empty())
}

// merge makes one batch of the two.
func (w *write) merge() (*pebble.Batch, error) {
	if w.entries == nil {
		return w.rest, nil
	}
	if w.rest == nil {
		return w.entries, nil
	}
	if err := w.entries.Apply(w.rest, nil); err != nil {
		return nil, err
	}
	err := w.rest.Close()
	w.rest = nil
	return w.entries, err
}

// drop gives up what was built.
func (w *write) drop() (err error) {
	if w.undo != nil {
		w.undo()
	}
	for _, b := range []*pebble.Batch{w.entries, w.rest} {
		if b != nil {
			err = errors.Join(err, b.Close())
		}
	}
	return err
}

// update waits for its turn, calls build, and commits what it has put into w. It
// returns when that is durable; if ctx ends first, it goes on and may succeed. An
// error of build means that nothing was written.
func (s *Store) update(ctx context.Context, verb string, build func(w *write) error) error {
	if err := s.calls.enter(); err != nil {
		return fmt.Errorf("pebblestore: %s: %w", verb, err)
	}
	defer s.calls.leave()
	if err := s.updateInside(ctx, build); err != nil {
		return fmt.Errorf("pebblestore: %s: %w", verb, err)
	}
	return nil
}

func (s *Store) updateInside(ctx context.Context, build func(w *write) error) error {
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	s.turns++
	w := &write{s: s, turn: s.turns}
	if err := build(w); err != nil {
		return errors.Join(err, s.passTurn(w))
	}
	if w.empty() {
		// All is as it should be, but may be so by a batch that is not durable yet.
		return errors.Join(s.passTurn(w), s.settle(ctx, w.marks))
	}
	batch, err := w.merge()
	if err != nil {
		return errors.Join(err, s.passTurn(w))
	}
	f := &flight{n: w.turn, batch: batch, marks: w.marks, done: make(chan struct{})}
	s.calls.inside.Add(1) // syncAll takes it back; this call is inside, so the gate is not shut yet
	s.toApply <- f        // has room: it is our turn
	return f.wait(ctx)
}

// takeTurn also refuses writes to a store that has failed.
func (s *Store) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.failure(); err != nil {
		return err
	}
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// passTurn ends a turn in which nothing was written.
func (s *Store) passTurn(w *write) error {
	err := w.drop()
	<-s.turn
	return err
}

func (f *flight) wait(ctx context.Context) error {
	select {
	case <-f.done:
		return f.err
	default:
	}
	select {
	case <-f.done:
		return f.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// applyAll puts batches into Pebble, one after the other, and passes the turn on.
// It is a goroutine of its own because Pebble may block for long (it stalls writes
// when the disk does not keep up) and knows no context.
func (s *Store) applyAll(ctx context.Context) {
	for {
		select {
		case f := <-s.toApply:
			f.err = s.apply(f)
			<-s.turn
			s.toSync <- f
		case <-ctx.Done():
			return
		}
	}
}

// apply marks first: a reader that sees anything of the batch finds the mark.
func (s *Store) apply(f *flight) (err error) {
	if err := s.failure(); err != nil {
		return err
	}
	for _, m := range f.marks {
		s.fences[m].Store(f)
	}
	defer func() {
		if cause := recover(); cause != nil {
			err = &wedgedError{cause}
			s.fail(err)
		}
	}()
	return s.db.ApplyNoSyncWait(f.batch, pebble.Sync)
}

// syncAll waits for the syncs in order, so that a flight that is done stands for
// all before it, whatever order Pebble would tell them in. One that fails makes
// all after it fail.
func (s *Store) syncAll(ctx context.Context) {
	for {
		select {
		case f := <-s.toSync:
			if f.err == nil {
				f.err = errors.Join(f.batch.SyncWait(), f.batch.Close())
			}
			if f.err != nil {
				s.fail(f.err)
			}
			f.err = s.failure()
			f.batch, f.marks = nil, nil
			close(f.done)
			s.calls.leave()
		case <-ctx.Done():
			return
		}
	}
}

// fail makes the store refuse writes from now on. The first cause counts.
func (s *Store) fail(err error) {
	err = fmt.Errorf("the write-ahead log failed, the store must be opened again: %w", err)
	if s.failed.CompareAndSwap(nil, &err) {
		s.log.Error("pebblestore: "+err.Error(), "error", err)
	}
}

func (s *Store) failure() error {
	if err := s.failed.Load(); err != nil {
		return *err
	}
	return nil
}

// settle waits until whatever a read may have seen behind the fences is durable.
func (s *Store) settle(ctx context.Context, fences []fence) error {
	var newest *flight
	for _, i := range fences {
		if f := s.fences[i].Load(); f != nil && (newest == nil || newest.n < f.n) {
			newest = f
		}
	}
	if newest == nil {
		return nil
	}
	return newest.wait(ctx)
}

// read runs f and returns what it found once that is durable. The fences are those
// of all that f reads.
func read[T any](ctx context.Context, s *Store, verb string, fences []fence, f func() (T, error)) (T, error) {
	v, err := readInside(ctx, s, fences, f)
	if err != nil {
		var zero T
		return zero, fmt.Errorf("pebblestore: %s: %w", verb, err)
	}
	return v, nil
}

func readInside[T any](ctx context.Context, s *Store, fences []fence, f func() (T, error)) (v T, err error) {
	if err := s.calls.enter(); err != nil {
		return v, err
	}
	defer s.calls.leave()
	if err := ctx.Err(); err != nil {
		return v, err
	}
	if v, err = f(); err != nil {
		return v, err
	}
	return v, s.settle(ctx, fences)
}
