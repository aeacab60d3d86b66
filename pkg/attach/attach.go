// Package attach is what the services know of attachments in common: how objects
// are named, which entries carry one, who may see it. The gateway takes uploads
// (its internal/upload); history hands out URLs, with a [Reader].
package attach

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// UploadName names what a client uploads. Objects under "up/" are of nobody's concern
// a day after they were made: a bucket may delete them by a rule of its own.
func UploadName(a *store.Attachment) string { return "up/" + a.Object }

// FileName names the file of a complete attachment.
func FileName(a *store.Attachment) string { return "at/" + a.File }

// ThumbName names its thumbnail.
func ThumbName(a *store.Attachment) string { return "th/" + a.File }

// DownloadTTL is how long a URL for a download lasts.
const DownloadTTL = 5 * time.Minute

// Path is where an attachment is asked for.
func Path(id chat.AttachmentID) string { return wire.AttachmentPath(id) }

// ThumbPath is where its thumbnail is asked for, or "" if it has none.
func ThumbPath(a *store.Attachment) string {
	if a.Thumb == "" {
		return ""
	}
	return Path(a.ID) + "/thumb"
}

// File is an attachment as REST tells of it.
func File(a *store.Attachment) wire.File {
	return wire.File{ID: a.ID, Conv: a.Conv, Name: a.Name, Type: a.Type, Size: a.Size, W: a.W, H: a.H,
		Thumb: ThumbPath(a), Complete: a.State == store.AttachmentComplete}
}

// Log is where the entries are that carry attachments.
type Log interface {
	Lookup(ctx context.Context, key chat.Key, from chat.User, cmid chat.CMID) (chat.Entry, error)
}

// Carriers reads the entries that carry an attachment now: those of its uses that
// are stored, name it and are not gone. stored is how many of its uses are in the
// log at all. It costs a read a use, of which nearly every attachment has one.
func Carriers(ctx context.Context, log Log, a *store.Attachment) (list []chat.Entry, stored int, err error) {
	for _, u := range a.Uses {
		e, err := log.Lookup(ctx, a.Key, a.Owner, u.CMID)
		switch {
		case errors.Is(err, store.ErrNotFound):
			continue
		case err != nil:
			return nil, 0, fmt.Errorf("look up what carries an attachment: %w", err)
		}
		for _, named := range wire.Attachments(e.Body) {
			if named.ID == string(a.ID) {
				list = append(list, e)
				break
			}
		}
		stored++
	}
	return list, stored, nil
}

// Store is what a [Reader] reads.
type Store interface {
	view.Store
	Log
	AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]store.Attachment, error)
}

// Reader hands out what a user may see. It keeps no state.
type Reader struct {
	store Store
	view  *view.Reader
	blobs blob.Presigner
}

// NewReader makes one.
func NewReader(s Store, blobs blob.Presigner, limits chat.Limits) *Reader {
	return &Reader{store: s, view: view.New(s, limits), blobs: blobs}
}

func errNotFound() *chat.Error {
	return chat.Errorf(chat.CodeNotFound, "no such attachment, or none that you can see")
}

// Find reads an attachment that a user may see: a member, if an entry that carries
// it lies in the member's part of the log; who uploaded it, as long as it was
// not sent; and with the scope operator whoever asks, as long as an entry carries it.
// Anything else is the same not_found. It costs a read for who
// uploaded it, and four for others.
func (r *Reader) Find(ctx context.Context, id auth.Identity, attachment chat.AttachmentID) (store.Attachment, error) {
	if !attachment.Valid() {
		return store.Attachment{}, errNotFound()
	}
	found, err := r.store.AttachmentsByID(ctx, id.NS, []chat.AttachmentID{attachment})
	if err != nil {
		return store.Attachment{}, fmt.Errorf("read attachment: %w", err)
	}
	if len(found) == 0 || found[0].State == store.AttachmentCondemned {
		return store.Attachment{}, errNotFound()
	}
	a := found[0]
	carriers, stored, err := Carriers(ctx, r.store, &a)
	if err != nil {
		return store.Attachment{}, err
	}
	if stored == 0 && a.Owner == id.User {
		return a, nil
	}
	if len(carriers) == 0 {
		return store.Attachment{}, errNotFound()
	}
	if id.Has(auth.ScopeOperator) {
		return a, nil // as in an export of who sent it
	}
	part, err := r.view.Access(ctx, a.Key, id.User)
	if err != nil {
		var cerr *chat.Error
		if errors.As(err, &cerr) && cerr.Code == chat.CodeNotFound {
			err = errNotFound()
		}
		return store.Attachment{}, err
	}
	for _, e := range carriers {
		if part.Start <= e.Seq && e.Seq <= part.End {
			return a, nil
		}
	}
	return store.Attachment{}, errNotFound()
}

// Download is the request that reads an attachment's file.
func (r *Reader) Download(a *store.Attachment) (blob.Request, error) {
	d := blob.Download{Type: a.Serve, Disposition: disposition("inline", a.Name)}
	if a.Serve == "" {
		d = blob.Download{Type: octets, Disposition: disposition("attachment", a.Name)}
	}
	name := FileName(a)
	if a.State == store.AttachmentNew {
		name = UploadName(a)
	}
	return r.blobs.PresignGet(name, d, DownloadTTL)
}

const octets = "application/octet-stream"

// Thumb is the request that reads its thumbnail; not_found if it has none.
func (r *Reader) Thumb(a *store.Attachment) (blob.Request, error) {
	if a.Thumb == "" {
		return blob.Request{}, chat.Errorf(chat.CodeNotFound, "this attachment has no thumbnail")
	}
	return r.blobs.PresignGet(ThumbName(a), blob.Download{Type: a.Thumb, Disposition: "inline"}, DownloadTTL)
}

// disposition names the file (RFC 6266): as it is called, and for old browsers in
// what ASCII has of that.
func disposition(kind, name string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' || strings.ContainsRune(`"\%/`, r) {
			return '_'
		}
		return r
	}, name)
	full := mime.FormatMediaType(kind, map[string]string{"filename": name})
	if _, extended, ok := strings.Cut(full, "filename*="); ok {
		return kind + `; filename="` + ascii + `"; filename*=` + extended
	}
	return kind + `; filename="` + ascii + `"`
}
