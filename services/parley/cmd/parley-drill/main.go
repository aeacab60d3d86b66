// Command parley-drill breaks a cluster on this machine in every way that its design
// speaks of, under load, and tells which promises of the delivery contract held. It
// needs the repository's sources and the Go tools, because it builds the services.
//
// It is a program of its own so that the servers and proxies which it embeds are in
// no other.
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

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/services/parley/internal/drill"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	o := drill.Options{Store: drill.Memory}
	fs := flag.NewFlagSet("parley-drill", flag.ContinueOnError)
	list := fs.Bool("list", false, "list the scenarios and end")
	only := fs.String("only", "", "run these scenarios only, separated by commas")
	fs.BoolVar(&o.Short, "short", false, "a few scenarios with few messages: about 90 s")
	fs.Uint64Var(&o.Seed, "seed", 0, "of the random choices; 0: a random one")
	fs.IntVar(&o.Storm, "storm", 2000, "devices in the reconnect storm")
	fs.Func("store", "the MongoDB-wire server: memory (default), with 2 s as the bound of staleness, or ferretdb, which is slow", func(s string) error {
		o.Store = drill.Store(s)
		return nil
	})
	fs.StringVar(&o.Routing, "routing", "", "of the gateways: broadcast or users; default: theirs")
	fs.BoolVar(&o.Race, "race", false, "build the services with the race detector")
	fs.StringVar(&o.Logs, "logs", "", "keep what the processes write in this directory")
	file := fs.String("json", "", "write the whole report to this file")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return config.ExitOK
	case err != nil:
		return config.ExitUsage
	case fs.NArg() > 0:
		fmt.Fprintf(os.Stderr, "parley-drill: unexpected argument %q\n", fs.Arg(0))
		return config.ExitUsage
	}
	if *list {
		for _, s := range drill.Scenarios() {
			fmt.Printf("%-20s %s\n", s.Name, s.About)
		}
		return config.ExitOK
	}
	for name := range strings.SplitSeq(*only, ",") {
		if name = strings.TrimSpace(name); name != "" {
			o.Only = append(o.Only, name)
		}
	}
	o.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	report, err := drill.Run(ctx, o)
	if report != nil {
		err = errors.Join(err, write(report, *file))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley-drill:", err)
		return config.ExitError
	}
	if !report.OK() {
		return config.ExitError
	}
	return config.ExitOK
}

// write prints the table, and writes the whole report to a file if one is named.
func write(report *drill.Report, file string) error {
	if err := report.WriteText(os.Stdout); err != nil {
		return err
	}
	if file == "" {
		return nil
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(report.WriteJSON(f), f.Close())
}
