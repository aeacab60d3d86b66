package storetest

import (
	"errors"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var retentionTests = []test{
	{"the floor only rises", floorRises},
	{"how long is kept is decided by the latest", keepLatest},
	{"the floor rises under a policy that holds", floorUnder},
	{"blank takes messages and their edits", blankTakes},
	{"blank is for good", blankForGood},
	{"a late edit of what is gone", blankLateEdit},
}

func floorRises(f *fixture) {
	key := f.group()
	f.put(messages(key, 4)...)
	for _, c := range []struct{ to, want chat.Seq }{{3, 3}, {2, 3}, {3, 3}, {5, 5}} {
		got, err := f.RaiseFloor(f.ctx, key, c.to, nil)
		f.ok("raise floor", err)
		same(f, "floor", got, c.want)
		same(f, "floor of the conversation", f.conversation(key).Floor, c.want)
	}
	same(f, "head", f.conversation(key).Last.Seq, 4)
	if _, err := f.RaiseFloor(f.ctx, f.key(), 2, nil); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("of no conversation: %v", err)
	}
}

func keepLatest(f *fixture) {
	key := f.group()
	f.put(messages(key, 2)...)
	before := f.conversation(key)
	for _, c := range []struct{ set, want chat.Keep }{
		{chat.Keep{Version: 5, Hours: 24}, chat.Keep{Version: 5, Hours: 24}},
		{chat.Keep{Version: 5, Hours: 24}, chat.Keep{Version: 5, Hours: 24}}, // a repeat
		{chat.Keep{Version: 4, Hours: 48}, chat.Keep{Version: 5, Hours: 24}}, // one that comes late
		{chat.Keep{Version: 5, Hours: 30}, chat.Keep{Version: 5, Hours: 30}},
		{chat.Keep{Version: 5, Hours: 24}, chat.Keep{Version: 5, Hours: 30}},
		{chat.Keep{Version: 9}, chat.Keep{Version: 9}}, // for ever again
		{chat.Keep{Version: 8, Hours: 1}, chat.Keep{Version: 9}},
		{chat.Keep{Version: 9, Default: true}, chat.Keep{Version: 9, Default: true}}, // nobody decides
		{chat.Keep{Version: 9}, chat.Keep{Version: 9, Default: true}},
		{chat.Keep{Version: 9, Hours: 5}, chat.Keep{Version: 9, Hours: 5}},
		{chat.Keep{Version: 9, Default: true}, chat.Keep{Version: 9, Hours: 5}},
		{chat.Keep{Version: 10, Hours: chat.MaxKeep}, chat.Keep{Version: 10, Hours: chat.MaxKeep}},
	} {
		got, err := f.SetKeep(f.ctx, key, c.set)
		f.ok("set keep", err)
		same(f, "kept", got, c.want)
		same(f, "kept in the conversation", f.conversation(key).Keep, c.want)
	}
	f.put(message(key, 3, "three")) // what is folded into the document leaves it
	after := f.conversation(key)
	same(f, "kept, with a message more", after.Keep, chat.Keep{Version: 10, Hours: chat.MaxKeep})
	same(f, "what else is in it", [2]any{after.Floor, after.Title}, [2]any{before.Floor, before.Title})
	same(f, "head", after.Last.Seq, 3)
	if _, err := f.SetKeep(f.ctx, f.key(), chat.Keep{Version: 1, Hours: 1}); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("of no conversation: %v", err)
	}
	made := conversation(f.key())
	made.Keep = chat.Keep{Version: 3, Hours: 7}
	f.ok("create", f.Create(f.ctx, made, nil))
	same(f, "kept as it was made", f.conversation(made.Key).Keep, made.Keep)
}

func floorUnder(f *fixture) {
	key := f.group()
	f.put(messages(key, 8)...)
	none, first, second := &chat.Keep{}, &chat.Keep{Version: 1, Hours: 24}, &chat.Keep{Version: 2, Hours: 24}
	set := func(keep *chat.Keep) {
		f.Helper()
		_, err := f.SetKeep(f.ctx, key, *keep)
		f.ok("set keep", err)
	}
	raise := func(floor chat.Seq, under *chat.Keep, want chat.Seq) {
		f.Helper()
		got, err := f.RaiseFloor(f.ctx, key, floor, under)
		f.ok("raise floor", err)
		same(f, "floor", got, want)
		same(f, "floor of the conversation", f.conversation(key).Floor, want)
	}
	raise(2, first, 1) // there is none
	raise(2, none, 2)  // which is what is said here
	set(first)
	raise(3, none, 2)
	raise(3, first, 3)
	raise(1, first, 3)
	set(second)
	raise(4, first, 3)
	raise(4, &chat.Keep{Version: 2, Hours: 25}, 3)
	raise(4, second, 4)
	undecided, forever := &chat.Keep{Version: 3, Default: true}, &chat.Keep{Version: 3}
	set(undecided)
	raise(5, none, 4)
	raise(5, forever, 4)
	raise(5, undecided, 5)
	raise(6, nil, 6) // by hand
	forever.Version = 4
	set(forever)
	raise(7, &chat.Keep{Version: 4, Default: true}, 6)
	raise(7, forever, 7)
	if _, err := f.RaiseFloor(f.ctx, f.key(), 2, first); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("of no conversation: %v", err)
	}
}

// blankLog is of two messages with edits, an edit between, and a third message.
func blankLog(key chat.Key) []chat.Entry {
	return []chat.Entry{
		message(key, 1, "one"), message(key, 2, "two"), edit(key, 3, 1, "one 2"), message(key, 4, "four"), edit(key, 5, 2, "two 2"),
		reaction(key, 6, 2, "bob", "👍", true),
	}
}

// isBlank checks that messages 1 and 4 and the edit of 1 are gone, and nothing else.
func (f *fixture) isBlank(key chat.Key, es []chat.Entry) {
	f.Helper()
	want := append([]chat.Entry{}, es...)
	for _, i := range []int{0, 2, 3} {
		want[i].Body, want[i].Gone = nil, true
	}
	f.sameEntries(f.log(key), want)
	f.sameEdit(f.fold(key, 1).Edited, &store.Edited{Seq: 3, Time: at(3)})
	f.sameEdit(f.fold(key, 2).Edited, &store.Edited{Seq: 5, Time: at(5), Body: es[4].Body})
	f.sameReactions(key, 2, store.Reaction{Emoji: "👍", User: "bob"})
	f.samePreview(key, chat.Preview{Seq: 4, From: "alice", Time: at(4), Gone: true})
	if r := f.fold(key, 1).Recalled; r != nil {
		f.Errorf("blanked is not recalled: %+v", r)
	}
}

func blankTakes(f *fixture) {
	key := f.group()
	es := blankLog(key)
	f.put(es...)
	f.ok("blank one", f.Blank(f.ctx, key, []chat.Seq{1}))
	f.samePreview(key, chat.Preview{Seq: 4, From: "alice", Time: at(4), Text: "four"})
	f.ok("blank", f.Blank(f.ctx, key, []chat.Seq{1, 4, 99}))
	f.isBlank(key, es)
	f.ok("blank nothing", f.Blank(f.ctx, key, nil))
	got, err := f.Lookup(f.ctx, key, "alice", "c1")
	f.ok("lookup", err)
	same(f, "found by its cmid, gone", got.Seq == 1 && got.Gone, true)
}

// blankForGood finishes, with their bodies, the entries that were blanked.
func blankForGood(f *fixture) {
	key := f.group()
	es := blankLog(key)
	f.put(es...)
	for range 2 {
		f.ok("blank", f.Blank(f.ctx, key, []chat.Seq{1, 4}))
		f.finish(es...)
		f.isBlank(key, es)
	}
}

// blankLateEdit stores an edit whose writer did not know that the message is gone.
func blankLateEdit(f *fixture) {
	key := f.group()
	f.put(message(key, 1, "one"))
	f.ok("blank", f.Blank(f.ctx, key, []chat.Seq{1}))
	late := edit(key, 2, 1, "late")
	f.put(late)
	late.Body, late.Gone = nil, true
	f.sameEntries(f.log(key)[1:], []chat.Entry{late})
	f.sameEdit(f.fold(key, 1).Edited, &store.Edited{Seq: 2, Time: at(2)})
}
