package storetest

import (
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var foldTests = []test{
	{"of what nothing happened to", foldNothing},
	{"edited", foldEdited},
	{"edited twice, out of order", foldEditedOutOfOrder},
	{"reactions", foldReactions},
	{"reactions that were withdrawn", foldWithdrawn},
	{"reactions out of order", foldReactionsOutOfOrder},
	{"of several messages", foldSeveral},
}

func foldNothing(f *fixture) {
	key := f.group()
	f.put(append(messages(key, 3), edit(key, 4, 2, "new"))...)
	folds, err := f.Folds(f.ctx, key, []chat.Seq{1, 2, 3, 99})
	f.ok("folds", err)
	same(f, "folds", len(folds), 1)
	folds, err = f.Folds(f.ctx, key, nil)
	f.ok("folds of none", err)
	same(f, "folds of none", len(folds), 0)
	folds, err = f.Folds(f.ctx, f.key(), []chat.Seq{2})
	f.ok("folds of nobody's conversation", err)
	same(f, "folds of nobody's conversation", len(folds), 0)
}

func foldEdited(f *fixture) {
	key := f.group()
	m, e := message(key, 1, "first"), edit(key, 2, 1, "second")
	f.put(m, e)
	want := &store.Edited{Seq: 2, Time: at(2), Body: e.Body}
	f.sameEdit(f.fold(key, 1).Edited, want)
	f.finish(m, e)
	f.sameEdit(f.fold(key, 1).Edited, want)
	// The log keeps what was said first.
	f.sameEntries(f.log(key), []chat.Entry{m, e})
	f.samePreview(key, chat.Preview{
		Seq: 1, From: "alice", Time: at(1), Text: "first", Edit: chat.PreviewEdit{Seq: 2, Text: "second"},
	})
}

func foldEditedOutOfOrder(f *fixture) {
	key := f.group()
	m, e, e2 := message(key, 1, "first"), edit(key, 2, 1, "second"), edit(key, 3, 1, "third")
	f.appendOnly(m, e, e2)
	f.finish(e2, e, m)
	want := &store.Edited{Seq: 3, Time: at(3), Body: e2.Body}
	f.sameEdit(f.fold(key, 1).Edited, want)
	same(f, "edits", f.fold(key, 1).Edits, 2)
	f.finish(e, e2, e)
	f.sameEdit(f.fold(key, 1).Edited, want)
	same(f, "edits, finished again", f.fold(key, 1).Edits, 2)
	f.put(recall(key, 4, 1))
	same(f, "edits of what was recalled", f.fold(key, 1).Edits, 2)
}

func (f *fixture) sameReactions(key chat.Key, seq chat.Seq, want ...store.Reaction) {
	f.Helper()
	got := f.fold(key, seq).Reactions
	if len(got)+len(want) > 0 {
		same(f, "reactions", got, want)
	}
}

func foldReactions(f *fixture) {
	key := f.group()
	f.put(message(key, 1, "first"))
	f.put(reaction(key, 2, 1, "carol", "👍", true))
	f.put(reaction(key, 3, 1, "bob.b", "👍", true), reaction(key, 4, 1, "bob.b", "❤️", true),
		reaction(key, 5, 1, "$alice", "a.b", true), reaction(key, 6, 1, "dave", "$x", false),
		reaction(key, 7, 1, "bob.b", "👍🏽", true))
	// By emoji, then user, bytewise.
	f.sameReactions(key, 1,
		store.Reaction{Emoji: "a.b", User: "$alice"}, store.Reaction{Emoji: "❤️", User: "bob.b"},
		store.Reaction{Emoji: "👍", User: "bob.b"}, store.Reaction{Emoji: "👍", User: "carol"},
		store.Reaction{Emoji: "👍🏽", User: "bob.b"})
	f.put(reaction(key, 8, 1, "bob.b", "👍", false), reaction(key, 9, 1, "$alice", "a.b", false),
		reaction(key, 10, 1, "bob.b", "👍🏽", false))
	f.sameReactions(key, 1,
		store.Reaction{Emoji: "❤️", User: "bob.b"}, store.Reaction{Emoji: "👍", User: "carol"})
}

// foldWithdrawn: what was switched off is known, and not among what is on.
func foldWithdrawn(f *fixture) {
	key := f.group()
	f.put(message(key, 1, "first"), reaction(key, 2, 1, "bob", "👍", true), reaction(key, 3, 1, "alice", "👍", true),
		reaction(key, 4, 1, "bob", "👍", false), reaction(key, 5, 1, "bob", "❤️", true), reaction(key, 6, 1, "bob", "❤️", false))
	f.sameReactions(key, 1, store.Reaction{Emoji: "👍", User: "alice"})
	same(f, "withdrawn", f.fold(key, 1).Withdrawn, []store.Reaction{{Emoji: "❤️", User: "bob"}, {Emoji: "👍", User: "bob"}})
	f.put(reaction(key, 7, 1, "alice", "👍", false))
	f.sameReactions(key, 1)
	same(f, "withdrawn by all", len(f.fold(key, 1).Withdrawn), 3)
	f.put(reaction(key, 8, 1, "bob", "👍", true))
	f.sameReactions(key, 1, store.Reaction{Emoji: "👍", User: "bob"})
	same(f, "withdrawn by some", f.fold(key, 1).Withdrawn, []store.Reaction{{Emoji: "❤️", User: "bob"}, {Emoji: "👍", User: "alice"}})
}

func foldReactionsOutOfOrder(f *fixture) {
	key := f.group()
	m := message(key, 1, "first")
	on, off, again := reaction(key, 2, 1, "bob", "👍", true), reaction(key, 3, 1, "bob", "👍", false),
		reaction(key, 4, 1, "bob", "👍", true)
	f.appendOnly(m, on, off)
	f.finish(off, on)
	f.sameReactions(key, 1)
	f.finish(off, on, m)
	f.sameReactions(key, 1)

	f.appendOnly(again)
	f.finish(again, off, on)
	f.sameReactions(key, 1, store.Reaction{Emoji: "👍", User: "bob"})

	// On and off in one batch.
	f.put(reaction(key, 5, 1, "bob", "👍", false), reaction(key, 6, 1, "bob", "👍", true),
		reaction(key, 7, 1, "bob", "👍", false))
	f.sameReactions(key, 1)
}

func foldSeveral(f *fixture) {
	key, other := f.group(), f.group()
	f.put(append(messages(key, 3), edit(key, 4, 1, "new"), reaction(key, 5, 2, "bob", "👍", true), recall(key, 6, 3),
		reaction(key, 7, 1, "bob", "👍", true))...)
	f.put(append(messages(other, 1), edit(other, 2, 1, "other"))...)

	folds, err := f.Folds(f.ctx, key, []chat.Seq{3, 1, 2})
	f.ok("folds", err)
	same(f, "folds", len(folds), 3)
	f.sameEdit(folds[1].Edited, &store.Edited{Seq: 4, Time: at(4), Body: []byte(`{"text":"new"}`)})
	same(f, "recalled", folds[1].Recalled == nil && folds[2].Recalled == nil && folds[3].Recalled != nil, true)
	f.sameReactions(key, 1, store.Reaction{Emoji: "👍", User: "bob"})
	f.sameReactions(key, 2, store.Reaction{Emoji: "👍", User: "bob"})
	f.sameEdit(f.fold(other, 1).Edited, &store.Edited{Seq: 2, Time: at(2), Body: []byte(`{"text":"other"}`)})
}
