package allinone

import (
	"net/http"
	"strings"

	"github.com/parley-chat/parley/pkg/devtoken"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/history"
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
		case r.Method == http.MethodGet || r.Method == http.MethodHead || r.Method == http.MethodOptions:
			read.ServeHTTP(w, r)
		default:
			write.ServeHTTP(w, r)
		}
	})
}
