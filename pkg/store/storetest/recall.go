package storetest

import (
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var recallTests = []test{
	{"blanks everything", recallBlanks},
	{"is for good", recallForGood},
	{"before the rest is finished", recallFirst},
	{"happens once", recallOnce},
	{"leaves the rest alone", recallLeavesTheRest},
	{"of an older message keeps the preview", recallOlder},
	{"of a message without edits", recallPlain},
	{"then another message", recallThenMessage},
}

// recalledLog is of a conversation whose second message was edited twice and taken back.
func recalledLog(key chat.Key) []chat.Entry {
	m := message(key, 2, "secret")
	m.Mentions, m.ReplyTo, m.Via, m.From = []chat.User{"bob"}, 1, "bot", "bob"
	r := recall(key, 6, 2)
	r.From = "admin.a"
	return []chat.Entry{
		message(key, 1, "other"), m, edit(key, 3, 2, "secret 2"), edit(key, 4, 1, "other 2"), edit(key, 5, 2, "secret 3"), r,
	}
}

// blanked checks that nothing is left of the recalled message.
func (f *fixture) blanked(key chat.Key, es []chat.Entry) {
	f.Helper()
	want := append([]chat.Entry{}, es...)
	for _, i := range []int{1, 2, 4} {
		want[i].Body, want[i].Gone = nil, true
	}
	f.sameEntries(f.log(key), want)
	for _, e := range want {
		got, err := f.Lookup(f.ctx, key, e.From, e.CMID)
		f.ok("lookup", err)
		f.sameEntries([]chat.Entry{got}, []chat.Entry{e})
	}
	fold := f.fold(key, 2)
	f.sameRecall(fold.Recalled, store.Recalled{Seq: 6, By: "admin.a", Time: at(6)})
	f.sameEdit(fold.Edited, &store.Edited{Seq: 5, Time: at(5)})
	f.sameEdit(f.fold(key, 1).Edited, &store.Edited{Seq: 4, Time: at(4), Body: es[3].Body})
	f.samePreview(key, chat.Preview{Seq: 2, From: "bob", Time: at(2), Gone: true})
}

func (f *fixture) sameRecall(got *store.Recalled, want store.Recalled) {
	f.Helper()
	if got == nil {
		f.Fatal("not recalled")
	}
	r := *got
	r.Time = f.utc(r.Time)
	same(f, "recalled", r, want)
}

func recallBlanks(f *fixture) {
	key := f.group()
	es := recalledLog(key)
	f.put(es[:5]...)
	f.samePreview(key, chat.Preview{
		Seq: 2, From: "bob", Time: at(2), Text: "secret", Edit: chat.PreviewEdit{Seq: 5, Text: "secret 3"},
	})
	f.put(es[5])
	f.blanked(key, es)
}

// recallForGood repeats, with their bodies, the entries that the recall blanked.
func recallForGood(f *fixture) {
	key := f.group()
	es := recalledLog(key)
	f.put(es...)
	f.blanked(key, es)
	for i := range es {
		f.finish(es[i])
		f.blanked(key, es)
	}
	f.ok("finish all again", f.Finish(f.ctx, store.Batch{Entries: es}))
	f.blanked(key, es)

	// So does a pod that has read them from the log.
	f.finish(f.log(key)...)
	f.blanked(key, es)
}

// recallFirst finishes the recall before what it takes back.
func recallFirst(f *fixture) {
	for _, order := range [][]int{{5, 4, 3, 2, 1, 0}, {5, 1, 2, 4, 0, 3}, {1, 5, 2, 4, 3, 0}, {2, 5, 4, 1, 3, 0}, {0, 2, 4, 5, 1, 3}} {
		key := f.group()
		es := recalledLog(key)
		f.appendOnly(es...)
		for _, i := range order {
			f.finish(es[i])
		}
		f.blanked(key, es)
	}
}

func recallOnce(f *fixture) {
	key := f.group()
	es := recalledLog(key)
	f.put(es...)
	again := recall(key, 7, 2)
	again.From = "bob"
	f.put(again)
	f.finish(es[5], again)
	f.sameRecall(f.fold(key, 2).Recalled, store.Recalled{Seq: 6, By: "admin.a", Time: at(6)})
}

func recallLeavesTheRest(f *fixture) {
	key := f.group()
	es := recalledLog(key)
	rest := []chat.Entry{
		reaction(key, 7, 2, "bob", "👍", true), message(key, 8, "later"), edit(key, 9, 8, "later 2"),
	}
	f.put(append(es, rest...)...)
	f.sameReactions(key, 2, store.Reaction{Emoji: "👍", User: "bob"})
	f.sameEntries(f.log(key)[6:], rest)
	f.sameEdit(f.fold(key, 8).Edited, &store.Edited{Seq: 9, Time: at(9), Body: rest[2].Body})
	f.samePreview(key, chat.Preview{
		Seq: 8, From: "alice", Time: at(8), Text: "later", Edit: chat.PreviewEdit{Seq: 9, Text: "later 2"},
	})
}

func recallOlder(f *fixture) {
	key := f.group()
	f.put(append(messages(key, 2), recall(key, 3, 1))...)
	f.samePreview(key, chat.Preview{Seq: 2, From: "alice", Time: at(2), Text: "text 2"})
	log := f.log(key)
	same(f, "gone", log[0].Gone && !log[1].Gone && !log[2].Gone, true)
}

func recallPlain(f *fixture) {
	key := f.group()
	f.put(append(messages(key, 1), recall(key, 2, 1))...)
	fold := f.fold(key, 1)
	f.sameRecall(fold.Recalled, store.Recalled{Seq: 2, By: "alice", Time: at(2)})
	f.sameEdit(fold.Edited, nil)
}

func recallThenMessage(f *fixture) {
	key := f.group()
	es := messages(key, 1)
	f.put(es[0], recall(key, 2, 1), message(key, 3, "after"))
	f.samePreview(key, chat.Preview{Seq: 3, From: "alice", Time: at(3), Text: "after"})
	f.finish(recall(key, 2, 1), es[0])
	f.samePreview(key, chat.Preview{Seq: 3, From: "alice", Time: at(3), Text: "after"})
}
