package memstore

import (
	"cmp"
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// PutBlock implements [store.Blocks].
func (s *Store) PutBlock(ctx context.Context, ns chat.NS, b chat.Block) (chat.Block, error) {
	return write(ctx, s, Call{Op: OpPutBlock, User: b.User}, func() (chat.Block, error) {
		p := store.Pair{NS: ns, User: b.User, Peer: b.Peer}
		if s.blocks[p].Version < b.Version {
			s.blocks[p] = b
		}
		return s.blocks[p], nil
	})
}

// Blocks implements [store.Blocks].
func (s *Store) Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error) {
	return read(ctx, s, Call{Op: OpBlocks, User: user}, func() ([]chat.Block, error) {
		var out []chat.Block
		for p, b := range s.blocks {
			if p.NS == ns && p.User == user && p.Peer > after && b.On {
				out = append(out, b)
			}
		}
		slices.SortFunc(out, func(a, b chat.Block) int { return cmp.Compare(a.Peer, b.Peer) })
		return out[:min(limit, len(out))], nil
	})
}

// BlocksAmong implements [store.Blocks].
func (s *Store) BlocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
	return read(ctx, s, Call{Op: OpBlocksAmong}, func() (map[store.Pair]chat.Block, error) {
		out := map[store.Pair]chat.Block{}
		for _, p := range pairs {
			if b, ok := s.blocks[p]; ok {
				out[p] = b
			}
		}
		return out, nil
	})
}

// Configure implements [store.Settings].
func (s *Store) Configure(ctx context.Context, key chat.Key, user chat.User, set chat.Settings) (chat.Member, error) {
	c := Call{Op: OpConfigure, Keys: []chat.Key{key}, User: user}
	return write(ctx, s, c, func() (chat.Member, error) {
		m := s.convLocked(key).members[user]
		if m == nil {
			return chat.Member{}, store.ErrNotFound
		}
		if m.Settings.Version < set.Version {
			m.Settings = set
		}
		return cloneMember(m), nil
	})
}

// PutProfile implements [store.Settings].
func (s *Store) PutProfile(ctx context.Context, ns chat.NS, user chat.User, p chat.Profile) (chat.Profile, error) {
	return write(ctx, s, Call{Op: OpPutProfile, User: user}, func() (chat.Profile, error) {
		o := owner{ns, user}
		if s.profiles[o].Version < p.Version {
			s.profiles[o] = p
		}
		return s.profiles[o], nil
	})
}

// Profiles implements [store.Settings].
func (s *Store) Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error) {
	return read(ctx, s, Call{Op: OpProfiles}, func() (map[chat.User]chat.Profile, error) {
		out := map[chat.User]chat.Profile{}
		for _, u := range users {
			if p, ok := s.profiles[owner{ns, u}]; ok {
				out[u] = p
			}
		}
		return out, nil
	})
}
