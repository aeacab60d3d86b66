// Command parley-reference drives one of the bare programs that Parley's speed is
// held against, and prints what it reached as JSON.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/services/parley/internal/bench/reference"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if len(args) == 2 && args[0] == "serve" { // the server's side, started by the other one
		return exit(reference.Serve(ctx, args[1], os.Stdin, os.Stdout))
	}
	var o reference.Options
	fs := flag.NewFlagSet("parley-reference <reference>", flag.ContinueOnError)
	fs.IntVar(&o.Pairs, "pairs", 200, "pairs")
	fs.IntVar(&o.InFlight, "in-flight", 16, "messages of each in flight")
	fs.IntVar(&o.Rate, "rate", 0, "relays: messages a second, whatever arrives; 0: --in-flight decides")
	fs.IntVar(&o.Size, "size", 200, "bytes of a message")
	fs.DurationVar(&o.Warmup, "warmup", 0, "load before the measured time (default 1s)")
	fs.DurationVar(&o.Duration, "duration", 0, "measured time (default 5s)")
	fs.StringVar(&o.Scratch, "scratch", "", "make the store's temporary folder here")
	fs.Usage = func() {
		fmt.Fprintln(os.Stderr, "parley-reference <reference> [flags]")
		for _, r := range reference.Names() {
			fmt.Fprintf(os.Stderr, "  %-14s %s\n", r[0], r[1])
		}
		fs.PrintDefaults()
	}
	if len(args) == 0 {
		fs.Usage()
		return config.ExitUsage
	}
	switch err := fs.Parse(args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return config.ExitOK
	case err != nil || fs.NArg() > 0:
		return config.ExitUsage
	}
	program, err := os.Executable()
	if err != nil {
		return exit(fmt.Errorf("find this program: %w", err))
	}
	o.Program = program
	result, err := reference.Run(ctx, args[0], o)
	if err != nil {
		return exit(err)
	}
	if err := json.MarshalWrite(os.Stdout, result, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return exit(fmt.Errorf("write the result: %w", err))
	}
	fmt.Println()
	return config.ExitOK
}

func exit(err error) int {
	if err == nil {
		return config.ExitOK
	}
	fmt.Fprintln(os.Stderr, "parley-reference:", err)
	return config.ExitError
}
