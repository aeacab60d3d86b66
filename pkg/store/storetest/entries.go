package storetest

import (
	"errors"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var entriesTests = []test{
	{"every kind comes back whole", entriesRoundTrip},
	{"bodies come back byte by byte", entriesBodies},
	{"ranges", entriesRanges},
	{"of nobody's conversation", entriesUnknown},
	{"by who wrote them", entriesBy},
	{"lookup", entriesLookup},
	{"lookup of every kind", entriesLookupKinds},
}

// everyKind is a log with all kinds and fields. The last message is recalled.
func everyKind(key chat.Key) []chat.Entry {
	alice := chat.UserRole{User: "alice", Role: chat.RoleOwner}
	odd := chat.UserRole{User: "$where.o.k@ex+am-ple_.com", Role: chat.RoleAdmin}
	bob := chat.UserRole{User: "bob", Role: chat.RoleMember}

	created := members(key, 1, chat.ChangeCreated, alice, odd)
	created.Title = "Zürich · 東京 👩‍👩‍👧 $set a.b \"quoted\""
	created.CMID, created.Count = "!create", 0
	full := message(key, 2, "with everything")
	full.From, full.Via = odd.User, "billing-bot.v2"
	full.ReplyTo, full.Silent = 1, true
	full.Mentions = []chat.User{"bob", odd.User, "alice"}
	full.Hash = chat.Hash{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255}
	full.Count, full.MV, full.Members = 1<<53-1, 1, 2000
	plain := message(key, 3, "with nothing")
	plain.Hash, plain.Count, plain.MV, plain.Members = chat.Hash{}, 0, 0, 0
	edited := edit(key, 4, 2, "edited")
	edited.From = odd.User
	on, off := reaction(key, 5, 2, "bob", "👩🏽‍🚀", true), reaction(key, 6, 2, "bob", "❤️", false)
	added := members(key, 7, chat.ChangeAdded, bob)
	added.CMID = "!add:$where.o.k@ex+am-ple_.com:1"
	role := members(key, 8, chat.ChangeRole, chat.UserRole{User: "bob", Role: chat.RoleAdmin})
	removed := members(key, 9, chat.ChangeRemoved, chat.UserRole{User: "bob", Role: chat.RoleAdmin})
	left := members(key, 10, chat.ChangeLeft, odd)
	renamed := titled(key, 11, chat.ChangeRenamed, "now another")
	closed := members(key, 12, chat.ChangeClosed)
	gone := message(key, 13, "soon gone")
	gone.Mentions, gone.ReplyTo, gone.Via = []chat.User{"bob"}, 2, "bot"
	return []chat.Entry{
		created, full, plain, edited, on, off, added, role, removed, left, renamed, closed, gone, recall(key, 14, 13),
	}
}

// entriesBy asks those who have an index; the others say that the log must do.
func entriesBy(f *fixture) {
	key := f.group()
	es := everyKind(key)
	f.put(es...)
	es[12].Body, es[12].Gone = nil, true
	other := f.group()
	f.put(everyKind(other)...)
	_, indexed, err := f.EntriesBy(f.ctx, key, "nobody", 1)
	f.ok("entries by nobody", err)
	for _, user := range []chat.User{"alice", "bob", "$where.o.k@ex+am-ple_.com", "nobody"} {
		var want []chat.Entry
		for _, e := range es {
			if e.From == user {
				want = append(want, e)
			}
		}
		for _, limit := range []int{1, len(want) - 1, len(want), len(want) + 1, 100} {
			if limit < 1 {
				continue
			}
			got, all, err := f.EntriesBy(f.ctx, key, user, limit)
			f.ok("entries by "+string(user), err)
			if fits := indexed && limit >= len(want); all != fits {
				f.Errorf("%d entries by %s, at most %d: all %v, want %v", len(want), user, limit, all, fits)
			}
			if all {
				f.sameEntries(got, want)
			} else {
				same(f, "without an index, or of too many", len(got), 0)
			}
		}
	}
}

func entriesRoundTrip(f *fixture) {
	key := f.group()
	es := everyKind(key)
	f.put(es...)
	es[12].Body, es[12].Gone = nil, true
	f.sameEntries(f.log(key), es)
	for _, e := range f.log(key) {
		if e.Concerns != nil {
			f.Errorf("entry %d: Concerns is in the log: %v", e.Seq, e.Concerns)
		}
	}
}

func entriesBodies(f *fixture) {
	key := f.group()
	var es []chat.Entry
	for i, body := range []string{
		`{"text":"<b> & \u2028 \u0000 \" \\ 😀 ` + "\u2028é" + `"}`,
		`{"data":{"$set":{"a.b":[1.0,1e400,9007199254740993]},"":null,"_id":{"$oid":"x"}}}`,
		`{"data":{"z":1,"a":2,"z.y":3}}`,
		`{"attachments":[{"id":"1","name":"ä.png","type":"image/png","size":1}]}`,
	} {
		e := entry(key, chat.Seq(i+1), chat.KindMessage)
		e.Body = []byte(body)
		es = append(es, e)
	}
	f.put(es...)
	f.sameEntries(f.log(key), es)
}

func entriesRanges(f *fixture) {
	key := f.group()
	es := messages(key, 12)
	f.put(es...)
	// A neighbour on either side of the key.
	f.put(message(chat.Key{NS: f.ns, Conv: key.Conv + "a"}, 1, "neighbour"))
	f.put(message(chat.Key{NS: f.ns, Conv: key.Conv[:len(key.Conv)-1]}, 1, "neighbour"))

	for _, c := range []struct {
		r        store.Range
		from, to chat.Seq // both inclusive; from > to: nothing
	}{
		{store.Range{Limit: 100}, 1, 12},
		{store.Range{Limit: 12}, 1, 12},
		{store.Range{Limit: 11}, 1, 11},
		{store.Range{Limit: 1}, 1, 1},
		{store.Range{Limit: 100, Desc: true}, 1, 12},
		{store.Range{Limit: 11, Desc: true}, 2, 12},
		{store.Range{Limit: 1, Desc: true}, 12, 12},
		{store.Range{After: 8, Limit: 100}, 9, 12},
		{store.Range{After: 8, Limit: 2}, 9, 10},
		{store.Range{After: 8, Limit: 2, Desc: true}, 11, 12},
		{store.Range{After: 11, Limit: 5}, 12, 12},
		{store.Range{After: 12, Limit: 5}, 1, 0},
		{store.Range{After: 13, Limit: 5, Desc: true}, 1, 0},
		{store.Range{After: chat.MaxSeq, Limit: 5}, 1, 0},
		{store.Range{Before: 1, Limit: 5}, 1, 0},
		{store.Range{Before: 2, Limit: 5}, 1, 1},
		{store.Range{Before: 11, Limit: 3}, 1, 3},
		{store.Range{Before: 11, Limit: 3, Desc: true}, 8, 10},
		{store.Range{Before: 12, Limit: 100}, 1, 11},
		{store.Range{Before: 13, Limit: 100}, 1, 12},
		{store.Range{Before: chat.MaxSeq, Limit: 100, Desc: true}, 1, 12},
		{store.Range{After: 3, Before: 11, Limit: 100}, 4, 10},
		{store.Range{After: 3, Before: 11, Limit: 7}, 4, 10},
		{store.Range{After: 3, Before: 11, Limit: 6}, 4, 9},
		{store.Range{After: 3, Before: 11, Limit: 6, Desc: true}, 5, 10},
		{store.Range{After: 9, Before: 11, Limit: 6}, 10, 10},
		{store.Range{After: 9, Before: 10, Limit: 6}, 1, 0},
		{store.Range{After: 9, Before: 9, Limit: 6}, 1, 0},
		{store.Range{After: 9, Before: 3, Limit: 6}, 1, 0},
	} {
		got, err := f.Entries(f.ctx, key, c.r)
		f.ok(fmt.Sprintf("entries %+v", c.r), err)
		var seqs, want []chat.Seq
		for _, e := range got {
			seqs = append(seqs, e.Seq)
		}
		for seq := c.from; seq <= c.to; seq++ {
			want = append(want, seq)
		}
		same(f, fmt.Sprintf("entries %+v", c.r), seqs, want)
	}
}

func entriesUnknown(f *fixture) {
	if es := f.log(f.key()); len(es) != 0 {
		f.Errorf("log of nobody's conversation: %d entries", len(es))
	}
	key := f.group()
	f.put(message(key, 1, "hello"))
	key.NS = ns()
	if es := f.log(key); len(es) != 0 {
		f.Errorf("log under another tenant: %d entries", len(es))
	}
}

func entriesLookup(f *fixture) {
	key := f.group()
	es := messages(key, 3)
	f.put(es...)
	e, err := f.Lookup(f.ctx, key, es[1].From, es[1].CMID)
	f.ok("lookup", err)
	f.sameEntries([]chat.Entry{e}, es[1:2])
	e, err = f.LookupLinearizable(f.ctx, key, es[1].From, es[1].CMID)
	f.ok("linearizable lookup", err)
	f.sameEntries([]chat.Entry{e}, es[1:2])

	elsewhere, tenant := f.group(), key
	tenant.NS = ns()
	for _, c := range []struct {
		what string
		key  chat.Key
		from chat.User
		cmid chat.CMID
	}{
		{"unknown cmid", key, "alice", "c4"},
		{"part of a cmid", key, "alice", "c"},
		{"other letters", key, "alice", "C1"},
		{"other sender", key, "bob", "c1"},
		{"other conversation", elsewhere, "alice", "c1"},
		{"other tenant", tenant, "alice", "c1"},
	} {
		if _, err := f.Lookup(f.ctx, c.key, c.from, c.cmid); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("lookup of %s: error %v, want %v", c.what, err, store.ErrNotFound)
		}
		if _, err := f.LookupLinearizable(f.ctx, c.key, c.from, c.cmid); !errors.Is(err, store.ErrNotFound) {
			f.Errorf("linearizable lookup of %s: error %v, want %v", c.what, err, store.ErrNotFound)
		}
	}
}

func entriesLookupKinds(f *fixture) {
	key := f.group()
	es := everyKind(key)
	f.put(es...)
	es[12].Body, es[12].Gone = nil, true
	for _, want := range es {
		got, err := f.Lookup(f.ctx, key, want.From, want.CMID)
		f.ok("lookup of "+string(want.Kind), err)
		f.sameEntries([]chat.Entry{got}, []chat.Entry{want})
	}
}
