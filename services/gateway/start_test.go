package gateway

import (
	"testing"

	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// A session that ends while its first flush still waits for the store leaves nothing in
// the table: when a store is away clients come and go, and none of them gets further.
func TestASessionThatNeverStartedLeavesNothing(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	alice.sendTo("bob", "m1", "hello")
	_ = alice.ws.CloseNow()
	g := c.gates[0]
	c.until(func() bool { return len(g.table.Heads()) == 0 })
	away := c.store.Inject(memstore.Fault{Op: memstore.OpConversationsByKey, Kind: memstore.Fail})
	bob := c.connect(0, "bob")
	bob.send(`{"type":"hello"}`)
	expect[*wire.Welcome](bob)
	if err := away.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	_ = bob.ws.CloseNow()
	c.until(func() bool { return g.sessionCount() == 0 })
	if left := g.table.Heads(); len(left) != 0 {
		t.Errorf("attached still: %v", left)
	}
	away.Remove()
	if _, missed := c.login(0, "bob", ""); len(missed) != 1 {
		t.Errorf("flushed %d", len(missed))
	}
}
