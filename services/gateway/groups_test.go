package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// setRole asks for a role over REST.
func (c *cluster) setRole(by string, conv chat.ConvID, user, role, cmid string) int {
	c.t.Helper()
	return c.rest("PUT", fmt.Sprintf("/v1/conversations/%s/members/%s", conv, user), by, fmt.Sprintf(`{"role":%q,"cmid":%q}`, role, cmid), nil)
}

// roles are those of the present members.
func (c *cluster) roles(conv chat.ConvID) map[chat.User]chat.Role {
	c.t.Helper()
	roles := map[chat.User]chat.Role{}
	for after := chat.User(""); ; {
		members, err := c.store.Members(c.t.Context(), chat.Key{NS: chat.DefaultNS, Conv: conv}, after, 500)
		if err != nil {
			c.t.Fatal(err)
		}
		for _, m := range members {
			if after = m.User; m.Left == 0 {
				roles[m.User] = m.Role
			}
		}
		if len(members) < 500 {
			return roles
		}
	}
}

// owner checks that a group has exactly one, and who it is.
func (c *cluster) owner(conv chat.ConvID) (owner chat.User) {
	c.t.Helper()
	for u, r := range c.roles(conv) {
		if r == chat.RoleOwner {
			if owner != "" {
				c.t.Fatalf("%s and %s are owners", owner, u)
			}
			owner = u
		}
	}
	if owner == "" {
		c.t.Fatal("nobody is the owner")
	}
	return owner
}

func TestMutedMember(t *testing.T) {
	c := newCluster(t, 2)
	conv := c.group("alice", "bob", "carol", "dave")
	bob, _ := c.login(1, "bob", "")
	carol, _ := c.login(0, "carol", "")
	bob.acked(2, `{"type":"send","conv":%q,"cmid":"b1","body":{"text":"loud"}}`, conv)
	for i, step := range []struct {
		by, user, role string
		status         int
	}{
		{"alice", "carol", "admin", http.StatusOK},
		{"dave", "bob", "muted", http.StatusForbidden},
		{"carol", "alice", "muted", http.StatusForbidden},
		{"carol", "bob", "muted", http.StatusOK},
		{"bob", "bob", "member", http.StatusForbidden},
		{"carol", "bob", "admin", http.StatusForbidden},
		{"carol", "bob", "quiet", http.StatusBadRequest},
	} {
		if status := c.setRole(step.by, conv, step.user, step.role, fmt.Sprint("s", i)); status != step.status {
			t.Fatalf("%s makes %s %s: %d, want %d", step.by, step.user, step.role, status, step.status)
		}
	}
	if e := bob.entry(4); e.Change != chat.ChangeRole || !slices.Equal(e.Users, []chat.UserRole{{User: "bob", Role: chat.RoleMuted}}) {
		t.Fatalf("%+v", e)
	}
	carol.acked(5, `{"type":"send","conv":%q,"cmid":"c1","body":{"text":"silence"}}`, conv)
	bob.entry(5) // who is muted still reads
	bob.refused(chat.CodeForbidden, `{"type":"send","conv":%q,"cmid":"b2","body":{"text":"but"}}`, conv)
	bob.refused(chat.CodeForbidden, `{"type":"edit","conv":%q,"target":2,"cmid":"b3","body":{"text":"but"}}`, conv)
	bob.refused(chat.CodeForbidden, `{"type":"react","conv":%q,"target":5,"cmid":"b4","emoji":"😡","on":true}`, conv)
	bob.acked(6, `{"type":"recall","conv":%q,"target":2,"cmid":"b5"}`, conv) // and may take back
	if status := c.setRole("carol", conv, "bob", "member", "unmute"); status != http.StatusOK {
		t.Fatal(status)
	}
	bob.acked(8, `{"type":"send","conv":%q,"cmid":"b2","body":{"text":"but"}}`, conv)
}

func TestAdminsRecallAndMentionAll(t *testing.T) {
	c := newCluster(t, 2)
	conv := c.group("alice", "bob", "carol")
	if status := c.setRole("alice", conv, "bob", "admin", "s1"); status != http.StatusOK {
		t.Fatal(status)
	}
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	carol, _ := c.login(1, "carol", "")
	carol.acked(3, `{"type":"send","conv":%q,"cmid":"c1","body":{"text":"spam"}}`, conv)
	alice.acked(4, `{"type":"send","conv":%q,"cmid":"a1","body":{"text":"hello all"},"mentions":["*"]}`, conv)
	if e := carol.entry(4); !slices.Equal(e.Mentions, []chat.User{chat.MentionAll}) {
		t.Fatalf("%+v", e)
	}
	carol.refused(chat.CodeForbidden, `{"type":"send","conv":%q,"cmid":"c2","body":{"text":"me too"},"mentions":["*"]}`, conv)
	carol.refused(chat.CodeForbidden, `{"type":"recall","conv":%q,"target":4,"cmid":"c3"}`, conv)
	bob.acked(5, `{"type":"recall","conv":%q,"target":3,"cmid":"b1"}`, conv)
	bob.acked(6, `{"type":"recall","conv":%q,"target":4,"cmid":"b2"}`, conv)
	bob.refused(chat.CodeNotFound, `{"type":"edit","conv":%q,"target":3,"cmid":"b3","body":{"text":"ham"}}`, conv)
	if m := c.folded("carol", conv, 3); m.Recalled == nil || m.Recalled.By != "bob" || !m.Gone {
		t.Fatalf("%+v", m)
	}
	if status := c.rest("DELETE", fmt.Sprintf("/v1/conversations/%s/members/carol?cmid=rm", conv), "bob", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if e := carol.entry(7); e.Change != chat.ChangeRemoved {
		t.Fatalf("%+v", e)
	}
	carol.refused(chat.CodeForbidden, `{"type":"recall","conv":%q,"target":3,"cmid":"c4"}`, conv)
	alice.refused(chat.CodeBadRequest, `{"type":"send","conv":%q,"cmid":"a2","body":{"text":"x"},"mentions":["carol"]}`, conv)
	// Who comes later does not reach what was before.
	if status := c.setRole("alice", conv, "dave", "member", "s2"); status != http.StatusOK {
		t.Fatal(status)
	}
	dave, _ := c.login(0, "dave", "")
	dave.refused(chat.CodeNotFound, `{"type":"react","conv":%q,"target":4,"cmid":"d1","emoji":"👍","on":true}`, conv)
	dave.refused(chat.CodeNotFound, `{"type":"recall","conv":%q,"target":8,"cmid":"d2"}`, conv) // no message
}

// There is always one owner: who wants to go names another, or closes the group.
func TestThereIsAlwaysOneOwner(t *testing.T) {
	c := newCluster(t, 2)
	conv := c.group("alice", "bob", "carol")
	group := "/v1/conversations/" + string(conv)
	for i, step := range []struct {
		method, path, by, body string
		status                 int
		owner                  chat.User
	}{
		{"DELETE", group + "/members/alice?cmid=l1", "alice", "", http.StatusForbidden, "alice"},
		{"PUT", group + "/members/alice", "alice", `{"role":"admin","cmid":"s1"}`, http.StatusForbidden, "alice"},
		{"PUT", group + "/members/alice", "alice", `{"role":"muted","cmid":"s2"}`, http.StatusForbidden, "alice"},
		{"PUT", group + "/members/dave", "alice", `{"role":"owner","cmid":"s3"}`, http.StatusForbidden, "alice"},
		{"PUT", group + "/members/bob", "bob", `{"role":"owner","cmid":"s1"}`, http.StatusForbidden, "alice"},
		{"PUT", group + "/members/bob", "alice", `{"role":"owner","cmid":"s4"}`, http.StatusOK, "bob"},
		{"PUT", group + "/members/bob", "alice", `{"role":"owner","cmid":"s4"}`, http.StatusOK, "bob"}, // a repeat
		{"PUT", group + "/members/carol", "alice", `{"role":"owner","cmid":"s5"}`, http.StatusForbidden, "bob"},
		{"DELETE", group + "/members/bob?cmid=k1", "alice", "", http.StatusForbidden, "bob"},
		{"DELETE", group + "/members/alice?cmid=l2", "alice", "", http.StatusNoContent, "bob"},
		{"PATCH", group, "carol", `{"title":"mine","cmid":"t1"}`, http.StatusForbidden, "bob"},
		{"PATCH", group, "bob", `{"title":"ours","cmid":"t2"}`, http.StatusOK, "bob"},
		{"DELETE", group + "?cmid=l3", "carol", "", http.StatusNoContent, "bob"},
		{"DELETE", group + "?cmid=c1", "bob", "", http.StatusNoContent, "bob"}, // closes it
		{"POST", "/v1/messages", "bob", fmt.Sprintf(`{"conv":%q,"cmid":"m1","body":{"text":"x"}}`, conv), http.StatusForbidden, "bob"},
		{"PATCH", group, "bob", `{"title":"again","cmid":"t3"}`, http.StatusForbidden, "bob"},
		{"PUT", group + "/members/eve", "bob", `{"role":"member","cmid":"s6"}`, http.StatusForbidden, "bob"},
	} {
		if status := c.rest(step.method, step.path, step.by, step.body, nil); status != step.status {
			t.Fatalf("step %d: %s: %s %s: %d, want %d", i, step.by, step.method, step.path, status, step.status)
		}
		if owner := c.owner(conv); owner != step.owner {
			t.Fatalf("step %d: %s is the owner, want %s", i, owner, step.owner)
		}
	}
}

// An owner hands over to several at once, and the heirs do what only owners may.
func TestOwnershipRaces(t *testing.T) {
	c := newCluster(t, 3)
	conv := c.group("alice", "bob", "carol", "dave")
	var wg sync.WaitGroup
	for i, heir := range []string{"bob", "carol", "dave"} {
		for k, by := range []string{"alice", "bob", "carol"} {
			wg.Go(func() {
				path := fmt.Sprintf("/v1/conversations/%s/members/%s", conv, heir)
				c.restAt(i, "PUT", path, by, fmt.Sprintf(`{"role":"owner","cmid":"h%d%d"}`, i, k))
			})
		}
	}
	wg.Wait()
	c.owner(conv)
}

// restAt is rest at one of the pods; it may be called from any goroutine.
func (c *cluster) restAt(pod int, method, path, user, body string) {
	at := *c
	at.urls = c.urls[pod:]
	at.rest(method, path, user, body, nil)
}

// The largest group: a message is one entry of its log and one announcement, and the
// limit is an error.
func TestLargestGroup(t *testing.T) {
	c := newCluster(t, 2)
	const most = 2000
	var members []string
	for i := range most {
		members = append(members, fmt.Sprintf("user%04d", i))
	}
	in := func(list []string, cmid string) string {
		b, err := json.Marshal(map[string]any{"title": "all", "members": list, "cmid": cmid})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	if status := c.rest("POST", "/v1/conversations", "alice", in(members, "g1"), nil); status != http.StatusBadRequest {
		t.Fatalf("a group of %d: %d", most+1, status)
	}
	var made wire.Conversation
	if status := c.rest("POST", "/v1/conversations", "alice", in(members[1:], "g2"), &made); status != http.StatusCreated || made.Members != most {
		t.Fatalf("a group of %d: %d, %+v", most, status, made)
	}
	if status := c.setRole("alice", made.Conv, "onemore", "member", "s1"); status != http.StatusForbidden {
		t.Fatal(status)
	}
	if n := len(c.roles(made.Conv)); n != most {
		t.Fatalf("%d members", n)
	}
	c.owner(made.Conv)
	one, _ := c.login(0, members[1], "")
	last, _ := c.login(1, members[most-1], "")
	head := made.Head
	before := c.store.Calls("append")
	one.acked(head+1, `{"type":"send","conv":%q,"cmid":"m1","body":{"text":"hello all"}}`, made.Conv)
	last.entry(head + 1)
	last.acked(head+2, `{"type":"react","conv":%q,"target":%d,"cmid":"x1","emoji":"🎉","on":true}`, made.Conv, head+1)
	one.entry(head + 2)
	if n := c.store.Calls("append") - before; n != 2 {
		t.Errorf("%d appends for two entries", n)
	}
	// One leaves, and there is room for one.
	if status := c.rest("DELETE", fmt.Sprintf("/v1/conversations/%s/members/%s?cmid=rm", made.Conv, members[5]), "alice", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if status := c.setRole("alice", made.Conv, "onemore", "member", "s2"); status != http.StatusOK {
		t.Fatal(status)
	}
}
