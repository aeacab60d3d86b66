package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob/s3blob"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

// newUpCmd is for the list of commands: its flags are those of package config,
// which knows the environment, too, so run hands it its arguments as they are.
func newUpCmd() *ffcli.Command {
	return &ffcli.Command{Name: "up", ShortUsage: "parley up [flags]", ShortHelp: "run a whole cluster in one process"}
}

type upSettings struct {
	config.Listen
	config.Mongo
	config.NATS
	config.Data
	config.JWT
	config.Origins
	config.Attachments
	config.Sends
	config.Requests
	config.Connections
	config.Routing
	config.Retention
	config.Linger
	config.Reader
	config.Trace
	Gateways  int
	DevTokens bool
	Verbose   bool
	Search    bool
}

func (c *upSettings) flags() *config.Flags {
	c.Mongo.Optional, c.NATS.Optional, c.JWT.Optional = true, true, true
	c.Attachments.Disk = true
	flags := config.New("parley up", "runs a whole cluster in one process: gateways, history, NATS and the store",
		&c.Listen, &c.Mongo, &c.NATS, &c.Data, &c.JWT, &c.Origins, &c.Sends, &c.Connections, &c.Requests, &c.Routing, &c.Retention, &c.Linger, &c.Reader, &c.Attachments, &c.Trace)
	fs := flags.FlagSet()
	fs.IntVar(&c.Gateways, "gateways", 1, "how many gateways to run, each on the port after the other")
	fs.BoolVar(&c.DevTokens, "dev-tokens", true, "let POST /dev/token give anybody a token for any user")
	fs.BoolVar(&c.Search, "search", true, "keep a search index in the data folder, and answer GET /v1/search")
	fs.BoolVar(&c.Verbose, "verbose", false, "log what happens inside")
	return flags
}

func (c *upSettings) options(log *slog.Logger) allinone.Options {
	files := allinone.Files{Where: c.Where, MaxBytes: c.Bytes, Types: c.Types,
		S3: s3blob.FileOptions{AccessKeyFile: c.S3AccessKeyFile, SecretKeyFile: c.S3SecretKeyFile,
			Options: s3blob.Options{Endpoint: c.S3Endpoint, PublicEndpoint: c.S3PublicEndpoint, Bucket: c.S3Bucket, Region: c.S3Region}}}
	return allinone.Options{Files: files, Listen: c.Addr, Gateways: c.Gateways, Data: c.Dir,
		MongoURI: string(c.URI), NATSURL: string(c.URL), NATSFiles: bus.Files(c.NATS.Files), Origins: c.Allowed, Routing: gateway.Routing(c.Way), Linger: c.Linger.Most, Reader: gateway.Reader(c.Mode), DevTokens: c.DevTokens, NoSearch: !c.Search, Retention: c.Retention.Hours, Version: version, Log: log,
		Limits: chat.Limits{SendsPerS: c.PerSecond}, Guard: config.Guard(&c.Requests, &c.Connections), FramesPerS: c.FramesPerS, BytesPerS: c.BytesPerS, Admission: c.Admission,
		TraceTrusted: c.Trusted,
		JWT: auth.FileOptions{HS256SecretFile: c.HS256SecretFile, PublicKeyFile: c.PublicKeyFile, JWKSURL: c.JWKSURL,
			Issuer: c.Issuer, Audience: c.Audience}}
}

func up(ctx context.Context, args []string) (err error) {
	var c upSettings
	flags := c.flags()
	if err := flags.Parse(args); err != nil {
		return exitCode(flags.Report(err, os.Stdout, os.Stderr))
	}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelInfo
	}
	lines := logs.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}), logs.Options{})
	log := slog.New(lines)
	opsPort := ops.New(ops.Options{Version: version, Logger: log})
	opts := c.options(log)
	opts.Metrics = &opsPort.Metrics
	meters.Logs(opts.Metrics, lines)
	if opts.Tracer, err = tracing.Open(c.Endpoint, tracing.Options{Service: "up", Version: version, Sample: c.Sample, Log: log}); err != nil {
		return err
	}
	cluster, err := allinone.Start(ctx, opts)
	if err != nil {
		return errors.Join(err, opts.Tracer.Stop(context.WithoutCancel(ctx)))
	}
	opsPort.HandleJSON("/presence", func() any { return cluster.Online() })
	cluster.Operate(opsPort)
	opsPort.SetReady(true)
	opsCtx, stopOps := context.WithCancel(context.Background())
	opsEnded := make(chan error, 1)
	go func() { opsEnded <- opsPort.Serve(opsCtx, c.OpsAddr) }()

	greet(os.Stdout, &c, cluster)
	select {
	case <-ctx.Done():
		fmt.Println("\nstopping: everything that was acknowledged is stored")
	case err = <-cluster.Failed():
	case err = <-opsEnded:
		err = fmt.Errorf("operations port: %w (choose another with --ops-listen)", err)
		opsEnded <- nil
	}
	opsPort.SetReady(false)
	stopOps()
	<-opsEnded
	stopCtx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	return errors.Join(err, cluster.Stop(stopCtx), opts.Tracer.Stop(stopCtx))
}

// greet says where everything is and what to try.
func greet(w io.Writer, c *upSettings, cluster *allinone.Cluster) {
	url := cluster.URLs[0]
	fmt.Fprintf(w, "\n  Parley %s is up.\n\n", version)
	for i, u := range cluster.URLs {
		name := "open"
		if i > 0 {
			name = ""
		}
		fmt.Fprintf(w, "  %-10s %s\n", name, u)
	}
	storage := "the folder " + c.Dir
	if c.URI != "" {
		storage = "MongoDB"
	}
	fmt.Fprintf(w, "  %-10s %s\n  %-10s http://localhost%s/metrics\n\n", "data in", storage, "metrics", port(c.OpsAddr))
	me, flagURL := os.Args[0], ""
	if c.Addr != ":8080" {
		flagURL = " --url " + url
	}
	fmt.Fprintf(w, "  Chat from two terminals:\n\n    %s chat --as alice --to bob%s\n    %s chat --as bob --to alice%s\n\n", me, flagURL, me, flagURL)
	if c.DevTokens {
		fmt.Fprintf(w, "  Get a token:\n\n    curl -s %s/dev/token -d '{\"user\": \"alice\"}'\n    %s token alice --url %s\n\n", url, me, url)
		fmt.Fprintln(w, "  Dev tokens are on: whoever reaches this address can be anybody. --dev-tokens=false ends that.")
	}
	fmt.Fprintln(w, "  Ctrl-C stops it.")
}

func port(addr string) string {
	for i := len(addr) - 1; i >= 0; i-- {
		if addr[i] == ':' {
			return addr[i:]
		}
	}
	return addr
}
