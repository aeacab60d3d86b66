// Command gateway is one stateless pod: it holds users' WebSocket sessions and
// answers every request that changes something.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob/s3blob"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/lifecycle"
	"github.com/parley-chat/parley/pkg/logs"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway"
)

// version is set by the build.
var version = "dev"

// settings are the flags and variables of the gateway.
type settings struct {
	config.Listen
	config.TLS
	config.Mongo
	config.NATS
	config.JWT
	config.Origins
	config.Attachments
	config.Sends
	config.Requests
	config.Connections
	config.Routing
	config.Linger
	config.Reader
	config.Trace
	config.Rebalance
	config.Retention
	Drain, Grace time.Duration
	Search       bool
}

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	var c settings
	flags := config.New("gateway", "holds users' WebSocket sessions and answers what changes something",
		&c.Listen, &c.TLS, &c.Mongo, &c.NATS, &c.JWT, &c.Origins, &c.Sends, &c.Connections, &c.Requests, &c.Routing, &c.Linger, &c.Reader, &c.Rebalance, &c.Retention, &c.Attachments, &c.Trace)
	flags.FlagSet().DurationVar(&c.Drain, "drain-window", 20*time.Second, "time over which clients are sent to other pods at SIGTERM")
	flags.FlagSet().DurationVar(&c.Grace, "shutdown-grace", 45*time.Second, "time after SIGTERM at which the pod gives up; below the pod's terminationGracePeriod")
	flags.FlagSet().BoolVar(&c.Search, "search", true, "tell clients that the deployment's history service answers searches")
	if err := flags.Parse(args); err != nil {
		return flags.Report(err, os.Stdout, os.Stderr)
	}
	lines := logs.New(slog.NewJSONHandler(os.Stderr, nil), logs.Options{})
	log := slog.New(lines)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	log.Info("starting", "version", version, "settings", flags)
	if err := serve(ctx, &c, lines); err != nil && ctx.Err() == nil {
		log.Error("stopped", "error", err)
		return config.ExitError
	}
	return config.ExitOK
}

// serve runs the gateway until ctx ends, and then drains it.
func serve(ctx context.Context, c *settings, lines *logs.Handler) (err error) {
	log := slog.New(lines)
	opts, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: c.HS256SecretFile, PublicKeyFile: c.PublicKeyFile,
		JWKSURL: c.JWKSURL, Issuer: c.Issuer, Audience: c.Audience, Log: log})
	if err != nil {
		return err
	}
	verifier, err := auth.NewVerifier(opts)
	if err != nil {
		return err
	}
	stack := lifecycle.Stack{Log: log}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), c.Grace)
		defer cancel()
		err = errors.Join(err, stack.Close(ctx))
	}()
	if opts.Keys != nil {
		stack.Run("keys", opts.Keys.Run)
	}
	failed := make(chan error, 2)
	opsPort := ops.New(ops.Options{Version: version, Logger: log})
	var expiries certs.Expiries
	expiries.Chain("nats", c.NATS.Files.CertFile)
	expiries.Authorities("nats_authorities", c.NATS.Files.CAFile)
	opsPort.Metrics.Certificates(&expiries)
	startOps(&stack, opsPort, c.OpsAddr, failed)

	var st *mongostore.Store
	err = lifecycle.WaitFor(ctx, log, "mongodb", func(ctx context.Context) (err error) {
		if err := c.Mongo.Validate(); err != nil { // its file may have changed
			return err
		}
		st, err = mongostore.Open(ctx, mongostore.Options{URI: string(c.URI), Logger: log})
		if errors.Is(err, mongostore.ErrArbiter) {
			return lifecycle.Permanent(err)
		}
		return err
	})
	if err != nil {
		return err
	}
	stack.Add("store", func(context.Context) error { return st.Close() })
	tracer, err := tracing.Open(c.Endpoint, tracing.Options{Service: "gateway", Version: version, Sample: c.Sample, Log: log})
	if err != nil {
		return err
	}
	stack.Add("traces", tracer.Stop)
	meters.Logs(&opsPort.Metrics, lines)
	meters.Spans(&opsPort.Metrics, tracer)
	data := meters.Store(&opsPort.Metrics, tracer, st)
	meta, err := st.Meta(ctx)
	if err != nil {
		return fmt.Errorf("read the data's identity: %w", err)
	}
	var running atomic.Pointer[gateway.Gateway] // the bus is there before its gateway
	missed := func() {
		if g := running.Load(); g != nil {
			g.Missed()
		}
	}
	b, err := bus.Connect(ctx, bus.Options{URL: string(c.NATS.URL), Files: bus.Files(c.NATS.Files), Name: "parley-gateway", Cluster: meta.Cluster, Logger: log,
		OnLoss:   func(bus.Topic) { missed() },
		OnDenied: func(reason string) { opsPort.Degraded("nats", reason) },
		OnState: func(s bus.State) {
			reason := ""
			switch s {
			case bus.StateConnected:
				missed()
			case bus.StateDisconnected:
				reason = "not connected: entries are stored, and reach other pods late"
			}
			opsPort.Degraded("nats", reason)
		}})
	if err != nil {
		return err
	}
	stack.Add("bus", b.Drain)
	gateway.RegisterBus(&opsPort.Metrics, b.Stats)
	files, err := attachments(ctx, c, log)
	if err != nil {
		return err
	}
	var features []string
	var index search.Store
	if c.Search {
		features, index = append(features, "search"), st.Search()
	}
	g, err := gateway.New(ctx, gateway.Options{Features: features, Search: index, Attachments: files, Expiries: &expiries, Retention: c.Hours, Conversations: st, Store: data, Bus: b, Meta: meta,
		Verifier: meters.Tokens(&opsPort.Metrics, verifier, opts.Keys), Meters: gateway.NewMeters(&opsPort.Metrics), Tracer: tracer, TraceTrusted: c.Trusted,
		Routing: gateway.Routing(c.Way), Linger: c.Linger.Most, Reader: gateway.Reader(c.Reader.Mode), Rebalance: c.Auto(), Origins: c.Allowed, Limits: chat.Limits{SendsPerS: c.PerSecond},
		Guard: guard.New(config.Guard(&c.Requests, &c.Connections)), FramesPerS: c.FramesPerS, BytesPerS: c.BytesPerS, Admission: c.Admission, DrainWindow: c.Drain, Server: "parley " + version, Log: log})
	if err != nil {
		return err
	}
	running.Store(g)
	gateway.RegisterMetrics(&opsPort.Metrics, g.Stats)
	opsPort.HandleJSON("/presence", func() any { return g.Online() })
	g.Operate(opsPort)
	// HTTP/1.1 alone: a socket of RFC 6455 cannot be opened in HTTP/2.
	ln, err := certs.Listen(ctx, c.Addr, certs.Options{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, Log: log, Expiries: &expiries}, certs.HTTP1)
	if err != nil {
		return err
	}
	srv := rest.NewServer(g.Handler(), log)
	stack.Add("http", func(ctx context.Context) error { return rest.Shutdown(ctx, srv) })
	stack.Add("gateway", func(ctx context.Context) error {
		opsPort.SetReady(false)
		g.Drain(ctx)
		return nil
	})
	go func() {
		if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve: %w", err)
		}
	}()
	opsPort.SetReady(true)
	log.Info("ready", "listen", ln.Addr().String(), "pod", g.Pod(), "cluster", meta.Cluster, "epoch", meta.Epoch)
	select {
	case <-ctx.Done():
		log.Info("draining", "window", c.Drain)
		return nil
	case err := <-failed:
		return err
	}
}

// attachments says where files are kept. A store that cannot be used now is the
// operator's concern, and does not keep anybody from chatting.
func attachments(ctx context.Context, c *settings, log *slog.Logger) (gateway.Attachments, error) {
	a := gateway.Attachments{MaxBytes: c.Bytes, Types: c.Types}
	if c.Where != config.AttachmentsS3 {
		return a, nil
	}
	bucket, err := s3blob.NewFromFiles(s3blob.FileOptions{AccessKeyFile: c.S3AccessKeyFile, SecretKeyFile: c.S3SecretKeyFile,
		Options: s3blob.Options{Endpoint: c.S3Endpoint, PublicEndpoint: c.S3PublicEndpoint, Bucket: c.S3Bucket, Region: c.S3Region}})
	if err != nil {
		return a, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := bucket.Check(ctx); err != nil {
		log.Error("the bucket for attachments cannot be used now", "bucket", c.S3Bucket, "error", err)
	}
	a.Blobs = bucket
	return a, nil
}

// startOps serves the operations port from the first moment on, so that a pod that
// waits for its dependencies is alive, and not ready.
func startOps(stack *lifecycle.Stack, o *ops.Server, addr string, failed chan<- error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := o.Serve(ctx, addr); err != nil {
			failed <- fmt.Errorf("operations port: %w", err)
		}
	}()
	stack.Add("operations port", func(context.Context) error {
		cancel()
		<-ended
		return nil
	})
}
