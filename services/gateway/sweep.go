package gateway

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
)

const (
	sweepPage  = 200 // conversations of one step
	sweepLooks = 100 // of which the oldest entry is read
)

// sweeper takes away what is older than the deployment keeps it, of conversations for
// which nobody has decided: [Options] Retention. It is one standing job for all of them,
// which walks over them in rounds, page by page with a pause, and saves how far it is
// after each: so one pod at a time works on it, on one conversation at a time, and
// whoever takes over goes on where it was left.
//
// Of most conversations their document tells that nothing is due. Of others the oldest
// entry is read; where that is too old, what will be done is written down, and then done
// as by [keeper]. The floor is raised only if still nobody has decided when the write is
// applied: a decision that was answered is never overtaken.
//
// A pod that keeps everything finishes what was written down, and begins nothing: no
// content stays behind a floor because a setting has changed.
type sweeper struct {
	k      *keeper
	lease  time.Duration
	hours  int // 0: everything is kept
	runner *jobs.Runner
}

func newSweeper(g *Gateway) *sweeper {
	o := g.standing()
	s := &sweeper{k: g.keeper, lease: o.Lease, hours: g.opts.Retention}
	o.Handlers = map[store.JobKind]jobs.Handler{job.KindSweep: s}
	s.runner = jobs.New(o)
	return s
}

// sweepID is the one job's. It is kept under the default tenant, and deals with all.
func sweepID() chat.JobID { return chat.NewJobID(chat.DefaultNS, string(job.KindSweep), "", "") }

// begin makes the job, once for the data's life.
func (s *sweeper) begin(ctx context.Context) error {
	if s.hours == 0 {
		return nil
	}
	_, err := s.k.g.opts.Store.CreateJob(ctx, store.Job{NS: chat.DefaultNS, ID: sweepID(), Kind: job.KindSweep,
		Hash: job.Hash(job.KindSweep), Payload: []byte("{}"), Progress: wire.Encode(&job.SweepProgress{})})
	if err != nil {
		return fmt.Errorf("make the job of retention: %w", err)
	}
	return nil
}

// Step implements [jobs.Handler]. As in [keeper], the store's clock decides what is too
// old: the one of the claim, which may be as long ago as a round takes.
func (s *sweeper) Step(ctx context.Context, j store.Job) (jobs.Step, error) {
	var p job.SweepProgress
	if err := job.Decode(j.Progress, &p); err != nil {
		return jobs.Step{}, err
	}
	switch {
	case p.Taking != nil:
		return s.take(ctx, &p)
	case s.hours == 0:
		return jobs.Step{Progress: wire.Encode(&p), Again: keepEvery}, nil
	}
	return s.walk(ctx, &p, j.Due.Add(-s.lease).Add(-time.Duration(s.hours)*time.Hour))
}

// walk looks at a page of conversations, or at as many as a quarter of the lease gives
// time for, until one has content from before since.
func (s *sweeper) walk(ctx context.Context, p *job.SweepProgress, since time.Time) (jobs.Step, error) {
	enough := time.Now().Add(s.lease / 4)
	list, err := s.k.g.opts.Conversations.ConversationsAfter(ctx, p.Key(), sweepPage)
	if err != nil {
		return jobs.Step{}, fmt.Errorf("list conversations: %w", err)
	}
	if len(list) == 0 {
		s.k.rounds.Add(1)
		s.k.g.log.Info("all conversations were looked at for content that is too old", "conversations", p.Seen)
		return jobs.Step{Progress: wire.Encode(&job.SweepProgress{}), Again: s.rest()}, nil
	}
	looks := 0
	for i := range list {
		c := &list[i]
		if !s.mayBeDue(c, since) {
			p.NS, p.Conv, p.Seen = c.NS, c.Conv, p.Seen+1
			continue
		}
		if looks++; looks > sweepLooks || looks > 1 && time.Now().After(enough) {
			break
		}
		if p.Taking, err = s.look(ctx, c, since); err != nil {
			return jobs.Step{}, err
		}
		if p.Taking != nil {
			return jobs.Step{Progress: wire.Encode(p)}, nil // and when that is saved, it is done
		}
		p.NS, p.Conv, p.Seen = c.NS, c.Conv, p.Seen+1
	}
	return jobs.Step{Progress: wire.Encode(p), Pause: keepPace}, nil
}

// mayBeDue tells from the document alone: nobody has decided, there is something, and
// it may be from before since.
func (s *sweeper) mayBeDue(c *chat.Conversation, since time.Time) bool {
	return !c.Keep.Decided() && max(c.Floor, 1) <= c.Last.Seq && c.Created.Before(since)
}

// look finds out what is too old; nil: nothing. A log that lacks what its head promises
// is passed over: it must not keep all others from being looked at.
func (s *sweeper) look(ctx context.Context, c *chat.Conversation, since time.Time) (*job.SweepTaking, error) {
	s.k.looks.Add(1)
	floor := max(c.Floor, 1)
	oldest, err := s.k.g.oldest(ctx, c.Key, floor)
	to := floor
	if err == nil && oldest.Before(since) {
		to, err = s.k.g.firstSince(ctx, *c, since)
	}
	if errors.Is(err, errNoEntry) {
		s.k.g.log.Error("a log has a hole; its content stays", "conv", c.Conv, "error", err)
		return nil, nil
	}
	if err != nil || to == floor {
		return nil, err
	}
	return &job.SweepTaking{NS: c.NS, Conv: c.Conv, Version: c.Keep.Version, Hours: s.hours, KeepProgress: job.KeepProgress{Floor: to, Next: floor}}, nil
}

// take does a part of what was written down. Where the deployment keeps content for
// another time now, the floor is not raised any more; what whoever wrote it down has
// left below it goes all the same.
func (s *sweeper) take(ctx context.Context, p *job.SweepProgress) (jobs.Step, error) {
	t, under := p.Taking, p.Taking.Under()
	to := t.Floor
	if t.Hours != s.hours {
		to = 1
	}
	left, err := s.k.takeBelow(ctx, t.Key(), &under, to, t.KeepProgress)
	switch {
	case errors.Is(err, store.ErrNotFound):
		p.Taking, p.NS, p.Conv = nil, t.NS, t.Conv
	case err != nil:
		return jobs.Step{}, err
	case left == job.KeepProgress{}:
		p.Taking = nil // and the next step looks at it again
	default:
		t.KeepProgress = left
	}
	return jobs.Step{Progress: wire.Encode(p), Pause: keepPace}, nil
}

// rest is the time between two rounds: a day, and of what is kept for days only, less.
func (s *sweeper) rest() time.Duration {
	return min(max(time.Duration(s.hours)*time.Hour/24, s.k.every), keepMost)
}
