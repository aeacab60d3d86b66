package view

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// readers is how many conversations of one list are read at the same time.
const readers = 8

// Conversation is the conversation as the user of p sees it: a REST resource, or
// a frame once Type is set. It costs at most one read for Peers, and what
// [Reader.Unread] costs.
//
// Last is the stored preview. It is left out, not read from the log, where that
// is not in the user's part; so is a title that was set after the part's end, and
// the text of an edit after it: then the message is shown as sent, as in its history.
// Peers are left out for a former member, in a closed group, and above
// limits.receipt_members.
func (r *Reader) Conversation(ctx context.Context, p Part) (wire.Conversation, error) {
	d, err := r.Draft(ctx, p)
	if err != nil {
		return wire.Conversation{}, err
	}
	list, err := r.Finish(ctx, []Draft{d})
	if err != nil {
		return wire.Conversation{}, err
	}
	return list[0], nil
}

// Draft is a conversation as the user of a part sees it, but for Peers: whose
// positions are hidden is asked for many together, by [Reader.Finish].
type Draft struct {
	part Part
	wire wire.Conversation
	all  audience
}

// Finish makes the conversations of drafts, which are all of one user, in their
// order. It costs one read for 500 users that are in them.
func (r *Reader) Finish(ctx context.Context, drafts []Draft) ([]wire.Conversation, error) {
	list := make([]wire.Conversation, len(drafts))
	marks := make([][]mark, len(drafts))
	for i := range drafts {
		list[i], marks[i] = drafts[i].wire, drafts[i].all.members
	}
	if len(drafts) > 0 {
		p := drafts[0].part
		if err := r.hideMarks(ctx, p.Conversation.NS, p.Member.User, marks...); err != nil {
			return nil, err
		}
	}
	for i := range drafts {
		list[i].Peers = drafts[i].all.peers(drafts[i].part)
	}
	return list, nil
}

// Draft reads what [Reader.Conversation] does, but for what Finish reads.
func (r *Reader) Draft(ctx context.Context, p Part) (Draft, error) {
	c, m := p.Conversation, p.Member
	end, err := r.atEnd(ctx, p)
	if err != nil {
		return Draft{}, err
	}
	unread, err := r.unread(ctx, p, end.count)
	if err != nil {
		return Draft{}, err
	}
	w := wire.Conversation{Conv: c.Conv, Kind: c.Kind, Role: roleOf(m), Members: end.members, Head: p.End, Floor: c.Floor,
		Count: end.count, Joined: m.Joined, Left: m.Left, Read: min(m.Read, p.End), Delivered: min(Delivered(m), p.End),
		Unread: unread.Unread, Exact: unread.Exact, Mentions: unread.Mentions,
		Muted: m.Settings.Muted, Pinned: m.Settings.Pinned, Archived: m.Settings.Archived, Keep: chat.KeepString(c.Keep.For(r.keep))}
	if w.Left == 0 {
		w.Left = c.Closed
	}
	if p.Direct() {
		w.Peer = peerOf(c.Users, m.User)
	}
	if c.TitleAsOf <= p.End {
		w.Title = c.Title
	}
	if last := c.Preview; last.Seq >= p.Start && last.Seq <= p.End {
		if e := last.Edit; e.Seq > 0 && e.Seq <= p.End {
			last.Text, last.Files, last.FileName, last.FileType = e.Text, e.Files, e.FileName, e.FileType
		}
		w.Last = &wire.Last{Seq: last.Seq, From: last.From, Time: wire.Time{Time: last.Time}, Text: last.Text, Gone: last.Gone}
		if last.Files > 0 {
			w.Last.Files = &wire.LastFiles{Count: last.Files, Name: last.FileName, Type: last.FileType}
		}
	}
	if v := c.Event; v.Seq >= p.Start && v.Seq <= p.End && v.Seq > 0 {
		w.Event = &wire.Event{Seq: v.Seq, From: v.From, Time: wire.Time{Time: v.Time}, Change: v.Change,
			User: v.User, Role: v.Role, Users: v.Users}
	}
	d := Draft{part: p, wire: w}
	if !p.Former() && c.Closed == 0 && end.members <= r.limits.ReceiptMembers {
		if d.all, err = r.everybody(ctx, p); err != nil {
			return Draft{}, err
		}
	}
	return d, nil
}

// peerOf is the other end of a direct conversation; oneself in notes to oneself.
func peerOf(users []chat.User, me chat.User) chat.User {
	if i := slices.IndexFunc(users, func(u chat.User) bool { return u != me }); i >= 0 {
		return users[i]
	}
	return me
}

// Conversations is [Reader.Conversation] for several parts of one user, in their
// order. It reads a few at a time, asks once for what is hidden, and looks again where a part may be behind a change of
// its member (see [NewPart]); what the user does not see any more, or has left
// since, is left out.
func (r *Reader) Conversations(ctx context.Context, parts []Part) ([]wire.Conversation, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	found := make([]*Draft, len(parts))
	var wg sync.WaitGroup
	for worker := range min(readers, len(parts)) {
		wg.Go(func() {
			for i := worker; i < len(parts) && ctx.Err() == nil; i += readers {
				d, err := r.refreshed(ctx, parts[i])
				if err != nil {
					cancel(err) // the first one is the answer
					return
				}
				found[i] = d
			}
		})
	}
	wg.Wait()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	drafts := make([]Draft, 0, len(found))
	for _, d := range found {
		if d != nil {
			drafts = append(drafts, *d)
		}
	}
	return r.Finish(ctx, drafts)
}

// refreshed is a conversation whose member document may have been read before
// the conversation's: then it is read again, unless nobody's membership has
// changed since. It returns nil where the user has left in the meantime.
func (r *Reader) refreshed(ctx context.Context, p Part) (*Draft, error) {
	if p.Conversation.Last.MV > p.Member.AsOf {
		fresh, err := r.accessTo(ctx, p.Conversation, p.Member.User)
		var cerr *chat.Error
		if errors.As(err, &cerr) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		if fresh.Former() && !p.Former() {
			return nil, nil
		}
		p = fresh
	}
	d, err := r.Draft(ctx, p)
	return &d, err
}
