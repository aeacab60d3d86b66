package gateway

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/jobs"
)

const (
	keepStep  = 1000                   // entries of one step
	keepPace  = 200 * time.Millisecond // after a step
	keepLease = 30 * time.Second
	keepLook  = 30 * time.Second // between two looks for conversations that are due
	keepEvery = time.Hour        // between two looks at a conversation, at least
	keepMost  = 24 * time.Hour   // and at most
)

// keeper takes away what is older than its conversation is kept. Every decision of
// somebody, see [chat.Keep], is a standing job: it puts the decision into the
// conversation, and comes back whenever its oldest entry may be too old, until another
// decision is there. So a conversation is looked at by one pod at a time, one that has
// no policy never, and a pod works on one at a time.
//
// A look reads the conversation and its oldest entry. Where that is too old, a step
// writes down what will be done, and the following ones do what [Gateway.setRetention]
// does: the floor first, then what is below it. Each may be repeated.
type keeper struct {
	g      *Gateway
	lease  time.Duration
	every  time.Duration
	runner *jobs.Runner

	looks, raised, rounds atomic.Uint64 // those of the sweeper as well
}

// KeepStats is what a pod counts of conversations that are kept for a time.
type KeepStats struct {
	Looks    uint64 // at conversations
	Raised   uint64 // floors
	Rounds   uint64 // over all conversations, that came to their end here
	Failures uint64 // steps that failed and are tried again
}

func (s KeepStats) add(o KeepStats) KeepStats {
	return KeepStats{Looks: s.Looks + o.Looks, Raised: s.Raised + o.Raised, Rounds: s.Rounds + o.Rounds, Failures: s.Failures + o.Failures}
}

// keepOptions adjust a keeper.
type keepOptions struct {
	jobs  jobs.Options  // Every and Lease
	every time.Duration // between two looks at a conversation, at least
}

func newKeeper(g *Gateway) *keeper {
	o := g.standing()
	k := &keeper{g: g, lease: o.Lease, every: g.opts.keep.every}
	if k.every == 0 {
		k.every = keepEvery
	}
	o.Handlers = map[store.JobKind]jobs.Handler{job.KindKeep: k}
	k.runner = jobs.New(o)
	return k
}

// standing is how jobs that never end are done.
func (g *Gateway) standing() jobs.Options {
	o := g.opts.keep.jobs
	o.Store, o.Owner, o.Log = g.opts.Store, g.journal.Pod, g.log
	o.Parallel, o.Standing = 1, true
	if o.Every == 0 {
		o.Every = keepLook
	}
	if o.Lease == 0 {
		o.Lease = keepLease
	}
	return o
}

func (k *keeper) stats() KeepStats {
	return KeepStats{Looks: k.looks.Load(), Raised: k.raised.Load(), Rounds: k.rounds.Load(),
		Failures: k.runner.Stats().Failures + k.g.sweeper.runner.Stats().Failures}
}

// decide sets for how long a conversation is kept. Its job is made first: whatever
// becomes of this pod then, the conversation has the policy, and somebody looks after
// it, or it has not.
func (k *keeper) decide(ctx context.Context, id auth.Identity, c *chat.Conversation, what job.Keep) (chat.Keep, error) {
	what.Conv, what.Above = c.Conv, c.Keep.Version
	made, err := k.g.opts.Store.CreateJob(ctx, store.Job{NS: c.NS, ID: chat.NewJobID(c.NS, string(job.KindKeep), id.User, chat.CMID(rand.Text())),
		Kind: job.KindKeep, Creator: id.User, Hash: job.Hash(&what), Payload: wire.Encode(&what), Progress: wire.Encode(&job.KeepProgress{Conv: c.Conv})})
	if err != nil {
		return chat.Keep{}, fmt.Errorf("keep a decision: %w", err)
	}
	defer k.runner.Wake()
	kept, err := k.g.opts.Store.SetKeep(ctx, c.Key, what.Policy(made.Created))
	if err != nil {
		return chat.Keep{}, fmt.Errorf("set how long a conversation is kept: %w", err)
	}
	return kept, nil
}

// Step implements [jobs.Handler]. What is too old is decided by the store's clock when
// the job was claimed: a pod whose own is wrong now takes nothing away early. Entries
// have the times of the pods that stored them.
func (k *keeper) Step(ctx context.Context, j store.Job) (jobs.Step, error) {
	var what job.Keep
	var p job.KeepProgress
	if err := errors.Join(job.Decode(j.Payload, &what), job.Decode(j.Progress, &p)); err != nil {
		return jobs.Step{}, err
	}
	key, policy := chat.Key{NS: j.NS, Conv: what.Conv}, what.Policy(j.Created)
	if p.Floor != 0 {
		return k.take(ctx, key, policy, p)
	}
	return k.look(ctx, key, policy, j.Due.Add(-k.lease))
}

// look finds out what is too old, and writes it down.
func (k *keeper) look(ctx context.Context, key chat.Key, policy chat.Keep, now time.Time) (jobs.Step, error) {
	c, err := k.current(ctx, key, policy)
	if err != nil || c == nil {
		return jobs.Step{Done: err == nil}, err
	}
	k.looks.Add(1)
	floor := max(c.Floor, 1)
	if floor > c.Last.Seq { // whatever comes is kept this long
		return k.again(key.Conv, policy.Duration()), nil
	}
	oldest, err := k.g.oldest(ctx, key, floor)
	if err != nil {
		return jobs.Step{}, err
	}
	since := now.Add(-policy.Duration())
	if left := oldest.Sub(since); left >= 0 {
		return k.again(key.Conv, left), nil
	}
	p := job.KeepProgress{Conv: key.Conv, Next: floor}
	if p.Floor, err = k.g.firstSince(ctx, *c, since); err != nil {
		return jobs.Step{}, err
	}
	return jobs.Step{Progress: wire.Encode(&p)}, nil
}

// current is the conversation, if this policy is the one that it has, or gets now; nil:
// another one was decided, or everything is kept.
func (k *keeper) current(ctx context.Context, key chat.Key, policy chat.Keep) (*chat.Conversation, error) {
	convs, err := k.g.opts.Store.ConversationsByKey(ctx, []chat.Key{key})
	if err != nil {
		return nil, fmt.Errorf("read conversation: %w", err)
	}
	if len(convs) == 0 {
		return nil, nil
	}
	c := &convs[0]
	if c.Keep.Below(policy) {
		if c.Keep, err = k.g.opts.Store.SetKeep(ctx, key, policy); err != nil {
			return nil, fmt.Errorf("set how long a conversation is kept: %w", err)
		}
	}
	if c.Keep != policy || policy.Hours == 0 {
		return nil, nil
	}
	return c, nil
}

// again comes back when something may be too old. Not before an hour has passed: so it
// may be kept for one longer.
func (k *keeper) again(conv chat.ConvID, left time.Duration) jobs.Step {
	return jobs.Step{Progress: wire.Encode(&job.KeepProgress{Conv: conv}), Again: min(max(left, k.every), keepMost)}
}

// take does a part of what was written down. Where another policy was decided meanwhile
// the floor stays where it is; what an earlier try has left below it goes all the same.
func (k *keeper) take(ctx context.Context, key chat.Key, policy chat.Keep, p job.KeepProgress) (jobs.Step, error) {
	p, err := k.takeBelow(ctx, key, &policy, p.Floor, p)
	if errors.Is(err, store.ErrNotFound) {
		return jobs.Step{Done: true}, nil
	}
	if err != nil {
		return jobs.Step{}, err
	}
	p.Conv = key.Conv
	return jobs.Step{Progress: wire.Encode(&p), Pause: keepPace}, nil // without a floor: the next step looks again
}

// takeBelow raises the floor to a seq, where the conversation has the policy under and
// p does not say that it has been tried, and takes a part of what is below it away, and
// below p's. It returns how far that is; zero: it is done.
func (k *keeper) takeBelow(ctx context.Context, key chat.Key, under *chat.Keep, to chat.Seq, p job.KeepProgress) (job.KeepProgress, error) {
	if !p.Raised {
		floor, err := k.g.opts.Store.RaiseFloor(ctx, key, to, under)
		if err != nil {
			return p, fmt.Errorf("raise floor: %w", err)
		}
		if floor >= p.Floor {
			k.raised.Add(1)
		}
		p.Floor, p.Raised = min(p.Floor, floor), true
	}
	next, err := k.g.blankBelow(ctx, key, p.Floor, p.Next, keepStep)
	if err != nil {
		return p, err
	}
	if p.Next = next; next == 0 {
		return job.KeepProgress{}, nil
	}
	return p, nil
}

// errNoEntry is what a log lacks that its head or floor promises.
var errNoEntry = errors.New("there is no such entry")

// oldest is when the entry at the floor was stored.
func (g *Gateway) oldest(ctx context.Context, key chat.Key, floor chat.Seq) (time.Time, error) {
	list, err := g.opts.Store.Entries(ctx, key, store.Range{After: floor - 1, Limit: 1})
	if err == nil && len(list) == 0 {
		err = fmt.Errorf("%s, seq %d: %w", key.Conv, floor, errNoEntry)
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the oldest entry: %w", err)
	}
	return list[0].Time, nil
}
