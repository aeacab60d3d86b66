package ops

import (
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is what /metrics shows. Counters and gauges are read when somebody
// asks: the code that counts needs an atomic number and nothing of this package.
//
// Names are without "parley_", which is put before them. Registering a name twice
// is a mistake in the wiring and panics.
type Metrics struct{ registry *prometheus.Registry }

const namespace = "parley"

func (m *Metrics) init(version string) {
	m.registry = prometheus.NewRegistry()
	m.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: namespace, Name: "build_info", Help: "1, with the version as a label.",
			ConstLabels: prometheus.Labels{"version": version},
		}, func() float64 { return 1 }),
	)
}

func (m *Metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4, ErrorHandling: promhttp.ContinueOnError})
}

// Counter shows a number that only grows. Its name ends in _total. read is called
// from any goroutine and must not block.
func (m *Metrics) Counter(name, help string, read func() uint64) {
	m.registry.MustRegister(prometheus.NewCounterFunc(
		prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help},
		func() float64 { return float64(read()) },
	))
}

// Gauge shows a number that goes up and down. read is as for Counter.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: namespace, Name: name, Help: help}, read))
}

// CounterBy shows one counter for each value of a label, such as the reason of a
// drop. The values must be few, and never come from clients.
func (m *Metrics) CounterBy(name, help, label string, read func() map[string]uint64) {
	m.registry.MustRegister(newBy(name, help, label, prometheus.CounterValue, read))
}

// GaugeBy is CounterBy for gauges.
func (m *Metrics) GaugeBy(name, help, label string, read func() map[string]float64) {
	m.registry.MustRegister(newBy(name, help, label, prometheus.GaugeValue, read))
}

// Histogram shows how values are spread. observe is safe for concurrent use and
// does not block. Durations are in seconds, and the name ends in _seconds then.
func (m *Metrics) Histogram(name, help string, buckets []float64) (observe func(value float64)) {
	h := prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets})
	m.registry.MustRegister(h)
	return h.Observe
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
