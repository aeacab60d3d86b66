package memstore

import (
	"context"
	"maps"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Create implements [store.Conversations].
func (s *Store) Create(ctx context.Context, conv chat.Conversation, members []chat.Member) error {
	conv.Users = slices.Clone(conv.Users)
	members = slices.Clone(members)
	for i := range members {
		members[i].Recv = maps.Clone(members[i].Recv)
	}
	return exec(ctx, s, Call{Op: OpCreate, Keys: []chat.Key{conv.Key}}, func() error {
		for i := range members {
			if m, isNew := s.memberLocked(members[i].Key, members[i].User); isNew {
				*m = cloneMember(&members[i])
			}
		}
		if c := s.convLocked(conv.Key); c.doc == nil {
			c.doc = &conv
		}
		return nil
	})
}

// ConversationsByKey implements [store.Conversations].
func (s *Store) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	c := Call{Op: OpConversationsByKey, Keys: keys}
	return read(ctx, s, c, func() ([]chat.Conversation, error) {
		var out []chat.Conversation
		for _, key := range keys {
			if c := s.convs[key]; c != nil && c.doc != nil {
				doc := *c.doc
				doc.Users = slices.Clone(doc.Users)
				out = append(out, doc)
			}
		}
		return out, nil
	})
}

// Members implements [store.Conversations].
func (s *Store) Members(ctx context.Context, key chat.Key, after chat.User, limit int) ([]chat.Member, error) {
	c := Call{Op: OpMembers, Keys: []chat.Key{key}}
	return read(ctx, s, c, func() ([]chat.Member, error) {
		return page(s.convLocked(key).members, after, limit), nil
	})
}

// MembersByUser implements [store.Conversations].
func (s *Store) MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error) {
	c := Call{Op: OpMembersByUser, Keys: []chat.Key{key}}
	return read(ctx, s, c, func() ([]chat.Member, error) {
		var out []chat.Member
		for _, u := range users {
			if m := s.convLocked(key).members[u]; m != nil {
				out = append(out, cloneMember(m))
			}
		}
		return out, nil
	})
}

// Memberships implements [store.Conversations].
func (s *Store) Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error) {
	return read(ctx, s, Call{Op: OpMemberships, User: user}, func() ([]chat.Member, error) {
		return page(s.members[owner{ns, user}], after, limit), nil
	})
}

// page returns the members whose keys come after one, in order.
func page[K ~string](members map[K]*chat.Member, after K, limit int) []chat.Member {
	var out []chat.Member
	for _, k := range slices.Sorted(maps.Keys(members)) {
		if k > after && len(out) < limit {
			out = append(out, cloneMember(members[k]))
		}
	}
	return out
}

// Advance implements [store.Cursors].
func (s *Store) Advance(ctx context.Context, moves []store.Move) ([]chat.Member, error) {
	moves = slices.Clone(moves)
	keys := make([]chat.Key, len(moves))
	for i := range moves {
		keys[i] = moves[i].Key
	}
	return write(ctx, s, Call{Op: OpAdvance, Keys: keys}, func() ([]chat.Member, error) {
		var moved []*chat.Member
		for i := range moves {
			mv := &moves[i]
			m := s.convLocked(mv.Key).members[mv.User]
			if m == nil {
				continue
			}
			if old, known := m.Recv[mv.Device]; mv.Recv != 0 && (!known || mv.Recv > old) {
				if m.Recv == nil {
					m.Recv = map[chat.Device]chat.Seq{}
				}
				m.Recv[mv.Device] = mv.Recv
			}
			m.Read, m.ReadCount = max(m.Read, mv.Read), max(m.ReadCount, mv.ReadCount)
			m.ReadAt, m.RecvAt = mv.Reached(m.ReadAt, mv.Read), mv.Reached(m.RecvAt, mv.Recv)
			if !slices.Contains(moved, m) {
				moved = append(moved, m)
			}
		}
		out := make([]chat.Member, len(moved))
		for i, m := range moved {
			out[i] = cloneMember(m)
		}
		return out, nil
	})
}

func cloneMember(m *chat.Member) chat.Member {
	c := *m
	c.Recv = maps.Clone(m.Recv)
	return c
}
