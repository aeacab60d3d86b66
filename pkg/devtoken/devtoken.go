// Package devtoken gives out tokens to whoever asks, so that people can try a
// deployment out without a login of their own. Whoever reaches it can be anybody: it
// has no place where others can.
package devtoken

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/wire"
)

// Path is where clients ask.
const Path = "/dev/token"

// TTL is how long these tokens are good.
const TTL = 24 * time.Hour

// Handler answers POST {"user": "alice"} with a token that sign made for the user. The
// error of sign is what the client gets, if it is a chat.Error.
func Handler(sign func(chat.User) (string, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		token, err := sign(in.User)
		if err != nil {
			rest.Error(w, err)
			return
		}
		rest.JSON(w, http.StatusOK, wire.Token{Token: token})
	})
}

// Loopback answers 404 to those who did not ask for localhost or a loopback address. In
// a container, which must listen for all, that is what keeps a page of somebody else's
// away, whose name was made to lead to this machine (DNS rebinding), and people who
// reach the machine by its name; who makes requests by hand can write any Host.
func Loopback(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !loopback(r.Host) {
			rest.Error(w, chat.Errorf(chat.CodeNotFound, "dev tokens are given out to localhost only"))
			return
		}
		next.ServeHTTP(w, r)
	})
}

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
