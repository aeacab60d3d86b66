package sidebyside

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/services/parley/internal/bench/reference"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake answers for the programs: Parley does 100 messages a second in the first
// run, 10 more in each later one; every reference does 200.
type fake struct {
	calls  []string
	broken string // the program that fails, and how
	stops  int
}

func (f *fake) options() Options {
	return Options{Dir: "bin", Rounds: 3, Warmup: time.Second, Duration: 2 * time.Second, Scratch: "/disk", exec: f.exec,
		mongo: func(context.Context) (string, func() error, error) {
			return "mongodb://x/db", func() error { f.stops++; return nil }, nil
		}}
}

func (f *fake) exec(_ context.Context, program string, args ...string) ([]byte, error) {
	name := filepath.Base(program)
	if name == "parley-reference" {
		name = args[0]
	}
	f.calls = append(f.calls, name+" "+strings.Join(args, " "))
	switch {
	case f.broken == "lost" && name == ours:
		return []byte(`{"ok":false,"per_second":5,"checks":{"lost":3}}`), errors.New("exit status 1")
	case f.broken == "silent" && name == ours:
		return []byte(`{"ok":true}`), nil
	case f.broken == "garbage":
		return []byte(`?`), nil
	case f.broken == "dead":
		return nil, errors.New("exit status 2")
	case f.broken == "nothing" && name != ours:
		return []byte(`{}`), nil
	case name == ours:
		return fmt.Appendf(nil, `{"ok":true,"per_second":%d,"processes":{"cpu_s_per_100k":1.5}}`, 100+10*f.runs(ours)-10), nil
	}
	return []byte(`{"per_second":200,"cpu_s_per_100k":0.5}`), nil
}

func (f *fake) runs(name string) (n int) {
	for _, c := range f.calls {
		if strings.HasPrefix(c, name+" ") {
			n++
		}
	}
	return n
}

func TestRunsInTurns(t *testing.T) {
	f := &fake{}
	o := f.options()
	o.Only = []string{"200 × 16"}
	var lines int
	o.Progress = func(string) { lines++ }
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	refs := Cases()[0].References
	if lines != 3*(1+len(refs)) || len(f.calls) != lines || len(r.Ratios) != len(refs) {
		t.Fatalf("%d lines, %d runs, %d ratios", lines, len(f.calls), len(r.Ratios))
	}
	for i, first := range []string{ours, refs[len(refs)-1], ours} { // of each round
		if call := f.calls[i*(1+len(refs))]; !strings.HasPrefix(call, first+" ") {
			t.Errorf("round %d begins with %s", i+1, call)
		}
	}
	const load = "--pairs 200 --in-flight 16 --warmup 1s --duration 2s --scratch /disk"
	if want := "parley bench pairs --spawn --json - " + load; f.calls[0] != want {
		t.Errorf("%s\nwant %s", f.calls[0], want)
	}
	if want := refs[0] + " " + refs[0] + " " + load; f.calls[1] != want {
		t.Errorf("%s\nwant %s", f.calls[1], want)
	}
	q := r.Ratios[0]
	near := func(got Spread, median, low, high float64) bool {
		return math.Abs(got.Median-median)+math.Abs(got.Min-low)+math.Abs(got.Max-high) < 1e-9
	}
	if !near(q.Share, 0.55, 0.5, 0.6) || !near(q.Ours, 110, 100, 120) || !near(q.Theirs, 200, 200, 200) || !near(q.OursCPU, 1.5, 1.5, 1.5) {
		t.Errorf("%+v", q)
	}
}

func TestMongoIsNewForEachRun(t *testing.T) {
	f := &fake{}
	o := f.options()
	o.Only = []string{"20 × 16, MongoDB wire"}
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if f.stops != 3 || f.runs(ours) != 3 || !strings.HasSuffix(f.calls[0], "--up-args --mongo-uri mongodb://x/db") {
		t.Errorf("%d servers for %q", f.stops, f.calls)
	}
}

func TestWhatDoesNotCount(t *testing.T) {
	for broken, want := range map[string]string{"lost": "lost 3", "silent": "do not count", "garbage": "read the report", "dead": "exit status 2", "nothing": "nothing was measured"} {
		f := &fake{broken: broken}
		if r, err := Run(t.Context(), f.options()); err == nil || r != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", broken, err)
		}
	}
	o := (&fake{}).options()
	o.Only = []string{"one million"}
	if _, err := Run(t.Context(), o); err == nil {
		t.Error("there is no such case")
	}
}

// Each reference that a case names exists, and each that exists is used.
func TestReferencesExist(t *testing.T) {
	var used, there []string
	for _, c := range Cases() {
		used = append(used, c.References...)
	}
	for _, n := range reference.Names() {
		there = append(there, n[0])
	}
	slices.Sort(used)
	slices.Sort(there)
	if used = slices.Compact(used); !slices.Equal(used, there) {
		t.Errorf("used are %q, there are %q", used, there)
	}
}

func TestReportIsKept(t *testing.T) {
	r, err := Run(t.Context(), (&fake{}).options())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "bench.json")
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	got, err := ReadFile(path)
	if err != nil || !slices.Equal(got.Ratios, r.Ratios) || !got.Started.Equal(r.Started) || got.Machine != r.Machine {
		t.Errorf("%+v, %v", got, err)
	}
	if changes := Compare(r, got, nil); Failed(changes) || len(changes) != len(r.Ratios) {
		t.Errorf("%+v", changes)
	}
	text, err := r.Markdown()
	if err != nil || !strings.Contains(text, "| 200 × 16 | store-pebble | 110 | 200 | 55.0 % | 50.0 % to 60.0 % | 1.50 | 0.500 |") {
		t.Errorf("%v\n%s", err, text)
	}
	r.Version++
	if err := r.WriteFile(path); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(path); err == nil {
		t.Error("another version was read")
	}
	if _, err := ReadFile(path + "x"); err == nil {
		t.Error("there is no such file")
	}
}

func TestSpread(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   Spread
	}{
		{[]float64{3}, Spread{3, 3, 3}},
		{[]float64{4, 1}, Spread{2.5, 1, 4}},
		{[]float64{9, 1, 2}, Spread{2, 1, 9}},
	} {
		if got := spreadOf(c.values); got != c.want {
			t.Errorf("%v: %+v", c.values, got)
		}
	}
}
