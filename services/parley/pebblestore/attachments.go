package pebblestore

import (
	"context"
	"encoding/binary"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

const attachmentLayout = 1

// attachmentsFence stands for all attachments: they are few beside entries.
type attachmentsFence struct{}

func attachmentKey(ns chat.NS, id chat.AttachmentID) []byte {
	return append(row(nil, tableAttachment, string(ns)), id...)
}

// dueKey sorts by time, in milliseconds since 1970.
func dueKey(due time.Time, ns chat.NS, id chat.AttachmentID) []byte {
	k := number([]byte{tableDue}, uint64(max(due.UnixMilli(), 0)))
	return append(append(append(k, ns...), 0), id...)
}

// useNames is a use in keys: by cmid, which has no "#", and by target.
func useNames(u store.Use) []string {
	names := []string{string(u.CMID)}
	if u.Target != 0 {
		names = append(names, "#"+strconv.FormatInt(int64(u.Target), 10))
	}
	return names
}

func usesKey(key chat.Key, owner chat.User, name string) []byte {
	return inConv(tableUse, key, string(owner), name)
}

func appendAttachment(dst []byte, a *store.Attachment) []byte {
	dst = append(dst, attachmentLayout)
	dst = appendString(dst, a.Conv)
	dst = appendString(dst, a.Owner)
	dst = appendString(dst, a.Object)
	dst = appendInt(dst, int(a.State))
	dst = appendTime(dst, a.Created)
	dst = appendString(dst, a.Name)
	dst = appendString(dst, a.Type)
	dst = appendInt(dst, a.Size)
	dst = appendString(dst, a.File)
	dst = appendString(dst, a.Serve)
	dst = appendInt(dst, a.W)
	dst = appendInt(dst, a.H)
	dst = appendString(dst, a.Thumb)
	dst = binary.AppendUvarint(dst, uint64(len(a.Uses)))
	for _, u := range a.Uses {
		dst = appendString(dst, u.CMID)
		dst = appendInt(dst, u.Target)
	}
	dst = appendTime(dst, a.Due)
	return appendInt(dst, a.Version)
}

func decodeAttachment(ns chat.NS, id chat.AttachmentID, v []byte) (store.Attachment, error) {
	d, err := decode(v, attachmentLayout)
	if err != nil {
		return store.Attachment{}, err
	}
	a := store.Attachment{ID: id}
	a.Key = chat.Key{NS: ns, Conv: chat.ConvID(d.string())}
	a.Owner = chat.User(d.string())
	a.Object = d.string()
	a.State = store.AttachmentState(d.varint())
	a.Created = d.time()
	a.Name = d.string()
	a.Type = d.string()
	a.Size = d.varint()
	a.File = d.string()
	a.Serve = d.string()
	a.W, a.H = int(d.varint()), int(d.varint())
	a.Thumb = d.string()
	for n := d.count(2); len(a.Uses) < n && !d.bad; {
		a.Uses = append(a.Uses, store.Use{CMID: chat.CMID(d.string()), Target: chat.Seq(d.varint())})
	}
	a.Due = d.time()
	a.Version = d.varint()
	return a, d.done()
}

func getAttachment(r pebble.Reader, ns chat.NS, id chat.AttachmentID) (a store.Attachment, there bool, err error) {
	v, err := get(r, attachmentKey(ns, id))
	if err != nil || v == nil {
		return a, false, err
	}
	a, err = decodeAttachment(ns, id, v)
	return a, err == nil, err
}

// putAttachment writes an attachment, and its rows in place of those of old.
func (w *write) putAttachment(old, a *store.Attachment) error {
	if old != nil {
		if err := w.dropAttachment(old); err != nil {
			return err
		}
	}
	if err := w.set(dueKey(a.Due, a.NS, a.ID), nil); err != nil {
		return err
	}
	for _, u := range a.Uses {
		for _, name := range useNames(u) {
			if err := w.set(append(usesKey(a.Key, a.Owner, name), a.ID...), nil); err != nil {
				return err
			}
		}
	}
	return w.set(attachmentKey(a.NS, a.ID), appendAttachment(nil, a))
}

func (w *write) dropAttachment(a *store.Attachment) error {
	if err := w.changes().Delete(attachmentKey(a.NS, a.ID), nil); err != nil {
		return err
	}
	for _, u := range a.Uses {
		for _, name := range useNames(u) {
			if err := w.changes().Delete(append(usesKey(a.Key, a.Owner, name), a.ID...), nil); err != nil {
				return err
			}
		}
	}
	return w.changes().Delete(dueKey(a.Due, a.NS, a.ID), nil)
}

// changeAttachment runs change over an attachment in a turn of its own.
func (s *Store) changeAttachment(ctx context.Context, verb string, ns chat.NS, id chat.AttachmentID,
	change func(w *write, old store.Attachment, there bool) error) error {
	return s.update(ctx, verb, func(w *write) error {
		w.mark(fenceOf(s, attachmentsFence{}))
		old, there, err := getAttachment(w.reader(), ns, id)
		if err != nil {
			return err
		}
		return change(w, old, there)
	})
}

func checkAttachment(a *store.Attachment) error {
	names := []string{string(a.NS), string(a.Conv), string(a.ID), string(a.Owner)}
	for _, u := range a.Uses {
		names = append(names, string(u.CMID))
	}
	return checkNames(names...)
}

// CreateAttachment implements [store.Attachments].
func (s *Store) CreateAttachment(ctx context.Context, a store.Attachment) error {
	if err := checkAttachment(&a); err != nil {
		return err
	}
	return s.changeAttachment(ctx, "create an attachment", a.NS, a.ID, func(w *write, _ store.Attachment, there bool) error {
		if there {
			return nil
		}
		return w.putAttachment(nil, &a)
	})
}

// UpdateAttachment implements [store.Attachments].
func (s *Store) UpdateAttachment(ctx context.Context, a store.Attachment) error {
	if err := checkAttachment(&a); err != nil {
		return err
	}
	return s.changeAttachment(ctx, "change an attachment", a.NS, a.ID, func(w *write, old store.Attachment, there bool) error {
		if !there || old.Version != a.Version {
			return store.ErrConflict
		}
		a.Version++
		return w.putAttachment(&old, &a)
	})
}

// DeleteAttachment implements [store.Attachments].
func (s *Store) DeleteAttachment(ctx context.Context, ns chat.NS, id chat.AttachmentID, version int64) error {
	return s.changeAttachment(ctx, "delete an attachment", ns, id, func(w *write, old store.Attachment, there bool) error {
		switch {
		case !there:
			return nil
		case old.Version != version:
			return store.ErrConflict
		}
		return w.dropAttachment(&old)
	})
}

// attachments reads what list adds.
func (s *Store) attachments(ctx context.Context, list func(add func(ns chat.NS, id chat.AttachmentID) error) error) ([]store.Attachment, error) {
	fences := []fence{fenceOf(s, attachmentsFence{})}
	return read(ctx, s, "read attachments", fences, func() (out []store.Attachment, err error) {
		err = list(func(ns chat.NS, id chat.AttachmentID) error {
			a, there, err := getAttachment(s.db, ns, id)
			if there {
				out = append(out, a)
			}
			return err
		})
		return out, err
	})
}

// AttachmentsByID implements [store.Attachments].
func (s *Store) AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]store.Attachment, error) {
	return s.attachments(ctx, func(add func(chat.NS, chat.AttachmentID) error) error {
		for _, id := range ids {
			if err := add(ns, id); err != nil {
				return err
			}
		}
		return nil
	})
}

// AttachmentsByUse implements [store.Attachments].
func (s *Store) AttachmentsByUse(ctx context.Context, key chat.Key, owner chat.User, use store.Use, limit int) ([]store.Attachment, error) {
	return s.attachments(ctx, func(add func(chat.NS, chat.AttachmentID) error) error {
		found := make(map[chat.AttachmentID]bool)
		for _, name := range useNames(use) {
			prefix := usesKey(key, owner, name)
			err := scan(s.db, prefix, after(prefix), func(k, _ []byte) (bool, error) {
				id := chat.AttachmentID(k[len(prefix):])
				if found[id] {
					return true, nil
				}
				found[id] = true
				return len(found) < limit, add(key.NS, id)
			})
			if err != nil || len(found) >= limit {
				return err
			}
		}
		return nil
	})
}

// DueAttachments implements [store.Attachments].
func (s *Store) DueAttachments(ctx context.Context, before time.Time, limit int) ([]store.Attachment, error) {
	return s.attachments(ctx, func(add func(chat.NS, chat.AttachmentID) error) error {
		lower, n := []byte{tableDue}, 0
		return scan(s.db, lower, dueKey(before, "", ""), func(k, _ []byte) (bool, error) {
			ns, id, ok := strings.Cut(string(k[len(lower)+8:]), "\x00")
			if !ok {
				return false, errCorrupt
			}
			n++
			return n < limit, add(chat.NS(ns), chat.AttachmentID(id))
		})
	})
}
