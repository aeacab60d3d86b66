package storetest

import (
	"slices"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var allJobStates = []store.JobState{store.JobNew, store.JobLeased, store.JobDone, store.JobDead}

// ended makes a job and ends it as a worker would.
func (f *fixture) ended(kind store.JobKind, state store.JobState) store.Job {
	f.Helper()
	f.job(kind)
	c := f.claimed(time.Hour, kind)
	c.Version, c.State, c.Failure = 1, state, "a reason"
	return f.saveJob(c, 0)
}

// jobsOf are all jobs of a kind, by state.
func (f *fixture) jobsOf(kind store.JobKind, states ...store.JobState) (ids []chat.JobID) {
	f.Helper()
	list, err := f.Jobs(f.ctx, store.JobQuery{NS: f.ns, Kinds: []store.JobKind{kind}, States: states, Limit: 100})
	f.ok("jobs", err)
	for _, j := range list {
		ids = append(ids, j.ID)
		same(f, "payload", len(j.Payload), 0)
	}
	return ids
}

func jobList(f *fixture) {
	a, b := jobKind(), jobKind()
	dead, done := f.ended(a, store.JobDead), f.ended(a, store.JobDone)
	f.job(a)
	leased := f.claimed(time.Hour, a)
	waits := f.job(a)
	other := f.job(b)
	for _, c := range []struct {
		states []store.JobState
		want   []chat.JobID
	}{
		{nil, []chat.JobID{waits.ID, leased.ID}}, {[]store.JobState{store.JobNew}, []chat.JobID{waits.ID}},
		{[]store.JobState{store.JobLeased}, []chat.JobID{leased.ID}}, {[]store.JobState{store.JobDone}, []chat.JobID{done.ID}},
		{[]store.JobState{store.JobDead}, []chat.JobID{dead.ID}}, {[]store.JobState{store.JobDead, store.JobNew}, []chat.JobID{dead.ID, waits.ID}},
	} {
		got := f.jobsOf(a, c.states...)
		slices.Sort(got)
		slices.Sort(c.want)
		same(f, "jobs", got, c.want)
	}
	list, err := f.Jobs(f.ctx, store.JobQuery{NS: f.ns, Kinds: []store.JobKind{a, b}, States: allJobStates, Limit: 100})
	f.ok("jobs", err)
	same(f, "of both kinds", len(list), 5)
	same(f, "the last one", list[4].ID, leased.ID) // its lease ends in an hour
	if !slices.ContainsFunc(list, func(j store.Job) bool { return j.ID == other.ID }) {
		f.Errorf("jobs: %+v", list)
	}
	list, err = f.Jobs(f.ctx, store.JobQuery{NS: ns(), Kinds: []store.JobKind{a, b}, States: allJobStates, Limit: 100})
	f.ok("jobs of another tenant", err)
	same(f, "of another tenant", len(list), 0)
}

func jobPages(f *fixture) {
	kind := jobKind()
	for i := range 7 {
		switch i % 3 {
		case 0:
			f.ended(kind, store.JobDead)
		case 1:
			f.ended(kind, store.JobDone)
		}
	}
	for range 4 {
		f.job(kind) // some of them in one millisecond
	}
	for _, newest := range []bool{false, true} {
		q := store.JobQuery{NS: f.ns, Kinds: []store.JobKind{kind}, States: allJobStates, Newest: newest, Limit: 100}
		all, err := f.Jobs(f.ctx, q)
		f.ok("jobs", err)
		same(f, "all", len(all), 9)
		for i := 1; i < len(all); i++ {
			if side := all[i-1].Mark().Compare(all[i].Mark()); newest == (side < 0) || side == 0 {
				f.Errorf("newest %v: %v before %v", newest, all[i-1].Mark(), all[i].Mark())
			}
		}
		var paged []store.Job
		for q.Limit = 2; f.ctx.Err() == nil; {
			page, err := f.Jobs(f.ctx, q)
			f.ok("jobs", err)
			if paged = append(paged, page...); len(page) < q.Limit {
				break
			}
			q.After = page[len(page)-1].Mark()
		}
		same(f, "in pages", paged, all)
	}
}

// resolve decides about a job, twice: the second time nothing changes.
func (f *fixture) resolve(j store.Job, to store.JobState) store.Job {
	f.Helper()
	got, err := f.ResolveJob(f.ctx, f.ns, j.ID, j.Attempt, to)
	f.ok("resolve", err)
	again, err := f.ResolveJob(f.ctx, f.ns, j.ID, j.Attempt, to)
	f.ok("resolve again", err)
	same(f, "after a repeat", again, got)
	same(f, "kept", f.keptJob(j.ID), got)
	return got
}

func jobRetry(f *fixture) {
	kind := jobKind()
	f.job(kind)
	c := f.claimed(time.Hour, kind)
	_, err := f.CancelJob(f.ctx, f.ns, c.ID)
	f.ok("cancel", err)
	c.Version, c.State, c.Failure = 5, store.JobDead, "a reason"
	dead := f.saveJob(c, 0)
	_, err = f.ResolveJob(f.ctx, f.ns, "j_nothing", 1, store.JobNew)
	f.is("resolve of nothing", err, store.ErrNotFound)
	got, err := f.ResolveJob(f.ctx, f.ns, dead.ID, dead.Attempt-1, store.JobNew)
	f.ok("resolve of an older attempt", err)
	same(f, "an older attempt", got, dead)

	want := dead
	want.State, want.Attempt, want.Version, want.Tries, want.Cancel = store.JobNew, 2, 0, 0, false
	got = f.resolve(dead, store.JobNew)
	if got.Due.Before(dead.Due) {
		f.Errorf("due %v, it died at %v", got.Due, dead.Due)
	}
	want.Due = got.Due
	same(f, "given back", got, want)
	for range 2 { // before and after the next claim
		for _, state := range allJobStates {
			c.Version, c.State, c.Progress = c.Version+1, state, []byte("stale")
			_, err = f.SaveJob(f.ctx, c, 0)
			f.is("save of who gave it up", err, store.ErrConflict)
		}
		if got.Attempt == 2 {
			got = f.claimed(time.Hour, kind)
			same(f, "attempt", got.Attempt, int64(3))
			same(f, "tries", got.Tries, 1)
			same(f, "payload", string(got.Payload), "what\x00 to do")
			same(f, "progress", string(got.Progress), `{"n":1}`)
		}
	}
	// It dies once more: what was decided about its first death says nothing of this one.
	got.Version, got.State = 1, store.JobDead
	got = f.saveJob(got, 0)
	same(f, "after its second death", f.resolve(dead, store.JobNew), got)
	same(f, "given back again", f.resolve(got, store.JobNew).State, store.JobNew)
}

func jobDismiss(f *fixture) {
	kind := jobKind()
	f.job(kind)
	c := f.claimed(time.Hour, kind)
	c.Version, c.State, c.Failure = 1, store.JobDead, "a reason"
	dead := f.saveJob(c, 0)
	want := dead
	want.State, want.Attempt, want.Version, want.Cancel = store.JobDone, 2, 0, true
	got := f.resolve(dead, store.JobDone)
	want.Due = got.Due
	same(f, "dismissed", got, want)
	for _, state := range allJobStates {
		c.Version, c.State = c.Version+1, state
		_, err := f.SaveJob(f.ctx, c, 0)
		f.is("save of who gave it up", err, store.ErrConflict)
	}
	same(f, "given back after that", f.resolve(got, store.JobNew), got)
	same(f, "claimed", len(f.claim(time.Hour, 9, kind)), 0)
}

func jobResolveOpen(f *fixture) {
	kind := jobKind()
	f.job(kind)
	c := f.claimed(time.Hour, kind)
	c.Version = 1
	leased := f.saveJob(c, time.Hour)
	for _, to := range []store.JobState{store.JobNew, store.JobDone} {
		same(f, "under way", f.resolve(leased, to), leased)
	}
	c.Version, c.State, c.Failure = 2, store.JobNew, "a reason"
	waits := f.saveJob(c, time.Hour)
	same(f, "dismissed while it waits", f.resolve(waits, store.JobDone), waits)
	same(f, "claimed in the pause", len(f.claim(time.Hour, 9, kind)), 0)
	got := f.resolve(waits, store.JobNew)
	same(f, "tries", got.Tries, 0)
	same(f, "failure", got.Failure, "a reason")
	same(f, "claimed", f.claimed(time.Hour, kind).Attempt, int64(3))

	cancelled := f.job(jobKind())
	cancelled, err := f.CancelJob(f.ctx, f.ns, cancelled.ID)
	f.ok("cancel", err)
	same(f, "cancelled", f.resolve(cancelled, store.JobNew), cancelled)
	done := f.ended(jobKind(), store.JobDone)
	for _, to := range []store.JobState{store.JobNew, store.JobDone} {
		same(f, "done", f.resolve(done, to), done)
	}
}

// jobResolveRace gives a dead job back and dismisses it, from many sides, while a worker
// looks for jobs: one of the two is done, once.
func jobResolveRace(f *fixture) {
	kind := jobKind()
	dead := f.ended(kind, store.JobDead)
	var wg sync.WaitGroup
	claimed := make([]int, 3)
	for i := range claimed {
		for _, to := range []store.JobState{store.JobNew, store.JobDone} {
			wg.Go(func() {
				if _, err := f.ResolveJob(f.ctx, f.ns, dead.ID, dead.Attempt, to); err != nil {
					f.Errorf("resolve: %v", err)
				}
			})
		}
		wg.Go(func() {
			list, err := f.ClaimJobs(f.ctx, store.Claim{Owner: "w", Kinds: []store.JobKind{kind}, Lease: time.Hour, Limit: 1})
			if err != nil {
				f.Errorf("claim: %v", err)
			}
			claimed[i] = len(list)
		})
	}
	wg.Wait()
	n := len(f.claim(time.Hour, 9, kind))
	for _, c := range claimed {
		n += c
	}
	got := f.keptJob(dead.ID)
	switch {
	case got.State == store.JobDone && got.Cancel && got.Attempt == 2 && n == 0:
	case got.State == store.JobLeased && !got.Cancel && got.Attempt == 3 && n == 1:
	default:
		f.Errorf("claimed %d times: %+v", n, got)
	}
}

func jobCount(f *fixture) {
	a, b := jobKind(), jobKind()
	count := func(most int) map[store.JobState]store.JobCount {
		f.Helper()
		list, err := f.CountJobs(f.ctx, []store.JobKind{a}, most)
		f.ok("count", err)
		out := map[store.JobState]store.JobCount{}
		for _, c := range list {
			same(f, "kind", c.Kind, a)
			out[c.State] = c
		}
		same(f, "counts", len(out), len(list))
		return out
	}
	same(f, "none", len(count(9)), 0)
	f.ended(a, store.JobDone)
	for range 3 {
		f.ended(a, store.JobDead)
	}
	f.job(a)
	f.claimed(time.Hour, a)
	first := f.job(a)
	f.job(a)
	f.job(b)
	for f.ctx.Err() == nil && count(9)[store.JobNew].Late == 0 { // until a millisecond has gone by
	}
	got := count(9)
	same(f, "states", len(got), 3)
	same(f, "waiting", got[store.JobNew].Jobs, 2)
	same(f, "leased", got[store.JobLeased], store.JobCount{Kind: a, State: store.JobLeased, Jobs: 1})
	same(f, "dead", got[store.JobDead], store.JobCount{Kind: a, State: store.JobDead, Jobs: 3})
	_, now, err := f.Pods(f.ctx)
	f.ok("pods", err)
	if late := got[store.JobNew].Late; late <= 0 || late > now.Sub(first.Due) {
		f.Errorf("the first is due for %v", late)
	}
	got = count(2)
	same(f, "at most", []int{got[store.JobNew].Jobs, got[store.JobLeased].Jobs, got[store.JobDead].Jobs}, []int{2, 1, 2})
	list, err := f.CountJobs(f.ctx, []store.JobKind{a, b}, 9)
	f.ok("count", err)
	same(f, "of both kinds", len(list), 4)
}
