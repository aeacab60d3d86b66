package gateway

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Every frame kind with missing, mistyped, oversized, unknown and hostile fields:
// the right code, the ref on it, and a session that goes on.
func TestBadFramesAreAnsweredAndHarmNobody(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	mallory, _ := c.login(0, "mallory", "")
	own := string(mallory.sendTo("mallory", "own", "note to myself").Conv)
	foreign := string(alice.sendTo("bob", "m1", "private").Conv)
	group := string(c.group("alice", "bob"))
	const unknown = "g_aaaaaaaaaaaaaaaaaaaaaaaaaa"
	send := func(rest string) string { return `{"type":"send","ref":"R",` + rest + `}` }
	body := `"body":{"text":"x"}`
	cases := []struct {
		name, frame string
		code        chat.Code
		noRef       bool
	}{
		{"not json", `hello there`, chat.CodeBadFrame, true},
		{"array", `[{"type":"ping"}]`, chat.CodeBadFrame, true},
		{"no type", `{"ref":"R"}`, chat.CodeBadFrame, true},
		{"unknown type", `{"type":"$where","ref":"R"}`, chat.CodeBadFrame, false},
		{"server type", `{"type":"ack","ref":"R"}`, chat.CodeBadFrame, false},
		{"duplicate key", `{"type":"ping","ref":"R","ref":"R"}`, chat.CodeBadFrame, true},
		{"invalid utf-8", "{\"type\":\"ping\",\"ref\":\"\xc3\x28\"}", chat.CodeBadFrame, true},
		{"nesting bomb", `{"type":"ping","x":` + strings.Repeat("[", 30000), chat.CodeBadFrame, true},
		{"long ref", `{"type":"ping","ref":"` + strings.Repeat("R", 65) + `"}`, chat.CodeBadRequest, true},

		{"send without target", send(`"cmid":"c",` + body), chat.CodeBadRequest, false},
		{"send with two targets", send(`"to":"bob","conv":"` + own + `","cmid":"c",` + body), chat.CodeBadRequest, false},
		{"send to operator", send(`"to":{"$gt":""},"cmid":"c",` + body), chat.CodeBadRequest, false},
		{"send to no user", send(`"to":"-bob","cmid":"c",` + body), chat.CodeBadRequest, false},
		{"send without cmid", send(`"to":"bob",` + body), chat.CodeBadRequest, false},
		{"send server's cmid", send(`"to":"bob","cmid":"!add:x:0",` + body), chat.CodeBadRequest, false},
		{"send no body", send(`"to":"bob","cmid":"c"`), chat.CodeBadRequest, false},
		{"send empty body", send(`"to":"bob","cmid":"c","body":{"text":""}`), chat.CodeBadRequest, false},
		{"send operator body", send(`"to":"bob","cmid":"c","body":{"$where":"1"}`), chat.CodeBadRequest, false},
		{"send long text", send(`"to":"bob","cmid":"c","body":{"text":"` + strings.Repeat("x", 20<<10) + `"}`), chat.CodeTooLarge, false},
		{"send deep data", send(`"to":"bob","cmid":"c","body":{"data":` + strings.Repeat("[", 50) + strings.Repeat("]", 50) + `}`), chat.CodeBadRequest, false},
		{"send big data", send(`"to":"bob","cmid":"c","body":{"data":"` + strings.Repeat("x", 9<<10) + `"}`), chat.CodeTooLarge, false},
		{"send reserved field", send(`"to":"bob","cmid":"c","thread":1,` + body), chat.CodeBadRequest, false},
		{"send from another", send(`"to":"bob","cmid":"c","from":"alice",` + body), chat.CodeBadRequest, false},
		{"send unknown conv", send(`"conv":"` + unknown + `","cmid":"c",` + body), chat.CodeNotFound, false},
		{"send foreign direct", send(`"conv":"` + foreign + `","cmid":"c",` + body), chat.CodeNotFound, false},
		{"send foreign group", send(`"conv":"` + group + `","cmid":"c",` + body), chat.CodeNotFound, false},
		{"send reply above head", send(`"conv":"` + own + `","cmid":"c","reply_to":99,` + body), chat.CodeBadRequest, false},
		{"send mention stranger", send(`"conv":"` + own + `","cmid":"c","mentions":["bob"],` + body), chat.CodeBadRequest, false},
		{"send mention all", send(`"conv":"` + own + `","cmid":"c","mentions":["*"],` + body), chat.CodeBadRequest, false},

		{"recv without seq", `{"type":"recv","ref":"R","conv":"` + own + `"}`, chat.CodeBadRequest, false},
		{"recv above head", `{"type":"recv","ref":"R","conv":"` + own + `","seq":2}`, chat.CodeBadRequest, false},
		{"recv foreign", `{"type":"recv","ref":"R","conv":"` + foreign + `","seq":1}`, chat.CodeNotFound, false},
		{"recv negative", `{"type":"recv","ref":"R","conv":"` + own + `","seq":-1}`, chat.CodeBadRequest, false},
		{"read text", `{"type":"read","ref":"R","conv":"` + own + `","seq":"1"}`, chat.CodeBadRequest, false},
		{"read above head", `{"type":"read","ref":"R","conv":"` + own + `","seq":9007199254740991}`, chat.CodeBadRequest, false},
		{"read unknown", `{"type":"read","ref":"R","conv":"` + unknown + `","seq":1}`, chat.CodeNotFound, false},

		{"history of nothing", `{"type":"history","ref":"R","conv":"` + own + `"}`, chat.CodeBadRequest, false},
		{"history two ways", `{"type":"history","ref":"R","conv":"` + own + `","before":1,"after":1}`, chat.CodeBadRequest, false},
		{"history limit", `{"type":"history","ref":"R","conv":"` + own + `","before":1,"limit":100000}`, chat.CodeBadRequest, false},
		{"history foreign", `{"type":"history","ref":"R","conv":"` + foreign + `","after":0}`, chat.CodeNotFound, false},

		{"edit of what is not there", `{"type":"edit","ref":"R","conv":"` + own + `","target":99,"cmid":"c",` + body + `}`, chat.CodeNotFound, false},
		{"recall without target", `{"type":"recall","ref":"R","conv":"` + own + `","cmid":"c"}`, chat.CodeBadRequest, false},
		{"react without emoji", `{"type":"react","ref":"R","conv":"` + own + `","target":1,"cmid":"c","on":true}`, chat.CodeBadRequest, false},
		{"typing without on", `{"type":"typing","ref":"R","conv":"` + own + `"}`, chat.CodeBadRequest, false},
		{"watch operator", `{"type":"watch","ref":"R","users":[{"$ne":1}]}`, chat.CodeBadRequest, false},
		{"unwatch of no user", `{"type":"unwatch","ref":"R","users":["b b"]}`, chat.CodeBadRequest, false},
		{"auth without token", `{"type":"auth","ref":"R"}`, chat.CodeBadRequest, false},
		{"ping with more", `{"type":"ping","ref":"R","$where":"sleep(1000)"}`, chat.CodeBadRequest, false},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			k := &conn{t, mallory.ws}
			k.send("%s", tc.frame)
			for {
				e, ok := k.next().(*wire.Error)
				if !ok {
					continue
				}
				if e.Code != tc.code || (e.Ref != "R") != tc.noRef {
					t.Fatalf("got %s (ref %q): %s; want %s", e.Code, e.Ref, e.Message, tc.code)
				}
				break
			}
			k.send(`{"type":"ping","ref":"alive"}`)
			if p := expect[*wire.Pong](k); p.Ref != "alive" {
				t.Fatalf("%+v", p)
			}
		})
	}
	// Nothing of it was stored, and nobody else noticed.
	if ack := mallory.sendTo("mallory", "own2", "x"); ack.Seq != 2 {
		t.Fatalf("own log is at %d", ack.Seq)
	}
	alice.send(`{"type":"ping"}`)
	expect[*wire.Pong](alice)
	if ack := alice.sendTo("bob", "m2", "x"); ack.Seq != 2 {
		t.Fatalf("alice's log is at %d", ack.Seq)
	}
}

func TestWhatClosesASession(t *testing.T) {
	c := newCluster(t, 1)
	good := c.token("bob", time.Hour)
	header := http.Header{"Authorization": {"Bearer " + good}}
	cases := []struct {
		name      string
		header    http.Header
		protocols []string
		binary    bool
		frames    []string
		code      websocket.StatusCode
	}{
		{"binary", header, nil, true, []string{`{"type":"hello"}`}, 4400},
		{"second hello", header, nil, false, []string{`{"type":"hello"}`, `{"type":"hello"}`}, 4400},
		{"send before hello", header, nil, false, []string{`{"type":"send","to":"bob","cmid":"c","body":{"text":"x"}}`}, 4400},
		{"ping before hello", header, nil, false, []string{`{"type":"ping"}`}, 4400},
		{"hello that cannot be read", header, nil, false, []string{`{"type":"hello","device":"no such device"}`}, 4400},
		{"no token", nil, nil, false, []string{`{"type":"hello"}`}, 4401},
		{"bad token in hello", nil, nil, false, []string{`{"type":"hello","token":"nonsense"}`}, 4401},
		{"other user in hello", header, nil, false, []string{fmt.Sprintf(`{"type":"hello","token":%q}`, c.token("alice", time.Hour))}, 4401},
		{"bad token in subprotocol", nil, []string{"parley.v1", "bearer.nonsense"}, false, nil, 4401},
		{"expired token", nil, []string{"parley.v1", "bearer." + c.expired("bob")}, false, nil, 4401},
		{"bad auth", header, nil, false, []string{`{"type":"hello"}`, `{"type":"auth","token":"nonsense"}`}, 4401},
		{"frame too large", header, nil, false, []string{`{"type":"hello","x":"` + strings.Repeat("x", 70<<10) + `"}`}, 1009},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ws, _, err := c.dialRaw(0, tc.header, tc.protocols...)
			if err != nil {
				t.Fatal(err)
			}
			k := &conn{t, ws}
			for _, f := range tc.frames {
				typ := websocket.MessageText
				if tc.binary {
					typ = websocket.MessageBinary
				}
				// A session that is being closed may not take the rest.
				if err := ws.Write(t.Context(), typ, []byte(f)); err != nil && !errors.Is(err, net.ErrClosed) {
					break
				}
			}
			if code := k.closed(); code != tc.code {
				t.Fatalf("closed with %d, want %d", code, tc.code)
			}
		})
	}
}

func TestTokenInEachOfTheThreePlaces(t *testing.T) {
	c := newCluster(t, 1)
	good := c.token("bob", time.Hour)
	cases := []struct {
		name      string
		header    http.Header
		protocols []string
		hello     string
	}{
		{"header", http.Header{"Authorization": {"Bearer " + good}}, nil, `{"type":"hello"}`},
		{"subprotocol", nil, []string{"parley.v1", "bearer." + good}, `{"type":"hello"}`},
		{"hello", nil, nil, fmt.Sprintf(`{"type":"hello","token":%q}`, good)},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ws, res, err := c.dialRaw(0, tc.header, tc.protocols...)
			if err != nil {
				t.Fatal(err)
			}
			if got := res.Header.Get("Sec-WebSocket-Protocol"); got != "parley.v1" {
				t.Fatalf("echoed subprotocol %q", got)
			}
			k := &conn{t, ws}
			k.send("%s", tc.hello)
			if w := expect[*wire.Welcome](k); w.User != "bob" || w.Device != "default" || w.HeartbeatMS != 25000 || w.Limits.Frame != 65536 {
				t.Fatalf("%+v", w)
			}
			expect[*wire.Synced](k)
		})
	}
}

func TestRefusedHandshakes(t *testing.T) {
	c := newCluster(t, 1)
	good := "Bearer " + c.token("bob", time.Hour)
	cases := []struct {
		name      string
		header    http.Header
		protocols []string
		status    int
	}{
		{"no subprotocol", http.Header{"Authorization": {good}}, []string{}, 400},
		{"other subprotocol", http.Header{"Authorization": {good}}, []string{"graphql-ws"}, 400},
		{"bad token", http.Header{"Authorization": {"Bearer nonsense"}}, nil, 401},
		{"expired token", http.Header{"Authorization": {"Bearer " + c.expired("bob")}}, nil, 401},
		{"foreign origin", http.Header{"Authorization": {good}, "Origin": {"https://evil.example"}}, nil, 403},
		{"null origin", http.Header{"Authorization": {good}, "Origin": {"null"}}, nil, 403},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			ws, res, err := c.dialRaw(0, tc.header, tc.protocols...)
			if err == nil {
				_ = ws.CloseNow()
				t.Fatal("accepted")
			}
			if res == nil || res.StatusCode != tc.status {
				t.Fatalf("got %v, %v; want %d", res, err, tc.status)
			}
		})
	}
}

func TestBadRequestsAreProblems(t *testing.T) {
	c := newCluster(t, 1)
	conv := c.group("alice", "bob")
	base := "/v1/conversations/" + string(conv)
	cases := []struct {
		name, method, path, user, body string
		status                         int
		code                           chat.Code
	}{
		{"no token", "POST", "/v1/conversations", "", `{}`, 401, chat.CodeUnauthenticated},
		{"no json", "POST", "/v1/conversations", "alice", `hello`, 400, ""},
		{"no title", "POST", "/v1/conversations", "alice", `{"members":[],"cmid":"c"}`, 400, chat.CodeBadRequest},
		{"no cmid", "POST", "/v1/conversations", "alice", `{"title":"x","members":[]}`, 400, chat.CodeBadRequest},
		{"bad member", "POST", "/v1/conversations", "alice", `{"title":"x","members":["$x"],"cmid":"c"}`, 400, chat.CodeBadRequest},
		{"operator member", "POST", "/v1/conversations", "alice", `{"title":"x","members":[{"$ne":1}],"cmid":"c"}`, 400, chat.CodeBadRequest},
		{"bad history", "POST", "/v1/conversations", "alice", `{"title":"x","members":[],"cmid":"c","history":"none"}`, 400, chat.CodeBadRequest},
		{"rename by stranger", "PATCH", base, "mallory", `{"title":"mine","cmid":"c"}`, 404, chat.CodeNotFound},
		{"rename by member", "PATCH", base, "bob", `{"title":"mine","cmid":"c"}`, 403, chat.CodeForbidden},
		{"rename of nothing", "PATCH", "/v1/conversations/nonsense", "alice", `{"title":"x","cmid":"c"}`, 404, chat.CodeNotFound},
		{"role unknown", "PUT", base + "/members/dave", "alice", `{"role":"king","cmid":"c"}`, 400, chat.CodeBadRequest},
		{"self promotion", "PUT", base + "/members/bob", "bob", `{"role":"owner","cmid":"c"}`, 403, chat.CodeForbidden},
		{"add by stranger", "PUT", base + "/members/mallory", "mallory", `{"role":"member","cmid":"c"}`, 404, chat.CodeNotFound},
		{"remove owner", "DELETE", base + "/members/alice?cmid=c", "bob", "", 403, chat.CodeForbidden},
		{"remove nobody", "DELETE", base + "/members/nobody?cmid=c", "alice", "", 404, chat.CodeNotFound},
		{"owner demotes itself", "PUT", base + "/members/alice", "alice", `{"role":"member","cmid":"c"}`, 403, chat.CodeForbidden},
		{"send for another", "POST", "/v1/messages", "mallory", `{"from":"alice","to":"bob","cmid":"c","body":{"text":"x"}}`, 403, chat.CodeForbidden},
		{"send to stranger's group", "POST", "/v1/messages", "mallory", `{"conv":"` + string(conv) + `","cmid":"c","body":{"text":"x"}}`, 404, chat.CodeNotFound},
		{"send nothing", "POST", "/v1/messages", "alice", `{"to":"bob","cmid":"c"}`, 400, chat.CodeBadRequest},
		{"unknown path", "POST", "/v1/nothing", "alice", `{}`, 404, chat.CodeNotFound},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			var p wire.Problem
			status := c.rest(tc.method, tc.path, tc.user, tc.body, &p)
			if status != tc.status || p.Status != tc.status || (tc.code != "" && p.Code != tc.code) || p.Detail == "" {
				t.Fatalf("got %d %+v; want %d %s", status, p, tc.status, tc.code)
			}
		})
	}
}

func TestServiceSendsForOthers(t *testing.T) {
	c := newCluster(t, 1)
	bob, _ := c.login(0, "bob", "")
	token, err := c.signer.Sign(auth.Identity{User: "billing", Scopes: []string{auth.ScopeSendAny}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", c.urls[0]+"/v1/messages",
		strings.NewReader(`{"from":"alice","to":"bob","body":{"text":"your invoice"}}`))
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Idempotency-Key", "invoice-1")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if e := expect[*wire.Entry](bob); res.StatusCode != 200 || e.From != "alice" || e.Via != "billing" || e.CMID != "invoice-1" {
		t.Fatalf("%d %+v", res.StatusCode, e)
	}
}

// trap is a verifier that breaks at one token, as a defect would that nobody has found.
type trap struct{ Verifier }

func (v trap) Verify(token string) (auth.Identity, error) {
	if token == "trap" {
		panic("this token breaks it")
	}
	return v.Verifier.Verify(token)
}

// A frame that breaks its handler costs its own session and nobody else's.
func TestAPanicEndsOneSession(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Verifier = trap{o.Verifier}; o.Log = slog.New(slog.DiscardHandler) })
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(0, "bob", "")
	bob.send(`{"type":"auth","token":"trap"}`)
	bob.closedWith(chat.CloseInternal)
	alice.lives()
	if ack := alice.sendTo("bob", "m1", "hello"); ack.Seq != 1 {
		t.Errorf("%+v", ack)
	}
	if _, missed := c.login(0, "bob", ""); len(missed) != 1 {
		t.Errorf("flushed %d", len(missed))
	}
}
