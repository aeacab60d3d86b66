package gateway

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMessageGoesToLocalAndRemoteSessions(t *testing.T) {
	eachWay(t, messageGoesToLocalAndRemoteSessions)
}

func messageGoesToLocalAndRemoteSessions(t *testing.T, way func(*Options)) {
	c := newCluster(t, 3, way)
	alice, _ := c.login(0, "alice", "")
	bob1, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	bob2, _ := c.login(2, "bob", `{"type":"hello","device":"laptop"}`)
	for i := range 20 {
		ack := alice.sendTo("bob", fmt.Sprintf("m%d", i), fmt.Sprintf("text %d", i))
		if ack.Seq != chat.Seq(i+1) || ack.Dup {
			t.Fatalf("ack %+v", ack)
		}
		for _, k := range []*conn{bob1, bob2} {
			e := expect[*wire.Entry](k)
			if e.Seq != ack.Seq || e.ID != ack.ID || e.From != "alice" || string(e.Body) != fmt.Sprintf(`{"text":"text %d"}`, i) {
				t.Fatalf("entry %+v for ack %+v", e, ack)
			}
		}
	}
}

func TestRepeatGetsTheSameAnswer(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	first := alice.sendTo("bob", "m1", "hello")
	for pod := range 2 {
		k, _ := c.login(pod, "alice", `{"type":"hello","device":"other"}`)
		again := k.sendTo("bob", "m1", "hello")
		if !again.Dup || again.Seq != first.Seq || again.ID != first.ID || !again.Time.Equal(first.Time.Time) {
			t.Fatalf("pod %d: %+v, want %+v", pod, again, first)
		}
		k.send(`{"type":"send","ref":"r","to":"bob","cmid":"m1","body":{"text":"something else"}}`)
		for {
			if e, ok := k.next().(*wire.Error); ok {
				if e.Code != chat.CodeCMIDConflict || e.Ref != "r" {
					t.Fatalf("%+v", e)
				}
				break
			}
		}
	}
	_, missed := c.login(1, "bob", "")
	if len(missed) != 1 {
		t.Fatalf("bob got %d entries", len(missed))
	}
}

func TestOfflineFlushContinuesWhereRecvStood(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	conv := alice.begin("bob", "m0").Conv
	for i := range 249 {
		alice.sendTo("bob", fmt.Sprintf("m%d", i+1), "x")
	}
	bob, missed := c.login(1, "bob", "")
	if len(missed) != 250 {
		t.Fatalf("flushed %d", len(missed))
	}
	for i, e := range missed {
		if e.Seq != chat.Seq(i+1) {
			t.Fatalf("entry %d has seq %d", i, e.Seq)
		}
	}
	bob.send(`{"type":"recv","conv":%q,"seq":200}`, conv)
	for {
		if r := expect[*wire.Receipt](alice); r.Delivered == 200 && r.User == "bob" {
			break
		}
	}
	_ = bob.ws.CloseNow()
	_, missed = c.login(0, "bob", "")
	if len(missed) != 50 || missed[0].Seq != 201 {
		t.Fatalf("flushed %d", len(missed))
	}
	// A client that brings its own cursor is believed.
	epoch := c.gates[0].opts.Meta.Epoch
	_, missed = c.login(0, "bob", fmt.Sprintf(`{"type":"hello","resume":{"epoch":%q,"cursors":{%q:240}}}`, epoch, conv))
	if len(missed) != 10 || missed[0].Seq != 241 {
		t.Fatalf("flushed %d", len(missed))
	}
}

func TestResetAnnouncesEveryJump(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	var conv chat.ConvID
	for i := range 30 {
		conv = alice.sendTo("bob", fmt.Sprintf("m%d", i), "x").Conv
	}
	epoch := c.gates[0].opts.Meta.Epoch
	cases := []struct {
		name, hello string
		global      bool
		next        chat.Seq
	}{
		{"above head", fmt.Sprintf(`{"type":"hello","device":"a","resume":{"epoch":%q,"cursors":{%q:31}}}`, epoch, conv), false, 1},
		{"flush limit", `{"type":"hello","device":"b","flush":10}`, false, 21},
		{"other epoch", fmt.Sprintf(`{"type":"hello","device":"c","resume":{"epoch":"another","cursors":{%q:30}}}`, conv), true, 1},
	}
	for _, tc := range cases {
		k := c.connect(0, "bob")
		k.send("%s", tc.hello)
		expect[*wire.Welcome](k)
		if tc.global {
			if r := expect[*wire.Reset](k); r.Conv != "" || r.Epoch != epoch {
				t.Fatalf("%s: %+v", tc.name, r)
			}
		} else if r := expect[*wire.Reset](k); r.Conv != conv || r.Next != tc.next || r.Epoch != epoch {
			t.Fatalf("%s: %+v", tc.name, r)
		}
		if e := expect[*wire.Entry](k); e.Seq != tc.next {
			t.Fatalf("%s: first entry %d, want %d", tc.name, e.Seq, tc.next)
		}
		_ = k.ws.CloseNow()
	}
}

func TestSecondSessionOfADeviceReplacesTheFirst(t *testing.T) {
	for _, pod := range []int{0, 1} {
		t.Run(fmt.Sprintf("pod %d", pod), func(t *testing.T) {
			c := newCluster(t, 2)
			old, _ := c.login(0, "bob", "")
			other, _ := c.login(0, "bob", `{"type":"hello","device":"other"}`)
			fresh, _ := c.login(pod, "bob", "")
			if code := old.closed(); code != 4409 {
				t.Fatalf("old session closed with %d", code)
			}
			for _, k := range []*conn{other, fresh} {
				k.send(`{"type":"ping","ref":"p"}`)
				if p := expect[*wire.Pong](k); p.Ref != "p" {
					t.Fatalf("%+v", p)
				}
			}
		})
	}
}

func TestOlderAttemptLosesAgainstNewer(t *testing.T) {
	c := newCluster(t, 1)
	newer, _ := c.login(0, "bob", `{"type":"hello","attempt":20}`)
	late := c.connect(0, "bob")
	late.send(`{"type":"hello","attempt":10}`)
	if code := late.closed(); code != 4409 {
		t.Fatalf("late session closed with %d", code)
	}
	newer.send(`{"type":"ping"}`)
	expect[*wire.Pong](newer)
}

func TestGroupLife(t *testing.T) { eachWay(t, groupLife) }

func groupLife(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way)
	bob, _ := c.login(1, "bob", "")
	conv := c.group("alice", "bob", "carol")
	if d := expect[*wire.Conversation](bob); d.Conv != conv || d.Kind != "group" || d.Members != 3 || d.Role != "member" || d.Title != "a group" {
		t.Fatalf("%+v", d)
	}
	if e := expect[*wire.Entry](bob); e.Type != "members" || e.Change != chat.ChangeCreated || len(e.Users) != 3 || e.Seq != 1 || e.Count != 0 {
		t.Fatalf("%+v", e)
	}
	var again wire.Conversation
	in := `{"title":"a group","members":["bob","carol"],"cmid":"alice-group"}`
	if status := c.rest("POST", "/v1/conversations", "alice", in, &again); status != http.StatusOK || again.Conv != conv {
		t.Fatalf("repeated creation: %d %+v", status, again)
	}
	in = `{"title":"another title","members":["bob","carol"],"cmid":"alice-group"}`
	if status := c.rest("POST", "/v1/conversations", "alice", in, nil); status != http.StatusConflict {
		t.Fatalf("creation with other content: %d", status)
	}

	base := "/v1/conversations/" + string(conv)
	dave, _ := c.login(0, "dave", "")
	if status := c.rest("PUT", base+"/members/dave", "alice", `{"role":"member","cmid":"add1"}`, nil); status != http.StatusOK {
		t.Fatalf("add: %d", status)
	}
	if e := expect[*wire.Entry](dave); e.Change != chat.ChangeAdded || e.Seq != 2 {
		t.Fatalf("%+v", e)
	}
	if e := expect[*wire.Entry](bob); e.Change != chat.ChangeAdded || e.Seq != 2 {
		t.Fatalf("%+v", e)
	}
	bob.send(`{"type":"send","conv":%q,"cmid":"b1","body":{"text":"hi"}}`, conv)
	if e := expect[*wire.Entry](dave); e.Seq != 3 || e.Count != 1 {
		t.Fatalf("%+v", e)
	}
	if status := c.rest("DELETE", base+"/members/dave?cmid=rm1", "bob", "", nil); status != http.StatusForbidden {
		t.Fatalf("member removes: %d", status)
	}
	if status := c.rest("DELETE", base+"/members/dave?cmid=rm1", "alice", "", nil); status != http.StatusNoContent {
		t.Fatalf("remove: %d", status)
	}
	if e := expect[*wire.Entry](dave); e.Change != chat.ChangeRemoved || e.Seq != 4 {
		t.Fatalf("%+v", e)
	}
	bob.send(`{"type":"send","conv":%q,"cmid":"b2","body":{"text":"he is gone"}}`, conv)
	expect[*wire.Ack](bob)
	for {
		if e := expect[*wire.Entry](bob); e.Seq == 5 {
			break
		}
	}
	// The removed member's stream has ended exactly there.
	dave.send(`{"type":"send","ref":"x","conv":%q,"cmid":"d1","body":{"text":"hello?"}}`, conv)
	dave.send(`{"type":"ping","ref":"end"}`)
	for over := false; !over; {
		switch f := dave.next().(type) {
		case *wire.Entry:
			t.Fatalf("removed member got %+v", f)
		case *wire.Error:
			if f.Code != chat.CodeForbidden {
				t.Fatalf("%+v", f)
			}
			over = true
		}
	}
}

func TestReceiptsGoToTheOtherSide(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	conv := alice.begin("bob", "m1").Conv
	expect[*wire.Entry](bob)
	bob.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
	if r := expect[*wire.Receipt](alice); r.User != "bob" || r.Delivered != 1 || r.Read != 0 {
		t.Fatalf("%+v", r)
	}
	bob.send(`{"type":"read","conv":%q,"seq":1}`, conv)
	for {
		if r := expect[*wire.Receipt](alice); r.Read == 1 {
			break
		}
	}
	bob.send(`{"type":"read","ref":"high","conv":%q,"seq":2}`, conv)
	for {
		if e, ok := bob.next().(*wire.Error); ok {
			if e.Code != chat.CodeBadRequest || e.Ref != "high" {
				t.Fatalf("%+v", e)
			}
			break
		}
	}
}

func TestHistoryFrame(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	var conv chat.ConvID
	for i := range 30 {
		conv = alice.sendTo("bob", fmt.Sprintf("m%d", i), "x").Conv
	}
	alice.send(`{"type":"history","ref":"h","conv":%q,"before":21,"limit":5}`, conv)
	p := expect[*wire.Page[wire.Entry]](alice)
	if p.Ref != "h" || len(p.Items) != 5 || p.Items[0].Seq != 16 || p.Items[4].Seq != 20 || !p.MoreBefore || !p.MoreAfter || p.Head != 30 {
		t.Fatalf("%+v", p)
	}
}

func TestTokenExpiresAndIsRefreshed(t *testing.T) {
	for _, reader := range []Reader{ReaderGoroutine, ""} {
		t.Run("reader="+string(reader), func(t *testing.T) { tokenExpiresAndIsRefreshed(t, reader) })
	}
}

func tokenExpiresAndIsRefreshed(t *testing.T, reader Reader) {
	c := newCluster(t, 1, func(o *Options) { o.Reader = reader })
	open := func(token string, frames ...string) (*conn, error) { // all of them were taken
		ws, _, err := c.dialRaw(0, http.Header{"Authorization": {"Bearer " + token}})
		if err != nil {
			return nil, err
		}
		k := &conn{t, ws}
		for _, f := range append(frames, `{"type":"ping"}`) {
			if err := ws.Write(t.Context(), websocket.MessageText, []byte(f)); err != nil {
				return nil, err
			}
		}
		for {
			f, err := k.read()
			if _, ok := f.(*wire.Pong); ok || err != nil {
				return k, err
			}
		}
	}
	longer := fmt.Sprintf(`{"type":"auth","token":%q}`, c.token("bob", time.Hour))
	var refreshed, expired *conn
	for life := 2 * time.Second; ; life *= 2 {
		end := time.Now().Add(life).Truncate(time.Second)
		token := c.token("bob", life)
		var err error
		if refreshed, err = open(token, `{"type":"hello","device":"refreshed"}`, longer); err == nil {
			expired, err = open(token, `{"type":"hello","device":"expired"}`)
		}
		if !time.Now().Before(end) {
			continue // this machine stood still until the token had ended
		}
		if err != nil {
			t.Fatal(err)
		}
		break
	}
	if code := expired.closed(); code != 4401 {
		t.Fatalf("closed with %d", code)
	}
	refreshed.send(`{"type":"ping"}`)
	expect[*wire.Pong](refreshed)
	refreshed.send(`{"type":"auth","token":%q}`, c.token("mallory", time.Hour))
	if code := refreshed.closed(); code != 4401 {
		t.Fatalf("another user's token: closed with %d", code)
	}
}

func TestDrainSendsClientsAway(t *testing.T) {
	c := newCluster(t, 1)
	k, _ := c.login(0, "bob", "")
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.gates[0].Drain(t.Context())
	}()
	if code := k.closed(); code != 1012 {
		t.Fatalf("closed with %d", code)
	}
	<-done
}

// Who comes back to a group gets a reset: the entries in between are not theirs.
func TestJoiningAgainIsAnnouncedByAReset(t *testing.T) { eachWay(t, joiningAgainIsAnnouncedByAReset) }

func joiningAgainIsAnnouncedByAReset(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way)
	conv := c.group("alice", "bob")
	base := "/v1/conversations/" + string(conv)
	online, _ := c.login(1, "bob", `{"type":"hello","device":"online"}`)
	away, missed := c.login(0, "bob", `{"type":"hello","device":"away"}`)
	if len(missed) != 1 {
		t.Fatalf("flushed %d", len(missed))
	}
	away.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
	expect[*wire.Receipt](away) // it is stored
	_ = away.ws.CloseNow()
	if status := c.rest("DELETE", base+"/members/bob?cmid=rm", "alice", "", nil); status != http.StatusNoContent {
		t.Fatalf("remove: %d", status)
	}
	alice, _ := c.login(0, "alice", "")
	for i := range 3 {
		alice.send(`{"type":"send","conv":%q,"cmid":"m%d","body":{"text":"without bob"}}`, conv, i)
		expect[*wire.Ack](alice)
	}
	if status := c.rest("PUT", base+"/members/bob", "alice", `{"role":"member","cmid":"add"}`, nil); status != http.StatusOK {
		t.Fatalf("add: %d", status)
	}
	back := c.connect(1, "bob")
	back.send(`{"type":"hello","device":"away"}`)
	for name, k := range map[string]*conn{"online": online, "away": back} {
		if r := expect[*wire.Reset](k); r.Conv != conv || r.Next != 6 {
			t.Fatalf("%s: %+v", name, r)
		}
		if e := expect[*wire.Entry](k); e.Seq != 6 || e.Change != chat.ChangeAdded {
			t.Fatalf("%s: %+v", name, e)
		}
	}
}

// A new device begins where the user has read to, and is told so.
func TestNewDeviceStartsAtTheReadPosition(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	conv := alice.begin("bob", "m0").Conv
	for i := range 9 {
		alice.sendTo("bob", fmt.Sprint("m", i+1), "x")
	}
	phone, _ := c.login(0, "bob", `{"type":"hello","device":"phone"}`)
	phone.send(`{"type":"read","conv":%q,"seq":7}`, conv)
	for expect[*wire.Receipt](alice).Read != 7 {
	}
	fresh := c.connect(0, "bob")
	fresh.send(`{"type":"hello","device":"laptop"}`)
	if r := expect[*wire.Reset](fresh); r.Conv != conv || r.Next != 8 {
		t.Fatalf("%+v", r)
	}
	if e := expect[*wire.Entry](fresh); e.Seq != 8 {
		t.Fatalf("%+v", e)
	}
	// By its next visit the user has read more, and the device still lacks it.
	_ = fresh.ws.CloseNow()
	phone.send(`{"type":"read","conv":%q,"seq":10}`, conv)
	for expect[*wire.Receipt](alice).Read != 10 {
	}
	_, missed := c.login(0, "bob", `{"type":"hello","device":"laptop"}`)
	if len(missed) != 3 || missed[0].Seq != 8 {
		t.Fatalf("flushed %d", len(missed))
	}
}

func TestTooManyDevicesPushOutTheOldest(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.Limits.Devices = 3 })
	for i := range 5 {
		c.login(0, "bob", fmt.Sprintf(`{"type":"hello","device":"d%d"}`, i))
	}
	devices, err := c.store.Devices(t.Context(), chat.DefaultNS, "bob")
	if err != nil || len(devices) != 3 {
		t.Fatalf("%v %v", devices, err)
	}
	for _, d := range devices {
		if d.Device == "d0" || d.Device == "d1" {
			t.Fatalf("%v", devices)
		}
	}
}
