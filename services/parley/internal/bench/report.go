package bench

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// ReportVersion is the form of a [Report]. It grows when a field is taken away or
// changes its meaning; fields may be added within one.
const ReportVersion = 1

// Report is the result of one scenario: what `--json` writes.
type Report struct {
	Version  int             `json:"version"` // ReportVersion
	Scenario string          `json:"scenario"`
	Run      string          `json:"run"` // in the names of this run's users
	Started  time.Time       `json:"started"`
	Server   string          `json:"server"` // welcome.server
	Gateways int             `json:"gateways"`
	Machine  measure.Machine `json:"machine"` // of the load generator
	Settings Settings        `json:"settings"`
	Recv     float64         `json:"recv_s,omitzero"`   // Settings.Recv in seconds
	Warmup   float64         `json:"warmup_s,omitzero"` // Settings.Warmup in seconds

	// The measured time: what lies before (connecting, warm-up) and after (drain) is
	// in no figure.
	Seconds float64 `json:"seconds"`
	// Unit is what is counted: deliveries (pairs, rate, group), connections (idle,
	// storm), entries (flush), pages (history), searches (search).
	Unit      string  `json:"unit"`
	Count     int64   `json:"count"`
	PerSecond float64 `json:"per_second"`
	// Rates are further things a second: "acks" and "sends" (pairs, rate, group);
	// "pages newest", "pages middle", "pages oldest" (history).
	Rates map[string]float64 `json:"rates,omitempty"`
	// Latency is by what was waited for, always from when it was meant to begin:
	//   ack       until the sender had its ack                     pairs rate group
	//   delivery  until another device had the message             pairs rate group
	//   complete  until all other members had it                   group
	//   pacing    until the generator had written it (its own lateness)  rate
	//   login     from the connect of a device until it was synced idle storm
	//   synced    from the begin of the storm, or from hello       storm flush
	//   first     from hello to the first entry                    flush
	//   newest, middle, oldest: until the page of that depth       history
	//   search of one, search of many: until the answer             search
	//   findable  from the ack until it is found                   search
	Latency  map[string]measure.Latency `json:"latency,omitempty"`
	Timeline []Point                    `json:"timeline,omitempty"`

	Processes *Processes   `json:"processes,omitempty"` // nil: no process was named
	Client    measure.Cost `json:"client"`              // what the load generator itself cost
	// Others is the CPU-seconds that the machine spent in the measured time on anything
	// but Processes and Client: the kernel's own work for both, and whatever else ran.
	// With much of it, the figures are noisy. Steal is what other guests of the same
	// host took.
	Others float64 `json:"others_cpu_s"`
	Steal  float64 `json:"steal_s,omitzero"`
	Checks Checks  `json:"checks"`
	OK     bool    `json:"ok"` // the figures count: nothing was lost, doubled, disordered or refused
}

// Processes is what the server's processes cost in the measured time.
type Processes struct {
	PIDs []int `json:"pids"`
	measure.Cost
	// CPUPer100k is CPU-seconds for each 100,000 of Unit; 0 in idle.
	CPUPer100k float64 `json:"cpu_s_per_100k"`
	// Base is their resident memory before the first connection.
	Base int64 `json:"base_rss_bytes"`
	// RSSPerConnection is (RSS − Base) / connections.
	RSSPerConnection float64 `json:"rss_per_connection"`
	// RSSPerConnectionGC is the same after a forced garbage collection: what a server
	// that has got over the rush of connects comes to. Only with an operations port.
	RSSPerConnectionGC float64 `json:"rss_per_connection_gc,omitzero"`
	// KernelPerConnection is the kernel's memory a connection, one end of it. Where
	// client and server share a kernel, what was seen is halved.
	KernelPerConnection float64 `json:"kernel_per_connection,omitzero"`
	KernelSource        string  `json:"kernel_source,omitempty"`
}

// Point is a short part of the measured time.
type Point struct {
	T         float64 `json:"t"` // its end, in seconds
	PerSecond float64 `json:"per_second"`
	P50       float64 `json:"p50_ms,omitzero"` // of Latency["delivery"]
	P99       float64 `json:"p99_ms,omitzero"`
}

// Checks counts what makes the figures worthless. All are 0 in a good run.
type Checks struct {
	Received   int64 `json:"received"` // messages that were looked at, in the whole run
	Lost       int64 `json:"lost"`
	Gaps       int64 `json:"gaps"` // seqs left out
	Disordered int64 `json:"disordered"`
	Duplicates int64 `json:"duplicates"`
	Altered    int64 `json:"altered"`
	Refused    int64 `json:"refused"` // error frames
	Resets     int64 `json:"resets"`
	Closed     int64 `json:"closed"` // connections that ended by themselves
	Failed     int64 `json:"failed"`

	First []string `json:"first,omitempty"` // the first few in words
}

// ok reports whether nothing was wrong.
func (c Checks) ok() bool {
	return c.Lost+c.Gaps+c.Disordered+c.Duplicates+c.Altered+c.Refused+c.Resets+c.Closed+c.Failed == 0
}

// WriteJSON writes the report.
func (r *Report) WriteJSON(w io.Writer) error {
	if err := json.MarshalWrite(w, r, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// WriteText writes the report as tables, for people.
func (r *Report) WriteText(w io.Writer) error {
	var errs []error
	print := func(format string, args ...any) {
		_, err := fmt.Fprintf(w, format, args...)
		errs = append(errs, err)
	}
	print("\n%s: %s\n  %s\n  %s, %d gateways, measured for %.1f s\n\n", r.Scenario, r.Settings.describe(r.Scenario), r.Machine, r.Server, r.Gateways, r.Seconds)
	figures := measure.Table{{"", "count", "a second"}}
	figures.Add(r.Unit, measure.Number(float64(r.Count)), measure.Number(r.PerSecond))
	for _, name := range slices.Sorted(maps.Keys(r.Rates)) {
		figures.Add(name, "", measure.Number(r.Rates[name]))
	}
	errs = append(errs, figures.WriteText(w))
	if len(r.Latency) > 0 {
		print("\n")
		latency := measure.Table{{"ms", "samples", "p50", "p90", "p99", "p99.9", "max", "mean"}}
		for _, name := range slices.Sorted(maps.Keys(r.Latency)) {
			l := r.Latency[name]
			latency.Add(name, measure.Number(float64(l.Samples)), measure.Number(l.P50), measure.Number(l.P90), measure.Number(l.P99),
				measure.Number(l.P999), measure.Number(l.Max), measure.Number(l.Mean))
		}
		errs = append(errs, latency.WriteText(w))
	}
	print("\n")
	errs = append(errs, r.costs().WriteText(w))
	if p := r.Processes; p != nil && r.Scenario == Idle {
		print("\n")
		memory := measure.Table{{"a connection", "bytes"}}
		memory.Add("resident", measure.Number(p.RSSPerConnection))
		if p.RSSPerConnectionGC != 0 {
			memory.Add("resident, after a collection", measure.Number(p.RSSPerConnectionGC))
		}
		memory.Add("kernel, one end ("+p.KernelSource+")", measure.Number(p.KernelPerConnection))
		errs = append(errs, memory.WriteText(w))
	}
	print("\n  checked %s messages: %s\n", measure.Number(float64(r.Checks.Received)), r.Checks)
	return errors.Join(errs...)
}

// costs is the table of CPU and memory.
func (r *Report) costs() measure.Table {
	t := measure.Table{{"", "CPU-seconds", "user", "system", "for 100,000", "resident", "at most"}}
	row := func(name string, c measure.Cost, per float64) {
		t.Add(name, measure.Number(c.CPU), measure.Number(c.User), measure.Number(c.Sys), measure.Number(per), measure.Bytes(c.RSS), measure.Bytes(c.Peak))
	}
	if p := r.Processes; p != nil {
		row(fmt.Sprint("processes ", p.PIDs), p.Cost, p.CPUPer100k)
	}
	row("load generator", r.Client, r.Client.Per(100_000, r.Count))
	t.Add("all else on the machine", measure.Number(r.Others))
	return t
}

// String is the verdict.
func (c Checks) String() string {
	if c.ok() {
		return "nothing lost, doubled, out of order or refused"
	}
	s := fmt.Sprintf("lost %d, gaps %d, out of order %d, duplicates %d, altered %d, refused %d, resets %d, closed %d, failed %d:\n  THE FIGURES DO NOT COUNT",
		c.Lost, c.Gaps, c.Disordered, c.Duplicates, c.Altered, c.Refused, c.Resets, c.Closed, c.Failed)
	for _, line := range c.First {
		s += "\n    " + line
	}
	return s
}
