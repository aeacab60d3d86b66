package view

import (
	"context"
	"encoding/base64"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Members lists the current members in order of user id, for current members
// only (else forbidden). A zero limit means 50; cursor is the Next of the part
// before, or empty.
func (r *Reader) Members(ctx context.Context, p Part, cursor string, limit int) (wire.List[wire.Member], error) {
	list := wire.List[wire.Member]{Items: []wire.Member{}}
	if p.Former() {
		return list, chat.Errorf(chat.CodeForbidden, "you are no longer a member of this conversation")
	}
	limit, err := r.listLimit(limit)
	if err != nil {
		return list, err
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	after := chat.User(raw)
	if err != nil || after != "" && !after.Valid() {
		return list, errCursor()
	}
	// Documents of former members lie between, so one read may not fill the list.
	for range memberReads {
		page, err := r.store.Members(ctx, p.Conversation.Key, after, memberChunk)
		if err != nil {
			return list, fmt.Errorf("read members: %w", err)
		}
		for _, m := range page {
			if len(list.Items) == limit {
				list.Next = userCursor(after)
				return list, r.hideItems(ctx, p, list.Items)
			}
			after = m.User
			if !current(p, m) {
				continue
			}
			list.Items = append(list.Items, wire.Member{User: m.User, Role: roleOf(m), Joined: m.Joined,
				Read: min(m.Read, p.End), Delivered: min(Delivered(m), p.End)})
		}
		if len(page) < memberChunk {
			return list, r.hideItems(ctx, p, list.Items)
		}
	}
	list.Next = userCursor(after) // a part may be short, even empty, and others follow
	return list, r.hideItems(ctx, p, list.Items)
}

func userCursor(after chat.User) string { return base64.RawURLEncoding.EncodeToString([]byte(after)) }

// listLimit checks the limit of a list.
func (r *Reader) listLimit(limit int) (int, error) {
	if limit < 0 || limit > r.limits.Page {
		return 0, chat.Errorf(chat.CodeBadRequest, `"limit" must be 1 to %d`, r.limits.Page)
	}
	if limit == 0 {
		limit = min(DefaultLimit, r.limits.Page)
	}
	return limit, nil
}

func errCursor() *chat.Error {
	return chat.Errorf(chat.CodeBadRequest, `"cursor" is not one that a list gave as "next"`)
}

// current reports whether m is a member as of the part's head.
func current(p Part, m chat.Member) bool {
	return m.Left == 0 && (p.Direct() || m.Joined != 0 && m.Joined <= p.Conversation.Last.Seq)
}

// roleOf is a member's role; the members of direct conversations need not have
// one stored.
func roleOf(m chat.Member) chat.Role {
	if m.Role == "" {
		return chat.RoleMember
	}
	return m.Role
}

// audience is who is in a conversation, and how far everybody is.
type audience struct {
	members []mark // current ones, by user id
	all     bool   // everybody reads from the floor
	partial bool   // too many documents: some members were not found
}

// mark is how far one member is.
type mark struct {
	user                    chat.User
	joined, read, delivered chat.Seq
	readAt, recvAt          chat.Reached
}

func markOf(m chat.Member) mark {
	return mark{user: m.User, joined: m.Joined, read: m.Read, delivered: Delivered(m), readAt: m.ReadAt, recvAt: m.RecvAt}
}

// audience reads the current members of a conversation, without the read positions
// that the part's user does not see.
func (r *Reader) audience(ctx context.Context, p Part) (audience, error) {
	a, err := r.everybody(ctx, p)
	if err != nil {
		return a, err
	}
	return a, r.hideMarks(ctx, p.Conversation.NS, p.Member.User, a.members)
}

// everybody is audience with all that is known. What bounds it is the number of
// documents, those of former members included; it stops early when it has found as
// many as the head tells.
func (r *Reader) everybody(ctx context.Context, p Part) (audience, error) {
	last := p.Conversation.Last
	a := audience{all: p.Conversation.History == chat.HistoryAll}
	var after chat.User
	asOfHead, most := 0, memberReads*r.limits.Members
	for docs := 0; docs < most; {
		page, err := r.store.Members(ctx, p.Conversation.Key, after, memberChunk)
		if err != nil {
			return audience{}, fmt.Errorf("read members: %w", err)
		}
		docs += len(page)
		for _, m := range page {
			after = m.User
			if current(p, m) {
				a.members = append(a.members, markOf(m))
			}
			// Documents may be younger than the head: count who was in then.
			if m.Joined <= last.Seq && (m.Left == 0 || m.Left > last.Seq) {
				asOfHead++
			}
		}
		if len(page) < memberChunk || last.Members > 0 && asOfHead >= last.Members {
			return a, nil
		}
	}
	a.partial = true
	return a, nil
}

// state counts the others that have a message, and says whether all have. With
// nobody else the message is only stored.
func (a *audience) state(seq chat.Seq, from chat.User) (state string, delivered, read int) {
	others := 0
	for _, m := range a.members {
		if m.user == from || !a.all && m.joined > seq {
			continue
		}
		others++
		if m.read >= seq {
			read++
		}
		if m.delivered >= seq {
			delivered++
		}
	}
	switch {
	case others == 0 || a.partial || delivered < others:
		return wire.StateStored, delivered, read
	case read < others:
		return wire.StateDelivered, delivered, read
	}
	return wire.StateRead, delivered, read
}

// peers is how far the other members are.
func (a *audience) peers(p Part) []wire.Peer {
	var peers []wire.Peer
	for _, m := range a.members {
		if m.user != p.Member.User {
			peers = append(peers, wire.Peer{User: m.user, Read: min(m.read, p.End), Delivered: min(m.delivered, p.End)})
		}
	}
	return peers
}
