package pebblestore

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

const jobLayout = 1

// jobsFence stands for all jobs.
type jobsFence struct{}

func jobKey(ns chat.NS, id chat.JobID) []byte {
	return append(row(nil, tableJob, string(ns)), id...)
}

func payloadKey(ns chat.NS, id chat.JobID) []byte {
	return append(row(nil, tablePayload, string(ns)), id...)
}

// jobDueKey sorts the jobs of a kind that have not ended, and those that have, by
// time in milliseconds since 1970.
func jobDueKey(kind store.JobKind, ended bool, due time.Time) []byte {
	k := append(row(nil, tableJobDue, string(kind)), flag(ended, 1))
	return number(k, uint64(max(due.UnixMilli(), 0)))
}

func jobRowKey(j *store.Job) []byte {
	k := append(jobDueKey(j.Kind, j.State.Ended(), j.Due), j.NS...)
	return append(append(k, 0), j.ID...)
}

// Zero times are not of 1970.
func appendJobTime(dst []byte, t time.Time) []byte {
	if t.IsZero() {
		return appendInt(dst, 0)
	}
	return appendTime(dst, t)
}

func (d *decoder) jobTime() time.Time {
	if ms := d.varint(); ms != 0 {
		return time.UnixMilli(ms).UTC()
	}
	return time.Time{}
}

func appendJob(dst []byte, j *store.Job) []byte {
	dst = append(dst, jobLayout)
	dst = appendString(dst, j.Kind)
	dst = appendString(dst, j.Creator)
	dst = append(dst, j.Hash[:]...)
	dst = appendJobTime(dst, j.Created)
	dst = appendJobTime(dst, j.Started)
	dst = append(dst, byte(j.State), flag(j.Cancel, 1))
	dst = appendJobTime(dst, j.Due)
	dst = appendString(dst, j.Owner)
	dst = appendInt(dst, j.Attempt)
	dst = appendInt(dst, j.Version)
	dst = appendInt(dst, j.Tries)
	dst = appendString(dst, string(j.Progress))
	return appendString(dst, j.Failure)
}

func decodeJob(ns chat.NS, id chat.JobID, v []byte) (store.Job, error) {
	d, err := decode(v, jobLayout)
	if err != nil {
		return store.Job{}, err
	}
	j := store.Job{NS: ns, ID: id, Kind: store.JobKind(d.string()), Creator: chat.User(d.string())}
	copy(j.Hash[:], d.take(uint64(len(j.Hash))))
	j.Created, j.Started = d.jobTime(), d.jobTime()
	j.State, j.Cancel = store.JobState(d.byte()), d.byte() == 1
	j.Due = d.jobTime()
	j.Owner = d.string()
	j.Attempt, j.Version, j.Tries = d.varint(), d.varint(), int(d.varint())
	if p := d.string(); p != "" {
		j.Progress = []byte(p)
	}
	j.Failure = d.string()
	return j, d.done()
}

func getJob(r pebble.Reader, ns chat.NS, id chat.JobID) (j store.Job, there bool, err error) {
	v, err := get(r, jobKey(ns, id))
	if err != nil || v == nil {
		return j, false, err
	}
	j, err = decodeJob(ns, id, v)
	return j, err == nil, err
}

// putJob writes a job, and its row in place of that of old. A job that is done loses
// its payload.
func (w *write) putJob(old, j *store.Job) error {
	if old != nil {
		if err := w.changes().Delete(jobRowKey(old), nil); err != nil {
			return err
		}
	}
	if j.State == store.JobDone || j.State.Ended() && mutant.Is(mutant.DeadForgets) {
		if err := w.changes().Delete(payloadKey(j.NS, j.ID), nil); err != nil {
			return err
		}
	}
	if err := w.set(jobRowKey(j), nil); err != nil {
		return err
	}
	return w.set(jobKey(j.NS, j.ID), appendJob(nil, j))
}

// storeTime is the store's clock as jobs keep it: in milliseconds.
func (s *Store) storeTime() time.Time { return s.now().UTC().Truncate(time.Millisecond) }

// CreateJob implements [store.Jobs].
func (s *Store) CreateJob(ctx context.Context, j store.Job) (kept store.Job, err error) {
	if err := checkNames(string(j.NS), string(j.ID), string(j.Kind)); err != nil {
		return kept, err
	}
	err = s.update(ctx, "create a job", func(w *write) error {
		w.mark(fenceOf(s, jobsFence{}))
		var there bool
		if kept, there, err = getJob(w.reader(), j.NS, j.ID); there || err != nil {
			return err
		}
		now := s.storeTime()
		kept = store.Job{NS: j.NS, ID: j.ID, Kind: j.Kind, Creator: j.Creator, Hash: j.Hash,
			Progress: slices.Clone(j.Progress), State: store.JobNew, Created: now, Due: now}
		if err := w.set(payloadKey(j.NS, j.ID), j.Payload); err != nil {
			return err
		}
		return w.putJob(nil, &kept)
	})
	return kept, err
}

// jobRows walks the rows of a kind that have not ended, or have, due before a time.
func jobRows(r pebble.Reader, kind store.JobKind, ended bool, before time.Time, row func(ns chat.NS, id chat.JobID) (bool, error)) error {
	lower, upper := jobDueKey(kind, ended, time.Time{}), jobDueKey(kind, ended, before)
	return scan(r, lower, upper, func(k, _ []byte) (bool, error) {
		ns, id, ok := strings.Cut(string(k[len(lower):]), "\x00")
		if !ok {
			return false, errCorrupt
		}
		return row(chat.NS(ns), chat.JobID(id))
	})
}

// forever is after every time that a job is due.
var forever = time.UnixMilli(1 << 60)

// ClaimJobs implements [store.Jobs].
func (s *Store) ClaimJobs(ctx context.Context, c store.Claim) (out []store.Job, err error) {
	err = s.update(ctx, "claim jobs", func(w *write) error {
		w.mark(fenceOf(s, jobsFence{}))
		now := s.storeTime()
		var found []store.Job
		for _, kind := range c.Kinds {
			n := 0
			err := jobRows(w.reader(), kind, false, now.Add(time.Millisecond), func(ns chat.NS, id chat.JobID) (bool, error) {
				j, there, err := getJob(w.reader(), ns, id)
				if there {
					found = append(found, j)
					n++
				}
				return n < c.Limit, err
			})
			if err != nil {
				return err
			}
		}
		slices.SortStableFunc(found, func(a, b store.Job) int { return a.Due.Compare(b.Due) })
		out = found[:min(c.Limit, len(found))]
		for i := range out {
			if err := w.claimJob(&out[i], c, now); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (w *write) claimJob(j *store.Job, c store.Claim, now time.Time) error {
	old := *j
	j.State, j.Owner, j.Due = store.JobLeased, c.Owner, now.Add(c.Lease)
	j.Attempt++
	j.Tries++
	j.Version = 0
	if j.Started.IsZero() {
		j.Started = now
	}
	v, err := get(w.reader(), payloadKey(j.NS, j.ID))
	if err != nil {
		return err
	}
	j.Payload = v
	return w.putJob(&old, j)
}

// changeJob runs change over a job in a turn of its own; false: nothing is written.
func (s *Store) changeJob(ctx context.Context, verb string, ns chat.NS, id chat.JobID, change func(j *store.Job, there bool) (bool, error)) (j store.Job, err error) {
	err = s.update(ctx, verb, func(w *write) error {
		w.mark(fenceOf(s, jobsFence{}))
		var there bool
		if j, there, err = getJob(w.reader(), ns, id); err != nil {
			return err
		}
		old := j
		if changed, err := change(&j, there); err != nil || !changed {
			return err
		}
		return w.putJob(&old, &j)
	})
	if err != nil {
		return store.Job{}, err
	}
	return j, nil
}

// SaveJob implements [store.Jobs].
func (s *Store) SaveJob(ctx context.Context, j store.Job, wait time.Duration) (store.Job, error) {
	return s.changeJob(ctx, "save a job", j.NS, j.ID, func(kept *store.Job, there bool) (bool, error) {
		if !there || kept.Attempt != j.Attempt || kept.Version > j.Version {
			return false, store.ErrConflict
		}
		if kept.Version == j.Version {
			return false, nil
		}
		kept.State, kept.Tries, kept.Progress, kept.Failure, kept.Version = j.State, j.Tries, slices.Clone(j.Progress), j.Failure, j.Version
		kept.Due = s.storeTime()
		if !kept.State.Ended() {
			kept.Due = kept.Due.Add(wait).Truncate(time.Millisecond)
		}
		return true, nil
	})
}

// CancelJob implements [store.Jobs].
func (s *Store) CancelJob(ctx context.Context, ns chat.NS, id chat.JobID) (store.Job, error) {
	return s.changeJob(ctx, "cancel a job", ns, id, func(j *store.Job, there bool) (bool, error) {
		switch {
		case !there:
			return false, store.ErrNotFound
		case j.State.Ended():
			return false, nil
		}
		j.Cancel = true
		if now := s.storeTime(); j.State == store.JobNew && j.Due.After(now) {
			j.Due = now
		}
		return true, nil
	})
}

// ForgetJobs implements [store.Jobs].
func (s *Store) ForgetJobs(ctx context.Context, kinds []store.JobKind, age time.Duration, limit int) (n int, err error) {
	err = s.update(ctx, "forget jobs", func(w *write) error {
		w.mark(fenceOf(s, jobsFence{}))
		n = 0
		for _, kind := range kinds {
			err := jobRows(s.db, kind, true, s.storeTime().Add(-age), func(ns chat.NS, id chat.JobID) (bool, error) {
				if n >= limit {
					return false, nil
				}
				j, there, err := getJob(s.db, ns, id)
				if err != nil || !there {
					return true, err
				}
				n++
				return true, w.dropJob(&j)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

func (w *write) dropJob(j *store.Job) error {
	for _, k := range [][]byte{jobRowKey(j), jobKey(j.NS, j.ID), payloadKey(j.NS, j.ID)} {
		if err := w.changes().Delete(k, nil); err != nil {
			return err
		}
	}
	return nil
}
