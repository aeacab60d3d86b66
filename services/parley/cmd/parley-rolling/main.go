// Command parley-rolling runs three gateway processes under parley verify's load,
// restarts them one after the other, and draws what clients noticed. Like the drill it
// needs the repository's sources and the Go tools, because it builds the services.
//
//	go run ./services/parley/cmd/parley-rolling --idle 600 --svg docs/rolling-restart.svg
//	go run ./services/parley/cmd/parley-rolling --restarts=false --rate 0 --reconnects 5
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
	"github.com/parley-chat/parley/services/parley/internal/rolling"
)

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the process at once
	var o rolling.Options
	fs := flag.NewFlagSet("parley-rolling", flag.ContinueOnError)
	fs.BoolVar(&o.Restarts, "restarts", true, "restart each gateway once")
	fs.IntVar(&o.Idle, "idle", 0, "connections that only listen")
	fs.DurationVar(&o.Drain, "drain-window", 5*time.Second, "of the gateways")
	fs.DurationVar(&o.Calm, "calm", 4*time.Second, "before each restart")
	fs.IntVar(&o.Load.Users, "users", 10, "people who write to each other")
	fs.IntVar(&o.Load.Devices, "devices", 2, "devices of each user")
	fs.IntVar(&o.Load.Messages, "messages", 10_000, "messages in all")
	fs.IntVar(&o.Load.Reconnects, "reconnects", -1, "how often each client loses its connection as well; -1: never")
	fs.Float64Var(&o.Load.Rate, "rate", 250, "messages a second, of all; 0: as fast as they are acked")
	fs.DurationVar(&o.Load.Bound, "max-staleness", 2*time.Second, "how long a connected device may lack what was acked")
	fs.DurationVar(&o.Load.Timeout, "timeout", 5*time.Minute, "by then everything must have arrived")
	fs.Uint64Var(&o.Load.Seed, "seed", 0, "of the random choices; 0: a random one")
	fs.StringVar(&o.Before, "before", "", "begin with the program gateway in this directory, of another version: an upgrade")
	more := fs.String("gateway-args", "", "further arguments of every gateway, separated by blanks")
	svg := fs.String("svg", "", "draw into this file")
	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return config.ExitOK
	case err != nil:
		return config.ExitUsage
	case fs.NArg() > 0:
		fmt.Fprintf(os.Stderr, "parley-rolling: unexpected argument %q\n", fs.Arg(0))
		return config.ExitUsage
	}
	o.Args = strings.Fields(*more)
	o.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	r, err := rolling.Do(ctx, o)
	if err == nil {
		err = tell(r, *svg)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "parley-rolling:", err)
		return config.ExitError
	}
	if !r.Report.OK() {
		return config.ExitError
	}
	return config.ExitOK
}

// tell prints the judgement, and draws if a file is named.
func tell(r *rolling.Run, svg string) error {
	if err := r.Report.WriteText(os.Stdout); err != nil {
		return err
	}
	for _, x := range r.Restarts {
		fmt.Printf("%s: SIGTERM at %.1f s, ended at %.1f s, ready at %.1f s\n", x.Gateway, x.Asked, x.Down, x.Back)
	}
	p50, p99, most := r.Away()
	fmt.Printf("connections that came back were away for p50 %.0f ms, p99 %.0f ms, at most %.0f ms\n", p50*1000, p99*1000, most*1000)
	if svg == "" {
		return nil
	}
	f, err := os.Create(svg)
	if err != nil {
		return fmt.Errorf("draw: %w", err)
	}
	return errors.Join(r.WriteSVG(f), f.Close())
}
