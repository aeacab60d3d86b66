package gateway

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/command"
	"github.com/parley-chat/parley/services/gateway/internal/state"
	"github.com/parley-chat/parley/services/gateway/internal/upload"
)

// Attachments says where files are kept.
type Attachments struct {
	Blobs    blob.Store // nil: attachments are switched off, and sends that have some refused
	MaxBytes int64      // of one file; default 100 MiB
	Types    []string   // that are taken, such as "image/*"; none: all

	times upload.Options // fields of it that a test sets
}

// takeUploads begins to take attachments, if they are switched on.
func (g *Gateway) takeUploads() {
	a := g.opts.Attachments
	if a.Blobs == nil {
		return
	}
	if a.MaxBytes == 0 {
		a.MaxBytes = upload.DefaultMaxBytes
	}
	g.opts.Limits.AttachmentBytes = a.MaxBytes
	g.opts.Limits.Attachments = chat.MaxAttachments
	g.opts.Limits.AttachmentTypes = strings.Join(a.Types, ",")
	o := a.times
	o.Store, o.Blobs, o.Log, o.MaxBytes, o.Types = g.opts.Store, a.Blobs, g.log, a.MaxBytes, a.Types
	g.uploads = upload.New(o)
}

func (g *Gateway) fileStats() upload.Stats {
	if g.uploads == nil {
		return upload.Stats{}
	}
	return g.uploads.Stats()
}

// features is what welcome names.
func (g *Gateway) features() []string {
	list := slices.Concat(features, g.opts.Features)
	if g.uploads != nil {
		list = append(list, "attachments")
	}
	return list
}

// attachTime bounds what is done for the attachments of one send, before it is
// submitted.
const attachTime = 8 * time.Second

// attach prepares that a command's entry carries the attachments of its body;
// target is the message that an edit is of. The error says that this could not be
// done now. What is refused is judged when the command is: an earlier try of it may
// be stored, and that is its answer then.
func (g *Gateway) attach(ctx context.Context, cmd *command.Command, target chat.Seq, body []byte) error {
	if wire.Attachments(body) == nil {
		return nil
	}
	err := error(chat.Errorf(chat.CodeBadRequest, "this server takes no attachments: welcome.features does not name them"))
	if g.uploads != nil {
		ctx, cancel := context.WithTimeout(ctx, attachTime)
		defer cancel()
		body, err = g.uploads.Use(ctx, cmd.Key, cmd.From, store.Use{CMID: cmd.CMID, Target: target}, body)
	}
	refusal, _ := errors.AsType[*chat.Error](err)
	if err != nil && (refusal == nil || refusal.Code == chat.CodeUnavailable) {
		g.log.Debug("could not look after the attachments of a message", "conv", cmd.Key.Conv, "error", err)
		return chat.Unavailable("the attachments cannot be reached now; repeat this unchanged")
	}
	judge := cmd.Judge
	cmd.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		e, cerr := judge(s)
		if cerr == nil {
			cerr = refusal
		}
		e.Body = body
		return e, cerr
	}
	return nil
}

// announceFile is POST /v1/attachments.
func (g *Gateway) announceFile(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	var in wire.NewAttachment
	if g.uploads == nil {
		return chat.Errorf(chat.CodeNotFound, "this server takes no attachments: welcome.features does not name them")
	}
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	key, err := g.target(r.Context(), id, in.Conv, in.To)
	if err != nil {
		return err
	}
	a, req, err := g.uploads.Announce(r.Context(), upload.Announced{Key: key, Owner: id.User, CMID: cmid, Name: in.Name, Type: in.Type, Size: in.Size})
	if err != nil {
		return err
	}
	f := attach.File(&a)
	status := http.StatusOK
	if req != nil {
		status = http.StatusCreated
		f.Upload = &wire.Upload{Method: req.Method, URL: req.URL, Headers: req.Header, Expires: wire.Time{Time: req.Expires}}
	}
	rest.JSON(w, status, f)
	return nil
}

// target is the conversation that a file is for, which the user must be allowed to
// write to. The one with another user need not exist yet.
func (g *Gateway) target(ctx context.Context, id auth.Identity, conv chat.ConvID, to chat.User) (chat.Key, error) {
	key := chat.Key{NS: id.NS, Conv: conv}
	if (conv == "") == (to == "") {
		return key, chat.Errorf(chat.CodeBadRequest, `exactly one of "conv" and "to" must be given`)
	}
	if to != "" {
		if cerr := wire.CheckUser("to", to); cerr != nil {
			return key, cerr
		}
		key.Conv = chat.DirectID(id.NS, id.User, to)
		return key, nil
	}
	if !conv.Valid() {
		return key, chat.Errorf(chat.CodeNotFound, "no such conversation, or you are not in it")
	}
	part, err := g.view.Access(ctx, key, id.User)
	if err == nil && part.Member.Role == chat.RoleMuted && !part.Former() {
		return key, chat.Errorf(chat.CodeForbidden, "you are muted in this group")
	}
	if err == nil && (part.Former() || part.Conversation.Closed != 0) {
		err = chat.Errorf(chat.CodeForbidden, "you are not a member any more, or the group is closed")
	}
	return key, err
}

// completeFile is POST /v1/attachments/{id}: it looks at what was uploaded. A send
// does that too; asked before, it need not wait for it.
func (g *Gateway) completeFile(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	attachment := chat.AttachmentID(r.PathValue("id"))
	if g.uploads == nil || !attachment.Valid() {
		return chat.Errorf(chat.CodeNotFound, "no such attachment, or none that you have uploaded")
	}
	a, err := g.uploads.Complete(r.Context(), id.NS, id.User, attachment)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, attach.File(&a))
	return nil
}
