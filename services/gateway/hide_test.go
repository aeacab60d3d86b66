package gateway

import (
	"fmt"
	"net/http"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// marks waits for a receipt of a user that tells at least so much as delivered, and
// returns the furthest read position that came until then.
func (k *conn) marks(user chat.User, delivered chat.Seq) (read chat.Seq) {
	k.t.Helper()
	for {
		r := expect[*wire.Receipt](k)
		if r.User != user {
			continue
		}
		if read = max(read, r.Read); r.Delivered >= delivered {
			return read
		}
	}
}

func TestHiddenReadPositions(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	conv := alice.begin("bob", "m1").Conv
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	laptop, _ := c.login(1, "bob", `{"type":"hello","device":"laptop"}`)
	far, _ := c.login(1, "alice", `{"type":"hello","device":"far"}`)

	var p wire.Profile
	if status := c.at(1, "PATCH", "/v1/me", "bob", `{"hide_read":true}`, &p); status != http.StatusOK || !p.HideRead || p.User != "bob" {
		t.Fatalf("%d %+v", status, p)
	}
	// Everybody learns that it has arrived, and only bob's devices that it was read.
	phone.send(`{"type":"read","conv":%q,"seq":1}`, conv)
	for _, k := range []*conn{alice, far} {
		if read := k.marks("bob", 1); read != 0 {
			t.Errorf("others are told that bob has read up to %d", read)
		}
	}
	for _, k := range []*conn{phone, laptop} {
		if read := k.marks("bob", 1); read != 1 {
			t.Errorf("bob's own device is told %d", read)
		}
	}
	c.until(func() bool { // both pods know by now
		bob := route.UserKey{NS: chat.DefaultNS, User: "bob"}
		return c.gates[0].hiders.has(bob) && c.gates[1].hiders.has(bob)
	})
	// And bob is not told what alice reads, on either pod: on one a session began
	// before bob hid it, on the other as well.
	alice.sendTo("bob", "m2", "x")
	alice.send(`{"type":"read","conv":%q,"seq":2}`, conv)
	for _, k := range []*conn{phone, laptop} {
		if read := k.marks("alice", 2); read != 0 {
			t.Errorf("bob is told that alice has read up to %d", read)
		}
	}
	// A session that begins later is told no more.
	_ = phone.ws.CloseNow()
	later, _ := c.login(0, "bob", `{"type":"hello","device":"later"}`)
	alice.sendTo("bob", "m3", "x")
	alice.send(`{"type":"read","conv":%q,"seq":3}`, conv)
	if read := later.marks("alice", 3); read != 0 {
		t.Errorf("bob is told that alice has read up to %d", read)
	}
	// Switched off, both see what comes.
	p = wire.Profile{HideRead: true}
	if status := c.rest("PATCH", "/v1/me", "bob", `{"hide_read":false}`, &p); status != http.StatusOK || p.HideRead {
		t.Fatalf("%d %+v", status, p)
	}
	laptop.send(`{"type":"read","conv":%q,"seq":3}`, conv)
	if read := alice.marks("bob", 3); read != 3 {
		t.Errorf("alice is told %d", read)
	}
	for _, body := range []string{`{}`, `{"hide_read":1}`, `{"hide":true}`} {
		if status := c.rest("PATCH", "/v1/me", "bob", body, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", body, status)
		}
	}
}

// A store that does not tell who hides makes receipts late, not loose.
func TestReceiptsWaitForProfiles(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	conv := alice.begin("bob", "m1").Conv
	bob, _ := c.login(0, "bob", "")
	c.rest("PATCH", "/v1/me", "bob", `{"hide_read":true}`, nil)
	in := c.store.Inject(memstore.Fault{Op: memstore.OpProfiles, Kind: memstore.Fail, Times: 2})
	bob.send(`{"type":"read","conv":%q,"seq":1}`, conv)
	if read := alice.marks("bob", 1); read != 0 || in.Hits() != 2 {
		t.Errorf("told %d, %d faults", read, in.Hits())
	}
}

func TestSetProfileWhereTheStoreFails(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		c := newCluster(t, 1)
		c.store.Inject(memstore.Fault{Op: memstore.OpPutProfile, Kind: kind, Times: 1})
		for i, want := range []int{http.StatusServiceUnavailable, http.StatusOK} {
			if status := c.rest("PATCH", "/v1/me", "bob", `{"hide_read":true}`, nil); status != want {
				t.Fatalf("%d: %d", i, status)
			}
		}
		p, err := c.store.Profiles(t.Context(), "_", []chat.User{"bob"})
		if err != nil || !p["bob"].HideRead {
			t.Fatal(fmt.Sprint(p, err))
		}
	}
}
