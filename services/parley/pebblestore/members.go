package pebblestore

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Create implements [store.Conversations], in one batch.
func (s *Store) Create(ctx context.Context, c chat.Conversation, members []chat.Member) error {
	return s.update(ctx, "create "+string(c.Conv), func(w *write) error {
		if err := checkNames(string(c.NS), string(c.Conv)); err != nil {
			return err
		}
		w.mark(fenceOf(s, c.Key))
		for i := range members {
			m := &members[i]
			if err := checkNames(string(m.NS), string(m.Conv), string(m.User)); err != nil {
				return err
			}
			_, known, err := w.member(m.Key, m.User)
			if err != nil {
				return err
			}
			if known {
				continue
			}
			if err := w.putMember(m, true); err != nil {
				return err
			}
		}
		if known, err := has(w.reader(), conversationKey(c.Key)); err != nil || known {
			return err
		}
		it, err := s.db.NewIter(nil)
		if err != nil {
			return err
		}
		last, _, err := lastEntry(it, c.Key)
		if err = errors.Join(err, it.Close()); err != nil {
			return err
		}
		return w.putConversation(&conversation{Conversation: c, base: last.Seq})
	})
}

// member reads a member as this write leaves it. One that is not known is returned
// as a new document begins.
func (w *write) member(key chat.Key, user chat.User) (m chat.Member, known bool, err error) {
	w.mark(fenceOf(w.s, key))
	w.mark(fenceOf(w.s, userFence{key.NS, user}))
	v, err := get(w.reader(), memberKey(key, user))
	if err != nil || v == nil {
		return chat.Member{Key: key, User: user}, false, err
	}
	m, err = decodeMember(key, user, v)
	if err != nil {
		return m, false, fmt.Errorf("member %s of %s: %w", user, key.Conv, err)
	}
	return m, true, nil
}

// putMember writes a member that was read by member, which has left its marks.
func (w *write) putMember(m *chat.Member, isNew bool) error {
	if isNew {
		if err := w.set(membershipKey(m.NS, m.User, m.Conv), nil); err != nil {
			return err
		}
	}
	return w.set(memberKey(m.Key, m.User), appendMember(nil, m))
}

// Members implements [store.Conversations].
func (s *Store) Members(ctx context.Context, key chat.Key, from chat.User, limit int) ([]chat.Member, error) {
	return read(ctx, s, "read members", []fence{fenceOf(s, key)}, func() (out []chat.Member, err error) {
		prefix := inConv(tableMember, key)
		lower := prefix
		if from != "" {
			lower = after(memberKey(key, from))
		}
		err = scan(s.db, lower, after(prefix), func(k, v []byte) (bool, error) {
			m, err := decodeMember(key, chat.User(rest(k, prefix)), v)
			if err != nil {
				return false, fmt.Errorf("of %s: %w", key.Conv, err)
			}
			out = append(out, m)
			return len(out) < limit, nil
		})
		return out, err
	})
}

// MembersByUser implements [store.Conversations].
func (s *Store) MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error) {
	return read(ctx, s, "read members", []fence{fenceOf(s, key)}, func() (out []chat.Member, err error) {
		for _, u := range users {
			m, ok, err := s.member(key, u)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, m)
			}
		}
		return out, nil
	})
}

// member reads a member; ok is false if there is none.
func (s *Store) member(key chat.Key, user chat.User) (m chat.Member, ok bool, err error) {
	v, err := get(s.db, memberKey(key, user))
	if err != nil || v == nil {
		return m, false, err
	}
	if m, err = decodeMember(key, user, v); err != nil {
		return m, false, fmt.Errorf("%s of %s: %w", user, key.Conv, err)
	}
	return m, true, nil
}

// Memberships implements [store.Conversations].
func (s *Store) Memberships(ctx context.Context, ns chat.NS, user chat.User, from chat.ConvID, limit int) ([]chat.Member, error) {
	fences := []fence{fenceOf(s, userFence{ns, user})}
	return read(ctx, s, "read memberships", fences, func() ([]chat.Member, error) {
		keys, err := s.memberships(ns, user, from, limit)
		if err != nil {
			return nil, err
		}
		var out []chat.Member
		for _, key := range keys {
			m, ok, err := s.member(key, user)
			if err != nil {
				return nil, err
			}
			if ok {
				out = append(out, m)
			}
		}
		return out, nil
	})
}

// memberships lists at most limit conversations of a user that come after from.
func (s *Store) memberships(ns chat.NS, user chat.User, from chat.ConvID, limit int) (keys []chat.Key, err error) {
	prefix := row(nil, tableMembership, string(ns), string(user))
	lower := prefix
	if from != "" {
		lower = after(membershipKey(ns, user, from))
	}
	err = scan(s.db, lower, after(prefix), func(k, _ []byte) (bool, error) {
		keys = append(keys, chat.Key{NS: ns, Conv: chat.ConvID(rest(k, prefix))})
		return len(keys) < limit, nil
	})
	return keys, err
}

// Advance implements [store.Cursors].
func (s *Store) Advance(ctx context.Context, moves []store.Move) ([]chat.Member, error) {
	type id struct {
		key  chat.Key
		user chat.User
	}
	var out []chat.Member
	err := s.update(ctx, "advance", func(w *write) error {
		at := map[id]int{} // where in out
		var dirty []bool   // beside out
		for i := range moves {
			mv := &moves[i]
			j, seen := at[id{mv.Key, mv.User}]
			if !seen {
				m, known, err := w.member(mv.Key, mv.User)
				if err != nil {
					return err
				}
				if !known {
					continue
				}
				j = len(out)
				at[id{mv.Key, mv.User}] = j
				out, dirty = append(out, m), append(dirty, false)
			}
			dirty[j] = move(&out[j], mv) || dirty[j]
		}
		for j := range out {
			if !dirty[j] {
				continue
			}
			if err := w.putMember(&out[j], false); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// move reports whether it has changed m.
func move(m *chat.Member, mv *store.Move) bool {
	changed := false
	if old, known := m.Recv[mv.Device]; mv.Recv != 0 && (!known || mv.Recv > old) {
		if m.Recv == nil {
			m.Recv = map[chat.Device]chat.Seq{}
		}
		m.Recv[mv.Device], changed = mv.Recv, true
	}
	if mv.Read > m.Read {
		m.Read, changed = mv.Read, true
	}
	if mv.ReadCount > m.ReadCount {
		m.ReadCount, changed = mv.ReadCount, true
	}
	readAt, recvAt := mv.Reached(m.ReadAt, mv.Read), mv.Reached(m.RecvAt, mv.Recv)
	changed = changed || readAt != m.ReadAt || recvAt != m.RecvAt
	m.ReadAt, m.RecvAt = readAt, recvAt
	return changed
}
