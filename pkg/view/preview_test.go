package view

import (
	"reflect"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// What a list needs to say of a conversation whose latest message has no text, or
// in which something else has happened since. Nobody is told what came after them.
func TestLastAndEvent(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice", "bob", "carol")
	w.put(chat.Entry{Kind: chat.KindMessage, From: "bob", Body: []byte(`{"attachments":[{"id":"a","name":"a.png","type":"image/png"}]}`)})
	files := &wire.Last{Seq: 2, From: "bob", Time: at(2), Files: &wire.LastFiles{Count: 1, Name: "a.png", Type: "image/png"}}
	is := func(user chat.User, last *wire.Last, event *wire.Event) {
		t.Helper()
		got, err := w.reader.Conversation(w.ctx, w.part(user))
		w.must(err)
		if !reflect.DeepEqual(got.Last, last) || !reflect.DeepEqual(got.Event, event) {
			t.Errorf("%s is told %s", user, wire.Encode(got))
		}
	}
	is("alice", files, nil)
	w.change(chat.ChangeRemoved, "carol")     // 3
	w.change(chat.ChangeAdded, "dave", "eve") // 4
	added := &wire.Event{Seq: 4, From: "alice", Time: at(4), Change: chat.ChangeAdded, User: "dave", Role: chat.RoleMember, Users: 2}
	is("alice", files, added)
	is("dave", nil, added)
	is("carol", files, nil) // the entry that removed her is the last of her part, and not the latest
	w.recall("bob", 2)      // 5
	is("alice", &wire.Last{Seq: 2, From: "bob", Time: at(2), Gone: true}, added)
	w.say("bob", "here") // 6
	is("alice", &wire.Last{Seq: 6, From: "bob", Time: at(6), Text: "here"}, nil)
}

// A preview shows the message as the history of the same user does: with edits of
// one's own part alone.
func TestPreviewIsTheMessage(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice", "bob", "carol", "dave")
	said := w.say("alice", "as sent")
	shown := func(user chat.User, want string) {
		t.Helper()
		p := w.part(user)
		c, err := w.reader.Conversation(w.ctx, p)
		w.must(err)
		if c.Last == nil || c.Last.Seq != said || c.Last.Text != want {
			t.Errorf("%s: %+v, want %q", user, c.Last, want)
		}
		page, err := w.reader.Messages(w.ctx, p, Query{Around: &said, Limit: 1})
		w.must(err)
		message := string(body(want))
		if want == "" {
			message = ""
		}
		if len(page.Items) != 1 || string(page.Items[0].Body) != message {
			t.Errorf("%s reads %+v, and the list shows %q", user, page.Items, want)
		}
	}
	w.change(chat.ChangeRemoved, "carol")
	w.edit("alice", said, "edited")
	w.change(chat.ChangeRemoved, "dave")
	shown("bob", "edited")
	shown("carol", "as sent")
	shown("dave", "edited")
	w.edit("alice", said, "edited again")
	shown("bob", "edited again")
	shown("carol", "as sent")
	shown("dave", "as sent") // the first edit is kept in the log alone
	w.change(chat.ChangeAdded, "carol")
	if c, err := w.reader.Conversation(w.ctx, w.part("carol")); err != nil || c.Last != nil {
		t.Errorf("%+v, %v", c.Last, err)
	}
	w.recall("alice", said)
	shown("bob", "")
	shown("dave", "")
}
