package memstore

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

// job is a job across tenants.
type job struct {
	ns chat.NS
	id chat.JobID
}

// shown is a job without its payload.
func shown(j store.Job) store.Job {
	j.Payload, j.Progress = nil, slices.Clone(j.Progress)
	return j
}

// CreateJob implements [store.Jobs].
func (s *Store) CreateJob(ctx context.Context, j store.Job) (store.Job, error) {
	j.Payload, j.Progress = slices.Clone(j.Payload), slices.Clone(j.Progress)
	return write(ctx, s, Call{Op: OpCreateJob, User: j.Creator}, func() (store.Job, error) {
		kept, there := s.jobs[job{j.NS, j.ID}]
		if !there {
			now := s.now() // once: it may go on between two looks
			kept = store.Job{NS: j.NS, ID: j.ID, Kind: j.Kind, Creator: j.Creator, Hash: j.Hash, Payload: j.Payload,
				Progress: j.Progress, State: store.JobNew, Created: now, Due: now}
			s.jobs[job{j.NS, j.ID}] = kept
		}
		return shown(kept), nil
	})
}

// Jobs implements [store.Jobs].
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	return read(ctx, s, Call{Op: OpJobs}, func() ([]store.Job, error) {
		var out []store.Job
		for k, j := range s.jobs {
			if k.ns == q.NS && q.Wants(&j) {
				out = append(out, shown(j))
			}
		}
		return q.Sort(out), nil
	})
}

// ClaimJobs implements [store.Jobs].
func (s *Store) ClaimJobs(ctx context.Context, c store.Claim) ([]store.Job, error) {
	return write(ctx, s, Call{Op: OpClaimJobs, Pod: c.Owner}, func() ([]store.Job, error) {
		now := s.now()
		var out []store.Job
		for _, j := range s.jobs {
			if slices.Contains(c.Kinds, j.Kind) && !j.State.Ended() && !j.Due.After(now) {
				out = append(out, j)
			}
		}
		slices.SortFunc(out, func(a, b store.Job) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.ID, b.ID)) })
		out = out[:min(c.Limit, len(out))]
		for i := range out {
			j := &out[i]
			j.State, j.Owner, j.Due = store.JobLeased, c.Owner, now.Add(c.Lease)
			j.Attempt++
			j.Tries++
			j.Version = 0
			if j.Started.IsZero() {
				j.Started = now
			}
			s.jobs[job{j.NS, j.ID}] = *j
			j.Payload, j.Progress = slices.Clone(j.Payload), slices.Clone(j.Progress)
		}
		return out, nil
	})
}

// SaveJob implements [store.Jobs].
func (s *Store) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	j.Progress = slices.Clone(j.Progress)
	return write(ctx, s, Call{Op: OpSaveJob, Pod: j.Owner}, func() (store.Job, error) {
		k := job{j.NS, j.ID}
		kept, there := s.jobs[k]
		switch {
		case !there || kept.Attempt != j.Attempt && !mutant.Is(mutant.JobUnfenced) || kept.Version > j.Version:
			return store.Job{}, store.ErrConflict
		case kept.Version == j.Version:
			return shown(kept), nil
		}
		kept.State, kept.Tries, kept.Progress, kept.Failure, kept.Version = j.State, j.Tries, j.Progress, j.Failure, j.Version
		kept.Due = s.now()
		if !kept.State.Ended() {
			kept.Due = kept.Due.Add(wait)
		}
		if kept.State == store.JobDone || kept.State.Ended() && mutant.Is(mutant.DeadForgets) {
			kept.Payload = nil
		}
		s.jobs[k] = kept
		return shown(kept), nil
	})
}

// CancelJob implements [store.Jobs].
func (s *Store) CancelJob(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	return write(ctx, s, Call{Op: OpCancelJob}, func() (store.Job, error) {
		j, there := s.jobs[job{ns, id}]
		switch {
		case !there:
			return store.Job{}, store.ErrNotFound
		case j.State.Ended():
			return shown(j), nil
		}
		j.Cancel = true
		if now := s.now(); j.State == store.JobNew && j.Due.After(now) {
			j.Due = now
		}
		s.jobs[job{ns, id}] = j
		return shown(j), nil
	})
}

// ResolveJob implements [store.Jobs].
func (s *Store) ResolveJob(ctx context.Context, ns chat.NS, id chat.JobID, attempt int64, to store.JobState) (store.Job, error) {
	return write(ctx, s, Call{Op: OpResolveJob}, func() (store.Job, error) {
		j, there := s.jobs[job{ns, id}]
		if !there {
			return store.Job{}, store.ErrNotFound
		}
		if j.Resolve(attempt, to, s.now()) {
			if j.State == store.JobDone {
				j.Payload = nil
			}
			s.jobs[job{ns, id}] = j
		}
		return shown(j), nil
	})
}

// CountJobs implements [store.Jobs].
func (s *Store) CountJobs(ctx context.Context, kinds []store.JobKind, most int) ([]store.JobCount, error) {
	return read(ctx, s, Call{Op: OpCountJobs}, func() ([]store.JobCount, error) {
		now := s.now()
		var out []store.JobCount
		for _, kind := range kinds {
			for _, state := range []store.JobState{store.JobNew, store.JobLeased, store.JobDead} {
				c := store.JobCount{Kind: kind, State: state}
				for _, j := range s.jobs {
					if j.Kind == kind && j.State == state {
						c.Add(&j, now)
					}
				}
				if c.Jobs = min(c.Jobs, most); c.Jobs > 0 {
					out = append(out, c)
				}
			}
		}
		return out, nil
	})
}

// ForgetJobs implements [store.Jobs].
func (s *Store) ForgetJobs(ctx context.Context, kinds []store.JobKind, age time.Duration, limit int) (int, error) {
	return write(ctx, s, Call{Op: OpForgetJobs}, func() (int, error) {
		n, before := 0, s.now().Add(-age)
		for k, j := range s.jobs {
			if n < limit && slices.Contains(kinds, j.Kind) && j.State.Ended() && j.Due.Before(before) {
				delete(s.jobs, k)
				n++
			}
		}
		return n, nil
	})
}
