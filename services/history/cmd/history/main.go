// Command history is the service that answers what is read over HTTP; see package
// history. It needs a MongoDB and a key for tokens, and says what to set:
// history --help.
package main

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob/s3blob"
	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/lifecycle"
	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/history"
)

// version is set by the linker.
var version = "dev"

// closeTime is what all cleanups have together: less than the 30 s that
// Kubernetes gives by default.
const closeTime = 20 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type settings struct {
	config.Listen
	config.TLS
	config.Mongo
	config.JWT
	config.Origins
	config.Gateway
	config.Attachments
	config.Requests
	config.Retention
	config.Trace
	Search bool
}

// run is main with everything that it touches as an argument. It returns the exit
// code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c settings
	flags := config.New("history", "answers what is read over HTTP", &c.Listen, &c.TLS, &c.Mongo, &c.JWT, &c.Origins, &c.Requests, &c.Retention, &c.Gateway, &c.Attachments, &c.Trace)
	flags.FlagSet().BoolVar(&c.Search, "search", true, "keep a search index in the database, and answer GET /v1/search")
	if err := flags.Parse(args); err != nil {
		return flags.Report(err, stdout, stderr)
	}
	lines := logs.New(slog.NewJSONHandler(stderr, nil), logs.Options{})
	log := slog.New(lines)
	log.Info("starting", "version", version, "settings", flags)
	if err := serve(ctx, c, lines); err != nil {
		log.Error("ended", "error", err)
		return config.ExitError
	}
	return config.ExitOK
}

// serve builds everything, serves until told ends, which is no error, or a part
// fails, and takes it down again in reverse order.
func serve(told context.Context, c settings, lines *logs.Handler) (err error) {
	log := slog.New(lines)
	stack := &lifecycle.Stack{Log: log}
	defer func() {
		closing, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		err = errors.Join(err, stack.Close(closing))
	}()
	ctx, fail := context.WithCancelCause(told)
	defer fail(nil)

	keys, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: c.HS256SecretFile, PublicKeyFile: c.PublicKeyFile,
		JWKSURL: c.JWKSURL, Issuer: c.Issuer, Audience: c.Audience, Log: log})
	if err != nil {
		return err
	}
	verifier, err := auth.NewVerifier(keys)
	if err != nil {
		return err
	}
	if keys.Keys != nil {
		stack.Run("keys", keys.Keys.Run)
	}
	var gateway *url.URL
	if c.Gateway.URL != "" {
		if gateway, err = url.Parse(c.Gateway.URL); err != nil {
			return err
		}
	}
	var authorities *x509.CertPool
	if c.Gateway.CAFile != "" {
		if authorities, err = certs.Pool(c.Gateway.CAFile); err != nil {
			return err
		}
	}

	port := ops.New(ops.Options{Version: version, Logger: log})
	var expiries certs.Expiries
	expiries.Authorities("gateway_authorities", c.Gateway.CAFile)
	port.Metrics.Certificates(&expiries)
	stack.Add("operations port", start(fail, func(ctx context.Context) error { return port.Serve(ctx, c.OpsAddr) }))

	var data *mongostore.Store
	err = lifecycle.WaitFor(ctx, log, "mongodb", func(ctx context.Context) error {
		err := c.Mongo.Validate() // its file may have changed
		if err != nil {
			return err
		}
		if data, err = mongostore.Open(ctx, mongostore.Options{URI: string(c.Mongo.URI), Logger: log}); errors.Is(err, mongostore.ErrArbiter) {
			return lifecycle.Permanent(err)
		}
		return err
	})
	if err != nil {
		if told.Err() != nil {
			return nil
		}
		return err
	}
	stack.Add("mongodb", func(context.Context) error { return data.Close() })
	tracer, err := tracing.Open(c.Endpoint, tracing.Options{Service: "history", Version: version, Sample: c.Sample, Log: log})
	if err != nil {
		return err
	}
	stack.Add("traces", tracer.Stop)
	meters.Logs(&port.Metrics, lines)
	meters.Spans(&port.Metrics, tracer)
	observed := meters.Store(&port.Metrics, tracer, data)
	stack.Add("mongodb watch", start(fail, func(ctx context.Context) error { return watch(ctx, port, data) }))

	var files *attach.Reader
	if c.Where == config.AttachmentsS3 {
		bucket, err := s3blob.NewFromFiles(s3blob.FileOptions{AccessKeyFile: c.S3AccessKeyFile, SecretKeyFile: c.S3SecretKeyFile,
			Options: s3blob.Options{Endpoint: c.S3Endpoint, PublicEndpoint: c.S3PublicEndpoint, Bucket: c.S3Bucket, Region: c.S3Region}})
		if err != nil {
			return err
		}
		files = attach.NewReader(observed, bucket, chat.Limits{})
	}
	var search *history.Search
	if c.Search {
		search = history.NewSearch(history.SearchOptions{Store: data, Log: log})
		search.RegisterMetrics(&port.Metrics)
		stack.Add("search", start(fail, func(ctx context.Context) error { search.Run(ctx); return nil }))
	}
	revoked := revoke.New(revoke.Options{Store: observed, Log: log})
	if err := revoked.Load(ctx); err != nil {
		return err
	}
	stack.Add("revocations", start(fail, func(ctx context.Context) error { revoked.Run(ctx); return nil }))
	limits := guard.New(config.Guard(&c.Requests, nil))
	meters.Limits(&port.Metrics, "history", limits)
	service := history.New(history.Options{Guard: limits, Retention: c.Hours, Store: observed, Verifier: revoked.Guard(meters.Tokens(&port.Metrics, verifier, keys.Keys)), Revoked: revoked, Origins: c.Origins.Allowed, GatewayURL: gateway, GatewayCAs: authorities, Files: files,
		Search: search, Log: log, Observer: rest.Observer{Meter: rest.NewMeter(&port.Metrics, "history"), Tracer: tracer, Trusted: c.Trusted}})

	l, err := certs.Listen(ctx, c.Addr, certs.Options{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, Log: log, Expiries: &expiries}, certs.HTTP2, certs.HTTP1)
	if err != nil {
		return err
	}
	stack.Add("http", serveHTTP(l, service.Handler(), log, fail))
	port.SetReady(true)
	stack.Add("readiness", func(context.Context) error { port.SetReady(false); return nil })
	log.Info("serving", "listen", c.Addr)
	<-ctx.Done()
	if told.Err() != nil {
		return nil
	}
	return context.Cause(ctx)
}
