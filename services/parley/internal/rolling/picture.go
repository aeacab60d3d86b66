package rolling

import (
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// bin is the width of what is counted together, in seconds.
const bin = 0.5

// WriteSVG draws the run.
func (r *Run) WriteSVG(w io.Writer) error {
	bands, bare := r.bands()
	return measure.Figure{
		Title:    r.title(),
		Subtitle: r.subtitle(),
		Charts: []measure.Chart{
			{Title: "connections of each gateway", XLabel: "seconds", YLabel: "count", Lines: r.connections(), Bands: bands},
			{Title: "connections that came back, in half a second", XLabel: "seconds", YLabel: "count", Lines: []measure.Line{{Name: "reconnects", Points: r.reconnects()}}, Bands: bare},
			{Title: "send → ack", XLabel: "seconds", YLabel: "ms", Log: true, Lines: r.latency(verify.Ack), Bands: bare},
			{Title: "send → delivered to another device, its time offline included", XLabel: "seconds", YLabel: "ms", Log: true, Lines: r.latency(verify.Entry), Bands: bare},
		},
	}.WriteSVG(w)
}

func (r *Run) title() string {
	if len(r.Restarts) == 0 {
		return "Three gateway processes under load"
	}
	return fmt.Sprintf("A rolling restart of %d gateway processes under load", len(r.Restarts))
}

// Violations is how many promises were broken, messages that were refused or had not
// arrived included.
func (r *Run) Violations() int {
	n := int(r.Report.Refused)
	for _, v := range r.Report.Verdict.Counts {
		n += v
	}
	if r.Report.Unsettled != "" {
		n++
	}
	return n
}

func (r *Run) subtitle() string {
	w := r.Report.Wire
	return fmt.Sprintf("%d violations · %d messages sent, %d acked · %d duplicates, %d gaps, %d out of order · %d reconnects",
		r.Violations(), r.Report.Sent, r.Report.Acked, w.Duplicates, w.Gaps, w.OutOfOrder, len(r.returns()))
}

// bands are the restarts, with names and without.
func (r *Run) bands() (named, bare []measure.Band) {
	for _, x := range r.Restarts {
		named = append(named, measure.Band{Name: x.Gateway, From: x.Asked, To: x.Back})
		bare = append(bare, measure.Band{From: x.Asked, To: x.Back})
	}
	return named, bare
}

func (r *Run) connections() (lines []measure.Line) {
	end := r.end()
	for i := range 3 {
		l := measure.Line{Name: fmt.Sprint("gateway-", i+1)}
		for _, s := range r.Samples {
			if s.At <= end && i < len(s.Sessions) {
				l.Points = append(l.Points, [2]float64{math.Floor(s.At*10) / 10, s.Sessions[i]})
			}
		}
		lines = append(lines, l)
	}
	return lines
}

// end is when the last message was acked: what comes after it is the judge's.
func (r *Run) end() (last float64) {
	for _, m := range r.Moments {
		if m.Kind == verify.Ack {
			last = math.Max(last, r.at(m))
		}
	}
	return math.Floor(last/bin) * bin
}

func (r *Run) at(m verify.Moment) float64 { return (m.At - r.Zero).Seconds() }

// returns is when connections came back, those of the load and the idle ones.
func (r *Run) returns() (at []float64) {
	for _, m := range r.Moments {
		if m.Kind == verify.Open && m.Took > 0 && m.At > r.Zero {
			at = append(at, r.at(m))
		}
	}
	for _, x := range r.Returns {
		at = append(at, x.At)
	}
	return at
}

func (r *Run) reconnects() (points [][2]float64) {
	counts := make([]float64, int(r.end()/bin)+1)
	for _, at := range r.returns() {
		if i := int(at / bin); at >= 0 && i < len(counts) {
			counts[i]++
		}
	}
	for i, n := range counts {
		points = append(points, [2]float64{float64(i) * bin, n})
	}
	return points
}

// latency is the spread of what a kind of moment took, by when it began.
func (r *Run) latency(kind verify.Kind) []measure.Line {
	bins := make([][]time.Duration, int(r.end()/bin)+1)
	for _, m := range r.Moments {
		if i := int((r.at(m) - m.Took.Seconds()) / bin); m.Kind == kind && m.At-m.Took >= r.Zero && i < len(bins) {
			bins[i] = append(bins[i], m.Took)
		}
	}
	lines := []measure.Line{{Name: "p50"}, {Name: "p99"}, {Name: "slowest"}}
	for i, took := range bins {
		if len(took) == 0 {
			continue
		}
		slices.Sort(took)
		for k, q := range []float64{0.5, 0.99, 1} {
			v := took[min(int(q*float64(len(took))), len(took)-1)]
			lines[k].Points = append(lines[k].Points, [2]float64{float64(i) * bin, v.Seconds() * 1000})
		}
	}
	return lines
}

// Away is how long the connections that came back had been away: the median, the 99th
// percentile and the longest, in seconds.
func (r *Run) Away() (p50, p99, most float64) {
	var all []float64
	for _, m := range r.Moments {
		if m.Kind == verify.Open && m.Took > 0 {
			all = append(all, m.Took.Seconds())
		}
	}
	for _, x := range r.Returns {
		all = append(all, x.Away)
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[min(len(all)*99/100, len(all)-1)], all[len(all)-1]
}
