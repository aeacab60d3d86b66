package mongotest_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// patience is the longest that a test waits for another process.
const patience = time.Minute

// embedded starts a server that a proxy may stand before.
func embedded(t *testing.T) *mongotest.Server {
	t.Helper()
	s, err := mongotest.OpenEmbedded(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func group(name string) chat.Key {
	return chat.Key{NS: chat.DefaultNS, Conv: chat.GroupID(chat.DefaultNS, "alice", chat.CMID(name))}
}

func entry(key chat.Key, seq chat.Seq, kind chat.Kind) chat.Entry {
	return chat.Entry{
		Key: key, Seq: seq, Kind: kind, From: "alice", CMID: chat.CMID(fmt.Sprintf("c%d", seq)),
		Time: time.UnixMilli(1_700_000_000_000 + int64(seq)).UTC(), Count: int64(seq), MV: 1, Members: 2,
	}
}

func message(key chat.Key, seq chat.Seq) chat.Entry {
	e := entry(key, seq, chat.KindMessage)
	e.Body = fmt.Appendf(nil, `{"text":"text %d"}`, seq)
	return e
}

// mixed is a batch of one conversation with two entries and two with one, so
// that Append needs both kinds of insert.
func mixed() store.Batch {
	a, b, c := group("a"), group("b"), group("c")
	return store.Batch{Entries: []chat.Entry{message(a, 1), message(a, 2), message(b, 1), message(c, 1)}}
}

// read is the log of all conversations of a batch.
func read(t *testing.T, s store.Store, b store.Batch) []chat.Entry {
	t.Helper()
	var all []chat.Entry
	var last chat.Key
	for _, e := range b.Entries {
		if e.Key == last {
			continue
		}
		last = e.Key
		es, err := s.Entries(t.Context(), e.Key, store.Range{Limit: 100})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, es...)
	}
	return all
}

func expect(t *testing.T, a store.Appended, want ...store.Outcome) {
	t.Helper()
	if !slices.Equal(a.Outcomes, want) {
		t.Fatalf("outcomes %v, error %v; want %v", a.Outcomes, a.Err, want)
	}
	if unknown := slices.Contains(want, store.Unknown); unknown != (a.Err != nil) {
		t.Fatalf("error %v; want one: %v", a.Err, unknown)
	}
}

// TestAppendFaults: an append whose outcome the server did not tell is Unknown
// as a whole, and its repetition tells the truth.
func TestAppendFaults(t *testing.T) {
	const (
		s, d, n, u = store.Stored, store.Duplicate, store.NotTried, store.Unknown
	)
	server := embedded(t)
	for _, c := range []struct {
		name    string
		fault   wireproxy.Fault
		applied bool
	}{
		{"lost reply", wireproxy.Fault{Apply: true, Cut: true}, true},
		{"cut before", wireproxy.Fault{Cut: true}, false},
		{"no primary", wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary}, false},
		{"stepped down", wireproxy.Fault{Code: wireproxy.CodePrimarySteppedDown}, false},
		{"stepped down after", wireproxy.Fault{Apply: true, Code: wireproxy.CodePrimarySteppedDown}, true},
		{"no majority", wireproxy.Fault{Apply: true, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			proxy, uri := server.Proxy(t, wireproxy.Options{})
			st := open(t, server, uri)
			b := mixed()
			// Both inserts arrive before either is answered: the driver ends its other
			// connections after some of these answers, and would not send the second.
			hold := make(chan struct{})
			c.fault.Command, c.fault.Collection, c.fault.Times, c.fault.Hold = "insert", "messages", 2, hold
			hit := proxy.Inject(c.fault)
			first := make(chan store.Appended, 1)
			go func() { first <- st.Append(t.Context(), b) }()
			for range 2 {
				await(t, hit, "an insert at the proxy")
			}
			close(hold)
			expect(t, <-first, u, u, u, u)

			again := st.Append(t.Context(), b)
			if c.applied {
				expect(t, again, d, n, d, d)
			} else {
				expect(t, again, s, s, s, s)
			}
			if got := read(t, st, b); !reflect.DeepEqual(got, b.Entries) {
				t.Errorf("log %+v\nwant %+v", got, b.Entries)
			}
		})
	}
}

// TestAppendPartly: what befalls one conversation leaves the others alone, in
// the insert that they share too.
func TestAppendPartly(t *testing.T) {
	server := embedded(t)
	proxy, uri := server.Proxy(t, wireproxy.Options{})
	st := open(t, server, uri)
	taken := message(group("b"), 2)
	taken.CMID = "other"
	expect(t, st.Append(t.Context(), store.Batch{Entries: []chat.Entry{taken}}), store.Stored)
	var b store.Batch
	for _, name := range []string{"a", "b", "c"} {
		b.Entries = append(b.Entries, message(group(name), 1), message(group(name), 2))
	}
	// The first insert ends in b; the second is for c alone.
	proxy.Inject(wireproxy.Fault{Command: "insert", Collection: "messages", Skip: 1, Apply: true, Cut: true})
	expect(t, st.Append(t.Context(), b),
		store.Stored, store.Stored, store.Stored, store.Duplicate, store.Unknown, store.Unknown)
}

// TestAppendGivenUp: a caller that does not wait learns nothing, and the entries
// appear later.
func TestAppendGivenUp(t *testing.T) {
	server := embedded(t)
	proxy, uri := server.Proxy(t, wireproxy.Options{})
	st := open(t, server, uri)
	b := store.Batch{Entries: []chat.Entry{message(group("a"), 1)}}
	hold := make(chan struct{})
	defer close(hold)
	hit := proxy.Inject(wireproxy.Fault{Command: "insert", Collection: "messages", Apply: true, Hold: hold})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan store.Appended, 1)
	go func() { done <- st.Append(ctx, b) }()
	<-hit
	cancel()
	a := <-done
	expect(t, a, store.Unknown)
	if !errors.Is(a.Err, context.Canceled) {
		t.Errorf("error %v", a.Err)
	}
	proxy.Cut()
	for deadline := time.Now().Add(patience); len(read(t, st, b)) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the entry never appeared")
		}
	}
}

// effects is a batch whose Finish takes every kind of write.
func effects(st store.Store, t *testing.T) store.Batch {
	t.Helper()
	key := group("effects")
	c := chat.Conversation{Key: key, Kind: chat.Group, History: chat.HistoryJoined, Floor: 1}
	alice := chat.Member{Key: key, User: "alice", Role: chat.RoleOwner}
	if err := st.Create(t.Context(), c, []chat.Member{alice}); err != nil {
		t.Fatal(err)
	}
	created := entry(key, 1, chat.KindMembers)
	created.Change, created.Title = chat.ChangeCreated, "title"
	created.Users = []chat.UserRole{{User: "alice", Role: chat.RoleOwner}, {User: "bob", Role: chat.RoleMember}}
	created.Concerns = []chat.User{"alice", "bob"}
	edit := message(key, 3)
	edit.Kind, edit.Target = chat.KindEdited, 2
	reaction := entry(key, 4, chat.KindReacted)
	reaction.Target, reaction.Emoji, reaction.On = 2, "👍", true
	recall := entry(key, 5, chat.KindRecalled)
	recall.Target = 2
	b := store.Batch{
		Entries: []chat.Entry{created, message(key, 2), edit, reaction, recall},
		Journal: store.JournalID{Pod: "p", Number: 1, Epoch: "e"},
	}
	expect(t, st.Append(t.Context(), b), slices.Repeat([]store.Outcome{store.Stored}, len(b.Entries))...)
	return b
}

// state is everything that Finish writes.
type state struct {
	Log     []chat.Entry
	Conv    []chat.Conversation
	Members []chat.Member
	Folds   map[chat.Seq]store.Fold
	Journal []store.JournalDoc
}

func stateOf(t *testing.T, st store.Store) state {
	t.Helper()
	key := group("effects")
	var s state
	var errs [5]error
	s.Log, errs[0] = st.Entries(t.Context(), key, store.Range{Limit: 100})
	s.Conv, errs[1] = st.ConversationsByKey(t.Context(), []chat.Key{key})
	s.Members, errs[2] = st.Members(t.Context(), key, "", 100)
	s.Folds, errs[3] = st.Folds(t.Context(), key, []chat.Seq{1, 2, 3, 4, 5})
	s.Journal, errs[4] = st.ReadJournal(t.Context(), "p", 0, 100)
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	for i := range s.Journal {
		s.Journal[i].Time = time.Time{}
	}
	return s
}

// TestFinishFaults breaks Finish at each command that it sends, before and after
// the server has done it: a repetition leaves what one undisturbed Finish leaves,
// and there is no journal until all the rest is there.
func TestFinishFaults(t *testing.T) {
	server := embedded(t)
	clean := open(t, server, server.URI)
	if err := clean.Finish(t.Context(), effects(clean, t)); err != nil {
		t.Fatal(err)
	}
	want := stateOf(t, clean)
	if len(want.Journal) != 1 || len(want.Members) != 2 || want.Folds[2].Recalled == nil || len(want.Folds[2].Reactions) != 1 {
		t.Fatalf("an undisturbed Finish left %+v", want)
	}
	for _, step := range []struct{ command, collection string }{
		{"insert", "members"}, {"update", "members"}, {"insert", "edits"}, {"update", "messages"}, {"update", "reactions"},
		{"update", "conversations"}, {"insert", "journal"},
	} {
		for _, apply := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s %s/%v", step.command, step.collection, apply), func(t *testing.T) {
				t.Parallel()
				proxy, uri := server.Proxy(t, wireproxy.Options{})
				st := open(t, server, uri)
				b := effects(st, t)
				hit := proxy.Inject(wireproxy.Fault{
					Command: step.command, Collection: step.collection, Apply: apply, Cut: true,
				})
				if err := st.Finish(t.Context(), b); err == nil {
					t.Fatal("no error")
				}
				<-hit
				if docs := stateOf(t, st).Journal; len(docs) > 0 && !(apply && step.collection == "journal") {
					t.Error("the journal was written before the rest")
				}
				if err := st.Finish(t.Context(), b); err != nil {
					t.Fatal(err)
				}
				if got := stateOf(t, st); !reflect.DeepEqual(got, want) {
					t.Errorf("state %+v\nwant %+v", got, want)
				}
			})
		}
	}
}
