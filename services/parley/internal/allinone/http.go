package allinone

import (
	_ "embed"
	"html/template"
	"net/http"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway"
	"github.com/parley-chat/parley/services/history"
)

//go:embed front.html
var frontHTML string

var frontPage = template.Must(template.New("front").Parse(frontHTML))

// handler is one address for everything: what reads goes to history, the socket
// and what changes something to the gateway (PROTOCOL §5).
func (c *Cluster) handler(o Options, g *gateway.Gateway, h *history.Service) http.Handler {
	write, read := g.Handler(), h.Handler()
	origins := rest.Origins(o.Origins)
	token := origins.Handler(http.HandlerFunc(c.serveToken))
	blobs := origins.Handler(c.blobs)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/dev/token" && c.signer != nil:
			token.ServeHTTP(w, r)
		case r.URL.Path == "/":
			c.serveFront(w, r, o)
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

// serveToken answers POST /dev/token: whoever can reach it can be anybody.
func (c *Cluster) serveToken(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		rest.MethodNotAllowed(w, http.MethodPost, `ask with POST {"user": "alice"}`)
		return
	}
	var in wire.TokenRequest
	if err := rest.ReadJSON(w, r, 4<<10, &in); err != nil {
		rest.Error(w, err)
		return
	}
	if !in.User.Valid() {
		rest.Error(w, chat.Errorf(chat.CodeBadRequest, `"user" is missing or not a user id`))
		return
	}
	tok, err := c.Token(in.User)
	if err != nil {
		rest.Error(w, err)
		return
	}
	rest.JSON(w, http.StatusOK, wire.Token{Token: tok})
}

func (c *Cluster) serveFront(w http.ResponseWriter, r *http.Request, o Options) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	_ = frontPage.Execute(w, struct { // a client that goes away is nobody's business
		Version, URL string
		Gateways     []string
		DevTokens    bool
	}{o.Version, "http://" + r.Host, c.URLs, c.signer != nil})
}
