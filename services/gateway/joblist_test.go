package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// idle keeps pods from claiming jobs until it is removed: the test is the only worker.
func (c *cluster) idle() *memstore.Injection {
	return c.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail, When: func(k memstore.Call) bool { return k.Client != "" }})
}

// take claims a job as a worker that is not a pod.
func (c *cluster) take(kind store.JobKind) store.Job {
	c.t.Helper()
	list, err := c.store.ClaimJobs(c.t.Context(), store.Claim{Owner: "test", Kinds: []store.JobKind{kind}, Lease: time.Hour, Limit: 1})
	if err != nil || len(list) != 1 {
		c.t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

// die gives a job up that was taken.
func (c *cluster) die(j store.Job) {
	c.t.Helper()
	j.State, j.Failure = store.JobDead, "something did not answer"
	j.Version++
	if _, err := c.store.SaveJob(c.t.Context(), j, 0); err != nil {
		c.t.Fatal(err)
	}
}

// late sees that nothing which a worker saves late is kept.
func (c *cluster) late(j store.Job) {
	c.t.Helper()
	for _, state := range []store.JobState{store.JobNew, store.JobLeased, store.JobDone, store.JobDead} {
		j.State, j.Progress = state, []byte("late")
		j.Version += 5
		if _, err := c.store.SaveJob(c.t.Context(), j, 0); !errors.Is(err, store.ErrConflict) {
			c.t.Errorf("a late save: %v", err)
		}
	}
}

func retryPath(id chat.JobID) string { return "/v1/jobs/" + string(id) + "/retry" }

// A broadcast that was given up half way is given back, and everybody gets it once,
// whatever its old worker still says, and however often the operator asks.
func TestRetryOfABroadcast(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Pass, memstore.Fail, memstore.FailApplied, memstore.Late} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			c := newCluster(t, 2, brisk())
			idle := c.idle()
			users := crowd(250)
			var b wire.Broadcast
			if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
				t.Fatal(status)
			}
			old := c.take(job.KindBroadcast)
			step, err := broadcaster{c.gates[0]}.Step(t.Context(), old)
			if err != nil {
				t.Fatal(err)
			}
			dead := old // the step was done, and is not saved
			c.die(dead)
			in := c.store.Inject(memstore.Fault{Op: memstore.OpResolveJob, Kind: kind, Times: 1})
			var first, again wire.Job
			status := c.operate("POST", retryPath(b.ID), `{"attempt":1}`, &first)
			if want := http.StatusServiceUnavailable; kind != memstore.Pass && status != want {
				t.Errorf("%d, want %d", status, want)
			}
			for range 2 {
				if status := c.operate("POST", retryPath(b.ID), `{"attempt":1}`, &again); status != http.StatusOK || again.State != wire.JobWaiting || again.Attempt != 2 || again.Tries != 0 {
					t.Errorf("%d %+v", status, again)
				}
			}
			old.Progress = step.Progress
			c.late(old)
			idle.Remove()
			if got := c.broadcastEnded(b.ID); got.State != wire.JobDone || got.Sent != 250 || got.Failure != "" {
				t.Errorf("%+v", got)
			}
			in.Release()
			c.late(old)
			if status := c.operate("POST", retryPath(b.ID), `{}`, &again); status != http.StatusOK || again.State != wire.JobDone || again.Attempt != 3 {
				t.Errorf("of what is done: %d %+v", status, again)
			}
			c.received("shop", users, "to all")
		})
	}
}

// Who asks about an attempt that is over changes nothing.
func TestRetryIsFenced(t *testing.T) {
	c := newCluster(t, 1, brisk())
	c.idle()
	var b wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(crowd(3), ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	c.die(c.take(job.KindBroadcast))
	var j wire.Job
	for i, want := range []struct {
		in      string
		state   wire.JobState
		attempt int64
	}{
		{`{"attempt":7}`, wire.JobFailed, 1}, {`{}`, wire.JobWaiting, 2}, {`{"attempt":1}`, wire.JobWaiting, 2},
	} {
		if status := c.operate("POST", retryPath(b.ID), want.in, &j); status != http.StatusOK || j.State != want.state || j.Attempt != want.attempt {
			t.Errorf("%d: %d %+v", i, status, j)
		}
	}
	c.die(c.take(job.KindBroadcast))
	if status := c.operate("POST", retryPath(b.ID), `{"attempt":1}`, &j); status != http.StatusOK || j.State != wire.JobFailed || j.Attempt != 3 {
		t.Errorf("its second death: %d %+v", status, j)
	}
	for in, want := range map[string]int{`{"attempt":-1}`: 400, `{"attempt":"1"}`: 400, `[]`: 400} {
		if status := c.operate("POST", retryPath(b.ID), in, nil); status != want {
			t.Errorf("%s: %d", in, status)
		}
	}
}

// A pause ends when an operator says so.
func TestRetryEndsAPause(t *testing.T) {
	c := newCluster(t, 1, brisk())
	idle := c.idle()
	var b wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(crowd(3), ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	old := c.take(job.KindBroadcast)
	old.State, old.Tries, old.Version = store.JobNew, 9, 1
	if _, err := c.store.SaveJob(t.Context(), old, 10*time.Hour); err != nil {
		t.Fatal(err)
	}
	idle.Remove()
	var j wire.Job
	if status := c.operate("POST", retryPath(b.ID), `{}`, &j); status != http.StatusOK || j.Tries > 1 {
		t.Fatalf("%d %+v", status, j)
	}
	if got := c.broadcastEnded(b.ID); got.State != wire.JobDone || got.Sent != 3 {
		t.Errorf("%+v", got)
	}
}

// What has failed is dismissed, of whatever kind; a broadcast is ended at any time; and
// nothing else is.
func TestCancelOfJobs(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Pass, memstore.Fail, memstore.FailApplied} {
		t.Run(fmt.Sprint(kind), func(t *testing.T) {
			c := newCluster(t, 1, brisk())
			idle := c.idle()
			var b wire.Broadcast
			var e wire.Erasure
			if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(crowd(3), ""), &b); status != http.StatusAccepted {
				t.Fatal(status)
			}
			if status := c.as("root", eraseAny, 0, "POST", "/v1/users/alice/erase", `{"cmid":"e"}`, &e); status != http.StatusAccepted {
				t.Fatal(status)
			}
			cancel := func(id chat.JobID) (j wire.Job) {
				t.Helper()
				for range 3 {
					if c.operate("DELETE", "/v1/jobs/"+string(id), "", &j) == http.StatusOK {
						return j
					}
				}
				t.Fatal("no answer")
				return j
			}
			if status := c.operate("DELETE", "/v1/jobs/"+string(e.ID), "", nil); status != http.StatusForbidden {
				t.Errorf("an erasure that goes on: %d", status)
			}
			old := c.take(job.KindErasure)
			c.die(old)
			c.store.Inject(memstore.Fault{Op: memstore.OpResolveJob, Kind: kind, Times: 1})
			c.store.Inject(memstore.Fault{Op: memstore.OpCancelJob, Kind: kind, Times: 1})
			for range 2 {
				if j := cancel(e.ID); j.State != wire.JobCancelled || j.Attempt != 2 || j.Failure == "" {
					t.Errorf("%+v", j)
				}
			}
			c.late(old)
			if j := cancel(b.ID); j.State != wire.JobWaiting || !j.Cancelled {
				t.Errorf("%+v", j)
			}
			idle.Remove()
			if got := c.broadcastEnded(b.ID); got.State != wire.JobCancelled || got.Sent != 0 {
				t.Errorf("%+v", got)
			}
			if j := cancel(b.ID); j.State != wire.JobCancelled {
				t.Errorf("%+v", j)
			}
		})
	}
}

func TestKeepIsNotCancelled(t *testing.T) {
	c := newCluster(t, 1, keeping())
	a := c.aged(1)
	a.decide("24h")
	list, err := c.store.Jobs(t.Context(), store.JobQuery{NS: chat.DefaultNS, Kinds: []store.JobKind{job.KindKeep}, Limit: 9})
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	if status := c.operate("DELETE", "/v1/jobs/"+string(list[0].ID), "", nil); status != http.StatusForbidden {
		t.Errorf("%d", status)
	}
	a.settled()
	var j wire.Job
	if status := c.operate("POST", retryPath(list[0].ID), `{}`, &j); status != http.StatusOK || j.Kind != wire.JobKeep || j.Progress.Conv != a.key.Conv {
		t.Errorf("%d %+v", status, j)
	}
	a.settled() // it has looked again
}
