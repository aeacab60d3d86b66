// Command mutants checks the checkers, and prints in Markdown what caught which
// defect. It ends with exit code 1 if one was not caught.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/services/parley/internal/mutants"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run() (err error) {
	only := flag.String("only", "", "try these mutants only, separated by commas")
	flag.Parse()
	var names []mutant.Name
	for name := range strings.SplitSeq(*only, ",") {
		switch name := mutant.Name(name); {
		case name == "":
		case !slices.Contains(mutant.All(), name):
			return fmt.Errorf("there is no mutant %q", name)
		default:
			names = append(names, name)
		}
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	dir, err := os.MkdirTemp("", "parley-mutants-")
	if err != nil {
		return fmt.Errorf("make a folder for programs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	fmt.Fprintln(os.Stderr, "building the tests and parley with mutants")
	results, err := mutants.Run(ctx, mutants.Options{Dir: dir, Only: names, Done: func(r mutants.Result) {
		fmt.Fprintf(os.Stderr, "%-22s %s\n", r.Mutant, r.By)
	}})
	if err != nil {
		return err
	}
	return errors.Join(mutants.WriteTable(os.Stdout, results), mutants.Missed(results))
}
