package rest

import (
	"crypto/tls"
	"net/http"
	"net/http/httptest"
	"testing"
)

// Which pages may use a server at chat.example, by what their browser says.
func TestOriginTable(t *testing.T) {
	both := Origins{"*.app.example", "https://secure.example", "ports.example:*", "https://[2001:db8::1]"}
	for _, c := range []struct {
		origins []string
		tls     bool
		allowed Origins
		want    bool
	}{
		{nil, false, nil, true}, // no browser
		{[]string{""}, false, nil, true},
		{[]string{"https://chat.example"}, false, nil, true},
		{[]string{"http://chat.example"}, false, nil, true}, // TLS may end before
		{[]string{"http://chat.example"}, true, nil, false}, // and here it does not
		{[]string{"https://chat.example"}, true, nil, true},
		{[]string{"https://chat.example:8443"}, false, nil, false},
		{[]string{"https://CHAT.example"}, false, nil, true},
		{[]string{"https://chat.example."}, false, nil, false},
		{[]string{"null"}, false, nil, false},
		{[]string{"null"}, false, Origins{"null", "*"}, false},
		{[]string{"https://null"}, false, Origins{"*.null"}, false},
		{[]string{"file://"}, false, nil, false},
		{[]string{"file://chat.example"}, false, nil, false},
		{[]string{"chrome-extension://chat.example"}, false, nil, false},
		{[]string{"https://chat.example/"}, false, nil, false}, // no browser sends that
		{[]string{"https://chat.example/path"}, false, nil, false},
		{[]string{"https://chat.example?x"}, false, nil, false},
		{[]string{"https://chat.example#x"}, false, nil, false},
		{[]string{"https://chat.example@evil.example"}, false, nil, false},
		{[]string{"https://evil@chat.example"}, false, nil, false},
		{[]string{"https://chat.example", "https://evil.example"}, false, nil, false},
		{[]string{"https://evil.example", "https://chat.example"}, false, nil, false},
		{[]string{"https://chat.example https://evil.example"}, false, nil, false},
		{[]string{"chat.example"}, false, nil, false},
		{[]string{"//chat.example"}, false, nil, false},
		{[]string{"https://chat.example\t"}, false, nil, false},

		{[]string{"https://a.app.example"}, false, both, true},
		{[]string{"http://a.app.example"}, false, both, true},
		{[]string{"https://a.b.app.example"}, false, both, true},
		{[]string{"https://app.example"}, false, both, false},
		{[]string{"https://badapp.example"}, false, both, false},
		{[]string{"https://a.app.example:8443"}, false, both, false},
		{[]string{"https://a.app.example.evil.example"}, false, both, false},
		{[]string{"https://evil.example/.app.example"}, false, both, false},
		{[]string{"https://evil.example?.app.example"}, false, both, false},
		{[]string{"https://evil.example#.app.example"}, false, both, false},
		{[]string{"https://evil.example\\.app.example"}, false, both, false},
		{[]string{"https://evil.example:80.app.example"}, false, both, false},
		{[]string{"https://secure.example"}, false, both, true},
		{[]string{"http://secure.example"}, false, both, false},
		{[]string{"https://SECURE.example"}, false, both, true},
		{[]string{"https://ports.example:1"}, false, both, true},
		{[]string{"https://ports.example"}, false, both, false},
		{[]string{"https://[2001:db8::1]"}, false, both, true},
		{[]string{"https://[2001:db8::2]"}, false, both, false},
		{[]string{"https://xn--e1afmkfd.example"}, false, Origins{"*.example"}, true},
		{[]string{"https://a.app.example#"}, false, both, false},
		{[]string{"https://a.app.example?"}, false, both, false},
		{[]string{"//a.app.example"}, false, both, false},
		{[]string{"://a.app.example"}, false, both, false},
		{[]string{"https://\u017fecure.example"}, false, both, false}, // folds to secure
		{[]string{"https://%C3%A9.app.example"}, false, both, false},
		{[]string{"HTTPS://A.App.Example"}, false, both, true},
		{[]string{"ftp://a.app.example"}, false, both, false},
		{[]string{"capacitor://localhost"}, false, Origins{"localhost"}, false},
		{[]string{"capacitor://localhost"}, false, Origins{"capacitor://localhost"}, true},
	} {
		r := httptest.NewRequest("GET", "http://chat.example/v1/ws", nil)
		if c.tls {
			r.TLS = &tls.ConnectionState{}
		}
		if c.origins != nil {
			r.Header["Origin"] = c.origins
		}
		if got := c.allowed.Allow(r); got != c.want {
			t.Errorf("origin %q, TLS %v, allowed %q: %v", c.origins, c.tls, c.allowed, got)
		}
	}
}

// What is refused gets no CORS header that would let a page read the refusal.
func TestRefusedOriginGetsNoCORS(t *testing.T) {
	h := Origins{"*.app.example"}.Handler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { JSON(w, 200, "ok") }))
	for _, origin := range []string{"null", "https://evil.example", "https://app.example"} {
		w := get(h, func(r *http.Request) { r.Header.Set("Origin", origin) })
		for name := range w.Header() {
			if len(name) > 14 && name[:15] == "Access-Control-" {
				t.Errorf("%s gets %s", origin, name)
			}
		}
		if w.Code != 403 || w.Header().Get("Vary") != "Origin" {
			t.Errorf("%s: %d, Vary %q", origin, w.Code, w.Header().Get("Vary"))
		}
	}
}
