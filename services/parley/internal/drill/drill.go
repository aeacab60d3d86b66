// Package drill breaks a cluster of real processes in every way that its design
// speaks of, one after the other, under the load of package verify, and tells
// which promises held.
//
// A scenario gets a cluster of its own on loopback: NATS, three gateways and
// history over a MongoDB-wire server with a fresh database. Every connection
// between them, and from the clients to the gateways, leads through a proxy that
// can cut, slow or swallow it. The files are: drill.go the run, world.go a
// scenario's cluster, link.go the proxies, faults.go, store.go and clients.go what
// is done to it, load.go the load that meanwhile goes on, follower.go and storm.go
// what has clients of its own, jobs.go, erasure.go and revoke.go what operators do meanwhile, report.go what is told afterwards.
package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// Options say what to drill. The zero value is the full drill.
type Options struct {
	Only  []string // scenarios by name; default: all, or those of the short form
	Short bool     // a few scenarios with few messages: some 90 s
	Seed  uint64   // of every random choice; 0: a random one
	Storm int      // devices in the reconnect storm; default 2,000
	Race  bool     // build the services with the race detector
	// Routing is the gateways' way of routing, as their --routing has it; default: theirs.
	Routing string
	Logs    string // directory that keeps what the processes wrote; default: nothing is kept
	Store   Store  // the MongoDB-wire server; default: FerretDB

	// Progress gets a line now and then; nil: nobody does.
	Progress func(line string)
}

// Scenario is one entry of the list of faults.
type Scenario struct {
	Name  string
	About string
	Short bool // belongs to the short form

	outage    time.Duration // for which the fault itself keeps entries from connected devices
	restarts  bool          // processes end and begin: what they hold cannot be compared
	memory    bool          // only on the store in memory, without search: on FerretDB it takes too long
	failpoint string        // where gateways die by themselves; "": nowhere
	// run makes the load and the fault, and fills in the result. The error is about
	// the drill itself.
	run func(ctx context.Context, w *world, r *Result) error
}

// Store is a MongoDB-wire server to drill on.
type Store string

// The stores. FerretDB is another's idea of what MongoDB does, and reads all of a
// collection for every question; mongomem uses indexes, and so leaves the times to
// the gateways.
const (
	FerretDB Store = "ferretdb"
	Memory   Store = "memory"
)

// allowance is how long a connected device may lack what was acked, beside the
// length of the fault: the two seconds of the design. On FerretDB two cores, which
// also hold the clients, do not keep them without any fault; there it is what tells
// a repair that works from one that waits for the slow pass after a minute.
func (s Store) allowance() time.Duration {
	if s == Memory {
		return 2 * time.Second
	}
	return 20 * time.Second
}

func (s Store) open(ctx context.Context) (*mongotest.Server, error) {
	switch s {
	case Memory:
		return mongotest.OpenMemory()
	case FerretDB:
		return mongotest.OpenEmbedded(ctx)
	}
	return nil, fmt.Errorf("there is no store %q: it is %s or %s", s, FerretDB, Memory)
}

// Scenarios are all that there are, in the order in which they are run.
func Scenarios() []Scenario {
	return slices.Concat(processFaults(), busFaults(), storeFaults(), clientFaults(), jobFaults(), revocationFaults())
}

// chosen are the scenarios that the options ask for.
func (o *Options) chosen() ([]Scenario, error) {
	all := Scenarios()
	var list []Scenario
	for _, s := range all {
		if s.memory && o.Store != Memory {
			if slices.Contains(o.Only, s.Name) {
				return nil, fmt.Errorf("the scenario %s is for the store %s", s.Name, Memory)
			}
			continue
		}
		if len(o.Only) > 0 && slices.Contains(o.Only, s.Name) || len(o.Only) == 0 && (s.Short || !o.Short) {
			list = append(list, s)
		}
	}
	for _, name := range o.Only {
		if !slices.ContainsFunc(all, func(s Scenario) bool { return s.Name == name }) {
			return nil, fmt.Errorf("there is no scenario %q", name)
		}
	}
	return list, nil
}

// Run runs the scenarios, one after the other. The error is about the drill as a
// whole: a program that does not build. What a scenario found, and what kept it
// from being run, is in the report. Run blocks until all have been run, about a
// minute each, or ctx ends.
func Run(ctx context.Context, opt Options) (*Report, error) {
	list, err := opt.chosen()
	if err != nil {
		return nil, err
	}
	for opt.Seed == 0 {
		opt.Seed = rand.Uint64()
	}
	if opt.Storm == 0 {
		opt.Storm = 2000
	}
	if opt.Store == "" {
		opt.Store = FerretDB
	}
	if opt.Progress == nil {
		opt.Progress = func(string) {}
	}
	dir, err := os.MkdirTemp("", "parley-drill-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	opt.Progress(fmt.Sprintf("seed %d; building the services and a MongoDB-wire server", opt.Seed))
	if err := build(ctx, dir, list, opt.Race); err != nil {
		return nil, err
	}
	mongo, err := opt.Store.open(ctx)
	if err != nil {
		return nil, fmt.Errorf("start the MongoDB-wire server: %w", err)
	}
	report := &Report{Seed: opt.Seed, Store: opt.Store, Routing: opt.Routing, Started: time.Now().UTC()}
	for i, s := range list {
		opt.Progress(fmt.Sprintf("scenario %d of %d: %s (%s)", i+1, len(list), s.Name, s.About))
		r := runOne(ctx, &opt, s, dir, mongo.URI)
		if ctx.Err() != nil {
			err = ctx.Err()
			break
		}
		opt.Progress(r.line())
		report.Results = append(report.Results, r)
	}
	report.Seconds = time.Since(report.Started).Seconds()
	return report, errors.Join(err, mongo.Close())
}

// build compiles what the scenarios need, into two directories below dir.
func build(ctx context.Context, dir string, list []Scenario, race bool) error {
	for _, s := range list {
		to := programsOf(dir, s)
		if err := os.Mkdir(to, 0o700); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
		o := procs.BuildOptions{Race: race}
		if s.failpoint != "" {
			o.Tags = "failpoints"
		}
		if err := procs.Build(ctx, to, o); err != nil {
			return err
		}
	}
	return nil
}

func programsOf(dir string, s Scenario) string {
	if s.failpoint != "" {
		return filepath.Join(dir, "failpoints")
	}
	return filepath.Join(dir, "plain")
}

// runOne gives a scenario its cluster, and its result the verdict.
func runOne(ctx context.Context, opt *Options, s Scenario, dir, mongoURI string) Result {
	r := Result{Fault: s.Name, About: s.About}
	begun := time.Now()
	defer func() { r.Seconds = time.Since(begun).Seconds() }()
	w, err := newWorld(ctx, worldOptions{Options: opt, Scenario: s, dir: dir, programs: programsOf(dir, s), mongoURI: mongoURI})
	if err != nil {
		r.Error = fmt.Sprintf("start the cluster: %v", err)
		return r
	}
	err = s.run(ctx, w, &r)
	r.Strikes = w.strikes.Load()
	switch {
	case err != nil:
		r.Error = err.Error()
	case r.Strikes == 0 && s.Name != noFault:
		r.Error = "the fault did not strike"
	}
	// A gateway that did not end in order has not kept a promise either.
	if err := w.close(); err != nil {
		r.violated("the cluster did not stop in order: " + strings.TrimSpace(err.Error()))
	}
	r.Seconds = time.Since(begun).Seconds()
	return r
}
