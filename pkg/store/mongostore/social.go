package mongostore

import (
	"context"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Each of these documents has one part that moves by $max, which compares documents
// field by field: it begins with the version, and the order of the other fields is
// part of the format.

// blockDoc is a document of the collection blocks; its key is tenant, user, peer.
type blockDoc struct {
	ID    string    `bson:"_id"`
	Block blockPart `bson:"b"`
}

type blockPart struct {
	Version int64     `bson:"v"`
	On      bool      `bson:"on"`
	Time    time.Time `bson:"t"`
}

// profileDoc is a document of the collection profiles; its key is tenant, user.
type profileDoc struct {
	ID      string      `bson:"_id"`
	Profile profilePart `bson:"p"`
}

type profilePart struct {
	Version  int64 `bson:"v"`
	HideRead bool  `bson:"hr"`
}

// settingsDoc is the part of a member document that the user has set.
type settingsDoc struct {
	Version  int64 `bson:"v"`
	Muted    bool  `bson:"mu"`
	Pinned   bool  `bson:"pi"`
	Archived bool  `bson:"ar"`
}

func settingsOf(s chat.Settings) *settingsDoc {
	if s.Version == 0 {
		return nil
	}
	return &settingsDoc{Version: s.Version, Muted: s.Muted, Pinned: s.Pinned, Archived: s.Archived}
}

func (d *settingsDoc) settings() chat.Settings {
	if d == nil {
		return chat.Settings{}
	}
	return chat.Settings{Version: d.Version, Muted: d.Muted, Pinned: d.Pinned, Archived: d.Archived}
}

func pairID(p store.Pair) string { return userID(p.NS, p.User) + "/" + string(p.Peer) }

func (d *blockDoc) block(user chat.User) chat.Block {
	return chat.Block{User: user, Peer: chat.User(lastPart(d.ID)),
		Version: d.Block.Version, On: d.Block.On, Time: d.Block.Time.UTC()}
}

// raise moves one part of one document forward, and makes the document if it may.
func (s *Store) raise(ctx context.Context, c *mongo.Collection, id, field string, value any, upsert bool) error {
	u := updateOne(byID(id), bson.D{{Key: "$max", Value: bson.D{{Key: field, Value: value}}}}).SetUpsert(upsert)
	return s.update(ctx, c, []mongo.WriteModel{u})
}

// PutBlock implements [store.Blocks].
func (s *Store) PutBlock(ctx context.Context, ns chat.NS, b chat.Block) (chat.Block, error) {
	p := store.Pair{NS: ns, User: b.User, Peer: b.Peer}
	part := blockPart{Version: b.Version, On: b.On, Time: b.Time}
	if err := s.raise(ctx, s.blocks, pairID(p), "b", part, true); err != nil {
		return chat.Block{}, s.fail("writing a block", err)
	}
	kept, err := s.BlocksAmong(ctx, []store.Pair{p})
	if err != nil {
		return chat.Block{}, err
	}
	return kept[p], nil
}

// Blocks implements [store.Blocks].
func (s *Store) Blocks(ctx context.Context, ns chat.NS, user, after chat.User, limit int) ([]chat.Block, error) {
	prefix := userID(ns, user)
	filter := bson.D{
		{Key: "_id", Value: bson.D{{Key: "$gt", Value: prefix + "/" + string(after)}, {Key: "$lt", Value: prefix + endOfPrefix}}},
		{Key: "b.on", Value: true},
	}
	docs, err := find[blockDoc](ctx, s.blocks, filter, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
	if err != nil {
		return nil, s.fail("reading blocks", err)
	}
	blocks := make([]chat.Block, len(docs))
	for i := range docs {
		blocks[i] = docs[i].block(user)
	}
	return blocks, nil
}

// BlocksAmong implements [store.Blocks].
func (s *Store) BlocksAmong(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
	if len(pairs) == 0 {
		return nil, nil
	}
	ids := make([]string, len(pairs))
	byKey := make(map[string]store.Pair, len(pairs))
	for i, p := range pairs {
		ids[i] = pairID(p)
		byKey[ids[i]] = p
	}
	docs, err := find[blockDoc](ctx, s.blocks, anyOf(ids), options.Find())
	if err != nil {
		return nil, s.fail("reading blocks", err)
	}
	blocks := make(map[store.Pair]chat.Block, len(docs))
	for i := range docs {
		p := byKey[docs[i].ID]
		blocks[p] = docs[i].block(p.User)
	}
	return blocks, nil
}

// Configure implements [store.Settings].
func (s *Store) Configure(ctx context.Context, key chat.Key, user chat.User, set chat.Settings) (chat.Member, error) {
	if d := settingsOf(set); d != nil {
		if err := s.raise(ctx, s.members, memberID(key, user), "set", d, false); err != nil {
			return chat.Member{}, s.fail("writing a member's settings", err)
		}
	}
	members, err := s.MembersByUser(ctx, key, []chat.User{user})
	if err != nil {
		return chat.Member{}, err
	}
	if len(members) == 0 {
		return chat.Member{}, s.fail("writing a member's settings", store.ErrNotFound)
	}
	return members[0], nil
}

// PutProfile implements [store.Settings].
func (s *Store) PutProfile(ctx context.Context, ns chat.NS, user chat.User, p chat.Profile) (chat.Profile, error) {
	part := profilePart{Version: p.Version, HideRead: p.HideRead}
	if err := s.raise(ctx, s.profiles, userID(ns, user), "p", part, true); err != nil {
		return chat.Profile{}, s.fail("writing a profile", err)
	}
	kept, err := s.Profiles(ctx, ns, []chat.User{user})
	if err != nil {
		return chat.Profile{}, err
	}
	return kept[user], nil
}

// Profiles implements [store.Settings].
func (s *Store) Profiles(ctx context.Context, ns chat.NS, users []chat.User) (map[chat.User]chat.Profile, error) {
	if len(users) == 0 {
		return nil, nil
	}
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = userID(ns, u)
	}
	docs, err := find[profileDoc](ctx, s.profiles, anyOf(ids), options.Find())
	if err != nil {
		return nil, s.fail("reading profiles", err)
	}
	profiles := make(map[chat.User]chat.Profile, len(docs))
	for _, d := range docs {
		profiles[chat.User(lastPart(d.ID))] = chat.Profile{Version: d.Profile.Version, HideRead: d.Profile.HideRead}
	}
	return profiles, nil
}
