package observe

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
)

// The dashboard can be read, each query is PromQL, and panels do not overlap.
func TestBoard(t *testing.T) {
	b, err := ParseBoard([]byte(read(t, "deploy/monitoring/parley.json")))
	if err != nil {
		t.Fatal(err)
	}
	type place struct{ x, y int }
	taken := map[place]string{}
	for _, p := range b.Panels {
		at := place{p.GridPos.X, p.GridPos.Y}
		if other := taken[at]; other != "" || len(p.Targets) == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("panel %q lies on %q, or is empty", p.Title, other)
		}
		taken[at] = p.Title
		for _, q := range p.Targets {
			if _, err := parser.ParseExpr(q.Query(time.Minute)); err != nil {
				t.Errorf("panel %q: %v", p.Title, err)
			}
		}
	}
	if len(b.Panels) < 20 {
		t.Errorf("%d panels", len(b.Panels))
	}
}

const scraped = `# TYPE x_total counter
x_total{kind="a"} %d
# TYPE took_seconds histogram
took_seconds_bucket{le="0.1"} %d
took_seconds_bucket{le="1"} %d
took_seconds_bucket{le="+Inf"} %d
took_seconds_sum 1
took_seconds_count %d
`

// What is scraped is asked by Prometheus' engine, drawn, and names are as the legend
// has them.
func TestShowAndDraw(t *testing.T) {
	rec, start := &Recording{}, time.UnixMilli(1_000_000)
	for i := range 60 {
		text := strings.ReplaceAll(scraped, "%d", string(rune('0'+i/10))+string(rune('0'+i%10)))
		if err := rec.Scrape(strings.NewReader(text), "gateway", "g1", start.Add(time.Duration(i)*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	b, err := ParseBoard([]byte(`{"title":"T","panels":[
		{"title":"rate <1>","gridPos":{"x":0,"y":0,"w":8,"h":7},"fieldConfig":{"defaults":{"unit":"ops"}},"targets":[{"expr":"rate(x_total[$__rate_interval])","legendFormat":"{{kind}} of {{ instance }}"}]},
		{"title":"p50","gridPos":{"x":8,"y":0,"w":8,"h":7},"fieldConfig":{"defaults":{"unit":"s"}},"targets":[{"expr":"histogram_quantile(0.5, rate(took_seconds_bucket[10s]))","legendFormat":"p50"}]},
		{"title":"nothing","gridPos":{"x":16,"y":0,"w":8,"h":7},"targets":[{"expr":"y","legendFormat":"y"}]}]}`))
	if err != nil {
		t.Fatal(err)
	}
	end := start.Add(59 * time.Second)
	shown, err := b.Show(t.Context(), rec, start, end, 2*time.Second, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if l := shown[0].Lines; len(l) != 1 || l[0].Name != "a of g1" || l[0].Points[10].Value < 0.99 || l[0].Points[10].Value > 1.01 {
		t.Errorf("%+v", l)
	}
	if l := shown[1].Lines; len(l) != 1 || l[0].Points[10].Value != 0.05 {
		t.Errorf("%+v", l)
	}
	if len(shown[2].Lines) != 0 {
		t.Errorf("%+v", shown[2])
	}
	var svg bytes.Buffer
	if err := (Picture{Title: "T & more", Panels: shown, Start: start, End: end, Marks: []Mark{{start.Add(time.Second), "killed"}}}).WriteSVG(&svg); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(bytes.NewReader(svg.Bytes())); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	for _, want := range []string{"T &amp; more", "rate &lt;1&gt;", "a of g1", "no data", "1 killed (1 s)"} {
		if !strings.Contains(svg.String(), want) {
			t.Errorf("no %q in the picture", want)
		}
	}
}

func TestAmount(t *testing.T) {
	for _, c := range []struct {
		v          float64
		unit, want string
	}{{0, "s", "0"}, {0.00025, "s", "250 µs"}, {0.2, "s", "200 ms"}, {2.5, "s", "2.5 s"}, {4e7, "bytes", "40 MB"}, {1500, "ops", "1.5 k"}, {20, "short", "20"}} {
		if got := Amount(c.v, c.unit); got != c.want {
			t.Errorf("%v %s: %q", c.v, c.unit, got)
		}
	}
}
