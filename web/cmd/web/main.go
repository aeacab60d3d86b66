// Command web serves the chat in the browser, for a cluster: the files that the
// all-in-one binary has in it, with the same headers. It needs nothing and keeps
// nothing; whoever is in front sends it what is not below /v1/. Where nobody is, as in
// compose.yaml, it passes the rest on itself: --gateway-url and --history-url.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/lifecycle"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/web"
)

// version is set by the build.
var version = "dev"

// closeTime is what all cleanups have together.
const closeTime = 10 * time.Second

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // a second signal ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

type settings struct {
	config.Listen
	config.TLS
	media
	behind
}

// media is where browsers fetch and put attachments.
type media struct{ origins []string }

func (g *media) Register(fs *flag.FlagSet) {
	fs.Func("media-origins", "let the page fetch and put attachments at these `origins`, with commas between them,\nsuch as https://s3.example.com; none: at its own only", func(s string) error {
		g.origins = nil
		for origin := range strings.SplitSeq(s, ",") {
			if origin = strings.TrimSpace(origin); origin != "" {
				g.origins = append(g.origins, origin)
			}
		}
		return nil
	})
}

// Validate keeps out what would be another directive in the page's policy.
func (g *media) Validate() error {
	for _, origin := range g.origins {
		scheme, host, ok := strings.Cut(origin, "://")
		if !ok || scheme != "https" && scheme != "http" || host == "" || strings.ContainsAny(host, "/;,' \"*") {
			return fmt.Errorf("%.80q is no origin such as https://s3.example.com: set --media-origins or %s", origin, config.EnvName("media-origins"))
		}
	}
	return nil
}

// run is main with everything that it touches as an argument. It returns the exit
// code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	var c settings
	flags := config.New("web", "serves the chat in the browser", &c.Listen, &c.TLS, &c.media, &c.behind)
	if err := flags.Parse(args); err != nil {
		return flags.Report(err, stdout, stderr)
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil))
	log.Info("starting", "version", version, "settings", flags)
	if err := serve(ctx, &c, log); err != nil && ctx.Err() == nil {
		log.Error("ended", "error", err)
		return config.ExitError
	}
	return config.ExitOK
}

// serve serves until ctx ends or a part fails, and takes everything down again.
func serve(ctx context.Context, c *settings, log *slog.Logger) (err error) {
	stack := lifecycle.Stack{Log: log}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTime)
		defer cancel()
		err = errors.Join(err, stack.Close(ctx))
	}()
	app, err := web.New(web.Options{MediaOrigins: c.origins})
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	port := ops.New(ops.Options{Version: version, Logger: log})
	var expiries certs.Expiries
	expiries.Authorities("gateway_authorities", c.caFile)
	port.Metrics.Certificates(&expiries)
	stack.Run("operations port", func(ctx context.Context) {
		if err := port.Serve(ctx, c.OpsAddr); err != nil {
			failed <- err
		}
	})
	ln, err := certs.Listen(ctx, c.Addr, certs.Options{CertFile: c.TLS.CertFile, KeyFile: c.TLS.KeyFile, Log: log, Expiries: &expiries}, certs.HTTP2, certs.HTTP1)
	if err != nil {
		return err
	}
	handler := http.Handler(app)
	if c.gateways != nil {
		f, err := newFront(&c.behind, app, log)
		if err != nil {
			return errors.Join(err, ln.Close())
		}
		stack.Add("what is passed on", f.Close)
		handler = f
	}
	stack.Add("http", rest.Start(rest.NewServer(handler, log), ln, func(err error) { failed <- err }))
	stack.Add("readiness", func(context.Context) error { port.SetReady(false); return nil })
	if !app.Built() {
		log.Warn("the chat was not built into this binary; there is a page that says so")
	}
	port.SetReady(true)
	log.Info("ready", "listen", ln.Addr().String())
	select {
	case <-ctx.Done():
		return nil
	case err := <-failed:
		return err
	}
}
