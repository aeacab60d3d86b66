// Command parley-bench measures Parley and the bare programs that it is held
// against, in turns, and says what share of each Parley reaches. It needs the
// repository's sources and the Go tools, because it builds what it measures, and
// is started at the top of the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/services/parley/internal/bench/sidebyside"
	"github.com/parley-chat/parley/services/parley/internal/generated"
)

func main() { os.Exit(run(os.Args[1:])) }

// flags are the settings.
type flags struct {
	sidebyside.Options
	quick, check bool
	json, doc    string
}

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	var f flags
	fs := flag.NewFlagSet("parley-bench", flag.ContinueOnError)
	fs.IntVar(&f.Rounds, "rounds", 5, "how often each is measured")
	fs.DurationVar(&f.Warmup, "warmup", 2*time.Second, "load before each measured time")
	fs.DurationVar(&f.Duration, "duration", 5*time.Second, "each measured time")
	fs.BoolVar(&f.quick, "quick", false, "one round of 2 s, which is not kept: to see that it works")
	fs.BoolVar(&f.check, "check", false, "compare with --json instead of writing it; exit code 1 if a share has got worse by more than 10 %")
	fs.StringVar(&f.json, "json", "docs/bench.json", "the figures that are kept")
	fs.StringVar(&f.doc, "doc", "docs/performance.md", "document with the table")
	fs.StringVar(&f.Scratch, "scratch", "", "stores make their folders here: the disk that is measured; default: where temporary files are")
	only := fs.String("only", "", "these loads only, separated by semicolons; nothing is kept")
	list := fs.Bool("list", false, "list the loads and end")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return config.ExitOK
	case err != nil:
		return config.ExitUsage
	case fs.NArg() > 0:
		fmt.Fprintf(os.Stderr, "parley-bench: unexpected argument %q\n", fs.Arg(0))
		return config.ExitUsage
	}
	if *list {
		for _, c := range sidebyside.Cases() {
			fmt.Printf("%-24s against %s\n", c.Name, strings.Join(c.References, ", "))
		}
		return config.ExitOK
	}
	for name := range strings.SplitSeq(*only, ";") {
		if name = strings.TrimSpace(name); name != "" {
			f.Only = append(f.Only, name)
		}
	}
	if f.quick {
		f.Rounds, f.Warmup, f.Duration = 1, 500*time.Millisecond, 2*time.Second
	}
	worse, err := f.run(ctx)
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley-bench:", err)
		return config.ExitError
	}
	if worse {
		return config.ExitError
	}
	return config.ExitOK
}

func (f *flags) run(ctx context.Context) (worse bool, err error) {
	var kept *sidebyside.Report
	if f.check { // before the long part
		if kept, err = sidebyside.ReadFile(f.json); err != nil {
			return false, err
		}
	}
	if f.Dir, err = os.MkdirTemp("", "parley-bench-"); err != nil {
		return false, fmt.Errorf("make a folder for programs: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(f.Dir)) }()
	f.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	f.Progress("building what is measured")
	if err := sidebyside.Build(ctx, f.Dir); err != nil {
		return false, err
	}
	report, err := sidebyside.Run(ctx, f.Options)
	if err != nil {
		return false, err
	}
	if f.check {
		return f.compare(kept, report)
	}
	table, err := report.Markdown()
	if err != nil {
		return false, err
	}
	fmt.Print(table)
	if f.quick || len(f.Only) > 0 {
		fmt.Fprintln(os.Stderr, "not kept: a quick or partial run")
		return false, nil
	}
	return false, errors.Join(report.WriteFile(f.json), generated.ReplaceFile(f.doc, "make bench", table))
}

// compare says what has changed since the figures were kept.
func (f *flags) compare(kept, fresh *sidebyside.Report) (worse bool, err error) {
	if kept.Machine.CPU != fresh.Machine.CPU || kept.Machine.Cores != fresh.Machine.Cores {
		fmt.Fprintf(os.Stderr, "the figures kept are from another machine, and shares say less then:\n  kept %s\n  now  %s\n", kept.Machine, fresh.Machine)
	}
	changes := sidebyside.Compare(kept, fresh, f.Only)
	return sidebyside.Failed(changes), sidebyside.WriteChanges(os.Stdout, changes)
}
