package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/bench"
)

// benchFlags are the flags of `parley bench`.
type benchFlags struct {
	bench.Settings
	deployment
	pids     intList
	spawn    bool
	gateways int
	scratch  string
	upArgs   string
	json     string
	plot     string
	profile  string
}

// newBenchCmd measures a deployment under load.
func newBenchCmd() *ffcli.Command {
	var o benchFlags
	fs := flag.NewFlagSet("parley bench", flag.ContinueOnError)
	o.flags(fs)
	return &ffcli.Command{
		Name: "bench", ShortUsage: "parley bench <scenario> [flags]", ShortHelp: "measure speed, latency, CPU and memory under load",
		LongHelp: "Scenarios:\n" +
			"  idle      connections are held: memory of each (--connections, --duration)\n" +
			"  pairs     closed loop: each pair keeps messages in flight (--pairs, --in-flight)\n" +
			"  rate      open loop: so many messages a second, whatever becomes of them (--rate, --pairs)\n" +
			"  group     fan-out to the members of a group (--members, --senders, --in-flight)\n" +
			"  storm     all devices come back at once (--connections, --missed, --at-once)\n" +
			"  flush     a device that missed much connects (--missed, --conversations, --repeat)\n" +
			"  history   pages at the newest, middle and oldest end of a log (--depth, --page, --readers)\n" +
			"  search    full-text search (--depth, --conversations, --readers)\n\n" +
			"Every run checks its own messages; where one was lost, doubled, overtaken or refused, the\n" +
			"figures do not count, and it exits with 1. Start it with --spawn, or point it at a deployment.\n" +
			"A flag that is 0 has the scenario's own default.",
		FlagSet: fs, Options: fromEnv,
		Exec: func(ctx context.Context, args []string) error {
			if len(args) == 0 {
				return flag.ErrHelp
			}
			if err := fs.Parse(args[1:]); err != nil { // those behind the scenario
				return err
			}
			if err := noArguments(fs.Args()); err != nil {
				return err
			}
			return o.run(ctx, args[0])
		},
	}
}

func (o *benchFlags) flags(fs *flag.FlagSet) {
	o.register(fs, defaultURL, "operations port of the server, such as http://localhost:9090: for --profile, and for idle to collect garbage")
	fs.Var(&o.pids, "pid", "process of the server on this machine, of which CPU and memory are measured; may be repeated")
	fs.BoolVar(&o.spawn, "spawn", false, "start a \"parley up\" of one's own, on free ports and in a temporary folder, and measure that")
	fs.IntVar(&o.gateways, "gateways", 1, "with --spawn: how many gateways it has")
	fs.StringVar(&o.scratch, "scratch", "", "with --spawn: make the temporary folder here, for instance on the disk that is to be measured")
	fs.StringVar(&o.upArgs, "up-args", "", "with --spawn: further arguments of \"parley up\", separated by blanks")
	fs.IntVar(&o.Connections, "connections", 0, "idle, storm: devices (default 1000)")
	fs.IntVar(&o.Pairs, "pairs", 0, "pairs, rate: pairs of devices (default 200)")
	fs.IntVar(&o.InFlight, "in-flight", 0, "pairs: messages of a pair without an ack; group: messages that not every member has (default 16)")
	fs.IntVar(&o.Rate, "rate", 0, "rate: messages a second (default 1000)")
	fs.IntVar(&o.Members, "members", 0, "group: members, all online (default 100)")
	fs.IntVar(&o.Senders, "senders", 0, "group: members that send (default 1)")
	fs.IntVar(&o.Missed, "missed", 0, "flush: messages that the device missed (default 10000); storm: the same, of every second device (default 1; -1: none)")
	fs.IntVar(&o.Convs, "conversations", 0, "flush: conversations that they are in (default 200); search: the same (default 10)")
	fs.IntVar(&o.Depth, "depth", 0, "history, search: messages in all (default 20000, 2000)")
	fs.IntVar(&o.Page, "page", 0, "history: messages of a page (default 50)")
	fs.IntVar(&o.Readers, "readers", 0, "history, search: requests at the same time (default 4)")
	fs.IntVar(&o.Repeat, "repeat", 0, "storm, flush: how often (default 1, 5)")
	fs.IntVar(&o.Size, "size", 0, "bytes of a message's text (default 200)")
	fs.DurationVar(&o.Recv, "recv", 0, "a device says recv so often at most, for each conversation (default 1s; -1s: never)")
	fs.BoolVar(&o.SameGateway, "same-gateway", false, "pairs, rate: both devices of a pair are on one gateway, not on neighbouring ones")
	fs.IntVar(&o.AtOnce, "at-once", 0, "handshakes under way at a time (default 64; storm: 1024)")
	fs.DurationVar(&o.Warmup, "warmup", 0, "load before the measured time (default 2s)")
	fs.DurationVar(&o.Duration, "duration", 0, "measured time (default 10s)")
	fs.DurationVar(&o.Drain, "drain", 0, "by then the last message must have arrived (default 30s)")
	fs.StringVar(&o.json, "json", "", "write the report to this file; -: to standard output, instead of tables")
	fs.StringVar(&o.plot, "plot", "", "draw latency and throughput into this SVG file")
	fs.StringVar(&o.profile, "profile", "", "write the server's CPU profile of the measured time to this file (needs --ops or --spawn)")
}

// spawnWithin is how long a cluster of one's own may take to be ready.
const spawnWithin = time.Minute

func (o *benchFlags) run(ctx context.Context, scenario string) (err error) {
	opt := bench.Options{URLs: commas(o.urls), API: o.api, PIDs: o.pids, Ops: o.ops, Settings: o.Settings,
		Progress: func(line string) { fmt.Fprintln(os.Stderr, line) }}
	if o.profile != "" {
		opt.Profile = func(b []byte) error { return os.WriteFile(o.profile, b, 0o644) }
	}
	if o.spawn {
		s, startErr := o.start(ctx)
		if startErr != nil {
			return startErr
		}
		defer func() { err = errors.Join(err, s.Stop()) }()
		opt.URLs, opt.PIDs, opt.Ops, opt.API = s.URLs, []int{s.PID}, s.Ops, s.URLs[0]
		o.secretFile = allinone.SecretFile(s.Data)
	}
	if len(opt.URLs) == 0 {
		opt.URLs = []string{defaultURL}
	}
	for i, u := range opt.URLs {
		opt.URLs[i] = httpURL(u)
	}
	if opt.API == "" {
		opt.API = opt.URLs[0]
	}
	if opt.Token, err = o.tokens(opt.API); err != nil {
		return err
	}
	report, err := bench.Run(ctx, scenario, opt)
	if err != nil {
		return err
	}
	if err := o.write(report); err != nil {
		return err
	}
	if !report.OK {
		return exitCode(1)
	}
	return nil
}

// start starts a cluster of one's own.
func (o *benchFlags) start(ctx context.Context) (*bench.Spawned, error) {
	if o.urls != "" || len(o.pids) > 0 {
		return nil, errors.New("--spawn measures a cluster of its own: leave out --urls and --pid")
	}
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, spawnWithin)
	defer cancel()
	return bench.Spawn(ctx, bench.SpawnOptions{Program: program, Gateways: o.gateways, Parent: o.scratch, Args: strings.Fields(o.upArgs)})
}

// write writes what was asked for.
func (o *benchFlags) write(report *bench.Report) error {
	if o.plot != "" {
		if err := toFile(o.plot, report.WritePlot); err != nil {
			return err
		}
	}
	switch o.json {
	case "-":
		return report.WriteJSON(os.Stdout)
	case "":
	default:
		if err := toFile(o.json, report.WriteJSON); err != nil {
			return err
		}
	}
	return report.WriteText(os.Stdout)
}

// toFile writes a file as a whole.
func toFile(path string, write func(io.Writer) error) error {
	var b bytes.Buffer
	if err := write(&b); err != nil {
		return err
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}

// intList is a flag that may be repeated.
type intList []int

func (l *intList) String() string { return strings.Trim(fmt.Sprint([]int(*l)), "[]") }

func (l *intList) Set(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is not the id of a process", s)
	}
	*l = append(*l, n)
	return nil
}
