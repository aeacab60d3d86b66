package sidebyside

import (
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// reportVersion is the form of a [Report].
const reportVersion = 1

// Report is what was measured side by side: docs/bench.json.
type Report struct {
	Version int             `json:"version"`
	Machine measure.Machine `json:"machine"`
	Started time.Time       `json:"started"`
	Rounds  int             `json:"rounds"`
	Seconds float64         `json:"seconds"` // of each run
	Ratios  []Ratio         `json:"ratios"`
}

// Ratio is Parley and one reference under one load.
type Ratio struct {
	Case      string `json:"case"`
	Reference string `json:"reference"`
	Share     Spread `json:"share"`  // of the reference's messages a second, round by round
	Ours      Spread `json:"ours"`   // messages a second
	Theirs    Spread `json:"theirs"` // messages a second
	OursCPU   Spread `json:"ours_cpu_s_per_100k"`
	TheirsCPU Spread `json:"theirs_cpu_s_per_100k"`
}

// Spread sums up the rounds.
type Spread struct {
	Median float64 `json:"median"`
	Min    float64 `json:"min"`
	Max    float64 `json:"max"`
}

func spreadOf(values []float64) Spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1]}
}

// newRatio compares what was measured in the same round.
func newRatio(c Case, reference string, ours, theirs []sample) Ratio {
	each := func(f func(i int) float64) Spread {
		values := make([]float64, len(ours))
		for i := range values {
			values[i] = f(i)
		}
		return spreadOf(values)
	}
	return Ratio{Case: c.Name, Reference: reference,
		Share:     each(func(i int) float64 { return ours[i].perSecond / theirs[i].perSecond }),
		Ours:      each(func(i int) float64 { return ours[i].perSecond }),
		Theirs:    each(func(i int) float64 { return theirs[i].perSecond }),
		OursCPU:   each(func(i int) float64 { return ours[i].cpu }),
		TheirsCPU: each(func(i int) float64 { return theirs[i].cpu }),
	}
}

// WriteMarkdown writes the table, with what it was measured on.
func (r *Report) WriteMarkdown(w io.Writer) error {
	t := measure.Table{{"load, pairs × in flight", "reference", "Parley/s", "reference/s", "share", "lowest to highest", "Parley, CPU-s/100k", "reference, CPU-s/100k"}}
	for _, q := range r.Ratios {
		t.Add(q.Case, q.Reference, measure.Number(q.Ours.Median), measure.Number(q.Theirs.Median), percent(q.Share.Median),
			percent(q.Share.Min)+" to "+percent(q.Share.Max), measure.Number(q.OursCPU.Median), measure.Number(q.TheirsCPU.Median))
	}
	if err := t.WriteMarkdown(w); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	if _, err := fmt.Fprintf(w, "\nMedians of %d rounds of %s s, in turns, %s; %s.\n", r.Rounds, measure.Number(r.Seconds), r.Started.Format(time.DateOnly), r.Machine); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// Markdown is what WriteMarkdown writes.
func (r *Report) Markdown() (string, error) {
	var b strings.Builder
	err := r.WriteMarkdown(&b)
	return b.String(), err
}

func percent(v float64) string { return measure.Number(100*v) + " %" }

// WriteFile writes the report as JSON.
func (r *Report) WriteFile(path string) error {
	b, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

// ReadFile reads a report that WriteFile wrote.
func ReadFile(path string) (*Report, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read report: %w", err)
	}
	r := new(Report)
	if err := json.Unmarshal(b, r, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read report %s: %w", path, err)
	}
	if r.Version != reportVersion {
		return nil, fmt.Errorf("read report %s: it is of version %d, not %d", path, r.Version, reportVersion)
	}
	return r, nil
}
