package mongotest_test

import (
	"context"
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// Faults of the insert that is an entry.
var (
	inserts = wireproxy.Fault{Command: "insert", Collection: "messages"}
	refusal = wireproxy.Fault{Command: "insert", Collection: "messages", Code: wireproxy.CodeNotWritablePrimary, Times: 10_000}
)

// TestEntryAppliedLate: a gateway whose append has failed, and is applied later:
// before the gateway could append again, after it did, after another writer did, and
// after the sender was told that there is no answer.
func TestEntryAppliedLate(t *testing.T) {
	server, nats := embedded(t), natstest.Start(t)
	cut, refused := inserts, inserts
	cut.Cut, refused.Code = true, wireproxy.CodePrimarySteppedDown
	// setup gives alice a gateway behind a proxy, and bob another one.
	setup := func(t *testing.T) (d *deployment, proxy *wireproxy.Proxy, g *gateway.Gateway, alice, bob *person, other string) {
		t.Parallel()
		d = deploy(t, server, nats)
		proxy, uri := server.Proxy(t, wireproxy.Options{})
		g, one := d.gateway(uri)
		_, other = d.gateway(server.URI)
		alice, bob = d.connect(one, "alice", "phone"), d.connect(other, "bob", "phone")
		d.send(alice, "bob", "m1", 1)
		return d, proxy, g, alice, bob, other
	}
	t.Run("after the repetition", func(t *testing.T) {
		d, proxy, _, alice, bob, other := setup(t)
		apply := late(t, proxy, cut)
		d.send(alice, "bob", "m2", 2)
		if n := apply(); n != 0 {
			t.Fatalf("the late append stored %d", n)
		}
		d.repeat(d.connect(other, "alice", "laptop"), "bob", "m2", 2)
		d.send(alice, "bob", "m3", 3)
		d.audit([]*person{alice, bob}, "m1", "m2", "m3")
	})
	t.Run("before the repetition", func(t *testing.T) {
		d, proxy, _, alice, bob, other := setup(t)
		apply := late(t, proxy, refused)
		tries := proxy.Inject(refusal)
		sent := d.start(alice, "bob", "m2")
		for range 3 {
			await(t, tries, "repetition")
		}
		d.noAck(sent)
		if n := apply(); n != 1 {
			t.Fatalf("the late append stored %d", n)
		}
		d.acked(alice, sent, 2, false)
		proxy.Heal()
		d.repeat(d.connect(other, "alice", "laptop"), "bob", "m2", 2)
		d.send(bob, "alice", "m3", 3)
		d.audit([]*person{alice, bob}, "m1", "m2", "m3")
	})
	t.Run("after another writer", func(t *testing.T) {
		d, proxy, _, alice, bob, _ := setup(t)
		apply := late(t, proxy, cut)
		tries := proxy.Inject(refusal)
		sent := d.start(alice, "bob", "m2")
		await(t, tries, "repetition")
		d.send(bob, "alice", "r1", 2)
		d.noAck(sent)
		if n := apply(); n != 0 {
			t.Fatalf("the late append stored %d", n)
		}
		proxy.Heal()
		d.acked(alice, sent, 3, false)
		d.audit([]*person{alice, bob}, "m1", "r1", "m2")
	})
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("after the sender was told, before its repetition %v", first), func(t *testing.T) {
			d, proxy, g, alice, bob, other := setup(t)
			apply := late(t, proxy, cut)
			tries := proxy.Inject(refusal)
			d.start(alice, "bob", "m2")
			await(t, tries, "repetition")
			ctx, cancel := context.WithCancel(t.Context())
			cancel() // the gateway answers all waiters at once
			g.Drain(ctx)
			if code := await(t, alice.refused, "answer"); code != chat.CodeUnavailable {
				t.Fatalf("told %s", code)
			}
			back := d.connect(other, "alice", "laptop")
			if first {
				if n := apply(); n != 1 {
					t.Fatalf("the late append stored %d", n)
				}
				d.repeat(back, "bob", "m2", 2)
			} else {
				d.send(back, "bob", "m2", 2)
				if n := apply(); n != 0 {
					t.Fatalf("the late append stored %d", n)
				}
				d.repeat(d.connect(other, "alice", "tablet"), "bob", "m2", 2)
			}
			d.send(back, "bob", "m3", 3)
			d.audit([]*person{back, bob}, "m1", "m2", "m3")
		})
	}
}

// TestEffectsAppliedLate: what a gateway writes beside an entry comes after later
// writes of the same kind, and takes nothing back.
func TestEffectsAppliedLate(t *testing.T) {
	server, nats := embedded(t), natstest.Start(t)
	for _, f := range []wireproxy.Fault{
		{Command: "update", Collection: "conversations", Cut: true},
		{Command: "insert", Collection: "journal", Cut: true},
		{Command: "update", Collection: "members", Cut: true},
	} {
		t.Run(f.Command+" "+f.Collection, func(t *testing.T) {
			t.Parallel()
			d := deploy(t, server, nats)
			proxy, uri := server.Proxy(t, wireproxy.Options{})
			_, url := d.gateway(uri)
			alice, bob := d.connect(url, "alice", "phone"), d.connect(url, "bob", "phone")
			delivered := func(seq chat.Seq) func() bool {
				return func() bool {
					m, err := d.truth.MembersByUser(t.Context(), aliceBob, []chat.User{"bob"})
					if err != nil {
						t.Fatal(err)
					}
					return len(m) == 1 && m[0].Recv["phone"] == seq
				}
			}
			d.send(alice, "bob", "m1", 1)
			until(t, "first delivery", delivered(1))
			apply := late(t, proxy, f)
			for seq := chat.Seq(2); seq <= 4; seq++ {
				d.send(alice, "bob", fmt.Sprint("m", seq), seq)
			}
			until(t, "delivery", delivered(4))
			if n := apply(); n < 0 {
				t.Fatal("the late write was refused")
			}
			if !delivered(4)() {
				t.Error("the late write took a delivery back")
			}
			convs, err := d.truth.ConversationsByKey(t.Context(), []chat.Key{aliceBob})
			if err != nil || len(convs) != 1 || convs[0].Last.Seq != 4 || convs[0].Preview.Text != "m4" {
				t.Errorf("%+v, %v", convs, err)
			}
			d.audit([]*person{alice, bob}, "m1", "m2", "m3", "m4")
		})
	}
}

// TestEntryInvisible: an entry that is in the indexes, and in no majority read for
// a while. Nobody gets an ack meanwhile, neither its sender nor who wants the place.
// Then it is seen, or it is rolled back.
func TestEntryInvisible(t *testing.T) {
	server, nats := embedded(t), natstest.Start(t)
	for _, rolledBack := range []bool{false, true} {
		t.Run(fmt.Sprintf("rolled back %v", rolledBack), func(t *testing.T) {
			t.Parallel()
			d := deploy(t, server, nats)
			tries := make(chan struct{}, 10_000)
			proxy, uri := server.Proxy(t, wireproxy.Options{Observe: func(command bson.Raw) {
				if coll, _ := command.Lookup("insert").StringValueOK(); coll == "messages" {
					tries <- struct{}{}
				}
			}})
			_, one := d.gateway(uri)
			_, other := d.gateway(uri)
			alice, bob := d.connect(one, "alice", "phone"), d.connect(other, "bob", "phone")
			d.send(alice, "bob", "m1", 1)
			await(t, tries, "first append")
			seen := make(chan struct{})
			hit := proxy.Inject(wireproxy.Fault{
				Command: "insert", Collection: "messages", Apply: true, Hide: seen, WriteConcern: true, Code: wireproxy.CodeWriteConcernTimeout,
			})
			first := d.start(alice, "bob", "m2")
			await(t, hit, "append of m2")
			second := d.start(bob, "alice", "r1")
			for range 6 { // of both
				await(t, tries, "repetition")
			}
			d.noAck(first)
			d.noAck(second)
			if rolledBack {
				d.remove("m2")
			}
			close(seen)
			if !rolledBack {
				d.acked(alice, first, 2, false)
				d.acked(bob, second, 3, false)
				d.audit([]*person{alice, bob}, "m1", "m2", "r1")
				return
			}
			a, errA := first.Wait(t.Context())
			b, errB := second.Wait(t.Context())
			switch {
			case errA == nil && errB == nil && a.Seq == 2 && b.Seq == 3:
				d.audit([]*person{alice, bob}, "m1", "m2", "r1")
			case errA == nil && errB == nil && a.Seq == 3 && b.Seq == 2:
				d.audit([]*person{alice, bob}, "m1", "r1", "m2")
			default:
				t.Fatalf("%+v, %v; %+v, %v", a, errA, b, errB)
			}
		})
	}
}

// remove takes an entry out of the log, as a rollback does.
func (d *deployment) remove(cmid string) {
	d.t.Helper()
	c, err := mongo.Connect(options.Client().ApplyURI(d.server.URI))
	if err != nil {
		d.t.Fatal(err)
	}
	defer func() {
		if err := c.Disconnect(context.Background()); err != nil {
			d.t.Error(err)
		}
	}()
	res, err := c.Database(d.db).Collection("messages").DeleteMany(d.t.Context(), bson.D{{Key: "k", Value: cmid}})
	if err != nil || res.DeletedCount != 1 {
		d.t.Fatalf("removed %+v, %v", res, err)
	}
}
