// Package jobs does the work that [store.Jobs] keeps: it claims jobs that are due,
// does them step by step, and saves after each step how far it is. A pod that dies
// in the middle of one loses its lease, and another pod goes on behind the last step
// that was saved; so a step may be done twice, and what it does must bear that.
package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/contain"
)

// Handler does jobs of one kind.
type Handler interface {
	// Step does the next part of a job, within ctx: half a lease at most, and no longer than the lease. It may have been done
	// before, as a whole or in part. A [chat.Error] that is not "unavailable" ends the
	// job, but a standing one; after any other error the step is done again later.
	Step(ctx context.Context, j store.Job) (Step, error)
}

// Step is what became of one.
type Step struct {
	Progress []byte        // in place of the job's
	Done     bool          // there is no other
	Pause    time.Duration // before the next one; a quarter of a lease at most
	Again    time.Duration // above 0: the job is given back, and due again after this
}

// Options configure a [Runner]. Store, Owner and Handlers are required.
type Options struct {
	Store    store.Jobs
	Owner    func() string // who works, for people to read
	Handlers map[store.JobKind]Handler
	Log      *slog.Logger // default: slog.Default()

	Parallel int           // jobs at a time; default 4
	Every    time.Duration // between two looks for jobs; default 2 s
	Lease    time.Duration // default 30 s
	Keep     time.Duration // for which ended jobs are kept; default 7 days
	Streak   int           // failures of a kind in a row after which it rests; default 5
	Rest     time.Duration // default 30 s
	Standing bool          // jobs are never given up: the last pause of all comes again and again
}

func (o *Options) setDefaults() {
	def := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Every, 2*time.Second)
	def(&o.Lease, 30*time.Second)
	def(&o.Keep, 7*24*time.Hour)
	def(&o.Rest, 30*time.Second)
	if o.Parallel == 0 {
		o.Parallel = 4
	}
	if o.Streak == 0 {
		o.Streak = 5
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
}

// Runner does jobs. Make it with [New]; Run works.
type Runner struct {
	opts Options
	wake chan struct{}
	busy sync.WaitGroup

	over, failures, givenUp atomic.Uint64
	panics                  contain.Panics

	mu      sync.Mutex
	running int
	kinds   map[store.JobKind]*kind
}

// Stats is what a runner counts.
type Stats struct {
	Ended    uint64 // jobs that ended here, those that were given up included
	Failures uint64 // steps that failed and are tried again
	GivenUp  uint64 // jobs that were given up
	Panics   uint64 // that were contained: those of steps are failures, too
}

// Add is the sum with another runner's.
func (s Stats) Add(o Stats) Stats {
	return Stats{Ended: s.Ended + o.Ended, Failures: s.Failures + o.Failures, GivenUp: s.GivenUp + o.GivenUp,
		Panics: s.Panics + o.Panics}
}

// Stats returns the present counts; it does not block.
func (r *Runner) Stats() Stats {
	return Stats{Ended: r.over.Load(), Failures: r.failures.Load(), GivenUp: r.givenUp.Load(), Panics: r.panics.Load()}
}

// kind is how jobs of a kind fare.
type kind struct {
	streak int       // failures since a step succeeded
	rest   time.Time // none is claimed before
}

// New makes a runner that does not run yet.
func New(o Options) *Runner {
	o.setDefaults()
	r := &Runner{opts: o, wake: make(chan struct{}, 1), kinds: make(map[store.JobKind]*kind)}
	for k := range o.Handlers {
		r.kinds[k] = &kind{}
	}
	return r
}

// Wake says that there may be a job. It does not block.
func (r *Runner) Wake() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// forgetEvery is how often ended jobs are looked for, in looks for jobs that are due.
const forgetEvery = 300

// Run works until ctx ends; then it gives back what it was doing, and returns. A step
// that panics has failed. Where something else does, a job is left to its lease, like that
// of a pod that has died, and the next look is the next.
func (r *Runner) Run(ctx context.Context) {
	defer r.busy.Wait()
	every := time.NewTicker(r.opts.Every)
	defer every.Stop()
	for n := 1; ; n++ {
		_ = r.panics.Do(r.opts.Log, "the look for jobs", func() error {
			r.claim(ctx)
			if n%forgetEvery == 0 {
				r.forget(ctx)
			}
			return nil
		})
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-every.C:
		}
	}
}

// ready are the kinds that do not rest, and for how many jobs there is room.
func (r *Runner) ready() (kinds []store.JobKind, room int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	for name, k := range r.kinds {
		if !k.rest.After(now) {
			kinds = append(kinds, name)
		}
	}
	return kinds, r.opts.Parallel - r.running
}

// claim takes jobs on, as many as there is room for.
func (r *Runner) claim(ctx context.Context) {
	kinds, room := r.ready()
	if room <= 0 || len(kinds) == 0 || ctx.Err() != nil {
		return
	}
	until := time.Now().Add(r.opts.Lease)
	asking, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	list, err := r.opts.Store.ClaimJobs(asking, store.Claim{Owner: r.opts.Owner(), Kinds: kinds, Lease: r.opts.Lease, Limit: room})
	if err != nil {
		if ctx.Err() == nil {
			r.opts.Log.Warn("could not look for jobs; trying again", "error", err)
		}
		return
	}
	r.mu.Lock()
	r.running += len(list)
	r.mu.Unlock()
	for _, j := range list {
		r.busy.Go(func() {
			defer r.ended()
			w := &work{r: r, job: j, until: until, log: r.opts.Log.With("job", j.ID, "kind", j.Kind, "attempt", j.Attempt)}
			_ = r.panics.Do(w.log, "a job", func() error {
				w.run(ctx, r.opts.Handlers[j.Kind])
				return nil
			})
		})
	}
}

func (r *Runner) ended() {
	r.mu.Lock()
	r.running--
	r.mu.Unlock()
	r.Wake() // there is room again, and the job may be due again
}

func (r *Runner) forget(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, r.opts.Lease)
	defer cancel()
	var kinds []store.JobKind
	for k := range r.opts.Handlers {
		kinds = append(kinds, k)
	}
	if _, err := r.opts.Store.ForgetJobs(ctx, kinds, r.opts.Keep, 500); err != nil && ctx.Err() == nil {
		r.opts.Log.Warn("could not remove old jobs; trying again later", "error", err)
	}
}

// went notes that a step of a kind succeeded or failed. After too many failures in a
// row the kind rests; then one more failure is enough.
func (r *Runner) went(name store.JobKind, well bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	k := r.kinds[name]
	if well {
		k.streak = 0
		return
	}
	if k.streak++; k.streak >= r.opts.Streak {
		k.rest = time.Now().Add(r.opts.Rest)
	}
}

// work is one job that this pod has the lease of.
type work struct {
	r     *Runner
	job   store.Job
	until time.Time // the lease, by this pod's clock, begun before the store's
	log   *slog.Logger
}

// run does steps until the job is ended, set back, or lost.
func (w *work) run(ctx context.Context, h Handler) {
	if w.job.Tries > MaxTries && !w.r.opts.Standing { // whoever did it died each time, without a word
		w.end(ctx, store.JobDead, "it was given up after too many tries")
		return
	}
	for {
		if w.job.Cancel {
			w.end(ctx, store.JobDone, "")
			return
		}
		step, err := w.step(ctx, h)
		switch {
		case ctx.Err() != nil:
			w.giveBack()
			return
		case err != nil:
			w.failed(ctx, err)
			return
		}
		w.r.went(w.job.Kind, true)
		w.job.Progress, w.job.Tries, w.job.Failure = step.Progress, 0, ""
		if step.Done {
			w.end(ctx, store.JobDone, "")
			return
		}
		if step.Again > 0 {
			w.job.State = store.JobNew
			w.save(ctx, step.Again)
			return
		}
		lease := w.r.opts.Lease
		if mutant.Is(mutant.LeaseNotRenewed) {
			lease = 0
		}
		if !w.save(ctx, lease) {
			return
		}
		if !sleep(ctx, min(step.Pause, w.r.opts.Lease/4)) {
			w.giveBack()
			return
		}
	}
}

// step ends before the lease does, however long the claim, or the save before, has taken.
func (w *work) step(ctx context.Context, h Handler) (step Step, err error) {
	begun := time.Now()
	by := begun.Add(w.r.opts.Lease / 2)
	if w.until.Before(by) && !mutant.Is(mutant.LeaseUnchecked) {
		by = w.until
	}
	ctx, cancel := context.WithDeadline(ctx, by)
	defer cancel()
	if !begun.Before(by) {
		return Step{}, fmt.Errorf("begin a step: %w", context.DeadlineExceeded)
	}
	err = w.r.panics.Do(w.log, "a step", func() error {
		step, err = h.Step(ctx, w.job)
		return err
	})
	return step, err
}

func (w *work) failed(ctx context.Context, err error) {
	giveUp, why := final(err)
	w.job.Failure = why
	if (giveUp || w.job.Tries >= MaxTries) && !w.r.opts.Standing {
		w.log.Error("a job was given up", "error", err)
		w.end(ctx, store.JobDead, why)
		return
	}
	w.r.went(w.job.Kind, false)
	// A step that succeeded has set Tries to 0; this failure is then the first.
	w.job.Tries = max(w.job.Tries, 1)
	wait := Delay(w.job.Tries, rand.Float64())
	w.r.failures.Add(1)
	w.log.Warn("a job failed; trying again later", "tries", w.job.Tries, "wait", wait, "error", err)
	w.job.State = store.JobNew
	w.save(ctx, wait)
}

func (w *work) end(ctx context.Context, state store.JobState, why string) {
	w.job.State, w.job.Failure = state, why
	w.r.over.Add(1)
	if state == store.JobDead {
		w.r.givenUp.Add(1)
	}
	w.save(ctx, 0)
}

// giveBack lets another pod go on at once, where the job has not ended. It is no failure.
func (w *work) giveBack() {
	ctx, cancel := context.WithTimeout(context.Background(), min(2*time.Second, w.r.opts.Lease))
	defer cancel()
	if !w.job.State.Ended() {
		w.job.State, w.job.Tries = store.JobNew, max(w.job.Tries-1, 0)
	}
	w.job.Version++
	if _, err := w.r.opts.Store.SaveJob(ctx, w.job, 0); err != nil {
		w.log.Warn("could not give a job back; its lease will end", "error", err)
	}
}

// save keeps what the job has come to, and renews its lease for wait. It tries until
// the lease is over; false: the job is not this pod's any more, or will not be.
func (w *work) save(ctx context.Context, wait time.Duration) bool {
	w.job.Version++
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		asked := time.Now()
		saving, cancel := context.WithDeadline(ctx, w.until)
		kept, err := w.r.opts.Store.SaveJob(saving, w.job, wait)
		cancel()
		switch {
		case err == nil:
			w.until = asked.Add(w.r.opts.Lease)
			w.job.Cancel = kept.Cancel
			w.hurry(ctx)
			return true
		case errors.Is(err, store.ErrConflict):
			w.log.Info("another pod has taken a job over")
			return false
		case ctx.Err() != nil:
			w.giveBack()
			return false
		}
		w.log.Warn("could not save a job; trying again", "error", err)
		if time.Now().Add(pause).After(w.until) || !sleep(ctx, pause) {
			return false // whoever claims it next does the step again
		}
	}
}

// hurry makes a job due at once that was cancelled while it was being set back.
func (w *work) hurry(ctx context.Context) {
	if !w.job.Cancel || w.job.State != store.JobNew {
		return
	}
	if _, err := w.r.opts.Store.CancelJob(ctx, w.job.NS, w.job.ID); err != nil {
		w.log.Warn("a cancelled job ends only after its pause", "error", err)
	}
}

func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
