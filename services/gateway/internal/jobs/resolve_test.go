package jobs

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// A worker that wakes up after its job was given up by another one, and somebody has
// decided what becomes of it, changes nothing.
func TestResolvedUnderAWorker(t *testing.T) {
	for to, want := range map[store.JobState]string{store.JobNew: "3", store.JobDone: "0"} {
		t.Run(fmt.Sprint(to), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, held := newBench(t), make(chan struct{})
				h := &counter{upTo: 3, fail: func(_ context.Context, step int) error {
					if step == 1 {
						<-held // whatever its context says
					}
					return nil
				}}
				b.create("a")
				b.run("stuck", h)
				synctest.Wait()
				idle := b.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "stuck" }})
				time.Sleep(time.Minute)
				list, err := b.store.ClaimJobs(t.Context(), store.Claim{Owner: "other", Kinds: []store.JobKind{"count"}, Lease: time.Minute, Limit: 1})
				if err != nil || len(list) != 1 {
					t.Fatal(list, err)
				}
				dead := list[0]
				dead.State, dead.Version = store.JobDead, 1
				if dead, err = b.store.SaveJob(t.Context(), dead, 0); err != nil {
					t.Fatal(err)
				}
				resolved, err := b.store.ResolveJob(t.Context(), "t", "a", dead.Attempt, to)
				if err != nil || resolved.State != to {
					t.Fatal(resolved, err)
				}
				close(held)
				synctest.Wait()
				if j := b.job("a"); fmt.Sprint(j) != fmt.Sprint(resolved) {
					t.Errorf("%+v, want %+v", j, resolved)
				}
				idle.Remove()
				j := b.until("a", store.JobDone, time.Minute)
				if string(j.Progress) != want || j.Cancel != (to == store.JobDone) {
					t.Errorf("%+v", j)
				}
			})
		})
	}
}
