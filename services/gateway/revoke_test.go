package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// operator revokes.
type operator struct{ *cluster }

func (o operator) do(pod int, method, path, body string) (status int, answer string) {
	o.t.Helper()
	token, err := o.signer.Sign(auth.Identity{User: "operator", Scopes: []string{auth.ScopeRevokeAny}}, time.Hour)
	if err != nil {
		o.t.Fatal(err)
	}
	return o.ask(pod, method, path, body, token)
}

func (c *cluster) ask(pod int, method, path, body, token string) (status int, answer string) {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.urls[pod]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func (o operator) must(pod int, method, path, body string) {
	o.t.Helper()
	if status, answer := o.do(pod, method, path, body); status/100 != 2 {
		o.t.Fatalf("%s %s: %d %s", method, path, status, answer)
	}
}

// tokenOf is a token with everything that it is revoked by.
func (c *cluster) tokenOf(user, jti string, issued time.Time) string {
	c.t.Helper()
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret), Now: func() time.Time { return issued }})
	if err != nil {
		c.t.Fatal(err)
	}
	tok, err := signer.Sign(auth.Identity{User: chat.User(user), ID: jti}, time.Until(issued.Add(3*time.Hour)))
	if err != nil {
		c.t.Fatal(err)
	}
	return tok
}

// session opens a session with a token.
func (c *cluster) session(pod int, token, device string) *conn {
	c.t.Helper()
	ws, _, err := c.dialRaw(pod, http.Header{"Authorization": {"Bearer " + token}})
	if err != nil {
		c.t.Fatal(err)
	}
	k := &conn{c.t, ws}
	k.send(`{"type":"hello","device":%q}`, device)
	expect[*wire.Synced](k)
	return k
}

// closedWith waits for the close frame.
func (k *conn) closedWith(want chat.CloseCode) {
	k.t.Helper()
	if got := k.closed(); got != websocket.StatusCode(want) {
		k.t.Errorf("closed with %d, want %d", got, want)
	}
}

// looksOnce lets the second pod read once more what was revoked, and not again: with how
// often it does that, which package revoke tests, this is the bound of the contract.
func (c *cluster) looksOnce() {
	seen := c.store.Inject(memstore.Fault{Op: memstore.OpRevocations, Kind: memstore.Block, Skip: 1,
		When: func(call memstore.Call) bool { return call.Client == "pod1" }})
	c.t.Cleanup(func() {
		seen.Remove()
		seen.Release()
	})
}

// lives shows that a session was not closed.
func (k *conn) lives() {
	k.t.Helper()
	k.send(`{"type":"ping"}`)
	expect[*wire.Pong](k)
}

const hourAgo = -time.Hour

func TestRevokedTokenEndsItsSessions(t *testing.T) {
	c := newCluster(t, 2)
	issued := time.Now().Add(hourAgo)
	bad := c.tokenOf("bob", "jti-1", issued)
	here, there := c.session(0, bad, "a"), c.session(1, bad, "b")
	other := c.session(1, c.tokenOf("bob", "jti-2", issued), "c")
	expires, _ := json.Marshal(wire.Time{Time: issued.Add(3 * time.Hour)})
	for range 2 { // repeats are harmless
		operator{c}.must(0, "POST", "/v1/revocations", fmt.Sprintf(`{"token":"jti-1","expires":%s}`, expires))
	}
	here.closedWith(chat.CloseUnauthorized)
	there.closedWith(chat.CloseUnauthorized)
	other.lives()
	for pod := range 2 {
		if status, answer := c.ask(pod, "PATCH", "/v1/me", `{"hide_read":true}`, bad); status != http.StatusUnauthorized || !strings.Contains(answer, `"unauthenticated"`) {
			t.Errorf("pod %d: %d %s", pod, status, answer)
		}
		if _, res, err := c.dialRaw(pod, http.Header{"Authorization": {"Bearer " + bad}}); err == nil || res == nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("pod %d: handshake %v", pod, res)
		}
		for _, k := range []*conn{c.bearer(pod, bad), c.inHello(pod, bad)} {
			k.closedWith(chat.CloseUnauthorized)
		}
	}
}

// bearer connects with a token in the subprotocols, inHello with one in hello.
func (c *cluster) bearer(pod int, token string) *conn {
	c.t.Helper()
	ws, _, err := c.dialRaw(pod, nil, wire.Subprotocol, wire.BearerPrefix+token)
	if err != nil {
		c.t.Fatal(err)
	}
	return &conn{c.t, ws}
}

func (c *cluster) inHello(pod int, token string) *conn {
	c.t.Helper()
	ws, _, err := c.dialRaw(pod, nil)
	if err != nil {
		c.t.Fatal(err)
	}
	k := &conn{c.t, ws}
	k.send(`{"type":"hello","token":%q}`, token)
	return k
}

func TestRevokedUserKeepsNewerTokens(t *testing.T) {
	c := newCluster(t, 2)
	now := time.Now()
	old, young := c.session(1, c.tokenOf("bob", "", now.Add(hourAgo)), "old"), c.session(1, c.tokenOf("bob", "", now), "young")
	stranger := c.session(1, c.tokenOf("alice", "", now.Add(hourAgo)), "x")
	before, _ := json.Marshal(wire.Time{Time: now.Add(hourAgo / 2)})
	op := operator{c}
	op.must(0, "POST", "/v1/revocations", fmt.Sprintf(`{"user":"bob","before":%s}`, before))
	old.closedWith(chat.CloseUnauthorized)
	young.lives()
	stranger.lives()
	// An earlier time takes nothing back.
	earlier, _ := json.Marshal(wire.Time{Time: now.Add(10 * hourAgo)})
	if status, answer := op.do(1, "POST", "/v1/revocations", fmt.Sprintf(`{"user":"bob","before":%s}`, earlier)); status != 200 || !strings.Contains(answer, string(before)) {
		t.Errorf("%d %s, want what is in force: %s", status, answer, before)
	}
	again := c.bearer(0, c.tokenOf("bob", "", now.Add(hourAgo)))
	again.closedWith(chat.CloseUnauthorized)
}

func TestBan(t *testing.T) {
	c := newCluster(t, 2)
	op := operator{c}
	token := c.token("mallory", time.Hour)
	here, there := c.session(0, token, "a"), c.session(1, token, "b")
	waiting := c.connect(1, "mallory") // with a token, and no hello yet
	op.must(0, "PUT", "/v1/bans/mallory", `{}`)
	here.closedWith(chat.CloseForbidden)
	there.closedWith(chat.CloseForbidden)
	waiting.send(`{"type":"hello"}`)
	waiting.closedWith(chat.CloseForbidden)
	for pod := range 2 {
		if status, answer := c.ask(pod, "PATCH", "/v1/me", `{"hide_read":true}`, token); status != http.StatusForbidden || !strings.Contains(answer, `"forbidden"`) {
			t.Errorf("pod %d: %d %s", pod, status, answer)
		}
		if _, res, err := c.dialRaw(pod, http.Header{"Authorization": {"Bearer " + token}}); err == nil || res == nil || res.StatusCode != http.StatusForbidden {
			t.Errorf("pod %d: handshake %v", pod, res)
		}
		c.bearer(pod, token).closedWith(chat.CloseForbidden)
		c.inHello(pod, token).closedWith(chat.CloseForbidden)
	}
	for range 2 {
		op.must(1, "DELETE", "/v1/bans/mallory", "")
	}
	for pod := range 2 {
		c.until(func() bool {
			status, _ := c.ask(pod, "PATCH", "/v1/me", `{"hide_read":true}`, token)
			return status == http.StatusOK
		})
	}
	c.session(0, token, "a").lives()
	op.must(0, "PUT", "/v1/bans/mallory", `{}`)
	c.bearer(0, token)
}

// A token that replaces another in a session is what the session is found by.
func TestRevokedAfterAuth(t *testing.T) {
	c := newCluster(t, 1)
	now := time.Now()
	k := c.session(0, c.tokenOf("bob", "first", now), "a")
	k.send(`{"type":"auth","token":%q}`, c.tokenOf("bob", "second", now))
	k.lives()
	expires, _ := json.Marshal(wire.Time{Time: now.Add(time.Hour)})
	op := operator{c}
	op.must(0, "POST", "/v1/revocations", fmt.Sprintf(`{"token":"first","expires":%s}`, expires))
	c.until(func() bool { return c.gates[0].Stats().Revoked.Entries == 1 })
	k.lives()
	k.send(`{"type":"auth","token":%q}`, c.tokenOf("bob", "first", now)) // back to the one that is revoked
	k.closedWith(chat.CloseUnauthorized)
}

// With the bus away, sessions of other pods end all the same, because each pod looks.
func TestRevokedWithTheBusAway(t *testing.T) {
	for name, harm := range map[string]func(*wireBus){
		"away": func(b *wireBus) { b.cut = true },
		"lossy": func(b *wireBus) {
			b.drop = func(_ bus.Topic, data []byte) bool { return strings.Contains(string(data), "revoked") }
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCluster(t, 2, brisk())
			k := c.session(1, c.token("mallory", time.Hour), "a")
			c.bus.set(func() { harm(c.bus) })
			operator{c}.must(0, "PUT", "/v1/bans/mallory", `{}`)
			c.looksOnce()
			k.closedWith(chat.CloseForbidden)
		})
	}
}

// Whatever became of a write, a repeat of the request brings what it asks for.
func TestRevokeRepeats(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Late} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			c := newCluster(t, 2)
			op := operator{c}
			k := c.session(1, c.token("mallory", time.Hour), "a")
			fault := c.store.Inject(memstore.Fault{Op: memstore.OpPutRevocation, Kind: kind, Times: 1})
			if status, answer := op.do(0, "PUT", "/v1/bans/mallory", `{}`); status != http.StatusServiceUnavailable {
				t.Fatalf("%d %s", status, answer)
			}
			op.must(0, "PUT", "/v1/bans/mallory", `{}`)
			k.closedWith(chat.CloseForbidden)
			op.must(0, "DELETE", "/v1/bans/mallory", ``)
			fault.Release() // the first try, late
			all, err := c.store.Revocations(t.Context(), time.Time{})
			if err != nil || len(all) != 1 || all[0].On {
				t.Errorf("%+v, %v: a late ban undid its lifting", all, err)
			}
		})
	}
}

// A ban that failed in an unknown way and was applied is found by every pod, although
// nobody was told of it.
func TestRevokeAppliedWithoutAnswer(t *testing.T) {
	c := newCluster(t, 2, brisk())
	k := c.session(1, c.token("mallory", time.Hour), "a")
	c.store.Inject(memstore.Fault{Op: memstore.OpPutRevocation, Kind: memstore.FailApplied, Times: 1})
	if status, _ := (operator{c}).do(0, "PUT", "/v1/bans/mallory", `{}`); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	c.looksOnce()
	k.closedWith(chat.CloseForbidden)
}

// With the store away the bans that are known stay in force, and sessions live on.
func TestRevokeWithTheStoreAway(t *testing.T) {
	c := newCluster(t, 1)
	op := operator{c}
	op.must(0, "PUT", "/v1/bans/mallory", `{}`)
	c.until(func() bool { return c.gates[0].Stats().Revoked.Entries == 1 })
	k := c.session(0, c.token("alice", time.Hour), "a")
	away := c.store.Inject(memstore.Fault{Op: memstore.OpRevocations, Kind: memstore.Fail})
	if err := away.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	c.bearer(0, c.token("mallory", time.Hour)).closedWith(chat.CloseForbidden)
	k.lives()
}

func TestRevokeRefusesNonsense(t *testing.T) {
	c := newCluster(t, 1)
	op := operator{c}
	later, _ := json.Marshal(wire.Time{Time: time.Now().Add(time.Hour)})
	for _, body := range []string{
		`{}`, `[]`, `{"token":"a"}`, `{"user":"a b"}`, `{"user":"bob","token":"x","expires":"2030-01-01T00:00:00Z"}`,
		`{"token":"a","expires":"2030-01-01T00:00:00Z","before":"2020-01-01T00:00:00Z"}`,
		`{"token":"` + strings.Repeat("x", 257) + `","expires":"2030-01-01T00:00:00Z"}`,
		`{"user":"bob","before":` + string(later) + `}`,
		`{"user":"bob","before":"2020-01-02T00:00:00Z","until":"2020-01-01T00:00:00Z"}`,
		`{"user":"bob","expires":"2030-01-01T00:00:00Z"}`,
		`{"user":{"$gt":""}}`, `{"token":{"$ne":null},"expires":"2030-01-01T00:00:00Z"}`,
	} {
		if status, answer := op.do(0, "POST", "/v1/revocations", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", body, status, answer)
		}
	}
	for path, body := range map[string]string{
		"/v1/bans/a%20b": `{}`, "/v1/bans/bob": `{"until":"2020-01-01T00:00:00Z"}`, "/v1/bans/eve": `{"until":{"$gt":""}}`,
	} {
		if status, answer := op.do(0, "PUT", path, body); status != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", path, body, status, answer)
		}
	}
	if all, err := c.store.Revocations(t.Context(), time.Time{}); err != nil || len(all) != 0 {
		t.Errorf("%+v, %v", all, err)
	}
}

// A tenant's operator changes nothing in another tenant.
func TestRevokeStaysInItsTenant(t *testing.T) {
	c := newCluster(t, 1)
	k := c.session(0, c.token("bob", time.Hour), "a")
	token, err := c.signer.Sign(auth.Identity{NS: "other", User: "operator", Scopes: []string{auth.ScopeRevokeAny}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := c.ask(0, "PUT", "/v1/bans/bob", `{}`, token); status != http.StatusOK {
		t.Fatalf("%d %s", status, answer)
	}
	c.until(func() bool { return c.gates[0].Stats().Revoked.Entries == 1 })
	k.lives()
	all, err := c.store.Revocations(t.Context(), time.Time{})
	if err != nil || len(all) != 1 || all[0].NS != "other" || all[0].Kind != store.RevokedBan {
		t.Errorf("%+v, %v", all, err)
	}
}

// Of two revocations of a user's tokens the later one is kept. It ends no earlier than
// the one before it: what that one revoked would come back.
func TestALaterRevocationEndsNoEarlier(t *testing.T) {
	c := newCluster(t, 1)
	o := operator{c}
	at := func(d time.Duration) string { return time.Now().UTC().Add(d).Format("2006-01-02T15:04:05.000Z") }
	o.must(0, "POST", "/v1/revocations", fmt.Sprintf(`{"user":"bob","before":%q,"until":%q}`, at(-2*time.Hour), at(48*time.Hour)))
	c.until(func() bool { return !c.gates[0].revoked.LastsUntil("_", "bob").IsZero() })
	status, answer := o.do(0, "POST", "/v1/revocations", fmt.Sprintf(`{"user":"bob","before":%q,"until":%q}`, at(-time.Hour), at(time.Hour)))
	var kept wire.Revocation
	if err := json.Unmarshal([]byte(answer), &kept); err != nil || status != http.StatusOK {
		t.Fatal(status, answer, err)
	}
	if left := time.Until(kept.Until.Time); left < 47*time.Hour {
		t.Errorf("what was revoked for 48 h is revoked for %v more", left)
	}
}
