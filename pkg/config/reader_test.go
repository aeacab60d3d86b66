package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
)

func TestReader(t *testing.T) {
	for arg, ok := range map[string]bool{"": true, "--reader=event": true, "--reader=goroutine": true, "--reader=Event": false} {
		var c config.Reader
		var args []string
		if arg != "" {
			args = []string{arg}
		}
		err := config.New("gateway", "holds sessions", &c).Parse(args)
		if ok && (err != nil || "--reader="+c.Mode != arg && c.Mode != "") {
			t.Errorf("%q: %q, %v", arg, c.Mode, err)
		}
		if !ok && (err == nil || !strings.Contains(err.Error(), "set --reader or PARLEY_READER to event or goroutine")) {
			t.Errorf("%q: %v", arg, err)
		}
	}
}
