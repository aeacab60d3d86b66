package repair

import (
	"context"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

var badKey = chat.Key{NS: "_", Conv: "d_badbadbadbadbadbadbadbadba"}

// brittleTable breaks at one conversation, as a defect would that nobody has found.
type brittleTable struct {
	table
	heads map[chat.Key]chat.Seq
}

func (t *brittleTable) Heads() map[chat.Key]chat.Seq { return t.heads }
func (t *brittleTable) Repair(key chat.Key, seq chat.Seq, users []chat.User) {
	if key == badKey {
		panic("this conversation breaks it")
	}
	t.table.Repair(key, seq, users)
}

// brittleStore breaks at so many calls of each kind.
type brittleStore struct {
	*memstore.Store
	lists, journals, heads atomic.Int64 // calls that are yet to break
	read                   atomic.Int64 // journals asked for
}

func (s *brittleStore) Pods(ctx context.Context) ([]store.Pod, time.Time, error) {
	if s.lists.Add(-1) >= 0 {
		panic("this list breaks it")
	}
	return s.Store.Pods(ctx)
}

func (s *brittleStore) ReadJournal(ctx context.Context, pod string, after uint64, limit int) ([]store.JournalDoc, error) {
	s.read.Add(1)
	if s.journals.Add(-1) >= 0 {
		panic("this journal breaks it")
	}
	return s.Store.ReadJournal(ctx, pod, after, limit)
}

func (s *brittleStore) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	if s.heads.Add(-1) >= 0 {
		panic("these heads break it")
	}
	return s.Store.ConversationsByKey(ctx, keys)
}

// brittle plays with a reconciler that runs, its sweep included, over a store and a
// table that break.
func brittle(t *testing.T, heads map[chat.Key]chat.Seq, f func(t *testing.T, s *brittleStore, tab *brittleTable, o *other, r *Reconciler)) {
	synctest.Test(t, func(t *testing.T) {
		s := &brittleStore{Store: memstore.New(memstore.Options{})}
		for _, k := range []chat.Key{key, badKey} {
			if err := s.Create(t.Context(), chat.Conversation{Key: k, Kind: chat.Direct, Users: []chat.User{"a", "b"}}, nil); err != nil {
				t.Fatal(err)
			}
		}
		tab := &brittleTable{table: table{found: make(chan chat.Seq, 1000)}, heads: heads}
		r := New(Options{Store: s, Table: tab, Self: func() string { return "self" }, Log: slog.New(slog.DiscardHandler)})
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{}, 2)
		go func() { r.Run(ctx); ended <- struct{}{} }()
		go func() { r.RunSweep(ctx); ended <- struct{}{} }()
		defer func() { cancel(); <-ended; <-ended }()
		f(t, s, tab, &other{t: t, s: s.Store}, r)
	})
}

// storeBad stores an entry of the conversation that breaks, under the same number as one
// of the other.
func (o *other) storeBad(number uint64) {
	o.t.Helper()
	o.seq++
	var list []chat.Entry
	for _, k := range []chat.Key{badKey, key} {
		list = append(list, chat.Entry{Key: k, Seq: o.seq, Kind: chat.KindMessage, From: "a", CMID: chat.CMID(rune('a' + o.seq)), Time: time.Now(),
			Count: int64(o.seq), Body: []byte(`{"text":"x"}`), Concerns: []chat.User{"a", "b"}})
	}
	b := store.Batch{Entries: list, Journal: store.JournalID{Pod: "other", Number: number, Epoch: "e"}}
	if res := o.s.Append(o.t.Context(), b); res.Outcomes[0] != store.Stored || res.Outcomes[1] != store.Stored {
		o.t.Fatal(res)
	}
	if err := o.s.Finish(o.t.Context(), b); err != nil {
		o.t.Fatal(err)
	}
}

// A conversation that breaks what repairs it costs neither the others of its document
// nor the numbers behind it, and its journal is not read again and again for it.
func TestAPanicCostsOneConversation(t *testing.T) {
	brittle(t, nil, func(t *testing.T, s *brittleStore, tab *brittleTable, o *other, r *Reconciler) {
		o.register(1, time.Hour)
		for n := uint64(1); n <= 3; n++ {
			o.storeBad(n)
		}
		heard(r, 0, 3, 4)
		for seq := chat.Seq(1); seq <= 3; seq++ {
			something(t, tab.found, seq, time.Second)
		}
		before := s.read.Load()
		for range 20 {
			time.Sleep(Beat) // fake
			heard(r, 0, 3, 4)
		}
		nothing(t, tab.found, Beat)
		if got := s.read.Load() - before; got != 0 {
			t.Errorf("its journal was read %d times more", got)
		}
		if got := r.Panics(); got != 3 {
			t.Errorf("%d panics, want 3", got)
		}
	})
}

// A journal or a list of pods that breaks its reader is one that could not be read: it
// is tried again at the pace of a silent pod, and the place of its reader is free again.
func TestAPanicOfAReadIsTriedAgain(t *testing.T) {
	brittle(t, nil, func(t *testing.T, s *brittleStore, tab *brittleTable, o *other, r *Reconciler) {
		const breaks = 3 * mostReaders
		s.lists.Store(3)
		s.journals.Store(breaks)
		o.register(1, time.Hour)
		heard(r, 0, 0, 1)
		o.store(1) // and nothing is heard of it
		began := time.Now()
		something(t, tab.found, 1, time.Minute)
		if took, least := time.Since(began), breaks*Beat; took < least {
			t.Errorf("after %d reads that broke it was found in %v; the pace is one in %v", breaks, took, Beat)
		}
		if got := r.Panics(); got != breaks+3 {
			t.Errorf("%d panics, want %d", got, breaks+3)
		}
		synctest.Wait() // it is found before its reader is done
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.under != 0 {
			t.Errorf("%d readers are taken", r.under)
		}
	})
}

// A pass over everything that breaks begins again after its pause, and a conversation
// that breaks it does not keep it from the others.
func TestAPanicDoesNotEndTheSweep(t *testing.T) {
	brittle(t, map[chat.Key]chat.Seq{key: 0, badKey: 0}, func(t *testing.T, s *brittleStore, tab *brittleTable, o *other, r *Reconciler) {
		s.heads.Store(2)
		o.storeBad(1)
		something(t, tab.found, 1, 3*time.Minute)
		if got := r.Panics(); got < 2 || got > 3 {
			t.Errorf("%d panics, want 2 of reads, and perhaps one of a conversation", got)
		}
		time.Sleep(9*time.Minute + 30*time.Second) // fake
		if got := r.Panics(); got != 2+1+9 {
			t.Errorf("%d panics after nine passes more, want one of each", got)
		}
	})
}
