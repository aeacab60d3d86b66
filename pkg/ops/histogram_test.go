package ops_test

import (
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/ops"
)

func TestHistogramCounts(t *testing.T) {
	s := ops.New(ops.Options{})
	h := s.Histogram("size", "A size.", []float64{1, 2.5, 10})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				h.Observe(1, "") // a bound is in its bucket
			}
			h.ObserveMany(2.5, 500)
			h.ObserveMany(3, 0)
			h.ObserveMany(11, 2)
		})
	}
	wg.Wait()
	_, body := get(t, s, "/metrics")
	for _, line := range []string{
		`parley_size_bucket{le="1"} 8000`, `parley_size_bucket{le="2.5"} 12000`, `parley_size_bucket{le="10"} 12000`, `parley_size_bucket{le="+Inf"} 12016`,
		"parley_size_sum 18176", "parley_size_count 12016",
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no %q in\n%s", line, body)
		}
	}
	var none *ops.Histogram
	none.ObserveMany(1, 1)
}

func TestHistogramLabels(t *testing.T) {
	s := ops.New(ops.Options{})
	v := s.HistogramBy("took_seconds", "A time.", []float64{1}, "step", "outcome")
	if h := v.With("a", "ok"); h != v.With("a", "ok") {
		t.Error("the same labels are two histograms")
	}
	v.With("a", "bad").Observe(math.Inf(1), "")
	_, body := get(t, s, "/metrics")
	for _, line := range []string{
		`parley_took_seconds_count{outcome="ok",step="a"} 0`, `parley_took_seconds_bucket{outcome="bad",step="a",le="1"} 0`,
		`parley_took_seconds_bucket{outcome="bad",step="a",le="+Inf"} 1`,
	} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("no %q in\n%s", line, body)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a label too few was taken")
		}
	}()
	v.With("a")
}

func TestObserveDoesNotAllocate(t *testing.T) {
	h := ops.New(ops.Options{}).Histogram("size", "A size.", []float64{1, 2})
	if n := testing.AllocsPerRun(100, func() { h.Observe(1.5, ""); h.ObserveMany(3, 7) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkObserve(b *testing.B) {
	h := ops.New(ops.Options{}).Histogram("size", "A size.", []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10})
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			h.Observe(0.02, "")
		}
	})
}
