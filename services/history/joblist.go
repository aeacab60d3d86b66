package history

import (
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// jobs is GET /v1/jobs: those of the operator's tenant.
func (s *Service) jobs(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if !id.Has(auth.ScopeOperator) {
		return chat.Errorf(chat.CodeForbidden, "jobs need the scope %s", auth.ScopeOperator)
	}
	q, err := s.jobQuery(r, id.NS)
	if err != nil {
		return err
	}
	found, more, err := s.view.Jobs(r.Context(), q)
	if err != nil {
		return err
	}
	list := wire.List[wire.Job]{Items: []wire.Job{}}
	for i := range found {
		j, err := job.Show(&found[i])
		if err != nil {
			return err
		}
		list.Items = append(list.Items, j)
	}
	if more {
		list.Next = jobCursor(found[len(found)-1].Mark())
	}
	rest.JSON(w, http.StatusOK, list)
	return nil
}

// jobQuery is what a request asks for: by default all, the latest first.
func (s *Service) jobQuery(r *http.Request, ns chat.NS) (store.JobQuery, error) {
	in := rest.ParseQuery(r)
	state, kind, order := in.Text("state"), in.Text("kind"), in.Text("order")
	cursor, limit := in.Text("cursor"), in.Int("limit", 1, s.limits.Page)
	q := store.JobQuery{NS: ns, Kinds: job.Kinds(), States: []store.JobState{store.JobNew, store.JobLeased, store.JobDone, store.JobDead}, Newest: order != "due", Limit: limit}
	if err := in.Err(); err != nil {
		return q, err
	}
	if q.Limit == 0 {
		q.Limit = min(view.DefaultLimit, s.limits.Page)
	}
	if state != "" {
		q.States = job.InState(wire.JobState(state))
	}
	if kind != "" {
		q.Kinds = nil
		for _, k := range job.Kinds() {
			if string(k) == kind {
				q.Kinds = []store.JobKind{k}
			}
		}
	}
	var ok bool
	q.After, ok = jobMark(cursor)
	switch {
	case len(q.States) == 0:
		return q, chat.Errorf(chat.CodeBadRequest, `"state" is waiting, running, done or failed`)
	case len(q.Kinds) == 0:
		return q, chat.Errorf(chat.CodeBadRequest, `"kind" is broadcast, erasure, keep or sweep`)
	case order != "" && order != "newest" && order != "due":
		return q, chat.Errorf(chat.CodeBadRequest, `"order" is newest or due`)
	case !ok:
		return q, chat.Errorf(chat.CodeBadRequest, `"cursor" is not one that a list gave as "next"`)
	}
	return q, nil
}

// jobCursor names a place in a list of jobs; jobMark finds it again.
func jobCursor(m store.JobMark) string {
	return base64.RawURLEncoding.EncodeToString([]byte(strconv.FormatInt(m.Due.UnixMilli(), 10) + " " + string(m.ID)))
}

func jobMark(cursor string) (m store.JobMark, ok bool) {
	if cursor == "" {
		return m, true
	}
	raw, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return m, false
	}
	ms, id, _ := strings.Cut(string(raw), " ")
	due, err := strconv.ParseInt(ms, 10, 64)
	m = store.JobMark{Due: time.UnixMilli(due).UTC(), ID: chat.JobID(id)}
	return m, err == nil && due > 0 && due < 1<<48 && m.ID.Valid()
}

// anyJob is GET /v1/jobs/{id}.
func (s *Service) anyJob(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if !id.Has(auth.ScopeOperator) {
		return chat.Errorf(chat.CodeForbidden, "jobs need the scope %s", auth.ScopeOperator)
	}
	j, err := s.view.AnyJob(r.Context(), id.NS, chat.JobID(r.PathValue("id")))
	if err != nil {
		return err
	}
	out, err := job.Show(&j)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusOK, out)
	return nil
}
