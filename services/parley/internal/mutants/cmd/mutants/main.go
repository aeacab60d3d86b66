// Command mutants checks the checkers, and prints in Markdown what caught which
// defect. It ends with exit code 1 if one was not caught.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/parley-chat/parley/services/parley/internal/mutants"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "parley-mutants-")
	if err != nil {
		return fmt.Errorf("make a folder for programs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stderr, "building the tests and parley with mutants")
	results, err := mutants.Run(ctx, mutants.Options{Dir: dir, Done: func(r mutants.Result) {
		fmt.Fprintf(os.Stderr, "%-22s %s\n", r.Mutant, r.By)
	}})
	if err != nil {
		return err
	}
	return errors.Join(mutants.WriteTable(os.Stdout, results), mutants.Missed(results))
}
