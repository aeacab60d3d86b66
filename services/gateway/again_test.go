package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// Somebody is removed and added again before the session, which was idle, has read any
// of it. Both entries have been announced by then: it finds out by itself that it is in
// again.
func TestRemovedAndAddedAgainWhileReading(t *testing.T) {
	for name, more := range map[string]int{"nothing else": 0, "a message between": 1, "more than the pod keeps": 40} {
		t.Run(name, func(t *testing.T) {
			pods := 0
			c := newCluster(t, 2, func(o *Options) {
				o.Store = o.Store.(*memstore.Store).As(fmt.Sprint("pod", pods))
				pods++
			})
			conv := c.group("alice", "bob", "carol")
			first, missed := c.login(0, "bob", "")
			first.send(`{"type":"recv","conv":%q,"seq":%d}`, conv, len(missed))
			expect[*wire.Receipt](first)
			_ = first.ws.CloseNow()
			bob, missed := c.login(0, "bob", "")
			if len(missed) != 0 {
				t.Fatalf("bob is not idle: %+v", missed)
			}
			alice, _ := c.login(1, "alice", "")
			c.urls[0], c.urls[1] = c.urls[1], c.urls[0] // requests go to the other pod
			held := c.store.Inject(memstore.Fault{Op: memstore.OpMembersByUser, Kind: memstore.Block,
				When: func(call memstore.Call) bool { return call.Client == "pod0" }})
			if status := c.rest("DELETE", fmt.Sprintf("/v1/conversations/%s/members/bob?cmid=out", conv), "alice", "", nil); status != http.StatusNoContent {
				t.Fatal(status)
			}
			for i := range more {
				alice.send(`{"type":"send","conv":%q,"cmid":"between-%d","body":{"text":"without bob"}}`, conv, i)
				expect[*wire.Ack](alice)
			}
			if status := c.setRole("alice", conv, "bob", "member", "in"); status != http.StatusOK {
				t.Fatal(status)
			}
			if err := held.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			held.Remove()
			held.Release()
			// The end itself is not in what bob may read now; it may have been sent before.
			reset := false
			for in := (*wire.Entry)(nil); in == nil || in.Change != chat.ChangeAdded; {
				switch f := bob.next().(type) {
				case *wire.Reset:
					if reset = true; f.Conv != conv || f.Next != chat.Seq(3+more) {
						t.Fatalf("%+v", f)
					}
				case *wire.Entry:
					if in = f; !reset && in.Seq != 2 || reset && in.Seq != chat.Seq(3+more) {
						t.Fatalf("%+v, reset: %t", in, reset)
					}
				}
			}
			alice.send(`{"type":"send","conv":%q,"cmid":"after","body":{"text":"with bob"}}`, conv)
			if e := expect[*wire.Entry](bob); e.Seq != chat.Seq(4+more) || string(e.Body) != `{"text":"with bob"}` {
				t.Fatalf("%+v", e)
			}
		})
	}
}
