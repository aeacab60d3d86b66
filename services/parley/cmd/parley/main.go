// Command parley is the all-in-one binary: a whole cluster in one process, a
// terminal client, and tools.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/config"
)

// version is set by the build.
var version = "dev"

func main() { os.Exit(run(os.Args[1:])) }

// exitCode is an error that has been told already, and only says how to exit.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	root := &ffcli.Command{
		Name:       "parley",
		ShortUsage: "parley <command> [flags]",
		LongHelp:   "A horizontally scaled WebSocket chat cluster.\n\nStart with \"parley up\", and then \"parley chat --as alice --to bob\".",
		FlagSet:    flag.NewFlagSet("parley", flag.ContinueOnError),
		Subcommands: []*ffcli.Command{
			newUpCmd(), newChatCmd(), newTokenCmd(), newDevTokensCmd(), newVerifyCmd(), newBenchCmd(), newSimulateCmd(), newEpochCmd(), newSearchCmd(), newDoctorCmd(), newStatusCmd(), newJobsCmd(), newVersionCmd(),
		},
		Exec: func(_ context.Context, args []string) error {
			if len(args) > 0 {
				fmt.Fprintf(os.Stderr, "parley: no such command: %s\n", args[0])
			}
			return flag.ErrHelp
		},
	}
	var err error
	switch {
	case len(args) > 0 && args[0] == "up":
		err = up(ctx, args[1:])
	case len(args) > 0 && args[0] == "dev-tokens":
		err = devTokens(ctx, args[1:], os.Stdout, os.Stderr)
	case len(args) > 0 && args[0] == "epoch":
		err = epoch(ctx, args[1:])
	case len(args) > 0 && args[0] == "search":
		err = searchRebuild(ctx, args[1:])
	case len(args) > 0 && args[0] == "doctor":
		err = examine(ctx, args[1:])
	case len(args) > 0 && args[0] == "status":
		err = status(ctx, args[1:])
	default:
		err = root.ParseAndRun(ctx, args)
	}
	var code exitCode
	switch {
	case err == nil:
		return config.ExitOK
	case errors.As(err, &code):
		return int(code)
	case errors.Is(err, flag.ErrHelp):
		return config.ExitUsage
	}
	fmt.Fprintln(os.Stderr, "parley:", err)
	return config.ExitError
}

func newVersionCmd() *ffcli.Command {
	return &ffcli.Command{Name: "version", ShortUsage: "parley version", ShortHelp: "print the version",
		Exec: func(context.Context, []string) error {
			fmt.Println("parley", version)
			return nil
		}}
}
