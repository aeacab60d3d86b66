package history

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/tracing"
)

// The bounds of a request that is passed on. A client gives an answer up after
// 10 s (PROTOCOL §4), so waiting longer helps nobody.
const (
	dialTimeout   = 2 * time.Second
	answerTimeout = 10 * time.Second
	idleTimeout   = 60 * time.Second
	idleConns     = 64
)

// via marks what this service has passed on (RFC 9110 §7.6.3), so that a gateway
// address that leads back here is noticed.
const via = "1.1 parley-history"

// forwardTo passes requests on to a gateway: body and answer are streamed, and
// the token and the host that the client named are kept, so the gateway judges
// the request as if it had come to it directly.
func forwardTo(gateway *url.URL, authorities *x509.CertPool, log *slog.Logger) http.Handler {
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(gateway)
			r.Out.Host = r.In.Host
			r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			r.SetXForwarded()
			r.Out.Header["Forwarded"] = append(slices.Clone(r.In.Header["Forwarded"]), `for="`+r.In.RemoteAddr+`"`)
			r.Out.Header.Add("Via", via)
			tracing.SetParent(r.Out.Header, tracing.From(r.In.Context())) // not what a client says
		},
		Transport: &http.Transport{
			DialContext:           (&net.Dialer{Timeout: dialTimeout}).DialContext,
			ResponseHeaderTimeout: answerTimeout,
			TLSHandshakeTimeout:   dialTimeout,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: authorities},
			IdleConnTimeout:       idleTimeout,
			MaxIdleConnsPerHost:   idleConns,
			DisableCompression:    true, // as it comes
		},
		ModifyResponse: dropCORS,
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			if log != nil && !errors.Is(err, context.Canceled) {
				log.Error("gateway does not answer", "method", r.Method, tracing.From(r.Context()).LogAttr(), "error", err)
			}
			rest.Error(w, chat.Unavailable("the gateway does not answer now; repeat this unchanged"))
		},
		ErrorLog: slog.NewLogLogger(handlerOf(log), slog.LevelError),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if cameBack(r) {
			refuseWrite(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

func cameBack(r *http.Request) bool {
	return slices.ContainsFunc(r.Header.Values("Via"), func(v string) bool { return strings.Contains(v, via) })
}

// dropCORS removes what the gateway says about origins: it is said here already,
// and browsers refuse an answer that has it twice.
func dropCORS(resp *http.Response) error {
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			resp.Header.Del(name)
		}
	}
	return nil
}

func handlerOf(log *slog.Logger) slog.Handler {
	if log == nil {
		return slog.DiscardHandler
	}
	return log.Handler()
}
