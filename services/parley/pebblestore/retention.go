package pebblestore

import (
	"context"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// RaiseFloor implements [store.Retention].
func (s *Store) RaiseFloor(ctx context.Context, key chat.Key, floor chat.Seq, under *chat.Keep) (now chat.Seq, err error) {
	err = s.update(ctx, "raise a floor", func(w *write) error {
		w.mark(fenceOf(s, key))
		c, err := w.conversation(key)
		if err != nil {
			return err
		}
		if c == nil {
			return store.ErrNotFound
		}
		now = c.Floor
		if floor <= now || under != nil && *under != c.Keep {
			return nil
		}
		now = floor
		c.Floor = now
		return w.putConversation(c)
	})
	return now, err
}

// SetKeep implements [store.Retention].
func (s *Store) SetKeep(ctx context.Context, key chat.Key, keep chat.Keep) (now chat.Keep, err error) {
	err = s.update(ctx, "set how long a conversation is kept", func(w *write) error {
		w.mark(fenceOf(s, key))
		c, err := w.conversation(key)
		if err != nil {
			return err
		}
		if c == nil {
			return store.ErrNotFound
		}
		if now = c.Keep; !now.Below(keep) {
			return nil
		}
		now, c.Keep = keep, keep
		return w.putConversation(c)
	})
	return now, err
}

// Blank implements [store.Retention]. All of it is one atomic write.
func (s *Store) Blank(ctx context.Context, key chat.Key, messages []chat.Seq) error {
	return s.update(ctx, "blank messages", func(w *write) error {
		w.mark(fenceOf(s, key))
		for _, seq := range messages {
			if err := w.blankMessage(key, seq); err != nil {
				return err
			}
		}
		return nil
	})
}
