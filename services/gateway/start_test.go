package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/store"
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
	c := limited(t, guard.Options{UserSends: 1}, func(o *Options) {
		o.session.HardFrames = 4 * maxStreams // however slowly the refusals go out
	})
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

// young shows a conversation once as it was before its latest entry, whose members are
// written already: so it is while somebody is being added.
type young struct {
	store.Store
	head atomic.Pointer[chat.Last] // as it was; nil: as it is
	read func()                    // called then
}

func (y *young) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	convs, err := y.Store.ConversationsByKey(ctx, keys)
	if head := y.head.Swap(nil); head != nil && len(convs) == 1 {
		convs[0].Last = *head
		y.read()
	}
	return convs, err
}

// Who connects in the moment of being added sees nothing from before.
func TestConnectingWhileBeingAdded(t *testing.T) {
	for name, early := range map[string]bool{"announced while the head is read": true, "announced later": false} {
		t.Run(name, func(t *testing.T) {
			y := &young{}
			c := newCluster(t, 2, func(o *Options) {
				if y.Store == nil { // of the first pod only
					y.Store = o.Store
					o.Store = y
				}
			})
			c.urls[0], c.urls[1] = c.urls[1], c.urls[0]
			conv := c.group("alice", "carol")
			alice, _ := c.login(0, "alice", "")
			for i := range 3 {
				alice.send(`{"type":"send","conv":%q,"cmid":"secret-%d","body":{"text":"without bob"}}`, conv, i)
				expect[*wire.Ack](alice)
			}
			if status := c.setRole("alice", conv, "bob", "member", "in"); status != http.StatusOK { // 5
				t.Fatal(status)
			}
			announce := func() {
				c.gates[0].table.Repair(chat.Key{NS: chat.DefaultNS, Conv: conv}, 5, []chat.User{"bob"})
			}
			if y.read = func() {}; early {
				y.read = announce
			}
			y.head.Store(&chat.Last{Seq: 4, Count: 3, MV: 1, Members: 2})
			bob, missed := c.login(1, "bob", "")
			if y.head.Load() != nil {
				t.Fatal("it was not read")
			}
			if !early {
				announce()
			}
			alice.send(`{"type":"send","conv":%q,"cmid":"after","body":{"text":"with bob"}}`, conv)
			expect[*wire.Ack](alice)
			for len(missed) == 0 || missed[len(missed)-1].Seq < 6 {
				missed = append(missed, expect[*wire.Entry](bob))
			}
			for _, e := range missed {
				if e.Seq < 5 {
					t.Errorf("bob, who was added by 5, was sent %d: %s", e.Seq, e.Body)
				}
			}
		})
	}
}

// A session that replaces its watch list over and over is held back: each user on it
// costs questions to the other pods and to the store.
func TestWatchListsAreReplacedSlowly(t *testing.T) {
	c := newCluster(t, 1)
	bob, _ := c.login(0, "bob", "")
	list := func(from, n int) string {
		users := make([]string, n)
		for i := range users {
			users[i] = fmt.Sprintf(`"user-%d"`, from+i)
		}
		return strings.Join(users, ",")
	}
	for i := range 50 { // 25 s' worth, at the least
		bob.send(`{"type":"watch","ref":"w","users":[%s]}`, list(1000*i, 256))
		bob.send(`{"type":"unwatch","users":[%s]}`, list(1000*i, 256))
	}
	bob.send(`{"type":"ping"}`)
	refused := 0
	for {
		switch f := bob.next().(type) {
		case *wire.Error:
			if refused++; f.Code != chat.CodeRateLimited || f.Ref != "w" || f.RetryAfterMS <= 0 {
				t.Errorf("%+v", f)
			}
		case *wire.Pong: // the session lives
			if refused == 0 {
				t.Error("nothing was refused")
			}
			return
		}
	}
}
