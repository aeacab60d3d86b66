package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestTrace(t *testing.T) {
	for _, c := range []struct{ args, err string }{
		{"", ""},
		{"--otlp-endpoint http://c:4318 --trace-sample 1 --trace-trusted 10.0.0.0/8,fd00::/8", ""},
		{"--trace-sample 0", ""},
		{"--trace-sample 1.5", "no share"},
		{"--trace-sample NaN", "no share"},
		{"--otlp-endpoint c:4318", "the collector's address"},
		{"--otlp-endpoint http://u:p@c:4318", "the collector's address"},
		{"--trace-trusted 10.0.0.1", "no network"},
	} {
		var g config.Trace
		err := config.New("x", "does", &g).Parse(strings.Fields(c.args))
		if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v", c.args, err)
		}
		if strings.Contains(c.args, "fd00") && (len(g.Trusted) != 2 || g.Sample != 1) {
			t.Errorf("%s: %+v", c.args, g)
		}
	}
}
