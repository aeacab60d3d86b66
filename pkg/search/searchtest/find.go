package searchtest

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// want checks what is found for terms.
func (f *fixture) want(terms string, places ...place) {
	f.Helper()
	if got := f.places(search.Filter{Terms: strings.Fields(terms)}); !slices.Equal(got, places) {
		f.Errorf("%s: got %v, want %v", terms, got, places)
	}
}

func allTerms(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "red green"), f.doc("a", 2, 2, 2, "green blue"), f.doc("a", 3, 3, 3, "red green blue"), f.doc("a", 4, 4, 4, ""))
	f.want("green", place{"a", 3}, place{"a", 2}, place{"a", 1})
	f.want("blue red", place{"a", 3})
	f.want("red", place{"a", 3}, place{"a", 1})
	f.want("red gree")
	f.want("gree")
	f.want("greens")
	other := *f
	other.ns = chat.NS("t-" + random())
	other.want("green")
}

func newestFirst(f *fixture) {
	f.apply(f.doc("b", 1, 1, 5, "x"), f.doc("a", 1, 1, 5, "x"), f.doc("a", 2, 2, 5, "x"), f.doc("c", 9, 9, 1, "x"),
		f.doc("a", 3, 3, 4, "x"), // a clock went back
		f.doc("b", 2, 2, 9, "x"), f.doc("d", 1, 1, 9, "x"))
	f.want("x", place{"b", 2}, place{"a", 2}, place{"a", 1}, place{"b", 1}, place{"a", 3}, place{"c", 9})
	if got := f.places(search.Filter{Terms: []string{"x"}, In: in("d")}); !slices.Equal(got, []place{{"d", 1}}) {
		f.Errorf("in one conversation: %v", got)
	}
}

// many are documents in three conversations, some at the same time.
func (f *fixture) many(n int) {
	f.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	var docs []search.Doc
	for i := range n {
		text := "all"
		for _, w := range []string{"two", "three", "five"} {
			if rng.IntN(3) == 0 {
				text += " " + w
			}
		}
		docs = append(docs, f.doc(string("abc"[i%3]), chat.Seq(i/3+1), chat.Seq(i/3+1), i/4, text))
	}
	f.apply(docs...)
}

func pages(f *fixture) {
	f.many(60)
	for _, terms := range [][]string{{"all"}, {"two", "all"}, {"three", "five"}} {
		want := f.places(search.Filter{Terms: terms})
		for _, limit := range []int{1, 3, 7, len(want)} {
			if got := f.places(search.Filter{Terms: terms, Limit: limit}); !slices.Equal(got, want) {
				f.Errorf("%v by %d: got %v, want %v", terms, limit, got, want)
			}
		}
	}
	if found := f.find(search.Filter{Terms: []string{"all"}, Limit: 10}); len(found.Hits) != 10 || found.Next == nil {
		f.Errorf("%d hits, next %v", len(found.Hits), found.Next)
	}
}

func smallLook(f *fixture) {
	f.many(60)
	for _, terms := range [][]string{{"all"}, {"two", "three", "five"}, {"two", "nothing"}} {
		want := f.places(search.Filter{Terms: terms})
		for _, look := range []int{1, 2, 10} {
			if got := f.places(search.Filter{Terms: terms, Look: look}); !slices.Equal(got, want) {
				f.Errorf("%v, looking at %d: got %v, want %v", terms, look, got, want)
			}
		}
	}
}

func scopes(f *fixture) {
	f.many(90) // 30 in each of three
	const all = chat.Seq(1000)
	for _, list := range [][]search.Scope{
		{{Conv: conv("a"), Start: 5, End: 9}},
		{{Conv: conv("a"), Start: 5, End: 9}, {Conv: conv("b")}, {Conv: conv("c"), Start: 29}},
		{{Conv: conv("b"), Start: 1, End: 2}, {Conv: conv("a"), Start: 28, End: all}},
		{{Conv: conv("c"), Start: 100}},
	} {
		for _, terms := range [][]string{{"all"}, {"two", "all"}} {
			var want []place
			for _, p := range f.places(search.Filter{Terms: terms}) {
				for _, s := range list {
					if s.Conv == conv(p.letter) && s.Has(p.seq) {
						want = append(want, p)
					}
				}
			}
			for _, limit := range []int{1, 4, 100} {
				for _, look := range []int{1, 1000} {
					if got := f.places(search.Filter{Terms: terms, In: list, Limit: limit, Look: look}); !slices.Equal(got, want) {
						f.Errorf("%v in %v by %d, looking at %d: got %v, want %v", terms, list, limit, look, got, want)
					}
				}
			}
		}
	}
}

func times(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "x"), f.doc("a", 2, 2, 2, "x"), f.doc("b", 3, 3, 3, "x"))
	two, three := at(2).UnixMilli(), at(3).UnixMilli()
	for _, c := range []struct {
		since, until int64
		want         []place
	}{
		{two, 0, []place{{"b", 3}, {"a", 2}}}, {two + 1, 0, []place{{"b", 3}}}, {0, two, []place{{"a", 1}}}, {two, three, []place{{"a", 2}}},
		{three, two, nil}, {three + 1, 0, nil},
	} {
		if got := f.places(search.Filter{Terms: []string{"x"}, Since: c.since, Until: c.until}); !slices.Equal(got, c.want) {
			f.Errorf("%d to %d: got %v, want %v", c.since, c.until, got, c.want)
		}
		if got := f.places(search.Filter{Terms: []string{"x"}, Since: c.since, Until: c.until, Limit: 1, Look: 1}); !slices.Equal(got, c.want) {
			f.Errorf("%d to %d, by one: got %v, want %v", c.since, c.until, got, c.want)
		}
	}
}

func weights(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "x y x z x"), f.doc("a", 2, 2, 2, strings.Repeat("y ", 300)+"x"))
	found := f.find(search.Filter{Terms: []string{"y", "x"}, Weights: true})
	want := []search.Hit{
		{Place: search.Place{Time: at(2).UnixMilli(), Conv: conv("a"), Seq: 2}, Counts: []int{300, 1}, Len: 301},
		{Place: search.Place{Time: at(1).UnixMilli(), Conv: conv("a"), Seq: 1}, Counts: []int{1, 3}, Len: 5},
	}
	if len(found.Hits) == 2 && found.Hits[0].Counts[0] == 255 {
		want[0].Counts[0] = 255 // counts may be cut there
	}
	if !reflect.DeepEqual(found.Hits, want) {
		f.Errorf("got %+v", found.Hits)
	}
}

func edits(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "old both"), f.doc("a", 2, 2, 2, "old"))
	f.apply(f.doc("a", 1, 5, 1, "both new"))
	f.want("old", place{"a", 2})
	f.want("both", place{"a", 1})
	f.want("new", place{"a", 1})
	f.apply(f.doc("a", 1, 1, 1, "old both"), f.doc("a", 1, 4, 1, "between"))
	f.want("old", place{"a", 2})
	f.want("between")
	f.want("new", place{"a", 1})
	f.apply(f.doc("a", 1, 6, 1, ""))
	f.want("new")
	f.want("both")
}

func gone(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "secret x"), f.doc("a", 2, 2, 2, "secret"), f.doc("b", 1, 1, 3, "secret"))
	f.apply(search.GoneDoc(f.key("a"), 1), search.GoneDoc(f.key("a"), 7))
	f.want("secret", place{"b", 1}, place{"a", 2})
	f.want("x")
	f.apply(f.doc("a", 1, 1, 1, "secret x"), f.doc("a", 1, 9, 1, "secret x"), f.doc("a", 7, 7, 9, "secret"))
	f.want("secret", place{"b", 1}, place{"a", 2})
	f.apply(search.GoneDoc(f.key("a"), 1))
	f.want("x")
}

// anyOrder applies the same documents in many orders, some twice.
func anyOrder(f *fixture) {
	rng := rand.New(rand.NewPCG(3, 4))
	for i := range 10 {
		seq := func(n chat.Seq) chat.Seq { return chat.Seq(i)*10 + n }
		docs := []search.Doc{
			f.doc("a", seq(1), seq(1), i, "one"), f.doc("a", seq(1), seq(3), i, "two"), f.doc("a", seq(1), seq(4), i, "three"),
			f.doc("a", seq(2), seq(2), i, "four"), search.GoneDoc(f.key("a"), seq(2)), f.doc("a", seq(2), seq(5), i, "five"),
		}
		docs = append(docs, docs...)
		rng.Shuffle(len(docs), reflect.Swapper(docs))
		for _, d := range docs {
			f.apply(d)
		}
	}
	for _, w := range []string{"one", "two", "four", "five"} {
		f.want(w)
	}
	if got := f.places(search.Filter{Terms: []string{"three"}}); len(got) != 10 {
		f.Errorf("three: %v", got)
	}
}

func longText(f *fixture) {
	var b strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&b, "w%d ", i)
	}
	f.apply(f.doc("a", 1, 1, 1, b.String()))
	f.want("w0 w1500 w2999", place{"a", 1})
	f.apply(f.doc("a", 1, 2, 1, "short"))
	f.want("w1500")
	f.want("short", place{"a", 1})
}

func marks(f *fixture) {
	a, b, c := f.key("a"), f.key("b"), f.key("c")
	check := func(want map[chat.Key]chat.Seq) {
		f.Helper()
		got, err := f.Marks(f.ctx, []chat.Key{a, b, c})
		f.ok("marks", err)
		if !reflect.DeepEqual(got, want) {
			f.Errorf("marks: got %v, want %v", got, want)
		}
	}
	check(map[chat.Key]chat.Seq{})
	mark := func(m map[chat.Key]chat.Seq) { f.Helper(); f.ok("apply", f.Apply(f.ctx, search.Batch{Marks: m})) }
	mark(map[chat.Key]chat.Seq{a: 3, b: 1 << 40})
	mark(map[chat.Key]chat.Seq{a: 2, b: 7, c: 1})
	check(map[chat.Key]chat.Seq{a: 3, b: 1 << 40, c: 1})
	f.ok("apply", f.Apply(f.ctx, search.Batch{Docs: []search.Doc{f.doc("a", 4, 4, 1, "x")}, Marks: map[chat.Key]chat.Seq{a: 4}}))
	check(map[chat.Key]chat.Seq{a: 4, b: 1 << 40, c: 1})
	f.want("x", place{"a", 4})
	f.ok("apply nothing", f.Apply(f.ctx, search.Batch{}))
	many := map[chat.Key]chat.Seq{}
	for i := range 120 {
		many[chat.Key{NS: f.ns, Conv: chat.ConvID(fmt.Sprintf("g_%026d", i))}] = chat.Seq(i + 1)
	}
	mark(many)
	keys := make([]chat.Key, 0, len(many))
	for k := range many {
		keys = append(keys, k)
	}
	got, err := f.Marks(f.ctx, keys)
	f.ok("many marks", err)
	if !reflect.DeepEqual(got, many) {
		f.Errorf("many marks: %v", got)
	}
}
