package history

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// scopes verifies "<tenant>/<user>!<scope>".
type scopes struct{}

func (scopes) Verify(token string) (auth.Identity, error) {
	user, scope, _ := strings.Cut(token, "!")
	id, err := tokens{}.Verify(user)
	id.Scopes = strings.Fields(scope)
	return id, err
}

func TestJobsAreShownToThoseWhoMay(t *testing.T) {
	f := newFixture(t)
	ids := map[store.JobKind]chat.JobID{}
	for kind, progress := range map[store.JobKind]any{
		job.KindBroadcast: job.BroadcastProgress{Total: 9, Next: 3, Sent: 2, Failed: 1, Errors: []wire.BroadcastError{{User: "carol", Code: chat.CodeForbidden}}},
		job.KindErasure:   job.ErasureProgress{User: "carol", Conversations: 4, Messages: 5},
	} {
		ids[kind] = chat.NewJobID("_", string(kind), "alice", "c1")
		if _, err := f.store.CreateJob(t.Context(), store.Job{NS: "_", ID: ids[kind], Kind: kind, Creator: "alice", Progress: wire.Encode(progress)}); err != nil {
			t.Fatal(err)
		}
	}
	h := f.handler(func(o *Options) { o.Verifier = scopes{} })
	broadcast, erasure := "/v1/broadcasts/"+string(ids[job.KindBroadcast]), "/v1/erasures/"+string(ids[job.KindErasure])
	for _, c := range []struct {
		path, token string
		want        int
	}{
		{broadcast, "", 401}, {broadcast, "_/alice", 200}, {broadcast, "_/mallory", 404}, {broadcast, "other/alice", 404},
		{broadcast, "_/root!operator", 200}, {broadcast, "_/root!erase:any", 404}, {broadcast, "_/root!send:any", 404}, {broadcast, "other/root!operator", 404},
		{erasure, "", 401}, {erasure, "_/alice", 200}, {erasure, "_/carol", 404}, {erasure, "_/root!operator", 200}, {erasure, "_/root!erase:any", 200},
		{erasure, "other/root!erase:any", 404}, {"/v1/erasures/" + string(ids[job.KindBroadcast]), "_/alice", 404},
		{"/v1/broadcasts/" + string(ids[job.KindErasure]), "_/alice", 404}, {"/v1/broadcasts/j_short", "_/alice", 404},
		{"/v1/broadcasts/j_aaaaaaaaaaaaaaaaaaaaaaaaaa", "_/alice", 404},
	} {
		if a := ask(h, "GET", c.path, c.token); a.status != c.want {
			t.Errorf("%s as %q: %d, want %d", c.path, c.token, a.status, c.want)
		}
	}
	var b wire.Broadcast
	if err := json.Unmarshal([]byte(ask(h, "GET", broadcast, "_/alice").body), &b); err != nil || b.State != wire.JobWaiting || b.Total != 9 ||
		b.Sent != 2 || b.Failed != 1 || len(b.Errors) != 1 || b.ID != ids[job.KindBroadcast] || b.Created.IsZero() || !b.Started.IsZero() {
		t.Errorf("%+v, %v", b, err)
	}
	var e wire.Erasure
	if err := json.Unmarshal([]byte(ask(h, "GET", erasure, "_/alice").body), &e); err != nil || e.User != "carol" || e.Messages != 5 || e.Conversations != 4 {
		t.Errorf("%+v, %v", e, err)
	}
}

// What the states of jobs are called.
func TestStatesOfJobs(t *testing.T) {
	some, now := time.Unix(1700000000, 0), time.Unix(1700000009, 0)
	for _, c := range []struct {
		job      store.Job
		progress string
		want     wire.JobState
	}{
		{store.Job{State: store.JobNew}, `{"total":3,"next":0}`, wire.JobWaiting},
		{store.Job{State: store.JobLeased, Started: some}, `{"total":3,"next":1}`, wire.JobRunning},
		{store.Job{State: store.JobNew, Started: some}, `{"total":3,"next":1}`, wire.JobWaiting},
		{store.Job{State: store.JobDone, Started: some, Due: now}, `{"total":3,"next":3}`, wire.JobDone},
		{store.Job{State: store.JobDone, Started: some, Due: now, Cancel: true}, `{"total":3,"next":2}`, wire.JobCancelled},
		{store.Job{State: store.JobDone, Started: some, Due: now, Cancel: true}, `{"total":3,"next":3}`, wire.JobDone}, // too late
		{store.Job{State: store.JobDead, Started: some, Due: now, Failure: "x"}, `{"total":3,"next":2}`, wire.JobFailed},
	} {
		c.job.Progress = []byte(c.progress)
		b, err := job.ShowBroadcast(&c.job)
		if err != nil || b.State != c.want || b.Finished.IsZero() == c.job.State.Ended() || b.Failure != c.job.Failure {
			t.Errorf("%+v: %s, %v", c.job, fmt.Sprintf("%+v", b), err)
		}
	}
	if _, err := job.ShowErasure(&store.Job{Progress: []byte("{")}); err == nil {
		t.Error("progress that cannot be read is shown")
	}
}
