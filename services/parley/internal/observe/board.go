package observe

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/prometheus/common/model"
)

// Board is a Grafana dashboard, as far as it says what to show.
type Board struct {
	Title  string  `json:"title"`
	Panels []Panel `json:"panels"`
}

// Panel is one picture of a dashboard.
type Panel struct {
	Title   string `json:"title"`
	GridPos struct {
		X int `json:"x"`
		Y int `json:"y"`
		W int `json:"w"`
		H int `json:"h"`
	} `json:"gridPos"`
	FieldConfig struct {
		Defaults struct {
			Unit string `json:"unit"`
		} `json:"defaults"`
	} `json:"fieldConfig"`
	Targets []Target `json:"targets"`
}

// Target is a query and the name of its lines.
type Target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
}

// Query is the target's PromQL, with what Grafana would put in the place of its
// variable: four scrapes, at least.
func (t Target) Query(rateInterval time.Duration) string {
	return strings.ReplaceAll(t.Expr, "$__rate_interval", model.Duration(rateInterval).String())
}

// ParseBoard reads a dashboard.
func ParseBoard(text []byte) (b Board, err error) {
	if err := json.Unmarshal(text, &b); err != nil {
		return b, fmt.Errorf("read the dashboard: %w", err)
	}
	return b, nil
}

// Shown is a panel with its answers.
type Shown struct {
	Panel
	Lines []NamedLine
}

// NamedLine is a line with the name that its legend gives it.
type NamedLine struct {
	Name   string
	Points []Point
}

// Show asks all queries of a board about a recording.
func (b Board) Show(ctx context.Context, rec *Recording, start, end time.Time, step, rateInterval time.Duration) ([]Shown, error) {
	var list []Shown
	for _, p := range b.Panels {
		s := Shown{Panel: p}
		for _, t := range p.Targets {
			lines, err := rec.Range(ctx, t.Query(rateInterval), start, end, step)
			if err != nil {
				return nil, fmt.Errorf("panel %q: %w", p.Title, err)
			}
			for _, l := range lines {
				if n := (NamedLine{Name: l.Name(t.LegendFormat), Points: finite(l.Points)}); len(n.Points) > 0 {
					s.Lines = append(s.Lines, n)
				}
			}
		}
		list = append(list, s)
	}
	return list, nil
}

// finite leaves out what there is no number for: the quantile of nothing.
func finite(points []Point) (list []Point) {
	for _, p := range points {
		if !math.IsNaN(p.Value) && !math.IsInf(p.Value, 0) {
			list = append(list, p)
		}
	}
	return list
}
