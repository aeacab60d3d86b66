package storetest

import (
	"strings"
	"time"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var finishTests = []test{
	{"last", finishLast},
	{"last of every kind", finishLastOfEveryKind},
	{"preview", finishPreview},
	{"preview is cut short", finishPreviewText},
	{"preview of files", finishPreviewFiles},
	{"event", finishEvent},
	{"title", finishTitle},
	{"closed", finishClosed},
	{"without a conversation document", finishWithoutDocument},
	{"several conversations", finishSeveral},
	{"leaves the rest alone", finishLeavesTheRest},
}

func finishLast(f *fixture) {
	key := f.group()
	es := messages(key, 3)
	es[1].MV, es[1].Members, es[1].Count = 1, 7, 1000
	want := chat.Last{Seq: 2, Count: 1000, MV: 1, Members: 7, Time: at(2)}
	last := func() chat.Last {
		l := f.conversation(key).Last
		l.Time = f.utc(l.Time)
		return l
	}
	f.put(es[0])
	same(f, "last", last(), store.LastOf(&es[0]))
	f.appendOnly(es[1])
	f.finish(es[1], es[1], es[0])
	same(f, "last after the older entry", last(), want)

	// Smaller values of a later entry win all the same: one document, one seq.
	es[2].Count, es[2].Members, es[2].Time = 3, 1, at(0)
	f.appendOnly(es[2])
	f.finish(es[2], es[1])
	same(f, "last with smaller values", last(), store.LastOf(&es[2]))
}

func finishLastOfEveryKind(f *fixture) {
	key := f.group()
	for _, e := range everyKind(key) {
		f.put(e)
		got := f.conversation(key).Last
		got.Time = f.utc(got.Time)
		same(f, "last of "+string(e.Kind), got, store.LastOf(&e))
	}
}

func (f *fixture) samePreview(key chat.Key, want chat.Preview) {
	f.Helper()
	got := f.conversation(key).Preview
	got.Time, want.Time = f.utc(got.Time), f.utc(want.Time)
	same(f, "preview", got, want)
}

func finishPreview(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		message(key, 1, "one"), message(key, 2, "two"), reaction(key, 3, 1, "bob", "x", true),
		edit(key, 4, 1, "edited"), titled(key, 5, chat.ChangeRenamed, "title"),
	}
	es[1].From = "bob.b"
	f.samePreview(key, chat.Preview{})
	f.appendOnly(es...)
	f.finish(es[4])
	f.finish(es[1])
	f.finish(es[0])
	f.finish(es[2:4]...)
	f.samePreview(key, chat.Preview{Seq: 2, From: "bob.b", Time: at(2), Text: "two"})

	// A later message without text still replaces it.
	data := entry(key, 6, chat.KindMessage)
	data.Body = []byte(`{"data":{"n":1}}`)
	f.put(data)
	f.samePreview(key, chat.Preview{Seq: 6, From: "alice", Time: at(6)})
}

func finishPreviewText(f *fixture) {
	key := f.group()
	f.put(message(key, 1, strings.Repeat("é😀", chat.PreviewRunes)))
	text := f.conversation(key).Preview.Text
	same(f, "preview", text, strings.Repeat("é😀", chat.PreviewRunes/2))
	same(f, "runes of the preview", utf8.RuneCountInString(text), chat.PreviewRunes)
}

func finishPreviewFiles(f *fixture) {
	key := f.group()
	m := entry(key, 1, chat.KindMessage)
	m.Body = []byte(`{"text":"look","attachments":[{"id":"a","name":"ridge.jpg","type":"image/jpeg","size":1},{"id":"b","name":"x","type":"image/png","size":2}]}`)
	f.put(m)
	want := chat.Preview{Seq: 1, From: "alice", Time: at(1), Text: "look", Files: 2, FileName: "ridge.jpg", FileType: "image/jpeg"}
	f.samePreview(key, want)
	less := edit(key, 2, 1, "")
	less.Body = []byte(`{"text":"other words","attachments":[{"id":"b","name":"x","type":"image/png","size":2}]}`)
	f.put(less)
	want.Edit = chat.PreviewEdit{Seq: 2, Text: "other words", Files: 1, FileName: "x", FileType: "image/png"}
	f.samePreview(key, want)
	f.put(recall(key, 3, 1))
	f.samePreview(key, store.Blanked(want))
	f.finish(m)
	f.samePreview(key, store.Blanked(want))

	mixed := entry(key, 4, chat.KindMessage)
	mixed.Body = []byte(`{"attachments":[{"id":"a","name":"a.png","type":"image/png"},{"id":"b","name":"b.pdf","type":"application/pdf"}]}`)
	f.put(mixed)
	f.samePreview(key, chat.Preview{Seq: 4, From: "alice", Time: at(4), Files: 2, FileName: "a.png"})
}

// finishEvent: the latest members entry counts, in whatever order they are
// finished, until there is a later message.
func finishEvent(f *fixture) {
	key := f.group()
	role := func(user chat.User) chat.UserRole { return chat.UserRole{User: user, Role: chat.RoleMember} }
	es := []chat.Entry{
		members(key, 1, chat.ChangeCreated, chat.UserRole{User: "alice", Role: chat.RoleOwner}, role("bob")), message(key, 2, "two"),
		members(key, 3, chat.ChangeAdded, role("carol"), role("dave")), members(key, 4, chat.ChangeLeft, role("alice")),
		reaction(key, 5, 2, "bob", "x", true), message(key, 6, "six"), titled(key, 7, chat.ChangeRenamed, "title"),
	}
	es[4].MV, es[5].MV = 4, 4
	is := func(want chat.Event) {
		f.Helper()
		got := f.conversation(key).Event
		got.Time, want.Time = f.utc(got.Time), f.utc(want.Time)
		same(f, "event", got, want)
	}
	f.put(es[0])
	is(chat.Event{Seq: 1, From: "alice", Time: at(1), Change: chat.ChangeCreated, User: "bob", Role: chat.RoleMember, Users: 1})
	f.put(es[1])
	is(chat.Event{})
	f.put(es[2])
	is(chat.Event{Seq: 3, From: "alice", Time: at(3), Change: chat.ChangeAdded, User: "carol", Role: chat.RoleMember, Users: 2})
	f.appendOnly(es[3:5]...)
	f.finish(es[4])
	f.finish(es[3])
	f.finish(es[2], es[0])
	left := chat.Event{Seq: 4, From: "alice", Time: at(4), Change: chat.ChangeLeft, User: "alice", Role: chat.RoleMember, Users: 1}
	is(left)
	f.put(es[5])
	is(chat.Event{})
	f.put(es[6])
	is(chat.Event{Seq: 7, From: "alice", Time: at(7), Change: chat.ChangeRenamed})
}

func finishTitle(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		titled(key, 1, chat.ChangeCreated, "created"), titled(key, 2, chat.ChangeRenamed, "second · 二"),
		titled(key, 3, chat.ChangeRenamed, "third $set"),
		members(key, 4, chat.ChangeAdded, chat.UserRole{User: "bob", Role: chat.RoleMember}),
	}
	title := func(want string, asOf chat.Seq) {
		f.Helper()
		c := f.conversation(key)
		same(f, "title", c.Title, want)
		same(f, "title as of", c.TitleAsOf, asOf)
	}
	f.put(es[0])
	title("created", 1)
	f.appendOnly(es[1:]...)
	f.finish(es[2], es[1], es[0])
	title("third $set", 3)
	f.finish(es[3], es[1])
	title("third $set", 3)
	f.put(titled(key, 5, chat.ChangeRenamed, ""))
	title("", 5)
}

func finishClosed(f *fixture) {
	key := f.group()
	es := []chat.Entry{titled(key, 1, chat.ChangeCreated, "title"), members(key, 2, chat.ChangeClosed)}
	f.put(es[0])
	same(f, "closed", f.conversation(key).Closed, 0)
	f.put(es[1])
	f.finish(es[1], es[0])
	c := f.conversation(key)
	same(f, "closed", c.Closed, 2)
	same(f, "title", c.Title, "title")
}

// finishWithoutDocument: a conversation document comes from Create alone, or
// Create would find half a document there and leave it.
func finishWithoutDocument(f *fixture) {
	key := f.key()
	es := []chat.Entry{
		members(key, 1, chat.ChangeCreated, chat.UserRole{User: "alice", Role: chat.RoleOwner}), message(key, 2, "two"),
	}
	f.put(es...)
	cs, err := f.ConversationsByKey(f.ctx, []chat.Key{key})
	f.ok("conversations by key", err)
	same(f, "conversations", len(cs), 0)
	same(f, "joined", f.member(key, "alice").Joined, 1)

	c := conversation(key)
	f.ok("create", f.Create(f.ctx, c, nil))
	f.finish(es...)
	got := f.conversation(key)
	same(f, "last", got.Last.Seq, 2)
	same(f, "history", got.History, chat.HistoryJoined)
}

func finishSeveral(f *fixture) {
	keys := []chat.Key{f.group(), f.group(), f.group()}
	var batch []chat.Entry
	for _, key := range keys {
		batch = append(batch, titled(key, 1, chat.ChangeCreated, "of "+string(key.Conv)), message(key, 2, "two"))
	}
	f.put(batch...)
	for _, key := range keys {
		c := f.conversation(key)
		same(f, "title", c.Title, "of "+string(key.Conv))
		same(f, "last", c.Last.Seq, 2)
		same(f, "preview", c.Preview.Text, "two")
	}
}

func finishLeavesTheRest(f *fixture) {
	want := fullConversation(f.key())
	f.ok("create", f.Create(f.ctx, want, nil))
	e := message(want.Key, 1, "one")
	f.put(e)
	want.Last, want.Preview = store.LastOf(&e), chat.Preview{Seq: 1, From: "alice", Time: at(1), Text: "one"}
	f.sameConversation(f.conversation(want.Key), want)
}

// fullConversation has every field set that Create may be given, but for those
// that entries fill in.
func fullConversation(key chat.Key) chat.Conversation {
	c := conversation(key)
	c.History = chat.HistoryAll
	c.Created = time.Date(2031, 1, 2, 3, 4, 5, 999e6, time.UTC)
	c.Title, c.TitleAsOf = "Größe · 大", 1
	return c
}
