package memstore

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// RaiseFloor implements [store.Retention].
func (s *Store) RaiseFloor(ctx context.Context, key chat.Key, floor chat.Seq, under chat.Keep) (chat.Seq, error) {
	return write(ctx, s, Call{Op: OpRaiseFloor, Keys: []chat.Key{key}}, func() (chat.Seq, error) {
		c := s.convLocked(key)
		if c.doc == nil {
			return 0, store.ErrNotFound
		}
		if under == (chat.Keep{}) || under == c.doc.Keep {
			c.doc.Floor = max(c.doc.Floor, floor)
		}
		return c.doc.Floor, nil
	})
}

// SetKeep implements [store.Retention].
func (s *Store) SetKeep(ctx context.Context, key chat.Key, keep chat.Keep) (chat.Keep, error) {
	return write(ctx, s, Call{Op: OpSetKeep, Keys: []chat.Key{key}}, func() (chat.Keep, error) {
		c := s.convLocked(key)
		if c.doc == nil {
			return chat.Keep{}, store.ErrNotFound
		}
		if c.doc.Keep.Below(keep) {
			c.doc.Keep = keep
		}
		return c.doc.Keep, nil
	})
}

// Blank implements [store.Retention].
func (s *Store) Blank(ctx context.Context, key chat.Key, messages []chat.Seq) error {
	messages = slices.Clone(messages)
	return exec(ctx, s, Call{Op: OpBlank, Keys: []chat.Key{key}}, func() error {
		c := s.convLocked(key)
		for _, seq := range messages {
			if seq >= 1 && int(seq) <= c.visible {
				c.blankMessage(seq)
			}
		}
		return nil
	})
}

// blankMessage takes the text of a message and of its edits away.
func (c *conversation) blankMessage(seq chat.Seq) {
	c.blank(seq)
	for _, e := range c.log {
		if e.Kind == chat.KindEdited && e.Target == seq {
			c.blank(e.Seq)
		}
	}
	if f := c.folds[seq]; f != nil && f.edited != nil {
		f.edited.Body = nil
	}
	if c.doc != nil && c.doc.Preview.Seq == seq {
		c.doc.Preview.Text, c.doc.Preview.Edit = "", chat.PreviewEdit{}
	}
}

func (c *conversation) gone(seq chat.Seq) bool {
	return seq >= 1 && int(seq) <= len(c.log) && c.log[seq-1].Gone
}
