package bus

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestParseServers(t *testing.T) {
	s, err := parseServers("nats://u:p@one:4222, two:4223 ,tls://three,,nats://[::1]:4222")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"nats://u:p@one:4222", "nats://two:4223", "tls://three", "nats://[::1]:4222"}; !slices.Equal(s.urls, want) {
		t.Errorf("urls %q", s.urls)
	}
	if want := []string{"one:4222", "two:4223", "three", "[::1]:4222"}; !slices.Equal(s.hosts, want) {
		t.Errorf("hosts %q", s.hosts)
	}
}

func TestParseServersRefuses(t *testing.T) {
	for _, list := range []string{
		"",
		" , ",
		"nats://",
		"http://host:4222",
		"ws://host:4222",
		"nats://user:canary@host:port",
		"nats://user:can ary@host:4222",
		"nats://user:canary%zz@host:4222",
		"good:4222,nats://user:canary@[::1",
	} {
		_, err := parseServers(list)
		if err == nil {
			t.Errorf("%q was taken", list)
		} else if strings.Contains(err.Error(), "canary") || strings.Contains(err.Error(), "ary@") {
			t.Errorf("the error for %q has the password: %v", list, err)
		}
	}
}

func TestSafeHidesCredentials(t *testing.T) {
	s, err := parseServers("nats://user:p%40ss-canary@one,nats://token-canary@two,tls://user:@three")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"dial nats://user:p%40ss-canary@one: refused": "dial nats://one: refused",
		"bad password p@ss-canary":                    "bad password xxxxx",
		"bad password p%40ss-canary":                  "bad password xxxxx",
		"bad token token-canary":                      "bad token xxxxx",
		"read tls://user:@three: EOF":                 "read tls://three: EOF",
		"no servers":                                  "no servers",
	} {
		if got := s.safe(errors.New(text)).Error(); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSubjects(t *testing.T) {
	if got := subjects("prod-1")[TopicEntries]; got != "parley.prod-1.entries" {
		t.Errorf("subject %q", got)
	}
	for name, ok := range map[string]bool{
		"a": true, "Prod_1-x": true, strings.Repeat("a", 64): true,
		"": false, "a.b": false, "*": false, ">": false, "a b": false, "ä": false, strings.Repeat("a", 65): false,
	} {
		if validCluster(name) != ok {
			t.Errorf("cluster %q: want %v", name, ok)
		}
	}
}
