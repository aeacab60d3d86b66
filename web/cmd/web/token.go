package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
)

// tokenPath is where the page asks for a token by a name alone.
const tokenPath = "/dev/token"

// mostTokens is how many requests for a token are under way at a time; more get 503.
const mostTokens = 100

// serveToken passes a request for a token on to the service that signs: this program
// cannot, it has no secret. Whoever asks can be anybody, so only who asks for localhost
// gets one, and a page only if it is this address's own. In a container, which must
// listen for all, the Host is what keeps a page of somebody else's away, whose name was
// made to lead to this machine (DNS rebinding), and people who reach the machine by its
// name; who makes requests by hand can write any Host.
func (f *front) serveToken(w http.ResponseWriter, r *http.Request) {
	switch {
	case !loopback(r.Host):
		rest.Error(w, chat.Errorf(chat.CodeNotFound, "dev tokens are given out to localhost only"))
	case !rest.Origins(nil).Allow(r):
		rest.Error(w, chat.Errorf(chat.CodeForbidden, "this origin is not allowed"))
	case r.Method != http.MethodPost:
		rest.MethodNotAllowed(w, http.MethodPost, `ask with POST {"user": "alice"}`)
	default:
		f.token.ServeHTTP(w, r)
	}
}

// loopback reports whether a Host is localhost or a loopback address, with any port.
func loopback(hostport string) bool {
	host := hostport
	if h, _, err := net.SplitHostPort(hostport); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.IsLoopback()
}
