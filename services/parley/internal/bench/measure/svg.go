package measure

import (
	"fmt"
	"html"
	"io"
	"math"
	"strings"
)

// Figure is charts, one above the other, as one SVG picture. It can be read on
// light and on dark ground.
type Figure struct {
	Title    string
	Subtitle string
	Charts   []Chart
}

// Chart is lines over a common x axis. Points without a finite y are left out.
type Chart struct {
	Title  string
	XLabel string
	YLabel string
	// Percentiles makes x a percentile, spread so that 90, 99 and 99.9 are equally far
	// apart.
	Percentiles bool
	Log         bool // y is logarithmic: all y must be above 0; others are left out
	Lines       []Line
	Bands       []Band // drawn behind the lines
}

// Band is a stretch of the x axis in which something went on.
type Band struct {
	Name     string // above it, if there is room; "": none
	From, To float64
}

// Line is a named sequence of points (x, y), ascending by x.
type Line struct {
	Name   string
	Points [][2]float64
}

// Measures of the picture, in pixels.
const (
	svgWidth   = 760
	chartLeft  = 70
	chartRight = 130 // room for the names at the lines' ends
	chartTop   = 34
	chartPlot  = 180
	chartBelow = 46
	headHeight = 62
	chartTotal = chartTop + chartPlot + chartBelow
)

const style = `<style>
  svg { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; color-scheme: light dark }
  .ground { fill: #ffffff } .ink { fill: #1d2733 } .soft { fill: #5b6875 } .grid { stroke: #d9dfe5 } .axis { stroke: #8894a0 } .band { fill: #8894a0; fill-opacity: .16 }
  .head { font-size: 16px; font-weight: 600 } .name { font-weight: 600 }
  .l0 { stroke: #1f6feb } .l1 { stroke: #d1570a } .l2 { stroke: #16803c } .l3 { stroke: #8a3ffc } .l4 { stroke: #b3261e } .l5 { stroke: #5b6875 }
  .t0 { fill: #1f6feb } .t1 { fill: #d1570a } .t2 { fill: #16803c } .t3 { fill: #8a3ffc } .t4 { fill: #b3261e } .t5 { fill: #5b6875 }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #11161c } .ink { fill: #e6edf3 } .soft { fill: #9aa7b4 } .grid { stroke: #29323c } .axis { stroke: #6b7783 }
    .l0 { stroke: #6cb0ff } .l1 { stroke: #ffa657 } .l2 { stroke: #56d364 } .l3 { stroke: #c69bff } .l4 { stroke: #ff8a80 } .l5 { stroke: #9aa7b4 }
    .t0 { fill: #6cb0ff } .t1 { fill: #ffa657 } .t2 { fill: #56d364 } .t3 { fill: #c69bff } .t4 { fill: #ff8a80 } .t5 { fill: #9aa7b4 }
  }
</style>
`

// colours is how many classes l0, l1, … the style has; more lines share them.
const colours = 6

// WriteSVG writes the picture.
func (f Figure) WriteSVG(w io.Writer) error {
	var b strings.Builder
	height := headHeight + len(f.Charts)*chartTotal
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img">`+"\n", svgWidth, height, svgWidth, height)
	fmt.Fprintf(&b, "<title>%s</title>\n%s", html.EscapeString(f.Title), style)
	fmt.Fprintf(&b, `<rect class="ground" width="%d" height="%d" rx="6"/>`+"\n", svgWidth, height)
	text(&b, 20, 28, "ink head", "start", f.Title)
	text(&b, 20, 48, "soft", "start", f.Subtitle)
	for i, c := range f.Charts {
		fmt.Fprintf(&b, `<g transform="translate(0 %d)">`+"\n", headHeight+i*chartTotal)
		c.draw(&b)
		b.WriteString("</g>\n")
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func text(b *strings.Builder, x, y float64, class, anchor, s string) {
	fmt.Fprintf(b, `<text x="%.1f" y="%.1f" class="%s" text-anchor="%s">%s</text>`+"\n", x, y, class, anchor, html.EscapeString(s))
}

// draw draws one chart with its upper left corner at (0, 0).
func (c Chart) draw(b *strings.Builder) {
	text(b, chartLeft, 18, "ink name", "start", c.Title)
	lines := c.usable()
	if len(lines) == 0 {
		text(b, chartLeft, chartTop+20, "soft", "start", "nothing was measured")
		return
	}
	x, y := c.axes(lines)
	const width = svgWidth - chartLeft - chartRight
	for _, band := range c.Bands {
		from, to := chartLeft+width*x.place(band.From), chartLeft+width*x.place(band.To)
		fmt.Fprintf(b, `<rect class="band" x="%.1f" width="%.1f" y="%d" height="%d"/>`+"\n", from, to-from, chartTop, chartPlot)
		if to-from > 6.5*float64(len(band.Name)) { // else names lie on one another
			text(b, (from+to)/2, chartTop-4, "soft", "middle", band.Name)
		}
	}
	for _, v := range y.ticks {
		at := chartTop + chartPlot*(1-y.place(v))
		fmt.Fprintf(b, `<line class="grid" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`+"\n", chartLeft, svgWidth-chartRight, at, at)
		text(b, chartLeft-8, at+4, "soft", "end", Number(v))
	}
	for _, v := range x.ticks {
		at := chartLeft + width*x.place(v)
		fmt.Fprintf(b, `<line class="axis" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`+"\n", at, at, chartTop+chartPlot, chartTop+chartPlot+4)
		text(b, at, chartTop+chartPlot+18, "soft", "middle", strings.TrimSuffix(fmt.Sprintf("%g", v), ".0"))
	}
	fmt.Fprintf(b, `<line class="axis" x1="%d" x2="%d" y1="%d" y2="%d"/>`+"\n", chartLeft, svgWidth-chartRight, chartTop+chartPlot, chartTop+chartPlot)
	text(b, chartLeft+width, chartTop+chartPlot+36, "soft", "end", c.XLabel)
	text(b, chartLeft-8, chartTop-8, "soft", "end", c.YLabel)
	ends := make([]float64, 0, len(lines)) // where names are already
	for i, l := range lines {
		var d strings.Builder
		var last [2]float64
		for j, p := range l.Points {
			last = [2]float64{chartLeft + width*x.place(p[0]), chartTop + chartPlot*(1-y.place(p[1]))}
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(j, 1)], last[0], last[1])
		}
		fmt.Fprintf(b, `<path class="l%d" fill="none" stroke-width="1.8" stroke-linejoin="round" d="%s"/>`+"\n", i%colours, d.String())
		text(b, last[0]+6, beside(ends, last[1]+4), fmt.Sprintf("name t%d", i%colours), "start", l.Name)
		ends = append(ends, beside(ends, last[1]+4))
	}
}

// beside is the height nearest to y at which a name hides none of those at ends.
func beside(ends []float64, y float64) float64 {
	const apart = 13.0
	free := func(at float64) bool {
		for _, e := range ends {
			if math.Abs(at-e) < apart-0.5 {
				return false
			}
		}
		return true
	}
	for step := 0.0; ; step++ {
		for _, at := range []float64{y - step*apart/2, y + step*apart/2} {
			if free(at) {
				return at
			}
		}
	}
}

// usable leaves out what cannot be drawn.
func (c Chart) usable() (lines []Line) {
	for _, l := range c.Lines {
		var points [][2]float64
		for _, p := range l.Points {
			if math.IsNaN(p[1]) || math.IsInf(p[1], 0) || c.Log && p[1] <= 0 || c.Percentiles && p[0] >= 100 {
				continue
			}
			points = append(points, p)
		}
		if len(points) > 0 {
			lines = append(lines, Line{l.Name, points})
		}
	}
	return lines
}

// axis maps values to 0…1.
type axis struct {
	low, high float64 // after scale
	scale     func(float64) float64
	ticks     []float64
}

func (a axis) place(v float64) float64 { return (a.scale(v) - a.low) / (a.high - a.low) }

func (c Chart) axes(lines []Line) (x, y axis) {
	xs, ys := extent(lines, 0), extent(lines, 1)
	if c.Percentiles {
		nines := func(p float64) float64 { return -math.Log10(1 - p/100) }
		x = axis{low: nines(xs[0]), high: math.Max(nines(xs[1]), nines(xs[0])+0.1), scale: nines}
		for _, p := range []float64{0, 50, 90, 99, 99.9, 99.99, 99.999} {
			if p >= xs[0] && p <= xs[1] {
				x.ticks = append(x.ticks, p)
			}
		}
	} else {
		x = linear(xs[0], xs[1], 8)
		x.low, x.high = xs[0], math.Max(xs[1], xs[0]+1e-9)
		x.ticks = within(x.ticks, xs[0], xs[1])
	}
	if !c.Log {
		return x, linear(0, math.Max(ys[1], 1e-9), 5)
	}
	low, high := math.Floor(math.Log10(ys[0])), math.Ceil(math.Log10(ys[1]))
	if high == low {
		high++
	}
	y = axis{low: low, high: high, scale: math.Log10}
	for e := low; e <= high; e++ {
		y.ticks = append(y.ticks, math.Pow(10, e))
	}
	return x, y
}

func within(ticks []float64, low, high float64) (in []float64) {
	for _, t := range ticks {
		if t >= low && t <= high {
			in = append(in, t)
		}
	}
	return in
}

// extent is the least and the greatest coordinate of all points.
func extent(lines []Line, coordinate int) [2]float64 {
	e := [2]float64{math.Inf(1), math.Inf(-1)}
	for _, l := range lines {
		for _, p := range l.Points {
			e[0], e[1] = math.Min(e[0], p[coordinate]), math.Max(e[1], p[coordinate])
		}
	}
	return e
}

// linear is an axis from low to the next round number at or above high.
func linear(low, high float64, ticks int) axis {
	raw := math.Max(high-low, 1e-9) / float64(ticks)
	step := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5, 10} {
		if m*step >= raw {
			step *= m
			break
		}
	}
	a := axis{low: low, scale: func(v float64) float64 { return v }}
	first := math.Ceil(low/step) * step
	for i := 0; ; i++ {
		v := first + float64(i)*step
		a.ticks = append(a.ticks, math.Round(v/step)*step)
		if v >= high-step*1e-9 {
			a.high = v
			return a
		}
	}
}
