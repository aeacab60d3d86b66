package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// WritePlot draws the report: latency by percentile, and what happened over the
// measured time.
func (r *Report) WritePlot(w io.Writer) error {
	f := measure.Figure{Title: fmt.Sprintf("parley bench %s: %s %s a second", r.Scenario, measure.Number(r.PerSecond), r.Unit),
		Subtitle: r.Settings.describe(r.Scenario) + ", " + r.Machine.String()}
	if !r.OK {
		f.Title = fmt.Sprintf("parley bench %s: FAILED, these figures do not count", r.Scenario)
	}
	latency := measure.Chart{Title: "latency by percentile", XLabel: "percentile", YLabel: "ms", Percentiles: true, Log: true}
	for _, name := range slices.Sorted(maps.Keys(r.Latency)) {
		latency.Lines = append(latency.Lines, measure.Line{Name: name, Points: r.Latency[name].Curve})
	}
	if len(latency.Lines) > 0 {
		f.Charts = append(f.Charts, latency)
	}
	rate := measure.Line{Name: r.Unit}
	p50, p99 := measure.Line{Name: "p50"}, measure.Line{Name: "p99"}
	for _, p := range r.Timeline {
		rate.Points = append(rate.Points, [2]float64{p.T, p.PerSecond})
		if p.P99 > 0 {
			p50.Points = append(p50.Points, [2]float64{p.T, p.P50})
			p99.Points = append(p99.Points, [2]float64{p.T, p.P99})
		}
	}
	if len(rate.Points) > 1 {
		f.Charts = append(f.Charts, measure.Chart{Title: r.Unit + " a second", XLabel: "seconds", YLabel: "1/s", Lines: []measure.Line{rate}})
	}
	if len(p99.Points) > 1 {
		f.Charts = append(f.Charts, measure.Chart{Title: "latency of delivery over time", XLabel: "seconds", YLabel: "ms", Log: true, Lines: []measure.Line{p50, p99}})
	}
	if err := f.WriteSVG(w); err != nil {
		return fmt.Errorf("write plot: %w", err)
	}
	return nil
}
