package gateway

import (
	"net/http"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// mayJobs refuses who is no operator, before anything is looked at.
func mayJobs(id auth.Identity) error {
	if !id.Has(auth.ScopeOperator) {
		return chat.Errorf(chat.CodeForbidden, "jobs need the scope %s", auth.ScopeOperator)
	}
	return nil
}

// retryJob gives a job that was given up back, and ends the pause of one that waits.
// All that is read and decided is fenced by its attempt: of two requests at the same
// time one counts, and one that comes late changes nothing.
func (g *Gateway) retryJob(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if err := mayJobs(id); err != nil {
		return err
	}
	var in wire.RetryJob
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	if in.Attempt < 0 {
		return chat.Errorf(chat.CodeBadRequest, `"attempt" is not negative`)
	}
	j, err := g.view.AnyJob(r.Context(), id.NS, chat.JobID(r.PathValue("id")))
	if err != nil {
		return err
	}
	if in.Attempt == 0 {
		in.Attempt = j.Attempt
	}
	if j, err = g.opts.Store.ResolveJob(r.Context(), j.NS, j.ID, in.Attempt, store.JobNew); err != nil {
		return err
	}
	return g.answerJob(w, &j)
}

// cancelJob ends a job: one that was given up is dismissed, one that goes on ends after
// what is under way.
func (g *Gateway) cancelJob(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if err := mayJobs(id); err != nil {
		return err
	}
	j, err := g.view.AnyJob(r.Context(), id.NS, chat.JobID(r.PathValue("id")))
	if err != nil {
		return err
	}
	if cerr := job.Cancels(&j); cerr != nil {
		return cerr
	}
	if j.State == store.JobDead {
		j, err = g.opts.Store.ResolveJob(r.Context(), j.NS, j.ID, j.Attempt, store.JobDone)
	} else {
		j, err = g.opts.Store.CancelJob(r.Context(), j.NS, j.ID)
	}
	if err != nil {
		return err
	}
	return g.answerJob(w, &j)
}

func (g *Gateway) answerJob(w http.ResponseWriter, j *store.Job) error {
	out, err := job.Show(j)
	if err != nil {
		return err
	}
	g.jobs.Wake()
	g.keeper.runner.Wake()
	rest.JSON(w, http.StatusOK, out)
	return nil
}
