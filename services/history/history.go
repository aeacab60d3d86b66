// Package history is the service that answers what is read over HTTP: the
// conversations of a user, their members, messages and raw log, and the unread
// count with the numbers that it follows from (PROTOCOL §5); and searches.
//
// It holds nothing: every answer is made from the store by package view, which
// the gateway makes its frames with, so REST and sockets tell the same. It never
// writes, but for the search index, which one replica feeds from the log (see
// [Search]). What changes something goes to a gateway, which has the one way to
// write; for clients that know only this address the request is passed on.
package history

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/services/history/internal/searcher"
)

// Options is what a Service is made of. Store and Verifier must be set.
type Options struct {
	Store    Store
	Verifier rest.Verifier
	Limits   chat.Limits  // zero fields: their defaults
	Origins  rest.Origins // pages that may use the API; nil: those of the same host
	Guard    *guard.Guard // bounds requests by address and user; nil: nothing does

	// Revoked is the list of who is banned, for GET /v1/bans; the caller keeps it in
	// step, and has Verifier guarded by it. Nil: that path is not there.
	Revoked *revoke.List

	// Files hands out URLs of attachments. Nil: they are switched off.
	Files *attach.Reader

	// GatewayURL is where POST, PUT, PATCH and DELETE are passed on to. Nil: they
	// are answered 405.
	GatewayURL *url.URL
	// GatewayCAs are who is trusted to say that it is the gateway, where GatewayURL is
	// https. Nil: whom the system trusts.
	GatewayCAs *x509.CertPool
	// OneAddress says that what changes something is answered at the same address, by
	// whoever hands requests to this service. So it is where GatewayURL is set.
	OneAddress bool

	Timeout time.Duration // of one request that is answered here; 0: 5 s
	Log     *slog.Logger  // nil: nothing is logged

	// Search answers GET /v1/search. Nil: that path is not there.
	Search *Search

	// Retention is for how many hours gateways keep content of conversations for which
	// nobody has decided; 0: for ever.
	Retention int

	// Observer measures requests and follows them. Zero: nobody does.
	Observer rest.Observer
}

// Service answers requests. It keeps nothing between them but idle connections to
// the gateway, and needs no closing.
type Service struct {
	store    Store
	view     *view.Reader
	limits   chat.Limits
	api      rest.API
	origins  rest.Origins
	files    *attach.Reader // nil: switched off
	writes   http.Handler   // answers what changes something
	whole    bool           // the whole API is behind this address
	observer rest.Observer
	search   *searcher.Searcher // nil: there is none
	revoked  *revoke.List       // nil: there is none
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{
		store:    o.Store,
		view:     view.New(o.Store, o.Limits).Keeping(o.Retention),
		limits:   o.Limits.WithDefaults(),
		api:      rest.API{Verifier: o.Verifier, Guard: o.Guard, Timeout: o.Timeout, Log: o.Log},
		origins:  o.Origins,
		files:    o.Files,
		revoked:  o.Revoked,
		writes:   http.HandlerFunc(refuseWrite),
		whole:    o.OneAddress || o.GatewayURL != nil,
		observer: o.Observer,
	}
	if o.Search != nil {
		s.search = searcher.New(s.view, o.Search.current.Present)
	}
	switch {
	case o.GatewayURL != nil:
		s.writes = forwardTo(o.GatewayURL, o.GatewayCAs, o.Log)
	case o.OneAddress:
		s.writes = http.HandlerFunc(s.refuse)
	}
	return s
}

// conversations is GET /v1/conversations.
func (s *Service) conversations(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	cursor, limit := q.Text("cursor"), q.Int("limit", 1, s.limits.Page)
	if err := q.Err(); err != nil {
		return err
	}
	list, err := s.view.List(r.Context(), id.NS, id.User, cursor, limit)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// retention is GET /v1/conversations/{conv}/retention, for those who may set it.
func (s *Service) retention(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return err
	}
	c, err := s.view.Retained(r.Context(), chat.Key{NS: id.NS, Conv: conv}, id.User, id.Has(auth.ScopeOperator))
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, s.view.Retention(&c))
	return nil
}

// part is the caller's part of the conversation in the path.
func (s *Service) part(r *http.Request, id auth.Identity) (view.Part, error) {
	conv, err := rest.PathConv(r, "conv")
	if err != nil {
		return view.Part{}, err
	}
	return s.view.Access(r.Context(), chat.Key{NS: id.NS, Conv: conv}, id.User)
}

// conversation is GET /v1/conversations/{conv}.
func (s *Service) conversation(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	c, err := s.view.Conversation(r.Context(), p)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, c)
	return nil
}

// members is GET /v1/conversations/{conv}/members.
func (s *Service) members(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q := rest.ParseQuery(r)
	cursor, limit := q.Text("cursor"), q.Int("limit", 1, s.limits.Page)
	if err := q.Err(); err != nil {
		return err
	}
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	list, err := s.view.Members(r.Context(), p, cursor, limit)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// messages is GET /v1/conversations/{conv}/messages.
func (s *Service) messages(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q, err := s.query(r)
	if err != nil {
		return err
	}
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	page, err := s.view.Messages(r.Context(), p, q)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, page)
	return nil
}

// entries is GET /v1/conversations/{conv}/entries.
func (s *Service) entries(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	q, err := s.query(r)
	if err != nil {
		return err
	}
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	page, err := s.view.Entries(r.Context(), p, q)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, page)
	return nil
}

// query is which page a request asks for. That at most one of the positions is
// given is checked where pages are made.
func (s *Service) query(r *http.Request) (view.Query, error) {
	q := rest.ParseQuery(r)
	page := view.Query{Before: q.Seq("before"), After: q.Seq("after"), Around: q.Seq("around"),
		Limit: q.Int("limit", 1, s.limits.Page)}
	return page, q.Err()
}

// unread is GET /v1/conversations/{conv}/unread.
func (s *Service) unread(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	p, err := s.part(r, id)
	if err != nil {
		return err
	}
	u, err := s.view.Unread(r.Context(), p)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, u)
	return nil
}
