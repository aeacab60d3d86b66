package gateway

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// refused sends a frame and expects an error.
func (k *conn) refused(code chat.Code, format string, args ...any) {
	k.t.Helper()
	k.send(format, args...)
	for {
		switch f := k.next().(type) {
		case *wire.Error:
			if f.Code != code {
				k.t.Fatalf("got %s: %s, want %s; for %s", f.Code, f.Message, code, fmt.Sprintf(format, args...))
			}
			return
		case *wire.Ack:
			k.t.Fatalf("got %+v, want %s; for %s", f, code, fmt.Sprintf(format, args...))
		}
	}
}

// acked sends a frame and expects its ack.
func (k *conn) acked(seq chat.Seq, format string, args ...any) *wire.Ack {
	k.t.Helper()
	k.send(format, args...)
	a := expect[*wire.Ack](k)
	if a.Seq != seq {
		k.t.Fatalf("%+v, want seq %d", a, seq)
	}
	return a
}

// entry waits for one entry of the stream.
func (k *conn) entry(seq chat.Seq) *wire.Entry {
	k.t.Helper()
	for {
		if e := expect[*wire.Entry](k); e.Seq == seq {
			return e
		} else if e.Seq > seq {
			k.t.Fatalf("seq %d before %d", e.Seq, seq)
		}
	}
}

// begin sends the first message of a conversation, and returns when the sender's own
// session follows it: from then on receipts are the sender's, too.
func (k *conn) begin(user, cmid string) *wire.Ack {
	k.t.Helper()
	a := k.sendTo(user, cmid, "x")
	k.entry(1)
	return a
}

// folded is a message as GET …/messages shows it.
func (c *cluster) folded(user chat.User, conv chat.ConvID, seq chat.Seq) wire.Message {
	c.t.Helper()
	r := view.New(c.store, chat.Limits{})
	part, err := r.Access(c.t.Context(), chat.Key{NS: chat.DefaultNS, Conv: conv}, user)
	if err != nil {
		c.t.Fatal(err)
	}
	page, err := r.Messages(c.t.Context(), part, view.Query{Around: &seq, Limit: 1})
	if err != nil || len(page.Items) != 1 || page.Items[0].Seq != seq {
		c.t.Fatalf("%+v, %v", page, err)
	}
	return page.Items[0]
}

func (c *cluster) stored(conv chat.ConvID, seq chat.Seq) chat.Entry {
	c.t.Helper()
	list, err := c.store.Entries(c.t.Context(), chat.Key{NS: chat.DefaultNS, Conv: conv}, store.Range{After: seq - 1, Limit: 1})
	if err != nil || len(list) != 1 {
		c.t.Fatal(list, err)
	}
	return list[0]
}

func TestEditRecallReact(t *testing.T) { eachWay(t, editRecallReact) }

// Two pods, a live session of each, a device that was away, and one that comes anew.
func editRecallReact(t *testing.T, way func(*Options)) {
	c := newCluster(t, 2, way)
	alice, _ := c.login(0, "alice", "")
	bob, _ := c.login(1, "bob", "")
	tablet, _ := c.login(1, "bob", `{"type":"hello","device":"tablet"}`)
	conv := alice.sendTo("bob", "m1", "helo").Conv
	tablet.entry(1)
	tablet.send(`{"type":"recv","conv":%q,"seq":1}`, conv)
	expect[*wire.Receipt](tablet) // it is stored
	_ = tablet.ws.CloseNow()

	edit := fmt.Sprintf(`{"type":"edit","ref":"e","conv":%q,"target":1,"cmid":"e1","body":{"text":"hello"}}`, conv)
	if a := alice.acked(2, "%s", edit); a.Dup || a.Ref != "e" || a.CMID != "e1" {
		t.Fatalf("%+v", a)
	}
	if a := alice.acked(2, "%s", edit); !a.Dup {
		t.Fatalf("%+v", a)
	}
	alice.refused(chat.CodeCMIDConflict, `{"type":"edit","conv":%q,"target":1,"cmid":"e1","body":{"text":"other"}}`, conv)
	alice.refused(chat.CodeCMIDConflict, `{"type":"recall","conv":%q,"target":1,"cmid":"m1"}`, conv)
	if e := bob.entry(2); e.Type != "edited" || e.Target != 1 || string(e.Body) != `{"text":"hello"}` || e.Count != 1 {
		t.Fatalf("%+v", e)
	}
	if m := c.folded("bob", conv, 1); string(m.Body) != `{"text":"hello"}` || m.Edited == nil || m.Edited.Seq != 2 {
		t.Fatalf("%+v", m)
	}

	bob.acked(3, `{"type":"react","conv":%q,"target":1,"cmid":"x1","emoji":"👍","on":true}`, conv)
	if e := alice.entry(3); e.Type != "reacted" || e.Target != 1 || e.Emoji != "👍" || e.On == nil || !*e.On {
		t.Fatalf("%+v", e)
	}
	bob.acked(4, `{"type":"react","conv":%q,"target":1,"cmid":"x2","emoji":"👍","on":false}`, conv)
	bob.acked(5, `{"type":"react","conv":%q,"target":1,"cmid":"x3","emoji":"❤️","on":true}`, conv)
	if m := c.folded("bob", conv, 1); len(m.Reactions) != 1 || m.Reactions[0].Emoji != "❤️" || !m.Reactions[0].Mine {
		t.Fatalf("%+v", m.Reactions)
	}
	bob.refused(chat.CodeForbidden, `{"type":"edit","conv":%q,"target":1,"cmid":"b1","body":{"text":"mine now"}}`, conv)
	bob.refused(chat.CodeForbidden, `{"type":"recall","conv":%q,"target":1,"cmid":"b2"}`, conv)
	bob.refused(chat.CodeNotFound, `{"type":"react","conv":%q,"target":2,"cmid":"b3","emoji":"👍","on":true}`, conv)
	bob.refused(chat.CodeNotFound, `{"type":"react","conv":%q,"target":77,"cmid":"b4","emoji":"👍","on":true}`, conv)
	bob.refused(chat.CodeNotFound, `{"type":"react","conv":%q,"target":1,"cmid":"b5","emoji":"👀","on":false}`, conv)

	alice.acked(6, `{"type":"recall","conv":%q,"target":1,"cmid":"r1"}`, conv)
	if e := bob.entry(6); e.Type != "recalled" || e.Target != 1 || e.From != "alice" {
		t.Fatalf("%+v", e)
	}
	alice.refused(chat.CodeNotFound, `{"type":"edit","conv":%q,"target":1,"cmid":"e2","body":{"text":"again"}}`, conv)
	alice.refused(chat.CodeNotFound, `{"type":"recall","conv":%q,"target":1,"cmid":"r2"}`, conv)
	bob.refused(chat.CodeNotFound, `{"type":"react","conv":%q,"target":1,"cmid":"x4","emoji":"🚀","on":true}`, conv)
	if a := alice.acked(2, "%s", edit); !a.Dup { // what was acked stays so
		t.Fatalf("%+v", a)
	}
	alice.acked(7, `{"type":"send","conv":%q,"cmid":"m2","reply_to":1,"body":{"text":"never mind"}}`, conv)

	for _, seq := range []chat.Seq{1, 2} {
		if e := c.stored(conv, seq); e.Body != nil || !e.Gone {
			t.Errorf("seq %d still says %s", seq, e.Body)
		}
	}
	if m := c.folded("bob", conv, 1); !m.Gone || m.Body != nil || m.Recalled == nil || m.Recalled.By != "alice" {
		t.Fatalf("%+v", m)
	}
	// A device that was away resumes, a new one begins: both learn it from the log.
	back, missed := c.login(0, "bob", `{"type":"hello","device":"tablet"}`)
	kinds := ""
	for _, e := range missed {
		kinds += fmt.Sprint(e.Seq, e.Type, e.Gone, " ")
	}
	if kinds != "2editedtrue 3reactedfalse 4reactedfalse 5reactedfalse 6recalledfalse 7messagefalse " {
		t.Errorf("the device that was away got %s", kinds)
	}
	_, missed = c.login(1, "bob", `{"type":"hello","device":"phone"}`)
	if len(missed) != 7 || !missed[0].Gone || missed[0].Body != nil || !missed[1].Gone || missed[1].Body != nil {
		t.Errorf("the new device got %+v", missed)
	}
	back.send(`{"type":"history","conv":%q,"after":0}`, conv)
	if p := expect[*wire.Page[wire.Entry]](back); len(p.Items) != 7 || !p.Items[0].Gone || !p.Items[1].Gone {
		t.Errorf("%+v", p.Items)
	}
}

func TestEntriesOverREST(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(1, "alice", "")
	bob, _ := c.login(1, "bob", "")
	conv := alice.sendTo("bob", "m1", "helo").Conv
	path := "/v1/conversations/" + string(conv) + "/messages/1"
	thumb := path + "/reactions/" + url.PathEscape("👍🏽")
	for i, step := range []struct {
		method, path, user, body string
		status                   int
		seq                      chat.Seq
		dup                      bool
	}{
		{"PATCH", path, "alice", `{"cmid":"e1","body":{"text":"hello"}}`, http.StatusOK, 2, false},
		{"PATCH", path, "alice", `{"cmid":"e1","body":{"text":"hello"}}`, http.StatusOK, 2, true},
		{"PATCH", path, "alice", `{"cmid":"e1","body":{"text":"other"}}`, http.StatusConflict, 0, false},
		{"PATCH", path, "alice", `{"body":{"text":"other"}}`, http.StatusBadRequest, 0, false},
		{"PATCH", path, "alice", `{"cmid":"e2","body":{}}`, http.StatusBadRequest, 0, false},
		{"PATCH", path, "bob", `{"cmid":"e1","body":{"text":"hello"}}`, http.StatusForbidden, 0, false},
		{"PATCH", path, "carol", `{"cmid":"e1","body":{"text":"hello"}}`, http.StatusNotFound, 0, false},
		{"PATCH", path + "x", "alice", `{"cmid":"e1","body":{"text":"hello"}}`, http.StatusNotFound, 0, false},
		{"PUT", thumb + "?cmid=x1", "bob", "", http.StatusOK, 3, false},
		{"PUT", thumb + "?cmid=x1", "bob", "", http.StatusOK, 3, true},
		{"DELETE", thumb + "?cmid=x1", "bob", "", http.StatusConflict, 0, false},
		{"PUT", thumb, "bob", "", http.StatusBadRequest, 0, false},
		{"PUT", path + "/reactions/ok?cmid=x2", "bob", "", http.StatusBadRequest, 0, false},
		{"PUT", path + "/reactions/" + url.PathEscape("#️⃣") + "?cmid=x2", "bob", "", http.StatusOK, 4, false},
		{"DELETE", thumb + "?cmid=x3", "bob", "", http.StatusOK, 5, false},
		{"DELETE", thumb + "?cmid=x4", "alice", "", http.StatusNotFound, 0, false},
		{"DELETE", path + "?cmid=r0", "bob", "", http.StatusForbidden, 0, false},
		{"DELETE", path + "?cmid=r1", "alice", "", http.StatusOK, 6, false},
		{"DELETE", path + "?cmid=r1", "alice", "", http.StatusOK, 6, true},
		{"DELETE", path + "?cmid=r2", "alice", "", http.StatusNotFound, 0, false},
		{"PATCH", path, "alice", `{"cmid":"e3","body":{"text":"hello"}}`, http.StatusNotFound, 0, false},
	} {
		var ack wire.Ack
		var out any
		if step.status == http.StatusOK {
			out = &ack
		}
		if status := c.rest(step.method, step.path, step.user, step.body, out); status != step.status || ack.Seq != step.seq || ack.Dup != step.dup {
			t.Fatalf("step %d: %s %s: %d %+v, want %d, seq %d", i, step.method, step.path, status, ack, step.status, step.seq)
		}
	}
	for seq, kind := range map[chat.Seq]string{2: "edited", 3: "reacted", 4: "reacted", 5: "reacted", 6: "recalled"} {
		if e := c.stored(conv, seq); string(e.Kind) != kind {
			t.Errorf("seq %d is %s, want %s", seq, e.Kind, kind)
		}
	}
	if e := bob.entry(6); e.Type != "recalled" {
		t.Fatalf("%+v", e)
	}
}

func TestEditsAreBounded(t *testing.T) {
	c := newCluster(t, 2)
	alice, _ := c.login(0, "alice", "")
	conv := alice.sendTo("bob", "m1", "hello").Conv
	seq := chat.Seq(1)
	for i := range chat.MaxEdits {
		seq++
		alice.acked(seq, `{"type":"edit","conv":%q,"target":1,"cmid":"e%d","body":{"text":"hello %d"}}`, conv, i, i)
	}
	alice.refused(chat.CodeForbidden, `{"type":"edit","conv":%q,"target":1,"cmid":"more","body":{"text":"x"}}`, conv)
	tablet, _ := c.login(1, "alice", `{"type":"hello","device":"tablet"}`) // a pod that counts from the store
	tablet.refused(chat.CodeForbidden, `{"type":"edit","conv":%q,"target":1,"cmid":"more","body":{"text":"x"}}`, conv)
	tablet.acked(seq+1, `{"type":"recall","conv":%q,"target":1,"cmid":"r1"}`, conv)
	for n := chat.Seq(1); n <= seq; n++ {
		if e := c.stored(conv, n); !e.Gone || e.Body != nil {
			t.Fatalf("seq %d still says %s", n, e.Body)
		}
	}
}

func TestReactionsAreBounded(t *testing.T) {
	c := newCluster(t, 1)
	alice, _ := c.login(0, "alice", "")
	conv := alice.sendTo("bob", "m1", "hello").Conv
	seq := chat.Seq(1)
	emoji := func(i int) string { return string(rune(0x1F600 + i)) }
	for i := range chat.MaxEmoji {
		seq++
		alice.acked(seq, `{"type":"react","conv":%q,"target":1,"cmid":"x%d","emoji":%q,"on":true}`, conv, i, emoji(i))
	}
	alice.refused(chat.CodeForbidden, `{"type":"react","conv":%q,"target":1,"cmid":"y","emoji":"👍","on":true}`, conv)
	// What was switched off again is still kept, and makes no room.
	seq++
	alice.acked(seq, `{"type":"react","conv":%q,"target":1,"cmid":"off","emoji":%q,"on":false}`, conv, emoji(0))
	alice.refused(chat.CodeForbidden, `{"type":"react","conv":%q,"target":1,"cmid":"y","emoji":"👍","on":true}`, conv)
	// An emoji that is there is free for everybody.
	bob, _ := c.login(0, "bob", "")
	seq++
	bob.acked(seq, `{"type":"react","conv":%q,"target":1,"cmid":"b","emoji":%q,"on":true}`, conv, emoji(0))
}
