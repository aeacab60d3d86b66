package gateway

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/wire"
)

// limited is a cluster with limits, which hold for this host, too, and for which no
// time goes by.
func limited(t *testing.T, limits guard.Options, change ...func(*Options)) *cluster {
	limits.Local, limits.Now = true, still
	return newCluster(t, 1, append(change, func(o *Options) { o.Guard = guard.New(limits) })...)
}

func still() time.Time { return time.Unix(1_000_000, 0) }

// refused checks the answer to a handshake that comes too often.
func refused(t *testing.T, res *http.Response, err error) {
	t.Helper()
	if err == nil || res == nil || res.StatusCode != http.StatusTooManyRequests {
		t.Fatalf("handshake: %v, %v", res, err)
	}
	var p wire.Problem
	if err := json.UnmarshalRead(res.Body, &p); err != nil || p.Code != chat.CodeRateLimited || p.RetryAfterMS <= 0 || res.Header.Get("Retry-After") == "" {
		t.Errorf("%+v, Retry-After %q, %v", p, res.Header.Get("Retry-After"), err)
	}
}

func (c *cluster) header(user string) http.Header {
	return http.Header{"Authorization": {"Bearer " + c.token(user, time.Hour)}}
}

// The connection that comes last is refused; a device that connects again gets its
// place, and so does who comes when another has gone.
func TestConnectionsPerUser(t *testing.T) {
	c := limited(t, guard.Options{ConnectionsPerUser: 2})
	token := c.token("bob", time.Hour)
	one, two := c.session(0, token, "one"), c.session(0, token, "two")
	late := c.connect(0, "bob")
	late.send(`{"type":"hello","device":"three"}`)
	late.closedWith(chat.CloseTooManyFrames)
	c.until(func() bool { return c.gates[0].Stats().Sessions == 2 })
	if on := c.gates[0].Online(); on.Sessions != 2 || on.Users != 1 { // who was refused was never online
		t.Errorf("%+v", on)
	}
	again := c.session(0, token, "two")
	two.closedWith(chat.CloseReplaced)
	one.lives()
	c.session(0, c.token("alice", time.Hour), "three").lives()
	_ = again.ws.CloseNow()
	c.until(func() bool { return len(c.gates[0].table.Sessions("_", "bob")) == 1 })
	c.session(0, token, "three").lives()
	if n := c.gates[0].Stats().Limited[string(guard.ConnectionsPerUser)]; n != 1 {
		t.Errorf("counted %d times", n)
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	c := limited(t, guard.Options{ConnectionsPerAddress: 3})
	first := c.connect(0, "u0")
	for i := range 2 {
		c.login(0, fmt.Sprint("u", i+1), "")
	}
	_, res, err := c.dialRaw(0, c.header("u3"))
	refused(t, res, err)
	_ = first.ws.CloseNow()
	c.until(func() bool { return c.gates[0].Stats().Sessions == 2 })
	c.login(0, "u3", "")
	_, res, err = c.dialRaw(0, c.header("u4"))
	refused(t, res, err)
}

func TestHandshakesPerAddress(t *testing.T) {
	c := limited(t, guard.Options{Handshakes: 1})
	for range 10 {
		c.connect(0, "bob")
	}
	_, res, err := c.dialRaw(0, c.header("bob"))
	refused(t, res, err)
}

// Bad tokens are answered for a while, wherever they are, and then nothing is
// answered. Tokens that have expired are not bad.
func TestAuthFailuresPerAddress(t *testing.T) {
	c := limited(t, guard.Options{Failures: 1})
	good := c.token("bob", time.Hour)
	for range 20 {
		if status, _ := c.ask(0, "PATCH", "/v1/me", `{}`, c.expired("bob")); status != http.StatusUnauthorized {
			t.Fatalf("expired: %d", status)
		}
	}
	inHello := c.inHello(0, "guess")
	inHello.closedWith(chat.CloseUnauthorized)
	c.bearer(0, "guess").closedWith(chat.CloseUnauthorized)
	session := c.session(0, good, "a")
	session.send(`{"type":"auth","token":"guess"}`)
	session.closedWith(chat.CloseUnauthorized)
	for i := range 7 {
		if status, _ := c.ask(0, "PATCH", "/v1/me", `{}`, "guess"); status != http.StatusUnauthorized {
			t.Fatalf("guess %d: %d", i, status)
		}
	}
	if status, answer := c.ask(0, "PATCH", "/v1/me", `{"hide_read":true}`, good); status != http.StatusTooManyRequests || !strings.Contains(answer, `"retry_after_ms"`) {
		t.Errorf("after ten guesses: %d %s", status, answer)
	}
	_, res, err := c.dialRaw(0, c.header("bob"))
	refused(t, res, err)
}

// A limit by address counts clients and not their proxy.
func TestLimitsBehindAProxy(t *testing.T) {
	o := guard.Options{Trusted: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}, Handshakes: 1, Now: still}
	c := newCluster(t, 1, func(opts *Options) { opts.Guard = guard.New(o) })
	connect := func(from string) (*http.Response, error) {
		h := c.header("bob")
		h.Set("X-Forwarded-For", from)
		_, res, err := c.dialRaw(0, h)
		return res, err
	}
	for i := range 10 {
		if _, err := connect("6.6.6.6, 203.0.113.1"); err != nil {
			t.Fatal(i, err)
		}
	}
	res, err := connect("7.7.7.7, 203.0.113.1")
	refused(t, res, err)
	if _, err := connect("203.0.113.2"); err != nil {
		t.Error("another client:", err)
	}
}

func TestRequestsPerUserAndAddress(t *testing.T) {
	for name, limits := range map[string]guard.Options{"user": {UserRequests: 5}, "address": {AddressRequests: 1}} {
		t.Run(name, func(t *testing.T) {
			c := limited(t, limits)
			for i := range 10 {
				if status, _ := c.ask(0, "PATCH", "/v1/me", `{"hide_read":true}`, c.token("bob", time.Hour)); status != http.StatusOK {
					t.Fatalf("%d: %d", i, status)
				}
			}
			var p wire.Problem
			status, answer := c.ask(0, "PATCH", "/v1/me", `{"hide_read":true}`, c.token("bob", time.Hour))
			if err := json.Unmarshal([]byte(answer), &p); err != nil || status != http.StatusTooManyRequests || p.Code != chat.CodeRateLimited || p.RetryAfterMS <= 0 {
				t.Errorf("%d %s", status, answer)
			}
			if status, _ := c.ask(0, "PATCH", "/v1/me", `{"hide_read":true}`, c.token("alice", time.Hour)); (status == http.StatusOK) != (name == "user") {
				t.Errorf("another user: %d", status)
			}
		})
	}
}

// What a user sends counts over all sessions and HTTP; and a refused send keeps its
// place in the order.
func TestSendsPerUser(t *testing.T) {
	c := limited(t, guard.Options{UserSends: 5})
	token := c.token("bob", time.Hour)
	one, two := c.session(0, token, "one"), c.session(0, token, "two")
	for i := range 4 {
		one.sendTo("alice", fmt.Sprint("a", i), "x")
		two.sendTo("carol", fmt.Sprint("b", i), "x")
	}
	body := `{"messages":[{"to":"dave","cmid":"h1","body":{"text":"x"}},{"to":"dave","cmid":"h2","body":{"text":"x"}}]}`
	if status, answer := c.ask(0, "POST", "/v1/messages/batch", body, token); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	one.send(`{"type":"send","ref":"r","to":"alice","cmid":"a9","body":{"text":"x"}}`)
	for {
		f := one.next()
		if e, ok := f.(*wire.Error); ok {
			if e.Code != chat.CodeRateLimited || e.RetryAfterMS <= 0 || e.Ref != "r" {
				t.Errorf("%+v", e)
			}
			break
		}
		if a, ok := f.(*wire.Ack); ok {
			t.Fatalf("an eleventh message at once is stored: %+v", a)
		}
	}
	if status, answer := c.ask(0, "POST", "/v1/messages", `{"to":"dave","cmid":"h3","body":{"text":"x"}}`, token); status != http.StatusTooManyRequests {
		t.Errorf("%d %s", status, answer)
	}
	service, err := c.signer.Sign(auth.Identity{User: "billing", Scopes: []string{auth.ScopeSendAny}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		if status, answer := c.ask(0, "POST", "/v1/messages", fmt.Sprintf(`{"to":"dave","cmid":"s%d","body":{"text":"x"}}`, i), service); status != http.StatusOK {
			t.Fatalf("a service: %d %s", status, answer)
		}
	}
}

// A session that sends far too much is closed, on both readers, whether it sends
// frames, bytes, or pings of the protocol below.
func TestFramesPerSession(t *testing.T) {
	for _, reader := range []Reader{ReaderGoroutine, ""} {
		for name, flood := range map[string]func(k *conn, i int) error{
			"frames": func(k *conn, _ int) error {
				return k.ws.Write(k.t.Context(), websocket.MessageText, []byte(`{"type":"ping"}`))
			},
			"bytes": func(k *conn, _ int) error {
				return k.ws.Write(k.t.Context(), websocket.MessageText, []byte(`{"type":"ping","ref":"`+strings.Repeat("x", 60_000)+`"}`))
			},
			"unreadable": func(k *conn, _ int) error { return k.ws.Write(k.t.Context(), websocket.MessageText, []byte(`{`)) },
		} {
			t.Run(fmt.Sprint(name, "/", reader), func(t *testing.T) {
				c := limited(t, guard.Options{}, func(o *Options) { o.Reader, o.FramesPerS, o.BytesPerS = reader, 100, 100_000 })
				k := c.session(0, c.token("bob", time.Hour), "a")
				polite := c.session(0, c.token("alice", time.Hour), "a")
				done := make(chan struct{})
				go func() {
					defer close(done)
					for i := 0; flood(k, i) == nil && i < 100_000; i++ {
					}
				}()
				if got := k.closed(); got != websocket.StatusCode(chat.CloseTooManyFrames) {
					t.Errorf("closed with %d", got)
				}
				_ = k.ws.CloseNow()
				<-done
				polite.lives()
				if n := c.gates[0].Stats().Limited[string(guard.Frames)]; n != 1 {
					t.Errorf("counted %d times", n)
				}
			})
		}
	}
}

// Whoever stays below the limits is not touched by them.
func TestFramesBelowTheLimit(t *testing.T) {
	c := limited(t, guard.Options{}, func(o *Options) { o.FramesPerS, o.BytesPerS = 1000, 1<<20 })
	k := c.session(0, c.token("bob", time.Hour), "a")
	for range 1500 {
		k.lives()
	}
}

// What changes a group is stored like what is said in it, and counts with it.
func TestGroupChangesCountAsSends(t *testing.T) {
	c := limited(t, guard.Options{UserSends: 3}) // 6 at once
	token := c.token("bob", time.Hour)
	status, answer := c.ask(0, "POST", "/v1/conversations", `{"title":"t","members":["alice"],"cmid":"g"}`, token)
	var group wire.Conversation
	if err := json.Unmarshal([]byte(answer), &group); err != nil || status != http.StatusCreated {
		t.Fatal(status, answer, err)
	}
	path := "/v1/conversations/" + string(group.Conv)
	for i, change := range [][3]string{
		{"PATCH", "", `{"title":"u","cmid":"c1"}`},
		{"PUT", "/members/carol", `{"role":"member","cmid":"c2"}`},
		{"PUT", "/members/dave", `{"role":"member","cmid":"c3"}`},
		{"DELETE", "/members/dave?cmid=c4", ""},
		{"PATCH", "", `{"title":"v","cmid":"c5"}`},
		{"PATCH", "", `{"title":"w","cmid":"c6"}`},
		{"PUT", "/members/erin", `{"role":"member","cmid":"c7"}`},
		{"DELETE", "/members/carol?cmid=c8", ""},
		{"DELETE", "?cmid=c9", ""},
	} {
		status, answer := c.ask(0, change[0], path+change[1], change[2], token)
		if want := i >= 5; (status == http.StatusTooManyRequests) != want {
			t.Errorf("change %d: %d %s", i, status, answer)
		}
	}
	if status, _ := c.ask(0, "POST", "/v1/conversations", `{"title":"t","members":["alice"],"cmid":"h"}`, token); status != http.StatusTooManyRequests {
		t.Errorf("another group: %d", status)
	}
}

// To decide for how long a conversation is kept counts as many sends: it is a job, and
// jobs are worked off one after the other.
func TestDecisionsCountAsManySends(t *testing.T) {
	c := limited(t, guard.Options{UserSends: 25}) // 50 at once
	conv := c.group("alice", "bob")
	status := 0
	for n, keep := range []string{"720h", "744h", "768h"} {
		status, _ = c.ask(0, "PUT", "/v1/conversations/"+string(conv)+"/retention", fmt.Sprintf(`{"keep":%q}`, keep), c.token("alice", time.Hour))
		if want := n == 2; (status == http.StatusTooManyRequests) != want {
			t.Errorf("decision %d: %d", n+1, status)
		}
	}
}
