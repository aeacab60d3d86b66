package memstore

import (
	"context"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// file is an attachment across tenants.
type file struct {
	ns chat.NS
	id chat.AttachmentID
}

func cloneAttachment(a store.Attachment) store.Attachment {
	a.Uses = slices.Clone(a.Uses)
	return a
}

// CreateAttachment implements [store.Attachments].
func (s *Store) CreateAttachment(ctx context.Context, a store.Attachment) error {
	a = cloneAttachment(a)
	c := Call{Op: OpCreateAttachment, Keys: []chat.Key{a.Key}, User: a.Owner}
	return exec(ctx, s, c, func() error {
		if _, there := s.files[file{a.NS, a.ID}]; !there {
			s.files[file{a.NS, a.ID}] = a
		}
		return nil
	})
}

// UpdateAttachment implements [store.Attachments].
func (s *Store) UpdateAttachment(ctx context.Context, a store.Attachment) error {
	a = cloneAttachment(a)
	c := Call{Op: OpUpdateAttachment, Keys: []chat.Key{a.Key}, User: a.Owner}
	return exec(ctx, s, c, func() error {
		old, there := s.files[file{a.NS, a.ID}]
		if !there || old.Version != a.Version {
			return store.ErrConflict
		}
		next := a // a late write may be applied once only
		next.Version++
		s.files[file{a.NS, a.ID}] = next
		return nil
	})
}

// DeleteAttachment implements [store.Attachments].
func (s *Store) DeleteAttachment(ctx context.Context, ns chat.NS, id chat.AttachmentID, version int64) error {
	return exec(ctx, s, Call{Op: OpDeleteAttachment}, func() error {
		old, there := s.files[file{ns, id}]
		if there && old.Version != version {
			return store.ErrConflict
		}
		delete(s.files, file{ns, id})
		return nil
	})
}

// AttachmentsByID implements [store.Attachments].
func (s *Store) AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]store.Attachment, error) {
	return read(ctx, s, Call{Op: OpAttachmentsByID}, func() ([]store.Attachment, error) {
		var out []store.Attachment
		for _, id := range ids {
			if a, there := s.files[file{ns, id}]; there {
				out = append(out, cloneAttachment(a))
			}
		}
		return out, nil
	})
}

// AttachmentsByUse implements [store.Attachments].
func (s *Store) AttachmentsByUse(ctx context.Context, key chat.Key, owner chat.User, use store.Use, limit int) ([]store.Attachment, error) {
	c := Call{Op: OpAttachmentsByUse, Keys: []chat.Key{key}, User: owner}
	return read(ctx, s, c, func() ([]store.Attachment, error) {
		var out []store.Attachment
		for _, a := range s.files {
			has := slices.ContainsFunc(a.Uses, func(u store.Use) bool {
				return u.CMID == use.CMID || use.Target != 0 && u.Target == use.Target
			})
			if has && a.Key == key && a.Owner == owner && len(out) < limit {
				out = append(out, cloneAttachment(a))
			}
		}
		return out, nil
	})
}

// DueAttachments implements [store.Attachments].
func (s *Store) DueAttachments(ctx context.Context, before time.Time, limit int) ([]store.Attachment, error) {
	return read(ctx, s, Call{Op: OpDueAttachments}, func() ([]store.Attachment, error) {
		var out []store.Attachment
		for _, a := range s.files {
			if a.Due.Before(before) {
				out = append(out, cloneAttachment(a))
			}
		}
		slices.SortFunc(out, func(a, b store.Attachment) int { return a.Due.Compare(b.Due) })
		return out[:min(limit, len(out))], nil
	})
}
