package repair

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = chat.Key{NS: "_", Conv: "d_abcdefghijklmnopqrstuvwxyz"}

// table notes what is to be repaired.
type table struct {
	found chan chat.Seq
	here  map[route.Hash]bool
	heads map[chat.Key]chat.Seq // as they were listed
	now   chat.Seq              // of key, since then
}

func (t *table) Repair(_ chat.Key, seq chat.Seq, _ []chat.User) { t.found <- seq }
func (t *table) Heads() map[chat.Key]chat.Seq                   { return t.heads }
func (t *table) Head(chat.Key) chat.Seq                         { return t.now }
func (t *table) Users() []route.UserKey                         { return nil }
func (t *table) Interested(h route.Hash) bool                   { return t.here[h] }

// other is another pod, that stores and may not announce.
type other struct {
	t   *testing.T
	s   *memstore.Store
	seq chat.Seq
}

func (o *other) store(number uint64) {
	o.t.Helper()
	o.seq++
	e := chat.Entry{Key: key, Seq: o.seq, Kind: chat.KindMessage, From: "a", CMID: chat.CMID(rune('a' + o.seq)), Time: time.Now(),
		Count: int64(o.seq), Body: []byte(`{"text":"x"}`), Concerns: []chat.User{"a", "b"}}
	b := store.Batch{Entries: []chat.Entry{e}, Journal: store.JournalID{Pod: "other", Number: number, Epoch: "e"}}
	if res := o.s.Append(o.t.Context(), b); res.Outcomes[0] != store.Stored {
		o.t.Fatal(res)
	}
	if err := o.s.Finish(o.t.Context(), b); err != nil {
		o.t.Fatal(err)
	}
}

func (o *other) register(settled uint64, lease time.Duration) {
	o.t.Helper()
	if err := o.s.Register(o.t.Context(), store.Pod{ID: "other", Epoch: "e", First: 1, Settled: settled}, lease); err != nil {
		o.t.Fatal(err)
	}
}

func play(t *testing.T, f func(t *testing.T, s *memstore.Store, o *other, r *Reconciler, found chan chat.Seq)) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		if err := s.Create(t.Context(), chat.Conversation{Key: key, Kind: chat.Direct, Users: []chat.User{"a", "b"}}, nil); err != nil {
			t.Fatal(err)
		}
		tab := &table{found: make(chan chat.Seq, 100), here: map[route.Hash]bool{alice: true, bob: true}}
		r := New(Options{Store: s, Table: tab, Self: func() string { return "self" }, Log: slog.New(slog.DiscardHandler)})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		f(t, s, &other{t: t, s: s}, r, tab.found)
	})
}

func heard(r *Reconciler, number, last, settled uint64) {
	r.Heard(route.Origin{Epoch: "e", Pod: "other", Number: number, Parts: min(number, 1), Last: last, Settled: settled}, nil)
}

func nothing(t *testing.T, found chan chat.Seq, within time.Duration) {
	t.Helper()
	select {
	case seq := <-found:
		t.Fatalf("%d was repaired, though it had been heard", seq)
	case <-time.After(within): // fake
	}
}

func something(t *testing.T, found chan chat.Seq, want chat.Seq, within time.Duration) {
	t.Helper()
	select {
	case seq := <-found:
		if seq != want {
			t.Fatalf("%d was repaired, want %d", seq, want)
		}
	case <-time.After(within): // fake
		t.Fatalf("%d was not repaired in %v", want, within)
	}
}

func TestWhatWasHeardIsNotRead(t *testing.T) {
	play(t, func(t *testing.T, s *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		for n := uint64(1); n <= 5; n++ {
			o.store(n)
			heard(r, n, n, n+1)
		}
		for range 20 { // beats
			time.Sleep(Beat) // fake
			heard(r, 0, 5, 6)
		}
		nothing(t, found, 100*time.Millisecond)
		if n := s.Calls(memstore.OpReadJournal); n != 0 {
			t.Fatalf("%d journal reads", n)
		}
	})
}

func TestJumpedNumberIsReadOnce(t *testing.T) {
	play(t, func(t *testing.T, _ *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		for n := uint64(1); n <= 3; n++ {
			o.store(n)
		}
		heard(r, 1, 1, 2)
		heard(r, 3, 3, 4)
		something(t, found, 2, time.Second)
		heard(r, 0, 3, 4)
		nothing(t, found, Beat)
	})
}

func TestVoidNumberIsForgottenWhenSettled(t *testing.T) {
	play(t, func(t *testing.T, s *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		o.store(1)
		heard(r, 1, 1, 2)
		heard(r, 0, 2, 2)       // 2 is in flight
		time.Sleep(time.Second) // fake
		heard(r, 0, 2, 3)       // and will never be written
		time.Sleep(time.Second) // fake
		heard(r, 0, 2, 3)
		reads := s.Calls(memstore.OpReadJournal)
		if reads == 0 {
			t.Fatal("the hole was not looked at")
		}
		for range 4 {
			time.Sleep(Beat) // fake
			heard(r, 0, 2, 3)
		}
		nothing(t, found, 100*time.Millisecond)
		if n := s.Calls(memstore.OpReadJournal); n != reads {
			t.Fatalf("a settled hole was read %d times more", n-reads)
		}
	})
}

func TestPartOfAFlushIsNotAllOfIt(t *testing.T) {
	play(t, func(t *testing.T, _ *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		o.store(1)
		r.Heard(route.Origin{Epoch: "e", Pod: "other", Number: 1, Part: 0, Parts: 2, Last: 1, Settled: 2}, nil)
		something(t, found, 1, time.Second)
	})
}

// A pod is killed; its journal is read to the end, and then never again, although
// its registration stays for minutes.
func TestDeadPodIsReadOutOnce(t *testing.T) {
	play(t, func(t *testing.T, s *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, 15*time.Second)
		o.store(1)
		heard(r, 1, 1, 2)
		o.store(2) // and it is dead
		something(t, found, 2, 2*time.Second)
		time.Sleep(time.Minute) // fake
		reads := s.Calls(memstore.OpReadJournal)
		nothing(t, found, 5*time.Minute)
		if n := s.Calls(memstore.OpReadJournal); n != reads {
			t.Fatalf("a dead pod's journal was read %d times more", n-reads)
		}
	})
}

// A pod that nobody has ever heard is found by its registration.
func TestSilentPodIsFoundByItsRegistration(t *testing.T) {
	play(t, func(t *testing.T, _ *memstore.Store, o *other, _ *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		o.store(1)
		something(t, found, 1, 4*time.Second)
	})
}

// stuck is a store that never shows one pod's journal.
type stuck struct {
	*memstore.Store
	pod string
}

func (s *stuck) ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error) {
	if pod == s.pod {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.Store.ReadJournal(ctx, pod, after, limit)
}

func TestAJournalThatCannotBeReadKeepsNoOtherWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		if err := s.Create(t.Context(), chat.Conversation{Key: key, Kind: chat.Direct, Users: []chat.User{"a", "b"}}, nil); err != nil {
			t.Fatal(err)
		}
		o := &other{t: t, s: s}
		o.register(1, time.Hour)
		if err := s.Register(t.Context(), store.Pod{ID: "dead", Epoch: "e", First: 1, Settled: 1}, time.Hour); err != nil {
			t.Fatal(err)
		}
		tab := &table{found: make(chan chat.Seq, 100)}
		r := New(Options{Store: &stuck{s, "dead"}, Table: tab, Self: func() string { return "self" }, Log: slog.New(slog.DiscardHandler)})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		defer func() { cancel(); <-ended }()
		o.store(1) // and is silent from the beginning
		something(t, tab.found, 1, 2*time.Second)
		o.store(2)
		something(t, tab.found, 2, 2*time.Second)
	})
}

// TestSweepCountsWhatIsLacked: what was announced after the heads were listed is no
// repair; a pass takes a minute, and counts what nobody heard alone.
func TestSweepCountsWhatIsLacked(t *testing.T) {
	for name, c := range map[string]struct {
		now  chat.Seq
		want uint64
	}{"heard since": {2, 0}, "not heard": {1, 1}, "nobody here any more": {0, 0}} {
		t.Run(name, func(t *testing.T) {
			play(t, func(t *testing.T, s *memstore.Store, o *other, _ *Reconciler, found chan chat.Seq) {
				o.store(1)
				o.store(2)
				tab := &table{found: found, heads: map[chat.Key]chat.Seq{key: 1}, now: c.now}
				r := New(Options{Store: s, Table: tab, Self: func() string { return "self" }, Log: slog.New(slog.DiscardHandler)})
				if err := r.sweep(t.Context(), time.Minute); err != nil {
					t.Fatal(err)
				}
				something(t, found, 2, time.Second) // counted or not: it does no harm
				if got := r.Found()["sweep"]; got != c.want {
					t.Errorf("%d repairs are counted, want %d", got, c.want)
				}
			})
		})
	}
}
