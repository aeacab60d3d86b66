package history

import (
	"net/http"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
)

// jobRoutes tell how far jobs are.
func (s *Service) jobRoutes(r chi.Router) {
	r.Get("/v1/broadcasts/{id}", s.api.Handle(s.broadcast))
	r.Get("/v1/erasures/{id}", s.api.Handle(s.erasure))
	r.Get("/v1/jobs", s.api.Handle(s.jobs))
	r.Get("/v1/jobs/{id}", s.api.Handle(s.anyJob))
}

// job is the one that the path names, for who made it and for who has a scope.
func (s *Service) job(r *http.Request, id auth.Identity, kind store.JobKind, scopes ...string) (store.Job, error) {
	j, err := s.view.Job(r.Context(), id.NS, chat.JobID(r.PathValue("id")), kind)
	if err != nil {
		return j, err
	}
	may := j.Creator == id.User
	for _, scope := range scopes {
		may = may || id.Has(scope)
	}
	if !may {
		return j, chat.Errorf(chat.CodeNotFound, "no such %s, or it is not yours", kind)
	}
	return j, nil
}

// broadcast is GET /v1/broadcasts/{id}.
func (s *Service) broadcast(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	j, err := s.job(r, id, job.KindBroadcast, auth.ScopeOperator)
	if err != nil {
		return err
	}
	out, err := job.ShowBroadcast(&j)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, out)
	return nil
}

// erasure is GET /v1/erasures/{id}.
func (s *Service) erasure(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	j, err := s.job(r, id, job.KindErasure, auth.ScopeOperator, auth.ScopeEraseAny)
	if err != nil {
		return err
	}
	out, err := job.ShowErasure(&j)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, out)
	return nil
}
