// Package upload takes attachments: it hands out the request that uploads a file,
// looks at what came, lets sends use it, and collects what nobody uses.
//
// A file and the entry that carries it are in two stores, and either may fail, or
// seem to fail and have happened. The order of the steps makes that harmless:
//
//	announced → uploaded → complete → use noted → entry appended
//
// The use (the entry's cmid) is noted in the attachment's document before the entry
// is appended, with a time until which nobody asks whether it is used: an hour,
// where an append takes 8 s and its last echo less than a minute. After that a
// collector asks the log itself: is there an entry of that cmid, and does it still
// name the file? So an entry that was stored and never answered, or by a pod that
// died, counts; a use without an entry does not. A file that no entry names is
// condemned, with a write that only succeeds if no use was noted since it was looked
// at, and no send can use it from then on. Its objects go first and its document
// last, so whoever finds a condemned document can finish.
//
// Every change of a document is fenced by its version. The collector works on a
// document for which it holds a lease, which is the time when it is due again.
package upload

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/thumb"
)

// Store is what uploads need of a store.
type Store interface {
	store.Attachments
	Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error)
	Entries(ctx context.Context, key chat.Key, r store.Range) ([]chat.Entry, error)
}

// Options configure a [Manager]. Store and Blobs are required.
type Options struct {
	Store Store
	Blobs blob.Store
	Log   *slog.Logger // default: slog.Default()

	MaxBytes int64    // of one file; default [DefaultMaxBytes]
	Types    []string // that are taken, such as "image/*"; none: all
	PerMin   int      // files that one user announces a minute on this pod; default 60

	TTL     time.Duration // of a URL for an upload; default 15 min
	Wait    time.Duration // for a file to be sent, before it is collected; default 24 h
	Hold    time.Duration // after a use was noted, until it is asked about; default 1 h
	Recheck time.Duration // between two looks at a file that is used; default 7 days
	Lease   time.Duration // of a collector on a document; default 5 min
	Every   time.Duration // between two looks for what is due; default 30 s
}

// DefaultMaxBytes bounds a file: 100 MiB.
const DefaultMaxBytes = 100 << 20

const (
	lookAtOnce  = 4        // completions of a pod at a time; more wait
	imageBytes  = 32 << 20 // a larger image gets no thumbnail
	casTries    = 8        // changes of one document that lose to others
	mostForgets = 4096     // recalled messages that wait to be looked at; beyond, the recheck finds them
)

func (o *Options) setDefaults() {
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	dur(&o.TTL, 15*time.Minute)
	dur(&o.Wait, 24*time.Hour)
	dur(&o.Hold, time.Hour)
	dur(&o.Recheck, 7*24*time.Hour)
	dur(&o.Lease, 5*time.Minute)
	dur(&o.Every, 30*time.Second)
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.PerMin == 0 {
		o.PerMin = 60
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Manager takes attachments for a pod. Make it with [New]; Run collects.
type Manager struct {
	opts    Options
	thumbs  *thumb.Maker
	looking chan struct{}
	forgets chan forget

	completed, collected, refused atomic.Uint64

	mu    sync.Mutex
	rates map[rateKey]rate
}

// New makes a manager.
func New(o Options) *Manager {
	o.setDefaults()
	return &Manager{opts: o, thumbs: thumb.NewMaker(thumb.Options{}), looking: make(chan struct{}, lookAtOnce),
		forgets: make(chan forget, mostForgets), rates: make(map[rateKey]rate)}
}

// Stats counts what a pod did with attachments.
type Stats struct {
	Completed uint64 // files that were looked at and taken
	Refused   uint64 // uploads that were not what was announced
	Collected uint64 // files that nobody used any more, and that were deleted
}

// Stats returns the present counts.
func (m *Manager) Stats() Stats {
	return Stats{Completed: m.completed.Load(), Refused: m.refused.Load(), Collected: m.collected.Load()}
}

// Announced is a file that a client wants to upload.
type Announced struct {
	Key   chat.Key
	Owner chat.User
	CMID  chat.CMID
	Name  string
	Type  string
	Size  int64
}

// Announce notes a file and returns the request that uploads it, or none if it is
// complete already. Repeated, it does the same for the same file; that the owner
// is a member has been checked.
func (m *Manager) Announce(ctx context.Context, f Announced) (store.Attachment, *blob.Request, error) {
	if cerr := m.check(&f); cerr != nil {
		return store.Attachment{}, nil, cerr
	}
	if cerr := m.take(rateKey{f.Key.NS, f.Owner}); cerr != nil {
		return store.Attachment{}, nil, cerr
	}
	now := time.Now().UTC().Truncate(time.Millisecond)
	a := store.Attachment{Key: f.Key, ID: chat.NewAttachmentID(f.Key, f.Owner, f.CMID), Owner: f.Owner, Object: objectName(),
		State: store.AttachmentNew, Created: now, Name: f.Name, Type: f.Type, Size: f.Size, Due: now.Add(m.opts.Wait), Version: 1}
	if err := m.opts.Store.CreateAttachment(ctx, a); err != nil {
		return a, nil, fmt.Errorf("note attachment: %w", err)
	}
	a, err := m.change(ctx, a.NS, a.ID, func(a *store.Attachment) (bool, error) {
		switch {
		case a.State == store.AttachmentCondemned:
			return false, chat.Unavailable("an earlier upload with this cmid is being removed; repeat this later")
		case a.Name != f.Name || a.Size != f.Size || a.State == store.AttachmentNew && a.Type != f.Type:
			return false, chat.Errorf(chat.CodeCMIDConflict, "this cmid was used before, for another file: take a new one")
		}
		// The URL must not outlive the document: what came then, nobody would collect.
		if due := now.Add(m.opts.Wait); a.State == store.AttachmentNew && a.Due.Before(due.Add(-m.opts.Wait/2)) {
			a.Due = due
			return true, nil
		}
		return false, nil
	})
	if err != nil || a.State == store.AttachmentComplete {
		return a, nil, err
	}
	req, err := m.opts.Blobs.PresignPut(attach.UploadName(&a), a.Size, m.opts.TTL)
	if err != nil {
		return a, nil, fmt.Errorf("presign upload: %w", err)
	}
	return a, &req, nil
}

// objectName is random, so that an id that is used again after its file was
// collected names other objects. The two letters spread them over folders.
func objectName() string {
	text := strings.ToLower(rand.Text())
	return text[:2] + "/" + text
}

// errGone is for what change is asked to change and is not there.
var errGone = errors.New("no such attachment")

// change reads a document, lets f change it, and writes it, again if others have
// changed it meanwhile. f returns whether it did. The result is the document as it
// is now.
func (m *Manager) change(ctx context.Context, ns chat.NS, id chat.AttachmentID, f func(a *store.Attachment) (bool, error)) (store.Attachment, error) {
	for range casTries {
		found, err := m.opts.Store.AttachmentsByID(ctx, ns, []chat.AttachmentID{id})
		if err != nil {
			return store.Attachment{}, fmt.Errorf("read attachment: %w", err)
		}
		if len(found) == 0 {
			return store.Attachment{}, errGone
		}
		a := found[0]
		changed, err := f(&a)
		if err != nil || !changed {
			return a, err
		}
		err = m.opts.Store.UpdateAttachment(ctx, a)
		if err == nil {
			a.Version++
			return a, nil
		}
		if !errors.Is(err, store.ErrConflict) {
			return a, fmt.Errorf("change attachment: %w", err)
		}
	}
	return store.Attachment{}, chat.Unavailable("others change this attachment; repeat this unchanged")
}
