package view

import (
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// The page around the entry after the read position has the first message behind it,
// in one request, wherever that lies; half of the page is what comes before it.
func TestPageAroundTheFirstUnread(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob")
	var said []chat.Seq
	for range 60 {
		said = append(said, w.say("alice", "x"))
	}
	for range 3000 { // so the next message is far from the one before
		w.react("alice", said[59], "👍", true)
	}
	far := w.say("alice", "far")
	w.change(chat.ChangeAdded, "carol")
	late := w.say("alice", "for carol too")

	for _, c := range []struct {
		name   string
		user   chat.User
		read   chat.Seq
		first  chat.Seq // 0: all is read
		before bool     // there are messages before it
	}{
		{"nothing is read", "bob", 0, said[0], false},
		{"in the middle", "bob", said[29], said[30], true},
		{"thousands of other entries between", "bob", said[59], far, true},
		{"who came late and has read nothing", "carol", 0, late, false},
		{"all is read", "bob", late, 0, true},
	} {
		if c.read > 0 {
			w.hasRead(c.user, c.read)
		}
		p := w.part(c.user)
		around, calls := p.Member.Read+1, s.Calls(memstore.OpEntries)
		page, err := w.reader.Messages(w.ctx, p, Query{Around: &around, Limit: 20})
		w.must(err)
		if n := s.Calls(memstore.OpEntries) - calls; n > 40 {
			t.Errorf("%s: %d reads of the log", c.name, n)
		}
		var first chat.Seq
		before := false
		for _, m := range page.Items {
			if m.Seq <= p.Member.Read {
				before = true
			} else if first == 0 {
				first = m.Seq
			}
		}
		if first != c.first || before != c.before {
			t.Errorf("%s: the first is %d, want %d; messages before it: %v", c.name, first, c.first, before)
		}
	}
}
