package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestRebalance(t *testing.T) {
	for _, c := range []struct {
		args []string
		auto bool
		err  string
	}{
		{nil, false, ""},
		{[]string{"--rebalance", "auto"}, true, ""},
		{[]string{"--rebalance", "off"}, false, ""},
		{[]string{"--rebalance", "on"}, false, "PARLEY_REBALANCE"},
	} {
		var g config.Rebalance
		err := config.New("x", "does x", &g).Parse(c.args)
		if (err != nil) != (c.err != "") || err != nil && !strings.Contains(err.Error(), c.err) || g.Auto() != c.auto {
			t.Errorf("%v: %v, auto %v", c.args, err, g.Auto())
		}
	}
}
