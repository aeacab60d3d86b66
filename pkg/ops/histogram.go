package ops

import (
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Histogram takes values. Nil takes them too, and shows them to nobody. It is safe
// for concurrent use, and neither blocks nor allocates without a trace.
//
// It is not client_golang's own: that one's Observe costs several times as much,
// and takes one value at a time. Here the counts are put together when somebody asks.
type Histogram struct {
	bounds    []float64 // upper ones, inclusive
	counts    []atomic.Uint64
	exemplars []atomic.Pointer[prometheus.Exemplar]
	sum       atomic.Uint64 // the bits of a float64
}

func newHistogram(bounds []float64) *Histogram {
	n := len(bounds) + 1 // the last one is of what is above all bounds
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, n), exemplars: make([]atomic.Pointer[prometheus.Exemplar], n)}
}

// Observe takes a value. trace, where it is not "", is the id of a trace that shows
// how the value came about: it becomes the exemplar of its bucket.
func (h *Histogram) Observe(value float64, trace string) {
	if h == nil {
		return
	}
	i := h.add(value, 1)
	if trace != "" {
		h.exemplars[i].Store(&prometheus.Exemplar{Value: value, Labels: prometheus.Labels{"trace_id": trace}, Timestamp: time.Now()})
	}
}

// ObserveMany takes a value n times.
func (h *Histogram) ObserveMany(value float64, n uint64) {
	if h != nil && n > 0 {
		h.add(value, n)
	}
}

// add counts, and returns the bucket.
func (h *Histogram) add(value float64, n uint64) int {
	i := 0
	for i < len(h.bounds) && value > h.bounds[i] {
		i++
	}
	h.counts[i].Add(n)
	for {
		was := h.sum.Load()
		if h.sum.CompareAndSwap(was, math.Float64bits(math.Float64frombits(was)+value*float64(n))) {
			return i
		}
	}
}

// metric is the histogram as it is now.
func (h *Histogram) metric(desc *prometheus.Desc, labels []string) prometheus.Metric {
	below := make(map[float64]uint64, len(h.bounds))
	var count uint64
	var exemplars []prometheus.Exemplar
	for i := range h.counts {
		count += h.counts[i].Load()
		if i < len(h.bounds) {
			below[h.bounds[i]] = count
		}
		if e := h.exemplars[i].Load(); e != nil {
			exemplars = append(exemplars, *e)
		}
	}
	m := prometheus.MustNewConstHistogram(desc, count, math.Float64frombits(h.sum.Load()), below, labels...)
	if len(exemplars) == 0 {
		return m
	}
	return prometheus.MustNewMetricWithExemplars(m, exemplars...)
}

// HistogramVec is histograms by labels.
type HistogramVec struct {
	desc   *prometheus.Desc
	labels int
	bounds []float64

	mu sync.Mutex
	by map[string]*labelled // by the values, one behind the other
}

type labelled struct {
	*Histogram
	values []string
}

func newHistogramVec(name, help string, bounds []float64, labels []string) *HistogramVec {
	if !slices.IsSorted(bounds) {
		panic("ops: the buckets of " + name + " are not in order")
	}
	return &HistogramVec{desc: prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil),
		labels: len(labels), bounds: bounds, by: make(map[string]*labelled)}
}

// With is the histogram of some values of the labels, in their order. Who observes
// often keeps it. Of nil it is nil. As many values as labels are required.
func (v *HistogramVec) With(values ...string) *Histogram {
	if v == nil {
		return nil
	}
	if len(values) != v.labels {
		panic("ops: a histogram has other labels")
	}
	key := strings.Join(values, "\xff")
	v.mu.Lock()
	defer v.mu.Unlock()
	l := v.by[key]
	if l == nil {
		l = &labelled{newHistogram(v.bounds), slices.Clone(values)}
		v.by[key] = l
	}
	return l.Histogram
}

// Describe implements prometheus.Collector.
func (v *HistogramVec) Describe(ch chan<- *prometheus.Desc) { ch <- v.desc }

// Collect implements prometheus.Collector.
func (v *HistogramVec) Collect(ch chan<- prometheus.Metric) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, l := range v.by {
		ch <- l.metric(v.desc, l.values)
	}
}
