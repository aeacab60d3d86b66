package memstore_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// jobWrites are the writes to jobs, each with what is true once it was applied.
var jobWrites = []struct {
	op      memstore.Op
	write   func(harness) error
	applied func(harness) bool
}{
	{memstore.OpCreateJob, harness.createJob, func(h harness) bool { return len(h.jobs()) == 1 }},
	{memstore.OpClaimJobs, func(h harness) error {
		_, err := h.claimJob(time.Hour)
		return err
	}, func(h harness) bool { return h.jobs()[0].State == store.JobLeased }},
	{memstore.OpSaveJob, func(h harness) error {
		_, err := h.SaveJob(h.T.Context(), store.Job{NS: "t", ID: "j", Attempt: 1, Version: 1, State: store.JobDone, Progress: []byte("new")}, 0)
		return err
	}, func(h harness) bool {
		return h.jobs()[0].State == store.JobDone && string(h.jobs()[0].Progress) == "new"
	}},
	{memstore.OpCancelJob, func(h harness) error {
		_, err := h.CancelJob(h.T.Context(), "t", "j")
		return err
	}, func(h harness) bool { return h.jobs()[0].Cancel }},
	{memstore.OpResolveJob, func(h harness) error {
		_, err := h.ResolveJob(h.T.Context(), "t", "j", 1, store.JobNew)
		return err
	}, func(h harness) bool {
		return h.jobs()[0].State == store.JobNew && h.jobs()[0].Attempt == 2
	}},
	{memstore.OpForgetJobs, func(h harness) error {
		_, err := h.ForgetJobs(h.T.Context(), []store.JobKind{"k"}, -time.Hour, 9)
		return err
	}, func(h harness) bool { return len(h.jobs()) == 0 }},
}

func (h harness) createJob() error {
	_, err := h.CreateJob(h.T.Context(), store.Job{NS: "t", ID: "j", Kind: "k", Payload: []byte("p"), Progress: []byte("old")})
	return err
}

func (h harness) claimJob(lease time.Duration) ([]store.Job, error) {
	return h.ClaimJobs(h.T.Context(), store.Claim{Owner: "w", Kinds: []store.JobKind{"k"}, Lease: lease, Limit: 1})
}

func (h harness) jobs() []store.Job {
	h.Helper()
	list, err := h.Jobs(h.T.Context(), store.JobQuery{NS: "t", ID: "j", Limit: 1})
	if err != nil {
		h.Fatal(err)
	}
	return list
}

// kill gives the job of an attempt up.
func (h harness) kill(attempt int64) {
	h.Helper()
	if _, err := h.SaveJob(h.T.Context(), store.Job{NS: "t", ID: "j", Attempt: attempt, Version: 1, State: store.JobDead}, 0); err != nil {
		h.Fatal(err)
	}
}

// beforeJob brings a store to where a write makes sense.
func (h harness) beforeJob(op memstore.Op) {
	h.Helper()
	if op == memstore.OpCreateJob {
		return
	}
	if err := h.createJob(); err != nil {
		h.Fatal(err)
	}
	if op == memstore.OpClaimJobs || op == memstore.OpCancelJob {
		return
	}
	if _, err := h.claimJob(time.Hour); err != nil {
		h.Fatal(err)
	}
	if op == memstore.OpForgetJobs {
		if err := jobWrites[2].write(h); err != nil {
			h.Fatal(err)
		}
	}
	if op == memstore.OpResolveJob {
		h.kill(1)
	}
}

// Every write to jobs that failed, or lost its answer, can be repeated; only a claim
// without an answer must wait for its lease.
func TestJobFaults(t *testing.T) {
	for _, w := range jobWrites {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied, memstore.Late} {
			t.Run(fmt.Sprint(w.op, kind), func(t *testing.T) {
				h := start(t, memstore.Options{})
				h.beforeJob(w.op)
				in := h.Inject(once(w.op, kind))
				failed(t, string(w.op), w.write(h))
				if got := w.applied(h); got != (kind == memstore.FailApplied) {
					t.Errorf("applied: %v", got)
				}
				if err := w.write(h); err != nil {
					t.Errorf("repeated: %v", err)
				}
				if !w.applied(h) {
					t.Error("it is not applied")
				}
				before := fmt.Sprint(h.jobs())
				in.Release()
				if after := fmt.Sprint(h.jobs()); after != before {
					t.Errorf("what came late has changed %s to %s", before, after)
				}
			})
		}
	}
}

// A save of an attempt that is over is refused, also if it comes late.
func TestLateSaveOfAnOldAttempt(t *testing.T) {
	now := time.Now()
	h := start(t, memstore.Options{Now: func() time.Time { return now }})
	h.beforeJob(memstore.OpSaveJob)
	in := h.Inject(once(memstore.OpSaveJob, memstore.Late))
	failed(t, "save", jobWrites[2].write(h))
	now = now.Add(2 * time.Hour)
	if list, err := h.claimJob(time.Hour); err != nil || len(list) != 1 || list[0].Attempt != 2 {
		t.Fatal(list, err)
	}
	in.Release()
	if j := h.jobs()[0]; j.State != store.JobLeased || string(j.Progress) != "old" {
		t.Errorf("%+v", j)
	}
	if err := jobWrites[2].write(h); !errors.Is(err, store.ErrConflict) {
		t.Errorf("repeated: %v", err)
	}
}

// A decision about a dead job that comes late says nothing of its next death.
func TestLateResolveOfAnOldAttempt(t *testing.T) {
	for _, to := range []store.JobState{store.JobNew, store.JobDone} {
		h := start(t, memstore.Options{})
		h.beforeJob(memstore.OpResolveJob)
		in := h.Inject(once(memstore.OpResolveJob, memstore.Late))
		_, err := h.ResolveJob(t.Context(), "t", "j", 1, to)
		failed(t, "resolve", err)
		if _, err := h.ResolveJob(t.Context(), "t", "j", 1, store.JobNew); err != nil {
			t.Fatal(err)
		}
		if list, err := h.claimJob(time.Hour); err != nil || len(list) != 1 || list[0].Attempt != 3 {
			t.Fatal(list, err)
		}
		h.kill(3)
		before := fmt.Sprint(h.jobs())
		in.Release()
		if after := fmt.Sprint(h.jobs()); after != before {
			t.Errorf("%s became %s", before, after)
		}
	}
}
