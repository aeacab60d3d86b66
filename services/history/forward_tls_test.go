package history

import (
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// A gateway with TLS is believed if one of the authorities says that it is the one of
// the URL, whatever host the client named.
func TestForwardTLS(t *testing.T) {
	back := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	defer back.Close()
	trusted := x509.NewCertPool()
	trusted.AddCert(back.Certificate())
	for _, c := range []struct {
		name   string
		cas    *x509.CertPool
		url    string
		status int
	}{
		{"trusted", trusted, back.URL, http.StatusNoContent},
		{"another name", trusted, "https://localhost:" + parse(t, back.URL).Port(), http.StatusServiceUnavailable},
		{"another authority", x509.NewCertPool(), back.URL, http.StatusServiceUnavailable},
		{"without TLS", trusted, "http://" + parse(t, back.URL).Host, http.StatusBadRequest}, // net/http's answer
	} {
		h := newFixture(t).handler(func(o *Options) { o.GatewayURL, o.GatewayCAs = parse(t, c.url), c.cas })
		a := ask(h, "POST", "/v1/messages", "_/alice")
		if a.status != c.status {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		if c.status == http.StatusServiceUnavailable && a.problem(t) != chat.CodeUnavailable {
			t.Errorf("%s: %s", c.name, a.body)
		}
	}
}
