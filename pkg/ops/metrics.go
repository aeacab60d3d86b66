package ops

import (
	"net/http"
	"slices"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what /metrics shows. Counters and gauges are read when somebody
// asks: the code that counts needs an atomic number and nothing of this package.
//
// Names are without "parley_", which is put before them. Registering a name twice
// is a mistake in the wiring and panics. Values of labels must be few, and never
// come from clients.
type Metrics struct {
	registry *prometheus.Registry

	mu   sync.Mutex
	list []Metric
}

// Metric is one metric as it was registered.
type Metric struct {
	Name   string   `json:"name"` // as /metrics shows it
	Type   string   `json:"type"` // counter, gauge or histogram
	Labels []string `json:"labels"`
	Help   string   `json:"help"`
}

const namespace = "parley"

func (m *Metrics) init(version string) {
	m.registry = prometheus.NewRegistry()
	m.registry.MustRegister(
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.MetricsScheduler)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "1, with the version as a label.",
			ConstLabels: prometheus.Labels{"version": version},
		}, func() float64 { return 1 }),
	)
	m.note("build_info", "gauge", "1, with the version as a label.", "version")
}

func (m *Metrics) note(name, kind, help string, labels ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, Metric{Name: namespace + "_" + name, Type: kind, Labels: labels, Help: help})
}

// List is every metric of Parley's own that was registered so far, by name, also
// those that have nothing to show yet. The Go runtime's and the process' are not in it.
func (m *Metrics) List() []Metric {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := slices.Clone(m.list)
	slices.SortFunc(list, func(a, b Metric) int {
		switch {
		case a.Name < b.Name:
			return -1
		case a.Name > b.Name:
			return 1
		}
		return 0
	})
	return list
}

// handler shows exemplars to who asks for OpenMetrics, as Prometheus does.
func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError, EnableOpenMetrics: true})
}

// Counter shows a number that only grows. Its name ends in _total. read is called
// from any goroutine and must not block.
func (m *Metrics) Counter(name, help string, read func() uint64) {
	m.note(name, "counter", help)
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
		func() float64 { return float64(read()) },
	))
}

// Gauge shows a number that goes up and down. read is as for Counter.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.note(name, "gauge", help)
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read))
}

// CounterBy shows one counter for each value of a label, such as the reason of a
// drop.
func (m *Metrics) CounterBy(name, help, label string, read func() map[string]uint64) {
	m.note(name, "counter", help, label)
	m.registry.MustRegister(newBy(name, help, label, prometheus.CounterValue, read))
}

// GaugeBy is CounterBy for gauges.
func (m *Metrics) GaugeBy(name, help, label string, read func() map[string]float64) {
	m.note(name, "gauge", help, label)
	m.registry.MustRegister(newBy(name, help, label, prometheus.GaugeValue, read))
}

// Histogram shows how values are spread. Durations are in seconds, and the name
// ends in _seconds then.
func (m *Metrics) Histogram(name, help string, buckets []float64) *Histogram {
	return m.HistogramBy(name, help, buckets).With()
}

// HistogramBy shows a histogram for each combination of labels that is asked for.
func (m *Metrics) HistogramBy(name, help string, buckets []float64, labels ...string) *HistogramVec {
	m.note(name, "histogram", help, labels...)
	v := newHistogramVec(name, help, buckets, labels)
	m.registry.MustRegister(v)
	return v
}

// by is a metric with one label whose values are known only when it is read.
type by[N uint64 | float64] struct {
	desc *prometheus.Desc
	kind prometheus.ValueType
	read func() map[string]N
}

func newBy[N uint64 | float64](name, help, label string, kind prometheus.ValueType, read func() map[string]N) *by[N] {
	desc := prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, []string{label}, nil)
	return &by[N]{desc, kind, read}
}

// Describe implements prometheus.Collector.
func (b *by[N]) Describe(ch chan<- *prometheus.Desc) { ch <- b.desc }

// Collect implements prometheus.Collector.
func (b *by[N]) Collect(ch chan<- prometheus.Metric) {
	for value, n := range b.read() {
		ch <- prometheus.MustNewConstMetric(b.desc, b.kind, float64(n), value)
	}
}
