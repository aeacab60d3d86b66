package gateway

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/repair"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

func byUsers(o *Options) { o.Routing = RoutingUsers }

// counted is how many entries went over each kind of subject.
type counted struct{ toAll, toUsers atomic.Int64 }

func (c *cluster) count() *counted {
	var n counted
	c.bus.set(func() {
		c.bus.drop = func(topic bus.Topic, data []byte) bool {
			_, list, err := route.ParseEnvelope(data)
			switch {
			case err != nil:
			case topic == bus.TopicEntries:
				n.toAll.Add(int64(len(list)))
			case topic == bus.TopicUsers:
				n.toUsers.Add(int64(len(list)))
			}
			return false
		}
	})
	return &n
}

// are waits until so many entries have gone out, and fails where more have. Whoever gets
// one may have it from the first of several envelopes, or from the store.
func (n *counted) are(c *cluster, toAll, toUsers int64, why string) {
	c.t.Helper()
	c.until(func() bool { return n.toAll.Load() >= toAll && n.toUsers.Load() >= toUsers })
	if all, users := n.toAll.Load(), n.toUsers.Load(); all != toAll || users != toUsers {
		c.t.Errorf("%s: %d entries to all pods and %d to users, want %d and %d", why, all, users, toAll, toUsers)
	}
}

// What concerns few goes to the pods that have them, and to no other.
func TestFewReadersAreSentToAlone(t *testing.T) {
	c := newCluster(t, 3, byUsers, only(0))
	n := c.count()
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	alice2, _ := c.login(1, "alice", `{"type":"hello","device":"laptop"}`)
	carol, _ := c.login(2, "carol", "")
	alice.sendTo("bob", "m1", "hello")
	expect[*wire.Entry](bob)
	expect[*wire.Entry](alice2)
	n.are(c, 0, 2, "to alice and bob")
	group := c.group("alice", "bob", "carol")
	for _, k := range []*conn{alice2, bob, carol} {
		if e := expect[*wire.Entry](k); e.Conv != group || e.Change != chat.ChangeCreated {
			t.Errorf("%+v", e)
		}
	}
	alice.send(`{"type":"send","conv":%q,"cmid":"g1","body":{"text":"to the group"}}`, group)
	for _, k := range []*conn{alice2, bob, carol} {
		expect[*wire.Entry](k)
	}
	// Each of the two to alice's other pod, to bob's, and to carol's.
	n.are(c, 0, 2+2*3, "to the group")
	carol.nothing("the rest is not carol's")
}

// A group that grows beyond the bound is told to all, without a gap in between.
func TestGroupGrowsBeyondFewReaders(t *testing.T) {
	c := newCluster(t, 2, byUsers, only(0))
	n := c.count()
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	var members []string
	for i := range fewReaders - 2 {
		members = append(members, fmt.Sprint("u", i))
	}
	group := c.group("alice", append(members, "bob")...)
	seq := chat.Seq(1)
	say := func() {
		t.Helper()
		alice.send(`{"type":"send","conv":%q,"cmid":"m%d","body":{"text":"x"}}`, group, seq)
		seq++
		for e := (&wire.Entry{}); e.Seq != seq; {
			e = expect[*wire.Entry](bob)
		}
	}
	say()
	n.are(c, 0, 2, "while they are few")
	path := "/v1/conversations/" + string(group) + "/members/late"
	if status := c.rest("PUT", path, "alice", `{"role":"member","cmid":"add"}`, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	seq++
	say()
	n.are(c, 2, 2, "when they are many")
}

// A user is here, and NATS does not know it yet: the digest tells of the entry, and
// it is read.
func TestUserWhoseSubscriptionIsNotThereYet(t *testing.T) {
	c := newCluster(t, 2, byUsers, only(repair.Jump))
	alice, _ := c.login(0, "alice", "")
	c.bus.set(func() { c.bus.deaf = true })
	bob, _ := c.login(1, "bob", "")
	alice.sendTo("bob", "m1", "hello")
	if !bob.waitEntry(1, patience) {
		t.Fatal("the message was not found")
	}
	if c.gates[1].Stats().Repaired["jump"] == 0 {
		t.Fatal("it was not found by the digest")
	}
}

// A user is listened to from the first session to the last.
func TestUsersSubjectsFollowSessions(t *testing.T) {
	c := newCluster(t, 1, byUsers)
	pod := c.bus.pods[0]
	at := bus.Address(route.HashUser(chat.DefaultNS, "bob"))
	listens := func(want bool) {
		t.Helper()
		c.until(func() bool {
			c.bus.mu.Lock()
			defer c.bus.mu.Unlock()
			return pod.want[at] > 0 == want
		})
	}
	listens(false)
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	listens(true)
	laptop, _ := c.login(0, "bob", `{"type":"hello","device":"laptop"}`)
	_ = phone.ws.CloseNow()
	c.until(func() bool { return c.gates[0].Stats().Sessions == 1 })
	listens(true)
	_ = laptop.ws.CloseNow()
	listens(false)
}

// During a change of the setting pods of both ways understand each other.
func TestPodsOfBothWaysTogether(t *testing.T) {
	first := true
	c := newCluster(t, 2, only(repair.Jump), func(o *Options) {
		if first {
			o.Routing = RoutingUsers
		}
		first = false
	})
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	bob.sendTo("alice", "b1", "to a pod that takes users' subjects")
	if !alice.waitEntry(1, patience) {
		t.Fatal("not delivered from broadcast to users")
	}
	alice.sendTo("bob", "a1", "to a pod that does not")
	if !bob.waitEntry(2, patience) {
		t.Fatal("not delivered from users to broadcast")
	}
}

// In steady traffic nothing is read from the journals, whoever it concerns.
func TestNothingIsReadWhereNothingIsLost(t *testing.T) {
	c := newCluster(t, 3, byUsers, only(repair.Jump), tireless)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	c.login(2, "carol", "")
	deadline := time.Now().Add(3 * repair.Beat)
	for i := 1; time.Now().Before(deadline); i++ {
		alice.sendTo("bob", fmt.Sprint("m", i), "hello")
		expect[*wire.Entry](bob)
	}
	for i, g := range c.gates {
		if n := g.Stats().Repaired["jump"]; n != 0 {
			t.Errorf("pod %d read %d entries that it had been sent, or that are not for it", i, n)
		}
	}
}
