package gateway

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/job"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// as does a request at one of the pods with scopes.
func (c *cluster) as(user string, scopes []string, pod int, method, path, body string, out any) int {
	c.t.Helper()
	token, err := c.signer.Sign(auth.Identity{User: chat.User(user), Scopes: scopes}, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.urls[pod]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer http.DefaultClient.CloseIdleConnections()
	defer res.Body.Close()
	if res.StatusCode/100 == 2 && out != nil {
		if err := json.UnmarshalRead(res.Body, out); err != nil {
			c.t.Fatal(err)
		}
	}
	return res.StatusCode
}

var sendAny = []string{auth.ScopeSendAny}

// brisk has pods look for jobs often, and names their stores. Their leases are longer
// than a machine stands still: a step has half of one.
func brisk() func(*Options) {
	n := 0
	return func(o *Options) {
		o.Store = o.Store.(*memstore.Store).As(fmt.Sprint("pod", n))
		n++
		o.jobs.Every, o.jobs.Lease = 20*time.Millisecond, time.Minute
	}
}

// mortal has leases end soon, where one is lost: then steps may fail, too, and are
// tried again.
func mortal(o *Options) { o.jobs.Lease, o.keep.jobs.Lease = 2*time.Second, 2*time.Second }

// jobPatience is how long a test waits for a job. Where leases are short a machine that
// stands still makes steps fail, and from the third time on the next try is a minute away.
const jobPatience = 5 * time.Minute

// ended waits until a job has ended.
func (c *cluster) ended(id chat.JobID) store.Job {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), jobPatience)
	defer cancel()
	saved := c.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Pass})
	defer saved.Remove()
	for {
		n := saved.Hits()
		list, err := c.store.Jobs(ctx, store.JobQuery{NS: chat.DefaultNS, ID: id, Limit: 1})
		if err != nil || len(list) != 1 {
			c.t.Fatalf("job %s: %+v, %v", id, list, err)
		}
		if list[0].State.Ended() {
			return list[0]
		}
		if err := saved.Wait(ctx, n+1); err != nil {
			c.t.Fatalf("the job does not end: %+v, progress %s", list[0], list[0].Progress)
		}
	}
}

// broadcastEnded waits until a broadcast has ended.
func (c *cluster) broadcastEnded(id chat.JobID) wire.Broadcast {
	c.t.Helper()
	j := c.ended(id)
	out, err := job.ShowBroadcast(&j)
	if err != nil {
		c.t.Fatal(err)
	}
	return out
}

// crowd are n users.
func crowd(n int) []string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf("user%04d", i)
	}
	return users
}

func broadcastOf(users []string, more string) string {
	list, _ := json.Marshal(users)
	return fmt.Sprintf(`{"users":%s,"body":{"text":"to all"},"cmid":"b1"%s}`, list, more)
}

// received checks that each user has exactly one message of from.
func (c *cluster) received(from chat.User, users []string, text string) {
	c.t.Helper()
	for _, u := range users {
		key := chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, from, chat.User(u))}
		list, err := c.store.Entries(c.t.Context(), key, store.Range{Limit: 10})
		if err != nil || len(list) != 1 || list[0].From != from || string(list[0].Body) != fmt.Sprintf(`{"text":%q}`, text) {
			c.t.Fatalf("%s has %d messages: %+v, %v", u, len(list), list, err)
		}
	}
}

func TestBroadcast(t *testing.T) {
	c := newCluster(t, 2, brisk())
	users := crowd(230)
	online, _ := c.login(1, users[7], "")
	for _, u := range []string{users[0], users[150]} {
		if status := c.rest("PUT", "/v1/blocks/news", u, "", nil); status != http.StatusOK {
			t.Fatal(status)
		}
	}
	in := broadcastOf(users, `,"from":"news"`)
	var b, again wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in, &b); status != http.StatusAccepted || b.Total != 230 || b.ID == "" {
		t.Fatalf("%d %+v", status, b)
	}
	if status := c.as("shop", sendAny, 1, "POST", "/v1/broadcasts", in, &again); status != http.StatusAccepted || again.ID != b.ID {
		t.Errorf("repeated: %d %+v", status, again)
	}
	if status := c.as("shop", sendAny, 1, "POST", "/v1/broadcasts", broadcastOf(users[1:], ""), nil); status != http.StatusConflict {
		t.Errorf("another one with the same cmid: %d", status)
	}
	e := expect[*wire.Entry](online)
	if e.From != "news" || e.Via != "shop" || string(e.Body) != `{"text":"to all"}` {
		t.Errorf("%+v", e)
	}
	got := c.broadcastEnded(b.ID)
	want := []wire.BroadcastError{{User: "user0000", Code: chat.CodeForbidden}, {User: "user0150", Code: chat.CodeForbidden}}
	if got.State != wire.JobDone || got.Sent != 228 || got.Failed != 2 || !slices.Equal(got.Errors, want) ||
		got.Started.IsZero() || got.Finished.Before(got.Started.Time) {
		t.Errorf("%+v", got)
	}
	c.received("news", slices.Concat(users[1:150], users[151:]), "to all")
	// Everybody who is asked for again has it.
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in, &again); status != http.StatusAccepted || again.State != wire.JobDone {
		t.Errorf("repeated: %d %+v", status, again)
	}
}

func TestBroadcastToAGroup(t *testing.T) {
	c := newCluster(t, 1, brisk())
	users := crowd(20)
	conv := c.group("owner", users...)
	if status := c.rest("DELETE", "/v1/conversations/"+string(conv)+"?cmid=l", users[3], "", nil); status != http.StatusNoContent {
		t.Fatal(status)
	}
	var b wire.Broadcast
	in := fmt.Sprintf(`{"conv":%q,"body":{"text":"hi"},"cmid":"b1"}`, conv)
	if status := c.as("owner", sendAny, 0, "POST", "/v1/broadcasts", in, &b); status != http.StatusAccepted || b.Total != 19 {
		t.Fatalf("%d %+v", status, b)
	}
	if got := c.broadcastEnded(b.ID); got.Sent != 19 || got.State != wire.JobDone {
		t.Errorf("%+v", got)
	}
	c.received("owner", slices.Concat(users[:3], users[4:]), "hi")
	for in, want := range map[string]int{
		`{"conv":"g_aaaaaaaaaaaaaaaaaaaaaaaaaa","body":{"text":"hi"},"cmid":"b2"}`: 404,
		`{"conv":"d_aaaaaaaaaaaaaaaaaaaaaaaaaa","body":{"text":"hi"},"cmid":"b2"}`: 400,
	} {
		if status := c.as("owner", sendAny, 0, "POST", "/v1/broadcasts", in, nil); status != want {
			t.Errorf("%s: %d", in, status)
		}
	}
}

func TestBroadcastIsRefused(t *testing.T) {
	c := newCluster(t, 1, brisk())
	for in, want := range map[string]int{
		broadcastOf(crowd(wire.MaxBroadcast+1), ""):                          400,
		broadcastOf([]string{"a", "a"}, ""):                                  400,
		broadcastOf([]string{"no user"}, ""):                                 400,
		broadcastOf(nil, ""):                                                 400,
		broadcastOf([]string{"a"}, `,"from":"no user"`):                      400,
		broadcastOf([]string{"a"}, `,"conv":"g_aaaaaaaaaaaaaaaaaaaaaaaaaa"`): 400,
		`{"users":["a"],"cmid":"b1","body":{}}`:                              400,
		`{"users":["a"],"body":{"text":"x"}}`:                                400,
		`{"users":["a"],"cmid":"b1","body":{"text":"x","attachments":[{"id":"a_aaaaaaaaaaaaaaaaaaaaaaaaaa","name":"","type":"","size":0}]}}`: 400,
		`{"users":["a"],"cmid":"b1","body":{"text":"` + strings.Repeat("x", 17<<10) + `"}}`:                                                  413,
		`{"users":["` + strings.Repeat("x", 1<<20) + `"]}`:                                                                                   413,
	} {
		if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in, nil); status != want {
			t.Errorf("%.120s: %d, want %d", in, status, want)
		}
	}
	if n := c.store.Calls(memstore.OpCreateJob); n != 0 {
		t.Errorf("%d jobs were made", n)
	}
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(crowd(wire.MaxBroadcast), ""), nil); status != http.StatusAccepted {
		t.Errorf("of as many as there may be: %d", status)
	}
}

// There is a bound on what is under way; what was asked for before is still found.
func TestBroadcastsAreBounded(t *testing.T) {
	c := newCluster(t, 1, func(o *Options) { o.jobs.Every = time.Hour })
	claims := c.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail})
	defer claims.Remove()
	in := func(n int) string { return fmt.Sprintf(`{"users":["a"],"body":{"text":"x"},"cmid":"b%d"}`, n) }
	for n := range wire.MaxBroadcasts {
		if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in(n), nil); status != http.StatusAccepted {
			t.Fatal(n, status)
		}
	}
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in(wire.MaxBroadcasts), nil); status != http.StatusTooManyRequests {
		t.Errorf("one more: %d", status)
	}
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", in(0), nil); status != http.StatusAccepted {
		t.Errorf("a repeat: %d", status)
	}
}

func TestBroadcastIsCancelled(t *testing.T) {
	c := newCluster(t, 2, brisk())
	users := crowd(5000)
	saved := c.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Block, Skip: 1, Times: 1}) // it is cancelled meanwhile
	var b wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if err := saved.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	path := "/v1/broadcasts/" + string(b.ID)
	for who, want := range map[string]int{"mallory": 404, "shop": 200} {
		if status := c.as(who, sendAny, 1, "DELETE", path, "", nil); status != want {
			t.Errorf("%s: %d", who, status)
		}
	}
	saved.Release()
	got := c.broadcastEnded(b.ID)
	if got.State != wire.JobCancelled || got.Sent == 0 || got.Sent > 1000 {
		t.Errorf("%+v", got)
	}
	c.received("shop", users[:got.Sent], "to all")
	for _, u := range users[got.Sent:] {
		key := chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, "shop", chat.User(u))}
		if list, err := c.store.Entries(t.Context(), key, store.Range{Limit: 1}); err != nil || len(list) != 0 {
			t.Fatalf("%s: %+v, %v", u, list, err)
		}
	}
	if status := c.as("root", []string{auth.ScopeOperator}, 1, "DELETE", path, "", nil); status != http.StatusOK {
		t.Errorf("cancelled again, by an operator: %d", status)
	}
}

// killFirst lets the first of two pods die at a call of it to the store, after a job
// was made: that one goes wrong in a way, and none after it gets there. What it
// returns waits until then, and lets the second pod look for jobs: it shall not be first.
func (c *cluster) killFirst(op memstore.Op, kind memstore.Kind, skip int) (died func()) {
	second := c.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod1" }})
	made, dead := false, false // guarded by the store's lock, as When is
	c.store.Inject(memstore.Fault{Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod0" && dead }})
	seen := 0
	last := c.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1, When: func(call memstore.Call) bool {
		if call.Client == "pod0" && made {
			seen++
		}
		dead = dead || seen > skip
		return dead
	}})
	c.store.Inject(memstore.Fault{Op: memstore.OpCreateJob, Kind: memstore.Pass, When: func(memstore.Call) bool {
		made = true
		return false
	}})
	return func() {
		c.t.Helper()
		if err := last.Wait(c.t.Context(), 1); err != nil {
			c.t.Fatal(err)
		}
		second.Remove()
	}
}

// Whatever a pod was doing when it was killed, another one goes on, and everybody gets
// the message exactly once. From the moment on that a case names, no call of the first
// pod reaches the store.
func TestBroadcastSurvivesItsPod(t *testing.T) {
	for _, k := range []struct {
		name string
		op   memstore.Op
		kind memstore.Kind
		skip int
	}{
		{"before the first message", memstore.OpAppend, memstore.Fail, 0},
		{"in the middle of a step", memstore.OpAppend, memstore.Fail, 3},
		{"stored, and no answer", memstore.OpAppend, memstore.FailApplied, 3},
		{"stored, and not finished", memstore.OpFinish, memstore.Fail, 3},
		{"finished, and no answer", memstore.OpFinish, memstore.FailApplied, 3},
		{"sent, and not saved", memstore.OpSaveJob, memstore.Fail, 1},
		{"saved, and no answer", memstore.OpSaveJob, memstore.FailApplied, 1},
		{"the last step sent, and not saved", memstore.OpSaveJob, memstore.Fail, 2},
		{"ended, and no answer", memstore.OpSaveJob, memstore.FailApplied, 2},
		{"claimed, and no answer", memstore.OpClaimJobs, memstore.FailApplied, 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, brisk(), mortal)
			users := crowd(300)
			online, _ := c.login(1, users[299], "")
			died := c.killFirst(k.op, k.kind, k.skip)
			var b wire.Broadcast
			if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
				t.Fatal(status)
			}
			died()
			got := c.broadcastEnded(b.ID)
			if got.State != wire.JobDone || got.Sent != 300 || got.Failed != 0 {
				t.Errorf("%+v", got)
			}
			c.received("shop", users, "to all")
			if e := expect[*wire.Entry](online); e.Seq != 1 || e.From != "shop" {
				t.Errorf("%+v", e)
			}
			online.send(`{"type":"ping","ref":"p"}`)
			for {
				f := online.next()
				if _, ok := f.(*wire.Pong); ok {
					break
				}
				if e, ok := f.(*wire.Entry); ok {
					t.Errorf("a second one: %+v", e)
				}
			}
		})
	}
}

// A pod that stops in good order gives the job to another one at once.
func TestBroadcastSurvivesADrain(t *testing.T) {
	c := newCluster(t, 2, brisk(), func(o *Options) { o.jobs.Lease = time.Hour })
	users := crowd(600)
	saved := c.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Pass})
	var b wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	if err := saved.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	j, err := c.store.Jobs(t.Context(), store.JobQuery{NS: chat.DefaultNS, ID: b.ID, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range c.gates {
		if g.Pod() == j[0].Owner {
			c.gates[i].Drain(t.Context())
		}
	}
	if got := c.broadcastEnded(b.ID); got.State != wire.JobDone || got.Sent != 600 {
		t.Errorf("%+v", got)
	}
	c.received("shop", users, "to all")
}

// A request without an answer is repeated, and makes one job; so does a cancel.
func TestBroadcastUnderFaultsOfItsRequests(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpJobs, memstore.OpCreateJob, memstore.OpCancelJob} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				c := newCluster(t, 1, brisk())
				c.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1})
				users := crowd(50)
				again := func(method, path, in string, out any) int {
					t.Helper()
					status := c.as("shop", sendAny, 0, method, path, in, out)
					if status == http.StatusServiceUnavailable {
						status = c.as("shop", sendAny, 0, method, path, in, out)
					}
					return status
				}
				var b wire.Broadcast
				if status := again("POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
					t.Fatal(status)
				}
				if got := c.broadcastEnded(b.ID); got.Sent != 50 {
					t.Errorf("%+v", got)
				}
				c.received("shop", users, "to all")
				if status := again("DELETE", "/v1/broadcasts/"+string(b.ID), "", &b); status != http.StatusOK || b.State != wire.JobDone {
					t.Errorf("cancelled too late: %d %+v", status, b)
				}
			})
		}
	}
}

// While the store does not take messages nobody is counted as failed; when it does
// again, the rest is sent.
func TestBroadcastWaitsForTheStore(t *testing.T) {
	c := newCluster(t, 1, brisk(), mortal)
	away := c.store.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Fail, Skip: 1})
	users := crowd(300)
	var b wire.Broadcast
	if status := c.as("shop", sendAny, 0, "POST", "/v1/broadcasts", broadcastOf(users, ""), &b); status != http.StatusAccepted {
		t.Fatal(status)
	}
	failed := c.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Pass})
	if err := failed.Wait(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	away.Remove()
	if got := c.broadcastEnded(b.ID); got.Sent != 300 || got.Failed != 0 || got.Failure != "" {
		t.Errorf("%+v", got)
	}
	c.received("shop", users, "to all")
}
