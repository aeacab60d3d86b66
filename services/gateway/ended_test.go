package gateway

import (
	"net/http"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Whose part of a log ends is told where, after the entry that it ends with: the
// frame of the conversation changes like anybody's.
func TestTheEndOfAPartIsTold(t *testing.T) { eachWay(t, theEndOfAPartIsTold) }

func theEndOfAPartIsTold(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way)
	conv := c.group("alice", "bob", "carol", "dave")
	base := "/v1/conversations/" + string(conv)
	conns := map[string]*conn{}
	for pod, user := range []string{"alice", "bob", "carol", "dave"} {
		conns[user], _ = c.login(pod%2, user, "")
	}
	other, _ := c.login(1, "bob", `{"type":"hello","device":"other"}`)
	ended := func(k *conn, user string, at chat.Seq, change chat.Change) {
		t.Helper()
		for e := expect[*wire.Entry](k); e.Seq != at || e.Change != change; e = expect[*wire.Entry](k) {
			if e.Seq >= at {
				t.Fatalf("%s got %+v", user, e)
			}
		}
		d := expect[*wire.Conversation](k)
		for d.Left == 0 { // of an entry before, under way when the last one came
			d = expect[*wire.Conversation](k)
		}
		if d.Conv != conv || d.Left != at || d.Head != at {
			t.Fatalf("%s was told %+v", user, d)
		}
	}
	status := func(want int, method, path, user string) {
		t.Helper()
		if got := c.rest(method, path, user, "", nil); got != want {
			t.Fatalf("%s %s: %d", method, path, got)
		}
	}
	status(http.StatusNoContent, "DELETE", base+"/members/bob?cmid=rm", "alice")
	ended(conns["bob"], "bob", 2, chat.ChangeRemoved)
	ended(other, "bob on another device", 2, chat.ChangeRemoved)
	status(http.StatusNoContent, "DELETE", base+"?cmid=leave", "carol")
	ended(conns["carol"], "carol", 3, chat.ChangeLeft)
	status(http.StatusNoContent, "DELETE", base+"?cmid=close", "alice")
	ended(conns["dave"], "dave", 4, chat.ChangeClosed)
	ended(conns["alice"], "alice", 4, chat.ChangeClosed)
}
