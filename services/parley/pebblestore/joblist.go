package pebblestore

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// Jobs implements [store.Jobs]. A list walks the rows of its kinds from its place on
// until it has a page of each; rows of other tenants and states are passed over.
func (s *Store) Jobs(ctx context.Context, q store.JobQuery) ([]store.Job, error) {
	return read(ctx, s, "read jobs", []fence{fenceOf(s, jobsFence{})}, func() (out []store.Job, err error) {
		if q.ID != "" {
			j, there, err := getJob(s.db, q.NS, q.ID)
			if there {
				out = append(out, j)
			}
			return out, err
		}
		live, ended := true, false
		if len(q.States) > 0 {
			live = false
		}
		for _, st := range q.States {
			live, ended = live || !st.Ended(), ended || st.Ended()
		}
		for _, kind := range q.Kinds {
			for _, part := range []struct{ ended, wanted bool }{{false, live}, {true, ended}} {
				if !part.wanted {
					continue
				}
				if out, err = s.listJobs(out, &q, kind, part.ended); err != nil {
					return nil, err
				}
			}
		}
		return q.Sort(out), nil
	})
}

// listJobs adds a page of the jobs of a kind that have not ended, or have.
func (s *Store) listJobs(out []store.Job, q *store.JobQuery, kind store.JobKind, ended bool) (_ []store.Job, err error) {
	start := jobDueKey(kind, ended, time.Time{})
	bounds := pebble.IterOptions{LowerBound: start, UpperBound: jobDueKey(kind, ended, forever)}
	if q.After != (store.JobMark{}) && q.Newest {
		bounds.UpperBound = jobDueKey(kind, ended, q.After.Due.Add(time.Millisecond))
	} else if q.After != (store.JobMark{}) {
		bounds.LowerBound = jobDueKey(kind, ended, q.After.Due)
	}
	it, err := s.db.NewIter(&bounds)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	first, next := it.First, it.Next
	if q.Newest {
		first, next = it.Last, it.Prev
	}
	n := 0
	for ok := first(); ok && n < q.Limit; ok = next() {
		ns, id, ok := strings.Cut(string(it.Key()[len(start):]), "\x00")
		if !ok {
			return nil, errCorrupt
		}
		if chat.NS(ns) != q.NS {
			continue
		}
		j, there, err := getJob(s.db, chat.NS(ns), chat.JobID(id))
		if err != nil {
			return nil, err
		}
		if there && q.Wants(&j) {
			out = append(out, j)
			n++
		}
	}
	return out, nil // Close tells of an error that ended the loop
}

// ResolveJob implements [store.Jobs].
func (s *Store) ResolveJob(ctx context.Context, ns chat.NS, id chat.JobID, attempt int64, to store.JobState) (store.Job, error) {
	return s.changeJob(ctx, "resolve a job", ns, id, func(j *store.Job, there bool) (bool, error) {
		if !there {
			return false, store.ErrNotFound
		}
		return j.Resolve(attempt, to, s.storeTime()), nil
	})
}

// CountJobs implements [store.Jobs]. It walks the rows of what has not ended, and of what
// has, until it has most of each state.
func (s *Store) CountJobs(ctx context.Context, kinds []store.JobKind, most int) ([]store.JobCount, error) {
	return read(ctx, s, "count jobs", []fence{fenceOf(s, jobsFence{})}, func() (out []store.JobCount, err error) {
		now := s.storeTime()
		for _, kind := range kinds {
			counts := [store.JobDead + 1]store.JobCount{}
			for _, ended := range []bool{false, true} {
				err := jobRows(s.db, kind, ended, forever, func(ns chat.NS, id chat.JobID) (bool, error) {
					j, there, err := getJob(s.db, ns, id)
					if c := &counts[j.State]; there && c.Jobs < most {
						c.Kind, c.State = kind, j.State
						c.Add(&j, now)
					}
					full := counts[store.JobDead].Jobs >= most
					if !ended {
						full = counts[store.JobNew].Jobs >= most && counts[store.JobLeased].Jobs >= most
					}
					return !full, err
				})
				if err != nil {
					return nil, err
				}
			}
			for _, state := range []store.JobState{store.JobNew, store.JobLeased, store.JobDead} {
				if counts[state].Jobs > 0 {
					out = append(out, counts[state])
				}
			}
		}
		return out, nil
	})
}
