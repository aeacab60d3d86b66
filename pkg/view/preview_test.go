package view

import (
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

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
