package view

import (
	"math/rand/v2"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// mention says something that mentions users.
func (w *world) mention(from chat.User, text string, users ...chat.User) {
	w.Helper()
	w.put(chat.Entry{Kind: chat.KindMessage, From: from, Body: body(text), Mentions: users})
}

func (w *world) randomMentions(rng *rand.Rand) (users []chat.User) {
	if rng.IntN(10) == 0 {
		return []chat.User{everybody}
	}
	for _, u := range cast {
		if w.members[u] && rng.IntN(5) == 0 {
			users = append(users, u)
		}
	}
	return users
}

// hideRead switches what a user shows of its read positions, and sees of others'.
func (w *world) hideRead(u chat.User, hide bool) {
	w.Helper()
	_, err := w.store.PutProfile(w.ctx, w.key.NS, u, chat.Profile{Version: int64(len(w.log)), HideRead: hide})
	w.must(err)
	p, err := w.store.Profiles(w.ctx, w.key.NS, []chat.User{u})
	w.must(err)
	w.hide[u] = p[u].HideRead
}

// sees reports whether a user may know how far another one has read.
func (w *world) sees(u, who chat.User) bool { return u == who || !w.hide[u] && !w.hide[who] }

func (w *world) mentioned(e chat.Entry, u chat.User) int64 {
	for _, m := range e.Mentions {
		if m == u || m == "*" {
			return 1
		}
	}
	return 0
}

// checkSeen compares who has a message with what everybody is known to have, in
// parts of any size.
func (w *world) checkSeen(u chat.User, limit int) {
	w.Helper()
	p := w.part(u)
	if p.Former() {
		if _, err := w.reader.Seen(w.ctx, p, p.Start, "", limit); codeOf(err) != chat.CodeForbidden {
			w.Errorf("seen by a former member: %v", err)
		}
		return
	}
	for _, e := range w.log {
		var want []wire.Seen
		for _, who := range cast { // in order of id
			if w.members[who] && who != e.From && (w.all || w.stay(who).joined <= e.Seq) {
				want = append(want, wire.Seen{User: who, Delivered: max(w.read[who], w.recv[who]) >= e.Seq,
					Read: w.read[who] >= e.Seq && w.sees(u, who)})
			}
		}
		var got []wire.Seen
		for cursor, more := "", true; more; {
			list, err := w.reader.Seen(w.ctx, p, e.Seq, cursor, limit)
			if e.Kind != chat.KindMessage || e.Seq < p.Start {
				if codeOf(err) != chat.CodeNotFound {
					w.Errorf("seen of %d, which %s cannot see: %v", e.Seq, u, err)
				}
				want, got = nil, nil
				break
			}
			w.must(err)
			got = append(got, list.Items...)
			cursor, more = list.Next, list.Next != ""
		}
		if !slices.Equal(got, want) {
			w.Errorf("%s asks who has seen %d:\n got %+v\nwant %+v", u, e.Seq, got, want)
		}
	}
	for _, seq := range []chat.Seq{0, -1, chat.Seq(len(w.log) + 1)} {
		if _, err := w.reader.Seen(w.ctx, p, seq, "", limit); codeOf(err) != chat.CodeNotFound {
			w.Errorf("seen of %d: %v", seq, err)
		}
	}
}

// checkHidden looks for read positions in all that shows some.
func (w *world) checkHidden(u chat.User) {
	w.Helper()
	p := w.part(u)
	if p.Former() {
		return
	}
	c, err := w.reader.Conversation(w.ctx, p)
	w.must(err)
	list, err := w.reader.Members(w.ctx, p, "", 0)
	w.must(err)
	for _, m := range list.Items {
		c.Peers = append(c.Peers, wire.Peer{User: m.User, Read: m.Read, Delivered: m.Delivered})
		one, err := w.reader.Member(w.ctx, w.key, u, m.User)
		w.must(err)
		c.Peers = append(c.Peers, wire.Peer{User: m.User, Read: one.Read, Delivered: one.Delivered})
	}
	for _, got := range c.Peers {
		want := wire.Peer{User: got.User, Delivered: max(w.read[got.User], w.recv[got.User])}
		if w.sees(u, got.User) {
			want.Read = w.read[got.User]
		}
		if got != want {
			w.Errorf("%s sees %+v, want %+v", u, got, want)
		}
	}
}
