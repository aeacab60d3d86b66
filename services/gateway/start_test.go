package gateway

import (
	"fmt"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/guard"
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

// What a session was refused is kept in order, conversation by conversation, until it
// is repeated. Conversations can be made up: there is a bound.
func TestMadeUpConversationsAreBounded(t *testing.T) {
	c := limited(t, guard.Options{UserSends: 1})
	bob, _ := c.login(0, "bob", "")
	refused := make(chan int)
	go func() {
		n := 0
		for {
			f, err := bob.read()
			if _, limited := f.(*wire.Error); err != nil || !limited {
				refused <- n
				return
			}
			n++
		}
	}()
	g := c.gates[0]
	held := g.clients()[0]
	for i := range 2*maxStreams + 10 {
		frame := fmt.Appendf(nil, `{"type":"send","conv":"g_%016d","cmid":"m","body":{"text":"x"}}`, i)
		if bob.ws.Write(t.Context(), websocket.MessageText, frame) != nil {
			break // closed
		}
	}
	if n := <-refused; n < maxStreams || n > maxStreams+10 {
		t.Errorf("refused %d", n)
	}
	c.until(func() bool { return g.sessionCount() == 0 })
	if n := len(held.streams); n > maxStreams {
		t.Errorf("%d streams are kept", n)
	}
	if n := g.Stats().Limited[string(guard.Frames)]; n == 0 {
		t.Error("not counted")
	}
}
