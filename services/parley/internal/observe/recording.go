package observe

import (
	"context"
	"fmt"
	"io"
	"math"
	"slices"
	"sync"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/util/annotations"
)

// Recording is samples of time series in memory, for PromQL to be asked about. The
// zero value is empty. It may be added to and asked at the same time.
type Recording struct {
	mu     sync.Mutex
	series map[string]*series // by labels
}

type series struct {
	labels  labels.Labels
	samples []chunks.Sample
}

// sample is a value at a time in milliseconds. It implements chunks.Sample.
type sample struct {
	at    int64
	value float64
}

func (s sample) T() int64                    { return s.at }
func (s sample) F() float64                  { return s.value }
func (sample) H() *histogram.Histogram       { return nil }
func (sample) FH() *histogram.FloatHistogram { return nil }
func (sample) Type() chunkenc.ValueType      { return chunkenc.ValFloat }
func (s sample) Copy() chunks.Sample         { return s }

// Add adds a sample; those of a series come in the order of time.
func (r *Recording) Add(l labels.Labels, at time.Time, value float64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := l.String()
	s := r.series[key]
	if s == nil {
		if r.series == nil {
			r.series = make(map[string]*series)
		}
		s = &series{labels: l}
		r.series[key] = s
	}
	s.samples = append(s.samples, sample{at.UnixMilli(), value})
}

// Scrape adds what a /metrics says, as Prometheus would, with job and instance.
func (r *Recording) Scrape(text io.Reader, job, instance string, at time.Time) error {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(text)
	if err != nil {
		return fmt.Errorf("read metrics of %s: %w", instance, err)
	}
	for name, f := range families {
		for _, m := range f.Metric {
			base := map[string]string{"job": job, "instance": instance}
			for _, l := range m.Label {
				base[l.GetName()] = l.GetValue()
			}
			for _, v := range valuesOf(name, m) {
				base[labels.MetricName] = v.name
				delete(base, "le")
				if v.le != "" {
					base["le"] = v.le
				}
				r.Add(labels.FromMap(base), at, v.value)
			}
		}
	}
	return nil
}

type value struct {
	name, le string
	value    float64
}

func valuesOf(name string, m *dto.Metric) (list []value) {
	switch {
	case m.Counter != nil:
		return []value{{name: name, value: m.Counter.GetValue()}}
	case m.Gauge != nil:
		return []value{{name: name, value: m.Gauge.GetValue()}}
	case m.Untyped != nil:
		return []value{{name: name, value: m.Untyped.GetValue()}}
	case m.Histogram == nil:
		return nil // summaries are asked about by nobody
	}
	for _, b := range m.Histogram.Bucket {
		le := "+Inf"
		if !math.IsInf(b.GetUpperBound(), 1) {
			le = fmt.Sprint(b.GetUpperBound())
		}
		list = append(list, value{name + "_bucket", le, float64(b.GetCumulativeCount())})
	}
	return append(list, value{name: name + "_count", value: float64(m.Histogram.GetSampleCount())}, value{name: name + "_sum", value: m.Histogram.GetSampleSum()})
}

// Querier implements storage.Queryable.
func (r *Recording) Querier(int64, int64) (storage.Querier, error) { return querier{r}, nil }

type querier struct{ *Recording }

// Select implements storage.Querier.
func (q querier) Select(_ context.Context, _ bool, _ *storage.SelectHints, matchers ...*labels.Matcher) storage.SeriesSet {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []storage.Series
	for _, s := range q.series {
		if matches(s.labels, matchers) {
			found = append(found, storage.NewListSeries(s.labels, slices.Clone(s.samples)))
		}
	}
	slices.SortFunc(found, func(a, b storage.Series) int { return labels.Compare(a.Labels(), b.Labels()) })
	return &set{list: found}
}

func matches(l labels.Labels, matchers []*labels.Matcher) bool {
	for _, m := range matchers {
		if !m.Matches(l.Get(m.Name)) {
			return false
		}
	}
	return true
}

// LabelValues implements storage.Querier; PromQL does not ask for it.
func (querier) LabelValues(context.Context, string, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// LabelNames implements storage.Querier; PromQL does not ask for it.
func (querier) LabelNames(context.Context, *storage.LabelHints, ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return nil, nil, nil
}

// Close implements storage.Querier.
func (querier) Close() error { return nil }

type set struct {
	list []storage.Series
	at   int
}

func (s *set) Next() bool                        { s.at++; return s.at <= len(s.list) }
func (s *set) At() storage.Series                { return s.list[s.at-1] }
func (s *set) Err() error                        { return nil }
func (s *set) Warnings() annotations.Annotations { return nil }
