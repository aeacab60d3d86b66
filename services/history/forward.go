package history

import (
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/forward"
	"github.com/parley-chat/parley/pkg/tracing"
)

// forwardTo passes requests on to a gateway, see [forward.Proxy]. A gateway address
// that leads back here is noticed.
func forwardTo(gateway *url.URL, authorities *x509.CertPool, log *slog.Logger) http.Handler {
	proxy := forward.New(forward.Options{To: []*url.URL{gateway}, Authorities: authorities, Name: "parley-history", Log: log,
		Request: func(out, in *http.Request) { tracing.SetParent(out.Header, tracing.From(in.Context())) }, // not what a client says
		Answer: func(resp *http.Response) {
			dropCORS(resp)
			addReads(resp, strings.TrimPrefix(resp.Request.URL.EscapedPath(), gateway.EscapedPath()))
		}})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if proxy.CameBack(r) {
			refuseWrite(w, r)
			return
		}
		proxy.ServeHTTP(w, r)
	})
}

// dropCORS removes what the gateway says about origins: it is said here already,
// and browsers refuse an answer that has it twice.
func dropCORS(resp *http.Response) {
	for name := range resp.Header {
		if strings.HasPrefix(name, "Access-Control-") {
			resp.Header.Del(name)
		}
	}
}

// addReads completes what a gateway says can be done at a path: it does not know of
// what is read here.
func addReads(resp *http.Response, path string) {
	if resp.StatusCode != http.StatusMethodNotAllowed || !slices.Contains(contract.Methods(path), http.MethodGet) {
		return
	}
	if allow := resp.Header.Get("Allow"); !strings.Contains(allow, http.MethodGet) {
		resp.Header.Set("Allow", http.MethodGet+", "+allow)
	}
}
