package gateway

import (
	"net/http"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// What there is of jobs is on the operations port, once, however many pods have counted
// it; and what could not be counted is counted later.
func TestJobMetrics(t *testing.T) {
	c, has := measured(t, 2, brisk(), func(o *Options) { o.census = 20 * time.Millisecond })
	idle := c.idle()
	var b wire.Broadcast
	var e wire.Erasure
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(crowd(3), ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if status := c.as("root", eraseAny, 0, "POST", "/v1/users/alice/erase", `{"cmid":"e"}`, &e); status != http.StatusAccepted {
		t.Fatal(status)
	}
	c.die(c.take(job.KindErasure))
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		in := c.store.Inject(memstore.Fault{Op: memstore.OpCountJobs, Kind: kind, Times: 3})
		if err := in.Wait(t.Context(), 3); err != nil {
			t.Fatal(err)
		}
	}
	has(`parley_gateway_jobs{state="failed"} 1`, `parley_gateway_jobs{state="waiting"} 1`, `parley_gateway_jobs{state="running"} 0`)
	c.until(func() bool { return Sum([]Stats{c.gates[0].Stats(), c.gates[1].Stats()}).Census.Late > 0 })
	idle.Remove()
	if got := c.broadcastEnded(b.ID); got.State != wire.JobDone {
		t.Errorf("%+v", got)
	}
	if status := c.operate("DELETE", "/v1/jobs/"+string(e.ID), "", nil); status != http.StatusOK {
		t.Errorf("%d", status)
	}
	has(`parley_gateway_jobs{state="failed"} 0`, `parley_gateway_jobs{state="waiting"} 0`, `parley_gateway_jobs_late_seconds 0`)
}
