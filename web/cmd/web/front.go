package main

import (
	"context"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/forward"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/web"
)

// behind is what the page's address passes on, in an installation that has no proxy
// which does. The zero value: nothing.
type behind struct {
	gateways []*url.URL
	history  []*url.URL
	bucket   *url.URL   // nil: files are at another address
	tokens   []*url.URL // nil: nobody gets one here
	caFile   string
}

func (b *behind) Register(fs *flag.FlagSet) {
	fs.Func("gateway-url", "pass /v1/ws and what changes something on to the gateways at these `urls`, with commas between them;\nnone: to nobody, because a proxy in front does that", places(&b.gateways))
	fs.Func("history-url", "pass what is read below /v1 on to the history services at these `urls`, with commas between them", places(&b.history))
	fs.StringVar(&b.caFile, "gateway-ca-file", "", "trust the authorities in this PEM `file`, where gateways and history have https;\nnone: those of the system")
	fs.Func("bucket-url", "pass presigned requests for files on to the S3-compatible store at this `url`, whose path is the bucket;\nits public endpoint is then the page's address", func(s string) (err error) {
		b.bucket, err = parsePlace(s)
		if err == nil && (b.bucket.Path == "" || strings.Contains(b.bucket.Path, "/")) {
			err = errors.New("it does not end with a bucket, as http://s3:9000/parley does")
		}
		return err
	})
	fs.Func("dev-token-url", "pass POST /dev/token on to the \"parley dev-tokens\" at this `url`, for those who ask for localhost:\nit makes anybody anybody, to try a deployment out with that nobody else reaches; none: no tokens here", places(&b.tokens))
}

func places(list *[]*url.URL) func(string) error {
	return func(s string) error {
		*list = nil
		for part := range strings.SplitSeq(s, ",") {
			u, err := parsePlace(part)
			if err != nil {
				return err
			}
			if u.Path != "" {
				return fmt.Errorf("%.80q has a path", part)
			}
			*list = append(*list, u)
		}
		return nil
	}
}

// parsePlace reads scheme, host and port, and a path without the slash before it.
func parsePlace(s string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimSpace(s))
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("it is not of the form http://host:port")
	}
	u.Path = strings.Trim(u.Path, "/")
	return u, nil
}

// Validate refuses half a way.
func (b *behind) Validate() error {
	set := func(name string) string { return "--" + name + " or " + config.EnvName(name) }
	switch {
	case (b.gateways == nil) != (b.history == nil):
		return fmt.Errorf("gateways without history, or history without gateways: set %s and %s", set("gateway-url"), set("history-url"))
	case b.gateways == nil && (b.bucket != nil || b.tokens != nil || b.caFile != ""):
		return fmt.Errorf("nobody to pass requests on to: set %s and %s", set("gateway-url"), set("history-url"))
	}
	return nil
}

// front is one address for everything: the chat's files, and what they ask for.
type front struct {
	app              *web.App
	gateway, history *forward.Proxy
	bucket           *forward.Proxy // nil: files are at another address
	prefix           string         // of what the bucket answers
	token            *forward.Proxy // nil: nobody gets one
}

func newFront(b *behind, app *web.App, log *slog.Logger) (*front, error) {
	var authorities *x509.CertPool
	var err error
	if b.caFile != "" {
		if authorities, err = certs.Pool(b.caFile); err != nil {
			return nil, err
		}
	}
	f := &front{app: app}
	to := func(o forward.Options) *forward.Proxy {
		o.Name, o.Log = "parley-web", log
		return forward.New(o)
	}
	f.gateway = to(forward.Options{To: b.gateways, Authorities: authorities})
	f.history = to(forward.Options{To: b.history, Authorities: authorities})
	if b.tokens != nil {
		f.token = to(forward.Options{To: b.tokens, Authorities: authorities, Most: mostTokens, Request: bare})
	}
	if b.bucket != nil {
		f.prefix = "/" + b.bucket.Path + "/"
		f.bucket = to(forward.Options{To: []*url.URL{{Scheme: b.bucket.Scheme, Host: b.bucket.Host}}, Request: bare, Answer: foreign})
	}
	return f, nil
}

// bare leaves out what neither a signed URL nor a request for a token needs, and a
// service that checks no tokens must not see.
func bare(out, _ *http.Request) {
	out.Header.Del("Authorization")
	out.Header.Del("Cookie")
}

// foreign says of a file that it is somebody else's content on this origin: it is taken
// for what it was found to be, and what runs in it runs nowhere.
func foreign(resp *http.Response) {
	resp.Header.Del("Set-Cookie")
	resp.Header.Set("X-Content-Type-Options", "nosniff")
	resp.Header.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	resp.Header.Set("Referrer-Policy", "no-referrer")
}

// ServeHTTP splits by path and method, as the shipped route does.
func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions
	switch {
	case path == tokenPath && f.token != nil:
		f.serveToken(w, r)
	case f.bucket != nil && strings.HasPrefix(path, f.prefix):
		f.serveFile(w, r)
	case path == "/v1/ws":
		f.gateway.ServeHTTP(w, r)
	case path != "/openapi.json" && path != "/asyncapi.json" && !strings.HasPrefix(path, "/v1/"):
		f.app.ServeHTTP(w, r)
	case reads:
		f.history.ServeHTTP(w, r)
	default:
		f.gateway.ServeHTTP(w, r)
	}
}

// serveFile gives a file the time that its size asks for: the server's own bounds are
// for requests.
func (f *front) serveFile(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
	case http.MethodPut:
		if r.ContentLength < 0 {
			rest.Error(w, chat.Errorf(chat.CodeBadRequest, "a file is uploaded with a Content-Length"))
			return
		}
		c, deadline := http.NewResponseController(w), time.Now().Add(rest.TransferTime(r.ContentLength))
		// Where the connection cannot be given more time, the server's own bounds hold.
		_ = errors.Join(c.SetReadDeadline(deadline), c.SetWriteDeadline(deadline.Add(time.Minute)))
	default:
		rest.MethodNotAllowed(w, "GET, HEAD, PUT", "a file is uploaded with PUT and downloaded with GET")
		return
	}
	f.bucket.ServeHTTP(&timed{w}, r)
}

// timed lets an answer take the time that its length asks for.
type timed struct{ http.ResponseWriter }

// Unwrap is for [http.ResponseController].
func (t *timed) Unwrap() http.ResponseWriter { return t.ResponseWriter }

func (t *timed) WriteHeader(status int) {
	if size, err := strconv.ParseInt(t.Header().Get("Content-Length"), 10, 64); err == nil {
		_ = http.NewResponseController(t.ResponseWriter).SetWriteDeadline(time.Now().Add(rest.TransferTime(size)))
	}
	t.ResponseWriter.WriteHeader(status)
}

// Close ends what is passed on, sockets included.
func (f *front) Close(ctx context.Context) error {
	errs := []error{f.gateway.Close(ctx), f.history.Close(ctx)}
	for _, p := range []*forward.Proxy{f.bucket, f.token} {
		if p != nil {
			errs = append(errs, p.Close(ctx))
		}
	}
	return errors.Join(errs...)
}
