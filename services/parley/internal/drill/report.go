package drill

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Report is what a drill found.
type Report struct {
	Seed    uint64    `json:"seed"`
	Store   Store     `json:"store"`
	Routing string    `json:"routing,omitempty"` // "": the gateways' default
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"`
	Results []Result  `json:"results"`
}

// Result is what a scenario found. Times are in milliseconds.
type Result struct {
	Fault   string  `json:"fault"`
	About   string  `json:"about"`
	Seconds float64 `json:"seconds"`
	Strikes int64   `json:"strikes"` // how often the fault struck

	Sent     int64 `json:"sent"`
	Acked    int64 `json:"acked"`
	Stored   int64 `json:"stored"`   // entries
	Repeated int64 `json:"repeated"` // sends that were written again

	Reconnects   int     `json:"reconnects"`
	Resets       int64   `json:"resets"`
	Gaps         int64   `json:"gaps"`
	AckP99       float64 `json:"ack_p99_ms"`
	AckMax       float64 `json:"ack_max_ms"`
	StalenessP99 float64 `json:"staleness_p99_ms"`
	Staleness    float64 `json:"staleness_max_ms"` // the longest that a connected device lacked what was acked

	Stalest    []string  `json:"stalest,omitempty"` // the way of that message
	Violations int       `json:"violations"`
	Found      []Finding `json:"found,omitempty"`
	Note       string    `json:"note,omitempty"`
	Error      string    `json:"error,omitempty"` // why the scenario says nothing
}

// Finding is a promise that was not kept, with the events that show it.
type Finding struct {
	What  string   `json:"what"`
	Trace []string `json:"trace,omitempty"`
}

func (r *Result) violated(what string, trace ...string) {
	r.Violations++
	r.Found = append(r.Found, Finding{What: what, Trace: trace})
}

// Verdict is ok, FAIL, or error where the drill itself did not work.
func (r *Result) Verdict() string {
	switch {
	case r.Violations > 0:
		return "FAIL"
	case r.Error != "":
		return "error"
	}
	return "ok"
}

// OK reports whether every promise was kept under every fault.
func (r *Report) OK() bool {
	for i := range r.Results {
		if r.Results[i].Verdict() != "ok" {
			return false
		}
	}
	return true
}

// line is a result in the progress.
func (r *Result) line() string {
	return fmt.Sprintf("  %s after %.0f s: %d strikes, %d of %d acked, %d violations, staleness %s, ack p99 %s, %d reconnects %s",
		r.Verdict(), r.Seconds, r.Strikes, r.Acked, r.Sent, r.Violations, ms(r.Staleness), ms(r.AckP99), r.Reconnects, r.Error)
}

func ms(v float64) string {
	switch {
	case v == 0:
		return "–"
	case v < 1000:
		return fmt.Sprintf("%.0f ms", v)
	}
	return fmt.Sprintf("%.1f s", v/1000)
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	if err := json.MarshalWrite(w, r, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// WriteText writes the table, and behind it what was found. The table is Markdown,
// so that it can stand in the documentation as it is.
func (r *Report) WriteText(w io.Writer) error {
	rows := [][]string{{"fault", "what happens", "strikes", "messages", "violations", "longest staleness", "reconnects", "ack p99", "verdict"}}
	for i := range r.Results {
		q := &r.Results[i]
		about := q.About
		if q.Note != "" {
			about += "; " + q.Note
		}
		rows = append(rows, []string{q.Fault, about, fmt.Sprint(q.Strikes), fmt.Sprint(q.Sent), fmt.Sprint(q.Violations),
			ms(q.Staleness), fmt.Sprint(q.Reconnects), ms(q.AckP99), q.Verdict()})
	}
	var b strings.Builder
	writeTable(&b, rows)
	routing := ""
	if r.Routing != "" {
		routing = ", routing " + r.Routing
	}
	fmt.Fprintf(&b, "\n%d scenarios in %.0f s on %s, seed %d%s. Staleness: how long a connected device lacked what was acked.\n", len(r.Results), r.Seconds, r.Store, r.Seed, routing)
	for i := range r.Results {
		q := &r.Results[i]
		if q.Error != "" {
			fmt.Fprintf(&b, "\n%s: the scenario did not work: %s\n", q.Fault, q.Error)
		}
		for _, f := range q.Found {
			fmt.Fprintf(&b, "\n%s: %s\n", q.Fault, f.What)
			for _, line := range f.Trace {
				fmt.Fprintf(&b, "    %s\n", line)
			}
		}
	}
	if r.OK() {
		b.WriteString("\nevery promise was kept\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeTable writes a Markdown table with aligned columns; the first row is the head.
func writeTable(b *strings.Builder, rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len([]rune(cell)))
		}
	}
	line := func(row []string) {
		for i, cell := range row {
			fmt.Fprintf(b, "| %-*s ", width[i], cell)
		}
		b.WriteString("|\n")
	}
	line(rows[0])
	for _, n := range width {
		b.WriteString("|" + strings.Repeat("-", n+2))
	}
	b.WriteString("|\n")
	for _, row := range rows[1:] {
		line(row)
	}
}
