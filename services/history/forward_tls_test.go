package history

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/certs/certstest"
	"github.com/parley-chat/parley/pkg/chat"
)

// A gateway with TLS is believed if one of the authorities says that it is the one of
// the URL, whatever host the client named.
func TestForwardTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ca := certstest.NewAuthority(t)
		serve := func(name string) *url.URL {
			back := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			back.TLS = ca.Server(name)
			back.StartTLS()
			t.Cleanup(back.Close)
			return parse(t, back.URL)
		}
		back, plain := serve("127.0.0.1"), *serve("127.0.0.1")
		plain.Scheme = "http"
		for _, c := range []struct {
			name   string
			cas    *x509.CertPool
			url    *url.URL
			status int
		}{
			{"trusted", ca.Pool, back, http.StatusNoContent},
			{"another name", ca.Pool, serve("localhost"), http.StatusServiceUnavailable},
			{"another authority", x509.NewCertPool(), back, http.StatusServiceUnavailable},
			{"without TLS", ca.Pool, &plain, http.StatusBadRequest}, // net/http's answer
		} {
			h := newFixture(t).handler(func(o *Options) { o.GatewayURL, o.GatewayCAs = c.url, c.cas })
			a := ask(h, "POST", "/v1/messages", "_/alice")
			if a.status != c.status {
				t.Errorf("%s: %d %s", c.name, a.status, a.body)
			}
			if c.status == http.StatusServiceUnavailable && a.problem(t) != chat.CodeUnavailable {
				t.Errorf("%s: %s", c.name, a.body)
			}
		}
	})
}
