package memstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

var key, key2 = chat.Key{NS: "t", Conv: "g_one"}, chat.Key{NS: "t", Conv: "g_two"}

func message(key chat.Key, seq chat.Seq, cmid chat.CMID) chat.Entry {
	return chat.Entry{
		Key: key, Seq: seq, Kind: chat.KindMessage, From: "alice", CMID: cmid,
		Time: time.UnixMilli(int64(seq)).UTC(), Body: []byte(`{"text":"` + cmid + `"}`),
	}
}

// harness is a store and what tests ask of it.
type harness struct {
	*testing.T
	*memstore.Store
}

func start(t *testing.T, o memstore.Options) harness {
	h := harness{t, memstore.New(o)}
	for _, k := range []chat.Key{key, key2} {
		if err := h.Create(t.Context(), chat.Conversation{Key: k, Kind: chat.Group}, nil); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func (h harness) append(es ...chat.Entry) store.Appended {
	return h.Append(h.Context(), store.Batch{Entries: es})
}

// outcomes appends, and checks the outcomes and, where one is Unknown, the cause.
func (h harness) outcomes(es []chat.Entry, want ...store.Outcome) {
	h.Helper()
	a := h.append(es...)
	var cause error
	if slices.Contains(want, store.Unknown) {
		cause = memstore.ErrInjected
	}
	if !slices.Equal(a.Outcomes, want) || !errors.Is(a.Err, cause) {
		h.Fatalf("append: outcomes %v, error %v; want %v", a.Outcomes, a.Err, want)
	}
}

// log checks the cmids of what reads see.
func (h harness) log(key chat.Key, want ...chat.CMID) {
	h.Helper()
	es, err := h.Entries(h.Context(), key, store.Range{Limit: 100})
	var got []chat.CMID
	for _, e := range es {
		got = append(got, e.CMID)
		if _, lookupErr := h.Lookup(h.Context(), key, e.From, e.CMID); lookupErr != nil {
			h.Errorf("lookup of %s: %v", e.CMID, lookupErr)
		}
	}
	if err != nil || !slices.Equal(got, want) {
		h.Fatalf("log %v, error %v; want %v", got, err, want)
	}
}

func (h harness) missing(cmid chat.CMID) {
	h.Helper()
	if _, err := h.Lookup(h.Context(), key, "alice", cmid); !errors.Is(err, store.ErrNotFound) {
		h.Fatalf("lookup of %s: error %v, want %v", cmid, err, store.ErrNotFound)
	}
}

func (h harness) last(want chat.Seq) {
	h.Helper()
	cs, err := h.ConversationsByKey(h.Context(), []chat.Key{key})
	if err != nil || len(cs) != 1 || cs[0].Last.Seq != want {
		h.Fatalf("conversations %+v, error %v; want last seq %d", cs, err, want)
	}
}

func (h harness) wait(in *memstore.Injection, hits int) {
	h.Helper()
	if err := in.Wait(h.Context(), hits); err != nil {
		h.Fatal(err)
	}
}

func once(op memstore.Op, kind memstore.Kind) memstore.Fault {
	return memstore.Fault{Op: op, Kind: kind, Times: 1}
}

func TestAppendFail(t *testing.T) {
	h := start(t, memstore.Options{})
	h.Inject(once(memstore.OpAppend, memstore.Fail))
	es := []chat.Entry{message(key, 1, "a"), message(key, 2, "b")}
	h.outcomes(es, store.Unknown, store.Unknown)
	h.log(key)
	h.outcomes(es, store.Stored, store.Stored)
}

func TestAppendFailApplied(t *testing.T) {
	h := start(t, memstore.Options{})
	h.Inject(once(memstore.OpAppend, memstore.FailApplied))
	es := []chat.Entry{message(key, 1, "a"), message(key, 2, "b")}
	h.outcomes(es, store.Unknown, store.Unknown)
	h.log(key, "a", "b")
	h.last(0)
	h.outcomes(es, store.Duplicate, store.NotTried)
}

func TestAppendInvisibleThenVisible(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpAppend, memstore.Invisible))
	h.outcomes([]chat.Entry{message(key, 1, "a"), message(key, 2, "b")}, store.Unknown, store.Unknown)
	h.log(key)
	h.missing("a")
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Duplicate)     // by itself
	h.outcomes([]chat.Entry{message(key, 1, "rival")}, store.Duplicate) // by seq
	in.Release()
	h.log(key, "a", "b")
	h.outcomes([]chat.Entry{message(key, 3, "c")}, store.Stored)
	in.RollBack() // nothing is held any more
	h.log(key, "a", "b", "c")
}

func TestAppendInvisibleThenRolledBack(t *testing.T) {
	h := start(t, memstore.Options{})
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Stored)
	in := h.Inject(once(memstore.OpAppend, memstore.Invisible))
	h.outcomes([]chat.Entry{message(key, 2, "b"), message(key, 3, "c"), message(key2, 1, "d")},
		store.Unknown, store.Unknown, store.Unknown)
	in.RollBack()
	h.log(key, "a")
	h.log(key2)
	h.outcomes([]chat.Entry{message(key, 2, "rival"), message(key, 3, "b")}, store.Stored, store.Stored)
	in.Release()
	h.log(key, "a", "rival", "b")
}

func TestAppendLate(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpAppend, memstore.Late))
	es := []chat.Entry{message(key, 1, "a"), message(key, 2, "b"), message(key2, 1, "c")}
	h.outcomes(es, store.Unknown, store.Unknown, store.Unknown)
	es[0].CMID = "changed by its owner"
	h.log(key)
	h.outcomes([]chat.Entry{message(key2, 1, "rival")}, store.Stored)
	in.Release()
	h.log(key, "a", "b")
	h.log(key2, "rival")
	h.last(0)
}

// TestAppendLateLoses: the sender's retry, or a rival, came first.
func TestAppendLateLoses(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Late, Times: 3})
	h.outcomes([]chat.Entry{message(key, 1, "a"), message(key, 2, "b")}, store.Unknown, store.Unknown)
	h.outcomes([]chat.Entry{message(key, 1, "c")}, store.Unknown)
	h.outcomes([]chat.Entry{message(key2, 1, "never")}, store.Unknown)
	h.outcomes([]chat.Entry{message(key, 1, "b"), message(key, 2, "rival")}, store.Stored, store.Stored)
	in.Release()
	h.log(key, "b", "rival")
	h.log(key2, "never")
}

func TestAppendLateNeverComes(t *testing.T) {
	h := start(t, memstore.Options{})
	in := h.Inject(once(memstore.OpAppend, memstore.Late))
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Unknown)
	in.RollBack()
	in.Release()
	h.log(key)
}

func TestAppendOfSomeEntries(t *testing.T) {
	second := func(e *chat.Entry) bool { return e.Key == key && e.Seq == 2 }
	batch := []chat.Entry{
		message(key, 1, "a"), message(key, 2, "b"), message(key, 3, "c"), message(key2, 1, "d"), message(key2, 2, "e"),
	}
	for _, c := range []struct {
		kind        memstore.Kind
		now, after  []chat.CMID // of key, before and after Release
		lookupFails bool
	}{
		{memstore.Fail, []chat.CMID{"a"}, []chat.CMID{"a"}, true},
		{memstore.FailApplied, []chat.CMID{"a", "b", "c"}, []chat.CMID{"a", "b", "c"}, false},
		{memstore.Invisible, []chat.CMID{"a"}, []chat.CMID{"a", "b", "c"}, true},
		{memstore.Late, []chat.CMID{"a"}, []chat.CMID{"a", "b", "c"}, true},
	} {
		h := start(t, memstore.Options{})
		in := h.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: c.kind, Entry: second})
		h.outcomes([]chat.Entry{message(key2, 1, "d")}, store.Stored) // not hit
		h.outcomes(batch, store.Stored, store.Unknown, store.Unknown, store.Duplicate, store.NotTried)
		h.log(key, c.now...)
		h.log(key2, "d")
		if c.lookupFails {
			h.missing("b")
		}
		in.Release()
		h.log(key, c.after...)
		if in.Hits() != 1 {
			t.Errorf("kind %d: %d hits, want 1", c.kind, in.Hits())
		}
	}
}

// TestAppendCutShort is a connection that dies in the middle of an ordered insert.
func TestAppendCutShort(t *testing.T) {
	h := start(t, memstore.Options{})
	h.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Fail, Times: 1, Entry: func(e *chat.Entry) bool { return e.Seq == 2 }})
	h.Inject(once(memstore.OpAppend, memstore.FailApplied))
	h.outcomes([]chat.Entry{message(key, 1, "a"), message(key, 2, "b"), message(key, 3, "c")},
		store.Unknown, store.Unknown, store.Unknown)
	h.log(key, "a")
}

func TestAppendAtomic(t *testing.T) {
	e := message(key, 1, "a")
	b := store.Batch{Entries: []chat.Entry{e}, Journal: store.JournalID{Pod: "p", Number: 1}}
	for _, c := range []struct {
		kind          memstore.Kind
		before, after chat.Seq
	}{
		{memstore.Pass, 1, 1}, {memstore.Fail, 0, 0}, {memstore.FailApplied, 1, 1}, {memstore.Invisible, 0, 1}, {memstore.Late, 0, 1},
	} {
		h := start(t, memstore.Options{Atomic: true})
		in := h.Inject(once(memstore.OpAppend, c.kind))
		if a := h.Append(t.Context(), b); !a.Finished {
			t.Errorf("kind %d: not finished", c.kind)
		}
		h.last(c.before)
		in.Release()
		h.last(c.after)
		docs, err := h.ReadJournal(t.Context(), "p", 0, 10)
		if err != nil || len(docs) != int(c.after) {
			t.Errorf("kind %d: journal %v, error %v; want %d documents", c.kind, docs, err, c.after)
		}
	}
}

func TestRulesOfThePort(t *testing.T) {
	panics := func(what string, call func()) {
		t.Helper()
		defer func() {
			if r, _ := recover().(string); !strings.Contains(r, what) {
				t.Errorf("panic %q, want one with %q", r, what)
			}
		}()
		call()
	}
	h := start(t, memstore.Options{})
	panics("hole", func() { h.append(message(key, 2, "a")) })
	panics("follow on", func() { h.append(message(key, 1, "a"), message(key, 3, "b")) })
	panics("not stored", func() { _ = h.Finish(t.Context(), store.Batch{Entries: []chat.Entry{message(key, 1, "a")}}) })

	h.Inject(once(memstore.OpAppend, memstore.Invisible))
	h.outcomes([]chat.Entry{message(key, 1, "a")}, store.Unknown)
	panics("hole", func() { h.append(message(key, 2, "b")) })
	panics("not stored", func() { _ = h.Finish(t.Context(), store.Batch{Entries: []chat.Entry{message(key, 1, "a")}}) })
	h.log(key)
}

func TestBlock(t *testing.T) {
	for _, c := range []struct {
		name   string
		kind   memstore.Kind
		let    func(in *memstore.Injection, cancel func())
		want   store.Outcome
		cause  error
		stored bool
	}{
		{"released", memstore.Block, func(in *memstore.Injection, _ func()) { in.Release() }, store.Stored, nil, true},
		{"rolled back", memstore.Block, func(in *memstore.Injection, _ func()) { in.RollBack() }, store.Unknown, memstore.ErrInjected, false},
		{"given up", memstore.Block, func(_ *memstore.Injection, cancel func()) { cancel() }, store.Unknown, context.Canceled, false},
		{"applied, released", memstore.BlockApplied, func(in *memstore.Injection, _ func()) { in.Release() }, store.Stored, nil, true},
		{"applied, rolled back", memstore.BlockApplied, func(in *memstore.Injection, _ func()) { in.RollBack() }, store.Unknown, memstore.ErrInjected, true},
		{"applied, given up", memstore.BlockApplied, func(_ *memstore.Injection, cancel func()) { cancel() }, store.Unknown, context.Canceled, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := start(t, memstore.Options{})
			in := h.Inject(once(memstore.OpAppend, c.kind))
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			done := make(chan store.Appended, 1)
			go func() { done <- h.Append(ctx, store.Batch{Entries: []chat.Entry{message(key, 1, "a")}}) }()
			h.wait(in, 1)
			applied := c.kind == memstore.BlockApplied
			if applied {
				h.log(key, "a")
			} else {
				h.log(key)
			}
			c.let(in, cancel)
			if a := <-done; a.Outcomes[0] != c.want || !errors.Is(a.Err, c.cause) {
				t.Errorf("append: %+v, want outcome %d and %v", a, c.want, c.cause)
			}
			in.Release() // whoever has given up is not waited for
			if c.stored {
				h.log(key, "a")
			} else {
				h.log(key)
			}
		})
	}
}

// TestBlockThenFault: a call suffers what comes after its wait, too.
func TestBlockThenFault(t *testing.T) {
	h := start(t, memstore.Options{})
	block, lost := h.Inject(once(memstore.OpAppend, memstore.Block)), h.Inject(once(memstore.OpAppend, memstore.FailApplied))
	done := make(chan store.Appended, 1)
	go func() { done <- h.append(message(key, 1, "a")) }()
	h.wait(block, 1)
	if lost.Hits() != 0 {
		t.Error("the second fault did not wait for the first")
	}
	block.Release()
	if a := <-done; a.Outcomes[0] != store.Unknown {
		t.Errorf("append: %+v, want Unknown", a)
	}
	h.log(key, "a")
}
