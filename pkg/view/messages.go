package view

import (
	"context"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// reactionUsers is how many users a reaction names; its count is of all.
const reactionUsers = 100

// Messages reads a page of folded messages: as edited, gone where recalled, with
// reactions, and with how many of the other members have them. Limit counts
// messages, and MoreBefore and MoreAfter say whether there are more messages. The
// page may be shorter than Limit where few messages are strewn among many other
// entries, but never empty while there are messages on its side.
//
// "Other members" are those who are members now, without the sender, and whose
// part of the log has the message.
func (r *Reader) Messages(ctx context.Context, p Part, q Query) (wire.Page[wire.Message], error) {
	page := newPage[wire.Message](p)
	a, err := q.anchor(p, r.limits)
	if err != nil || p.Start > p.End {
		return page, err
	}
	end, err := r.atEnd(ctx, p)
	if err != nil {
		return page, err
	}
	before, err := r.countBefore(ctx, p)
	if err != nil {
		return page, err
	}
	below, err := r.findMessages(ctx, p, gathering{from: a.at - 1, down: true, limit: a.below, bytes: q.MaxBytes,
		done: func(e *chat.Entry) bool { return countBeforeEntry(e) == before }})
	if err != nil {
		return page, err
	}
	above, err := r.findMessages(ctx, p, gathering{from: a.at, limit: a.above, bytes: q.MaxBytes,
		done: func(e *chat.Entry) bool { return e.Count == end.count }})
	if err != nil {
		return page, err
	}
	messages, err := r.fold(ctx, p, append(below, above...))
	if err != nil {
		return page, err
	}
	lo, hi := cut(len(messages), len(below), q.MaxBytes, func(i int) int { return len(wire.Encode(&messages[i])) })
	page.Items = append(page.Items, messages[lo:hi]...)
	if lo < hi {
		page.MoreBefore, page.MoreAfter = messages[lo].Count-1 > before, messages[hi-1].Count < end.count
	} else {
		// An empty page has all messages of the part on the other side of its anchor.
		page.MoreBefore = a.below == 0 && end.count > before
		page.MoreAfter = a.above == 0 && end.count > before
	}
	return page, nil
}

// findMessages collects messages. It looks at a bounded number of entries; where
// that gives none at all, the running counts tell where the next one is.
func (r *Reader) findMessages(ctx context.Context, p Part, g gathering) ([]chat.Entry, error) {
	g.look = mostLook
	g.want = func(e *chat.Entry) bool { return e.Kind == chat.KindMessage }
	res, err := r.gather(ctx, p, g)
	if err != nil || len(res.found) > 0 || !res.more {
		return res.found, err
	}
	if g.down {
		// None down to last: the nearest below is the one that made its count.
		g.from, err = r.firstWithCount(ctx, p, p.Start, res.last.Seq-1, res.last.Count)
	} else {
		g.from, err = r.firstWithCount(ctx, p, res.last.Seq+1, p.End, res.last.Count+1)
	}
	if err != nil {
		return nil, err
	}
	res, err = r.gather(ctx, p, g)
	return res.found, err
}

// firstWithCount finds the first entry from lo to hi whose count is at least
// count, which is the message that made it. There must be one. Counts only grow,
// so a binary search of one read a step will do.
func (r *Reader) firstWithCount(ctx context.Context, p Part, lo, hi chat.Seq, count int64) (chat.Seq, error) {
	for lo < hi {
		mid := lo + (hi-lo)/2
		e, err := r.entry(ctx, p.Conversation.Key, mid)
		if err != nil {
			return 0, err
		}
		if e.Count >= count {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	return lo, nil
}

// fold makes folded messages of message entries.
func (r *Reader) fold(ctx context.Context, p Part, entries []chat.Entry) ([]wire.Message, error) {
	if len(entries) == 0 {
		return nil, nil
	}
	seqs := make([]chat.Seq, len(entries))
	for i := range entries {
		seqs[i] = entries[i].Seq
	}
	folds, err := r.store.Folds(ctx, p.Conversation.Key, seqs)
	if err != nil {
		return nil, fmt.Errorf("read folds: %w", err)
	}
	var aud audience
	if !p.Former() {
		if aud, err = r.audience(ctx, p); err != nil {
			return nil, err
		}
	}
	messages := make([]wire.Message, len(entries))
	for i := range entries {
		m := &messages[i]
		m.Entry = wire.NewEntry(&entries[i])
		applyFold(m, folds[m.Seq], p)
		m.State, m.DeliveredBy, m.ReadBy = aud.state(m.Seq, m.From)
	}
	return messages, nil
}

// applyFold writes what later entries made of a message. A former member is not
// shown what happened after its part: not an edit or recall with a later seq
// (though a body that is gone is gone for all), and no reactions, which have none.
func applyFold(m *wire.Message, f store.Fold, p Part) {
	dated := func(seq chat.Seq) bool { return !p.Former() || seq <= p.End }
	if e := f.Edited; e != nil && dated(e.Seq) {
		m.Edited = &wire.EditedFold{Seq: e.Seq, Time: wire.Time{Time: e.Time}}
		if e.Body != nil && !m.Gone {
			m.Body = jsontext.Value(e.Body)
		}
	}
	if c := f.Recalled; c != nil {
		m.Gone = true
		if dated(c.Seq) {
			m.Recalled = &wire.RecalledFold{Seq: c.Seq, By: c.By, Time: wire.Time{Time: c.Time}}
		}
	}
	if m.Gone {
		m.Body = nil
	}
	if !p.Former() {
		m.Reactions = groupReactions(f.Reactions, p.Member.User)
	}
}

// groupReactions makes one item of each emoji of a list that is ordered by emoji.
func groupReactions(list []store.Reaction, me chat.User) []wire.ReactionFold {
	var folds []wire.ReactionFold
	for _, one := range list {
		if n := len(folds); n == 0 || folds[n-1].Emoji != one.Emoji {
			folds = append(folds, wire.ReactionFold{Emoji: one.Emoji})
		}
		f := &folds[len(folds)-1]
		f.Count++
		f.Mine = f.Mine || one.User == me
		if len(f.Users) < reactionUsers {
			f.Users = append(f.Users, one.User)
		}
	}
	return folds
}
