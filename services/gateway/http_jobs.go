package gateway

import (
	"context"
	"net/http"
	"sync"

	"github.com/go-chi/chi/v5"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
)

// jobRoutes make and cancel what is done in the background.
func (g *Gateway) jobRoutes(r chi.Router) {
	r.Post("/v1/broadcasts", g.api.Handle(g.createBroadcast))
	r.Delete("/v1/broadcasts/{id}", g.api.Handle(g.cancelBroadcast))
	r.Post("/v1/users/{user}/erase", g.api.Handle(g.eraseUser))
	r.Post("/v1/jobs/{id}/retry", g.api.Handle(g.retryJob))
	r.Delete("/v1/jobs/{id}", g.api.Handle(g.cancelJob))
}

// newJobs makes this pod's worker.
func (g *Gateway) newJobs() *jobs.Runner {
	o := g.opts.jobs
	o.Store, o.Owner, o.Log = g.opts.Store, g.journal.Pod, g.log
	o.Handlers = map[store.JobKind]jobs.Handler{job.KindBroadcast: broadcaster{g}, job.KindErasure: eraser{g}}
	return jobs.New(o)
}

// work begins to do jobs.
func (g *Gateway) work() {
	ctx, cancel := context.WithCancel(g.ctx)
	var running sync.WaitGroup
	running.Go(func() { g.jobs.Run(ctx) })
	running.Go(func() { g.keeper.runner.Run(ctx) })
	running.Go(func() { g.sweeper.runner.Run(ctx) })
	running.Go(func() { g.census.run(ctx) })
	g.endWork = func() {
		cancel()
		running.Wait()
	}
}

// createJob keeps a job once, however often it is asked for, and wakes the worker. A
// tenant has at most most jobs of a kind that have not ended; fill makes what is in a
// new one.
func (g *Gateway) createJob(ctx context.Context, j store.Job, most int, fill func() (payload, progress any, err error)) (store.Job, error) {
	known, err := g.opts.Store.Jobs(ctx, store.JobQuery{NS: j.NS, ID: j.ID, Limit: 1})
	if err != nil {
		return j, err
	}
	if len(known) == 0 {
		open, err := g.opts.Store.Jobs(ctx, store.JobQuery{NS: j.NS, Kinds: []store.JobKind{j.Kind}, Limit: most})
		if err != nil {
			return j, err
		}
		if len(open) >= most {
			return j, chat.Errorf(chat.CodeRateLimited, "%d of these are under way, which is the most; wait for one to end", most)
		}
		payload, progress, err := fill()
		if err != nil {
			return j, err
		}
		j.Payload, j.Progress = wire.Encode(payload), wire.Encode(progress)
		kept, err := g.opts.Store.CreateJob(ctx, j)
		if err != nil {
			return j, err
		}
		known = []store.Job{kept}
		g.jobs.Wake()
	}
	if known[0].Hash != j.Hash {
		return j, chat.Errorf(chat.CodeCMIDConflict, "this cmid has made another request")
	}
	return known[0], nil
}

// eraseUser makes the job that takes away what a user has left.
func (g *Gateway) eraseUser(w http.ResponseWriter, r *http.Request, id auth.Identity) error {
	if !id.Has(auth.ScopeEraseAny) {
		return chat.Errorf(chat.CodeForbidden, "an erasure needs the scope %s", auth.ScopeEraseAny)
	}
	user, err := rest.PathUser(r, "user")
	if err != nil {
		return err
	}
	var in wire.NewErasure
	if err := rest.ReadJSON(w, r, int64(g.opts.Limits.Frame), &in); err != nil {
		return err
	}
	cmid, err := cmidOf(r, in.CMID)
	if err != nil {
		return err
	}
	what := job.Erasure{User: user}
	j := store.Job{NS: id.NS, ID: chat.NewJobID(id.NS, string(job.KindErasure), id.User, cmid),
		Kind: job.KindErasure, Creator: id.User, Hash: job.Hash(&what)}
	kept, err := g.createJob(r.Context(), j, wire.MaxErasures, func() (payload, progress any, err error) {
		return what, job.ErasureProgress{User: user}, nil
	})
	if err != nil {
		return err
	}
	out, err := job.ShowErasure(&kept)
	if err != nil {
		return err
	}
	rest.JSON(w, http.StatusAccepted, out)
	return nil
}
