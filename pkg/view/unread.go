package view

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Unread counts the messages after the latest of the read position, the one before
// joined and the one before the floor that are neither the user's own nor recalled. It is a subtraction
// of running counts, and a correction that looks at no more than 1,000 entries:
// where there are more, the subtraction alone with Exact false. The log is not
// read at all where the subtraction gives 0, but for one entry where it is the floor
// that counts.
func (r *Reader) Unread(ctx context.Context, p Part) (wire.Unread, error) {
	end, err := r.atEnd(ctx, p)
	if err != nil {
		return wire.Unread{}, err
	}
	return r.unread(ctx, p, end.count)
}

func (r *Reader) unread(ctx context.Context, p Part, count int64) (wire.Unread, error) {
	m := p.Member
	u := wire.Unread{Conv: p.Conversation.Conv, Exact: true, Head: p.End, Count: count,
		Joined: m.Joined, Floor: p.Conversation.Floor, Read: min(m.Read, p.End), ReadCount: m.ReadCount}
	from := max(m.Read, m.Joined-1, 0)
	if m.Read < m.Joined {
		u.ReadCount = m.JoinedCount
	}
	if below := p.Conversation.Floor - 1; below > from && below < p.End && u.ReadCount < count {
		first, err := r.entry(ctx, p.Conversation.Key, below+1)
		if err != nil {
			return wire.Unread{}, err
		}
		u.ReadCount = countBeforeEntry(&first)
	}
	from = max(from, p.Conversation.Floor-1)
	if from >= p.End || u.ReadCount >= count {
		// All of the part is read; a position beyond its end (the user has left, or
		// the member document is younger than the head) counts as its end.
		u.ReadCount = count
		return u, nil
	}
	u.Unread = count - u.ReadCount
	if p.End-from > mostLook {
		c, err := r.correction(ctx, p, p.End-entryChunk)
		u.Exact, u.Mentions = false, c.mentions
		return u, err
	}
	c, err := r.correction(ctx, p, from)
	if err != nil {
		return wire.Unread{}, err
	}
	u.Own, u.Recalled, u.Mentions = c.own, c.recalled, c.mentions
	u.Unread -= u.Own + u.Recalled
	return u, nil
}

// correction is what is seen only by looking at messages: the user's own, the
// others' that were recalled, and those of the rest that mention the user.
type correction struct{ own, recalled, mentions int64 }

// everybody in a message's mentions mentions all members.
const everybody chat.User = "*"

// correction looks at the messages after from. A recall has a larger seq than its
// message, so the recalls of these messages are all in the range that is looked at.
func (r *Reader) correction(ctx context.Context, p Part, from chat.Seq) (c correction, err error) {
	others := map[chat.Seq]bool{} // messages that still count; true: it mentions the user
	for lo := from + 1; lo <= p.End; lo += entryChunk {
		entries, err := r.entries(ctx, p.Conversation.Key, lo, min(lo+entryChunk-1, p.End))
		if err != nil {
			return correction{}, err
		}
		for i := range entries {
			switch e := &entries[i]; {
			case e.Kind == chat.KindMessage && e.From == p.Member.User:
				c.own++
			case e.Kind == chat.KindMessage:
				mentioned := slices.Contains(e.Mentions, p.Member.User) || slices.Contains(e.Mentions, everybody)
				others[e.Seq] = mentioned
				if mentioned {
					c.mentions++
				}
			case e.Kind == chat.KindRecalled:
				mentioned, counted := others[e.Target]
				if counted {
					c.recalled++
					delete(others, e.Target)
				}
				if mentioned {
					c.mentions--
				}
			}
		}
	}
	return c, nil
}
