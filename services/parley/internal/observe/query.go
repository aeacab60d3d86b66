package observe

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
)

// Line is a series of an answer.
type Line struct {
	Labels labels.Labels
	Points []Point
}

// Point is a value at a time.
type Point struct {
	At    time.Time
	Value float64
}

// engine is Prometheus' own.
func engine() *promql.Engine {
	return promql.NewEngine(promql.EngineOpts{MaxSamples: 50_000_000, Timeout: time.Minute, LookbackDelta: 5 * time.Minute, EnableAtModifier: true, EnableNegativeOffset: true})
}

// Range asks a query at every step from start to end.
func (r *Recording) Range(ctx context.Context, query string, start, end time.Time, step time.Duration) ([]Line, error) {
	e := engine()
	defer e.Close()
	q, err := e.NewRangeQuery(ctx, r, nil, query, start, end, step)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", query, err)
	}
	defer q.Close()
	res := q.Exec(ctx)
	m, err := res.Matrix()
	if err != nil {
		return nil, fmt.Errorf("ask %s: %w", query, err)
	}
	var lines []Line
	for _, s := range m {
		l := Line{Labels: s.Metric.Copy()}
		for _, p := range s.Floats {
			l.Points = append(l.Points, Point{time.UnixMilli(p.T), p.F})
		}
		lines = append(lines, l)
	}
	return lines, nil
}

var legend = regexp.MustCompile(`\{\{\s*([a-zA-Z_]+)\s*\}\}`)

// Name is a line's name as Grafana makes it of a legend such as "{{job}} ready".
func (l Line) Name(format string) string {
	return legend.ReplaceAllStringFunc(format, func(m string) string { return l.Labels.Get(legend.FindStringSubmatch(m)[1]) })
}
