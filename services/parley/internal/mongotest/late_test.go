package mongotest_test

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// late injects a fault whose command the client is told has failed, and that is
// applied when the returned function says so; it waits for the server's answer,
// and returns how many documents that has stored.
func late(t *testing.T, proxy *wireproxy.Proxy, f wireproxy.Fault) (apply func() int64) {
	t.Helper()
	now, applied := make(chan struct{}), make(chan int64, 1)
	f.Late = now
	f.Applied = func(answer bson.Raw) {
		n, ok := answer.Lookup("n").AsInt64OK()
		if !ok {
			n = -1
		}
		applied <- n
	}
	proxy.Inject(f)
	return func() int64 {
		close(now)
		select {
		case n := <-applied:
			return n
		case <-time.After(patience):
			t.Fatal("the late command was not applied")
			return 0
		}
	}
}

// TestAppendLate: an append that is applied after its client was told of an error
// is Unknown. What was appended again meanwhile it meets in the indexes; where
// nothing was, it has happened after all.
func TestAppendLate(t *testing.T) {
	const s, d, n, u = store.Stored, store.Duplicate, store.NotTried, store.Unknown
	server := embedded(t)
	for _, c := range []struct {
		name  string
		fault wireproxy.Fault
	}{
		{"lost connection", wireproxy.Fault{Cut: true}},
		{"no primary", wireproxy.Fault{Code: wireproxy.CodeNotWritablePrimary}},
		{"stepped down", wireproxy.Fault{Code: wireproxy.CodePrimarySteppedDown}},
	} {
		for _, first := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/before the repetition %v", c.name, first), func(t *testing.T) {
				t.Parallel()
				proxy, uri := server.Proxy(t, wireproxy.Options{})
				st := open(t, server, uri)
				b := store.Batch{Entries: []chat.Entry{message(group("a"), 1), message(group("a"), 2)}}
				fault := c.fault
				fault.Command, fault.Collection = "insert", "messages"
				apply := late(t, proxy, fault)
				expect(t, st.Append(t.Context(), b), u, u)
				if got := read(t, st, b); len(got) > 0 {
					t.Fatalf("applied early: %+v", got)
				}
				if first {
					if stored := apply(); stored != 2 {
						t.Fatalf("the late append stored %d", stored)
					}
					expect(t, st.Append(t.Context(), b), d, n)
				} else {
					expect(t, st.Append(t.Context(), b), s, s)
					if stored := apply(); stored != 0 {
						t.Fatalf("the late append stored %d", stored)
					}
				}
				if got := read(t, st, b); !reflect.DeepEqual(got, b.Entries) {
					t.Errorf("log %+v\nwant %+v", got, b.Entries)
				}
			})
		}
	}
}

// TestFinishLate applies each command of a Finish after the Finish was repeated: it
// changes nothing any more.
func TestFinishLate(t *testing.T) {
	server := embedded(t)
	clean := open(t, server, server.URI)
	if err := clean.Finish(t.Context(), effects(clean, t)); err != nil {
		t.Fatal(err)
	}
	want := stateOf(t, clean)
	for _, step := range []struct{ command, collection string }{
		{"insert", "members"}, {"update", "members"}, {"insert", "edits"}, {"update", "messages"}, {"update", "reactions"},
		{"update", "conversations"}, {"insert", "journal"},
	} {
		t.Run(step.command+" "+step.collection, func(t *testing.T) {
			t.Parallel()
			proxy, uri := server.Proxy(t, wireproxy.Options{})
			st := open(t, server, uri)
			b := effects(st, t)
			apply := late(t, proxy, wireproxy.Fault{Command: step.command, Collection: step.collection, Cut: true})
			if err := st.Finish(t.Context(), b); err == nil {
				t.Fatal("no error")
			}
			if err := st.Finish(t.Context(), b); err != nil {
				t.Fatal(err)
			}
			apply()
			if got := stateOf(t, st); !reflect.DeepEqual(got, want) {
				t.Errorf("state %+v\nwant %+v", got, want)
			}
		})
	}
}

// TestInvisible: an entry that no majority has yet is in the indexes and in no
// read, as long as it takes.
func TestInvisible(t *testing.T) {
	const s, d, u = store.Stored, store.Duplicate, store.Unknown
	server := embedded(t)
	proxy, uri := server.Proxy(t, wireproxy.Options{})
	st := open(t, server, uri)
	key := group("a")
	b := store.Batch{Entries: []chat.Entry{message(key, 1)}}
	rival := message(key, 1)
	rival.CMID = "other"
	seen := make(chan struct{})
	proxy.Inject(wireproxy.Fault{
		Command: "insert", Collection: "messages", Apply: true, Hide: seen, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout,
	})
	expect(t, st.Append(t.Context(), b), u)
	for range 2 {
		expect(t, st.Append(t.Context(), store.Batch{Entries: []chat.Entry{rival}}), d)
		if got := read(t, st, b); len(got) > 0 {
			t.Fatalf("a majority read shows %+v", got)
		}
		if _, err := st.Lookup(t.Context(), key, "alice", "c1"); !errors.Is(err, store.ErrNotFound) {
			t.Fatalf("looked up: %v", err)
		}
	}
	if err := st.Finish(t.Context(), b); err == nil {
		t.Fatal("a majority confirms what comes behind")
	}
	close(seen)
	expect(t, st.Append(t.Context(), b), d)
	if got := read(t, st, b); !reflect.DeepEqual(got, b.Entries) {
		t.Errorf("log %+v\nwant %+v", got, b.Entries)
	}
	expect(t, st.Append(t.Context(), store.Batch{Entries: []chat.Entry{message(key, 2)}}), s)
}
