package history

import (
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// scoped is tokens, of which those of the user operator may revoke.
type scoped struct{ tokens }

func (v scoped) Verify(token string) (auth.Identity, error) {
	id, err := v.tokens.Verify(token)
	if id.User == "operator" {
		id.Scopes = []string{auth.ScopeRevokeAny}
	}
	return id, err
}

func TestBans(t *testing.T) {
	f := newFixture(t)
	list := revoke.New(revoke.Options{Store: f.store})
	h := f.handler(func(o *Options) { o.Revoked, o.Verifier = list, list.Guard(scoped{}) })
	var want, got []chat.User
	for i := range 5 {
		user := chat.User(fmt.Sprint("u", i))
		want = append(want, user)
		if _, err := f.store.PutRevocation(t.Context(), store.Revocation{NS: "_", Kind: store.RevokedBan, Name: string(user), Version: 1, On: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.store.PutRevocation(t.Context(), store.Revocation{NS: "_", Kind: store.RevokedUser, Name: "bob@x.org", Version: 1, On: true, Before: time.Now()}); err != nil {
		t.Fatal(err)
	}
	if a := ask(h, "GET", "/v1/me", "_/u3"); a.status != http.StatusOK {
		t.Errorf("before the list is read: %d %s", a.status, a.body)
	}
	if err := list.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a := ask(h, "GET", "/v1/me", "_/u3"); a.status != http.StatusForbidden || a.problem(t) != chat.CodeForbidden {
		t.Errorf("banned: %d %s", a.status, a.body)
	}
	if a := ask(h, "GET", "/v1/me", "_/bob@x.org"); a.status != http.StatusUnauthorized || a.problem(t) != chat.CodeUnauthenticated {
		t.Errorf("revoked: %d %s", a.status, a.body)
	}
	for cursor, more := "", true; more; {
		part := get[wire.List[wire.Ban]](t, h, "/v1/bans?limit=2&cursor="+cursor, "_/operator")
		for _, b := range part.Items {
			got = append(got, b.User)
		}
		cursor, more = part.Next, part.Next != ""
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if none := get[wire.List[wire.Ban]](t, h, "/v1/bans", "other/operator"); none.Items == nil || len(none.Items) != 0 {
		t.Errorf("another tenant has %+v", none)
	}
	for target, status := range map[string]int{"/v1/bans?cursor=!": 400, "/v1/bans?limit=0": 400, "/v1/bans?limit=9999": 400} {
		if a := ask(h, "GET", target, "_/operator"); a.status != status {
			t.Errorf("%s: %d", target, a.status)
		}
	}
	if a := ask(h, "GET", "/v1/bans", "_/alice"); a.status != http.StatusForbidden {
		t.Errorf("without the scope: %d", a.status)
	}
}
