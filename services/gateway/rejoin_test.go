package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// openGroup is [cluster.group] of a group whose members see all of its history.
func (c *cluster) openGroup(owner string, members ...string) chat.ConvID {
	c.t.Helper()
	in, _ := json.Marshal(map[string]any{"title": "an open group", "members": members, "cmid": owner + "-open", "history": "all"})
	var out wire.Conversation
	if status := c.rest("POST", "/v1/conversations", owner, string(in), &out); status != http.StatusCreated {
		c.t.Fatalf("create group: %d", status)
	}
	return out.Conv
}

// awayAndBack removes bob, lets alice say something, and adds him again: entries 2, 3
// and 4 of a new group.
func (c *cluster) awayAndBack(conv chat.ConvID, alice *conn) {
	c.t.Helper()
	if status := c.rest("DELETE", fmt.Sprintf("/v1/conversations/%s/members/bob?cmid=out", conv), "alice", "", nil); status != http.StatusNoContent {
		c.t.Fatal(status)
	}
	alice.send(`{"type":"send","conv":%q,"cmid":"between","body":{"text":"without bob"}}`, conv)
	expect[*wire.Ack](alice)
	if status := c.setRole("alice", conv, "bob", "member", "in"); status != http.StatusOK {
		c.t.Fatal(status)
	}
}

// In a group whose history is open, the entry that once removed a member lies in the
// middle of what that member reads after having been added again. It ends nothing then.
func TestAddedAgainToAnOpenGroup(t *testing.T) {
	for name, hello := range map[string]string{
		"a known device":                 `{"type":"hello","device":"phone"}`,
		"a new device":                   `{"type":"hello","device":"tablet"}`,
		"a device that says where it is": `{"type":"hello","device":"phone","resume":{"epoch":%q,"cursors":{%q:1}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 2)
			conv := c.openGroup("alice", "bob")
			bob := c.connect(0, "bob")
			bob.send(`{"type":"hello","device":"phone"}`)
			epoch := expect[*wire.Welcome](bob).Epoch
			expect[*wire.Synced](bob)
			bob.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
			expect[*wire.Receipt](bob)
			_ = bob.ws.CloseNow()
			alice, _ := c.login(1, "alice", "")
			c.awayAndBack(conv, alice)

			if name == "a device that says where it is" {
				hello = fmt.Sprintf(hello, epoch, conv)
			}
			bob, missed := c.login(0, "bob", hello)
			first := chat.Seq(2)
			if name == "a new device" {
				first = 1
			}
			for i, e := range missed {
				if e.Seq != first+chat.Seq(i) {
					t.Fatalf("entry %d is %+v", i, e)
				}
			}
			if n := len(missed); n != int(5-first) {
				t.Fatalf("%d entries from %d on", n, first)
			}
			alice.send(`{"type":"send","conv":%q,"cmid":"after","body":{"text":"with bob"}}`, conv)
			if e := expect[*wire.Entry](bob); e.Seq != 5 || string(e.Body) != `{"text":"with bob"}` {
				t.Fatalf("%+v", e)
			}
		})
	}
}

// A session that is there all the time goes on behind the removal, whether its device
// has said recv or not.
func TestAddedAgainToAnOpenGroupMeanwhile(t *testing.T) {
	c := newCluster(t, 2)
	conv := c.openGroup("alice", "bob")
	bob, missed := c.login(0, "bob", "")
	if len(missed) != 1 {
		t.Fatalf("%+v", missed)
	}
	alice, _ := c.login(1, "alice", "")
	c.awayAndBack(conv, alice)
	alice.send(`{"type":"send","conv":%q,"cmid":"after","body":{"text":"with bob"}}`, conv)
	expect[*wire.Ack](alice)
	var resets []chat.Seq
	for seq := chat.Seq(2); seq <= 5; {
		switch f := bob.next().(type) {
		case *wire.Reset:
			resets = append(resets, f.Next)
		case *wire.Entry:
			if f.Seq != seq {
				t.Fatalf("%+v instead of %d, resets at %d", f, seq, resets)
			}
			seq++
		}
	}
	// None, if bob was reading from the store and both were there before he came to the end.
	if len(resets) > 1 || len(resets) == 1 && resets[0] != 3 {
		t.Fatalf("resets at %d", resets)
	}
}
