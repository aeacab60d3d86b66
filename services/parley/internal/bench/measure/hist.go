package measure

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// The range of a [Histogram]: what is outside is counted at its ends.
const (
	lowest  = time.Microsecond
	highest = 2 * time.Minute
	digits  = 3 // that are exact
)

// parts is how many histograms share the recording, so that connections on
// different cores seldom meet at a lock.
const parts = 8

// Histogram counts durations between 1 µs and 2 minutes, with an error below
// 0.1 %. Any number of goroutines may record; the zero value is ready, and takes
// about 1.5 MB once it is used.
type Histogram struct {
	next atomic.Uint32
	part [parts]part
}

// part is on cache lines of its own.
type part struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram // nil: nothing was recorded
	_  [48]byte
}

// Recorder is one goroutine's way into a [Histogram].
type Recorder struct{ p *part }

// Recorder gives a goroutine that records much its part of the histogram.
func (h *Histogram) Recorder() Recorder { return Recorder{&h.part[h.next.Add(1)%parts]} }

// Record counts one duration.
func (r Recorder) Record(d time.Duration) {
	d = min(max(d, lowest), highest)
	r.p.mu.Lock()
	if r.p.h == nil {
		r.p.h = newHDR()
	}
	_ = r.p.h.RecordValue(int64(d)) // it is in range
	r.p.mu.Unlock()
}

// Record counts one duration.
func (h *Histogram) Record(d time.Duration) { h.Recorder().Record(d) }

func newHDR() *hdrhistogram.Histogram {
	return hdrhistogram.New(int64(lowest), int64(highest), digits)
}

// Take gives what was recorded since the last Take, and starts anew.
func (h *Histogram) Take() *Snapshot {
	s := NewSnapshot()
	for i := range h.part {
		p := &h.part[i]
		p.mu.Lock()
		if p.h != nil {
			s.h.Merge(p.h)
			p.h.Reset()
		}
		p.mu.Unlock()
	}
	return s
}

// Snapshot is durations that were counted. One goroutine uses it at a time.
type Snapshot struct{ h *hdrhistogram.Histogram }

// NewSnapshot is empty.
func NewSnapshot() *Snapshot { return &Snapshot{newHDR()} }

// Add adds what another one counted.
func (s *Snapshot) Add(o *Snapshot) { s.h.Merge(o.h) }

// Count is how many durations were counted.
func (s *Snapshot) Count() int64 { return s.h.TotalCount() }

// At is the duration that p percent did not exceed; 0 of none.
func (s *Snapshot) At(p float64) time.Duration { return time.Duration(s.h.ValueAtPercentile(p)) }

// Latency sums durations up, in milliseconds.
type Latency struct {
	Samples int64   `json:"samples"`
	Mean    float64 `json:"mean_ms"`
	Min     float64 `json:"min_ms"`
	P50     float64 `json:"p50_ms"`
	P90     float64 `json:"p90_ms"`
	P99     float64 `json:"p99_ms"`
	P999    float64 `json:"p999_ms"`
	Max     float64 `json:"max_ms"`
	// Curve is the latency by percentile, for a chart: each point has the percentile
	// and the milliseconds that it did not exceed.
	Curve [][2]float64 `json:"curve,omitempty"`
}

// percentiles of a curve: ever closer to 100.
var percentiles = []float64{0, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.75, 99.9, 99.95, 99.99, 99.999}

// Latency sums up. The curve ends where fewer than ten samples lie above a point.
func (s *Snapshot) Latency() Latency {
	n := s.Count()
	if n == 0 {
		return Latency{}
	}
	l := Latency{Samples: n, Mean: s.h.Mean() / 1e6, Min: float64(s.h.Min()) / 1e6, P50: Millis(s.At(50)), P90: Millis(s.At(90)),
		P99: Millis(s.At(99)), P999: Millis(s.At(99.9)), Max: float64(s.h.Max()) / 1e6}
	for _, p := range percentiles {
		if p > 50 && float64(n)*(100-p)/100 < 10 {
			break
		}
		l.Curve = append(l.Curve, [2]float64{p, Millis(s.At(p))})
	}
	return l
}

// Millis is a duration in milliseconds.
func Millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
