package allinone

import (
	"net/http"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/contract"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/history"
	"github.com/parley-chat/parley/services/parley/internal/devtoken"
	"github.com/parley-chat/parley/web"
)

// handler is one address for everything: what reads goes to history, the socket
// and what changes something to the gateway (PROTOCOL §5), and the chat's own files
// to the browser.
func (c *Cluster) handler(o Options, g *gateway.Gateway, h *history.Service, app *web.App) http.Handler {
	write, read := g.Handler(), h.Handler()
	origins := rest.Origins(o.Origins)
	token := origins.Handler(devtoken.Handler(c.Token)) // whoever can reach it can be anybody
	blobs := origins.Handler(c.blobs)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == devtoken.Path && c.signer != nil:
			token.ServeHTTP(w, r)
		case app.Has(r.URL.Path):
			app.ServeHTTP(w, r)
		case c.blobs != nil && strings.HasPrefix(r.URL.Path, c.blobs.Path()):
			blobs.ServeHTTP(w, r)
		case r.URL.Path == "/v1/ws":
			write.ServeHTTP(w, r)
		case r.Method == http.MethodGet || !takes(r):
			read.ServeHTTP(w, r) // also says what else can be done at a path
		default:
			write.ServeHTTP(w, r)
		}
	})
}

// takes says whether a request is one of the API's, by its method and path.
func takes(r *http.Request) bool {
	return slices.Contains(contract.Methods(r.URL.EscapedPath()), r.Method)
}
