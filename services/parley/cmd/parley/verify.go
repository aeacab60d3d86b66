package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/services/parley/internal/allinone"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// localGateways is how many gateways a cluster has that verify starts itself.
const localGateways = 3

// verifyFlags are the flags of `parley verify`.
type verifyFlags struct {
	verify.Options
	deployment
	json string
}

// starter starts a cluster to verify; stop ends it and removes its data.
type starter func(ctx context.Context) (urls []string, api string, stop func() error, err error)

func newVerifyCmd() *ffcli.Command { return verifyCmd(startLocal) }

// verifyCmd puts a deployment under load and checks that its promises hold.
func verifyCmd(start starter) *ffcli.Command {
	var o verifyFlags
	fs := flag.NewFlagSet("parley verify", flag.ContinueOnError)
	fs.Bool("quick", true, "10 users, 10,000 messages, 5 reconnects each: what the other flags have as defaults")
	o.register(fs, "a cluster with 3 gateways is started in this process",
		"operations ports, such as http://localhost:9090, separated by commas: what these processes hold must return")
	fs.IntVar(&o.Users, "users", 10, "how many users")
	fs.IntVar(&o.Devices, "devices", 1, "devices of each user")
	fs.IntVar(&o.Groups, "groups", 2, "groups, beside the direct conversations of all pairs; -1: none")
	fs.IntVar(&o.Messages, "messages", 10_000, "messages in all")
	fs.IntVar(&o.Reconnects, "reconnects", 5, "how often each client loses its connection; -1: never")
	fs.IntVar(&o.InFlight, "in-flight", 16, "messages of one client without an ack")
	fs.Float64Var(&o.Changes, "changes", 0.05, "share of the messages that are edits, recalls and reactions instead; -1: none")
	fs.DurationVar(&o.Bound, "max-staleness", 0, "how long a connected device may lack what was acked; 0: it is only measured")
	fs.StringVar(&o.PushLog, "push-log", "", "JSON lines of what became of each push, begun for this run: every push must end once")
	fs.Float64Var(&o.Rate, "rate", 0, "messages a second, of all clients together; 0: as fast as they are acked")
	fs.DurationVar(&o.Timeout, "timeout", 2*time.Minute, "by then everything must have arrived")
	fs.Uint64Var(&o.Seed, "seed", 0, "of the random choices; 0: a random one")
	fs.StringVar(&o.json, "json", "", "write the whole report to this file")
	return &ffcli.Command{
		Name: "verify", ShortUsage: "parley verify [flags]", ShortHelp: "prove the delivery contract under load and lost connections",
		LongHelp: "Users write to each other while their connections are cut. Afterwards everything that\n" +
			"any of them saw is held against what the store says. Exits with 1 if a promise was broken.",
		FlagSet: fs, Options: fromEnv,
		Exec: func(ctx context.Context, args []string) error {
			if err := noArguments(args); err != nil {
				return err
			}
			return o.run(ctx, start)
		},
	}
}

func (o *verifyFlags) run(ctx context.Context, start starter) (err error) {
	o.URLs, o.Ops, o.API = commas(o.urls), commas(o.ops), o.api
	if len(o.URLs) == 0 {
		fmt.Fprintf(os.Stderr, "starting a cluster with %d gateways in this process\n", localGateways)
		urls, api, stop, err := start(ctx)
		if err != nil {
			return fmt.Errorf("start a cluster: %w", err)
		}
		defer func() {
			if stopErr := stop(); stopErr != nil {
				fmt.Fprintln(os.Stderr, "parley:", stopErr)
			}
		}()
		o.URLs = urls
		if o.API == "" {
			o.API = api
		}
	}
	if o.API == "" {
		o.API = httpURL(o.URLs[0])
	}
	if o.Token, err = o.tokens(o.API); err != nil {
		return err
	}
	o.Progress = func(line string) { fmt.Fprintln(os.Stderr, line) }
	report, err := verify.Run(ctx, o.Options)
	if err != nil {
		return err
	}
	if err := report.WriteText(os.Stdout); err != nil {
		return err
	}
	if o.json != "" {
		if err := writeReport(o.json, report); err != nil {
			return err
		}
	}
	if !report.OK() {
		return exitCode(1)
	}
	return nil
}

func writeReport(path string, report *verify.Report) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return errors.Join(report.WriteJSON(f), f.Close())
}

// startLocal starts a cluster on free ports, with its data in a temporary folder.
func startLocal(ctx context.Context) (urls []string, api string, stop func() error, err error) {
	dir, err := os.MkdirTemp("", "parley-verify-")
	if err != nil {
		return nil, "", nil, fmt.Errorf("make a data folder: %w", err)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	cluster, err := allinone.Start(ctx, allinone.Options{Gateways: localGateways, Data: dir, DevTokens: true, Version: version, Log: log})
	if err != nil {
		return nil, "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	stop = func() error {
		stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 20*time.Second)
		defer cancel()
		return errors.Join(cluster.Stop(stopCtx), os.RemoveAll(dir))
	}
	return cluster.URLs, cluster.URLs[0], stop, nil
}
