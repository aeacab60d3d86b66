package storetest

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var jobTests = []test{
	{"create and read", jobCreate},
	{"create what is there", jobCreateAgain},
	{"claim, save, end", jobLife},
	{"a claim is one worker's", jobClaimRace},
	{"a lease that has run out", jobLeaseEnds},
	{"what a worker saves that was replaced", jobFence},
	{"what is saved late is old", jobLate},
	{"pause", jobPause},
	{"claims take what is due longest", jobOrder},
	{"cancel", jobCancel},
	{"those that have not ended", jobOpen},
	{"what is done has no payload", jobPayload},
	{"list", jobList},
	{"page after page", jobPages},
	{"give a dead one back", jobRetry},
	{"dismiss a dead one", jobDismiss},
	{"resolve what goes on", jobResolveOpen},
	{"resolve and a claim at the same time", jobResolveRace},
	{"count", jobCount},
	{"forget", jobForget},
}

// jobKind is a kind that no other test has.
func jobKind() store.JobKind { return store.JobKind("k-" + random()) }

func (f *fixture) job(kind store.JobKind) store.Job {
	f.Helper()
	j := store.Job{NS: f.ns, ID: chat.NewJobID(f.ns, string(kind), "alice", chat.CMID(random())), Kind: kind, Creator: "alice",
		Hash: chat.Hash{1, 15: 2}, Payload: []byte("what\x00 to do"), Progress: []byte(`{"n":1}`)}
	kept, err := f.CreateJob(f.ctx, j)
	f.ok("create job", err)
	f.utc(kept.Created)
	if kept.Created.IsZero() || !kept.Due.Equal(kept.Created) {
		f.Errorf("a new job: %+v", kept)
	}
	j.Created, j.Due, j.State, j.Payload = kept.Created, kept.Due, store.JobNew, nil
	same(f, "created", kept, j)
	return kept
}

func (f *fixture) keptJob(id chat.JobID) store.Job {
	f.Helper()
	list, err := f.Jobs(f.ctx, store.JobQuery{NS: f.ns, ID: id, Limit: 1})
	f.ok("jobs", err)
	if len(list) != 1 {
		f.Fatalf("jobs: %+v, want one", list)
	}
	return list[0]
}

func (f *fixture) claim(lease time.Duration, limit int, kinds ...store.JobKind) []store.Job {
	f.Helper()
	list, err := f.ClaimJobs(f.ctx, store.Claim{Owner: "w1", Kinds: kinds, Lease: lease, Limit: limit})
	f.ok("claim", err)
	return list
}

// claimed claims one job; it waits for what is due any moment.
func (f *fixture) claimed(lease time.Duration, kind store.JobKind) store.Job {
	f.Helper()
	for f.ctx.Err() == nil {
		if list := f.claim(lease, 1, kind); len(list) == 1 {
			return list[0]
		}
	}
	f.Fatal("nothing can be claimed")
	return store.Job{}
}

func (f *fixture) saveJob(j store.Job, wait time.Duration) store.Job {
	f.Helper()
	kept, err := f.SaveJob(f.ctx, j, wait)
	f.ok("save job", err)
	return kept
}

func jobCreate(f *fixture) {
	kind := jobKind()
	j := f.job(kind)
	same(f, "read", f.keptJob(j.ID), j)
	for _, q := range []store.JobQuery{{NS: ns(), ID: j.ID, Limit: 1}, {NS: f.ns, ID: "j_nothing", Limit: 1}, {NS: ns(), Kinds: []store.JobKind{kind}, Limit: 9}} {
		if list, err := f.Jobs(f.ctx, q); err != nil || len(list) != 0 {
			f.Errorf("jobs %+v: %+v, %v", q, list, err)
		}
	}
}

func jobCreateAgain(f *fixture) {
	j := f.job(jobKind())
	other := j
	other.Hash, other.Payload, other.Progress = chat.Hash{9}, []byte("other"), []byte("other")
	kept, err := f.CreateJob(f.ctx, other)
	f.ok("create again", err)
	same(f, "kept", kept, j)
	c := f.claimed(time.Hour, j.Kind)
	same(f, "payload", string(c.Payload), "what\x00 to do")
	kept, err = f.CreateJob(f.ctx, other)
	f.ok("create again", err)
	same(f, "state", kept.State, store.JobLeased)
}

func jobLife(f *fixture) {
	j := f.job(jobKind())
	if list := f.claim(time.Hour, 9, jobKind()); len(list) != 0 {
		f.Errorf("claimed of another kind: %+v", list)
	}
	c := f.claimed(time.Hour, j.Kind)
	f.utc(c.Started)
	if c.Due.Sub(c.Started) != time.Hour || c.Started.Before(j.Created) {
		f.Errorf("claimed: %+v", c)
	}
	want := j
	want.State, want.Owner, want.Attempt, want.Tries, want.Due, want.Started = store.JobLeased, "w1", 1, 1, c.Due, c.Started
	same(f, "kept", f.keptJob(j.ID), want)
	want.Payload = []byte("what\x00 to do")
	same(f, "claimed", c, want)
	if list := f.claim(time.Hour, 9, j.Kind); len(list) != 0 {
		f.Errorf("claimed twice: %+v", list)
	}
	c.Progress, c.Tries, c.Version, c.Failure = []byte(`{"n":2}`), 0, 1, "a reason"
	want = c
	want.Payload = nil
	for range 2 { // a repeat is harmless
		got := f.saveJob(c, 2*time.Hour)
		if left := got.Due.Sub(c.Started); left < 2*time.Hour {
			f.Errorf("the lease is %v long", left)
		}
		want.Due = got.Due
		same(f, "saved", got, want)
	}
	c.State, c.Version, c.Failure = store.JobDone, 2, ""
	for range 2 {
		got := f.saveJob(c, time.Hour)
		if got.Due.Before(c.Started) || got.Due.After(c.Started.Add(30*time.Minute)) {
			f.Errorf("ended at %v", got.Due)
		}
		want.State, want.Version, want.Failure, want.Due = store.JobDone, 2, "", got.Due
		same(f, "done", got, want)
	}
	if list := f.claim(time.Hour, 9, j.Kind); len(list) != 0 {
		f.Errorf("claimed what is done: %+v", list)
	}
}

func jobClaimRace(f *fixture) {
	const racers, jobs = 6, 5
	kind := jobKind()
	for range jobs {
		f.job(kind)
	}
	got := make([][]store.Job, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			list, err := f.ClaimJobs(f.ctx, store.Claim{Owner: "w", Kinds: []store.JobKind{kind}, Lease: time.Hour, Limit: jobs})
			if err != nil {
				f.Errorf("claim: %v", err)
			}
			got[i] = list
		})
	}
	wg.Wait()
	all := map[chat.JobID]int{}
	for _, list := range got {
		for _, j := range list {
			all[j.ID]++
			same(f, "attempt", j.Attempt, int64(1))
		}
	}
	same(f, "jobs claimed", len(all), jobs)
	for id, n := range all {
		if n != 1 {
			f.Errorf("%s was claimed %d times", id, n)
		}
	}
}

func jobLeaseEnds(f *fixture) {
	j := f.job(jobKind())
	first := f.claimed(time.Millisecond, j.Kind)
	second := f.claimed(time.Hour, j.Kind)
	same(f, "attempts", []int64{first.Attempt, second.Attempt}, []int64{1, 2})
	same(f, "tries", second.Tries, 2)
	same(f, "started", second.Started, first.Started)
	same(f, "payload", string(second.Payload), "what\x00 to do")
	// A lease that ended and that nobody took is as good as before.
	kind := jobKind()
	f.job(kind)
	late := f.claimed(time.Millisecond, kind)
	late.Version, late.State = 1, store.JobDone
	same(f, "state", f.saveJob(late, 0).State, store.JobDone)
}

func jobFence(f *fixture) {
	j := f.job(jobKind())
	first := f.claimed(time.Millisecond, j.Kind)
	second := f.claimed(time.Hour, j.Kind)
	want := f.keptJob(j.ID)
	for _, state := range []store.JobState{store.JobLeased, store.JobNew, store.JobDone, store.JobDead} {
		first.Version++
		first.State, first.Progress = state, []byte("stale")
		_, err := f.SaveJob(f.ctx, first, time.Hour)
		f.is("save of an old attempt", err, store.ErrConflict)
	}
	same(f, "kept", f.keptJob(j.ID), want)
	second.Version, second.State = 1, store.JobDead
	f.saveJob(second, 0)
	missing := second
	missing.ID = "j_nothing"
	_, err := f.SaveJob(f.ctx, missing, time.Hour)
	f.is("save of nothing", err, store.ErrConflict)
}

func jobLate(f *fixture) {
	j := f.job(jobKind())
	c := f.claimed(time.Hour, j.Kind)
	older := c
	older.Version, older.Progress = 1, []byte("older")
	c.Version, c.Progress, c.State = 2, []byte("newer"), store.JobDone
	f.saveJob(c, 0)
	_, err := f.SaveJob(f.ctx, older, time.Hour)
	f.is("what comes late", err, store.ErrConflict)
	got := f.keptJob(j.ID)
	same(f, "progress", string(got.Progress), "newer")
	same(f, "state", got.State, store.JobDone)
}

func jobPause(f *fixture) {
	j := f.job(jobKind())
	c := f.claimed(time.Hour, j.Kind)
	c.State, c.Version = store.JobNew, 1
	f.saveJob(c, time.Hour)
	if list := f.claim(time.Hour, 9, j.Kind); len(list) != 0 {
		f.Errorf("claimed in the pause: %+v", list)
	}
	j = f.job(jobKind())
	c = f.claimed(time.Hour, j.Kind)
	c.State, c.Version = store.JobNew, 1
	f.saveJob(c, 0)
	same(f, "attempt", f.claimed(time.Hour, j.Kind).Attempt, int64(2))
}

func jobOrder(f *fixture) {
	a, b := jobKind(), jobKind()
	var want []chat.JobID
	for i := range 4 {
		kind := a
		if i%2 == 1 {
			kind = b
		}
		j := f.job(kind)
		want = append(want, j.ID)
		for before := j.Created; f.ctx.Err() == nil; { // let a millisecond of the store's clock go by
			_, now, err := f.Pods(f.ctx)
			f.ok("pods", err)
			if now.After(before.Add(time.Millisecond)) {
				break
			}
		}
	}
	ids := func(list []store.Job) (out []chat.JobID) {
		for _, j := range list {
			out = append(out, j.ID)
		}
		return out
	}
	same(f, "first", ids(f.claim(time.Hour, 3, a, b)), want[:3])
	same(f, "rest", ids(f.claim(time.Hour, 3, a, b)), want[3:])
}

func jobCancel(f *fixture) {
	_, err := f.CancelJob(f.ctx, f.ns, "j_nothing")
	f.is("cancel of nothing", err, store.ErrNotFound)
	j := f.job(jobKind())
	c := f.claimed(time.Hour, j.Kind)
	got, err := f.CancelJob(f.ctx, f.ns, j.ID)
	f.ok("cancel", err)
	same(f, "cancel", got.Cancel, true)
	same(f, "lease", got.Due, c.Due)
	c.Version, c.State = 1, store.JobNew
	same(f, "what a worker is told", f.saveJob(c, time.Hour).Cancel, true)
	if list := f.claim(time.Hour, 9, j.Kind); len(list) != 0 {
		f.Errorf("claimed in the pause: %+v", list)
	}
	_, err = f.CancelJob(f.ctx, f.ns, j.ID)
	f.ok("cancel again", err)
	c = f.claimed(time.Hour, j.Kind)
	same(f, "cancel", c.Cancel, true)
	c.Version, c.State = 1, store.JobDone
	done := f.saveJob(c, 0)
	got, err = f.CancelJob(f.ctx, f.ns, j.ID)
	f.ok("cancel what is done", err)
	same(f, "what is done", got, done)

	other := f.job(jobKind())
	c = f.claimed(time.Hour, other.Kind)
	c.Version, c.State = 1, store.JobDone
	f.saveJob(c, 0)
	got, err = f.CancelJob(f.ctx, f.ns, other.ID)
	f.ok("cancel what is done", err)
	same(f, "cancel", got.Cancel, false)
}

func jobOpen(f *fixture) {
	kind := jobKind()
	done := f.job(kind)
	c := f.claimed(time.Hour, kind)
	c.Version, c.State = 1, store.JobDone
	f.saveJob(c, 0)
	var want []string
	for range 3 {
		want = append(want, string(f.job(kind).ID))
	}
	f.claim(time.Hour, 1, kind)
	f.job(jobKind())
	list, err := f.Jobs(f.ctx, store.JobQuery{NS: f.ns, Kinds: []store.JobKind{kind}, Limit: 10})
	f.ok("jobs", err)
	var got []string
	for _, j := range list {
		got = append(got, string(j.ID))
		same(f, "payload", len(j.Payload), 0)
	}
	slices.SortFunc(got, strings.Compare)
	slices.SortFunc(want, strings.Compare)
	same(f, "open", got, want)
	list, err = f.Jobs(f.ctx, store.JobQuery{NS: f.ns, Kinds: []store.JobKind{kind}, Limit: 2})
	f.ok("jobs", err)
	same(f, "at most", len(list), 2)
	same(f, "done", f.keptJob(done.ID).State, store.JobDone)
}

// jobPayload sees what is left of a payload by a worker that takes the end back.
func jobPayload(f *fixture) {
	for state, left := range map[store.JobState]string{store.JobDone: "", store.JobDead: "what\x00 to do"} {
		kind := jobKind()
		f.job(kind)
		c := f.claimed(time.Hour, kind)
		c.Version, c.State = 1, store.JobNew
		f.saveJob(c, 0)
		c = f.claimed(time.Hour, kind)
		same(f, "while it goes on", string(c.Payload), "what\x00 to do")
		c.Version, c.State = 1, state
		f.saveJob(c, 0)
		c.Version, c.State = 2, store.JobNew
		f.saveJob(c, 0)
		same(f, "after the end", string(f.claimed(time.Hour, kind).Payload), left)
	}
}

func jobForget(f *fixture) {
	kind := jobKind()
	ended := map[chat.JobID]bool{}
	for i := range 4 {
		f.job(kind)
		if i == 3 {
			break
		}
		c := f.claimed(time.Hour, kind)
		c.Version, c.State = 1, []store.JobState{store.JobDone, store.JobDead, store.JobDone}[i]
		f.saveJob(c, 0)
		ended[c.ID] = true
	}
	forget := func(age time.Duration, limit int, kind store.JobKind) int {
		f.Helper()
		n, err := f.ForgetJobs(f.ctx, []store.JobKind{kind}, age, limit)
		f.ok("forget", err)
		return n
	}
	same(f, "too young", forget(time.Hour, 9, kind), 0)
	same(f, "of another kind", forget(-time.Hour, 9, jobKind()), 0)
	same(f, "at most", forget(-time.Hour, 2, kind), 2)
	same(f, "the rest", forget(-time.Hour, 9, kind), 1)
	same(f, "again", forget(-time.Hour, 9, kind), 0)
	for id := range ended {
		if list, err := f.Jobs(f.ctx, store.JobQuery{NS: f.ns, ID: id, Limit: 1}); err != nil || len(list) != 0 {
			f.Errorf("forgotten: %+v, %v", list, err)
		}
	}
	same(f, "left", len(f.claim(time.Hour, 9, kind)), 1)
}
