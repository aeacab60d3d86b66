package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// Use prepares that an entry of owner carries what its body names. It completes
// each attachment, notes the use, and returns the body with what is known of the
// files in the place of what the client says of them. It comes before the entry
// is appended, as often as that is tried. An error that is a [*chat.Error] and not
// unavailable is a refusal; a body without attachments comes back as it is.
func (m *Manager) Use(ctx context.Context, key chat.Key, owner chat.User, use store.Use, body []byte) ([]byte, error) {
	list := wire.Attachments(body)
	if len(list) == 0 {
		return body, nil
	}
	known, err := m.find(ctx, key, owner, list)
	if err != nil {
		return nil, err
	}
	for id, a := range known {
		if known[id], err = m.complete(ctx, a); err != nil {
			return nil, err
		}
	}
	for i := range list { // only now: what is refused leaves no use behind
		a, err := m.note(ctx, known[chat.AttachmentID(list[i].ID)], use)
		if err != nil {
			return nil, err
		}
		list[i] = described(&a, list[i])
	}
	out, cerr := wire.WithAttachments(body, list)
	if cerr != nil {
		return nil, cerr
	}
	return out, nil
}

func errNotYours(id string) *chat.Error {
	return chat.Errorf(chat.CodeBadRequest, "%.64q is no attachment that you have uploaded for this conversation, or none any more", id)
}

// find reads the attachments that a list names, each once.
func (m *Manager) find(ctx context.Context, key chat.Key, owner chat.User, list []wire.Attachment) (map[chat.AttachmentID]store.Attachment, error) {
	ids := make([]chat.AttachmentID, len(list))
	for i, named := range list {
		if ids[i] = chat.AttachmentID(named.ID); !ids[i].Valid() {
			return nil, errNotYours(named.ID)
		}
	}
	found, err := m.opts.Store.AttachmentsByID(ctx, key.NS, ids)
	if err != nil {
		return nil, fmt.Errorf("read attachments: %w", err)
	}
	known := make(map[chat.AttachmentID]store.Attachment, len(found))
	for _, a := range found {
		if a.Key == key && a.Owner == owner && a.State != store.AttachmentCondemned {
			known[a.ID] = a
		}
	}
	seen := make(map[chat.AttachmentID]bool, len(ids))
	for _, id := range ids {
		if _, ok := known[id]; !ok {
			return nil, errNotYours(string(id))
		}
		if seen[id] {
			return nil, chat.Errorf(chat.CodeBadRequest, "the attachment %q is named twice", id)
		}
		seen[id] = true
	}
	return known, nil
}

// note notes a use, and that nobody asks about it for a while. A repeat of a send
// notes it again if that time is half over.
func (m *Manager) note(ctx context.Context, a store.Attachment, use store.Use) (store.Attachment, error) {
	noted, err := m.change(ctx, a.NS, a.ID, func(a *store.Attachment) (bool, error) {
		if a.State == store.AttachmentCondemned {
			return false, errNotYours(string(a.ID))
		}
		now := time.Now().UTC().Truncate(time.Millisecond)
		known := false
		for _, u := range a.Uses {
			known = known || u == use
		}
		if known && a.Due.After(now.Add(m.opts.Hold/2)) {
			return false, nil
		}
		if !known {
			if len(a.Uses) >= store.MaxUses {
				return false, chat.Errorf(chat.CodeBadRequest, "the attachment %q is in %d messages already", a.ID, store.MaxUses)
			}
			a.Uses = append(a.Uses, use)
		}
		if until := now.Add(m.opts.Hold); a.Due.Before(until) || len(a.Uses) == 1 {
			// The first use: soon it is known whether it was sent.
			a.Due = until
		}
		return true, nil
	})
	if errors.Is(err, errGone) {
		return a, errNotYours(string(a.ID))
	}
	return noted, err
}

// described is what an entry says of an attachment: what is known, and for what
// cannot be looked into what the client says of it.
func described(a *store.Attachment, named wire.Attachment) wire.Attachment {
	d := wire.Attachment{ID: string(a.ID), Name: a.Name, Type: a.Type, Size: a.Size,
		W: named.W, H: named.H, MS: named.MS, Thumb: attach.ThumbPath(a)}
	if a.W > 0 {
		d.W, d.H = a.W, a.H
	}
	return d
}
