package gateway

import (
	"context"
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

// keeping has pods look often for conversations that are due, and names their stores;
// leases are as with brisk.
func keeping() func(*Options) {
	n := 0
	return func(o *Options) {
		mem := o.Store.(*memstore.Store)
		o.Search = mem.Search()
		o.Store = mem.As(fmt.Sprint("pod", n))
		n++
		o.keep.jobs.Every, o.keep.jobs.Lease = 20*time.Millisecond, time.Minute
	}
}

// aged is a group of alice and bob, whose messages are 50, 49, … 1 hours old, several
// of each age.
type aged struct {
	*cluster
	key  chat.Key
	each chat.Seq // messages of an age
}

const ages = 50

func (c *cluster) aged(each chat.Seq) *aged {
	c.t.Helper()
	return c.agedIn(chat.DefaultNS, "aged", each)
}

// agedIn is another such group.
func (c *cluster) agedIn(ns chat.NS, name chat.CMID, each chat.Seq) *aged {
	c.t.Helper()
	a := &aged{c, chat.Key{NS: ns, Conv: chat.GroupID(ns, "alice", name)}, each}
	now := time.Now().UTC().Truncate(time.Millisecond).Add(30 * time.Minute) // nothing is of an age to the minute, nor becomes so in a test
	conv := chat.Conversation{Key: a.key, Kind: chat.Group, History: chat.HistoryAll, Created: now.Add(-100 * time.Hour), Floor: 1}
	member := func(user chat.User, role chat.Role) chat.Member {
		return chat.Member{Key: a.key, User: user, Role: role, AsOf: 1, Joined: 1}
	}
	if err := c.store.Create(c.t.Context(), conv, []chat.Member{member("alice", chat.RoleOwner), member("bob", chat.RoleMember)}); err != nil {
		c.t.Fatal(err)
	}
	var b store.Batch
	for seq := chat.Seq(1); seq <= ages*each; seq++ {
		b.Entries = append(b.Entries, chat.Entry{Key: a.key, Seq: seq, Kind: chat.KindMessage, From: "alice", CMID: chat.CMID(fmt.Sprint("m", seq)),
			Time: now.Add(-time.Duration(ages-(seq-1)/each) * time.Hour), Count: int64(seq), Members: 2, Body: []byte(`{"text":"old"}`)})
	}
	if done := c.store.Append(c.t.Context(), b); done.Err != nil {
		c.t.Fatal(done.Err)
	}
	if err := c.store.Finish(c.t.Context(), b); err != nil {
		c.t.Fatal(err)
	}
	return a
}

// floor is the first message that is kept for so many hours.
func (a *aged) floor(hours chat.Seq) chat.Seq { return (ages-hours)*a.each + 1 }

func (a *aged) conversation() chat.Conversation {
	a.t.Helper()
	list, err := a.store.ConversationsByKey(context.Background(), []chat.Key{a.key})
	if err != nil || len(list) != 1 {
		a.t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

// decide asks until it is answered.
func (a *aged) decide(keep string) (out wire.Retention) {
	a.t.Helper()
	for range 10 {
		if a.operate("PUT", retentionPath(a.key.Conv), fmt.Sprintf(`{"keep":%q}`, keep), &out) == http.StatusOK {
			return out
		}
	}
	a.t.Fatal("no answer")
	return out
}

// settled waits until all that was decided waits for the next time, or has ended. What
// is no policy any more finds that out only then.
func (a *aged) settled() {
	a.t.Helper()
	ctx, cancel := context.WithTimeout(a.t.Context(), jobPatience)
	defer cancel()
	saved := a.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Pass})
	defer saved.Remove()
	for {
		n := saved.Hits()
		list, err := a.store.Jobs(ctx, store.JobQuery{NS: chat.DefaultNS, Kinds: []store.JobKind{job.KindKeep}, Limit: 100})
		if err != nil {
			a.t.Fatal(err)
		}
		waits := 0
		for _, j := range list {
			if j.State == store.JobNew && time.Until(j.Due) > 10*time.Minute {
				waits++
			}
		}
		if waits == len(list) {
			return
		}
		if err := saved.Wait(ctx, n+1); err != nil {
			a.t.Fatalf("it does not come to an end: %+v", list)
		}
	}
}

// is checks the floor, and that what is below it is gone, and nothing else.
func (a *aged) is(floor chat.Seq) {
	a.t.Helper()
	if got := a.conversation().Floor; got != floor {
		a.t.Errorf("the floor is %d, want %d", got, floor)
	}
	list, err := a.store.Entries(a.t.Context(), a.key, store.Range{Limit: int(ages*a.each) + 10})
	if err != nil || len(list) < int(ages*a.each) {
		a.t.Fatalf("%d entries, %v", len(list), err)
	}
	for _, e := range list {
		if gone := e.Seq < floor; e.Gone != gone || (e.Body == nil) != gone {
			a.t.Fatalf("with the floor at %d: %+v", floor, e)
		}
	}
}

func TestKeep(t *testing.T) {
	c := newCluster(t, 2, keeping())
	a := c.aged(3)
	if out := a.decide("1d"); out.Keep != "24h" || out.Conv != a.key.Conv || out.Next != 0 {
		t.Errorf("%+v", out)
	}
	a.settled()
	a.is(a.floor(24))

	// It is shown, and a device that stands before the floor is told where it goes on.
	part, err := c.gates[1].view.Access(t.Context(), a.key, "bob")
	if err != nil {
		t.Fatal(err)
	}
	if w, err := c.gates[1].view.Conversation(t.Context(), part); err != nil || w.Keep != "24h" || w.Floor != a.floor(24) {
		t.Errorf("%+v, %v", w, err)
	}
	b := c.connect(1, "bob")
	b.send(`{"type":"hello","device":"b1","resume":{"epoch":%q,"cursors":{%q:2}}}`, *c.gates[1].epoch.Load(), a.key.Conv)
	if r := expect[*wire.Reset](b); r.Floor != a.floor(24) || r.Next != a.floor(24) {
		t.Errorf("%+v", r)
	}

	// The latest decision holds; what is gone stays so.
	a.decide("30h")
	a.settled()
	a.is(a.floor(24))
	a.decide("10h")
	a.settled()
	a.is(a.floor(10))
	if out := a.decide(""); out.Keep != "" || out.Floor != a.floor(10) {
		t.Errorf("%+v", out)
	}
	a.settled()
	a.is(a.floor(10))
	sum := Sum([]Stats{c.gates[0].Stats(), c.gates[1].Stats()}).Keep
	if sum.Raised != 2 || sum.Failures != 0 || sum.Looks < 5 {
		t.Errorf("%+v", sum)
	}
	var out wire.Retention // by hand, as ever
	if status := c.operate("PUT", retentionPath(a.key.Conv), `{"floor":140}`, &out); status != http.StatusOK || out.Floor != 140 || out.Keep != "" {
		t.Errorf("%d %+v", status, out)
	}
}

// Everything may be too old; and there may be nothing at all.
func TestKeepOfNothing(t *testing.T) {
	c := newCluster(t, 1, keeping())
	a := c.aged(1)
	if status := c.operate("PUT", retentionPath(a.key.Conv), `{"before":"2999-01-01T00:00:00Z"}`, nil); status != http.StatusOK {
		t.Fatal(status)
	}
	a.decide("1h")
	a.settled()
	a.is(ages + 1)
	list, err := c.store.Jobs(t.Context(), store.JobQuery{NS: chat.DefaultNS, Kinds: []store.JobKind{job.KindKeep}, Limit: 9})
	if err != nil || len(list) != 1 || time.Until(list[0].Due) > time.Hour {
		t.Errorf("%+v, %v", list, err)
	}
}

// Where nothing is too old a look costs two reads, and comes again when something may be.
func TestKeepLooksSeldom(t *testing.T) {
	c := newCluster(t, 1, keeping())
	a := c.aged(1)
	a.decide("60h")
	a.settled()
	entries, convs := c.store.Calls(memstore.OpEntries), c.store.Calls(memstore.OpConversationsByKey)
	step, err := c.gates[0].keeper.look(t.Context(), a.key, a.conversation().Keep, time.Now())
	if err != nil || step.Done || step.Again < 9*time.Hour || step.Again > 11*time.Hour {
		t.Errorf("%+v, %v", step, err)
	}
	if n, m := c.store.Calls(memstore.OpEntries)-entries, c.store.Calls(memstore.OpConversationsByKey)-convs; n != 1 || m != 2 { // one is this test's
		t.Errorf("%d and %d reads", n, m)
	}
	a.is(1)
	for i, k := range []struct {
		hours int
		again time.Duration
	}{{50, time.Hour}, {chat.MaxKeep, 24 * time.Hour}} {
		policy := chat.Keep{Version: 1<<60 + int64(i), Hours: k.hours}
		if step, err := c.gates[0].keeper.look(t.Context(), a.key, policy, time.Now()); err != nil || step.Again != k.again {
			t.Errorf("%d hours: %+v, %v", k.hours, step, err)
		}
	}
}

// A policy that was replaced raises nothing any more, however late its write comes.
func TestKeepUnderTheLatestDecision(t *testing.T) {
	for _, next := range []string{"40h", ""} {
		t.Run("then "+next, func(t *testing.T) {
			c := newCluster(t, 1, keeping())
			a := c.aged(2)
			held := c.store.Inject(memstore.Fault{Op: memstore.OpRaiseFloor, Kind: memstore.Block, Times: 1})
			a.decide("5h")
			if err := held.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			a.decide(next)
			held.Release()
			a.settled()
			want := chat.Seq(1)
			if next != "" {
				want = a.floor(40)
			}
			a.is(want)
		})
	}
}

// A decision that got no answer may hold later, but not once another has been answered.
func TestKeepIsNotOvertaken(t *testing.T) {
	c := newCluster(t, 1, keeping())
	a := c.aged(1)
	claims := c.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail})
	fail := c.store.Inject(memstore.Fault{Op: memstore.OpSetKeep, Kind: memstore.Late, Times: 1})
	if status := c.operate("PUT", retentionPath(a.key.Conv), `{"keep":"5h"}`, nil); status != http.StatusServiceUnavailable {
		t.Fatal(status)
	}
	if out := a.decide("40h"); out.Keep != "40h" {
		t.Fatalf("%+v", out)
	}
	fail.Release()
	claims.Remove()
	a.settled()
	if got := a.conversation().Keep.Hours; got != 40 {
		t.Errorf("it is kept for %d hours", got)
	}
	a.is(a.floor(40))
}

// Whatever a pod was doing when it was killed, another one goes on. From the moment on
// that a case names, no call of the first pod reaches the store.
func TestKeepSurvivesItsPod(t *testing.T) {
	for _, k := range []struct {
		name string
		op   memstore.Op
		kind memstore.Kind
		skip int
	}{
		{"decided, and not in the conversation", memstore.OpSetKeep, memstore.Fail, 0},
		{"in the conversation, and no answer", memstore.OpSetKeep, memstore.FailApplied, 0},
		{"claimed, and no answer", memstore.OpClaimJobs, memstore.FailApplied, 0},
		{"looking", memstore.OpEntries, memstore.Fail, 3},
		{"found, and not saved", memstore.OpSaveJob, memstore.Fail, 0},
		{"found, and no answer", memstore.OpSaveJob, memstore.FailApplied, 0},
		{"before the floor is raised", memstore.OpRaiseFloor, memstore.Fail, 0},
		{"raised, and no answer", memstore.OpRaiseFloor, memstore.FailApplied, 0},
		{"before the first page", memstore.OpBlank, memstore.Fail, 0},
		{"in the middle of a step", memstore.OpBlank, memstore.FailApplied, 2},
		{"a step done, and not saved", memstore.OpSaveJob, memstore.Fail, 1},
		{"a step saved, and no answer", memstore.OpSaveJob, memstore.FailApplied, 1},
		{"in the second step", memstore.OpBlank, memstore.Fail, 5},
		{"all done, and not saved", memstore.OpSaveJob, memstore.Fail, 2},
		{"looked again, and no answer", memstore.OpSaveJob, memstore.FailApplied, 3},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			c := newCluster(t, 2, keeping(), mortal)
			a := c.aged(30) // 1,200 are too old: two steps
			died := c.killFirst(k.op, k.kind, k.skip)
			_ = c.operate("PUT", retentionPath(a.key.Conv), `{"keep":"10h"}`, nil)
			died()
			a.settled()
			if got := a.conversation().Keep.Hours; got != 10 {
				t.Errorf("it is kept for %d hours", got)
			}
			a.is(a.floor(10))
		})
	}
}

// Whatever call fails, or only its answer, the end is the same.
func TestKeepUnderEveryFault(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpCreateJob, memstore.OpSetKeep, memstore.OpClaimJobs, memstore.OpConversationsByKey, memstore.OpEntries,
		memstore.OpRaiseFloor, memstore.OpBlank, memstore.OpSearchApply, memstore.OpSaveJob} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				t.Parallel()
				c := newCluster(t, 1, keeping(), mortal)
				a := c.aged(2)
				c.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 2, When: func(call memstore.Call) bool { return call.Client == "pod0" || op == memstore.OpSearchApply }})
				a.decide("10h")
				a.settled()
				a.is(a.floor(10))
			})
		}
	}
}

func TestKeepIsRefused(t *testing.T) {
	c := newCluster(t, 1)
	group := c.group("alice", "bob")
	for _, in := range []string{`{"keep":"0h"}`, `{"keep":"1m"}`, `{"keep":"87601h"}`, `{"keep":"3651d"}`, `{"keep":{}}`, `{"keep":720}`, `{"keep":["1h"]}`, `{"keep":null,"floor":1}`,
		`{"keep":"1h","floor":1}`, `{"keep":"","before":"2024-01-01T00:00:00Z"}`, `{"keep":"1h","next":1}`} {
		if status := c.operate("PUT", retentionPath(group), in, nil); status != http.StatusBadRequest {
			t.Errorf("%s: %d", in, status)
		}
	}
	if n := c.store.Calls(memstore.OpCreateJob); n != 0 {
		t.Errorf("%d jobs were made", n)
	}
	var out wire.Retention
	if status := c.rest("PUT", retentionPath(group), "alice", `{"keep":"30d"}`, &out); status != http.StatusOK || out.Keep != "720h" {
		t.Errorf("%d %+v", status, out)
	}
}
