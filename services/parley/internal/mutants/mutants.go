// Package mutants checks the checkers. It builds Parley's tests and `parley
// verify` with the defects of package mutant, switches on one after the other, and
// sees whether what should catch it does. Each catcher must also pass in the same
// build without any of them: else its failure would say nothing.
//
// It needs the repository's sources and the Go tools.
package mutants

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/mutant"
)

const (
	module  = "github.com/parley-chat/parley"
	program = module + "/services/parley/cmd/parley"
	none    = mutant.Name("") // the build with mutants, none of them switched on
)

// Options configure a run. Dir must be set.
type Options struct {
	Dir    string        // for what is built; a folder that the caller removes
	Only   []mutant.Name // default: all
	AtOnce int           // children at a time; default: as many as there are processors
	Done   func(Result)  // called for every result, one at a time; nil: nobody wants to know
}

// Result is what one catcher made of one mutant.
type Result struct {
	Mutant mutant.Name
	By     string
	Caught bool
	How    string // the first line of its failure; where it was not caught, what happened instead
	Took   time.Duration
}

// job is one child.
type job struct {
	mutant mutant.Name
	by     catcher
}

// Run tries every catcher without a mutant, and then every mutant with its
// catchers. The error is about the run itself: something that could not be built,
// or a catcher that fails without any mutant. It blocks for about a minute.
func Run(ctx context.Context, o Options) ([]Result, error) {
	if o.AtOnce == 0 {
		o.AtOnce = runtime.NumCPU()
	}
	if o.Done == nil {
		o.Done = func(Result) {}
	}
	var healthy, jobs []job
	for _, p := range proofs {
		if len(o.Only) > 0 && !slices.Contains(o.Only, p.mutant) {
			continue
		}
		for _, c := range p.by {
			jobs = append(jobs, job{p.mutant, c})
			c.wants = "" // nothing
			if !slices.Contains(healthy, job{none, c}) {
				healthy = append(healthy, job{none, c})
			}
		}
	}
	if err := build(ctx, o, healthy); err != nil {
		return nil, err
	}
	if _, err := runAll(ctx, o, healthy, passes); err != nil {
		return nil, fmt.Errorf("without any mutant: %w", err)
	}
	return runAll(ctx, o, jobs, catchesInTime)
}

// tries is how often a catcher may look: random load and random scripts meet a
// defect by chance, and a mutant that no try catches is not caught.
const tries = 3

func catchesInTime(ctx context.Context, dir string, j job) (r Result, err error) {
	for range tries {
		if r, err = catches(ctx, dir, j); err != nil || r.Caught {
			break
		}
	}
	return r, err
}

// runAll runs children, some at a time, and returns what came of them in order.
func runAll(ctx context.Context, o Options, jobs []job, run func(context.Context, string, job) (Result, error)) ([]Result, error) {
	results := make([]Result, len(jobs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.AtOnce)
	var telling sync.Mutex
	for i, j := range jobs {
		group.Go(func() (err error) {
			began := time.Now()
			results[i], err = run(ctx, o.Dir, j)
			if err != nil || j.mutant == none {
				return err
			}
			results[i].Mutant, results[i].By, results[i].Took = j.mutant, j.by.String(), time.Since(began)
			telling.Lock()
			defer telling.Unlock()
			o.Done(results[i])
			return nil
		})
	}
	return results, group.Wait()
}

// build compiles each package's tests, or the program, once: with all mutants in it.
func build(ctx context.Context, o Options, jobs []job) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(o.AtOnce)
	built := map[string]bool{}
	for _, j := range jobs {
		if built[j.by.pkg] {
			continue
		}
		built[j.by.pkg] = true
		args := []string{"test", "-c", "-tags", "mutants", "-o", j.by.binary(o.Dir), path.Join(module, j.by.pkg)}
		if j.by.pkg == "" {
			args = []string{"build", "-tags", "mutants", "-o", j.by.binary(o.Dir), program}
		}
		group.Go(func() error {
			if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
				return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
			}
			return nil
		})
	}
	return group.Wait()
}

// binary is where a catcher is built to.
func (c catcher) binary(dir string) string {
	if c.pkg == "" {
		return filepath.Join(dir, "parley")
	}
	return filepath.Join(dir, path.Base(c.pkg)+".test")
}

// Missed says which mutants were not caught; nil: all were.
func Missed(results []Result) (err error) {
	for _, r := range results {
		if !r.Caught {
			err = errors.Join(err, fmt.Errorf("%s is not caught by %s: %s", r.Mutant, r.By, r.How))
		}
	}
	return err
}
