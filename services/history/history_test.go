package history

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var secret = []byte("mZ0v+Q7xkT4s9dLr2WfYb8uNc1HjEa5g")

// tokens verifies by heart: "<tenant>/<user>" is a token.
type tokens struct{}

func (tokens) Verify(token string) (auth.Identity, error) {
	ns, user, ok := strings.Cut(token, "/")
	if !ok {
		return auth.Identity{}, &auth.Error{Reason: auth.ReasonSignature}
	}
	id := auth.Identity{NS: chat.NS(ns), User: chat.User(user)}
	if user == "operator" {
		id.Scopes = []string{auth.ScopeOperator}
	}
	return id, nil
}

var _ rest.Verifier = (*auth.Verifier)(nil)

// fixture is a group of alice and bob@x.org that carol has left, and the direct
// conversation of alice and bob@x.org.
type fixture struct {
	store         *memstore.Store
	group, direct chat.Key
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	ctx := t.Context()
	const alice, bob, carol = chat.User("alice"), chat.User("bob@x.org"), chat.User("carol")
	f := &fixture{store: memstore.New(memstore.Options{Atomic: true}),
		group:  chat.Key{NS: "_", Conv: chat.GroupID("_", alice, "c1")},
		direct: chat.Key{NS: "_", Conv: chat.DirectID("_", alice, bob)}}
	create := func(c chat.Conversation, users ...chat.User) {
		c.Floor, c.History = 1, chat.HistoryJoined
		var members []chat.Member
		for _, u := range users {
			members = append(members, chat.Member{Key: c.Key, User: u, Role: chat.RoleMember, Joined: 1})
		}
		if err := f.store.Create(ctx, c, members); err != nil {
			t.Fatal(err)
		}
	}
	put := func(e chat.Entry) {
		e.CMID, e.Time = chat.CMID(fmt.Sprint("c", e.Seq)), time.Date(2026, 1, 2, 3, 4, int(e.Seq), 0, time.UTC)
		if a := f.store.Append(ctx, store.Batch{Entries: []chat.Entry{e}}); a.Err != nil || a.Outcomes[0] != store.Stored {
			t.Fatal(a.Outcomes, a.Err)
		}
	}
	roles := func(users ...chat.User) (list []chat.UserRole) {
		for _, u := range users {
			list = append(list, chat.UserRole{User: u, Role: chat.RoleMember})
		}
		return list
	}
	create(chat.Conversation{Key: f.group, Kind: chat.Group}, alice, bob, carol)
	put(chat.Entry{Key: f.group, Seq: 1, Kind: chat.KindMembers, From: alice, MV: 1, Members: 3,
		Change: chat.ChangeCreated, Users: roles(alice, bob, carol), Title: "team"})
	put(chat.Entry{Key: f.group, Seq: 2, Kind: chat.KindMessage, From: alice, Count: 1, MV: 1, Members: 3, Body: []byte(`{"text":"for all"}`)})
	put(chat.Entry{Key: f.group, Seq: 3, Kind: chat.KindMembers, From: carol, Count: 1, MV: 3, Members: 2,
		Change: chat.ChangeLeft, Users: roles(carol)})
	put(chat.Entry{Key: f.group, Seq: 4, Kind: chat.KindMessage, From: bob, Count: 2, MV: 3, Members: 2, Body: []byte(`{"text":"without carol"}`)})
	create(chat.Conversation{Key: f.direct, Kind: chat.Direct, Users: []chat.User{alice, bob}}, alice, bob)
	put(chat.Entry{Key: f.direct, Seq: 1, Kind: chat.KindMessage, From: bob, Count: 1, Members: 2, Body: []byte(`{"text":"hi"}`)})
	return f
}

func (f *fixture) handler(change func(*Options)) http.Handler {
	o := Options{Store: f.store, Verifier: tokens{}, Timeout: time.Hour}
	if change != nil {
		change(&o)
	}
	return New(o).Handler()
}

// answer is what a request got.
type answer struct {
	status int
	header http.Header
	body   string
}

func ask(h http.Handler, method, target, token string) answer {
	r := httptest.NewRequest(method, "http://chat.example"+target, nil)
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return answer{w.Code, w.Header(), w.Body.String()}
}

// problem checks that an answer is a whole problem, and returns its code.
func (a answer) problem(t *testing.T) chat.Code {
	t.Helper()
	var p wire.Problem
	if err := json.Unmarshal([]byte(a.body), &p, json.RejectUnknownMembers(true)); err != nil {
		t.Errorf("%q: %v", a.body, err)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/problem+json" || p.Status != a.status || p.Detail == "" {
		t.Errorf("content type %q, status %d, %s", ct, a.status, a.body)
	}
	if (a.status == 401) != (a.header.Get("WWW-Authenticate") != "") || (a.status == 503) != (a.header.Get("Retry-After") != "") {
		t.Errorf("status %d, headers %v", a.status, a.header)
	}
	return p.Code
}

func decode[T any](t *testing.T, a answer) (v T) {
	t.Helper()
	if err := json.Unmarshal([]byte(a.body), &v, json.RejectUnknownMembers(true)); err != nil || a.status != 200 {
		t.Fatalf("%d %s: %v", a.status, a.body, err)
	}
	return v
}

// endpoints is every path that is answered, for the group of the fixture.
func (f *fixture) endpoints() map[string]string {
	conv := "/v1/conversations/" + string(f.group.Conv)
	return map[string]string{"list": "/v1/conversations", "one": conv, "members": conv + "/members",
		"messages": conv + "/messages", "entries": conv + "/entries", "unread": conv + "/unread"}
}

// Every endpoint by everybody. What a former member gets ends where it left.
func TestWhoMaySeeWhat(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	for _, who := range []struct {
		name, token           string
		list, members, others int
	}{
		{"no token", "", 401, 401, 401},
		{"bad token", "bad", 401, 401, 401},
		{"stranger", "_/eve", 200, 404, 404},
		{"same name in another tenant", "other/alice", 200, 404, 404},
		{"member", "_/alice", 200, 200, 200},
		{"former member", "_/carol", 200, 403, 200},
	} {
		for name, path := range f.endpoints() {
			want := who.others
			switch name {
			case "list":
				want = who.list
			case "members":
				want = who.members
			}
			a := ask(h, "GET", path, who.token)
			if a.status != want {
				t.Errorf("%s by %s: %d %s, want %d", name, who.name, a.status, a.body, want)
			}
			if a.status != 200 {
				if code := a.problem(t); rest.Status(code) != want {
					t.Errorf("%s by %s: code %s", name, who.name, code)
				}
			} else if ct := a.header.Get("Content-Type"); ct != "application/json" {
				t.Errorf("%s: content type %q", name, ct)
			}
			if who.name != "member" && strings.Contains(a.body, "without carol") {
				t.Errorf("%s by %s shows what is not theirs: %s", name, who.name, a.body)
			}
			if (name == "list" && want == 200) != (strings.Contains(a.body, `"items":[`) && name == "list") {
				t.Errorf("list by %s: %s", who.name, a.body)
			}
			if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: headers %v", name, a.header)
			}
		}
	}
	if a := ask(h, "GET", "/v1/conversations", "_/carol"); a.body != `{"items":[]}` {
		t.Errorf("the list of somebody who has left: %s", a.body)
	}
}

func TestAnswers(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	conv := "/v1/conversations/" + string(f.group.Conv)

	list := decode[wire.List[wire.Conversation]](t, ask(h, "GET", "/v1/conversations?limit=1", "_/alice"))
	if len(list.Items) != 1 || list.Items[0].Conv != f.group.Conv || list.Items[0].Unread != 1 || list.Next == "" {
		t.Errorf("list: %+v", list)
	}
	list = decode[wire.List[wire.Conversation]](t, ask(h, "GET", "/v1/conversations?limit=1&cursor="+list.Next, "_/alice"))
	if len(list.Items) != 1 || list.Items[0].Peer != "bob@x.org" || list.Items[0].Last.Text != "hi" || list.Next != "" {
		t.Errorf("list, second part: %+v", list)
	}
	one := decode[wire.Conversation](t, ask(h, "GET", conv, "_/carol"))
	if one.Head != 3 || one.Left != 3 || one.Count != 1 || one.Title != "team" || one.Type != "" {
		t.Errorf("conversation: %+v", one)
	}
	members := decode[wire.List[wire.Member]](t, ask(h, "GET", conv+"/members", "_/bob@x.org"))
	if len(members.Items) != 2 || members.Items[1].User != "bob@x.org" {
		t.Errorf("members: %+v", members)
	}
	messages := decode[wire.Page[wire.Message]](t, ask(h, "GET", conv+"/messages?before=4&limit=1&nonsense=%20", "_/alice"))
	if len(messages.Items) != 1 || messages.Items[0].Seq != 2 || messages.Items[0].State != wire.StateStored || !messages.MoreAfter || messages.MoreBefore {
		t.Errorf("messages: %+v", messages)
	}
	entries := decode[wire.Page[wire.Entry]](t, ask(h, "GET", conv+"/entries?after=0&limit=3", "_/alice"))
	if len(entries.Items) != 3 || entries.Items[0].Title != "team" || !entries.MoreAfter || entries.MoreBefore || entries.Head != 4 {
		t.Errorf("entries: %+v", entries)
	}
	unread := decode[wire.Unread](t, ask(h, "GET", conv+"/unread", "_/alice"))
	if want := (wire.Unread{Conv: f.group.Conv, Unread: 1, Exact: true, Head: 4, Count: 2, Joined: 1, Floor: 1, Own: 1}); unread != want {
		t.Errorf("unread: %+v", unread)
	}
}

func TestRefused(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	conv := "/v1/conversations/" + string(f.group.Conv)
	for _, c := range []struct {
		target string
		status int
	}{
		{"/", 404},
		{"/v1/ws", 404},
		{"/v1/search?q=x", 404},
		{"/v1/messages/" + string(f.group.Conv) + "-1/trace", 404},
		{"/v1/devices/phone", 404},
		{"/v1/conversations/", 404},
		{"/v1/conversations/x", 404},
		{"/v1/conversations/g_UPPER", 404},
		{"/v1/conversations/g_abcdefghijklmnopqrstuvwxyz", 404},
		{"/v1/conversations/..%2f" + string(f.group.Conv), 404},
		{conv + "/", 404},
		{conv + "/nothing", 404},
		{conv + "/messages?limit=0", 400},
		{conv + "/messages?limit=201", 400},
		{conv + "/messages?limit=x", 400},
		{conv + "/messages?before=1&after=1", 400},
		{conv + "/messages?after=1&around=1", 400},
		{conv + "/messages?before=-1", 400},
		{conv + "/messages?before=9007199254740992", 400},
		{conv + "/entries?before=1&around=1", 400},
		{conv + "/entries?limit=1&limit=2", 400},
		{conv + "/entries?after=%zz", 400},
		{conv + "/members?limit=201", 400},
		{conv + "/members?cursor=%00", 400},
		{"/v1/conversations?limit=201", 400},
		{"/v1/conversations?cursor=x", 400},
	} {
		a := ask(h, "GET", c.target, "_/alice")
		if a.status != c.status || rest.Status(a.problem(t)) != c.status {
			t.Errorf("%s: %d %s, want %d", c.target, a.status, a.body, c.status)
		}
	}
	r := httptest.NewRequest("GET", "/v1/conversations", strings.NewReader("{}"))
	r.Header.Set("Authorization", "Bearer _/alice")
	w := httptest.NewRecorder()
	if h.ServeHTTP(w, r); w.Code != 400 {
		t.Errorf("GET with a body: %d", w.Code)
	}
}

// An error of the store is 503 for every endpoint, and nobody reads its text.
func TestStoreAway(t *testing.T) {
	f := newFixture(t)
	f.store.Inject(memstore.Fault{Kind: memstore.Fail, Err: errors.New("dial 10.0.0.7: a secret")})
	h := f.handler(nil)
	for name, path := range f.endpoints() {
		a := ask(h, "GET", path, "_/alice")
		if a.status != 503 || a.problem(t) != chat.CodeUnavailable || strings.Contains(a.body, "secret") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
}

func TestWithoutGateway(t *testing.T) {
	f := newFixture(t)
	h := f.handler(nil)
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"} {
		a := ask(h, method, "/v1/conversations", "_/alice")
		if a.status != 405 || a.header.Get("Allow") != "GET" {
			t.Errorf("%s: %d, %v", method, a.status, a.header)
		}
		a.problem(t)
		if method == "POST" && !strings.Contains(a.body, "gateway") {
			t.Errorf("the answer does not say where to send it: %s", a.body)
		}
	}
}

// A real token, from a real connection, to a path with a percent-encoded user id.
func TestRealTokenOverTCP(t *testing.T) {
	f := newFixture(t)
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(f.handler(func(o *Options) { o.Verifier = verifier }))
	defer server.Close()
	defer server.Client().CloseIdleConnections()
	token := signed(t, "bob@x.org")
	for _, c := range []struct {
		token  string
		status int
	}{{token, 200}, {token + "x", 401}, {"", 401}} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/v1/conversations/"+string(f.direct.Conv)+"/messages", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+c.token)
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("token %.8q…: %d %s", c.token, resp.StatusCode, body)
		}
	}
}

func signed(t *testing.T, user chat.User) string {
	t.Helper()
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{User: user}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestAnswersAreCounted(t *testing.T) {
	f := newFixture(t)
	meter := rest.NewMeter(&ops.New(ops.Options{}).Metrics, "history")
	h := f.handler(func(o *Options) { o.Observer = rest.Observer{Meter: meter} })
	ask(h, "GET", "/v1/conversations", "_/alice")
	ask(h, "GET", "/v1/conversations", "")
	ask(h, "GET", "/v1/nothing", "_/alice")
	ask(h, "POST", "/v1/messages", "_/alice")
	f.store.Inject(memstore.Fault{Kind: memstore.Fail})
	ask(h, "GET", "/v1/conversations", "_/alice")
	want := map[string]uint64{"ok": 1, "unauthenticated": 1, "client": 2, "limited": 0, "server": 1, "other": 0}
	if got := meter.Answers(); !maps.Equal(got, want) {
		t.Errorf("%v", got)
	}
}
