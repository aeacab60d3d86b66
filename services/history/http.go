package history

import (
	"net/http"
	"slices"
	"strings"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/rest"
)

// Handler is all that the service answers, to be mounted at the root. The
// method decides first: what changes something is not this service's.
func (s *Service) Handler() http.Handler {
	return s.observer.Handler(s.origins.Handler(s.byMethod(s.routes())))
}

// routes are what is read.
func (s *Service) routes() chi.Router {
	r := chi.NewRouter()
	r.NotFound(s.refuse)
	r.MethodNotAllowed(s.refuse)
	r.Get("/v1/conversations", s.api.Handle(s.conversations))
	r.Get("/v1/conversations/{conv}", s.api.Handle(s.conversation))
	r.Get("/v1/conversations/{conv}/members", s.api.Handle(s.members))
	r.Get("/v1/conversations/{conv}/messages", s.api.Handle(s.messages))
	r.Get("/v1/conversations/{conv}/entries", s.api.Handle(s.entries))
	r.Get("/v1/conversations/{conv}/unread", s.api.Handle(s.unread))
	r.Get("/v1/conversations/{conv}/retention", s.api.Handle(s.retention))
	s.socialRoutes(r)
	s.jobRoutes(r)
	r.Get("/v1/attachments/{id}", s.api.Handle(s.attachment))
	r.Get("/v1/attachments/{id}/thumb", s.api.Handle(s.thumbnail))
	if s.search != nil {
		r.Get("/v1/search", s.api.Handle(s.find))
	}
	if s.revoked != nil {
		r.Get("/v1/bans", s.api.Handle(s.bans))
	}
	r.Get("/openapi.json", contract.ServeOpenAPI)
	r.Get("/asyncapi.json", contract.ServeAsyncAPI)
	return r
}

// byMethod parts reads from writes.
func (s *Service) byMethod(reads http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case writes(r.Method) && !s.onlyRead(r):
			rest.NameRoute(r, "write")
			s.writes.ServeHTTP(w, r)
		case r.Method != http.MethodGet:
			s.refuse(w, r)
		case r.ContentLength != 0:
			// It has no meaning (RFC 9110 §9.3.1), and would wait unread in the connection.
			rest.Error(w, chat.Errorf(chat.CodeBadRequest, "GET takes no body"))
		default:
			reads.ServeHTTP(w, r)
		}
	})
}

// writes says whether a method changes something.
func writes(method string) bool {
	switch method {
	case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return true
	}
	return false
}

// onlyRead says whether nothing can be changed at a path, so that no gateway needs
// to be asked.
func (s *Service) onlyRead(r *http.Request) bool {
	methods := s.methods(r)
	return len(methods) > 0 && !slices.ContainsFunc(methods, writes)
}

// methods are what clients may do at a path behind this address; none: it is no path
// of the API, or the API is not all here. Who gives out dev tokens answers for that
// path, and where nobody does it is not there.
func (s *Service) methods(r *http.Request) []string {
	if !s.whole || r.URL.Path == "/dev/token" {
		return nil
	}
	return contract.Methods(r.URL.EscapedPath())
}

// refuse answers what this service has no route for: where the whole API is behind
// this address, by what can be done at the path.
func (s *Service) refuse(w http.ResponseWriter, r *http.Request) {
	switch methods := s.methods(r); {
	case len(methods) > 0 && !slices.Contains(methods, r.Method):
		rest.MethodNotAllowed(w, strings.Join(methods, ", "), "this cannot be done at this path")
	case r.Method == http.MethodGet || s.whole:
		rest.Error(w, chat.Errorf(chat.CodeNotFound, "there is nothing at this path"))
	default:
		rest.MethodNotAllowed(w, http.MethodGet, "this address answers GET")
	}
}

func refuseWrite(w http.ResponseWriter, _ *http.Request) {
	rest.MethodNotAllowed(w, http.MethodGet, "this address answers GET; send POST, PUT, PATCH and DELETE to a gateway")
}
