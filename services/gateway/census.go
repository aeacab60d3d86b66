package gateway

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	censusEvery = time.Minute
	// censusMost bounds a count, of a kind in a state: an operator has to know that
	// there are many, not how many.
	censusMost = 1000
)

// JobCensus is what a pod has last counted of the jobs of all tenants. Every pod counts
// all of them, so of several pods the largest count is as good as any.
type JobCensus struct {
	States map[string]int // jobs that are not done, by state as it is shown; at most 1,000 of a kind
	Late   time.Duration  // since when the job that is due longest is due; 0: none is
}

func (c JobCensus) max(o JobCensus) JobCensus {
	sum := newCensus()
	for state := range sum.States {
		sum.States[state] = max(c.States[state], o.States[state])
	}
	sum.Late = max(c.Late, o.Late)
	return sum
}

func newCensus() JobCensus {
	return JobCensus{States: map[string]int{string(wire.JobWaiting): 0, string(wire.JobRunning): 0, string(wire.JobFailed): 0}}
}

// census counts jobs now and then.
type census struct {
	store store.Jobs
	every time.Duration
	warn  func(msg string, args ...any)
	last  atomic.Pointer[JobCensus]
}

func newJobCensus(g *Gateway) *census {
	c := &census{store: g.opts.Store, every: g.opts.census, warn: g.log.Warn}
	if c.every == 0 {
		c.every = censusEvery
	}
	none := newCensus()
	c.last.Store(&none)
	return c
}

// run counts until ctx ends, at times of its own, so that pods that were started
// together do not count together.
func (c *census) run(ctx context.Context) {
	wait := time.NewTimer(time.Duration(rand.Float64() * float64(c.every)))
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
		}
		if err := c.count(ctx); err != nil && ctx.Err() == nil {
			c.warn("could not count jobs; trying again later", "error", err)
		}
		wait.Reset(time.Duration((0.8 + 0.4*rand.Float64()) * float64(c.every)))
	}
}

// count replaces what was counted last; after an error that stays.
func (c *census) count(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.every)
	defer cancel()
	list, err := c.store.CountJobs(ctx, job.Kinds(), censusMost)
	if err != nil {
		return err
	}
	now := newCensus()
	for _, n := range list {
		state := job.StateOf(n.State)
		now.States[string(state)] += n.Jobs
		now.Late = max(now.Late, n.Late)
	}
	c.last.Store(&now)
	return nil
}
