package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestTLS(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", ""},
		{"--tls-cert-file=c --tls-key-file=k", ""},
		{"--tls-cert-file=c", "set --tls-cert-file or PARLEY_TLS_CERT_FILE and --tls-key-file or PARLEY_TLS_KEY_FILE"},
		{"--tls-key-file=k", "without its certificate"},
		{"--gateway-url=https://gateway:8080 --gateway-ca-file=ca", ""},
		{"--gateway-url=http://gateway:8080 --gateway-ca-file=ca", "set --gateway-url or PARLEY_GATEWAY_URL to https://"},
		{"--gateway-ca-file=ca", "is for gateways with TLS"},
	} {
		var s struct {
			config.TLS
			config.Gateway
		}
		err := config.New("history", "serves", &s.TLS, &s.Gateway).Parse(strings.Fields(c.args))
		if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.args, err, c.want)
		}
	}
}
