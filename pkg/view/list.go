package view

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// List is a user's conversations, newest first: by the time of the head, then by
// id. Left out are those without an entry, direct ones without a message, closed
// ones and those that the user has left. A zero limit means 50; cursor is the
// Next of the part before, or empty.
//
// There is no index by time: it reads all of the user's memberships and their
// conversations, 500 at a time, and keeps only the page. What costs reads for
// each conversation is done for the page alone.
func (r *Reader) List(ctx context.Context, ns chat.NS, user chat.User, cursor string, limit int) (wire.List[wire.Conversation], error) {
	list := wire.List[wire.Conversation]{Items: []wire.Conversation{}}
	limit, err := r.listLimit(limit)
	if err != nil {
		return list, err
	}
	from, err := parsePlace(cursor)
	if err != nil {
		return list, err
	}
	top, err := r.newest(ctx, ns, user, from, limit+1)
	if err != nil {
		return list, err
	}
	if len(top) > limit {
		top = top[:limit]
		list.Next = placeOf(top[limit-1]).cursor()
	}
	list.Items, err = r.Conversations(ctx, top)
	return list, err
}

// newest is the first n listed parts after a place.
func (r *Reader) newest(ctx context.Context, ns chat.NS, user chat.User, from place, n int) ([]Part, error) {
	var top []Part
	var after chat.ConvID
	for {
		members, err := r.store.Memberships(ctx, ns, user, after, memberChunk)
		if err != nil {
			return nil, fmt.Errorf("read memberships: %w", err)
		}
		parts, err := r.parts(ctx, members)
		if err != nil {
			return nil, err
		}
		for _, p := range parts {
			if listed(p) && from.compare(placeOf(p)) < 0 {
				top = append(top, p)
			}
		}
		slices.SortFunc(top, func(a, b Part) int { return placeOf(a).compare(placeOf(b)) })
		top = top[:min(len(top), n)]
		if len(members) < memberChunk {
			return top, nil
		}
		after = members[len(members)-1].Conv
	}
}

// parts reads the conversations of current memberships, at most memberChunk.
func (r *Reader) parts(ctx context.Context, members []chat.Member) ([]Part, error) {
	var current []chat.Member
	for _, m := range members {
		if m.Left == 0 {
			current = append(current, m)
		}
	}
	return r.partsOf(ctx, current)
}

// partsOf reads the conversations of memberships, at most memberChunk, those that
// have ended included. Those of which the user sees nothing are left out.
func (r *Reader) partsOf(ctx context.Context, members []chat.Member) ([]Part, error) {
	var keys []chat.Key
	byKey := make(map[chat.Key]chat.Member, len(members))
	for _, m := range members {
		keys = append(keys, m.Key)
		byKey[m.Key] = m
	}
	if len(keys) == 0 {
		return nil, nil
	}
	convs, err := r.store.ConversationsByKey(ctx, keys)
	if err != nil {
		return nil, fmt.Errorf("read conversations: %w", err)
	}
	parts := make([]Part, 0, len(convs))
	for _, c := range convs {
		if p, ok := NewPart(c, byKey[c.Key]); ok {
			parts = append(parts, p)
		}
	}
	return parts, nil
}

// listed reports whether a conversation is in lists.
func listed(p Part) bool {
	c := p.Conversation
	return c.Last.Seq > 0 && c.Closed == 0 && !p.Former() && (!p.Direct() || c.Last.Count > 0)
}

// place is where a conversation stands in the list. The zero place is before all.
type place struct {
	ms   int64 // of the head's time
	conv chat.ConvID
}

func placeOf(p Part) place {
	return place{ms: p.Conversation.Last.Time.UnixMilli(), conv: p.Conversation.Conv}
}

// compare orders places as the list does: newest first, then by id.
func (a place) compare(b place) int {
	if a.conv == "" || b.conv == "" {
		return cmp.Compare(a.conv, b.conv) // only the zero place has no conversation
	}
	return cmp.Or(cmp.Compare(b.ms, a.ms), cmp.Compare(a.conv, b.conv))
}

func (a place) cursor() string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(a.ms, 10) + " " + string(a.conv)))
}

func parsePlace(cursor string) (place, error) {
	if cursor == "" {
		return place{}, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return place{}, errCursor()
	}
	ms, conv, _ := strings.Cut(string(raw), " ")
	a := place{conv: chat.ConvID(conv)}
	if a.ms, err = strconv.ParseInt(ms, 10, 64); err != nil || !a.conv.Valid() {
		return place{}, errCursor()
	}
	return a, nil
}
