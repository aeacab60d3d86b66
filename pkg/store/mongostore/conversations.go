package mongostore

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/pkg/chat"
)

// Create implements [store.Conversations].
func (s *Store) Create(ctx context.Context, c chat.Conversation, members []chat.Member) error {
	docs := make([]*memberDoc, len(members))
	for i := range members {
		for device := range members[i].Recv {
			if _, err := recvKey(device); err != nil {
				return s.fail("creating members", err)
			}
		}
		docs[i] = memberOf(&members[i])
	}
	if _, err := insertMissing(ctx, s.members, docs); err != nil {
		return s.fail("creating members", err)
	}
	if _, err := insertMissing(ctx, s.conversations, []*conversationDoc{conversationOf(&c)}); err != nil {
		return s.fail("creating a conversation", err)
	}
	return nil
}

// ConversationsByKey implements [store.Conversations].
func (s *Store) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	ids := make([]string, len(keys))
	for i, k := range keys {
		ids[i] = convID(k)
	}
	docs, err := find[conversationDoc](ctx, s.conversations, anyOf(ids), options.Find())
	if err != nil {
		return nil, s.fail("reading conversations", err)
	}
	convs := make([]chat.Conversation, len(docs))
	for i := range docs {
		convs[i] = docs[i].conversation()
	}
	return convs, nil
}

// Members implements [store.Conversations].
func (s *Store) Members(ctx context.Context, key chat.Key, after chat.User, limit int) ([]chat.Member, error) {
	filter := bson.D{{Key: "_id", Value: bson.D{
		{Key: "$gt", Value: memberID(key, after)},
		{Key: "$lt", Value: convID(key) + endOfPrefix},
	}}}
	return s.findMembers(ctx, filter, options.Find().SetSort(ascending("_id")).SetLimit(int64(limit)))
}

// MembersByUser implements [store.Conversations].
func (s *Store) MembersByUser(ctx context.Context, key chat.Key, users []chat.User) ([]chat.Member, error) {
	ids := make([]string, len(users))
	for i, u := range users {
		ids[i] = memberID(key, u)
	}
	return s.findMembers(ctx, anyOf(ids), options.Find())
}

// Memberships implements [store.Conversations].
func (s *Store) Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error) {
	filter := bson.D{
		{Key: "nu", Value: userID(ns, user)},
		{Key: "c", Value: bson.D{{Key: "$gt", Value: string(after)}}},
	}
	return s.findMembers(ctx, filter, options.Find().SetSort(ascending("c")).SetLimit(int64(limit)))
}

func (s *Store) findMembers(ctx context.Context, filter bson.D, o *options.FindOptionsBuilder) ([]chat.Member, error) {
	docs, err := find[memberDoc](ctx, s.members, filter, o)
	if err != nil {
		return nil, s.fail("reading members", err)
	}
	members := make([]chat.Member, len(docs))
	for i := range docs {
		members[i] = docs[i].member()
	}
	return members, nil
}
