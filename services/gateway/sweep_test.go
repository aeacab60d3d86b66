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

// swept is a cluster that keeps what nobody has decided on for 10 hours, and looks for
// it when it is told to.
type swept struct {
	*cluster
	held *memstore.Injection // of all claims
	dead bool                // guarded by the store's lock: no call of pod0 gets there
	seen int                 // the same
}

const sweptHours = 10

func newSwept(t *testing.T, pods int, change ...func(*Options)) *swept {
	t.Helper()
	s := &swept{}
	keep := keeping()
	s.cluster = newCluster(t, pods, append([]func(*Options){keep, func(o *Options) {
		mem := o.Store.(*memstore.Store)
		o.Retention, o.Conversations = sweptHours, mem
		if s.held == nil {
			s.held = mem.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail})
		}
	}}, change...)...)
	return s
}

// sweep lets the walk begin, and waits until a round has ended.
func (s *swept) sweep() {
	s.t.Helper()
	s.held.Remove()
	ctx, cancel := context.WithTimeout(s.t.Context(), jobPatience)
	defer cancel()
	saved := s.store.Inject(memstore.Fault{Op: memstore.OpSaveJob, Kind: memstore.Pass})
	defer saved.Remove()
	for {
		n := saved.Hits()
		j := s.job(ctx)
		if j.State == store.JobNew && time.Until(j.Due) > 10*time.Minute {
			return
		}
		if err := saved.Wait(ctx, n+1); err != nil {
			s.t.Fatalf("it does not come to an end: %+v %s", j, j.Progress)
		}
	}
}

func (s *swept) job(ctx context.Context) store.Job {
	s.t.Helper()
	list, err := s.store.Jobs(ctx, store.JobQuery{NS: chat.DefaultNS, Kinds: []store.JobKind{job.KindSweep}, Limit: 9})
	if err != nil || len(list) != 1 {
		s.t.Fatalf("%+v, %v", list, err)
	}
	return list[0]
}

// dies lets the first pod die at a call of it to the store, from when claims are let
// through: that one goes wrong in a way, and none after it gets there. What it returns
// waits until then, and lets the second pod claim.
func (s *swept) dies(op memstore.Op, kind memstore.Kind, skip int) (died func()) {
	second := s.store.Inject(memstore.Fault{Op: memstore.OpClaimJobs, Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod1" }})
	s.store.Inject(memstore.Fault{Kind: memstore.Fail, When: func(call memstore.Call) bool { return call.Client == "pod0" && s.dead }})
	last := s.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1, When: func(call memstore.Call) bool {
		if call.Client == "pod0" {
			s.seen++
		}
		s.dead = s.dead || s.seen > skip
		return call.Client == "pod0" && s.dead
	}})
	s.held.Remove()
	return func() {
		s.t.Helper()
		if err := last.Wait(s.t.Context(), 1); err != nil {
			s.t.Fatal(err)
		}
		second.Remove()
	}
}

// young makes conversations that are not old enough for anything.
func (s *swept) young(n int) {
	s.t.Helper()
	for i := range n {
		key := chat.Key{NS: chat.DefaultNS, Conv: chat.GroupID(chat.DefaultNS, "carol", chat.CMID(fmt.Sprint("y", i)))}
		if err := s.store.Create(s.t.Context(), chat.Conversation{Key: key, Kind: chat.Group, Created: time.Now(), Floor: 1}, nil); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *swept) stats() KeepStats {
	var all []Stats
	for _, g := range s.gates {
		all = append(all, g.Stats())
	}
	return Sum(all).Keep
}

// What nobody has decided on is kept as the deployment says, in all tenants, and what
// somebody has decided on is not touched.
func TestSweep(t *testing.T) {
	s := newSwept(t, 2)
	none, other := s.agedIn(chat.DefaultNS, "none", 2), s.agedIn("elsewhere", "other", 1)
	forever, longer, again := s.agedIn(chat.DefaultNS, "forever", 1), s.agedIn(chat.DefaultNS, "longer", 1), s.agedIn(chat.DefaultNS, "again", 1)
	if out := forever.decide(""); out.Default || out.Keep != "" {
		t.Errorf("%+v", out)
	}
	longer.decide("40h")
	again.decide("40h")
	var out wire.Retention
	if status := s.operate("PUT", retentionPath(again.key.Conv), `{"keep":null}`, &out); status != http.StatusOK || !out.Default || out.Keep != "10h" {
		t.Errorf("%d %+v", status, out)
	}
	s.young(2*sweepPage + 50)
	s.sweep()
	longer.settled()
	none.is(none.floor(sweptHours))
	other.is(other.floor(sweptHours))
	again.is(again.floor(sweptHours))
	forever.is(1)
	longer.is(longer.floor(40))
	if sum := s.stats(); sum.Rounds != 1 || sum.Raised != 4 || sum.Failures != 0 {
		t.Errorf("%+v", sum)
	}
	for a, want := range map[*aged]wire.Conversation{none: {Keep: "10h"}, forever: {}, longer: {Keep: "40h"}} {
		part, err := s.gates[1].view.Access(t.Context(), a.key, "bob")
		if err != nil {
			t.Fatal(err)
		}
		if w, err := s.gates[1].view.Conversation(t.Context(), part); err != nil || w.Keep != want.Keep {
			t.Errorf("members are told of %q, want %q, %v", w.Keep, want.Keep, err)
		}
	}
}

// A conversation of which all is young costs no read of its log.
func TestSweepCosts(t *testing.T) {
	s := newSwept(t, 1)
	s.young(3*sweepPage - 1)
	s.sweep()
	if n, m := s.store.Calls(memstore.OpConversationsAfter), s.stats().Looks; n != 4 || m != 0 {
		t.Errorf("%d pages, %d looks", n, m)
	}
	if rest := time.Until(s.job(t.Context()).Due); rest > time.Hour || rest < 50*time.Minute {
		t.Errorf("the next round begins in %v", rest)
	}
	for hours, want := range map[int]time.Duration{1: time.Hour, 48: 2 * time.Hour, 2160: 24 * time.Hour} {
		if got := (&sweeper{k: s.gates[0].keeper, hours: hours}).rest(); got != want {
			t.Errorf("%d hours: a round in %v", hours, got)
		}
	}
}

// A step looks at so many logs, and the walk goes on behind them.
func TestSweepOfMany(t *testing.T) {
	s := newSwept(t, 1)
	all := make([]*aged, 2*sweepLooks+10)
	for i := range all {
		all[i] = s.agedIn(chat.DefaultNS, chat.CMID(fmt.Sprint("m", i)), 1)
		if _, err := s.store.RaiseFloor(t.Context(), all[i].key, all[i].floor(sweptHours), nil); err != nil {
			t.Fatal(err)
		}
	}
	s.sweep()
	if got := s.stats(); got.Looks != uint64(len(all)) || got.Raised != 0 || got.Rounds != 1 {
		t.Errorf("%+v", got)
	}
	if n := s.store.Calls(memstore.OpConversationsAfter); n != 4 { // 100, 100, 10, and the end
		t.Errorf("%d pages", n)
	}
}

// A decision that was answered holds, however late the write of a walk comes that did
// not know of it.
func TestSweepUnderADecision(t *testing.T) {
	for _, keep := range []string{`""`, `"40h"`, `null`} {
		t.Run(keep, func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, 1)
			a := s.aged(1)
			late := s.store.Inject(memstore.Fault{Op: memstore.OpRaiseFloor, Kind: memstore.Block, Times: 1})
			s.held.Remove()
			if err := late.Wait(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if status := s.operate("PUT", retentionPath(a.key.Conv), `{"keep":`+keep+`}`, nil); status != http.StatusOK {
				t.Fatal(status)
			}
			late.Release()
			s.sweep()
			a.settled()
			want := map[string]chat.Seq{`""`: 1, `"40h"`: a.floor(40), `null`: a.floor(sweptHours)}[keep]
			a.is(want)
		})
	}
}

// A log that lacks what its head promises does not keep the others waiting.
func TestSweepPassesAHole(t *testing.T) {
	s := newSwept(t, 1)
	a := s.aged(1)
	hole := chat.Conversation{Key: chat.Key{NS: "0", Conv: a.key.Conv}, Kind: chat.Group, Created: time.Now().Add(-100 * time.Hour), Floor: 1, Last: chat.Last{Seq: 5}}
	if err := s.store.Create(t.Context(), hole, nil); err != nil {
		t.Fatal(err)
	}
	s.sweep()
	a.is(a.floor(sweptHours))
}

// Whatever the pod was doing when it was killed, another one goes on. From the moment on
// that a case names, no call of the first pod reaches the store.
func TestSweepSurvivesItsPod(t *testing.T) {
	for _, k := range []struct {
		name string
		op   memstore.Op
		kind memstore.Kind
		skip int
	}{
		{"claimed, and no answer", memstore.OpClaimJobs, memstore.FailApplied, 0},
		{"before the first page", memstore.OpConversationsAfter, memstore.Fail, 0},
		{"looking", memstore.OpEntries, memstore.Fail, 3},
		{"found, and not saved", memstore.OpSaveJob, memstore.Fail, 0},
		{"found, and no answer", memstore.OpSaveJob, memstore.FailApplied, 0},
		{"before the floor is raised", memstore.OpRaiseFloor, memstore.Fail, 0},
		{"raised, and no answer", memstore.OpRaiseFloor, memstore.FailApplied, 0},
		{"before the first page is blanked", memstore.OpBlank, memstore.Fail, 0},
		{"in the middle of a step", memstore.OpBlank, memstore.FailApplied, 2},
		{"a step done, and not saved", memstore.OpSaveJob, memstore.Fail, 1},
		{"a step saved, and no answer", memstore.OpSaveJob, memstore.FailApplied, 1},
		{"in the second step", memstore.OpBlank, memstore.Fail, 5},
		{"one done, and not saved", memstore.OpSaveJob, memstore.Fail, 2},
		{"one done, and no answer", memstore.OpSaveJob, memstore.FailApplied, 2},
		{"in the second conversation", memstore.OpRaiseFloor, memstore.FailApplied, 1},
		{"before the end", memstore.OpConversationsAfter, memstore.Fail, 2},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, 2, mortal)
			a, b := s.agedIn(chat.DefaultNS, "a", 30), s.agedIn("tenant", "b", 3) // 1,200 are too old of a: two steps
			s.dies(k.op, k.kind, k.skip)()
			s.sweep()
			a.is(a.floor(sweptHours))
			b.is(b.floor(sweptHours))
		})
	}
}

// Whatever call fails, or only its answer, the end is the same.
func TestSweepUnderEveryFault(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpClaimJobs, memstore.OpConversationsAfter, memstore.OpEntries, memstore.OpRaiseFloor, memstore.OpBlank, memstore.OpSearchApply, memstore.OpSaveJob} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprint(op, kind), func(t *testing.T) {
				t.Parallel()
				s := newSwept(t, 1, mortal)
				a := s.aged(2)
				s.store.Inject(memstore.Fault{Op: op, Kind: kind, Times: 1})
				s.sweep()
				a.is(a.floor(sweptHours))
			})
		}
	}
}

// What one pod has raised and left is taken away by another that keeps content for
// longer, or for ever; it raises nothing.
func TestSweepAfterAChange(t *testing.T) {
	for _, k := range []struct {
		kind  memstore.Kind // of the write that raises the floor
		hours int
		want  func(a *aged) chat.Seq
	}{
		{memstore.Fail, 0, func(*aged) chat.Seq { return 1 }},
		{memstore.FailApplied, 0, func(a *aged) chat.Seq { return a.floor(sweptHours) }},
		{memstore.Fail, 40, func(a *aged) chat.Seq { return a.floor(40) }},
		{memstore.FailApplied, 40, func(a *aged) chat.Seq { return a.floor(sweptHours) }},
	} {
		t.Run(fmt.Sprint(k.kind, k.hours), func(t *testing.T) {
			t.Parallel()
			s := newSwept(t, 2, mortal)
			s.gates[1].sweeper.hours = k.hours // no claim of it has got through yet
			a := s.aged(2)
			s.dies(memstore.OpRaiseFloor, k.kind, 0)()
			s.sweep()
			a.is(k.want(a))
		})
	}
}

// The one job is made at every start, and a start that cannot fails.
func TestSweepBegins(t *testing.T) {
	s := newSwept(t, 3)
	made := s.store.Calls(memstore.OpCreateJob)
	if j := s.job(t.Context()); made != 3 || j.ID != sweepID() || !j.ID.Valid() {
		t.Errorf("%d times: %+v", made, j)
	}
	for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
		s.store.Inject(memstore.Fault{Op: memstore.OpCreateJob, Kind: kind, Times: 1})
		if err := s.gates[0].sweeper.begin(t.Context()); err == nil {
			t.Errorf("%v: no error", kind)
		}
	}
	if err := s.gates[0].sweeper.begin(t.Context()); err != nil {
		t.Error(err)
	}
	s.job(t.Context()) // one
}
