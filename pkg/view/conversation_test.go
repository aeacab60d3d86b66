package view

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func at(seq chat.Seq) wire.Time { return wire.Time{Time: timeOf(seq)} }

func TestConversation(t *testing.T) {
	s := memstore.New(memstore.Options{})
	g := newWorld(t, s).group("g1", "alice", "bob", "carol") // 1
	g.say("alice", "one")                                    // 2
	g.say("bob", "two")                                      // 3
	g.change(chat.ChangeRemoved, "carol")                    // 4
	g.rename("second")                                       // 5
	g.say("bob", "three")                                    // 6
	g.hasRead("alice", 3)
	g.hasRecv("alice", "phone", 5)
	g.hasRecv("alice", "laptop", 2)
	g.hasRecv("bob", "phone", 6)

	d := newWorld(t, s).direct("bob", "alice")
	d.say("alice", "hi")
	self := newWorld(t, s).direct("bob", "bob")
	closed := newWorld(t, s).group("g2", "alice", "bob")
	closed.change(chat.ChangeClosed)

	for _, c := range []struct {
		name string
		w    *world
		user chat.User
		want wire.Conversation
	}{
		{"owner of a group", g, "alice", wire.Conversation{Kind: chat.Group, Title: "second", Role: chat.RoleOwner, Members: 2,
			Head: 6, Floor: 1, Count: 3, Joined: 1, Read: 3, Delivered: 5, Unread: 1, Exact: true,
			Peers: []wire.Peer{{User: "bob", Delivered: 6}}, Last: &wire.Last{Seq: 6, From: "bob", Time: at(6), Text: "three"}}},
		{"former member: nothing later than its part", g, "carol", wire.Conversation{Kind: chat.Group, Role: chat.RoleMember, Members: 2,
			Head: 4, Floor: 1, Count: 2, Joined: 1, Left: 4, Unread: 2, Exact: true}},
		{"direct", d, "bob", wire.Conversation{Kind: chat.Direct, Peer: "alice", Role: chat.RoleMember, Members: 2,
			Head: 1, Floor: 1, Count: 1, Joined: 1, Unread: 1, Exact: true,
			Peers: []wire.Peer{{User: "alice"}}, Last: &wire.Last{Seq: 1, From: "alice", Time: at(1), Text: "hi"}}},
		{"notes to oneself", self, "bob", wire.Conversation{Kind: chat.Direct, Peer: "bob", Role: chat.RoleMember, Members: 1,
			Floor: 1, Joined: 1, Exact: true}},
		{"closed group", closed, "bob", wire.Conversation{Kind: chat.Group, Title: "first", Role: chat.RoleMember,
			Head: 2, Floor: 1, Joined: 1, Left: 2, Exact: true,
			Event: &wire.Event{Seq: 2, From: "alice", Time: at(2), Change: chat.ChangeClosed}}},
	} {
		c.want.Conv = c.w.key.Conv
		got, err := c.w.reader.Conversation(c.w.ctx, c.w.part(c.user))
		c.w.must(err)
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s:\n got %s\nwant %s", c.name, wire.Encode(got), wire.Encode(c.want))
		}
	}
}

// Peers are for small conversations, and a preview is of what one may read.
func TestConversationLeavesOut(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob", "carol")
	w.say("alice", "before dave")
	w.change(chat.ChangeAdded, "dave")
	w.reader = New(s, chat.Limits{ReceiptMembers: 3})
	c, err := w.reader.Conversation(w.ctx, w.part("dave"))
	w.must(err)
	if c.Peers != nil || c.Last != nil || c.Unread != 0 || c.Count != 1 {
		t.Errorf("%s", wire.Encode(c))
	}
}

// What is not needed is not read.
func TestUnreadReadsNoLogWithoutDifference(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob")
	w.say("alice", "x")
	w.hasRead("bob", 2)
	for range 2000 {
		w.react("alice", 2, "👍", true)
	}
	p, before := w.part("bob"), s.Calls(memstore.OpEntries)
	u, err := w.reader.Unread(w.ctx, p)
	w.must(err)
	if n := s.Calls(memstore.OpEntries) - before; n != 0 || u.Unread != 0 || !u.Exact {
		t.Errorf("%d reads of the log, %+v", n, u)
	}
}

func TestUnreadBeyondTheBound(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob")
	for range 999 {
		w.say("alice", "x") // up to 1000
	}
	w.recall("alice", 5)
	exact, err := w.reader.Unread(w.ctx, w.part("alice"))
	w.must(err)
	if exact.Exact { // 1001 entries after joined − 1
		t.Errorf("exact over %d entries: %+v", w.part("alice").End, exact)
	}
	w.hasRead("bob", 1)
	before := s.Calls(memstore.OpEntries)
	u, err := w.reader.Unread(w.ctx, w.part("bob"))
	w.must(err)
	if !u.Exact || u.Unread != 998 || u.Recalled != 1 {
		t.Errorf("1,000 entries: %+v", u)
	}
	if n := s.Calls(memstore.OpEntries) - before; n != 5 {
		t.Errorf("%d reads for 1,000 entries, want 5", n)
	}
}

func TestMembers(t *testing.T) {
	s := memstore.New(memstore.Options{})
	users := []chat.User{"alice"}
	for i := range 700 {
		users = append(users, chat.User(fmt.Sprintf("u%03d", i)))
	}
	w := newWorld(t, s).group("g1", users...)
	w.change(chat.ChangeRemoved, users[1:600]...)
	w.hasRead("u650", 2)
	var got []chat.User
	for cursor, more := "", true; more; more = cursor != "" {
		list, err := w.reader.Members(w.ctx, w.part("alice"), cursor, 30)
		w.must(err)
		for _, m := range list.Items {
			got = append(got, m.User)
			if m.Joined != 1 || (m.User == "u650") != (m.Read == 2) || m.Read != m.Delivered {
				t.Errorf("%+v", m)
			}
		}
		cursor = list.Next
	}
	if want := append([]chat.User{"alice"}, users[600:]...); !reflect.DeepEqual(got, want) {
		t.Errorf("got %d members %v", len(got), got)
	}
	if _, err := w.reader.Members(w.ctx, w.part("u000"), "", 0); codeOf(err) != chat.CodeForbidden {
		t.Errorf("former member: %v", err)
	}
	for _, cursor := range []string{"!", "%%", "IA"} { // the last is a blank
		if _, err := w.reader.Members(w.ctx, w.part("alice"), cursor, 0); codeOf(err) != chat.CodeBadRequest {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}

// Newest first, in pages that meet each conversation once, with a bounded number
// of reads.
func TestList(t *testing.T) {
	s := memstore.New(memstore.Options{})
	const n = 1201
	want := map[chat.ConvID]bool{}
	for i := range n {
		w := newWorld(t, s).group(chat.CMID(fmt.Sprint("g", i)), "alice", "bob")
		for range i % 7 {
			w.say("bob", "x")
		}
		switch i % 10 {
		case 3:
			w.change(chat.ChangeRemoved, "bob")
		case 4:
			w.change(chat.ChangeClosed)
		default:
			want[w.key.Conv] = true
		}
	}
	w := newWorld(t, s).direct("alice", "bob")
	w.say("alice", "x")
	want[w.key.Conv] = true
	newWorld(t, s).direct("bob", "carol") // without a message

	var last wire.Conversation
	for cursor, pages := "", 0; ; pages++ {
		calls := s.Calls(memstore.OpMemberships) + s.Calls(memstore.OpConversationsByKey)
		list, err := w.reader.List(w.ctx, w.key.NS, "bob", cursor, 200)
		w.must(err)
		if calls = s.Calls(memstore.OpMemberships) + s.Calls(memstore.OpConversationsByKey) - calls; calls > 2*4 {
			t.Fatalf("%d reads of memberships and conversations", calls)
		}
		for _, c := range list.Items {
			if !want[c.Conv] {
				t.Fatalf("%s is listed twice, or should not be", c.Conv)
			}
			delete(want, c.Conv)
			if last.Conv != "" && (c.Head > last.Head || c.Head == last.Head && c.Conv < last.Conv) {
				t.Fatalf("%s (head %d) comes after %s (head %d)", c.Conv, c.Head, last.Conv, last.Head)
			}
			last = c // the fixture's times follow from the seq
		}
		if cursor = list.Next; cursor == "" {
			break
		}
		if len(list.Items) != 200 {
			t.Fatalf("page %d has %d items", pages, len(list.Items))
		}
	}
	if len(want) != 0 {
		t.Errorf("%d conversations are not listed", len(want))
	}
	for _, cursor := range []string{"x", "!!", "MSBnX2E"} {
		if _, err := w.reader.List(w.ctx, w.key.NS, "bob", cursor, 0); codeOf(err) != chat.CodeBadRequest {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
	if _, err := w.reader.List(w.ctx, w.key.NS, "bob", "", 201); codeOf(err) != chat.CodeBadRequest {
		t.Errorf("limit 201: %v", err)
	}
	empty, err := w.reader.List(w.ctx, w.key.NS, "nobody", "", 0)
	w.must(err)
	if b := string(wire.Encode(empty)); b != `{"items":[]}` {
		t.Errorf("empty list: %s", b)
	}
}

// One message among thousands of other entries is found, with few reads.
func TestMessagesAmongManyOthers(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob")
	first := w.say("alice", "first")
	for range 3000 {
		w.react("bob", first, "👍", true)
	}
	second := w.say("alice", "second")
	for range 3000 {
		w.react("bob", second, "👍", true)
	}
	p, before := w.part("alice"), s.Calls(memstore.OpEntries)
	latest, err := w.reader.Messages(w.ctx, p, Query{Limit: 1})
	w.must(err)
	if len(latest.Items) != 1 || latest.Items[0].Seq != second || !latest.MoreBefore || latest.MoreAfter {
		t.Errorf("latest: %+v", latest)
	}
	older, err := w.reader.Messages(w.ctx, p, Query{Before: &second})
	w.must(err)
	if len(older.Items) != 1 || older.Items[0].Seq != first || older.MoreBefore || !older.MoreAfter {
		t.Errorf("before the second: %+v", older)
	}
	newer, err := w.reader.Messages(w.ctx, p, Query{After: &first})
	w.must(err)
	if len(newer.Items) != 1 || newer.Items[0].Seq != second || !newer.MoreBefore || newer.MoreAfter {
		t.Errorf("after the first: %+v", newer)
	}
	around, err := w.reader.Messages(w.ctx, p, Query{Around: &first, Limit: 10})
	w.must(err)
	if len(around.Items) == 0 || around.Items[0].Seq != first || around.MoreBefore || around.MoreAfter != (len(around.Items) == 1) {
		t.Errorf("around the first: %+v", around)
	}
	if n := s.Calls(memstore.OpEntries) - before; n > 100 {
		t.Errorf("%d reads of the log for four pages", n)
	}
}

func TestQueryRefused(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice")
	one, low, high := chat.Seq(1), chat.Seq(-1), chat.MaxSeq+1
	for _, q := range []Query{{Before: &one, After: &one}, {After: &one, Around: &one}, {Before: &low}, {After: &high},
		{Limit: -1}, {Limit: 201}} {
		_, entriesErr := w.reader.Entries(w.ctx, w.part("alice"), q)
		_, messagesErr := w.reader.Messages(w.ctx, w.part("alice"), q)
		if codeOf(entriesErr) != chat.CodeBadRequest || codeOf(messagesErr) != chat.CodeBadRequest {
			t.Errorf("%+v: %v, %v", q, entriesErr, messagesErr)
		}
	}
	after := chat.MaxSeq
	if _, err := w.reader.Entries(w.ctx, w.part("alice"), Query{After: &after}); err != nil {
		t.Error(err)
	}
}

// A page that is cut by its size keeps the side that it was asked for.
func TestPageIsCutToItsSize(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice")
	long := strings.Repeat("x", 10<<10)
	for range 20 {
		w.say("alice", long) // 2–21
	}
	at := chat.Seq(11)
	for _, c := range []struct {
		name          string
		q             Query
		first, last   chat.Seq
		before, after bool
	}{
		{"latest", Query{}, 17, 21, true, false},
		{"before", Query{Before: &at}, 6, 10, true, true},
		{"after", Query{After: &at}, 12, 16, true, true},
		{"around", Query{Around: &at}, 9, 13, true, true},
		{"one too large", Query{Around: &at, MaxBytes: 100}, 11, 11, true, true},
	} {
		if c.q.MaxBytes == 0 {
			c.q.MaxBytes = 60 << 10
		}
		entries, err := w.reader.Entries(w.ctx, w.part("alice"), c.q)
		w.must(err)
		messages, err := w.reader.Messages(w.ctx, w.part("alice"), c.q)
		w.must(err)
		es, ms := pageSeqs(entries), messageSeqs(messages.Items)
		if es[0] != c.first || es[len(es)-1] != c.last || entries.MoreBefore != c.before || entries.MoreAfter != c.after {
			t.Errorf("%s: entries %v, more %t %t", c.name, es, entries.MoreBefore, entries.MoreAfter)
		}
		if ms[0] != c.first || ms[len(ms)-1] != c.last || messages.MoreBefore != c.before || messages.MoreAfter != c.after {
			t.Errorf("%s: messages %v, more %t %t", c.name, ms, messages.MoreBefore, messages.MoreAfter)
		}
	}
}

// A reaction's users are bounded, its count is of all; "mine" too.
func TestManyReactions(t *testing.T) {
	var list []store.Reaction
	for i := range 300 {
		list = append(list, store.Reaction{Emoji: "👍", User: chat.User(fmt.Sprintf("u%03d", i))})
	}
	folds := groupReactions(list, "u250")
	if len(folds) != 1 || folds[0].Count != 300 || len(folds[0].Users) != reactionUsers || !folds[0].Mine {
		t.Errorf("%+v", folds)
	}
}

// Where thousands have left, a part of the list may be empty, and the list still
// ends; how far everybody is is not claimed where not everybody was looked at.
func TestManyFormerMembers(t *testing.T) {
	s := memstore.New(memstore.Options{})
	users := []chat.User{"owner"}
	for i := range 2600 {
		users = append(users, chat.User(fmt.Sprintf("a%04d", i)))
	}
	w := newWorld(t, s).group("g1", users...)
	w.change(chat.ChangeRemoved, users[1:]...)
	w.change(chat.ChangeAdded, "zoe")
	seq := w.say("owner", "x")
	w.hasRead("zoe", seq)
	var got []chat.User
	parts := 0
	for cursor, more := "", true; more; more = cursor != "" {
		list, err := w.reader.Members(w.ctx, w.part("owner"), cursor, 0)
		w.must(err)
		for _, m := range list.Items {
			got = append(got, m.User)
		}
		cursor = list.Next
		parts++
	}
	if !reflect.DeepEqual(got, []chat.User{"owner", "zoe"}) || parts != 2 {
		t.Errorf("%v in %d parts", got, parts)
	}
	for members, want := range map[int]string{2000: wire.StateRead, 500: wire.StateStored} {
		w.reader = New(s, chat.Limits{Members: members})
		page, err := w.reader.Messages(w.ctx, w.part("owner"), Query{})
		w.must(err)
		if page.Items[0].State != want {
			t.Errorf("limit of %d members: state %s, want %s", members, page.Items[0].State, want)
		}
	}
}
