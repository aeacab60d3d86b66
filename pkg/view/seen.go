package view

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// hidden says whose read positions me does not see: of those who hide theirs, and
// of all if me does. It costs one read for 500 users; nearly nobody has a profile.
func (r *Reader) hidden(ctx context.Context, ns chat.NS, me chat.User, users []chat.User) (func(chat.User) bool, error) {
	hide := map[chat.User]bool{}
	if !slices.Contains(users, me) {
		users = append(slices.Clone(users), me)
	}
	for chunk := range slices.Chunk(users, memberChunk) {
		found, err := r.store.Profiles(ctx, ns, chunk)
		if err != nil {
			return nil, fmt.Errorf("read profiles: %w", err)
		}
		for u, p := range found {
			if p.HideRead {
				hide[u] = true
			}
		}
	}
	return func(u chat.User) bool { return u != me && (hide[me] || hide[u]) }, nil
}

// hideMarks takes away the read positions in several lists that me does not see. What
// was read stays delivered. It must come after the positions were read: then nothing
// is shown that was read after it was hidden.
func (r *Reader) hideMarks(ctx context.Context, ns chat.NS, me chat.User, lists ...[]mark) error {
	var users []chat.User
	for _, marks := range lists {
		for _, m := range marks {
			users = append(users, m.user)
		}
	}
	if len(users) == 0 {
		return nil
	}
	slices.Sort(users)
	hidden, err := r.hidden(ctx, ns, me, slices.Compact(users))
	if err != nil {
		return err
	}
	for _, marks := range lists {
		for i := range marks {
			if hidden(marks[i].user) {
				marks[i].read, marks[i].readAt = 0, chat.Reached{}
			}
		}
	}
	return nil
}

// hideItems is hideMarks for a list of members.
func (r *Reader) hideItems(ctx context.Context, p Part, items []wire.Member) error {
	if len(items) == 0 {
		return nil
	}
	users := make([]chat.User, len(items))
	for i, m := range items {
		users[i] = m.User
	}
	hidden, err := r.hidden(ctx, p.Conversation.NS, p.Member.User, users)
	if err != nil {
		return err
	}
	for i := range items {
		if hidden(items[i].User) {
			items[i].Read = 0
		}
	}
	return nil
}

// Member is one member as me, who is one too, sees it.
func (r *Reader) Member(ctx context.Context, key chat.Key, me, user chat.User) (wire.Member, error) {
	members, err := r.store.MembersByUser(ctx, key, []chat.User{user})
	if err != nil {
		return wire.Member{}, fmt.Errorf("read member: %w", err)
	}
	if len(members) == 0 {
		return wire.Member{}, fmt.Errorf("read member: %w", store.ErrNotFound)
	}
	m := members[0]
	w := wire.Member{User: m.User, Role: roleOf(m), Joined: m.Joined, Read: m.Read, Delivered: Delivered(m)}
	hidden, err := r.hidden(ctx, key.NS, me, []chat.User{user})
	if err != nil {
		return wire.Member{}, err
	}
	if hidden(user) {
		w.Read = 0
	}
	return w, nil
}

// Seen lists how far one message has come: the other present members whose part
// has it, in order of user id, but for its sender. For current members only (else
// forbidden); what is no message of the part is not_found. A zero limit means 50;
// cursor is the Next of the part before, or empty. It costs two reads, and one for
// each 500 member documents that it passes over, at most five.
func (r *Reader) Seen(ctx context.Context, p Part, seq chat.Seq, cursor string, limit int) (wire.List[wire.Seen], error) {
	list := wire.List[wire.Seen]{Items: []wire.Seen{}}
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
	notFound := chat.Errorf(chat.CodeNotFound, "no such message, or you cannot see it")
	if seq < p.Start || seq > p.End {
		return list, notFound
	}
	e, err := r.entry(ctx, p.Conversation.Key, seq)
	if err != nil {
		return list, err
	}
	if e.Kind != chat.KindMessage {
		return list, notFound
	}
	marks, next, err := r.others(ctx, p, &e, after, limit)
	if err != nil {
		return list, err
	}
	if err := r.hideMarks(ctx, p.Conversation.NS, p.Member.User, marks); err != nil {
		return list, err
	}
	for _, m := range marks {
		list.Items = append(list.Items, wire.Seen{User: m.user, Delivered: m.delivered >= seq, Read: m.read >= seq})
	}
	list.Next = next
	return list, nil
}

// others are the present members that a message is for, at most limit after a user.
func (r *Reader) others(ctx context.Context, p Part, e *chat.Entry, after chat.User, limit int) (marks []mark, next string, err error) {
	for range memberReads {
		page, err := r.store.Members(ctx, p.Conversation.Key, after, memberChunk)
		if err != nil {
			return nil, "", fmt.Errorf("read members: %w", err)
		}
		for _, m := range page {
			if len(marks) == limit {
				return marks, userCursor(after), nil
			}
			after = m.User
			has := p.Conversation.History == chat.HistoryAll || m.Joined <= e.Seq
			if current(p, m) && m.User != e.From && has {
				marks = append(marks, markOf(m))
			}
		}
		if len(page) < memberChunk {
			return marks, "", nil
		}
	}
	return marks, userCursor(after), nil // a part may be short, and others follow
}
