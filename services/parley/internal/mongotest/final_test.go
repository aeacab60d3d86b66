package mongotest_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// TestLinearizableLookup: it sees what majority reads do not show yet, says how long the
// server may wait, and asks a standalone server in the way that such a one takes.
func TestLinearizableLookup(t *testing.T) {
	server := embedded(t)
	asked := make(chan bson.Raw, 100)
	proxy, uri := server.Proxy(t, wireproxy.Options{Observe: func(command bson.Raw) {
		if level, _ := command.Lookup("readConcern", "level").StringValueOK(); level == "linearizable" {
			asked <- append(bson.Raw(nil), command...)
		}
	}})
	st := open(t, server, uri)
	e := message(group("a"), 1)
	look := func(ctx context.Context) (chat.Entry, error) {
		return st.LookupLinearizable(ctx, e.Key, e.From, e.CMID)
	}
	if _, err := look(t.Context()); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("of nothing: %v", err)
	}
	command := await(t, asked, "linearizable read")
	if ms, ok := command.Lookup("maxTimeMS").AsInt64OK(); !ok || ms <= 0 {
		t.Errorf("no time limit: %v", command)
	}

	seen := make(chan struct{})
	proxy.Inject(wireproxy.Fault{
		Command: "insert", Collection: "messages", Apply: true, Hide: seen, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout,
	})
	expect(t, st.Append(t.Context(), store.Batch{Entries: []chat.Entry{e}}), store.Unknown)
	if _, err := st.Lookup(t.Context(), e.Key, e.From, e.CMID); !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("a majority read of what is hidden: %v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := look(short); err == nil || errors.Is(err, store.ErrNotFound) {
		t.Errorf("while no majority has it: %v", err)
	}
	close(seen)
	if got, err := look(t.Context()); err != nil || got.Seq != e.Seq {
		t.Errorf("%+v, %v", got, err)
	}
	const notAReplicaSet = 123
	hit := proxy.Inject(wireproxy.Fault{Command: "find", Collection: "messages", Code: notAReplicaSet})
	if got, err := look(t.Context()); err != nil || got.Seq != e.Seq {
		t.Errorf("of a standalone server: %+v, %v", got, err)
	}
	await(t, hit, "refusal")
}

// TestRefusalWhileInvisible: a sender whose message waits for its majority is blocked, and
// repeats the message at another gateway. Nothing final is said before it is clear what
// becomes of it.
func TestRefusalWhileInvisible(t *testing.T) {
	server, nats := embedded(t), natstest.Start(t)
	for _, rolledBack := range []bool{false, true} {
		t.Run(fmt.Sprintf("rolled back %v", rolledBack), func(t *testing.T) {
			t.Parallel()
			d := deploy(t, server, nats)
			looks := make(chan struct{}, 10_000)
			proxy, uri := server.Proxy(t, wireproxy.Options{Observe: func(command bson.Raw) {
				if level, _ := command.Lookup("readConcern", "level").StringValueOK(); level == "linearizable" {
					looks <- struct{}{}
				}
			}})
			g, one := d.gateway(uri)
			_, other := d.gateway(uri)
			alice, back := d.connect(one, "alice", "phone"), d.connect(other, "alice", "laptop")
			d.send(alice, "bob", "m1", 1)
			seen := make(chan struct{})
			hit := proxy.Inject(wireproxy.Fault{
				Command: "insert", Collection: "messages", Apply: true, Hide: seen, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout,
			})
			d.start(alice, "bob", "m2")
			await(t, hit, "append of m2")
			until(t, "m2 in the indexes", func() bool {
				_, err := d.truth.Lookup(t.Context(), aliceBob, "alice", "m2")
				return err == nil
			})
			if _, err := d.truth.PutBlock(t.Context(), chat.DefaultNS, chat.Block{User: "bob", Peer: "alice", Version: 1, On: true}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			g.Drain(ctx) // answers at once, and tries no more
			again := d.start(back, "bob", "m2")
			await(t, looks, "look for an earlier try")
			d.noAck(again)
			if rolledBack {
				d.remove("m2")
			}
			close(seen)
			if !rolledBack {
				d.acked(back, again, 2, true)
				return
			}
			for code := chat.CodeUnavailable; code != chat.CodeForbidden; { // the client repeats it
				if code = await(t, back.refused, "refusal"); code != chat.CodeUnavailable && code != chat.CodeForbidden {
					t.Fatalf("told %s", code)
				}
			}
			if log, err := d.truth.Entries(t.Context(), aliceBob, store.Range{Limit: 100}); err != nil || len(log) != 1 {
				t.Errorf("%+v, %v", log, err)
			}
		})
	}
}
