package history

import (
	"net/http"

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
	r.NotFound(notFound)
	r.MethodNotAllowed(refuseMethod)
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
		switch r.Method {
		case http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
			rest.NameRoute(r, "write")
			s.writes.ServeHTTP(w, r)
		case http.MethodGet:
			if r.ContentLength != 0 {
				// It has no meaning (RFC 9110 §9.3.1), and would wait unread in the connection.
				rest.Error(w, chat.Errorf(chat.CodeBadRequest, "GET takes no body"))
				return
			}
			reads.ServeHTTP(w, r)
		default:
			refuseMethod(w, r)
		}
	})
}

func notFound(w http.ResponseWriter, _ *http.Request) {
	rest.Error(w, chat.Errorf(chat.CodeNotFound, "there is nothing at this path"))
}

func refuseMethod(w http.ResponseWriter, _ *http.Request) {
	rest.MethodNotAllowed(w, http.MethodGet, "this address answers GET")
}

func refuseWrite(w http.ResponseWriter, _ *http.Request) {
	rest.MethodNotAllowed(w, http.MethodGet, "this address answers GET; send POST, PUT, PATCH and DELETE to a gateway")
}
