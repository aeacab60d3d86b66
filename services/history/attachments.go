package history

import (
	"net/http"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// attachment is GET /v1/attachments/{id}.
func (s *Service) attachment(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	return s.file(w, r, id, (*attach.Reader).Download)
}

// thumbnail is GET /v1/attachments/{id}/thumb.
func (s *Service) thumbnail(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	return s.file(w, r, id, (*attach.Reader).Thumb)
}

// file sends the caller to where a file is; with ?redirect=0 it says where, and
// what is known of it: a script in a browser cannot follow a redirect with a
// token, and need not.
func (s *Service) file(w http.ResponseWriter, r *http.Request, id auth.Identity,
	locate func(*attach.Reader, *store.Attachment) (blob.Request, error)) error {
	if s.files == nil {
		return chat.Errorf(chat.CodeNotFound, "this server takes no attachments")
	}
	q := rest.ParseQuery(r)
	redirect := q.Text("redirect")
	if err := q.Err(); err != nil {
		return err
	}
	a, err := s.files.Find(r.Context(), id, chat.AttachmentID(r.PathValue("id")))
	if err != nil {
		return err
	}
	req, err := locate(s.files, &a)
	if err != nil {
		return err
	}
	if redirect == "0" {
		f := attach.File(&a)
		f.URL, f.Expires = req.URL, wire.Time{Time: req.Expires}
		rest.JSON(w, http.StatusOK, f)
		return nil
	}
	w.Header().Set("Cache-Control", "no-store") // the URL is this user's, and for a while
	w.Header().Set("Location", req.URL)
	w.WriteHeader(http.StatusFound)
	return nil
}
