package history

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// ids is what a search finds.
func (r *replicas) ids(u chat.User, q string) string {
	r.w.Helper()
	ids, _ := r.all(u, asked{q: q}, "", 20)
	for i, id := range ids {
		_, seq, _ := chat.ParseEntryID(id)
		ids[i] = fmt.Sprint(seq)
	}
	return strings.Join(ids, " ")
}

func (r *replicas) want(u chat.User, q, want string) {
	r.w.Helper()
	if got := r.ids(u, q); got != want {
		r.w.Errorf("%s finds %q for %q, want %q", u, got, q, want)
	}
}

// searching runs a test in a bubble of time with one replica.
func searching(t *testing.T, test func(w *searchWorld, c *talk, r *replicas)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := newSearchWorld(t)
		r := &replicas{w: w}
		defer r.stop()
		test(w, w.talk("g", 1, false, "alice", "bob"), r)
	})
}

// What is written is found in less than two seconds.
func TestSearchIsFresh(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		time.Sleep(3 * time.Second)
		for i := range 20 {
			seq := w.say(c, "alice", fmt.Sprint("number ", i))
			time.Sleep(1100 * time.Millisecond)
			r.want("bob", fmt.Sprint(i), fmt.Sprint(seq))
		}
		w.edit(c, 2, "changed")
		w.recall(c, 3)
		time.Sleep(1100 * time.Millisecond)
		r.want("bob", "changed", "2")
		r.want("bob", "0", "")
		r.want("bob", `"number 1"`, "")
	})
}

// A replica that dies in the middle is replaced when its lease has run out, and
// what it had not done is done.
func TestSearchLeaderDies(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		one := r.replica("one")
		time.Sleep(time.Second)
		two := r.replica("two")
		time.Sleep(2 * time.Second)
		if !one.indexer.Stats().Leading || two.indexer.Stats().Leading {
			t.Fatal("the first does not lead alone")
		}
		dead := w.store.Inject(memstore.Fault{Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "one" }})
		w.say(c, "alice", "orphan")
		time.Sleep(12 * time.Second)
		if !two.indexer.Stats().Leading {
			t.Error("the second does not lead")
		}
		time.Sleep(3 * time.Second)
		if one.indexer.Stats().Leading {
			t.Error("the first still thinks that it leads")
		}
		dead.Remove()
		r.http = New(Options{Store: w.store, Verifier: tokens{}, Search: two}).Handler()
		r.want("alice", "orphan", "2")
		w.say(c, "alice", "next")
		time.Sleep(2 * time.Second)
		r.want("alice", "next", "3")
	})
}

// A replica that ends in good order is replaced at once.
func TestSearchLeaderLeaves(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		time.Sleep(time.Second)
		two := r.replica("two")
		time.Sleep(time.Second)
		r.ends[0]()
		w.say(c, "alice", "orphan")
		time.Sleep(2 * time.Second)
		if !two.indexer.Stats().Leading {
			t.Error("the second does not lead")
		}
		r.want("alice", "orphan", "2")
	})
}

// A recall wins over whoever indexes the text late: over a write that arrives after
// it, and over a reader that has read before it.
func TestRecallWinsOverLateIndexing(t *testing.T) {
	for _, c := range []struct {
		name string
		f    memstore.Fault
	}{
		{"late write", memstore.Fault{Op: memstore.OpSearchApply, Kind: memstore.Late, Times: 1}},
		{"late reply to a read", memstore.Fault{Op: memstore.OpEntries, Kind: memstore.BlockApplied, Times: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			searching(t, func(w *searchWorld, g *talk, r *replicas) {
				one := r.replica("one")
				time.Sleep(3 * time.Second)
				f := c.f
				f.When = func(c memstore.Call) bool { return c.Client == "one" }
				held := w.store.Inject(f)
				seq := w.say(g, "alice", "secret")
				w.must(held.Wait(w.ctx, 1))
				r.replica("two")
				w.store.Inject(memstore.Fault{Op: memstore.OpSearchLead, Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "one" }})
				time.Sleep(15 * time.Second) // the second leads
				w.recall(g, seq)
				time.Sleep(3 * time.Second)
				held.Release()
				time.Sleep(3 * time.Second)
				present, err := one.current.Present(w.ctx)
				w.must(err)
				found, err := present.Index.Find(w.ctx, search.Filter{NS: "_", In: []search.Scope{{Conv: g.Conv}}, Terms: []string{"secret"}, Limit: 9, Look: 99})
				w.must(err)
				if len(found.Hits) != 0 {
					t.Errorf("the index still has %v", found.Hits)
				}
			})
		})
	}
}

// Between a recall and its indexing, which never comes here, nothing is shown.
func TestRecalledIsNotShownByAnOldIndex(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		w.say(c, "alice", "secret plan")
		w.say(c, "alice", "secret door")
		time.Sleep(3 * time.Second)
		r.stop()
		w.recall(c, 2)
		w.edit(c, 3, "open door")
		r.want("bob", "secret", "")
		r.want("bob", "door", "3")
	})
}

// What no journal names is found: by the next entry, or by a sweep.
func TestSearchFindsWhatJournalsLack(t *testing.T) {
	silent := func(w *searchWorld, c *talk, text string) {
		w.put("", c, chat.Entry{Kind: chat.KindMessage, From: "alice", Body: textBody(text)})
	}
	t.Run("next entry", func(t *testing.T) {
		searching(t, func(w *searchWorld, c *talk, r *replicas) {
			r.replica("one")
			time.Sleep(3 * time.Second)
			silent(w, c, "lost")
			time.Sleep(5 * time.Second)
			r.want("bob", "lost", "")
			w.say(c, "alice", "more")
			time.Sleep(2 * time.Second)
			r.want("bob", "lost", "2")
		})
	})
	t.Run("sweep", func(t *testing.T) {
		searching(t, func(w *searchWorld, c *talk, r *replicas) {
			r.replica("one")
			time.Sleep(3 * time.Second)
			silent(w, c, "lost")
			time.Sleep(11 * time.Minute)
			r.want("bob", "lost", "2")
		})
	})
	t.Run("journal trimmed", func(t *testing.T) {
		searching(t, func(w *searchWorld, c *talk, r *replicas) {
			r.replica("one")
			time.Sleep(3 * time.Second)
			r.stop()
			w.say(c, "alice", "lost")
			p := w.pods["pod1"]
			p.first = p.next
			w.register("pod1")
			w.must(w.store.TrimJournal(w.ctx, "pod1", p.first))
			r.replica("two")
			time.Sleep(3 * time.Second)
			r.want("bob", "lost", "2")
		})
	})
	t.Run("pod forgotten", func(t *testing.T) {
		searching(t, func(w *searchWorld, c *talk, r *replicas) {
			r.replica("one")
			time.Sleep(3 * time.Second)
			r.stop()
			w.say(c, "alice", "lost")
			w.must(w.store.Forget(w.ctx, "pod1"))
			r.replica("two")
			time.Sleep(3 * time.Second)
			r.want("bob", "lost", "2")
		})
	})
	t.Run("pod died", func(t *testing.T) {
		searching(t, func(w *searchWorld, c *talk, r *replicas) {
			r.replica("one")
			time.Sleep(3 * time.Second)
			silent(w, c, "lost")
			w.must(w.store.Register(w.ctx, store.Pod{ID: "pod1", Epoch: "e", First: 1, Settled: w.pods["pod1"].next}, time.Second))
			time.Sleep(15 * time.Second)
			r.want("bob", "lost", "2")
		})
	})
}

// A document that comes after later ones is read, and numbers that are void hold
// nothing up.
func TestSearchHolesInJournals(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		time.Sleep(3 * time.Second)
		p := w.register("pod1")
		late := p.next
		p.open = late
		p.next += 2 // one comes late, one never
		w.say(c, "alice", "after")
		other := w.talk("", 1, false, "alice", "bob")
		w.put("", other, chat.Entry{Kind: chat.KindMessage, From: "alice", Body: textBody("late")})
		time.Sleep(3 * time.Second)
		r.want("bob", "after", "2")
		r.want("bob", "late", "")
		w.must(w.store.Finish(w.ctx, store.Batch{Entries: other.log, Journal: store.JournalID{Pod: "pod1", Number: late, Epoch: "e"}}))
		time.Sleep(3 * time.Second)
		r.want("bob", "late", "1")
		p.open = 0
		for range 5 {
			w.say(c, "alice", "x") // which registers what is settled
		}
		time.Sleep(3 * time.Second)
		meta, err := w.store.Meta(w.ctx)
		w.must(err)
		g, err := w.store.Search().Generation(w.ctx, search.Version, meta.Epoch, false)
		w.must(err)
		progress, err := w.store.Search().Progress(w.ctx, g)
		w.must(err)
		if got := progress.Journals[0]; got.Number != w.pods["pod1"].next-1 {
			t.Errorf("the position is %+v, the last number %d", got, w.pods["pod1"].next-1)
		}
	})
}

// An index that is being built says so, and so does one after the epoch has changed.
func TestSearchWhileBuilding(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		w.say(c, "alice", "old")
		s := NewSearch(SearchOptions{Store: named{w.store}})
		r.http = New(Options{Store: w.store, Verifier: tokens{}, Search: s}).Handler()
		if ids, exact := r.all("bob", asked{q: "old"}, "", 9); len(ids) != 0 || exact {
			t.Errorf("an empty index: %v, exact %v", ids, exact)
		}
		r.replica("one")
		time.Sleep(3 * time.Second)
		if ids, exact := r.all("bob", asked{q: "old"}, "", 9); len(ids) != 1 || !exact {
			t.Errorf("a built index: %v, exact %v", ids, exact)
		}
		_, err := w.store.NewEpoch(w.ctx)
		w.must(err)
		time.Sleep(10 * time.Second)
		if ids, exact := r.all("bob", asked{q: "old"}, "", 9); len(ids) != 1 || !exact {
			t.Errorf("after a restore: %v, exact %v", ids, exact)
		}
		var last SearchProgress
		w.must(NewSearch(SearchOptions{Store: named{w.store.As("cli")}}).Rebuild(w.ctx, func(p SearchProgress) { last = p }))
		if !last.Built || last.Conversations != 1 || last.Messages != 1 {
			t.Errorf("rebuilt: %+v", last)
		}
		time.Sleep(2 * time.Second)
		r.want("bob", "old", "2")
		w.say(c, "alice", "old and new")
		time.Sleep(15 * time.Second)
		r.want("bob", "old", "3 2")
	})
}

func TestSearchAnswer(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		w.say(c, "alice", "😀 <script>alert('你好世界')</script>\u202e\x00 & more")
		w.say(c, "bob", "first draft")
		w.edit(c, 3, "second <b>draft</b>")
		w.say(c, "alice", "draft draft")
		time.Sleep(3 * time.Second)
		get := func(q string) answer {
			return ask(r.http, "GET", "/v1/search?"+q, "_/alice")
		}
		a := get("q=" + url.QueryEscape("世界 alert"))
		list := decode[wire.SearchList](t, a)
		if len(list.Items) != 1 || !list.Exact || list.Next != "" {
			t.Fatalf("%s", a.body)
		}
		item := list.Items[0]
		if item.Conv != c.Conv || item.Seq != 2 || item.ID != chat.EntryID(c.Conv, 2) || item.From != "alice" || !item.Time.Equal(c.log[1].Time) {
			t.Errorf("%+v", item)
		}
		if want := "😀 <script>alert('你好世界')</script> & more"; item.Snippet.Text != want ||
			fmt.Sprint(item.Snippet.Highlights) != "[[11 16] [20 22]]" {
			t.Errorf("snippet %q %v", item.Snippet.Text, item.Snippet.Highlights)
		}
		if ct := a.header.Get("Content-Type"); ct != "application/json" || a.header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("headers %v", a.header)
		}
		list = decode[wire.SearchList](t, get("q=draft"))
		if len(list.Items) != 2 || list.Items[0].Seq != 5 || list.Items[1].Edited == nil || list.Items[1].Edited.Seq != 4 ||
			list.Items[1].Snippet.Text != "second <b>draft</b>" {
			t.Errorf("%+v", list)
		}
		if list := decode[wire.SearchList](t, get("q=first")); len(list.Items) != 0 || list.Items == nil {
			t.Errorf("the old text: %+v", list)
		}
		list = decode[wire.SearchList](t, get("q=draft&sort=best&limit=1"))
		if len(list.Items) != 1 || list.Items[0].Seq != 5 || list.Next == "" {
			t.Errorf("best: %+v", list)
		}
		list = decode[wire.SearchList](t, get("q=draft&from=bob"))
		if len(list.Items) != 1 || list.Items[0].Seq != 3 {
			t.Errorf("from bob: %+v", list)
		}
		for q, want := range map[string]int{"after=2026-01-02": 2, "after=2026-01-03": 0, "before=2026-01-03": 2, "before=2026-01-02": 0,
			"before=1960-01-01": 0, "after=1960-01-01T00:00:00%2B02:00": 2} {
			if list := decode[wire.SearchList](t, get("q=draft&"+q)); len(list.Items) != want {
				t.Errorf("%s: %+v", q, list)
			}
		}
	})
}

// Nobody finds what is not theirs, nor learns that it is there.
func TestSearchWhoMaySeeWhat(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		w.say(c, "alice", "open word")
		w.change(c, chat.ChangeRemoved, "bob")
		for range 60 {
			w.say(c, "alice", "hidden word")
		}
		time.Sleep(4 * time.Second)
		conv := "&conv=" + string(c.Conv)
		for _, who := range []struct {
			token, q string
			status   int
			items    int
		}{
			{"_/alice", "q=hidden&limit=100", 200, 60}, {"_/bob", "q=word", 200, 1}, {"_/bob", "q=hidden", 200, 0}, {"_/bob", "q=hidden&sort=best", 200, 0},
			{"_/bob", "q=word" + conv, 200, 1}, {"_/eve", "q=word", 200, 0}, {"_/eve", "q=word" + conv, 404, 0}, {"other/alice", "q=word", 200, 0},
			{"other/alice", "q=word" + conv, 404, 0}, {"_/alice", "q=word&conv=g_aaaaaaaaaaaaaaaaaaaaaaaaaa", 404, 0},
			{"_/alice", "q=word&conv=nonsense", 404, 0}, {"", "q=word", 401, 0}, {"bad", "q=word", 401, 0},
		} {
			a := ask(r.http, "GET", "/v1/search?"+who.q, who.token)
			if a.status != who.status {
				t.Errorf("%s asks %s: %d %s", who.token, who.q, a.status, a.body)
				continue
			}
			if a.status != 200 {
				a.problem(t)
				continue
			}
			if list := decode[wire.SearchList](t, a); len(list.Items) != who.items || list.Next != "" {
				t.Errorf("%s asks %s: %s", who.token, who.q, a.body)
			}
		}
	})
}

func TestSearchRefused(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		for range 5 {
			w.say(c, "alice", "word")
		}
		time.Sleep(3 * time.Second)
		next := func(u, q string) string {
			return decode[wire.SearchList](t, ask(r.http, "GET", "/v1/search?"+q, "_/"+u)).Next
		}
		mine := next("alice", "q=word&limit=2")
		if raw, err := base64.RawURLEncoding.DecodeString(mine); err != nil || strings.Contains(string(raw), string(c.Conv)) {
			t.Errorf("a cursor that tells something: %q", raw)
		}
		flipped := []byte(mine)
		flipped[20] ^= 1
		for _, q := range []string{
			"", "q=", "q=%20", "q=!%3F", "q=%ff", "q=" + strings.Repeat("x", 513), "q=" + strings.Repeat("x+", 17), "q=a&q=b",
			"q=a&limit=0", "q=a&limit=101", "q=a&limit=x", "q=a&limit=-1", "q=a&sort=oldest", "q=a&from=%20", "q=a&from=" + strings.Repeat("x", 65),
			"q=a&after=yesterday", "q=a&before=2026-13-01", "q=a&before=1700000000", "q=a&after=2026-01-01&after=2026-01-01",
			"q=a&cursor=x", "q=a&cursor=%00", "q=a&cursor=" + strings.Repeat("A", 64), "q=word&cursor=" + string(flipped),
			"q=other&cursor=" + mine, "q=word&sort=best&cursor=" + mine, "q=word&conv=" + string(c.Conv) + "&cursor=" + mine,
			"q=word&cursor=" + next("bob", "q=word&limit=2"),
		} {
			a := ask(r.http, "GET", "/v1/search?"+q, "_/alice")
			if a.status != 400 || a.problem(t) != chat.CodeBadRequest {
				t.Errorf("%.60s: %d %s", q, a.status, a.body)
			}
		}
		for _, method := range []string{"POST", "PUT", "HEAD"} {
			if a := ask(r.http, method, "/v1/search?q=a", "_/alice"); a.status != 405 {
				t.Errorf("%s: %d", method, a.status)
			}
		}
		for _, op := range []memstore.Op{memstore.OpSearchFind, memstore.OpMemberships, memstore.OpEntries, memstore.OpFolds} {
			down := w.store.Inject(memstore.Fault{Op: op, Kind: memstore.Fail, Err: errors.New("dial 10.0.0.7: a secret"), When: func(c memstore.Call) bool {
				return c.Client == "" || op == memstore.OpSearchFind // which the replica asks
			}})
			a := ask(r.http, "GET", "/v1/search?q=word", "_/alice")
			if a.status != 503 || a.problem(t) != chat.CodeUnavailable || strings.Contains(a.body, "secret") {
				t.Errorf("%s away: %d %s", op, a.status, a.body)
			}
			down.Remove()
		}
	})
}

// A conversation that cannot be read does not hold up the others.
func TestSearchBrokenConversation(t *testing.T) {
	searching(t, func(w *searchWorld, c *talk, r *replicas) {
		r.replica("one")
		time.Sleep(3 * time.Second)
		other := w.talk("h", 1, false, "alice", "carol")
		w.store.Inject(memstore.Fault{Op: memstore.OpEntries, Kind: memstore.Fail, When: func(call memstore.Call) bool {
			return call.Client == "one" && call.Keys[0] == c.Key
		}})
		w.say(c, "alice", "never")
		for i := range 30 {
			seq := w.say(other, "alice", fmt.Sprint("word ", i))
			time.Sleep(4 * time.Second)
			r.want("carol", fmt.Sprint(i), fmt.Sprint(seq))
		}
	})
}
