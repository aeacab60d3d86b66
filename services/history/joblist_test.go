package history

import (
	"fmt"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
)

// work makes a job of a kind and brings it to a state.
func (f *fixture) work(t *testing.T, name string, kind store.JobKind, progress any, state store.JobState) chat.JobID {
	t.Helper()
	j := store.Job{NS: "_", ID: chat.NewJobID("_", string(kind), "shop", chat.CMID(name)), Kind: kind, Creator: "shop",
		Payload: []byte(`{"body":"a secret"}`), Progress: wire.Encode(progress)}
	_, err := f.store.CreateJob(t.Context(), j)
	if err == nil && state != store.JobNew {
		var list []store.Job
		list, err = f.store.ClaimJobs(t.Context(), store.Claim{Owner: "pod1", Kinds: []store.JobKind{kind}, Lease: time.Hour, Limit: 1})
		if err == nil && state != store.JobLeased {
			list[0].State, list[0].Version, list[0].Failure = state, 1, "something did not answer"
			_, err = f.store.SaveJob(t.Context(), list[0], 0)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	return j.ID
}

func TestJobList(t *testing.T) {
	f := newFixture(t)
	h := f.handler(func(o *Options) { o.Verifier = scopes{} })
	dead := f.work(t, "a", job.KindErasure, job.ErasureProgress{User: "carol", Conv: f.group.Conv, Conversations: 4, Messages: 5}, store.JobDead)
	done := f.work(t, "b", job.KindBroadcast, job.BroadcastProgress{Total: 3, Next: 3, Failed: 1}, store.JobDone)
	leased := f.work(t, "c", job.KindBroadcast, job.BroadcastProgress{Total: 9, Next: 3}, store.JobLeased)
	keep := f.work(t, "d", job.KindKeep, job.KeepProgress{Conv: f.group.Conv}, store.JobNew)
	for target, want := range map[string][]chat.JobID{
		"/v1/jobs":                                       {leased, keep, done, dead},
		"/v1/jobs?order=newest":                          {leased, keep, done, dead},
		"/v1/jobs?order=due":                             {dead, done, keep, leased},
		"/v1/jobs?state=waiting":                         {keep},
		"/v1/jobs?state=running":                         {leased},
		"/v1/jobs?state=done":                            {done},
		"/v1/jobs?state=failed":                          {dead},
		"/v1/jobs?kind=broadcast":                        {leased, done},
		"/v1/jobs?kind=broadcast&state=done":             {done},
		"/v1/jobs?kind=erasure&state=waiting":            {},
		"/v1/jobs?kind=keep&order=due":                   {keep},
		"/v1/jobs?kind=broadcast&state=running&limit=50": {leased},
	} {
		list := get[wire.List[wire.Job]](t, h, target, "_/root!operator")
		got := map[chat.JobID]int{}
		for i, j := range list.Items {
			got[j.ID] = i
		}
		if list.Next != "" || len(list.Items) != len(want) || list.Items == nil {
			t.Errorf("%s: %+v", target, list)
		}
		for _, id := range want { // their times may be of one millisecond: only who is there
			if _, there := got[id]; !there {
				t.Errorf("%s: %s is missing: %+v", target, id, list)
			}
		}
	}
	first := get[wire.Job](t, h, "/v1/jobs/"+string(dead), "_/root!operator")
	if first.State != wire.JobFailed || first.Kind != wire.JobErasure || first.Creator != "shop" || first.Worker != "pod1" || first.Attempt != 1 || first.Tries != 1 ||
		first.Failure == "" || first.Due != first.Finished || first.Progress != (wire.JobProgress{User: "carol", Conv: f.group.Conv, Done: 4, Messages: 5}) {
		t.Errorf("%+v", first)
	}
	if j := get[wire.Job](t, h, "/v1/jobs/"+string(done), "_/root!operator"); j.State != wire.JobDone || j.Progress != (wire.JobProgress{Total: 3, Done: 3, Failed: 1}) {
		t.Errorf("%+v", j)
	}
	if j := get[wire.Job](t, h, "/v1/jobs/"+string(keep), "_/root!operator"); j.State != wire.JobWaiting || j.Progress.Conv != f.group.Conv || !j.Started.IsZero() {
		t.Errorf("%+v", j)
	}
	for target, want := range map[string]int{
		"/v1/jobs?state=dead": 400, "/v1/jobs?kind=x": 400, "/v1/jobs?order=up": 400, "/v1/jobs?cursor=!": 400, "/v1/jobs?cursor=eA": 400,
		"/v1/jobs?limit=0": 400, "/v1/jobs?limit=9999": 400, "/v1/jobs/x": 404, "/v1/jobs/j_aaaaaaaaaaaaaaaaaaaaaaaaaa": 404,
		"/v1/jobs?cursor=" + jobCursor(store.JobMark{Due: time.UnixMilli(1), ID: "x"}): 400,
	} {
		if a := ask(h, "GET", target, "_/root!operator"); a.status != want {
			t.Errorf("%s: %d, want %d", target, a.status, want)
		}
	}
	for _, who := range []string{"_/shop!send:any", "_/root!erase:any", "_/shop"} {
		for _, target := range []string{"/v1/jobs", "/v1/jobs/" + string(dead)} {
			if a := ask(h, "GET", target, who); a.status != 403 {
				t.Errorf("%s as %s: %d", target, who, a.status)
			}
		}
	}
	if list := get[wire.List[wire.Job]](t, h, "/v1/jobs", "other/root!operator"); len(list.Items) != 0 {
		t.Errorf("another tenant has %+v", list)
	}
	if a := ask(h, "GET", "/v1/jobs/"+string(dead), "other/root!operator"); a.status != 404 {
		t.Errorf("of another tenant: %d", a.status)
	}
}

func TestJobListInPages(t *testing.T) {
	f := newFixture(t)
	h := f.handler(func(o *Options) { o.Verifier = scopes{} })
	for i := range 7 { // many of them in one millisecond
		f.work(t, fmt.Sprint(i), job.KindBroadcast, job.BroadcastProgress{}, store.JobNew)
	}
	for _, order := range []string{"newest", "due"} {
		all := get[wire.List[wire.Job]](t, h, "/v1/jobs?order="+order, "_/root!operator")
		var got []wire.Job
		for cursor, more := "", true; more; {
			part := get[wire.List[wire.Job]](t, h, "/v1/jobs?limit=2&order="+order+"&cursor="+cursor, "_/root!operator")
			got = append(got, part.Items...)
			cursor, more = part.Next, part.Next != ""
		}
		if len(all.Items) != 7 || fmt.Sprint(got) != fmt.Sprint(all.Items) {
			t.Errorf("%s: %v, want %v", order, got, all.Items)
		}
	}
}
