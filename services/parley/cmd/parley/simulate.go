package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/docs"
	"github.com/parley-chat/parley/services/parley/internal/generated"
	"github.com/parley-chat/parley/services/parley/internal/simulate"
)

func newSimulateCmd() *ffcli.Command { return simulateCmd(os.Stdout) }

// simulateCmd says what sizes would cost that nobody has at hand.
func simulateCmd(out io.Writer) *ffcli.Command {
	table := flag.NewFlagSet("parley simulate", flag.ContinueOnError)
	all := table.Bool("table", false, "print all tables of docs/scaling.md")
	into := table.String("into", "", "with --table: replace the tables in this document, such as docs/scaling.md")
	units := table.String("units", "", "file with the unit costs; default: docs/unit-costs.json as it was when this program was built")
	run := func(do func(*simulate.Units) error) func(context.Context, []string) error {
		return func(_ context.Context, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unexpected argument %q", args[0])
			}
			u, err := readUnits(*units)
			if err != nil {
				return err
			}
			return do(u)
		}
	}
	return &ffcli.Command{
		Name: "simulate", ShortUsage: "parley simulate [--units file] [--table | routing | storm | capacity | check | units] [flags]",
		ShortHelp: "calculate what sizes would cost that nobody has at hand",
		LongHelp: "Calculates from unit costs, each with its source, what routing between pods costs, how\n" +
			"a reconnect storm goes, and what so many users need. The same seed gives the same answer.",
		FlagSet: table,
		Subcommands: []*ffcli.Command{
			simulateRouting(out, run), simulateStorm(out, run), simulateCapacity(out, run),
			{Name: "check", ShortUsage: "parley simulate check", ShortHelp: "hold the simulation against what was measured of 2 to 16 pods",
				Exec: run(func(u *simulate.Units) error { return simulate.CheckTable(out, u) })},
			{Name: "units", ShortUsage: "parley simulate units", ShortHelp: "list the unit costs and their sources",
				Exec: run(func(u *simulate.Units) error { return simulate.UnitTable(out, u.Costs) })},
		},
		Exec: func(ctx context.Context, args []string) error {
			if !*all {
				if len(args) > 0 {
					return fmt.Errorf("nothing to simulate is called %q", args[0])
				}
				return flag.ErrHelp
			}
			return run(func(u *simulate.Units) error { return allTables(out, u, *into) })(ctx, args)
		},
	}
}

// allTables prints all tables, or puts them into a document.
func allTables(out io.Writer, u *simulate.Units, document string) error {
	if document == "" {
		return simulate.Tables(out, u)
	}
	var tables strings.Builder
	if err := simulate.Tables(&tables, u); err != nil {
		return err
	}
	return generated.ReplaceFile(document, "parley simulate --table", tables.String())
}

type runner func(do func(*simulate.Units) error) func(context.Context, []string) error

func simulateRouting(out io.Writer, run runner) *ffcli.Command {
	var o simulate.RoutingOptions
	fs := flag.NewFlagSet("parley simulate routing", flag.ContinueOnError)
	pods := fs.String("pods", "1,2,4,8,16,100,1000", "how many pods, separated by commas")
	fs.Float64Var(&o.Rate, "rate", 5000, "messages a second, of all pods together")
	fs.IntVar(&o.Users, "connected", 1_000_000, "connected users")
	fs.Float64Var(&o.Local, "local", 0, "share of the recipients on the sender's own pod; 0: as chance has it; below 0: none")
	fs.Float64Var(&o.Online, "online", 1, "share of the recipients that are connected")
	fs.Float64Var(&o.GroupShare, "groups", 0, "share of the messages that go to groups")
	fs.IntVar(&o.GroupSize, "group-size", 20, "members of a group")
	fs.DurationVar(&o.Flush, "flush", 0, "the store's time for a batch; 0: store_flush")
	fs.IntVar(&o.Messages, "messages", 100_000, "how many are simulated")
	fs.Uint64Var(&o.Seed, "seed", 1, "of the random choices")
	return &ffcli.Command{Name: "routing", ShortUsage: "parley simulate routing [flags]", ShortHelp: "what finding the recipients' pods costs, by three ways",
		FlagSet: fs, Exec: run(func(u *simulate.Units) error {
			list, err := numbers(*pods)
			if err != nil {
				return fmt.Errorf("--pods: %w", err)
			}
			return simulate.RoutingTable(out, u.Costs, o, list)
		})}
}

func simulateStorm(out io.Writer, run runner) *ffcli.Command {
	var o simulate.StormOptions
	fs := flag.NewFlagSet("parley simulate storm", flag.ContinueOnError)
	fs.IntVar(&o.Pods, "pods", 1000, "pods before the storm")
	fs.IntVar(&o.Users, "users", 50_000, "users connected to each")
	fs.IntVar(&o.Lost, "lost", 0, "pods that end at once; 0: a table of usual cases, and the following flags do nothing")
	fs.BoolVar(&o.Restart, "restart", false, "the lost pods are back at once")
	fs.IntVar(&o.Behind, "behind", 1, "conversations with missed entries, of each client")
	fs.IntVar(&o.Missed, "missed", 5, "missed entries in each")
	fs.Float64Var(&o.Cores, "cores", 0, "cores of a pod; 0: pod_cores")
	fs.DurationVar(&o.MinBackoff, "min-backoff", 100*time.Millisecond, "limit of a client's first pause")
	fs.DurationVar(&o.MaxBackoff, "max-backoff", 10*time.Second, "limit of all pauses")
	jitter := fs.String("jitter", string(simulate.FullJitter), "full, or none")
	fs.DurationVar(&o.Spread, "spread", 0, "the first tries are spread over so long; 0: --min-backoff")
	fs.DurationVar(&o.Patience, "patience", 10*time.Second, "a client without a welcome hangs up")
	fs.IntVar(&o.Admit, "admit", 0, "handshakes that may wait on a pod, others are refused at once; 0: any number")
	fs.IntVar(&o.PodReads, "pod-reads", 64, "store reads of a pod at a time")
	fs.Float64Var(&o.StoreReads, "store-reads", 0, "reads a second of the whole store; 0: 3,000 for each pod")
	fs.DurationVar(&o.Horizon, "horizon", 15*time.Minute, "what is not over by then is not simulated further")
	fs.Uint64Var(&o.Seed, "seed", 1, "of the random choices")
	return &ffcli.Command{Name: "storm", ShortUsage: "parley simulate storm [flags]", ShortHelp: "what happens when pods end and their clients come back",
		FlagSet: fs, Exec: run(func(u *simulate.Units) error {
			if o.Lost == 0 {
				return simulate.StormTable(out, u.Costs, simulate.Evacuations(o.Pods, o.Users))
			}
			o.Jitter = simulate.Jitter(*jitter)
			if o.StoreReads == 0 {
				o.StoreReads = 3000 * float64(o.Pods)
			}
			name := fmt.Sprintf("%d of %d pods end", o.Lost, o.Pods)
			return simulate.StormTable(out, u.Costs, []simulate.Evacuation{{Name: name, StormOptions: o}})
		})}
}

func simulateCapacity(out io.Writer, run runner) *ffcli.Command {
	var p simulate.Profile
	fs := flag.NewFlagSet("parley simulate capacity", flag.ContinueOnError)
	users := fs.String("users", "100000,1000000,10000000,100000000", "how many, separated by commas")
	fs.Float64Var(&p.Connected, "connected", 0.3, "share of the users that are connected at the peak")
	fs.Float64Var(&p.MessagesDay, "messages", 50, "messages of a user and day")
	fs.Float64Var(&p.ConnectsDay, "connects", 10, "connects of a user and day")
	fs.Float64Var(&p.Peak, "peak", 3, "the busiest hour, by the day's average")
	fs.Float64Var(&p.GroupShare, "groups", 0.3, "share of the messages that go to groups")
	fs.IntVar(&p.GroupSize, "group-size", 20, "members of a group")
	fs.Float64Var(&p.Conversations, "conversations", 20, "conversations of a user that are followed")
	fs.Float64Var(&p.Behind, "behind", 3, "conversations with missed entries, of a connect")
	return &ffcli.Command{Name: "capacity", ShortUsage: "parley simulate capacity [flags]", ShortHelp: "what so many users need, and what breaks first",
		FlagSet: fs, Exec: run(func(u *simulate.Units) error {
			list, err := numbers(*users)
			if err != nil {
				return fmt.Errorf("--users: %w", err)
			}
			return simulate.CapacityTables(out, u.Costs, p, list)
		})}
}

// readUnits reads unit costs from a file, or those that are built in.
func readUnits(file string) (*simulate.Units, error) {
	data := docs.UnitCosts
	if file != "" {
		var err error
		if data, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read unit costs: %w", err)
		}
	}
	return simulate.ReadUnits(data)
}

// numbers reads a list of positive numbers.
func numbers(s string) (list []int, err error) {
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(f))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%q is not a number above 0", f)
		}
		list = append(list, n)
	}
	return list, nil
}
