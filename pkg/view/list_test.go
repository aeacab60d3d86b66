package view

import (
	"fmt"
	"slices"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// Somebody with more than 5,000 conversations gets all of them, newest first, in
// pages that cost the same wherever they are, while conversations move to the front:
// those are the only ones that a walk may miss, and they are news on the socket.
func TestListOfThousands(t *testing.T) {
	s := memstore.New(memstore.Options{})
	const n, limit = 5600, 200
	worlds := make([]*world, n)
	for i := range worlds {
		worlds[i] = newWorld(t, s).direct("alice", chat.User(fmt.Sprint("u", i)))
		for range 1 + i%5 { // five times at which they were written to last
			worlds[i].say("alice", "x")
		}
	}
	ops := []memstore.Op{memstore.OpMemberships, memstore.OpConversationsByKey, memstore.OpMembers, memstore.OpProfiles, memstore.OpEntries, memstore.OpMembersByUser}
	calls := func() (n int) {
		for _, op := range ops {
			n += s.Calls(op)
		}
		return n
	}
	moved := map[chat.ConvID]bool{}
	seen := map[chat.ConvID]bool{}
	var last wire.Conversation
	r := worlds[0].reader
	for cursor, pages := "", 0; ; pages++ {
		before, profiles := calls(), s.Calls(memstore.OpProfiles)
		list, err := r.List(t.Context(), chat.DefaultNS, "alice", cursor, limit)
		if err != nil {
			t.Fatal(err)
		}
		// Chunks of memberships and of conversations; of each item the members, and the log
		// where something is unread.
		if c, most := calls()-before, 2*(n/memberChunk+1)+2*limit+1; c > most {
			t.Fatalf("page %d: %d reads, at most %d are promised", pages, c, most)
		}
		if p := s.Calls(memstore.OpProfiles) - profiles; p > 1 {
			t.Fatalf("page %d: %d reads of profiles", pages, p)
		}
		for _, c := range list.Items {
			if seen[c.Conv] || moved[c.Conv] {
				t.Fatalf("%s is listed twice", c.Conv)
			}
			seen[c.Conv] = true
			if last.Conv != "" && (c.Head > last.Head || c.Head == last.Head && c.Conv < last.Conv) {
				t.Fatalf("%s (head %d) comes after %s (head %d)", c.Conv, c.Head, last.Conv, last.Head)
			}
			last = c // the fixture's times follow from the seq
		}
		if cursor = list.Next; cursor == "" {
			break
		}
		for _, w := range worlds { // one that is still to come becomes the newest
			if !seen[w.key.Conv] && !moved[w.key.Conv] && pages%4 == 0 {
				for range 10 {
					w.say("alice", "again")
				}
				moved[w.key.Conv] = true
				break
			}
		}
	}
	if len(moved) < 5 || len(seen)+len(moved) != n {
		t.Errorf("%d are listed and %d moved, of %d", len(seen), len(moved), n)
	}
}

// Of many conversations described together each shows what a single one does.
func TestDraftsTogether(t *testing.T) {
	s := memstore.New(memstore.Options{})
	var parts []Part
	var want []wire.Conversation
	for i := range 30 {
		peer := chat.User(fmt.Sprint("u", i))
		w := newWorld(t, s)
		if i%3 == 0 {
			w.group(chat.CMID(fmt.Sprint("g", i)), "alice", peer, "u1")
		} else {
			w.direct("alice", peer)
		}
		w.hasRead(peer, w.say("alice", "x"))
		if i%4 == 0 {
			w.hideRead(peer, true)
		}
		p := w.part("alice")
		c, err := w.reader.Conversation(w.ctx, p)
		w.must(err)
		parts, want = append(parts, p), append(want, c)
	}
	r := New(s, chat.Limits{})
	before := s.Calls(memstore.OpProfiles)
	var drafts []Draft
	for _, p := range parts {
		d, err := r.Draft(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		drafts = append(drafts, d)
	}
	got, err := r.Finish(t.Context(), drafts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range want {
		if string(wire.Encode(&got[i])) != string(wire.Encode(&want[i])) {
			t.Errorf("got  %s\nwant %s", wire.Encode(&got[i]), wire.Encode(&want[i]))
		}
	}
	if n := s.Calls(memstore.OpProfiles) - before; n != 1 {
		t.Errorf("%d reads of profiles", n)
	}
	hidden := func(c wire.Conversation) bool {
		return slices.ContainsFunc(c.Peers, func(p wire.Peer) bool { return p.Read == 0 && p.Delivered > 0 })
	}
	if !hidden(got[0]) || hidden(got[1]) {
		t.Errorf("%+v, %+v", got[0].Peers, got[1].Peers)
	}
	if list, err := r.Finish(t.Context(), nil); err != nil || len(list) != 0 {
		t.Errorf("of nothing: %v, %v", list, err)
	}
}
