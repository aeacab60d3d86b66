package config_test

import (
	"strings"
	"testing"

	"github.com/parley-chat/parley/pkg/config"
	"github.com/parley-chat/parley/pkg/guard"
)

func TestGuard(t *testing.T) {
	parse := func(args ...string) (guard.Options, *config.Connections, error) {
		var r config.Requests
		var c config.Connections
		err := config.New("gateway", "", &r, &c).Parse(args)
		return config.Guard(&r, &c), &c, err
	}
	o, c, err := parse()
	if err != nil || o.Trusted != nil || o.Forwarded || o.Local || o.UserRequests != 500 || o.ConnectionsPerUser != 100 || o.UserSends != 2000 || c.FramesPerS != 5000 {
		t.Errorf("defaults: %+v, %+v, %v", o, c, err)
	}
	o, c, err = parse("--trusted-proxies", "10.1.2.3/8, 192.0.2.7,2001:db8::1/32,::ffff:198.51.100.1", "--connections-per-user=0", "--frames-per-second=7", "--limit-local-addresses", "--forwarded")
	if err != nil || len(o.Trusted) != 4 || !o.Forwarded || o.ConnectionsPerUser != 0 || c.FramesPerS != 7 || !o.Local {
		t.Fatalf("%+v, %+v, %v", o, c, err)
	}
	for i, want := range []string{"10.0.0.0/8", "192.0.2.7/32", "2001:db8::/32", "198.51.100.1/32"} {
		if got := o.Trusted[i].String(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	for _, wrong := range []string{"--trusted-proxies=10.0.0.0/33", "--trusted-proxies=all", "--connections-per-user=-1", "--requests-per-user=-5", "--bytes-per-second=x"} {
		if _, _, err := parse(wrong); err == nil {
			t.Errorf("%s is taken", wrong)
		}
	}
	t.Setenv("PARLEY_TRUSTED_PROXIES", "nobody")
	if _, _, err := parse(); err == nil || !strings.Contains(err.Error(), "trusted-proxies") {
		t.Errorf("the environment: %v", err)
	}
	var r config.Requests
	t.Setenv("PARLEY_TRUSTED_PROXIES", "")
	if err := config.New("history", "", &r).Parse(nil); err != nil || config.Guard(&r, nil).UserSends != 0 {
		t.Errorf("history: %v", err)
	}
}

// A * that is a part of a name would allow what others register.
func TestOriginWildcards(t *testing.T) {
	for origin, ok := range map[string]bool{
		"https://*.example.com": true, "*.example.com": true, "localhost:*": true, "https://[2001:db8::1]": true, "https://chat.example.com:8443": true,
		"https://*example.com": false, "example.*": false, "https://chat.*.com": false, "*://example.com": false, "https://*.exa*mple.com": false,
		"capacitor://localhost": true, "chrome-extension://abcdefghijklmnop": true, "capacitor://*": false, "moz-extension://*.x": false,
		"ws://localhost": false, "wss://chat.example.com": false, "file://localhost": false, "capacitor://": false,
		"https://*.*.com": false, "localhost:80*": false, "https://chat?example.com": false, "https://[a-z].example.com": false, "*": false, "https://*": false,
	} {
		var o config.Origins
		err := config.New("gateway", "", &o).Parse([]string{"--allowed-origins", origin})
		if (err == nil) != ok {
			t.Errorf("%s: %v", origin, err)
		}
	}
}
