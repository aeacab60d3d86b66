// Package forward passes requests on to another service of the cluster: from history
// to the gateways, and from the page's server to both in installations that have no
// proxy for it. It stands before step 1; the service behind judges a request as if it
// had come to it directly.
package forward

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/tracing"
)

// The bounds of a request that is passed on. A client gives an answer up after 10 s
// (PROTOCOL §4), so waiting longer for its beginning helps nobody.
const (
	dialTimeout   = 2 * time.Second // for each place
	answerTimeout = 10 * time.Second
	idleTimeout   = 60 * time.Second
	idleConns     = 64

	defaultMost = 10_000
)

// Options configure a [Proxy]. To and Name must be set.
type Options struct {
	// To are the places of one service: scheme, host and port. Connections are dialled
	// to each in turn; one that cannot be reached is passed over. At least one.
	To []*url.URL
	// Authorities are whom places with https are checked by; nil: those of the system.
	Authorities *x509.CertPool
	// Name is who passes on, for the header Via (RFC 9110 §7.6.3): "parley-history".
	Name string
	// Most is how many requests are passed on at a time, sockets included; more get 503.
	// Default 10,000.
	Most int
	// Request may change what is sent; it sees what came. Nil: nothing is.
	Request func(out, in *http.Request)
	// Answer may change what comes back. Nil: nothing is.
	Answer func(*http.Response)
	// Log is told of places that do not answer. Nil: nobody is.
	Log *slog.Logger
}

// Proxy is an http.Handler that streams bodies and answers, and WebSockets once their
// handshake is answered. It keeps the host and the token that the client named, and
// adds the client's address to X-Forwarded-For and Forwarded: what stands left of that
// is the client's own word, see package guard. Its methods are safe for concurrent use.
type Proxy struct {
	via     string
	proxy   *httputil.ReverseProxy
	idle    func()
	places  chan struct{} // one for each request under way
	closing context.Context
	close   context.CancelFunc

	mu    sync.Mutex
	ended bool // nothing is passed on any more
	under sync.WaitGroup
}

// New makes a proxy. It connects to nobody yet.
func New(o Options) *Proxy {
	if o.Most == 0 {
		o.Most = defaultMost
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Proxy{via: "1.1 " + o.Name, places: make(chan struct{}, o.Most)}
	p.closing, p.close = context.WithCancel(context.Background())
	transport := newTransport(&o)
	p.idle = transport.CloseIdleConnections
	p.proxy = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(o.To[0]) // the transport knows the others
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header["Forwarded"] = append(slices.Clone(r.In.Header["Forwarded"]), `for="`+r.In.RemoteAddr+`"`)
			r.Out.Header.Add("Via", p.via)
			if o.Request != nil {
				o.Request(r.Out, r.In)
			}
		},
		Transport: transport,
		ModifyResponse: func(resp *http.Response) error {
			if o.Answer != nil {
				o.Answer(resp)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if !errors.Is(err, context.Canceled) {
				o.Log.Error("the service behind does not answer", "method", r.Method, tracing.From(r.Context()).LogAttr(), "error", err)
			}
			rest.Error(w, chat.Unavailable("the service behind this address does not answer now; repeat this unchanged"))
		},
		ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	return p
}

// CameBack reports whether a request has been here before: the place that it is passed
// on to leads back.
func (p *Proxy) CameBack(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Via"), func(v string) bool { return strings.Contains(v, p.via) })
}

// ServeHTTP passes a request on, and returns when its answer, or its socket, has ended.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if p.CameBack(r) {
		rest.Error(w, chat.Unavailable("what this address passes on comes back to it"))
		return
	}
	if !p.begin() {
		rest.Error(w, chat.Unavailable("too much is passed on now; repeat this later"))
		return
	}
	defer p.end()
	// httputil ends a socket with the context of its request, and net/http knows
	// nothing of sockets any more.
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(p.closing, cancel)()
	p.proxy.ServeHTTP(w, r.WithContext(ctx))
}

func (p *Proxy) begin() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return false
	}
	select {
	case p.places <- struct{}{}:
		p.under.Add(1)
		return true
	default:
		return false
	}
}

func (p *Proxy) end() {
	<-p.places
	p.under.Done()
}

// Close ends what is under way, sockets included, refuses what comes, and waits until
// all has ended, or ctx has. Shut the server down before: it answers what can be.
func (p *Proxy) Close(ctx context.Context) error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.close()
	defer p.idle()
	gone := make(chan struct{})
	go func() { // ends when the last request has, which Close has told to
		defer close(gone)
		p.under.Wait()
	}()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("end what is passed on: %w", ctx.Err())
	}
}
