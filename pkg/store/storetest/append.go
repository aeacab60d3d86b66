package storetest

import (
	"fmt"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var appendTests = []test{
	{"nothing", appendNothing},
	{"in order", appendInOrder},
	{"a taken seq ends the conversation", appendTakenSeq},
	{"a taken cmid ends the conversation", appendTakenCMID},
	{"a cmid twice in a batch", appendCMIDTwice},
	{"a batch again", appendAgain},
	{"conversations are independent", appendIndependent},
	{"many conversations", appendManyConversations},
	{"what may be the same", appendUniqueness},
	{"a large batch", appendLarge},
	{"large bodies", appendLargeBodies},
	{"values stay the caller's", appendOwnership},
}

func appendNothing(f *fixture) {
	a := f.Append(f.ctx, store.Batch{})
	if a.Err != nil || len(a.Outcomes) != 0 {
		f.Errorf("empty batch: %+v", a)
	}
	f.ok("finish nothing", f.Finish(f.ctx, store.Batch{}))
}

func appendInOrder(f *fixture) {
	key := f.group()
	es := messages(key, 4)
	f.put(es[:3]...)
	f.put(es[3])
	f.sameEntries(f.log(key), es)
}

func appendTakenSeq(f *fixture) {
	key := f.group()
	es := messages(key, 2)
	f.put(es...)
	rival := messages(key, 4)[1:]
	for i := range rival {
		rival[i].CMID = chat.CMID(fmt.Sprintf("rival%d", i))
	}
	f.outcomes(rival, store.Duplicate, store.NotTried, store.NotTried)
	f.sameEntries(f.log(key), es)

	// Nothing of what was refused stays in the other index.
	rival[0].Seq = 3
	f.put(rival[0])
}

func appendTakenCMID(f *fixture) {
	key := f.group()
	es := messages(key, 4)
	f.put(es[0])
	es[2].CMID = es[0].CMID
	f.outcomes(es[1:], store.Stored, store.Duplicate, store.NotTried)
	f.sameEntries(f.log(key), es[:2])

	es[2].CMID = "another"
	f.put(es[2:]...)
	f.sameEntries(f.log(key), es)
}

func appendCMIDTwice(f *fixture) {
	key := f.group()
	es := messages(key, 3)
	es[1].CMID = es[0].CMID
	f.outcomes(es, store.Stored, store.Duplicate, store.NotTried)
	f.sameEntries(f.log(key), es[:1])
}

func appendAgain(f *fixture) {
	key := f.group()
	es := messages(key, 2)
	f.put(es...)
	f.outcomes(es, store.Duplicate, store.NotTried)
	f.sameEntries(f.log(key), es)
}

func appendIndependent(f *fixture) {
	a, b, c, d := f.group(), f.group(), f.group(), f.group()
	f.put(message(a, 1, "first"))
	cs := messages(c, 3)
	cs[1].CMID = cs[0].CMID
	batch := append(messages(a, 2), messages(b, 2)...)
	batch = append(batch, cs...)
	batch = append(batch, message(d, 1, "alone"))
	f.outcomes(batch,
		store.Duplicate, store.NotTried,
		store.Stored, store.Stored,
		store.Stored, store.Duplicate, store.NotTried,
		store.Stored)
	f.sameEntries(f.log(a), []chat.Entry{message(a, 1, "first")})
	f.sameEntries(f.log(b), messages(b, 2))
	f.sameEntries(f.log(c), cs[:1])
	f.sameEntries(f.log(d), batch[7:])
}

// appendManyConversations has the shape of a busy gateway's flush: one entry each,
// some refused.
func appendManyConversations(f *fixture) {
	const n = 12
	var batch []chat.Entry
	var want []store.Outcome
	for i := range n {
		key := f.key()
		if i%3 == 0 {
			f.put(message(key, 1, "rival"))
			want = append(want, store.Duplicate)
		} else {
			want = append(want, store.Stored)
		}
		batch = append(batch, message(key, 1, fmt.Sprintf("flush %d", i)))
	}
	f.outcomes(batch, want...)
	for i, e := range batch {
		if want[i] == store.Stored {
			f.sameEntries(f.log(e.Key), []chat.Entry{e})
		}
	}
}

func appendUniqueness(f *fixture) {
	key := f.group()
	first := message(key, 1, "first")
	first.CMID = "Same-cmid_1"
	f.put(first)

	other := message(f.group(), 1, "other conversation")
	other.CMID = first.CMID
	f.put(other)

	tenant := first
	tenant.NS = ns()
	f.put(tenant)

	sender := message(key, 2, "other sender")
	sender.CMID, sender.From = first.CMID, "bob"
	f.put(sender)

	letters := message(key, 3, "other letters")
	letters.CMID = "same-cmid_1"
	f.put(letters)

	// A sender and cmid that only together spell the same.
	left, right := message(key, 4, "a.b + c"), message(key, 5, "a + b.c")
	left.From, left.CMID = "a_b", "c"
	right.From, right.CMID = "a", "b_c"
	f.put(left, right)
	f.sameEntries(f.log(key), []chat.Entry{first, sender, letters, left, right})
}

func appendLarge(f *fixture) {
	key := f.group()
	es := messages(key, 120)
	f.put(es...)
	f.sameEntries(f.log(key), es)
	same(f, "last", f.conversation(key).Last.Seq, 120)
}

func appendLargeBodies(f *fixture) {
	key := f.group()
	es := messages(key, 3)
	for i := range es {
		es[i].Body = []byte(`{"text":"` + strings.Repeat("x", chat.MaxBody-20) + `"}`)
	}
	f.put(es...)
	f.sameEntries(f.log(key), es)
}

// appendOwnership changes what it passed in and what it got back.
func appendOwnership(f *fixture) {
	key := f.group()
	build := func() []chat.Entry {
		m := message(key, 1, "hello")
		m.Mentions = []chat.User{"bob", "carol"}
		return []chat.Entry{m, members(key, 2, chat.ChangeAdded, chat.UserRole{User: "bob", Role: chat.RoleMember})}
	}
	spoil := func(es []chat.Entry) {
		es[0].Mentions[0], es[1].Users[0].User = "mallory", "mallory"
		es[0].CMID, es[1].CMID = "spoilt", "spoilt"
	}
	es := build()
	f.put(es...)
	f.sameEntries(es, build())
	spoil(es)
	got := f.log(key)
	f.sameEntries(got, build())
	spoil(got)
	f.sameEntries(f.log(key), build())

	m := f.member(key, "bob")
	m.Role = chat.RoleOwner
	same(f, "role", f.member(key, "bob").Role, chat.RoleMember)
}
