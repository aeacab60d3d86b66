package view

import (
	"context"
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Keeping returns a Reader that tells of conversations for which nobody has decided
// that they are kept for so many hours; 0: for ever.
func (r *Reader) Keeping(hours int) *Reader {
	k := *r
	k.keep = hours
	return &k
}

// Retained is the conversation, for whoever may decide how long its content is kept:
// operators, and the owner of a group, who could recall every message as well.
func (r *Reader) Retained(ctx context.Context, key chat.Key, user chat.User, operator bool) (chat.Conversation, error) {
	if !operator {
		part, err := r.Access(ctx, key, user)
		if err != nil {
			return chat.Conversation{}, err
		}
		if part.Direct() || part.Former() || part.Member.Role != chat.RoleOwner {
			return chat.Conversation{}, chat.Errorf(chat.CodeForbidden, "only the owner of a group may do this, and others with the scope operator")
		}
		return part.Conversation, nil
	}
	convs, err := r.store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return chat.Conversation{}, fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 {
		return chat.Conversation{}, chat.Errorf(chat.CodeNotFound, "no such conversation")
	}
	return convs[0], nil
}

// Retention tells for how long a conversation is kept, and from where on its content
// is there. It reads nothing.
func (r *Reader) Retention(c *chat.Conversation) wire.Retention {
	return wire.Retention{Conv: c.Conv, Floor: c.Floor, Keep: chat.KeepString(c.Keep.For(r.keep)), Default: !c.Keep.Decided()}
}
