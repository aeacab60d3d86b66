package gateway

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/repair"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

const allTriggers = repair.Jump | repair.Silence | repair.Sweep

// only leaves one trigger of repair on.
func only(t repair.Trigger) func(*Options) {
	return func(o *Options) {
		o.without = allTriggers &^ t
		o.sweep = 500 * time.Millisecond
	}
}

// eachWay runs a test for every way of routing.
func eachWay(t *testing.T, test func(t *testing.T, way func(*Options))) {
	for _, r := range []Routing{RoutingBroadcast, RoutingUsers} {
		t.Run(string(r), func(t *testing.T) { test(t, func(o *Options) { o.Routing = r }) })
	}
}

// patient has commands wait for a store that a test holds, however long this takes.
func patient(o *Options) { o.deadline = 4 * patience }

// isAnnouncement tells announcements from heartbeats.
func isAnnouncement(topic bus.Topic, data []byte) bool {
	if topic != bus.TopicEntries && topic != bus.TopicUsers {
		return false
	}
	_, list, err := route.ParseEnvelope(data)
	return err == nil && len(list) > 0
}

// waitEntry waits for an entry within a bound that is wider than the contract's
// 2 s only because test machines are slow.
func (k *conn) waitEntry(seq chat.Seq, within time.Duration) bool {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), within)
	defer cancel()
	for {
		_, data, err := k.ws.Read(ctx)
		if err != nil {
			return false
		}
		f, err := wire.DecodeServer(data)
		if err != nil {
			k.t.Fatal(err)
		}
		if e, ok := f.(*wire.Entry); ok && e.Seq == seq {
			return true
		}
	}
}

// The last announcement of a pod is lost, and nothing follows it.
func TestLostLastAnnouncement(t *testing.T) { eachWay(t, lostLastAnnouncement) }

func lostLastAnnouncement(t *testing.T, way func(*Options)) {
	for _, trigger := range []repair.Trigger{repair.Jump, repair.Sweep} {
		t.Run(fmt.Sprint(trigger), func(t *testing.T) {
			c := newCluster(t, 2, way, only(trigger))
			alice, _ := c.login(0, "alice", "")
			bob, _ := c.login(1, "bob", "")
			conv := alice.sendTo("bob", "m1", "heard").Conv
			if !bob.waitEntry(1, patience) {
				t.Fatal("the first message was not delivered")
			}
			// Bob's pod knows now how far the conversation is: what is above that is found.
			c.until(func() bool { return c.gates[1].table.Heads()[chat.Key{NS: chat.DefaultNS, Conv: conv}] == 1 })
			c.bus.set(func() { c.bus.drop = isAnnouncement })
			alice.sendTo("bob", "m2", "not heard")
			if !bob.waitEntry(2, patience) {
				t.Fatal("the lost message was not found")
			}
			if found := c.gates[1].Stats().Repaired[trigger.String()]; found == 0 {
				t.Fatalf("found by another trigger: %v", c.gates[1].Stats().Repaired)
			}
		})
	}
}

// A conversation that is new to a connected user, and its only announcement lost.
func TestLostFirstMessageOfANewConversation(t *testing.T) {
	eachWay(t, lostFirstMessageOfANewConversation)
}

func lostFirstMessageOfANewConversation(t *testing.T, way func(*Options)) {
	for _, trigger := range []repair.Trigger{repair.Jump, repair.Sweep} {
		t.Run(fmt.Sprint(trigger), func(t *testing.T) {
			c := newCluster(t, 2, way, only(trigger))
			alice, _ := c.login(0, "alice", "")
			bob, _ := c.login(1, "bob", "")
			c.bus.set(func() { c.bus.drop = isAnnouncement })
			alice.sendTo("bob", "m1", "not heard")
			if !bob.waitEntry(1, patience) {
				t.Fatal("the lost message was not found")
			}
		})
	}
}

// NATS is away: sends go on, and remote sessions are served from the journals.
func TestBusAway(t *testing.T) { eachWay(t, busAway) }

func busAway(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way, only(repair.Silence))
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "heard")
	bob.waitEntry(1, patience)
	c.bus.set(func() { c.bus.cut = true })
	for i := 2; i <= 5; i++ {
		alice.sendTo("bob", fmt.Sprint("m", i), "not heard")
	}
	if !bob.waitEntry(5, patience) {
		t.Fatal("not served while the bus is away")
	}
	c.bus.set(func() { c.bus.cut = false })
	for _, g := range c.gates {
		g.Missed()
	}
	alice.sendTo("bob", "m6", "heard again")
	if !bob.waitEntry(6, patience) {
		t.Fatal("not served after the bus came back")
	}
}

// A pod dies between store and announce: its journal tells the others.
func TestPodDiesBeforeItAnnounces(t *testing.T) { eachWay(t, podDiesBeforeItAnnounces) }

func podDiesBeforeItAnnounces(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way, only(repair.Silence))
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "heard")
	bob.waitEntry(1, patience)
	mute := c.gates[0].Pod()
	c.bus.set(func() {
		c.bus.drop = func(topic bus.Topic, data []byte) bool {
			if topic != bus.TopicEntries && topic != bus.TopicUsers {
				return false
			}
			o, _, err := route.ParseEnvelope(data)
			return err == nil && o.Pod == mute // not even a heartbeat gets out any more
		}
	})
	alice.sendTo("bob", "m2", "not heard")
	if !bob.waitEntry(2, patience) {
		t.Fatal("the message of the dead pod was not found")
	}
}

// With every trigger off nothing is found: the tests above can fail.
func TestNothingIsFoundWithoutTriggers(t *testing.T) { eachWay(t, nothingIsFoundWithoutTriggers) }

func nothingIsFoundWithoutTriggers(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way, only(0))
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "heard")
	bob.waitEntry(1, patience)
	c.bus.set(func() { c.bus.drop = isAnnouncement })
	alice.sendTo("bob", "m2", "not heard")
	if bob.waitEntry(2, 3*time.Second) {
		t.Fatal("found by a trigger that was not switched off")
	}
}

// A journal document that is still being written leaves a hole, which is looked
// at again.
func TestHoleInAJournalIsReadAgain(t *testing.T) { eachWay(t, holeInAJournalIsReadAgain) }

func holeInAJournalIsReadAgain(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way, only(repair.Jump), patient)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "heard")
	bob.waitEntry(1, patience)
	c.bus.set(func() { c.bus.drop = isAnnouncement })
	held := c.store.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Block, Times: 1})
	alice.send(`{"type":"send","to":"bob","cmid":"m2","body":{"text":"stuck"}}`)
	if err := held.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	// A later number is written and heard of, the earlier one is not there yet.
	carol, _ := c.login(0, "carol", "")
	dave, _ := c.login(1, "dave", "")
	reads := c.store.Calls(memstore.OpReadJournal)
	carol.sendTo("dave", "c1", "overtakes")
	if !dave.waitEntry(1, patience) {
		t.Fatal("the later document was not found")
	}
	if c.gates[0].opts.Routing == RoutingBroadcast { // else the hole is not known to be one
		c.until(func() bool { return c.store.Calls(memstore.OpReadJournal) >= reads+3 })
	}
	bob.send(`{"type":"ping"}`)
	for over := false; !over; {
		switch f := bob.next().(type) {
		case *wire.Entry:
			t.Fatalf("delivered before it was finished: %+v", f)
		case *wire.Pong:
			over = true
		}
	}
	held.Release()
	if !bob.waitEntry(2, patience) {
		t.Fatal("the late document was not found")
	}
}

// until polls a condition of the running cluster.
func (c *cluster) until(cond func() bool) {
	c.t.Helper()
	deadline := time.NewTimer(2 * patience)
	defer deadline.Stop()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline.C:
			c.t.Fatal("the condition did not come true in a minute")
		}
	}
}
