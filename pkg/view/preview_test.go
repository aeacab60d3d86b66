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
