package mutants

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/mutant"
	verifier "github.com/parley-chat/parley/services/parley/internal/verify"
)

// patience is how long a child may take. One that is ended then has caught nothing.
const patience = 4 * time.Minute

// How long the load of `parley verify` may take. With a defect it often waits for all of
// that, for what never comes; without one it ends before, on any machine.
const (
	verifyTime  = 15 * time.Second
	healthyTime = time.Minute
)

// passes runs a catcher without any mutant; it must pass.
func passes(ctx context.Context, dir string, j job) (Result, error) {
	out, err := j.by.run(ctx, dir, none, filepath.Join(dir, "healthy.json"))
	switch {
	case err != nil:
		return Result{}, fmt.Errorf("%s: %w\n%s", j.by, err, out)
	case j.by.pkg != "" && !strings.Contains(out, "--- PASS: "+j.by.test+" "):
		return Result{}, fmt.Errorf("%s has no test %s", j.by.pkg, j.by.test)
	}
	return Result{}, nil
}

// catches runs a catcher with a mutant; it must fail in the way that tells of it.
func catches(ctx context.Context, dir string, j job) (Result, error) {
	file := filepath.Join(dir, string(j.mutant)+".json")
	out, err := j.by.run(ctx, dir, j.mutant, file)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return Result{}, ctx.Err()
	case err == nil:
		return Result{How: "it passed"}, nil
	case !errors.As(err, &exit):
		return Result{}, fmt.Errorf("%s: %w", j.by, err)
	case j.by.pkg == "":
		return verdict(file, j.by.wants, out)
	}
	how := failure(out)
	if how == "" {
		return Result{How: fmt.Sprintf("it ended without a verdict, %v: %s", err, lastLine(out))}, nil
	}
	return Result{Caught: true, How: how}, nil
}

// run runs a catcher in a process of its own, and returns what it printed.
func (c catcher) run(ctx context.Context, dir string, m mutant.Name, report string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	args := []string{"-test.run", "^" + c.test + "$", "-test.v", "-test.timeout", (patience * 3 / 4).String()}
	switch {
	case c.flag != "":
		args = append(args, c.flag)
	case c.pkg == "":
		most := verifyTime
		if m == none {
			most = healthyTime
		}
		args = []string{"verify", "--users", "5", "--devices", "2", "--groups", "-1", "--messages", "1000", "--seed", "7", "--timeout", most.String(), "--json", report}
	}
	cmd := exec.CommandContext(ctx, c.binary(dir), args...)
	cmd.Dir = dir
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PARLEY_") { // nobody's settings but ours
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.Env = append(cmd.Env, mutant.Env+"="+string(m))
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// verdict reads what `parley verify` found.
func verdict(file, wants, out string) (Result, error) {
	data, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return Result{How: "it ended without a report: " + lastLine(out)}, nil
	}
	if err != nil {
		return Result{}, fmt.Errorf("read the report: %w", err)
	}
	var r verifier.Report
	if err := json.Unmarshal(data, &r); err != nil {
		return Result{}, fmt.Errorf("read the report: %w", err)
	}
	for _, v := range r.Verdict.Violations {
		if v.Invariant == wants {
			return Result{Caught: true, How: wants + ": " + v.What}, nil
		}
	}
	return Result{How: fmt.Sprintf("no violation of %s, but %v", wants, r.Verdict.Counts)}, nil
}

// What a failure begins with: a line of a test's, or a rule of the store's port
// that memstore enforces. Any other end of a process, a timeout say, is none.
var (
	testLine = regexp.MustCompile(`(?m)^ +\w+\.go:\d+: (.+)$`)
	portRule = regexp.MustCompile(`(?m)^panic: (memstore: .+?)(?: \[recovered.*)?$`)
)

func failure(out string) string {
	if rule := portRule.FindStringSubmatch(out); rule != nil {
		return rule[1]
	}
	if line := testLine.FindStringSubmatch(out); line != nil && strings.Contains(out, "--- FAIL: ") {
		return line[1]
	}
	return ""
}

func lastLine(out string) string {
	out = strings.TrimSpace(out)
	return out[strings.LastIndexByte(out, '\n')+1:]
}
