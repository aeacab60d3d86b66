package searchtest

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

func (f *fixture) generation(version int, epoch string, anew bool) search.Generation {
	f.Helper()
	g, err := f.st.Generation(f.ctx, version, epoch, anew)
	f.ok("generation", err)
	if g.Version != version || g.Epoch != epoch || g.Number < 1 {
		f.Fatalf("generation of %d, %s: %+v", version, epoch, g)
	}
	return g
}

func generations(f *fixture) {
	same := f.generation(1, f.epoch, false)
	two := f.generation(2, f.epoch, false)
	other := f.generation(1, random(), false)
	anew := f.generation(1, f.epoch, true)
	if same != f.gen || two.Number <= f.gen.Number || other.Number <= two.Number || anew.Number <= other.Number {
		f.Errorf("%+v, then %+v, %+v, %+v and %+v", f.gen, same, two, other, anew)
	}
	if got := f.generation(1, f.epoch, false); got != anew {
		f.Errorf("the newest is %+v, got %+v", anew, got)
	}
	if got := f.generation(2, f.epoch, false); got != two {
		f.Errorf("got %+v, want %+v", got, two)
	}
	// Several ask at once for what is not there yet.
	epoch := random()
	got := make([]search.Generation, 4)
	errs := make(chan error)
	for i := range got {
		go func() {
			var err error
			got[i], err = f.st.Generation(f.ctx, 3, epoch, false)
			errs <- err
		}()
	}
	for range got {
		f.ok("generation", <-errs)
	}
	last := f.generation(3, epoch, false)
	for _, g := range got {
		if g.Number > last.Number || g.Epoch != epoch {
			f.Errorf("%+v, the newest is %+v", g, last)
		}
	}
}

func apart(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "x"))
	f.ok("mark", f.Apply(f.ctx, search.Batch{Marks: map[chat.Key]chat.Seq{f.key("a"): 1}}))
	other := *f
	other.Index = f.st.Index(f.generation(1, f.epoch, true))
	other.want("x")
	if m, err := other.Marks(f.ctx, []chat.Key{f.key("a")}); err != nil || len(m) != 0 {
		f.Errorf("marks of a new generation: %v, %v", m, err)
	}
	f.want("x", place{"a", 1})
}

func (f *fixture) lead(owner string, lease time.Duration) (search.Lead, bool) {
	f.Helper()
	l, ok, err := f.st.Lead(f.ctx, f.gen, owner, lease)
	f.ok("lead", err)
	return l, ok
}

func oneLeads(f *fixture) {
	l, ok := f.lead("one", time.Hour)
	if !ok || l.Term < 1 || !reflect.DeepEqual(l.Progress, search.Progress{}) {
		f.Fatalf("the first: %+v, %v", l, ok)
	}
	if _, ok := f.lead("two", time.Hour); ok {
		f.Error("a second leads, too")
	}
	l.Progress.Seen = 7
	f.ok("save", f.st.Save(f.ctx, f.gen, l))
	again, ok := f.lead("one", time.Millisecond)
	if !ok || again.Term != l.Term || again.Progress.Seen != 7 {
		f.Errorf("renewed: %+v, %v", again, ok)
	}
	var two search.Lead
	for ok = false; !ok; { // until the millisecond has passed by the store's clock
		if f.ctx.Err() != nil {
			f.Fatal("the lease does not run out")
		}
		two, ok = f.lead("two", time.Hour)
	}
	if two.Term <= l.Term || two.Progress.Seen != 7 {
		f.Errorf("the second: %+v after %+v", two, l)
	}
	if _, ok := f.lead("one", time.Hour); ok {
		f.Error("the first leads again")
	}
	l.Progress.Seen = 8
	if err := f.st.Save(f.ctx, f.gen, l); !errors.Is(err, search.ErrNotLeading) {
		f.Errorf("the first saves: %v", err)
	}
	if p, err := f.st.Progress(f.ctx, f.gen); err != nil || p.Seen != 7 {
		f.Errorf("progress: %+v, %v", p, err)
	}
}

func progress(f *fixture) {
	l, _ := f.lead("one", time.Hour)
	want := search.Progress{
		Begun: true, Journals: []search.Position{{Pod: "pod.a", Number: 1 << 50}, {Pod: "b", Number: 3}}, Rounds: 2, Again: true,
		Swept: at(3), Sweeping: true, Cursor: f.key("c"), Seen: 12, Messages: 1 << 40,
	}
	l.Progress = want
	f.ok("save", f.st.Save(f.ctx, f.gen, l))
	got, err := f.st.Progress(f.ctx, f.gen)
	f.ok("progress", err)
	got.Swept = got.Swept.UTC()
	if !reflect.DeepEqual(got, want) {
		f.Errorf("got %+v, want %+v", got, want)
	}
	l.Progress = search.Progress{Begun: true}
	f.ok("save", f.st.Save(f.ctx, f.gen, l))
	if got, err := f.st.Progress(f.ctx, f.gen); err != nil || !reflect.DeepEqual(got, l.Progress) {
		f.Errorf("got %+v, %v", got, err)
	}
}

func dropOthers(f *fixture) {
	f.apply(f.doc("a", 1, 1, 1, "x"))
	old := f.gen
	led := f.generation(2, f.epoch, false)
	if _, ok, err := f.st.Lead(f.ctx, led, "somebody", time.Hour); !ok || err != nil {
		f.Fatal(ok, err)
	}
	other := *f
	other.gen = f.generation(1, f.epoch, true)
	other.Index = f.st.Index(other.gen)
	other.apply(f.doc("b", 1, 1, 1, "x"))
	n, err := f.st.DropOthers(f.ctx, other.gen, 0)
	f.ok("drop others", err)
	if n < 1 {
		f.Errorf("dropped %d", n)
	}
	f.want("x")
	other.want("x", place{"b", 1})
	if got := f.generation(1, f.epoch, false); got == old {
		f.Errorf("the dropped one is the newest: %+v", got)
	}
	if got := f.generation(2, f.epoch, false); got != led {
		f.Errorf("one that is led was dropped: %+v, now %+v", led, got)
	}
	if got := f.generation(1, f.epoch, true); got.Number <= other.gen.Number {
		f.Errorf("a number was used twice: %+v", got)
	}
}

func conversations(f *fixture) {
	var want []chat.Key
	for i := range 7 {
		key := chat.Key{NS: f.ns, Conv: chat.ConvID(fmt.Sprintf("g_%026d", i))}
		want = append(want, key)
		f.ok("create", f.data.Create(f.ctx, chat.Conversation{Key: key, Kind: chat.Group, Floor: 1, Created: start}, nil))
	}
	for _, limit := range []int{1, 3, 100} {
		var got []chat.Key
		for after := (chat.Key{}); ; {
			page, err := f.data.ConversationsAfter(f.ctx, after, limit)
			f.ok("conversations after", err)
			if len(page) > limit {
				f.Fatalf("%d of %d", len(page), limit)
			}
			for _, c := range page {
				if after = c.Key; c.NS == f.ns {
					got = append(got, c.Key)
				}
			}
			if len(page) < limit {
				break
			}
		}
		slices.SortFunc(got, func(a, b chat.Key) int { return strings.Compare(string(a.Conv), string(b.Conv)) })
		if !slices.Equal(got, want) {
			f.Errorf("by %d: %v", limit, got)
		}
	}
}

func ended(f *fixture) {
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	_, err := f.Find(ctx, search.Filter{NS: f.ns, In: in("a"), Terms: []string{"x"}, Limit: 1, Look: 1})
	if !errors.Is(err, context.Canceled) {
		f.Errorf("find: %v", err)
	}
	if err := f.Apply(ctx, search.Batch{Docs: []search.Doc{f.doc("a", 1, 1, 1, "x")}}); !errors.Is(err, context.Canceled) {
		f.Errorf("apply: %v", err)
	}
}
