package view

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

var cast = []chat.User{"alice", "bob", "carol", "dave"}

// randomWorld plays a random history of n entries.
func randomWorld(t testing.TB, seed uint64, n int) (*world, *rand.Rand) {
	rng := rand.New(rand.NewPCG(seed, 1))
	w := newWorld(t, memstore.New(memstore.Options{}))
	w.all = rng.IntN(3) == 0
	if rng.IntN(3) == 0 {
		w.floor = chat.Seq(1 + rng.IntN(n/2+1))
	}
	if seed%5 == 0 {
		w.direct("alice", "bob")
	} else {
		w.group("g1", "alice", "bob")
	}
	chatty := 1 + rng.IntN(8) // of 10 entries: from mostly reactions to mostly messages
	var said []chat.Entry
	for len(w.log) < n {
		from := pick(rng, w)
		switch k := rng.IntN(10); {
		case k < chatty || len(said) == 0:
			w.mention(from, fmt.Sprint("text ", len(w.log)), w.randomMentions(rng)...)
			said = append(said, w.log[len(w.log)-1])
		case k == 8 && w.key.Conv.Kind() == chat.Group:
			w.randomChange(rng)
		default:
			target := said[rng.IntN(len(said))]
			w.randomFold(rng, from, &target)
		}
		u := cast[rng.IntN(len(cast))]
		switch at := chat.Seq(rng.IntN(len(w.log) + 1)); {
		case !w.members[u]:
		case rng.IntN(12) == 0:
			w.hasRead(u, at)
		case rng.IntN(20) == 0:
			w.hideRead(u, rng.IntN(2) == 0)
		case rng.IntN(6) == 0:
			w.hasRecv(u, chat.Device(fmt.Sprint("d", rng.IntN(2))), at)
		}
	}
	return w, rng
}

func pick(rng *rand.Rand, w *world) chat.User {
	for {
		if u := cast[rng.IntN(len(cast))]; w.members[u] {
			return u
		}
	}
}

func (w *world) randomChange(rng *rand.Rand) {
	u := cast[1+rng.IntN(len(cast)-1)]
	switch {
	case rng.IntN(4) == 0:
		w.rename(fmt.Sprint("title ", len(w.log)))
	case w.members[u]:
		w.change(chat.ChangeRemoved, u)
	default:
		w.change(chat.ChangeAdded, u)
	}
}

func (w *world) randomFold(rng *rand.Rand, from chat.User, target *chat.Entry) {
	recalled := w.recalled(target.Seq, chat.MaxSeq) != 0 // then it can only be reacted to
	switch k := rng.IntN(4); {
	case k == 0 && !recalled:
		w.edit(target.From, target.Seq, fmt.Sprint("edited ", len(w.log)))
	case k == 1 && !recalled:
		w.recall(from, target.Seq)
	default:
		w.react(from, target.Seq, []string{"👍", "🎉"}[rng.IntN(2)], rng.IntN(3) > 0)
	}
}

// What the read model says of random histories is what counting by hand gives.
func TestAgainstNaiveRecount(t *testing.T) {
	for seed := range uint64(40) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			n := 20 + int(seed)*3
			if seed == 39 {
				n = 1150 // more than a correction looks at
			}
			w, rng := randomWorld(t, seed, n)
			for _, u := range cast {
				if w.stay(u).joined == 0 {
					if _, err := w.reader.Access(w.ctx, w.key, u); codeOf(err) != chat.CodeNotFound {
						t.Errorf("%s, who never was a member: %v", u, err)
					}
					continue
				}
				w.checkUnread(u)
				w.checkSeen(u, 1+rng.IntN(4))
				w.checkHidden(u)
				entries, messages := w.readable(u), w.messages(u)
				for range 30 {
					q := randomQuery(rng, len(w.log))
					w.checkEntries(u, q, entries)
					w.checkMessages(u, q, messages)
				}
				w.checkWalk(u, 1+rng.IntN(9)+n/20, 0, entries, messages)
				w.checkWalk(u, 50, 1500, entries, messages)
			}
		})
	}
}

func (w *world) checkUnread(u chat.User) {
	w.Helper()
	s, p := w.stay(u), w.part(u)
	got, err := w.reader.Unread(w.ctx, p)
	w.must(err)
	end := chat.Seq(len(w.log))
	if s.left != 0 {
		end = s.left
	}
	from := max(w.read[u], s.joined-1, w.floor-1)
	want := wire.Unread{Conv: w.key.Conv, Exact: true, Head: end, Joined: s.joined, Floor: w.floor, Read: min(w.read[u], end)}
	for _, e := range w.log {
		if e.Kind != chat.KindMessage || e.Seq > end {
			continue
		}
		want.Count++
		switch {
		case e.Seq <= from:
			want.ReadCount++
		case e.From == u:
			want.Own++
		case w.recalled(e.Seq, end) != 0:
			want.Recalled++
		default:
			want.Unread++
			if e.Seq > end-200 || end-from <= 1000 {
				want.Mentions += w.mentioned(e, u)
			}
		}
	}
	if end-from > 1000 {
		want.Unread, want.Own, want.Recalled, want.Exact = want.Count-want.ReadCount, 0, 0, false
	}
	if got != want {
		w.Errorf("unread of %s:\n got %+v\nwant %+v", u, got, want)
	}
	c, err := w.reader.Conversation(w.ctx, p)
	w.must(err)
	if c.Unread != want.Unread || c.Mentions != want.Mentions || c.Exact != want.Exact || c.Count != want.Count || c.Head != end {
		w.Errorf("conversation of %s: %+v, want the numbers of %+v", u, c, want)
	}
}

func randomQuery(rng *rand.Rand, n int) Query {
	at := chat.Seq(rng.IntN(n + 3))
	q := Query{Limit: 1 + rng.IntN(12)}
	switch rng.IntN(4) {
	case 0:
		q.Before = &at
	case 1:
		q.After = &at
	case 2:
		q.Around = &at
	}
	return q
}

// slice is the page of a list of seqs, and whether there are more on its sides.
func (q Query) slice(seqs []chat.Seq) (page []chat.Seq, before, after bool) {
	from := func(s chat.Seq) int { i, _ := slices.BinarySearch(seqs, s); return i }
	lo, hi := max(0, len(seqs)-q.Limit), len(seqs)
	switch {
	case q.Before != nil:
		hi = from(*q.Before)
		lo = max(0, hi-q.Limit)
	case q.After != nil:
		lo = from(*q.After + 1)
		hi = min(len(seqs), lo+q.Limit)
	case q.Around != nil:
		mid := from(*q.Around)
		lo, hi = max(0, mid-q.Limit/2), min(len(seqs), mid+q.Limit-q.Limit/2)
	}
	return seqs[lo:hi], lo > 0, hi < len(seqs)
}

func (w *world) checkEntries(u chat.User, q Query, all []chat.Entry) {
	w.Helper()
	p := w.part(u)
	got, err := w.reader.Entries(w.ctx, p, q)
	w.must(err)
	if n := len(all); q.Around != nil && n > 0 {
		inside := min(max(*q.Around, all[0].Seq), all[n-1].Seq)
		q.Around = &inside
	}
	want, before, after := q.slice(seqsOf(all))
	if !slices.Equal(pageSeqs(got), want) || got.MoreBefore != before || got.MoreAfter != after {
		w.Errorf("entries of %s (%d to %d), %s:\n got %v, more %t %t\nwant %v, more %t %t",
			u, p.Start, p.End, show(q), pageSeqs(got), got.MoreBefore, got.MoreAfter, want, before, after)
	}
	for _, item := range got.Items {
		want := all[slices.IndexFunc(all, func(e chat.Entry) bool { return e.Seq == item.Seq })]
		if string(wire.Encode(item)) != string(wire.Encode(wire.NewEntry(&want))) {
			w.Errorf("entry %d of %s:\n got %s\nwant %s", item.Seq, u, wire.Encode(item), wire.Encode(wire.NewEntry(&want)))
		}
	}
}

func (w *world) checkMessages(u chat.User, q Query, all []wire.Message) {
	w.Helper()
	p := w.part(u)
	got, err := w.reader.Messages(w.ctx, p, q)
	w.must(err)
	if q.Around != nil && p.Start <= p.End {
		inside := min(max(*q.Around, p.Start), p.End)
		q.Around = &inside
	}
	seqs, gotSeqs := messageSeqs(all), messageSeqs(got.Items)
	want, before, after := q.slice(seqs)
	if !slices.Equal(gotSeqs, want) || got.MoreBefore != before || got.MoreAfter != after {
		w.Errorf("messages of %s (%d to %d), %s:\n got %v, more %t %t\nwant %v, more %t %t",
			u, p.Start, p.End, show(q), gotSeqs, got.MoreBefore, got.MoreAfter, want, before, after)
		return
	}
	for i, item := range got.Items {
		want := all[slices.Index(seqs, want[i])]
		if string(wire.Encode(item)) != string(wire.Encode(want)) {
			w.Errorf("message of %s:\n got %s\nwant %s", u, wire.Encode(item), wire.Encode(want))
		}
	}
}

// messages is what a user sees folded, made from the plain log.
func (w *world) messages(u chat.User) []wire.Message {
	s := w.stay(u)
	joined := map[chat.User]chat.Seq{} // of the present members
	for who := range w.members {
		joined[who] = w.stay(who).joined
	}
	var out []wire.Message
	for _, e := range w.readable(u) {
		if e.Kind != chat.KindMessage {
			continue
		}
		m := wire.Message{Entry: wire.NewEntry(&e), State: wire.StateStored}
		var edited chat.Entry
		type key struct {
			emoji string
			user  chat.User
		}
		on := map[key]bool{}
		for i := range w.log {
			switch f := &w.log[i]; {
			case f.Target != e.Seq:
			case f.Kind == chat.KindEdited:
				edited = *f
			case f.Kind == chat.KindReacted:
				on[key{f.Emoji, f.From}] = f.On
			case f.Kind == chat.KindRecalled && m.Recalled == nil && (s.left == 0 || f.Seq <= s.left):
				m.Recalled = &wire.RecalledFold{Seq: f.Seq, By: f.From, Time: wire.Time{Time: f.Time}}
			}
		}
		if edited.Seq != 0 && (s.left == 0 || edited.Seq <= s.left) {
			m.Edited = &wire.EditedFold{Seq: edited.Seq, Time: wire.Time{Time: edited.Time}}
			if !m.Gone {
				m.Body = edited.Body
			}
		}
		if s.left == 0 {
			for _, emoji := range []string{"🎉", "👍"} { // in order of bytes
				f := wire.ReactionFold{Emoji: emoji}
				for _, who := range cast {
					if on[key{emoji, who}] {
						f.Count, f.Users, f.Mine = f.Count+1, append(f.Users, who), f.Mine || who == u
					}
				}
				if f.Count > 0 {
					m.Reactions = append(m.Reactions, f)
				}
			}
			w.state(u, &m, joined)
		}
		out = append(out, m)
	}
	return out
}

func (w *world) state(u chat.User, m *wire.Message, joined map[chat.User]chat.Seq) {
	others := 0
	for who := range joined {
		if who == m.From || !w.all && joined[who] > m.Seq {
			continue
		}
		others++
		if w.read[who] >= m.Seq && w.sees(u, who) {
			m.ReadBy++
		}
		if max(w.read[who], w.recv[who]) >= m.Seq {
			m.DeliveredBy++
		}
	}
	switch {
	case others > 0 && m.ReadBy == others:
		m.State = wire.StateRead
	case others > 0 && m.DeliveredBy == others:
		m.State = wire.StateDelivered
	}
}

// checkWalk follows more_before from the latest page, and more_after from the
// first entry on: both must meet every item once, in order, within the bytes.
func (w *world) checkWalk(u chat.User, limit, bytes int, allEntries []chat.Entry, allMessages []wire.Message) {
	w.Helper()
	p := w.part(u)
	entries := func(q Query) ([]chat.Seq, bool, bool, int) {
		page, err := w.reader.Entries(w.ctx, p, q)
		w.must(err)
		page.Type, page.Ref = "page", "a reference of the client's"
		return pageSeqs(page), page.MoreBefore, page.MoreAfter, len(wire.Encode(page))
	}
	folded := func(q Query) ([]chat.Seq, bool, bool, int) {
		page, err := w.reader.Messages(w.ctx, p, q)
		w.must(err)
		return messageSeqs(page.Items), page.MoreBefore, page.MoreAfter, len(wire.Encode(page))
	}
	for _, c := range []struct {
		what string
		page func(Query) ([]chat.Seq, bool, bool, int)
		want []chat.Seq
	}{{"entries", entries, seqsOf(allEntries)}, {"messages", folded, messageSeqs(allMessages)}} {
		var back, forth []chat.Seq
		for more, q := true, (Query{Limit: limit, MaxBytes: bytes}); more; {
			seqs, before, _, size := c.page(q)
			if bytes > 0 && len(seqs) > 1 && size > bytes {
				w.Fatalf("%s: a page of %d items has %d bytes, more than %d", c.what, len(seqs), size, bytes)
			}
			if more = before; before && len(seqs) == 0 {
				w.Fatalf("%s of %s: an empty page says that there are more before", c.what, u)
			}
			if back = append(slices.Clone(seqs), back...); len(back) > 0 {
				q.Before = &back[0]
			}
		}
		zero := chat.Seq(0)
		for more, q := true, (Query{Limit: limit, MaxBytes: bytes, After: &zero}); more; {
			seqs, _, after, _ := c.page(q)
			if more = after; after && len(seqs) == 0 {
				w.Fatalf("%s of %s: an empty page says that there are more after", c.what, u)
			}
			if forth = append(forth, seqs...); len(forth) > 0 {
				last := forth[len(forth)-1]
				q.After = &last
			}
		}
		if !slices.Equal(back, c.want) || !slices.Equal(forth, c.want) {
			w.Errorf("%s of %s in pages of %d items and %d bytes:\nback  %v\nforth %v\nwant  %v", c.what, u, limit, bytes, back, forth, c.want)
		}
	}
}

func seqsOf(entries []chat.Entry) []chat.Seq {
	var seqs []chat.Seq
	for i := range entries {
		seqs = append(seqs, entries[i].Seq)
	}
	return seqs
}

func messageSeqs(list []wire.Message) []chat.Seq {
	var seqs []chat.Seq
	for i := range list {
		seqs = append(seqs, list[i].Seq)
	}
	return seqs
}

func pageSeqs(p wire.Page[wire.Entry]) []chat.Seq {
	var seqs []chat.Seq
	for i := range p.Items {
		seqs = append(seqs, p.Items[i].Seq)
	}
	return seqs
}

func show(q Query) string {
	name := func(what string, s *chat.Seq) string {
		if s == nil {
			return ""
		}
		return fmt.Sprintf("%s %d ", what, *s)
	}
	return name("before", q.Before) + name("after", q.After) + name("around", q.Around) + fmt.Sprint("limit ", q.Limit)
}
