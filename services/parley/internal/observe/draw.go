package observe

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// Mark is something that was done to the cluster, to be seen in every panel.
type Mark struct {
	At   time.Time
	What string
}

// Picture is a dashboard drawn.
type Picture struct {
	Title, Subtitle string
	Panels          []Shown
	Marks           []Mark
	Start, End      time.Time
}

// Measures, in pixels. A column is an eighth of a panel's width in Grafana's grid of 24.
const (
	column     = 52
	panelHigh  = 214
	plotLeft   = 52
	plotTop    = 30
	plotRight  = 14
	plotBelow  = 62
	pictureTop = 96
	margin     = 12
	maxLegend  = 8 // names below a panel
)

// WriteSVG draws the panels where the dashboard has them.
func (p Picture) WriteSVG(w io.Writer) error {
	var b strings.Builder
	rows, width := 1, 24*column+2*margin
	for _, s := range p.Panels {
		rows = max(rows, s.GridPos.Y/s.GridPos.H+1)
	}
	height := pictureTop + rows*panelHigh + margin
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", html.EscapeString(p.Title), measure.Style)
	b.WriteString("<style>.mark { stroke: #b3261e; stroke-dasharray: 3 3; opacity: .55 } .small { font-size: 10.5px } .frame { fill: none }</style>\n")
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d" rx="6"/>`+"\n", width, height)
	label(&b, 20, 28, "ink head", "start", p.Title)
	label(&b, 20, 48, "soft", "start", p.Subtitle)
	var marks []string
	for i, m := range p.Marks {
		marks = append(marks, fmt.Sprintf("%d %s (%.0f s)", i+1, m.What, m.At.Sub(p.Start).Seconds()))
	}
	label(&b, 20, 68, "soft", "start", "Dashed: "+strings.Join(marks, " · "))
	for _, s := range p.Panels {
		fmt.Fprintf(&b, `<g transform="translate(%d %d)">`+"\n", margin+s.GridPos.X*column, pictureTop+s.GridPos.Y/s.GridPos.H*panelHigh)
		p.panel(&b, s, float64(s.GridPos.W*column))
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func label(b *strings.Builder, x, y float64, class, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.0f" y="%.0f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

func (p Picture) panel(b *strings.Builder, s Shown, width float64) {
	right, bottom := width-plotRight, float64(panelHigh-plotBelow)
	label(b, plotLeft, 18, "ink name", "start", s.Title)
	high := 0.0
	for _, l := range s.Lines {
		for _, pt := range l.Points {
			high = max(high, pt.Value)
		}
	}
	ticks := ticksTo(high)
	high = ticks[len(ticks)-1]
	y := func(v float64) float64 { return bottom - (bottom-plotTop)*max(v, 0)/high }
	x := func(at time.Time) float64 {
		return plotLeft + (right-plotLeft)*at.Sub(p.Start).Seconds()/p.End.Sub(p.Start).Seconds()
	}
	for _, v := range ticks {
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%.0f" y1="%.1f" y2="%.1f"/>`+"\n", plotLeft, right, y(v), y(v))
		label(b, plotLeft-6, y(v)+4, "soft small", "end", Amount(v, s.FieldConfig.Defaults.Unit))
	}
	for i, m := range p.Marks {
		fmt.Fprintf(b, `<line class="mark" x1="%.1f" x2="%.1f" y1="%d" y2="%.0f"/>`+"\n", x(m.At), x(m.At), plotTop, bottom)
		label(b, x(m.At), plotTop-2, "soft small", "middle", fmt.Sprint(i+1))
	}
	for sec := 0.0; sec <= p.End.Sub(p.Start).Seconds(); sec += 30 {
		at := x(p.Start.Add(time.Duration(sec) * time.Second))
		label(b, at, bottom+14, "soft small", "middle", fmt.Sprintf("%.0f s", sec))
	}
	if len(s.Lines) == 0 {
		label(b, plotLeft+8, plotTop+24, "soft", "start", "no data")
	}
	for i, l := range s.Lines {
		fmt.Fprintf(b, `<path class="l%d" fill="none" stroke-width="1.5" stroke-linejoin="round" d="%s"/>`+"\n", i%measure.Colours, path(l.Points, x, y))
	}
	legendOf(b, s.Lines, bottom+30, right)
}

// path is a line with a gap where there was nothing for longer than usual.
func path(points []Point, x func(time.Time) float64, y func(float64) float64) string {
	var d strings.Builder
	usual := time.Duration(math.MaxInt64)
	for i := 1; i < len(points); i++ {
		usual = min(usual, points[i].At.Sub(points[i-1].At))
	}
	for i, pt := range points {
		to := "L"
		if i == 0 || pt.At.Sub(points[i-1].At) > usual+usual/2 {
			to = "M"
		}
		fmt.Fprintf(&d, "%s%.1f %.1f", to, x(pt.At), y(pt.Value))
		if len(points) == 1 {
			fmt.Fprintf(&d, "h2")
		}
	}
	return d.String()
}

// legendOf writes the names of lines in at most two rows.
func legendOf(b *strings.Builder, lines []NamedLine, y, right float64) {
	const letter, between = 6.9, 12.0
	x, row := float64(plotLeft), 0
	for i, l := range lines {
		name, wide := l.Name, letter*float64(len([]rune(l.Name)))
		last := i == maxLegend-1 && len(lines) > maxLegend
		if last {
			name = fmt.Sprintf("and %d more", len(lines)-i)
		}
		if x+wide > right && x > plotLeft {
			if x, row = plotLeft, row+1; row > 1 {
				return
			}
		}
		label(b, x, y+15*float64(row), fmt.Sprintf("small name t%d", i%measure.Colours), "start", name)
		if x += wide + between; last {
			return
		}
	}
}

// ticksTo are three to five round numbers from 0 to at least high.
func ticksTo(high float64) []float64 {
	if high <= 0 {
		high = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(high/4)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step*4 >= high {
			step *= m
			break
		}
	}
	var list []float64
	for i := 0; ; i++ {
		list = append(list, step*float64(i))
		if step*float64(i) >= high*(1-1e-9) {
			return list
		}
	}
}

// Amount writes a number in a unit of Grafana's.
func Amount(v float64, unit string) string {
	scale := func(units ...string) string {
		for i, u := range units {
			if v < 1000 || i == len(units)-1 {
				return strings.TrimSpace(fmt.Sprintf("%.3g %s", v, u))
			}
			v /= 1000
		}
		return ""
	}
	switch {
	case v == 0:
		return "0"
	case unit == "s" && v < 1e-3:
		return fmt.Sprintf("%.3g µs", v*1e6)
	case unit == "s" && v < 1:
		return fmt.Sprintf("%.3g ms", v*1e3)
	case unit == "s":
		return fmt.Sprintf("%.3g s", v)
	case unit == "bytes":
		return scale("B", "kB", "MB", "GB")
	case unit == "ops" || v < 1000:
		return scale("", "k", "M")
	}
	return scale("", "k", "M")
}
