package gateway

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// between does something once, before conversations are read: after memberships
// were, at the beginning of a session.
type between struct {
	store.Store
	act atomic.Pointer[func()]
}

func (b *between) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	if act := b.act.Swap(nil); act != nil {
		(*act)()
	}
	return b.Store.ConversationsByKey(ctx, keys)
}

// Memberships are read before the conversations are. Who is removed in between must
// not see, in its first flush, what came after the removal.
func TestRemovalWhileAFlushBegins(t *testing.T) {
	b := &between{}
	c := newCluster(t, 2, func(o *Options) {
		if b.Store == nil { // of the first pod only; the second one does the removal
			b.Store = o.Store
			o.Store = b
		}
	})
	conv := c.group("alice", "bob", "carol")
	alice, _ := c.login(1, "alice", "")
	c.urls[0], c.urls[1] = c.urls[1], c.urls[0] // requests go to the second pod
	act := func() {
		if status := c.rest("DELETE", fmt.Sprintf("/v1/conversations/%s/members/bob?cmid=out", conv), "alice", "", nil); status >= 300 {
			t.Errorf("remove bob: %d", status)
		}
		alice.send(`{"type":"send","conv":%q,"cmid":"after","body":{"text":"without bob"}}`, conv)
		expect[*wire.Ack](alice)
	}
	b.act.Store(&act)
	bob, missed := c.login(1, "bob", "")
	if b.act.Load() != nil {
		t.Fatal("nothing happened in between")
	}
	for _, e := range missed {
		if e.Seq > 2 {
			t.Errorf("bob, who was removed by 2, was sent %d", e.Seq)
		}
	}
	bob.nothing("what came after the removal")
}

// stream is the next frame but for receipts, which come whenever they do.
func (k *conn) stream() any {
	k.t.Helper()
	for {
		f := k.next()
		if _, ok := f.(*wire.Receipt); !ok {
			return f
		}
	}
}

// A new device that leaves before its first entry is told all the same where it begins,
// on whatever visit that is, until it has said that it got something.
func TestNewDeviceThatLeavesEarly(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	var conv chat.ConvID
	for i := range 3 {
		conv = alice.sendTo("bob", fmt.Sprintf("m%d", i), "x").Conv
	}
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	phone.send(`{"type":"read","conv":%q,"seq":3}`, conv)
	expect[*wire.Receipt](phone)
	visit := func(pod, attempt int) *conn {
		t.Helper()
		laptop := c.connect(pod, "bob")
		laptop.send(`{"type":"hello","device":"laptop","attempt":%d}`, attempt)
		if _, ok := laptop.stream().(*wire.Welcome); !ok {
			t.Fatal("no welcome")
		}
		return laptop
	}
	synced := func(laptop *conn) {
		t.Helper()
		if f, ok := laptop.stream().(*wire.Synced); !ok {
			t.Fatalf("%+v before synced", f)
		}
	}
	told := func(laptop *conn) {
		t.Helper()
		if d, ok := laptop.stream().(*wire.Conversation); !ok || d.Conv != conv {
			t.Fatalf("%+v", d)
		}
		if r, ok := laptop.stream().(*wire.Reset); !ok || r.Conv != conv || r.Next != 4 {
			t.Fatalf("%+v", r)
		}
		if e, ok := laptop.stream().(*wire.Entry); !ok || e.Seq != 4 {
			t.Fatalf("%+v", e)
		}
	}
	for i := range 2 { // it comes and goes
		laptop := visit(i, i+1)
		synced(laptop)
		_ = laptop.ws.CloseNow()
	}
	alice.sendTo("bob", "m3", "x")
	laptop := visit(1, 3)
	told(laptop)
	synced(laptop)
	_ = laptop.ws.CloseNow() // without a recv: whether it has the entry nobody knows
	laptop = visit(0, 4)
	told(laptop)
	synced(laptop)
	laptop.send(`{"type":"recv","conv":%q,"seq":4}`, conv)
	expect[*wire.Receipt](laptop)
	_ = laptop.ws.CloseNow()
	alice.sendTo("bob", "m4", "x")
	laptop = visit(1, 5)
	if d, ok := laptop.stream().(*wire.Conversation); !ok || d.Delivered != 4 {
		t.Fatalf("%+v", d)
	}
	if e, ok := laptop.stream().(*wire.Entry); !ok || e.Seq != 5 {
		t.Fatalf("%+v", e)
	}
}

// What a connect costs the store is bounded by its conversations with something
// new, and a few reads for all the others together.
func TestReadsOfAConnect(t *testing.T) {
	c := newCluster(t, 1, only(0)) // no sweep reads beside it
	const behind, quiet = 50, 50
	me, _ := c.login(0, "me", `{"type":"hello","device":"phone"}`)
	for i := range behind + quiet {
		friend, _ := c.login(0, fmt.Sprintf("friend%d", i), "")
		ack := friend.sendTo("me", "hi", "hello")
		expect[*wire.Entry](me)
		if i >= behind {
			me.send(`{"type":"recv","conv":%q,"seq":%d}`, ack.Conv, ack.Seq)
			expect[*wire.Receipt](me)
		}
		_ = friend.ws.CloseNow()
	}
	_ = me.ws.CloseNow()
	c.until(func() bool { return c.gates[0].Stats().Sessions == 0 }) // and nobody reads for them any more

	ops := []memstore.Op{memstore.OpMemberships, // beside the devices, which are also read when one has left
		memstore.OpConversationsByKey, memstore.OpMembersByUser,
		memstore.OpMembers, memstore.OpEntries, memstore.OpFolds, memstore.OpProfiles}
	count := func() map[memstore.Op]int {
		n := map[memstore.Op]int{}
		for _, op := range ops {
			n[op] = c.store.Calls(op)
		}
		return n
	}
	before := count()
	_, missed := c.login(0, "me", `{"type":"hello","device":"phone"}`)
	if len(missed) != behind {
		t.Fatalf("%d entries, want %d", len(missed), behind)
	}
	total := 0
	for op, n := range count() {
		total += n - before[op]
	}
	if most := 3 + 2 + 3*behind; total > most { // two reads of profiles: one's own, and what others hide
		t.Errorf("%d reads for %d conversations with something new and %d without, want at most %d", total, behind, quiet, most)
	}
}

// A new device that has nothing to get is told nothing, whatever the user has read
// elsewhere; the jump is announced before the next entry.
func TestNewDeviceOfAReader(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	var conv chat.ConvID
	for i := range 3 {
		conv = alice.sendTo("bob", fmt.Sprintf("m%d", i), "x").Conv
	}
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	phone.send(`{"type":"read","conv":%q,"seq":3}`, conv)
	expect[*wire.Receipt](phone)

	before := c.store.Calls(memstore.OpMembers)
	laptop := c.connect(0, "bob")
	laptop.send(`{"type":"hello","device":"laptop"}`)
	if _, ok := laptop.stream().(*wire.Welcome); !ok {
		t.Fatal("no welcome")
	}
	if f, ok := laptop.stream().(*wire.Synced); !ok {
		t.Fatalf("%+v before synced", f)
	}
	if n := c.store.Calls(memstore.OpMembers) - before; n != 0 {
		t.Errorf("%d reads of members for nothing", n)
	}
	alice.sendTo("bob", "m3", "x")
	if d := laptop.stream().(*wire.Conversation); d.Conv != conv || d.Read != 3 {
		t.Errorf("%+v", d)
	}
	if r := laptop.stream().(*wire.Reset); r.Conv != conv || r.Next != 4 {
		t.Errorf("%+v", r)
	}
	if e := laptop.stream().(*wire.Entry); e.Seq != 4 {
		t.Errorf("%+v", e)
	}
}
