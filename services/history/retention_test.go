package history

import (
	"net/http"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Who may set for how long content is kept is told so; where nobody has decided, that
// and what the deployment does.
func TestRetention(t *testing.T) {
	f := newFixture(t)
	keeps := func(o *Options) { o.Retention = 2160 }
	path := "/v1/conversations/" + string(f.group.Conv) + "/retention"
	own := chat.Member{Key: chat.Key{NS: "_", Conv: chat.GroupID("_", "dora", "c1")}, User: "dora", Role: chat.RoleOwner, Joined: 1}
	if err := f.store.Create(t.Context(), chat.Conversation{Key: own.Key, Kind: chat.Group, Floor: 1}, []chat.Member{own}); err != nil {
		t.Fatal(err)
	}
	made := chat.Entry{Key: own.Key, Seq: 1, Kind: chat.KindMembers, From: "dora", CMID: "c1", MV: 1, Members: 1, Change: chat.ChangeCreated,
		Users: []chat.UserRole{{User: "dora", Role: chat.RoleOwner}}}
	if a := f.store.Append(t.Context(), store.Batch{Entries: []chat.Entry{made}}); a.Err != nil {
		t.Fatal(a.Err)
	}
	says := func(h http.Handler, want string) {
		t.Helper()
		if a := ask(h, "GET", path, "_/operator"); a.status != http.StatusOK || strings.TrimSpace(a.body) != `{"conv":"`+string(f.group.Conv)+`",`+want+`}` {
			t.Errorf("%d %s, want %s", a.status, a.body, want)
		}
	}
	says(f.handler(func(*Options) {}), `"floor":1,"default":true`)
	says(f.handler(keeps), `"floor":1,"keep":"2160h","default":true`)
	for _, c := range []struct {
		keep chat.Keep
		want string
	}{
		{chat.Keep{Version: 1, Hours: 24}, `"floor":1,"keep":"24h"`},
		{chat.Keep{Version: 2}, `"floor":1`},
		{chat.Keep{Version: 3, Default: true}, `"floor":1,"keep":"2160h","default":true`},
	} {
		if _, err := f.store.SetKeep(t.Context(), f.group, c.keep); err != nil {
			t.Fatal(err)
		}
		says(f.handler(keeps), c.want)
	}
	owned := "/v1/conversations/" + string(own.Conv) + "/retention"
	for _, c := range []struct {
		path, who string
		status    int
	}{{path, "_/alice", 403}, {path, "_/carol", 403}, {path, "_/eve", 404}, {path, "elsewhere/operator", 404}, {owned, "_/dora", 200}, {owned, "_/alice", 404},
		{"/v1/conversations/x/retention", "_/operator", 404}, {"/v1/conversations/" + string(f.direct.Conv) + "/retention", "_/alice", 403}} {
		if a := ask(f.handler(func(*Options) {}), "GET", c.path, c.who); a.status != c.status {
			t.Errorf("%s as %q: %d %s", c.path, c.who, a.status, a.body)
		}
	}
}
