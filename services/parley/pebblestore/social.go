package pebblestore

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// findBlocks finds out whether there are any: where nobody blocks, nothing is read.
func (s *Store) findBlocks() error {
	return scan(s.db, []byte{tableBlock}, []byte{tableBlock + 1}, func(_, _ []byte) (bool, error) {
		s.blocks.Store(true)
		return false, nil
	})
}

func blockKey(p store.Pair) []byte {
	return append(row(make([]byte, 0, 64), tableBlock, string(p.NS), string(p.User)), p.Peer...)
}

func profileKey(ns chat.NS, u chat.User) []byte {
	return append(row(nil, tableProfile, string(ns)), u...)
}

// The lowest bits of one byte.
const (
	flagMuted    = 1
	flagPinned   = 2
	flagArchived = 4
)

func flag(on bool, bit byte) byte {
	if on {
		return bit
	}
	return 0
}

func appendSettings(dst []byte, s chat.Settings) []byte {
	dst = appendInt(dst, s.Version)
	return append(dst, flag(s.Muted, flagMuted)|flag(s.Pinned, flagPinned)|flag(s.Archived, flagArchived))
}

func (d *decoder) settings() chat.Settings {
	s := chat.Settings{Version: d.varint()}
	flags := d.byte()
	s.Muted, s.Pinned, s.Archived = flags&flagMuted != 0, flags&flagPinned != 0, flags&flagArchived != 0
	return s
}

func appendBlock(dst []byte, b chat.Block) []byte {
	dst = append(dst, blockLayout)
	dst = appendInt(dst, b.Version)
	dst = append(dst, flag(b.On, 1))
	return appendTime(dst, b.Time)
}

func decodeBlock(user, peer chat.User, v []byte) (chat.Block, error) {
	d, err := decode(v, blockLayout)
	if err != nil {
		return chat.Block{}, err
	}
	b := chat.Block{User: user, Peer: peer, Version: d.varint(), On: d.byte() == 1, Time: d.time()}
	return b, d.done()
}

func appendProfile(dst []byte, p chat.Profile) []byte {
	dst = append(dst, profileLayout)
	dst = appendInt(dst, p.Version)
	return append(dst, flag(p.HideRead, 1))
}

func decodeProfile(v []byte) (chat.Profile, error) {
	d, err := decode(v, profileLayout)
	if err != nil {
		return chat.Profile{}, err
	}
	p := chat.Profile{Version: d.varint(), HideRead: d.byte() == 1}
	return p, d.done()
}

// PutBlock implements [store.Blocks].
func (s *Store) PutBlock(ctx context.Context, ns chat.NS, b chat.Block) (kept chat.Block, err error) {
	err = s.update(ctx, "put a block", func(w *write) error {
		if err := checkNames(string(ns), string(b.User), string(b.Peer)); err != nil {
			return err
		}
		w.mark(blocksFence)
		s.blocks.Store(true) // before anybody can see it
		key := blockKey(store.Pair{NS: ns, User: b.User, Peer: b.Peer})
		v, err := get(w.reader(), key)
		if err != nil {
			return err
		}
		if v != nil {
			if kept, err = decodeBlock(b.User, b.Peer, v); err != nil || kept.Version >= b.Version {
				return err
			}
		}
		kept = b
		return w.set(key, appendBlock(nil, b))
	})
	return kept, err
}

// Blocks implements [store.Blocks].
func (s *Store) Blocks(ctx context.Context, ns chat.NS, user, from chat.User, limit int) ([]chat.Block, error) {
	fences := []fence{blocksFence}
	return read(ctx, s, "read blocks", fences, func() (out []chat.Block, err error) {
		prefix := row(nil, tableBlock, string(ns), string(user))
		lower := prefix
		if from != "" {
			lower = append(blockKey(store.Pair{NS: ns, User: user, Peer: from}), 0)
		}
		err = scan(s.db, lower, after(prefix), func(k, v []byte) (bool, error) {
			b, err := decodeBlock(user, chat.User(rest(k, prefix)), v)
			if err == nil && b.On {
				out = append(out, b)
			}
			return len(out) < limit, err
		})
		return out, err
	})
}

// BlocksAmong implements [store.Blocks].
func (s *Store) BlocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
	return read(ctx, s, "read blocks", []fence{blocksFence}, func() (map[store.Pair]chat.Block, error) {
		var out map[store.Pair]chat.Block
		if !s.blocks.Load() {
			return nil, nil
		}
		for _, p := range pairs {
			v, err := get(s.db, blockKey(p))
			if err != nil {
				return nil, err
			}
			if v == nil {
				continue
			}
			b, err := decodeBlock(p.User, p.Peer, v)
			if err != nil {
				return nil, fmt.Errorf("block of %s: %w", p.User, err)
			}
			if out == nil {
				out = make(map[store.Pair]chat.Block)
			}
			out[p] = b
		}
		return out, nil
	})
}

// Configure implements [store.Settings].
func (s *Store) Configure(ctx context.Context, key chat.Key, user chat.User, set chat.Settings) (m chat.Member, err error) {
	err = s.update(ctx, "configure", func(w *write) error {
		var known bool
		m, known, err = w.member(key, user)
		switch {
		case err != nil:
			return err
		case !known:
			return store.ErrNotFound
		case m.Settings.Version >= set.Version:
			return nil
		}
		m.Settings = set
		return w.putMember(&m, false)
	})
	return m, err
}

// PutProfile implements [store.Settings].
func (s *Store) PutProfile(ctx context.Context, ns chat.NS, user chat.User, p chat.Profile) (kept chat.Profile, err error) {
	err = s.update(ctx, "put a profile", func(w *write) error {
		if err := checkNames(string(ns), string(user)); err != nil {
			return err
		}
		w.mark(fenceOf(s, userFence{ns, user}))
		key := profileKey(ns, user)
		v, err := get(w.reader(), key)
		if err != nil {
			return err
		}
		if v != nil {
			if kept, err = decodeProfile(v); err != nil || kept.Version >= p.Version {
				return err
			}
		}
		kept = p
		return w.set(key, appendProfile(nil, p))
	})
	return kept, err
}

// Profiles implements [store.Settings].
func (s *Store) Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error) {
	fences := make([]fence, len(users))
	for i, u := range users {
		fences[i] = fenceOf(s, userFence{ns, u})
	}
	return read(ctx, s, "read profiles", fences, func() (map[chat.User]chat.Profile, error) {
		out := make(map[chat.User]chat.Profile)
		for _, u := range users {
			v, err := get(s.db, profileKey(ns, u))
			if err != nil {
				return nil, err
			}
			if v == nil {
				continue
			}
			if out[u], err = decodeProfile(v); err != nil {
				return nil, fmt.Errorf("profile of %s: %w", u, err)
			}
		}
		return out, nil
	})
}
