package mongostore

import (
	"context"
	"fmt"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// RaiseFloor implements [store.Retention].
func (s *Store) RaiseFloor(ctx context.Context, key chat.Key, floor chat.Seq, under *chat.Keep) (chat.Seq, error) {
	which := byID(convID(key))
	if under != nil {
		which = append(which, keptAs(*under)...)
	}
	u := updateOne(which, bson.D{{Key: "$max", Value: bson.D{{Key: "floor", Value: int64(floor)}}}})
	if err := s.update(ctx, s.conversations, []mongo.WriteModel{u}); err != nil {
		return 0, s.fail("raising a floor", err)
	}
	convs, err := s.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return 0, err
	}
	if len(convs) == 0 {
		return 0, s.fail("raising a floor", store.ErrNotFound)
	}
	return convs[0].Floor, nil
}

// keptAs selects conversations that have a policy, field by field: nothing says in
// which order a document has them.
func keptAs(k chat.Keep) bson.D {
	if k == (chat.Keep{}) {
		return bson.D{{Key: "keep", Value: bson.D{{Key: "$exists", Value: false}}}}
	}
	which := bson.D{{Key: "keep.v", Value: k.Version}, {Key: "keep.h", Value: int32(k.Hours)}}
	if k.Default {
		return append(which, bson.E{Key: "keep.d", Value: true})
	}
	return append(which, bson.E{Key: "keep.d", Value: bson.D{{Key: "$exists", Value: false}}})
}

// SetKeep implements [store.Retention].
func (s *Store) SetKeep(ctx context.Context, key chat.Key, keep chat.Keep) (chat.Keep, error) {
	if err := s.raise(ctx, s.conversations, convID(key), "keep", keepOf(keep), false); err != nil {
		return chat.Keep{}, s.fail("setting how long a conversation is kept", err)
	}
	convs, err := s.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return chat.Keep{}, err
	}
	if len(convs) == 0 {
		return chat.Keep{}, s.fail("setting how long a conversation is kept", store.ErrNotFound)
	}
	return convs[0].Keep, nil
}

// Blank implements [store.Retention]. Messages are marked before their edits are
// looked for, and an edit is listed before it looks whether its message is gone: one
// of the two sees the other. A repeat looks for edits again.
func (s *Store) Blank(ctx context.Context, key chat.Key, messages []chat.Seq) error {
	if len(messages) > store.MostBlanked {
		return fmt.Errorf("blanking messages: %d at a time, and %d are the most", len(messages), store.MostBlanked)
	}
	for part := range slices.Chunk(messages, maxBulk) {
		ids := make([]string, len(part))
		updates := make([]mongo.WriteModel, len(part))
		for i, seq := range part {
			ids[i] = messageID(key, seq)
			updates[i] = updateOne(byID(ids[i]), bson.D{
				{Key: "$set", Value: bson.D{{Key: "g", Value: true}}},
				{Key: "$unset", Value: bson.D{{Key: "b", Value: ""}, {Key: "ed.b", Value: ""}}},
			})
		}
		if err := s.update(ctx, s.messages, updates); err != nil {
			return s.fail("blanking messages", err)
		}
		previews, err := s.blankEdits(ctx, ids)
		if err != nil {
			return s.fail("blanking edits", err)
		}
		if err := s.blankPreview(ctx, previews); err != nil {
			return s.fail("blanking a preview", err)
		}
	}
	return nil
}

// blankPreview blanks the preview of the conversation that messages are of, if it
// shows one of them: only the latest of them may be that.
func (s *Store) blankPreview(ctx context.Context, previews []recalledPreview) error {
	if len(previews) == 0 {
		return nil
	}
	last := slices.MaxFunc(previews, func(a, b recalledPreview) int { return int(a.Seq - b.Seq) })
	return s.update(ctx, s.conversations, []mongo.WriteModel{
		updateOne(byID(last.conv), bson.D{{Key: "$max", Value: last.blanked()}}),
	})
}
