package pebblestore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// promises is what somebody has been told, and must therefore survive a crash.
type promises struct {
	mu    sync.Mutex
	acked map[chat.Key]chat.Seq // Stored, or seen by a reader
	batch map[uint64][]chat.Entry
}

func (p *promises) keep(key chat.Key, seq chat.Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acked[key] = max(p.acked[key], seq)
}

func (p *promises) keepBatch(n uint64, es []chat.Entry) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.batch[n] = es
	for _, e := range es {
		p.acked[e.Key] = max(p.acked[e.Key], e.Seq)
	}
}

// copy is what was promised before a moment.
func (p *promises) copy() *promises {
	p.mu.Lock()
	defer p.mu.Unlock()
	return &promises{acked: maps.Clone(p.acked), batch: maps.Clone(p.batch)}
}

// TestCrash pulls the plug again and again while writers and readers are at work.
// What was not synced is lost, or some of it is not.
func TestCrash(t *testing.T) {
	const writers, batches, crashes = 4, 45, 9
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, Options{FS: fs})
	p := &promises{acked: map[chat.Key]chat.Seq{}, batch: map[uint64][]chat.Entry{}}
	var wg sync.WaitGroup
	progress := make(chan struct{}, writers*batches)
	for w := range writers {
		wg.Go(func() { writeUntilDone(t, s, p, w, batches, progress) })
		wg.Go(func() { readUntilDone(t, s, p, key(w), batches) })
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range crashes {
		for range writers * batches / crashes {
			<-progress
		}
		promised := p.copy()
		percent := []int{0, 50, 95}[i%3]
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
		t.Run(fmt.Sprintf("%d with %d%%", i, percent), func(t *testing.T) { promised.check(t, crashed) })
	}
	wg.Wait()
}

// writeUntilDone appends to a conversation of its own: messages, and at the end of
// each batch a reaction to the first of them.
func writeUntilDone(t *testing.T, s *Store, p *promises, w, batches int, progress chan<- struct{}) {
	seq := chat.Seq(0)
	for b := range batches {
		var es []chat.Entry
		for range 1 + b%20 {
			seq++
			es = append(es, message(key(w), seq))
		}
		target := seq
		seq++
		es = append(es, reaction(key(w), seq, target))
		n := uint64(w*1000 + b + 1)
		a := s.Append(context.Background(), store.Batch{Entries: es, Journal: store.JournalID{Pod: "pod", Number: n, Epoch: "e"}})
		for _, o := range a.Outcomes {
			if o != store.Stored || !a.Finished {
				t.Errorf("writer %d: outcome %d, %v", w, o, a.Err)
			}
		}
		p.keepBatch(n, es)
		progress <- struct{}{}
	}
}

// readUntilDone promises whatever it sees.
func readUntilDone(t *testing.T, s *Store, p *promises, key chat.Key, batches int) {
	want := chat.Seq(0)
	for b := range batches {
		want += chat.Seq(2 + b%20)
	}
	for seen := chat.Seq(0); seen < want && !t.Failed(); {
		es, err := s.Entries(context.Background(), key, store.Range{Limit: 1, Desc: true})
		if err != nil {
			t.Error(err)
			return
		}
		if len(es) > 0 {
			seen = es[0].Seq
			p.keep(key, seen)
		}
	}
}

func (p *promises) check(t *testing.T, fs vfs.FS) {
	s := mustOpen(t, Options{FS: fs})
	for key, seq := range p.acked {
		es, err := s.Entries(t.Context(), key, store.Range{Limit: 1, Desc: true})
		if err != nil {
			t.Fatal(err)
		}
		if len(es) == 0 || es[0].Seq < seq {
			t.Fatalf("%s ends at %v, but %d was promised", key.Conv, es, seq)
		}
		for i, e := range checkLog(t, s, key, int(es[0].Seq)) {
			if want := message(key, chat.Seq(i+1)); e.Kind == chat.KindMessage && !bytes.Equal(e.Body, want.Body) {
				t.Fatalf("%s/%d: body %s, want %s", key.Conv, e.Seq, e.Body, want.Body)
			}
			if e.Kind == chat.KindReacted {
				checkReacted(t, s, key, e.Target)
			}
		}
		mustAppend(t, s, store.JournalID{}, message(key, es[0].Seq+1))
	}
	for n, es := range p.batch {
		docs, err := s.ReadJournal(t.Context(), "pod", n-1, 1)
		if err != nil || len(docs) != 1 || docs[0].Number != n || len(docs[0].Lines) != len(es) {
			t.Fatalf("journal %d: %+v, %v", n, docs, err)
		}
	}
}

// checkReacted checks that a reaction that is stored is also finished.
func checkReacted(t *testing.T, s *Store, key chat.Key, target chat.Seq) {
	folds, err := s.Folds(t.Context(), key, []chat.Seq{target})
	if err != nil || len(folds[target].Reactions) != 1 {
		t.Fatalf("folds of %s/%d: %+v, %v", key.Conv, target, folds, err)
	}
}

// valve is a file system whose syncs of the WAL can be held, or fail.
type valve struct {
	vfs.FS
	syncing chan struct{} // gets one element for each sync that is held
	mu      sync.Mutex
	held    chan struct{} // syncs wait until it is closed; nil: they do not
	err     error
}

func newValve() *valve {
	v := &valve{syncing: make(chan struct{}, 100)}
	v.FS = errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		sync := op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
		if !sync || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		v.mu.Lock()
		held, err := v.held, v.err
		v.mu.Unlock()
		if held != nil {
			v.syncing <- struct{}{}
			<-held
		}
		return err
	}))
	return v
}

// hold returns what lets the syncs go on.
func (v *valve) hold() (release func()) {
	v.mu.Lock()
	defer v.mu.Unlock()
	held := make(chan struct{})
	v.held = held
	return sync.OnceFunc(func() {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.held = nil
		close(held)
	})
}

// awaitSync waits until a sync is held, which an append must not be done before.
func (v *valve) awaitSync(t *testing.T, done <-chan store.Appended) {
	t.Helper()
	select {
	case <-v.syncing:
	case a := <-done:
		t.Fatalf("an append did not wait for its sync: %+v", a)
	}
}

func (v *valve) fail(err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.err = err
}

// watched is a context that tells when somebody waits for its end.
type watched struct {
	context.Context
	waiting chan struct{}
}

func watch(ctx context.Context) watched { return watched{ctx, make(chan struct{}, 10)} }

func (w watched) Done() <-chan struct{} {
	w.waiting <- struct{}{}
	return w.Context.Done()
}

// start runs an append and returns its result's channel.
func start(ctx context.Context, s *Store, es ...chat.Entry) <-chan store.Appended {
	done := make(chan store.Appended, 1)
	go func() { done <- s.Append(ctx, store.Batch{Entries: es}) }()
	return done
}

// apart returns two conversations that do not share a fence.
func apart(s *Store) (a, b chat.Key) {
	for i := 2; ; i++ {
		if fenceOf(s, key(1)) != fenceOf(s, key(i)) {
			return key(1), key(i)
		}
	}
}

// TestUnsyncedIsNotRead: while a sync is under way, nobody sees what it is about,
// others are not kept waiting, and more batches can join.
func TestUnsyncedIsNotRead(t *testing.T) {
	v := newValve()
	s := mustOpen(t, Options{FS: v})
	ctx := t.Context()
	one, other := apart(s)
	mustAppend(t, s, store.JournalID{}, message(one, 1))
	mustAppend(t, s, store.JournalID{}, message(other, 1))
	release := v.hold()
	defer release()
	first := start(ctx, s, message(one, 2))
	v.awaitSync(t, first)

	readCtx, cancel := context.WithCancel(ctx)
	w := watch(readCtx)
	read := make(chan error, 1)
	go func() {
		_, err := s.Entries(w, one, store.Range{Limit: 10})
		read <- err
	}()
	select {
	case <-w.waiting: // the read has found the entry, and waits for it
	case err := <-read:
		t.Fatalf("a read of what is not synced did not wait: %v", err)
	}
	cancel()
	if err := <-read; !errors.Is(err, context.Canceled) {
		t.Errorf("a read of what is not synced: %v", err)
	}
	checkLog(t, s, other, 1)

	second := start(ctx, s, message(one, 3))
	release()
	for i, done := range []<-chan store.Appended{first, second} {
		if a := <-done; a.Outcomes[0] != store.Stored {
			t.Errorf("append %d: %+v", i, a)
		}
	}
	checkLog(t, s, one, 3)
}

// TestGivenUp: a caller that gives up does not stop its batch, and Close waits
// for it.
func TestGivenUp(t *testing.T) {
	v := newValve()
	s := mustOpen(t, Options{FS: v})
	release := v.hold()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	done := start(ctx, s, message(key(1), 1))
	v.awaitSync(t, done)
	cancel()
	if a := <-done; a.Outcomes[0] != store.Unknown || !errors.Is(a.Err, context.Canceled) {
		t.Errorf("append: %+v", a)
	}
	closed := make(chan error, 1)
	go func() { closed <- s.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	checkLog(t, mustOpen(t, Options{FS: v}), key(1), 1)
}

// TestWaitForTurn: who waits for its turn gives up with its context.
func TestWaitForTurn(t *testing.T) {
	s := mustOpen(t, Options{})
	s.turn <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	w := watch(ctx)
	done := start(w, s, message(key(1), 1))
	<-w.waiting
	cancel()
	if a := <-done; a.Outcomes[0] != store.Unknown || !errors.Is(a.Err, context.Canceled) {
		t.Errorf("append: %+v", a)
	}
	<-s.turn
	mustAppend(t, s, store.JournalID{}, message(key(1), 1))
}

// TestFailedSync: nobody knows what of the batch is on disk, so it is Unknown, is
// not read, and nothing is written on top of it.
func TestFailedSync(t *testing.T) {
	v := newValve()
	s, err := Open(Options{Dir: "data", FS: v})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	one, other := apart(s)
	mustAppend(t, s, store.JournalID{}, message(one, 1))
	mustAppend(t, s, store.JournalID{}, message(other, 1))
	broken := errors.New("input/output error")
	v.fail(broken)
	for i := range 2 {
		a := s.Append(ctx, store.Batch{Entries: []chat.Entry{message(one, 2)}})
		if a.Outcomes[0] != store.Unknown || !errors.Is(a.Err, broken) {
			t.Errorf("append %d: %+v", i, a)
		}
	}
	if _, err := s.Entries(ctx, one, store.Range{Limit: 10}); !errors.Is(err, broken) {
		t.Errorf("read of what failed: %v", err)
	}
	checkLog(t, s, other, 1)
	if err := s.Ping(ctx); !errors.Is(err, broken) {
		t.Errorf("ping: %v", err)
	}
	v.fail(nil)
	if err := s.Close(); !errors.Is(err, broken) {
		t.Errorf("close: %v", err)
	}

	s = mustOpen(t, Options{FS: v})
	es, err := s.Entries(ctx, one, store.Range{Limit: 10})
	if err != nil || len(es) < 1 || len(es) > 2 {
		t.Fatalf("after opening again: %v, %v", es, err)
	}
	mustAppend(t, s, store.JournalID{}, message(one, chat.Seq(len(es)+1)))
}

// TestPanic: a panic of Pebble during a commit is a failure, too.
func TestPanic(t *testing.T) {
	s, err := Open(Options{Dir: "data", FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.apply(&flight{}); err == nil {
		t.Fatal("no error")
	}
	var wedged *wedgedError
	a := s.Append(t.Context(), store.Batch{Entries: []chat.Entry{message(key(1), 1)}})
	if a.Outcomes[0] != store.Unknown || !errors.As(a.Err, &wedged) {
		t.Errorf("append: %+v", a)
	}
	if err := s.Close(); !errors.As(err, &wedged) {
		t.Errorf("close: %v", err)
	}
	// Close has left Pebble alone, which it must where Pebble holds its locks.
	if err := errors.Join(s.db.Close(), s.lock.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestFatal: Pebble must not go on after what it calls fatal.
func TestFatal(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("Fatalf returned")
		}
	}()
	var l pebble.Logger = pebbleLogger{Options{}.withDefaults().Logger}
	l.Fatalf("MANIFEST sync failed: %v", errors.New("input/output error"))
}
