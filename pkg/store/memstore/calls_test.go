package memstore_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func failed(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, memstore.ErrInjected) {
		t.Errorf("%s: error %v, want %v", what, err, memstore.ErrInjected)
	}
}

func TestFinishFaults(t *testing.T) {
	for _, c := range []struct {
		kind               memstore.Kind
		now, rolled, freed chat.Seq // Last after the call, RollBack, Release
	}{
		{memstore.Fail, 0, 0, 0}, {memstore.FailApplied, 1, 1, 1}, {memstore.Late, 0, 0, 1}, {memstore.Invisible, 0, 0, 1},
	} {
		for _, release := range []bool{false, true} {
			h := start(t, memstore.Options{})
			in := h.Inject(once(memstore.OpFinish, c.kind))
			es := []chat.Entry{message(key, 1, "a")}
			h.outcomes(es, store.Stored)
			failed(t, "finish", h.Finish(t.Context(), store.Batch{Entries: es}))
			h.last(c.now)
			if release {
				in.Release()
				h.last(c.freed)
			} else {
				in.RollBack()
				h.last(c.rolled)
			}
		}
	}
}

// TestFinishLateIsOld: what comes late does not undo what came meanwhile.
func TestFinishLateIsOld(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpFinish, memstore.Late))
	es := []chat.Entry{message(key, 1, "a"), message(key, 2, "b")}
	h.outcomes(es, store.Stored, store.Stored)
	failed(t, "finish", h.Finish(t.Context(), store.Batch{Entries: es[:1]}))
	if err := h.Finish(t.Context(), store.Batch{Entries: es}); err != nil {
		t.Fatal(err)
	}
	in.Release()
	h.last(2)
}

func TestAdvanceFaults(t *testing.T) {
	move := []store.Move{{Key: key, User: "alice", Read: 5, ReadCount: 5}}
	for _, c := range []struct {
		kind          memstore.Kind
		before, after chat.Seq
	}{
		{memstore.Fail, 0, 0}, {memstore.FailApplied, 5, 5}, {memstore.Late, 0, 5},
	} {
		h := start(t, memstore.Options{})
		m := []chat.Member{{Key: key, User: "alice", Role: chat.RoleMember}}
		if err := h.Create(t.Context(), chat.Conversation{Key: key}, m); err != nil {
			t.Fatal(err)
		}
		read := func(want chat.Seq) {
			t.Helper()
			ms, err := h.MembersByUser(t.Context(), key, []chat.User{"alice"})
			if err != nil || len(ms) != 1 || ms[0].Read != want {
				t.Fatalf("members %+v, error %v; want read %d", ms, err, want)
			}
		}
		in := h.Inject(once(memstore.OpAdvance, c.kind))
		_, err := h.Advance(t.Context(), move)
		failed(t, "advance", err)
		read(c.before)
		in.Release()
		read(c.after)
	}
}

// TestCreateLate: a document that was made meanwhile stays.
func TestCreateLate(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpCreate, memstore.Late))
	k := chat.Key{NS: "t", Conv: "g_late"}
	failed(t, "create", h.Create(t.Context(), chat.Conversation{Key: k, Title: "late"}, nil))
	if err := h.Create(t.Context(), chat.Conversation{Key: k, Title: "in time"}, nil); err != nil {
		t.Fatal(err)
	}
	in.Release()
	cs, err := h.ConversationsByKey(t.Context(), []chat.Key{k})
	if err != nil || len(cs) != 1 || cs[0].Title != "in time" {
		t.Errorf("conversations %+v, error %v", cs, err)
	}
}

func TestReadFaults(t *testing.T) {
	h := start(t, memstore.Options{})
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Stored)
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Late, memstore.Invisible} {
		lookup, entries := h.Inject(once(memstore.OpLookup, kind)), h.Inject(once(memstore.OpEntries, kind))
		_, err := h.Lookup(t.Context(), key, "alice", "a")
		failed(t, "lookup", err)
		es, err := h.Entries(t.Context(), key, store.Range{Limit: 1})
		failed(t, "entries", err)
		if es != nil {
			t.Errorf("entries with an error: %v", es)
		}
		lookup.Release()
		entries.Release()
	}
	h.log(key, "a")
}

// TestReadHeld: a held read has the result of when it was made.
func TestReadHeld(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpEntries, memstore.BlockApplied))
	done := make(chan int, 1)
	go func() {
		es, _ := h.Entries(t.Context(), key, store.Range{Limit: 10})
		done <- len(es)
	}()
	h.wait(in, 1)
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Stored)
	in.Release()
	if n := <-done; n != 0 {
		t.Errorf("read %d entries, want none", n)
	}
	h.log(key, "a")
}

func TestWhichCalls(t *testing.T) {
	h := start(t, memstore.Options{})
	cause := errors.New("no primary")
	in := h.Inject(memstore.Fault{Op: memstore.OpPing, Kind: memstore.Fail, Skip: 1, Times: 2, Err: cause})
	var got []bool
	for range 5 {
		got = append(got, errors.Is(h.Ping(t.Context()), cause))
	}
	if want := []bool{false, true, true, false, false}; !slices.Equal(got, want) {
		t.Errorf("failed %v, want %v", got, want)
	}
	if in.Hits() != 2 || h.Calls(memstore.OpPing) != 5 {
		t.Errorf("%d hits of %d calls, want 2 of 5", in.Hits(), h.Calls(memstore.OpPing))
	}
	pass, all := h.Inject(memstore.Fault{Kind: memstore.Pass}), h.Inject(memstore.Fault{Kind: memstore.Fail})
	failed(t, "ping", h.Ping(t.Context()))
	all.Remove()
	if err := h.Ping(t.Context()); err != nil || pass.Hits() != 2 {
		t.Errorf("ping: %v, %d calls counted, want 2", err, pass.Hits())
	}
}

func TestWhen(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(memstore.Fault{Kind: memstore.Fail, When: func(c memstore.Call) bool {
		return slices.Contains(c.Keys, key2) || c.User == "bob" || c.Pod == "p"
	}})
	ctx := t.Context()
	_, err := h.Entries(ctx, key2, store.Range{Limit: 1})
	failed(t, "entries", err)
	_, err = h.Devices(ctx, "t", "bob")
	failed(t, "devices", err)
	failed(t, "forget", h.Forget(ctx, "p"))
	h.log(key)
	in.Remove()
	h.log(key2)
}

func TestClients(t *testing.T) {
	h := start(t, memstore.Options{})
	a, b := h.As("a"), h.As("b")
	h.Inject(memstore.Fault{Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "a" }})
	failed(t, "ping of a", a.Ping(t.Context()))
	if err := b.Ping(t.Context()); err != nil {
		t.Errorf("ping of b: %v", err)
	}
	if out := b.Append(t.Context(), store.Batch{Entries: []chat.Entry{message(key, 1, "x")}}); out.Err != nil {
		t.Errorf("append of b: %v", out.Err)
	}
	if err := b.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	h.log(key, "x")
}

func TestWaitEnds(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpPing, memstore.Pass))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := in.Wait(ctx, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("wait: %v, want %v", err, context.Canceled)
	}
}

func TestClock(t *testing.T) {
	now := time.Date(2024, 1, 2, 3, 4, 5, 6789, time.FixedZone("", 3600))
	s := memstore.New(memstore.Options{Now: func() time.Time { return now }})
	p := store.Pod{ID: "p", Epoch: "e", First: 1}
	if err := s.Register(t.Context(), p, time.Minute); err != nil {
		t.Fatal(err)
	}
	now = now.Add(time.Minute - time.Millisecond)
	if err := s.Register(t.Context(), p, time.Minute); err != nil {
		t.Errorf("register within the lease: %v", err)
	}
	now = now.Add(time.Minute)
	if err := s.Register(t.Context(), p, time.Minute); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("register at the end of the lease: %v, want %v", err, store.ErrNotFound)
	}
	pods, at, err := s.Pods(t.Context())
	if err != nil || len(pods) != 1 || !pods[0].Until.Equal(at) || !at.Equal(now.Truncate(time.Millisecond)) {
		t.Errorf("pods %v at %v, error %v", pods, at, err)
	}
}
