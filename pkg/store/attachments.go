package store

import (
	"context"
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// ErrConflict says that a document has changed since it was read.
var ErrConflict = errors.New("changed since it was read")

// AttachmentState is how far an attachment has come. It only grows.
type AttachmentState uint8

// The states of an attachment.
const (
	// AttachmentNew: announced; whether anything was uploaded is not known.
	AttachmentNew AttachmentState = iota + 1
	// AttachmentComplete: uploaded and looked at. Its objects do not change any more.
	AttachmentComplete
	// AttachmentCondemned: its objects are being deleted. Nothing may name it any more.
	AttachmentCondemned
)

// Attachment is what is known of an uploaded file. The file itself is elsewhere.
type Attachment struct {
	chat.Key // the conversation that it was uploaded for
	ID       chat.AttachmentID
	Owner    chat.User
	Object   string // names what is uploaded
	State    AttachmentState
	Created  time.Time

	Name  string
	Type  string // content type: as announced, and once complete as it was found to be
	Size  int64  // bytes
	File  string // complete: names what was uploaded, and does not change any more
	Serve string // content type that it may be served with; "": none but octets
	W, H  int    // images: pixels as they are shown
	Thumb string // content type of its thumbnail; "": it has none

	// Uses are the entries that were to carry it when they were last heard of: each
	// is noted before its entry is appended.
	Uses []Use
	// Due is when somebody has to look whether it is still used.
	Due time.Time
	// Version is the fence of every change.
	Version int64
}

// Use is an entry of the attachment's owner, in its conversation, that carries it.
type Use struct {
	CMID   chat.CMID
	Target chat.Seq // the message that an edit is of; 0 for a message
}

// MaxUses bounds [Attachment].Uses.
const MaxUses = 32

// Attachments is what is known of uploaded files.
type Attachments interface {
	// CreateAttachment stores a new document. If there is one with its id, that is
	// left as it is; that is success.
	CreateAttachment(ctx context.Context, a Attachment) error

	// UpdateAttachment replaces the document where its Version is a's, and makes
	// that a.Version+1. Key, ID, Owner, Object and Created must be as they were. It
	// returns ErrConflict, and changes nothing, where there is none of that Version:
	// others have changed it, or an earlier try of this change has.
	UpdateAttachment(ctx context.Context, a Attachment) error

	// DeleteAttachment removes the document where its Version is version; a missing
	// one is success, a changed one ErrConflict.
	DeleteAttachment(ctx context.Context, ns chat.NS, id chat.AttachmentID, version int64) error

	// AttachmentsByID reads some documents, at most 100 ids; missing ones are left
	// out, the order is open.
	AttachmentsByID(ctx context.Context, ns chat.NS, ids []chat.AttachmentID) ([]Attachment, error)

	// AttachmentsByUse reads documents of owner in a conversation that have a use
	// with this cmid, or with this target where that is not 0: what a message and
	// its edits carry. At most limit (≥ 1), order open.
	AttachmentsByUse(ctx context.Context, key chat.Key, owner chat.User, use Use, limit int) ([]Attachment, error)

	// DueAttachments reads documents of all tenants with Due before a time, the
	// longest due first, at most limit (≥ 1).
	DueAttachments(ctx context.Context, before time.Time, limit int) ([]Attachment, error)
}
