package bench

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// searcher is a server that finds what it is asked for, or not at first, or never.
func searcher(t *testing.T, blind int64, drain time.Duration) *run {
	t.Helper()
	var asked atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/v1/search" || r.Header.Get("Authorization") != "Bearer token" {
			w.WriteHeader(http.StatusForbidden)
			return
		}
		if asked.Add(1) > blind {
			fmt.Fprintf(w, `{"items":[{"type":"message","body":{"text":"run 0 1 %s"}}]}`, r.URL.Query().Get("q"))
		} else {
			fmt.Fprint(w, `{"items":[]}`)
		}
	}))
	t.Cleanup(srv.Close)
	r, err := newRun(Search, Options{API: srv.URL + "/", Settings: Settings{Readers: 2, Duration: 50 * time.Millisecond, Drain: drain}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.close)
	r.newFlow(conv, nil).times = []int64{100_000, 200_000}
	return r
}

func TestSearches(t *testing.T) {
	r := searcher(t, 1, time.Minute)
	if err := r.findable(t.Context(), "token"); err != nil || r.report.Latency["findable"].Samples != 1 || r.report.Latency["findable"].Max < 15 {
		t.Errorf("%v %+v", err, r.report.Latency)
	}
	if err := r.searches(t.Context(), "token"); err != nil || !r.checks().ok() {
		t.Errorf("%v %+v", err, r.checks())
	}
	one, many := r.report.Latency["search of one"], r.report.Latency["search of many"]
	if r.report.Unit != "searches" || r.report.Count < 2 || one.Samples+many.Samples != r.report.Count || one.Samples == 0 || many.Samples == 0 {
		t.Errorf("%+v", r.report)
	}
}

// What is not found, and a search that fails, make the figures worthless.
func TestSearchFindsNothing(t *testing.T) {
	r := searcher(t, 1<<40, 50*time.Millisecond)
	if err := r.findable(t.Context(), "token"); err != nil || r.Lost.Load() != 1 {
		t.Error(err, r.Lost.Load())
	}
	r = searcher(t, 1<<40, 50*time.Millisecond)
	if err := r.searches(t.Context(), "token"); err != nil || r.Lost.Load() == 0 {
		t.Error(err, r.Lost.Load())
	}
	r = searcher(t, 0, time.Minute)
	if err := r.searches(t.Context(), "other"); err != nil || r.Failed.Load() == 0 {
		t.Error(err, r.Failed.Load())
	}
	if err := r.findable(t.Context(), "other"); err == nil {
		t.Error("no error")
	}
}

// A page is held against what was sent.
func TestCheckPage(t *testing.T) {
	r, err := newRun(History, Options{Settings: Settings{Size: 60, Page: 2}})
	if err != nil {
		t.Fatal(err)
	}
	page := func(items ...string) *frame {
		b := "["
		for i, item := range items {
			if i > 0 {
				b += ","
			}
			b += item
		}
		return &frame{items: []byte(b + "]")}
	}
	if r.checkPage(page(said(r, 5, 5), said(r, 6, 6)), 5); !r.checks().ok() {
		t.Error(r.checks())
	}
	r.checkPage(page(said(r, 5, 5)), 5)
	if r.Lost.Load() != 1 {
		t.Error("a short page")
	}
	r.checkPage(page(said(r, 5, 5), said(r, 7, 7)), 5)
	if r.Disordered.Load() != 1 {
		t.Error("a page with a hole")
	}
	r.checkPage(page(said(r, 5, 5, "xx", "x"), said(r, 6, 6)), 5)
	if r.Altered.Load() != 1 {
		t.Error("an altered message")
	}
	if r.checkPage(&frame{}, 5); r.Lost.Load() < 2 {
		t.Error("no page")
	}
}
