package rest

import (
	"fmt"
	"net/http"
	"net/url"
	"path"
	"strings"
	"unicode/utf8"

	"github.com/parley-chat/parley/pkg/chat"
)

// Origins is which pages in a browser may use the API beside those of the same
// host: patterns as of [path.Match], for the host of an origin of the web
// ("*.example.org": http and https) or, where they contain "://", for scheme and
// host ("capacitor://localhost"). The zero value allows the same host alone.
type Origins []string

// Check returns an error that names the first pattern that is malformed.
func (o Origins) Check() error {
	for _, pattern := range o {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("allowed origin %q: %w", pattern, err)
		}
	}
	return nil
}

// Allow reports whether a request's Origin is allowed. Clients that are no
// browsers send none, and are. "null", which is what pages in sandboxes and files
// send, is never allowed: anybody can be that.
func (o Origins) Allow(r *http.Request) bool {
	switch list := r.Header.Values("Origin"); {
	case len(list) == 0, len(list) == 1 && list[0] == "":
		return true
	case len(list) > 1:
		return false
	default:
		u := parseOrigin(list[0])
		return u != nil && (sameHost(r, u) || o.listed(u))
	}
}

// parseOrigin reads what a browser sends (RFC 6454 §6.2): scheme, host and port in
// ASCII, and nothing else. Nil: it is something else. What [url.Parse] passes over
// (an empty fragment) or decodes is therefore refused too, and so is what only
// Unicode's case folding makes equal to a host ("ſ" to "s").
func parseOrigin(origin string) *url.URL {
	u, err := url.Parse(origin)
	if err != nil || u.Scheme == "" || u.Host == "" {
		return nil
	}
	u = &url.URL{Scheme: u.Scheme, Host: u.Host}
	for i := range len(origin) {
		if origin[i] >= utf8.RuneSelf {
			return nil
		}
	}
	if !strings.EqualFold(origin, u.Scheme+"://"+u.Host) {
		return nil
	}
	return u
}

// ofWeb reports whether an origin is that of a page of the web, and not of an
// extension's, an app's or a file's.
func ofWeb(u *url.URL) bool { return u.Scheme == "https" || u.Scheme == "http" }

// sameHost compares host and port, as the client named them. The scheme is compared
// where it is known: behind a proxy that ends TLS it is not.
func sameHost(r *http.Request, u *url.URL) bool {
	return ofWeb(u) && (u.Scheme == "https" || r.TLS == nil) && strings.EqualFold(u.Host, r.Host)
}

func (o Origins) listed(u *url.URL) bool {
	for _, pattern := range o {
		target := u.Host
		if strings.Contains(pattern, "://") {
			target = u.Scheme + "://" + u.Host
		} else if !ofWeb(u) {
			continue
		}
		if strings.EqualFold(pattern, target) {
			return true // an IPv6 address in brackets is no pattern
		}
		if ok, err := path.Match(strings.ToLower(pattern), strings.ToLower(target)); ok && err == nil {
			return true
		}
	}
	return false
}

// Handler lets pages of allowed origins use next (CORS), answers their preflight
// requests, and refuses other origins with forbidden. No credentials mode is
// needed: tokens are sent, not cookies.
func (o Origins) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Origin")
		if !o.Allow(r) {
			Error(w, chat.Errorf(chat.CodeForbidden, "this origin is not allowed"))
			return
		}
		if origin := r.Header.Get("Origin"); origin != "" {
			w.Header().Set("Access-Control-Allow-Origin", origin)
			w.Header().Set("Access-Control-Expose-Headers", "Retry-After, WWW-Authenticate")
		}
		if r.Method != http.MethodOptions || r.Header.Get("Access-Control-Request-Method") == "" {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
		h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Idempotency-Key")
		h.Set("Access-Control-Max-Age", "600")
		w.WriteHeader(http.StatusNoContent)
	})
}
