// Package sidebyside measures Parley and the bare programs of package reference in
// turns, and says what share of each Parley reaches. A machine is never twice the
// same: what was measured a minute apart can be compared, what was measured a
// month apart cannot. So shares are what is kept in the repository, and what a
// later run is held against (compare.go).
package sidebyside

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/services/parley/internal/bench"
	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
	"github.com/parley-chat/parley/services/parley/internal/bench/reference"
)

// Case is one kind of load, and what it is held against.
type Case struct {
	Name     string
	Pairs    int
	InFlight int
	// Mongo puts Parley on the MongoDB-wire server of the tests, a new one for each
	// run; else it has its embedded store.
	Mongo      bool
	References []string
}

// Cases lists all of them.
func Cases() []Case {
	return []Case{
		{Name: "200 × 16", Pairs: 200, InFlight: 16, References: []string{"store-pebble", "pebble", "relay", "relay-plain", "nats"}},
		{Name: "1,000 × 1", Pairs: 1000, InFlight: 1, References: []string{"store-pebble", "pebble", "relay", "nats"}},
		{Name: "20 × 16, MongoDB wire", Pairs: 20, InFlight: 16, Mongo: true, References: []string{"store-mongo"}},
	}
}

// Options configure [Run]. Dir must be set, and hold what [Build] makes.
type Options struct {
	Dir      string
	Scratch  string        // where stores put their folders: the disk that is measured; "": where temporary files are
	Rounds   int           // 0: 5
	Warmup   time.Duration // of each run; 0: 2 s
	Duration time.Duration // of each run; 0: 5 s
	Only     []string      // names of cases; none: all
	Progress func(line string)

	// exec runs a program and gives what it prints. Tests replace it.
	exec func(ctx context.Context, program string, args ...string) ([]byte, error)
	// mongo starts a MongoDB-wire server.
	mongo func(context.Context) (uri string, stop func() error, err error)
}

func (o *Options) setDefaults() {
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.Warmup == 0 {
		o.Warmup = 2 * time.Second
	}
	if o.Duration == 0 {
		o.Duration = 5 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.exec == nil {
		o.exec = execute
	}
	if o.mongo == nil {
		o.mongo = startMongo
	}
}

// programs are what is measured, by their import paths.
var programs = []string{
	"github.com/parley-chat/parley/services/parley/cmd/parley",
	"github.com/parley-chat/parley/services/parley/cmd/parley-reference",
}

// Build builds the programs into dir, as they are shipped. It needs the
// repository's sources and the Go tools.
func Build(ctx context.Context, dir string) error {
	args := append([]string{"build", "-trimpath", "-ldflags", "-s -w", "-o", dir + string(filepath.Separator)}, programs...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("build: %w\n%s", err, out)
	}
	return nil
}

// execute runs a program. It is asked to end when ctx does.
func execute(ctx context.Context, program string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 30 * time.Second // for it to end its own children
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	if err := cmd.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("%w\n%s", err, problems.Bytes())
	}
	return out.Bytes(), nil
}

// sample is one run of one program.
type sample struct {
	perSecond, cpu float64
}

// Run measures all cases, as many rounds as asked for. In every second round
// Parley comes last, so that neither side has the cooler machine. It blocks for
// about Rounds × (Warmup + Duration) × 15. A run that does not count, because
// something was lost, say, is an error.
func Run(ctx context.Context, o Options) (*Report, error) {
	o.setDefaults()
	cases, err := chosen(o.Only)
	if err != nil {
		return nil, err
	}
	r := &Report{Version: reportVersion, Machine: measure.ThisMachine(), Started: time.Now().UTC().Truncate(time.Second), Rounds: o.Rounds, Seconds: o.Duration.Seconds()}
	for _, c := range cases {
		samples := make(map[string][]sample)
		for round := range o.Rounds {
			order := append([]string{ours}, c.References...)
			if round%2 == 1 {
				slices.Reverse(order)
			}
			for _, name := range order {
				s, err := o.one(ctx, c, name)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", c.Name, name, err)
				}
				samples[name] = append(samples[name], s)
				o.Progress(fmt.Sprintf("%s  round %d of %d  %-13s %9s/s  %s CPU-s/100k", c.Name, round+1, o.Rounds, name, measure.Number(s.perSecond), measure.Number(s.cpu)))
			}
		}
		for _, ref := range c.References {
			r.Ratios = append(r.Ratios, newRatio(c, ref, samples[ours], samples[ref]))
		}
	}
	return r, nil
}

// ours is Parley among the names of what is measured.
const ours = "parley"

func chosen(only []string) ([]Case, error) {
	all := Cases()
	if len(only) == 0 {
		return all, nil
	}
	var list []Case
	for _, name := range only {
		i := slices.IndexFunc(all, func(c Case) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no case is called %q", name)
		}
		list = append(list, all[i])
	}
	return list, nil
}

// one runs one program once.
func (o *Options) one(ctx context.Context, c Case, name string) (s sample, err error) {
	load := []string{"--pairs", strconv.Itoa(c.Pairs), "--in-flight", strconv.Itoa(c.InFlight),
		"--warmup", o.Warmup.String(), "--duration", o.Duration.String()}
	if o.Scratch != "" {
		load = append(load, "--scratch", o.Scratch)
	}
	if name != ours {
		return o.reference(ctx, name, load)
	}
	args := append([]string{"bench", "pairs", "--spawn", "--json", "-"}, load...)
	if c.Mongo {
		uri, stop, err := o.mongo(ctx)
		if err != nil {
			return s, err
		}
		defer func() { err = errors.Join(err, stop()) }()
		args = append(args, "--up-args", "--mongo-uri "+uri)
	}
	out, err := o.exec(ctx, filepath.Join(o.Dir, "parley"), args...)
	var report bench.Report // it is written also where it does not count
	readErr := json.Unmarshal(out, &report)
	switch {
	case err != nil && readErr == nil:
		return s, fmt.Errorf("the figures do not count: %s\n%w", report.Checks, err)
	case err != nil:
		return s, err
	case readErr != nil:
		return s, fmt.Errorf("read the report: %w", readErr)
	case !report.OK || report.PerSecond <= 0 || report.Processes == nil:
		return s, fmt.Errorf("the figures do not count: %s", report.Checks)
	}
	return sample{report.PerSecond, report.Processes.CPUPer100k}, nil
}

func (o *Options) reference(ctx context.Context, name string, load []string) (sample, error) {
	out, err := o.exec(ctx, filepath.Join(o.Dir, "parley-reference"), append([]string{name}, load...)...)
	if err != nil {
		return sample{}, err
	}
	var result reference.Result
	if err := json.Unmarshal(out, &result); err != nil {
		return sample{}, fmt.Errorf("read the result: %w", err)
	}
	if result.PerSecond <= 0 {
		return sample{}, errors.New("nothing was measured")
	}
	return sample{result.PerSecond, result.CPUPer100k}, nil
}
