package upload

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/thumb"
)

// Complete looks at an upload and makes the attachment complete; one that is
// complete stays as it is. An upload that is not what was announced is refused.
func (m *Manager) Complete(ctx context.Context, ns chat.NS, owner chat.User, id chat.AttachmentID) (store.Attachment, error) {
	found, err := m.opts.Store.AttachmentsByID(ctx, ns, []chat.AttachmentID{id})
	if err != nil {
		return store.Attachment{}, fmt.Errorf("read attachment: %w", err)
	}
	if len(found) == 0 || found[0].Owner != owner || found[0].State == store.AttachmentCondemned {
		return store.Attachment{}, chat.Errorf(chat.CodeNotFound, "no such attachment, or none that you have uploaded")
	}
	return m.complete(ctx, found[0])
}

// complete freezes the upload under a name that no client can write to, looks at
// that, and writes down what it is. Several pods may do so at a time: names follow
// from what was uploaded, and one of them wins the document.
func (m *Manager) complete(ctx context.Context, a store.Attachment) (store.Attachment, error) {
	if a.State != store.AttachmentNew {
		return a, nil
	}
	select {
	case m.looking <- struct{}{}:
		defer func() { <-m.looking }()
	case <-ctx.Done():
		return a, ctx.Err()
	}
	mine, err := m.freeze(ctx, a)
	if err != nil {
		return a, m.verdict(err)
	}
	if err := m.look(ctx, &mine); err != nil {
		return a, m.verdict(err)
	}
	done, err := m.change(ctx, a.NS, a.ID, func(a *store.Attachment) (bool, error) {
		if a.State != store.AttachmentNew {
			return false, nil
		}
		a.State, a.Type, a.File, a.Serve = store.AttachmentComplete, mine.Type, mine.File, mine.Serve
		a.W, a.H, a.Thumb = mine.W, mine.H, mine.Thumb
		return true, nil
	})
	switch {
	case errors.Is(err, errGone) || err == nil && done.State == store.AttachmentCondemned:
		return a, chat.Errorf(chat.CodeNotFound, "the attachment was never sent and is removed: upload it again")
	case err != nil:
		return a, err
	}
	m.completed.Add(1)
	if done.File != mine.File {
		m.remove(ctx, attach.FileName(&mine), attach.ThumbName(&mine))
	}
	m.remove(ctx, attach.UploadName(&a))
	return done, nil
}

// verdict counts refusals.
func (m *Manager) verdict(err error) error {
	if _, final := errors.AsType[*chat.Error](err); final {
		m.refused.Add(1)
	}
	return err
}

// remove deletes objects that nothing names. What fails is left to the collector,
// or to the bucket's rule.
func (m *Manager) remove(ctx context.Context, names ...string) {
	for _, n := range names {
		if err := m.opts.Blobs.Delete(ctx, n); err != nil {
			m.opts.Log.Debug("could not delete an object", "error", err)
		}
	}
}

// freeze copies the upload, as it is now, to a name that follows from that.
func (m *Manager) freeze(ctx context.Context, a store.Attachment) (store.Attachment, error) {
	for {
		info, err := m.opts.Blobs.Head(ctx, attach.UploadName(&a))
		if errors.Is(err, blob.ErrNotFound) {
			// Another pod may just have completed it.
			now, err := m.change(ctx, a.NS, a.ID, func(*store.Attachment) (bool, error) { return false, nil })
			if err == nil && now.State == store.AttachmentComplete {
				return now, nil
			}
			return a, chat.Errorf(chat.CodeBadRequest, "the attachment %q has not been uploaded", a.ID)
		}
		if err != nil {
			return a, fmt.Errorf("look at upload: %w", err)
		}
		if info.Size != a.Size {
			return a, chat.Errorf(chat.CodeBadRequest, "the attachment %q has %d bytes, not the %d that were announced", a.ID, info.Size, a.Size)
		}
		sum := sha256.Sum256([]byte(info.Tag))
		a.File = a.Object + "-" + hex.EncodeToString(sum[:6])
		err = m.opts.Blobs.Copy(ctx, attach.UploadName(&a), info.Tag, attach.FileName(&a))
		if errors.Is(err, blob.ErrChanged) || errors.Is(err, blob.ErrNotFound) {
			continue // uploaded again, or completed meanwhile: ends with ctx
		}
		if err != nil {
			return a, fmt.Errorf("keep upload: %w", err)
		}
		return a, nil
	}
}

// look finds out what a frozen file is, and makes its thumbnail.
func (m *Manager) look(ctx context.Context, a *store.Attachment) error {
	if a.State != store.AttachmentNew {
		return nil
	}
	head, err := m.read(ctx, a)
	if err != nil {
		return err
	}
	a.Serve = thumb.Sniff(head)
	switch family, _, _ := strings.Cut(a.Type, "/"); {
	case a.Serve != "":
		a.Type = a.Serve
	case family == "image":
		a.Type = "application/octet-stream" // it says that it is one, and is not, or one that runs
	}
	if !m.takes(a.Type) {
		return chat.Errorf(chat.CodeForbidden, "this server takes no attachments of type %s, which the attachment %q is", a.Type, a.ID)
	}
	if !thumb.IsImage(a.Serve) || a.Size > imageBytes {
		return nil
	}
	file, err := m.opts.Blobs.Get(ctx, attach.FileName(a), a.Size)
	if err != nil {
		return fmt.Errorf("read image: %w", err)
	}
	defer file.Close()
	img, err := m.thumbs.Make(ctx, a.Serve, file)
	switch {
	case errors.Is(err, thumb.ErrNoImage):
		a.Type, a.Serve = "application/octet-stream", ""
		if !m.takes(a.Type) {
			return chat.Errorf(chat.CodeForbidden, "the attachment %q is not the image that it begins like", a.ID)
		}
		return nil
	case err != nil:
		return fmt.Errorf("make thumbnail: %w", err)
	}
	a.W, a.H, a.Thumb = img.W, img.H, img.Type
	if img.Type == "" {
		return nil
	}
	if err := m.opts.Blobs.Put(ctx, attach.ThumbName(a), img.Thumb); err != nil {
		return fmt.Errorf("keep thumbnail: %w", err)
	}
	return nil
}

// read reads as much of a file as tells what it is.
func (m *Manager) read(ctx context.Context, a *store.Attachment) ([]byte, error) {
	r, err := m.opts.Blobs.Get(ctx, attach.FileName(a), thumb.SniffLen)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	defer r.Close()
	head, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read file: %w", err)
	}
	return head, nil
}
