// Package searchtest is the contract of [search.Store] as tests, for every
// implementation. Each test uses tenants and an epoch of its own, so all of it
// can run against one shared database.
package searchtest

import (
	"context"
	"crypto/rand"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
)

// patience is the longest that one test may take on a slow store.
const patience = 2 * time.Minute

// Data is a store that has a search index.
type Data interface {
	store.Conversations
	search.Conversations
}

// Run runs the suite. Each test calls open once; it may return the same stores
// every time. Closing them is left to open (t.Cleanup).
func Run(t *testing.T, open func(t *testing.T) (search.Store, Data)) {
	for _, c := range []struct {
		name string
		run  func(*fixture)
	}{
		{"all terms must be there", allTerms},
		{"newest first, over conversations", newestFirst},
		{"pages", pages},
		{"a small look ends early and goes on", smallLook},
		{"scopes", scopes},
		{"time", times},
		{"weights", weights},
		{"an edit replaces the terms", edits},
		{"gone is for good", gone},
		{"whatever the order, the same end", anyOrder},
		{"a long text", longText},
		{"marks grow", marks},
		{"generations", generations},
		{"generations are apart", apart},
		{"one leads", oneLeads},
		{"progress is kept", progress},
		{"other generations are dropped", dropOthers},
		{"conversations in order", conversations},
		{"a context that has ended", ended},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			t.Cleanup(cancel)
			st, data := open(t)
			f := &fixture{T: t, ctx: ctx, st: st, data: data, ns: chat.NS("t-" + random()), epoch: random()}
			g, err := st.Generation(ctx, 1, f.epoch, false)
			f.ok("generation", err)
			f.gen, f.Index = g, st.Index(g)
			c.run(f)
		})
	}
}

func random() string { return rand.Text()[:16] }

// fixture is one test's generation, and a tenant that nobody else uses.
type fixture struct {
	*testing.T
	search.Index
	ctx   context.Context
	st    search.Store
	data  Data
	gen   search.Generation
	ns    chat.NS
	epoch string
}

func (f *fixture) ok(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
}

// conv is the id of a conversation; they are in order of the letter.
func conv(letter string) chat.ConvID { return chat.ConvID("g_" + letter + "aaaaaaaaaaaaaaaaaaaaaaaaa") }

// in is whole conversations.
func in(letters ...string) (list []search.Scope) {
	for _, l := range letters {
		list = append(list, search.Scope{Conv: conv(l)})
	}
	return list
}

func (f *fixture) key(letter string) chat.Key { return chat.Key{NS: f.ns, Conv: conv(letter)} }

var start = time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)

func at(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }

// doc is a document with some terms, each as often as it is named.
func (f *fixture) doc(letter string, seq, rev chat.Seq, second int, text string) search.Doc {
	d := search.Doc{Key: f.key(letter), Seq: seq, Rev: rev, Time: at(second)}
	d.Terms, d.Len = search.Terms(text)
	return d
}

func (f *fixture) apply(docs ...search.Doc) {
	f.Helper()
	f.ok("apply", f.Apply(f.ctx, search.Batch{Docs: docs}))
}

// place is what a test calls a hit.
type place struct {
	letter string
	seq    chat.Seq
}

func (f *fixture) find(q search.Filter) search.Found {
	f.Helper()
	q.NS = f.ns
	if q.In == nil {
		q.In = in("a", "b", "c")
	}
	if q.Limit == 0 {
		q.Limit = 100
	}
	if q.Look == 0 {
		q.Look = 10_000
	}
	found, err := f.Find(f.ctx, q)
	f.ok("find", err)
	return found
}

// places finds everything, by as many questions as it takes.
func (f *fixture) places(q search.Filter) []place {
	f.Helper()
	var list []place
	for range 1000 {
		found := f.find(q)
		for _, h := range found.Hits {
			list = append(list, place{string(h.Conv[2]), h.Seq})
		}
		if found.Next == nil {
			return list
		}
		if found.Next.Compare(q.From) <= 0 && q.From != (search.Place{}) {
			f.Fatalf("it goes on at %v, after %v", *found.Next, q.From)
		}
		q.From = *found.Next
	}
	f.Fatal("it never ends")
	return nil
}
