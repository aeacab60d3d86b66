package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// signalCluster is a cluster that does not linger long. Whether a user is offline it waits
// for longer than a machine stands still: nobody who is there counts as offline before.
func signalCluster(t *testing.T, n int) *cluster {
	return newCluster(t, n, func(o *Options) {
		o.presence.Linger, o.presence.Batch, o.presence.Beat = 100*time.Millisecond, 20*time.Millisecond, 100*time.Millisecond
		o.presence.Answer = 8 * time.Second
	})
}

func (k *conn) presence(user string, online bool) *wire.Presence {
	k.t.Helper()
	f := expect[*wire.Presence](k)
	if string(f.User) != user || f.Online != online {
		k.t.Fatalf("got %+v, want %s %v", f, user, online)
	}
	return f
}

func TestPresenceOverPods(t *testing.T) {
	c := signalCluster(t, 3)
	bob, _ := c.login(1, "bob", "")
	alice, _ := c.login(0, "alice", "")
	alice.send(`{"type":"watch","users":["bob"]}`)
	alice.presence("bob", true)
	alice.send(`{"type":"watch","users":["carol"]}`)
	if f := alice.presence("carol", false); !f.LastSeen.IsZero() {
		t.Errorf("never seen, and last seen at %v", f.LastSeen)
	}
	carol, _ := c.login(2, "carol", "")
	alice.presence("carol", true)
	_ = bob.ws.CloseNow()
	if f := alice.presence("bob", false); f.LastSeen.IsZero() || time.Since(f.LastSeen.Time) > time.Minute {
		t.Errorf("%+v", f)
	}
	alice.send(`{"type":"unwatch","users":["bob"]}`)
	bob, _ = c.login(1, "bob", "")
	bob.send(`{"type":"watch","users":["alice","bob"]}`)
	for range 2 {
		if f := expect[*wire.Presence](bob); !f.Online {
			t.Errorf("%+v", f)
		}
	}
	_ = carol.ws.CloseNow()
	alice.presence("carol", false) // and nothing of bob
	if o := c.gates[0].Online(); o.Users != 1 || o.Pods != 3 || o.Watched != 1 {
		t.Errorf("%+v", o)
	}
	alice.send(`{"type":"watch","ref":"w","users":["%s"]}`, strings.Join(make([]string, 3), `","`))
	if e, ok := alice.next().(*wire.Error); !ok || e.Ref != "w" || e.Code != chat.CodeBadRequest {
		t.Errorf("%+v", e)
	}
	many := make([]string, 256)
	for i := range many {
		many[i] = fmt.Sprint("u", i)
	}
	alice.send(`{"type":"watch","ref":"m","users":["%s"]}`, strings.Join(many, `","`))
	if e, ok := alice.next().(*wire.Error); !ok || e.Ref != "m" || e.Code != chat.CodeBadRequest {
		t.Errorf("one more than the list may have: %+v", e)
	}
}

// A pod that stops in good order says so: its users go offline at once, and those
// who go elsewhere never do.
func TestPresenceAtDrain(t *testing.T) {
	c := signalCluster(t, 3)
	bob, _ := c.login(1, "bob", "")
	c.login(1, "carol", "")
	alice, _ := c.login(0, "alice", "")
	alice.send(`{"type":"watch","users":["bob","carol"]}`)
	expect[*wire.Presence](alice)
	expect[*wire.Presence](alice)
	c.login(2, "bob", `{"type":"hello","device":"other"}`)
	c.until(func() bool { return c.gates[0].Online().Cluster == 4 }) // it has heard that bob is on two pods
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c.gates[1].Drain(ctx)
	bob.closed()
	alice.presence("carol", false)
}

func TestTypingOverPods(t *testing.T) {
	c := signalCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	other, _ := c.login(1, "alice", `{"type":"hello","device":"other"}`)
	ack := alice.sendTo("bob", "m1", "hi")
	expect[*wire.Entry](bob)
	expect[*wire.Entry](other)
	mallory, _ := c.login(0, "mallory", "")
	mallory.send(`{"type":"typing","ref":"t","conv":%q,"on":true}`, ack.Conv)
	if e, ok := mallory.next().(*wire.Error); !ok || e.Code != chat.CodeNotFound || e.Ref != "t" {
		t.Errorf("%+v", e)
	}
	alice.send(`{"type":"typing","conv":%q,"on":true}`, ack.Conv)
	if f := expect[*wire.TypingBy](bob); f.Conv != ack.Conv || f.User != "alice" || !f.On {
		t.Errorf("%+v", f)
	}
	alice.send(`{"type":"typing","conv":%q,"on":false}`, ack.Conv)
	if f := expect[*wire.TypingBy](bob); f.On {
		t.Errorf("%+v", f)
	}
	other.send(`{"type":"ping"}`)
	for { // one's own devices are told nothing
		f := other.next()
		if _, ok := f.(*wire.TypingBy); ok {
			t.Errorf("%+v", f)
		}
		if _, ok := f.(*wire.Pong); ok {
			break
		}
	}
}

// Who is blocked sees the blocker as offline, and hears no typing, nor is heard, from
// the moment at which the pods know of it.
func TestSignalsWithBlocks(t *testing.T) {
	c := signalCluster(t, 3)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	carol, _ := c.login(0, "carol", "")
	ack := alice.sendTo("bob", "m1", "hi")
	expect[*wire.Entry](bob)
	alice.send(`{"type":"watch","users":["bob"]}`)
	alice.presence("bob", true)
	if status := c.at(2, "PUT", "/v1/blocks/alice", "bob", "", nil); status != http.StatusOK {
		t.Fatal(status)
	}
	if f := alice.presence("bob", false); !f.LastSeen.IsZero() {
		t.Errorf("%+v", f)
	}
	carol.send(`{"type":"watch","users":["bob"]}`)
	carol.presence("bob", true)
	later, _ := c.login(1, "alice", `{"type":"hello","device":"later"}`)
	later.send(`{"type":"watch","users":["bob"]}`)
	later.presence("bob", false)
	bob.send(`{"type":"watch","users":["alice"]}`) // the blocker sees what is
	bob.presence("alice", true)
	groups := []chat.ConvID{c.group("alice", "bob"), c.group("bob", "alice")}
	for _, k := range []*conn{alice, bob} { // they follow both: typing is for who does
		joined := map[chat.ConvID]bool{}
		for !joined[groups[0]] || !joined[groups[1]] {
			joined[expect[*wire.Entry](k).Conv] = true
		}
	}
	quiet := func(k, typist *conn) {
		t.Helper()
		typist.send(`{"type":"typing","conv":%q,"on":true}`, ack.Conv)
		for _, conv := range groups { // heard one after the other, and so after that
			typist.send(`{"type":"typing","conv":%q,"on":true}`, conv)
			if f := expect[*wire.TypingBy](k); f.Conv != conv {
				t.Fatalf("%+v", f)
			}
		}
	}
	quiet(bob, alice)
	quiet(alice, bob)
	if status := c.at(0, "DELETE", "/v1/blocks/alice", "bob", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	alice.presence("bob", true)
	later.presence("bob", true)
	alice.send(`{"type":"typing","conv":%q,"on":false}`, ack.Conv)
	alice.send(`{"type":"typing","conv":%q,"on":true}`, ack.Conv)
	if f := expect[*wire.TypingBy](bob); f.User != "alice" {
		t.Errorf("%+v", f)
	}
}

// Typing is never stored, and costs the store nothing where the session is in the
// conversation.
func TestTypingCostsNoRead(t *testing.T) {
	c := signalCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(0, "bob", "")
	ack := alice.sendTo("bob", "m1", "hi")
	expect[*wire.Entry](alice)
	expect[*wire.Entry](bob)
	before := c.store.Calls(memstore.OpConversationsByKey) + c.store.Calls(memstore.OpMembersByUser) + c.store.Calls(memstore.OpAppend)
	for range 10 {
		alice.send(`{"type":"typing","conv":%q,"on":true}`, ack.Conv)
	}
	expect[*wire.TypingBy](bob)
	after := c.store.Calls(memstore.OpConversationsByKey) + c.store.Calls(memstore.OpMembersByUser) + c.store.Calls(memstore.OpAppend)
	if after != before {
		t.Errorf("%d calls", after-before)
	}
}

// In a group that is too large for receipts nobody is told.
func TestTypingInALargeGroup(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Limits.ReceiptMembers = 2 })
	small, large := c.group("ann", "bob"), c.group("eve", "bob", "carol")
	bob, _ := c.login(0, "bob", "")
	ann, _ := c.login(0, "ann", "")
	eve, _ := c.login(0, "eve", "")
	eve.send(`{"type":"typing","conv":%q,"on":true}`, large)
	eve.send(`{"type":"ping"}`)
	expect[*wire.Pong](eve)
	ann.send(`{"type":"typing","conv":%q,"on":true}`, small)
	if f := expect[*wire.TypingBy](bob); f.Conv != small {
		t.Errorf("%+v", f)
	}
}
