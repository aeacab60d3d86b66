package gateway

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// at does a request at one of the pods.
func (c *cluster) at(pod int, method, path, user, body string, out any) int {
	c.t.Helper()
	other := *c
	other.urls = c.urls[pod:]
	return other.rest(method, path, user, body, out)
}

// trySend sends, and returns the code of the refusal; "" is an ack.
func (k *conn) trySend(to, cmid string) chat.Code {
	k.t.Helper()
	k.send(`{"type":"send","to":%q,"cmid":%q,"body":{"text":"x"}}`, to, cmid)
	for {
		switch f := k.next().(type) {
		case *wire.Ack:
			if f.CMID == chat.CMID(cmid) {
				return ""
			}
		case *wire.Error:
			return f.Code
		}
	}
}

// tireless lets a client send as fast as it can.
func tireless(o *Options) { o.Limits.SendsPerS = 1 << 20 }

func TestBlockHoldsOnEveryPodAtOnce(t *testing.T) {
	c := newCluster(t, 3)
	alice, _ := c.login(0, "alice", "")
	var bobs []*conn
	for pod := range 3 {
		k, _ := c.login(pod, "bob", fmt.Sprintf(`{"type":"hello","device":"d%d"}`, pod))
		if code := k.trySend("alice", fmt.Sprintf("first-%d", pod)); code != "" { // the state is cached everywhere
			t.Fatalf("pod %d: %s", pod, code)
		}
		bobs = append(bobs, k)
	}
	for round := range 10 {
		var b wire.Block
		if status := c.at(round%3, "PUT", "/v1/blocks/bob", "alice", "", &b); status != http.StatusOK || b.User != "bob" || b.Time.IsZero() {
			t.Fatalf("block: %d %+v", status, b)
		}
		for pod, k := range bobs {
			if code := k.trySend("alice", fmt.Sprintf("no-%d-%d", round, pod)); code != chat.CodeForbidden {
				t.Fatalf("round %d, pod %d: %q", round, pod, code)
			}
		}
		if code := alice.trySend("bob", fmt.Sprintf("a-%d", round)); code != "" { // the other way is open
			t.Fatalf("round %d: alice: %s", round, code)
		}
		if status := c.at((round+1)%3, "DELETE", "/v1/blocks/bob", "alice", "", nil); status != http.StatusNoContent {
			t.Fatalf("unblock: %d", status)
		}
		for pod, k := range bobs {
			if code := k.trySend("alice", fmt.Sprintf("yes-%d-%d", round, pod)); code != "" {
				t.Fatalf("round %d, pod %d: %s", round, pod, code)
			}
		}
	}
	entries, err := c.store.Entries(t.Context(), chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}, store.Range{Limit: 1000})
	if err != nil || len(entries) != 3+10*4 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	for _, e := range entries {
		if strings.HasPrefix(string(e.CMID), "no-") {
			t.Errorf("%s is stored", e.CMID)
		}
	}
}

// A send that is submitted after the block was confirmed is never stored, however
// many are under way around it.
func TestBlockAmongManySends(t *testing.T) {
	c := newCluster(t, 2, tireless)
	k, _ := c.login(1, "bob", "")
	if code := k.trySend("alice", "warm"); code != "" {
		t.Fatal(code)
	}
	const n = 400
	var mu sync.Mutex
	sent, blockedAt := 0, -1
	go func() {
		for range 2 { // in the midst of it
			c.at(0, "PUT", "/v1/blocks/bob", "alice", "", nil)
		}
		mu.Lock()
		blockedAt = sent // later ones are submitted after the confirmation
		mu.Unlock()
	}()
	refused := 0
	for i := 0; ; i++ {
		mu.Lock()
		sent = i + 1
		after := blockedAt >= 0 && i > blockedAt
		mu.Unlock()
		code := k.trySend("alice", fmt.Sprintf("m%d", i))
		switch {
		case code == chat.CodeForbidden:
			refused++
		case code != "" || after || refused > 0:
			t.Fatalf("send %d: %q, after %v, refused %d", i, code, after, refused)
		}
		if after {
			if refused++; refused > 20 {
				break
			}
		}
		if i > 100*n {
			t.Fatal("it was never blocked")
		}
	}
}

func TestBlockedMakesNothing(t *testing.T) {
	c := newCluster(t, 1)
	if status := c.rest("PUT", "/v1/blocks/bob", "alice", "", nil); status != http.StatusOK {
		t.Fatal(status)
	}
	bob, _ := c.login(0, "bob", "")
	if code := bob.trySend("alice", "m1"); code != chat.CodeForbidden {
		t.Fatalf("%q", code)
	}
	key := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
	convs, err := c.store.ConversationsByKey(t.Context(), []chat.Key{key})
	if err != nil || len(convs) != 0 {
		t.Fatalf("%v %v", convs, err)
	}
	ms, err := c.store.Memberships(t.Context(), "_", "alice", "", 10)
	if err != nil || len(ms) != 0 {
		t.Fatalf("%v %v", ms, err)
	}
	// In a group both write; the same words over HTTP are refused too.
	conv := c.group("alice", "bob")
	for _, u := range []string{"alice", "bob"} {
		if status := c.rest("POST", "/v1/messages", u, fmt.Sprintf(`{"conv":%q,"cmid":"g","body":{"text":"x"}}`, conv), nil); status != http.StatusOK {
			t.Errorf("%s: %d", u, status)
		}
	}
	var p wire.Problem
	if status := c.rest("POST", "/v1/messages", "bob", `{"to":"alice","cmid":"m2","body":{"text":"x"}}`, &p); status != http.StatusForbidden || p.Code != chat.CodeForbidden {
		t.Errorf("%d %+v", status, p)
	}
	if status := c.rest("PUT", "/v1/blocks/alice", "alice", "", nil); status != http.StatusBadRequest {
		t.Errorf("blocking oneself: %d", status)
	}
}

// What was stored before the block is still acknowledged when it is repeated.
func TestRepeatOfAStoredSendAfterABlock(t *testing.T) {
	c := newCluster(t, 2)
	bob, _ := c.login(0, "bob", "")
	first := bob.sendTo("alice", "m1", "x")
	c.rest("PUT", "/v1/blocks/bob", "alice", "", nil)
	again, _ := c.login(1, "bob", `{"type":"hello","device":"other"}`)
	if ack := again.sendTo("alice", "m1", "x"); !ack.Dup || ack.Seq != first.Seq {
		t.Fatalf("%+v", ack)
	}
}

func TestBlockWhereTheStoreFails(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		c := newCluster(t, 1)
		in := c.store.Inject(memstore.Fault{Op: memstore.OpPutBlock, Kind: kind, Times: 1})
		if status := c.rest("PUT", "/v1/blocks/bob", "alice", "", nil); status != http.StatusServiceUnavailable || in.Hits() != 1 {
			t.Fatalf("%d", status)
		}
		if status := c.rest("PUT", "/v1/blocks/bob", "alice", "", nil); status != http.StatusOK {
			t.Fatalf("%d", status)
		}
		bob, _ := c.login(0, "bob", "")
		if code := bob.trySend("alice", "m1"); code != chat.CodeForbidden {
			t.Fatalf("%q", code)
		}
	}
}

// A write without an answer that is applied late undoes no later one.
func TestLateUnblockIsOvertaken(t *testing.T) {
	c := newCluster(t, 1)
	c.rest("PUT", "/v1/blocks/bob", "alice", "", nil)
	late := c.store.Inject(memstore.Fault{Op: memstore.OpPutBlock, Kind: memstore.Late, Times: 1})
	if status := c.rest("DELETE", "/v1/blocks/bob", "alice", "", nil); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	if status := c.rest("PUT", "/v1/blocks/bob", "alice", "", nil); status != http.StatusOK {
		t.Fatal(status)
	}
	late.Release()
	bob, _ := c.login(0, "bob", "")
	if code := bob.trySend("alice", "m1"); code != chat.CodeForbidden {
		t.Fatalf("%q", code)
	}
}

// While blocks cannot be read, nothing goes into direct conversations, and groups go
// on; afterwards what waited is stored.
func TestSendsWaitWhileBlocksCannotBeRead(t *testing.T) {
	c := newCluster(t, 1, patient)
	conv := c.group("alice", "bob")
	bob, _ := c.login(0, "bob", "")
	bob.sendTo("alice", "warm", "x")
	in := c.store.Inject(memstore.Fault{Op: memstore.OpBlocksAmong, Kind: memstore.Fail})
	bob.send(`{"type":"send","ref":"d","to":"alice","cmid":"m1","body":{"text":"x"}}`)
	if err := in.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	bob.send(`{"type":"send","ref":"g","conv":%q,"cmid":"m2","body":{"text":"x"}}`, conv)
	if ack := expect[*wire.Ack](bob); ack.Ref != "g" {
		t.Fatalf("%+v", ack)
	}
	in.Remove()
	if ack := expect[*wire.Ack](bob); ack.Ref != "d" || ack.Dup {
		t.Fatalf("%+v", ack)
	}
}

// One read for a flush with direct conversations, none for groups.
func TestWhatBlocksCost(t *testing.T) {
	c := newCluster(t, 1)
	conv := c.group("alice", "bob")
	bob, _ := c.login(0, "bob", "")
	bob.sendTo("alice", "warm", "x")
	before := c.store.Calls(memstore.OpBlocksAmong)
	for i := range 10 {
		bob.send(`{"type":"send","conv":%q,"cmid":"g%d","body":{"text":"x"}}`, conv, i)
		expect[*wire.Ack](bob)
	}
	if n := c.store.Calls(memstore.OpBlocksAmong); n != before {
		t.Errorf("%d reads for a group", n-before)
	}
	for i := range 10 {
		bob.sendTo("alice", fmt.Sprintf("d%d", i), "x")
	}
	if n := c.store.Calls(memstore.OpBlocksAmong) - before; n != 10 {
		t.Errorf("%d reads for 10 flushes", n)
	}
}

func TestSettingsReachOtherDevices(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	conv := alice.sendTo("bob", "m1", "x").Conv
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	laptop, _ := c.login(1, "bob", `{"type":"hello","device":"laptop"}`)
	path := "/v1/conversations/" + string(conv) + "/me"
	var got wire.Conversation
	if status := c.rest("PATCH", path, "bob", `{"muted":true,"pinned":true}`, &got); status != http.StatusOK || !got.Muted || !got.Pinned || got.Archived {
		t.Fatalf("%d %+v", status, got)
	}
	for _, k := range []*conn{phone, laptop} {
		if f := expect[*wire.Conversation](k); f.Conv != conv || !f.Muted || !f.Pinned {
			t.Fatalf("%+v", f)
		}
	}
	got = wire.Conversation{}
	if status := c.at(1, "PATCH", path, "bob", `{"muted":false,"archived":true}`, &got); status != http.StatusOK || got.Muted || !got.Pinned || !got.Archived {
		t.Fatalf("%d %+v", status, got)
	}
	for _, k := range []*conn{phone, laptop} {
		if f := expect[*wire.Conversation](k); f.Muted || !f.Pinned || !f.Archived {
			t.Fatalf("%+v", f)
		}
	}
	// It is bob's alone.
	got = wire.Conversation{}
	if status := c.rest("PATCH", path, "alice", `{"archived":false}`, &got); status != http.StatusOK || got.Pinned || got.Archived {
		t.Fatalf("%d %+v", status, got)
	}
	for body, want := range map[string]int{`{}`: 400, `{"loud":true}`: 400, `{"muted":"yes"}`: 400} {
		if status := c.rest("PATCH", path, "bob", body, nil); status != want {
			t.Errorf("%s: %d", body, status)
		}
	}
	if status := c.rest("PATCH", path, "eve", `{"muted":true}`, nil); status != http.StatusNotFound {
		t.Errorf("a stranger: %d", status)
	}
}

func TestSettingsWhereTheStoreFails(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		c := newCluster(t, 1)
		path := "/v1/conversations/" + string(c.group("alice", "bob")) + "/me"
		c.store.Inject(memstore.Fault{Op: memstore.OpConfigure, Kind: kind, Times: 1})
		if status := c.rest("PATCH", path, "bob", `{"muted":true}`, nil); status != http.StatusServiceUnavailable {
			t.Fatal(status)
		}
		var got wire.Conversation
		if status := c.rest("PATCH", path, "bob", `{"pinned":true}`, &got); status != http.StatusOK || !got.Pinned || got.Muted != (kind == memstore.FailApplied) {
			t.Fatalf("%d %+v", status, got)
		}
	}
}

// Changes of different settings at the same time, on two pods, all stay.
func TestSettingsAtOnce(t *testing.T) {
	c := newCluster(t, 2)
	path := "/v1/conversations/" + string(c.group("alice", "bob")) + "/me"
	var wg sync.WaitGroup
	for i, body := range []string{`{"muted":true}`, `{"pinned":true}`, `{"archived":true}`} {
		wg.Go(func() {
			if status := c.at(i%2, "PATCH", path, "bob", body, nil); status != http.StatusOK {
				t.Errorf("%s: %d", body, status)
			}
		})
	}
	wg.Wait()
	m, err := c.store.MembersByUser(t.Context(), chat.Key{NS: "_", Conv: chat.ConvID(strings.Split(path, "/")[3])}, []chat.User{"bob"})
	if err != nil || !m[0].Settings.Muted || !m[0].Settings.Pinned || !m[0].Settings.Archived {
		t.Fatalf("%+v %v", m, err)
	}
}

func TestRemovedDeviceIsClosedOnEveryPod(t *testing.T) {
	c := newCluster(t, 2)
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	other, _ := c.login(1, "bob", `{"type":"hello","device":"other"}`)
	if status := c.at(1, "DELETE", "/v1/devices/phone", "bob", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if code := phone.closed(); code != websocket.StatusCode(chat.CloseUnauthorized) {
		t.Fatalf("closed with %d", code)
	}
	if status := c.at(0, "DELETE", "/v1/devices/phone", "bob", "", nil); status != http.StatusNoContent { // a repeat
		t.Fatal(status)
	}
	other.sendTo("alice", "m1", "x") // it stays
	devices, err := c.store.Devices(t.Context(), "_", "bob")
	if err != nil || slices.ContainsFunc(devices, func(d store.DeviceInfo) bool { return d.Device == "phone" }) {
		t.Fatalf("%v %v", devices, err)
	}
	// It may come back, and what is still said of the removal does not touch it.
	again, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	again.sendTo("alice", "m2", "x")
}

// A removal that the bus loses, or cannot take, is said again.
func TestRemovedDeviceWithALossyBus(t *testing.T) {
	c := newCluster(t, 2)
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	lost := 0
	c.bus.set(func() {
		c.bus.drop = func(topic bus.Topic, data []byte) bool {
			if topic != bus.TopicControl || !strings.HasPrefix(string(data), `{"notice"`) || lost > 0 {
				return false
			}
			lost++
			return true
		}
	})
	if status := c.at(1, "DELETE", "/v1/devices/phone", "bob", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	if code := phone.closed(); code != websocket.StatusCode(chat.CloseUnauthorized) {
		t.Fatalf("closed with %d", code)
	}
	c.bus.set(func() { c.bus.drop, c.bus.cut = nil, true })
	third, _ := c.login(0, "bob", `{"type":"hello","device":"third"}`)
	if status := c.at(1, "DELETE", "/v1/devices/third", "bob", "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	c.bus.set(func() { c.bus.cut = false })
	if code := third.closed(); code != websocket.StatusCode(chat.CloseUnauthorized) {
		t.Fatalf("closed with %d", code)
	}
}

func TestNoticesAreBounded(t *testing.T) {
	var q notices
	for i := range maxNotices + 5 {
		q.add(waitingNotice{data: fmt.Append(nil, i), left: 1})
	}
	list := q.take()
	if len(list) != maxNotices || string(list[0].data) != "5" || len(q.take()) != 0 {
		t.Fatalf("%d, first %s", len(list), list[0].data)
	}
}
