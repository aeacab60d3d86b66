package client

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// path is where a gateway serves the protocol.
const path = "/v1/ws"

// targets chooses the gateway for the next try.
type targets struct {
	urls   []string
	next   int
	prefer string // a goaway named it: for one try
}

func newTargets(urls []string) (targets, error) {
	if len(urls) == 0 {
		return targets{}, errors.New("client: no URL")
	}
	var t targets
	for _, u := range urls {
		s, err := socketURL(u)
		if err != nil {
			return targets{}, err
		}
		t.urls = append(t.urls, s)
	}
	return t, nil
}

// socketURL turns a gateway's address into the address of its socket.
func socketURL(address string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(address))
	if err != nil {
		return "", fmt.Errorf("client: parse URL: %w", err)
	}
	switch u.Scheme {
	case "http", "ws":
		u.Scheme = "ws"
	case "https", "wss":
		u.Scheme = "wss"
	default:
		return "", fmt.Errorf("client: %q must begin with http, https, ws or wss", address)
	}
	if u.Host == "" {
		return "", fmt.Errorf("client: %q has no host", address)
	}
	if !strings.HasSuffix(u.Path, path) {
		u.Path = strings.TrimSuffix(u.Path, "/") + path
	}
	u.RawQuery, u.Fragment = "", ""
	return u.String(), nil
}

func (t *targets) pick() string {
	if p := t.prefer; p != "" {
		t.prefer = ""
		return p
	}
	return t.urls[t.next]
}

// ended makes the next try go to another gateway.
func (t *targets) ended() { t.next = (t.next + 1) % len(t.urls) }

// suggest takes up a gateway that the server named. The token goes there, so one
// that would send it in the clear where the present one does not is ignored.
func (t *targets) suggest(address, present string) {
	s, err := socketURL(address)
	if err != nil || strings.HasPrefix(present, "wss:") && !strings.HasPrefix(s, "wss:") {
		return
	}
	t.prefer = s
}
