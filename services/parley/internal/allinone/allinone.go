// Package allinone is a whole cluster in one process: gateways, history, an
// embedded NATS server and the embedded store. The services are the ones that run
// in production, over the same wire; only the wiring differs.
package allinone

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/attach"
	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/blob/diskblob"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/guard"
	"github.com/parley-chat/parley/pkg/lifecycle"
	"github.com/parley-chat/parley/pkg/meters"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/revoke"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/mongostore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/history"
	"github.com/parley-chat/parley/services/parley/internal/devtoken"
	"github.com/parley-chat/parley/services/parley/internal/natsserver"
	"github.com/parley-chat/parley/services/parley/pebblestore"
	"github.com/parley-chat/parley/web"
)

// Options configure a [Cluster]. Data must be set; with nothing else it is one
// gateway on a free port of the loopback interface.
type Options struct {
	Listen    string    // of the first gateway; the others take the ports after it; "": free ports on 127.0.0.1
	Gateways  int       // default 1, at most 16
	Data      string    // folder of the embedded store and the token secret
	MongoURI  string    // "": the embedded store
	Store     Store     // used instead of both, and left open; for tests
	NATSURL   string    // "": the embedded server
	NATSFiles bus.Files // for that server
	Origins   []string
	Reader    gateway.Reader  // how connections wait; default: the best that the system has
	Routing   gateway.Routing // default gateway.RoutingBroadcast
	Linger    time.Duration   // see gateway.Options; default: none
	NoSearch  bool            // no search index
	Retention int             // see gateway.Options
	DevTokens bool            // POST /dev/token gives anybody a token for any user

	JWT     auth.FileOptions // no key: a secret of its own, kept under Data
	Version string           // for welcome
	Limits  chat.Limits
	// Guard, FramesPerS and BytesPerS bound clients, see gateway.Options. Each gateway
	// counts for itself. Zero: nothing does.
	Guard                 guard.Options
	FramesPerS, BytesPerS int
	Admission             time.Duration
	Files                 Files
	Tracer                *tracing.Tracer // follows single messages and requests; the caller stops it after the cluster; nil: none
	TraceTrusted          []netip.Prefix  // see gateway.Options
	Metrics               *ops.Metrics    // where everything is measured, to be read when Start has returned; nil: nowhere
	Log                   *slog.Logger    // default: slog.Default()
}

// Cluster is what [Start] started.
type Cluster struct {
	URLs []string // of the gateways, each with everything

	signer *auth.Signer
	gates  []*gateway.Gateway
	buses  []*bus.Bus
	blobs  *diskblob.Store // nil: files are kept elsewhere, or not at all
	stack  lifecycle.Stack
	failed chan error
	search *history.Search
	issuer *auth.KeySet // nil: one key for all tokens
}

// searchShare is how much of its time the feeding of the search index takes at
// most: it shares the processors with the gateways.
const searchShare = 0.25

// Store is what the parts of a cluster share.
type Store interface {
	store.Store
	history.SearchStore
}

// DevTokenTTL is how long a token of POST /dev/token lasts.
const DevTokenTTL = devtoken.TTL

// SecretFile is where the secret for tokens is kept under the data folder.
func SecretFile(data string) string { return filepath.Join(data, "secret", "jwt-hs256") }

// Start starts everything and returns when it can be used, or with what stood in
// the way; nothing is left running then.
func Start(ctx context.Context, o Options) (_ *Cluster, err error) {
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Gateways == 0 {
		o.Gateways = 1
	}
	if o.Gateways < 1 || o.Gateways > 16 {
		return nil, fmt.Errorf("%d gateways: 1 to 16 run in one process", o.Gateways)
	}
	c := &Cluster{failed: make(chan error, o.Gateways), stack: lifecycle.Stack{Log: o.Log}}
	defer func() {
		if err != nil {
			_ = c.Stop(context.WithoutCancel(ctx))
		}
	}()
	verifier, err := c.keys(o)
	if err != nil {
		return nil, err
	}
	listeners, err := c.listen(o)
	if err != nil {
		return nil, err
	}
	st, err := c.openStore(ctx, o)
	if err != nil {
		return nil, err
	}
	meta, err := st.Meta(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the data's identity: %w", err)
	}
	natsURL, err := c.nats(o)
	if err != nil {
		return nil, err
	}
	var features []string
	if !o.NoSearch {
		c.search = history.NewSearch(history.SearchOptions{Store: st, Share: searchShare, Log: o.Log})
		c.stack.Run("search", c.search.Run)
		features = append(features, "search")
	}
	files, err := c.files(o)
	if err != nil {
		return nil, err
	}
	in := measured{store: st, tokens: verifier}
	var expiries certs.Expiries
	expiries.Chain("nats", o.NATSFiles.CertFile)
	expiries.Authorities("nats_authorities", o.NATSFiles.CAFile)
	if o.Metrics != nil {
		o.Metrics.Certificates(&expiries)
		in = c.measure(o, st, verifier)
	}
	revoked := revoke.New(revoke.Options{Store: in.store, Log: o.Log})
	if err := revoked.Load(ctx); err != nil {
		return nil, err
	}
	c.stack.Run("revocations", revoked.Run)
	limits := guard.New(o.Guard) // of what history answers
	if o.Metrics != nil {
		meters.Limits(o.Metrics, "history", limits)
	}
	histOpts := history.Options{OneAddress: true, Guard: limits, Retention: o.Retention, Store: in.store, Search: c.search, Verifier: revoked.Guard(in.tokens), Revoked: revoked, Observer: rest.Observer{Meter: in.history, Tracer: o.Tracer, Trusted: o.TraceTrusted}, Limits: o.Limits, Origins: o.Origins, Log: o.Log}
	if files != nil {
		histOpts.Files = attach.NewReader(in.store, files, o.Limits)
	}
	hist := history.New(histOpts)
	app, err := web.New(web.Options{MediaOrigins: o.Files.origins()})
	if err != nil {
		return nil, fmt.Errorf("open the chat for browsers: %w", err)
	}
	for i, ln := range listeners {
		log := o.Log.With("gateway", i+1)
		var running atomic.Pointer[gateway.Gateway] // the bus is there before its gateway
		missed := func() {
			if g := running.Load(); g != nil {
				g.Missed()
			}
		}
		b, err := bus.Connect(ctx, bus.Options{URL: natsURL, Files: o.NATSFiles, Name: fmt.Sprint("parley-", i+1), Cluster: meta.Cluster, Logger: log,
			OnLoss: func(bus.Topic) { missed() },
			OnState: func(s bus.State) {
				if s == bus.StateConnected {
					missed()
				}
			}})
		if err != nil {
			return nil, fmt.Errorf("connect to NATS: %w", err)
		}
		c.stack.Add(fmt.Sprint("bus ", i+1), b.Drain)
		c.buses = append(c.buses, b)
		opts := gateway.Options{Name: fmt.Sprint("gateway-", i+1), Guard: guard.New(o.Guard), FramesPerS: o.FramesPerS, BytesPerS: o.BytesPerS, Admission: o.Admission, Features: features, Expiries: &expiries, Retention: o.Retention, Conversations: st, Store: in.store, Bus: b, Verifier: in.tokens, Meters: in.gateways, Tracer: o.Tracer, TraceTrusted: o.TraceTrusted, Meta: meta,
			Routing: o.Routing, Linger: o.Linger, Reader: o.Reader, Origins: o.Origins, Limits: o.Limits, Server: "parley " + o.Version, Log: log,
			Attachments: gateway.Attachments{Blobs: files, MaxBytes: o.Files.MaxBytes, Types: o.Files.Types}}
		if c.search != nil {
			opts.Search = st.Search()
		}
		g, err := gateway.New(ctx, opts)
		if err != nil {
			return nil, fmt.Errorf("start gateway: %w", err)
		}
		running.Store(g)
		c.gates = append(c.gates, g)
		c.stack.Add(fmt.Sprint("gateway ", i+1), func(ctx context.Context) error { g.Drain(ctx); return nil })
		c.serve(i, ln, c.handler(o, g, hist, app), log)
	}
	return c, nil
}

// keys finds the key that tokens are checked with, or makes a secret.
func (c *Cluster) keys(o Options) (*auth.Verifier, error) {
	var opts auth.Options
	var err error
	switch {
	case o.JWT.HS256SecretFile != "" || o.JWT.PublicKeyFile != "" || o.JWT.JWKSURL != "":
		opts, err = auth.LoadFiles(o.JWT)
	default:
		var secret []byte
		secret, err = ownSecret(SecretFile(o.Data))
		opts = auth.Options{HS256Secret: secret, Issuer: o.JWT.Issuer, Audience: o.JWT.Audience}
	}
	if err != nil {
		return nil, err
	}
	v, err := auth.NewVerifier(opts)
	if err != nil {
		return nil, err
	}
	if opts.Keys != nil {
		c.stack.Run("keys", opts.Keys.Run)
		c.issuer = opts.Keys
	}
	if o.DevTokens {
		if len(opts.HS256Secret) == 0 {
			return nil, errors.New("dev tokens need an HS256 secret: set --dev-tokens=false, or leave the key to parley")
		}
		c.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: opts.HS256Secret, Issuer: opts.Issuer, Audience: opts.Audience})
	}
	return v, err
}

// ownSecret reads a secret under the data folder, and makes it first if it is not
// there.
func ownSecret(path string) ([]byte, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, os.ErrExist) {
		opts, err := auth.LoadFiles(auth.FileOptions{HS256SecretFile: path})
		return opts.HS256Secret, err
	}
	if err != nil {
		return nil, fmt.Errorf("make a secret: %w", err)
	}
	secret := auth.NewSecret()
	_, err = f.Write(secret)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("write a secret: %w", err)
	}
	return secret, nil
}

// listen takes the ports, before anything else is started.
func (c *Cluster) listen(o Options) ([]net.Listener, error) {
	host, port := "127.0.0.1", 0
	if o.Listen != "" {
		h, p, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return nil, fmt.Errorf("--listen %s: %w", o.Listen, err)
		}
		if port, err = strconv.Atoi(p); err != nil {
			return nil, fmt.Errorf("--listen %s: the port is no number", o.Listen)
		}
		host = h
	}
	var list []net.Listener
	for i := range o.Gateways {
		at := port
		if port != 0 {
			at += i
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(host, strconv.Itoa(at)))
		if err != nil {
			return nil, fmt.Errorf("%w (take another port with --listen :8090)", err)
		}
		c.stack.Add("listener "+ln.Addr().String(), func(context.Context) error {
			_ = ln.Close() // the server has closed it already, if it came that far
			return nil
		})
		list = append(list, ln)
		shown := host
		if ip := net.ParseIP(host); host == "" || ip != nil && (ip.IsUnspecified() || ip.IsLoopback()) {
			shown = "localhost"
		}
		c.URLs = append(c.URLs, "http://"+net.JoinHostPort(shown, strconv.Itoa(ln.Addr().(*net.TCPAddr).Port)))
	}
	return list, nil
}

func (c *Cluster) openStore(ctx context.Context, o Options) (Store, error) {
	if o.Store != nil {
		return o.Store, nil
	}
	var st Store
	var err error
	if o.MongoURI != "" {
		err = lifecycle.WaitFor(ctx, o.Log, "mongodb", func(ctx context.Context) (err error) {
			st, err = mongostore.Open(ctx, mongostore.Options{URI: o.MongoURI, Logger: o.Log})
			if errors.Is(err, mongostore.ErrArbiter) {
				return lifecycle.Permanent(err)
			}
			return err
		})
	} else {
		st, err = pebblestore.Open(pebblestore.Options{Dir: filepath.Join(o.Data, "store"), Logger: o.Log})
	}
	if err != nil {
		return nil, fmt.Errorf("open the store: %w", err)
	}
	c.stack.Add("store", func(context.Context) error { return st.Close() })
	return st, nil
}

func (c *Cluster) nats(o Options) (url string, err error) {
	if o.NATSURL != "" {
		return o.NATSURL, nil
	}
	srv, err := natsserver.Start(natsserver.Options{Logger: o.Log})
	if err != nil {
		return "", fmt.Errorf("start NATS: %w", err)
	}
	c.stack.Add("nats", func(context.Context) error { srv.Stop(); return nil })
	return srv.URL(), nil
}

func (c *Cluster) serve(i int, ln net.Listener, h http.Handler, log *slog.Logger) {
	stop := rest.Start(rest.NewServer(h, log), ln, func(err error) { c.failed <- err })
	c.stack.Add(fmt.Sprint("http ", i+1), stop)
}

// Failed yields an error if a part of the cluster ends by itself.
func (c *Cluster) Failed() <-chan error { return c.failed }

// Stats are the counts of every gateway.
func (c *Cluster) Stats() []gateway.Stats {
	var list []gateway.Stats
	for _, g := range c.gates {
		list = append(list, g.Stats())
	}
	return list
}

// Online is what every gateway knows of who is online.
func (c *Cluster) Online() []gateway.Online {
	var list []gateway.Online
	for _, g := range c.gates {
		list = append(list, g.Online())
	}
	return list
}

// Operate adds what operators ask of a cluster to an operations port.
func (c *Cluster) Operate(o *ops.Server) { c.gates[0].Operate(o) }

// Search is the search index; nil: there is none.
func (c *Cluster) Search() *history.Search { return c.search }

// Token makes a token for a user, if dev tokens are on.
func (c *Cluster) Token(user chat.User) (string, error) {
	if c.signer == nil {
		return "", errors.New("dev tokens are switched off")
	}
	return c.signer.Sign(auth.Identity{User: user}, DevTokenTTL)
}

// Stop ends everything in reverse order. It blocks until that is done or ctx ends.
func (c *Cluster) Stop(ctx context.Context) error { return c.stack.Close(ctx) }
