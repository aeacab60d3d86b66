package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// forget is a message whose content was taken away.
type forget struct {
	key    chat.Key
	target chat.Seq
}

// collectPage is how many documents one look asks for.
const collectPage = 64

// Forget says that a message was recalled or erased, and that this is finished: its
// files are looked at soon. It does not block. What is lost here, because the pod
// dies or too much waits, is found by the recheck; nobody may download it
// meanwhile.
func (m *Manager) Forget(key chat.Key, target chat.Seq) {
	select {
	case m.forgets <- forget{key, target}:
	default:
		m.opts.Log.Warn("too many recalls wait for their attachments to be deleted; the recheck finds this one", "conv", key.Conv)
	}
}

// Run collects until ctx ends.
func (m *Manager) Run(ctx context.Context) {
	every := time.NewTicker(m.opts.Every)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
			m.report(ctx, "collect attachments", m.collect(ctx))
		case f := <-m.forgets:
			m.report(ctx, "delete the attachments of a recalled message", m.forget(ctx, f))
		}
	}
}

func (m *Manager) report(ctx context.Context, what string, err error) {
	if err != nil && ctx.Err() == nil {
		m.opts.Log.Warn("could not "+what+"; trying again later", "error", err)
	}
}

// opTime bounds one piece of the collector's work.
const opTime = 30 * time.Second

// collect works through what is due.
func (m *Manager) collect(ctx context.Context) error {
	for {
		due, err := m.due(ctx)
		if err != nil {
			return err
		}
		var errs []error
		for _, a := range due {
			errs = append(errs, m.claim(ctx, a))
		}
		if err := errors.Join(errs...); err != nil || len(due) < collectPage {
			return err
		}
	}
}

func (m *Manager) due(ctx context.Context) ([]store.Attachment, error) {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	due, err := m.opts.Store.DueAttachments(ctx, time.Now(), collectPage)
	if err != nil {
		return nil, fmt.Errorf("read what is due: %w", err)
	}
	return due, nil
}

// forget looks at the attachments of one message and its edits.
func (m *Manager) forget(ctx context.Context, f forget) error {
	return m.each(ctx, f, m.claim)
}

// each does something with the attachments of one message and its edits.
func (m *Manager) each(ctx context.Context, f forget, do func(context.Context, store.Attachment) error) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	entries, err := m.opts.Store.Entries(ctx, f.key, store.Range{After: f.target - 1, Before: f.target + 1, Limit: 1})
	if err != nil {
		return fmt.Errorf("read message: %w", err)
	}
	if len(entries) == 0 {
		return nil
	}
	e := entries[0]
	use := store.Use{CMID: e.CMID, Target: e.Seq}
	list, err := m.opts.Store.AttachmentsByUse(ctx, f.key, e.From, use, chat.MaxAttachments*store.MaxUses)
	if err != nil {
		return fmt.Errorf("read attachments: %w", err)
	}
	var errs []error
	for _, a := range list {
		errs = append(errs, do(ctx, a))
	}
	return errors.Join(errs...)
}

// claim takes the lease on a document as it was read, and looks whether it is
// used. Whoever has changed the document since has the better reason.
func (m *Manager) claim(ctx context.Context, a store.Attachment) error {
	err := m.judge(ctx, a)
	if errors.Is(err, store.ErrConflict) {
		return nil
	}
	return err
}

// judge is claim for who has to know of a change.
func (m *Manager) judge(ctx context.Context, a store.Attachment) error {
	ctx, cancel := context.WithTimeout(ctx, opTime)
	defer cancel()
	now, was := time.Now().UTC().Truncate(time.Millisecond), a.Due
	a.Due = now.Add(m.opts.Lease)
	if err := m.update(ctx, &a); err != nil {
		return err
	}
	return m.settle(ctx, a, was.After(now), was)
}

// update writes a document and keeps its version.
func (m *Manager) update(ctx context.Context, a *store.Attachment) error {
	if err := m.opts.Store.UpdateAttachment(ctx, *a); err != nil {
		return fmt.Errorf("change attachment: %w", err)
	}
	a.Version++
	return nil
}

// settle decides over an attachment on which this pod has the lease. early says
// that it was not due before was: then a use that is not in the log may be about
// to be.
func (m *Manager) settle(ctx context.Context, a store.Attachment, early bool, was time.Time) error {
	if a.State != store.AttachmentCondemned {
		carriers, stored, err := attach.Carriers(ctx, m.opts.Store, &a)
		if err != nil {
			return err
		}
		if early && (stored < len(a.Uses) || stored == 0) {
			a.Due = was
			return m.update(ctx, &a)
		}
		if len(carriers) > 0 {
			m.remove(ctx, attach.UploadName(&a)) // uploaded again by an old URL
			a.Due = time.Now().UTC().Truncate(time.Millisecond).Add(m.opts.Recheck)
			return m.update(ctx, &a)
		}
		a.State = store.AttachmentCondemned
		if err := m.update(ctx, &a); err != nil {
			return err
		}
	}
	names := []string{attach.UploadName(&a)}
	if a.File != "" {
		names = append(names, attach.FileName(&a), attach.ThumbName(&a))
	}
	for _, n := range names {
		if err := m.opts.Blobs.Delete(ctx, n); err != nil {
			return fmt.Errorf("delete attachment: %w", err)
		}
	}
	if err := m.opts.Store.DeleteAttachment(ctx, a.NS, a.ID, a.Version); err != nil {
		return fmt.Errorf("delete attachment: %w", err)
	}
	m.collected.Add(1)
	return nil
}
