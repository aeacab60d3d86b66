package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// replicas is history services that share a store.
type replicas struct {
	w    *searchWorld
	wg   sync.WaitGroup
	ends []context.CancelFunc
	http http.Handler
}

// replica starts one more, which sees the store under a name.
func (r *replicas) replica(name string) *Search {
	s := NewSearch(SearchOptions{Store: named{r.w.store.As(name)}})
	ctx, cancel := context.WithCancel(r.w.ctx)
	r.ends = append(r.ends, cancel)
	r.wg.Go(func() { s.Run(ctx) })
	if r.http == nil {
		r.http = New(Options{Store: r.w.store, Verifier: tokens{}, Search: s}).Handler()
	}
	return s
}

// named is a memstore as search needs one.
type named struct{ *memstore.Store }

func (n named) Search() search.Store { return n.Store.Search() }

func (r *replicas) stop() {
	for _, end := range r.ends {
		end()
	}
	r.wg.Wait()
}

// all walks through all parts of a search.
func (r *replicas) all(u chat.User, a asked, sort string, limit int) (ids []string, exact bool) {
	r.w.Helper()
	v := a.values()
	v.Set("limit", strconv.Itoa(limit))
	if sort != "" {
		v.Set("sort", sort)
	}
	exact = true
	for range 1000 {
		got := ask(r.http, "GET", "/v1/search?"+v.Encode(), "_/"+string(u))
		if got.status != 200 {
			r.w.Fatalf("%v: %d %s", v, got.status, got.body)
		}
		list := decode[wire.SearchList](r.w.TB.(*testing.T), got)
		if len(list.Items) > limit {
			r.w.Fatalf("%v: %d items", v, len(list.Items))
		}
		for _, item := range list.Items {
			ids = append(ids, item.ID)
		}
		exact = exact && list.Exact
		if list.Next == "" {
			return ids, exact
		}
		v.Set("cursor", list.Next)
	}
	r.w.Fatal("the parts never end")
	return nil, false
}

func randomAsked(rng *rand.Rand, w *searchWorld) asked {
	a := asked{q: words[rng.IntN(len(words))]}
	if rng.IntN(2) == 0 {
		a.q += " " + words[rng.IntN(len(words))]
	}
	if rng.IntN(6) == 0 {
		a.q = `"` + a.q + `"`
	}
	if rng.IntN(4) == 0 {
		a.from = string(searchers[rng.IntN(len(searchers))])
	}
	stamp := func() string {
		return w.now.Add(-time.Duration(rng.IntN(300)) * 350 * time.Millisecond).Format(time.RFC3339Nano)
	}
	if rng.IntN(4) == 0 {
		a.after = stamp()
	}
	if rng.IntN(4) == 0 {
		a.before = stamp()
	}
	return a
}

// What searches find in random histories is what looking at every message finds:
// with edits, recalls, removals and returns, replicas that come and go while it is
// written, and a store that fails in both ways.
func TestSearchAgainstNaiveScan(t *testing.T) {
	for seed := range uint64(25) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { searchScript(t, seed) })
		})
	}
}

func searchScript(t *testing.T, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 7))
	w := newSearchWorld(t)
	w.talk("g1", 1, false, "alice", "bob")
	w.talk("g2", 1, true, "alice", "carol", "bob")
	w.talk("g3", chat.Seq(1+rng.IntN(20)), rng.IntN(2) == 0, "alice", "dave")
	w.talk("", 1, false, "alice", "bob")
	r := &replicas{w: w}
	defer r.stop()
	begin := rng.IntN(120)
	var faults []*memstore.Injection
	for i := range 260 {
		w.random(rng)
		switch {
		case i == begin:
			r.replica("one")
			r.replica("two")
		case i > begin && rng.IntN(40) == 0:
			r.ends[rng.IntN(len(r.ends))]()
			r.replica(fmt.Sprint("later ", i))
		case rng.IntN(25) == 0:
			op := []memstore.Op{memstore.OpSearchApply, memstore.OpSearchSave, memstore.OpSearchLead, memstore.OpSearchMarks,
				memstore.OpFolds, memstore.OpReadJournal, memstore.OpConversationsAfter}[rng.IntN(7)]
			faults = append(faults, w.store.Inject(memstore.Fault{Op: op, Kind: []memstore.Kind{memstore.Fail, memstore.FailApplied}[rng.IntN(2)],
				Times: 1 + rng.IntN(3), When: func(c memstore.Call) bool { return c.Client != "" }}))
		}
		time.Sleep(time.Duration(rng.IntN(300)) * time.Millisecond)
	}
	for _, f := range faults {
		f.Remove() // else those that nobody has met yet take their time, too
	}
	r.replica("last")
	time.Sleep(30 * time.Second) // leases, pauses after errors
	found := 0
	for range 60 {
		a, u := randomAsked(rng, w), searchers[rng.IntN(len(searchers))]
		if c := w.convs[rng.IntN(len(w.convs))]; rng.IntN(4) == 0 {
			if start, end := c.part(u); start <= end {
				a.conv = string(c.Conv)
			}
		}
		want := w.naive(u, a)
		found += len(want)
		got, exact := r.all(u, a, "", 1+rng.IntN(30))
		if !slices.Equal(got, want) || !exact {
			t.Errorf("%s asks %+v:\n got %v\nwant %v, exact %v", u, a, got, want, exact)
		}
		best, exact := r.all(u, a, "best", 1+rng.IntN(30))
		slices.Sort(best)
		slices.Sort(want)
		if !slices.Equal(best, want) || !exact {
			t.Errorf("%s asks %+v for the best:\n got %v\nwant %v, exact %v", u, a, best, want, exact)
		}
	}
	if found == 0 {
		t.Error("nothing was ever found")
	}
}
