package bus

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// servers is where NATS is, and what of that must not be seen.
type servers struct {
	urls  []string
	hosts []string      // for logs and errors
	user  *url.Userinfo // of the first server that has one

	mu      sync.Mutex
	secrets []string // and what they are replaced by
}

func parseServers(list string) (*servers, error) {
	s := &servers{}
	for i, text := range strings.Split(list, ",") {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if !strings.Contains(text, "://") {
			text = "nats://" + text
		}
		u, err := url.Parse(text)
		switch {
		case err != nil, u.Hostname() == "":
			// The parser's error quotes the URL, with the password in it.
			return nil, fmt.Errorf("server %d in the NATS URL is not of the form nats://host:4222", i+1)
		case u.Scheme != "nats" && u.Scheme != "tls":
			return nil, fmt.Errorf("server %d in the NATS URL has the scheme %q; use nats or tls", i+1, u.Scheme)
		}
		if u.User != nil {
			s.hide(u.User)
			if s.user == nil {
				s.user = u.User
			}
		}
		s.urls, s.hosts = append(s.urls, text), append(s.hosts, u.Host)
	}
	if len(s.urls) == 0 {
		return nil, errors.New("no NATS URL, such as nats://localhost:4222")
	}
	return s, nil
}

// withoutUsers leaves the credentials to [login], which nats.go asks only where a URL
// has none.
func (s *servers) withoutUsers() {
	for i, text := range s.urls {
		u, _ := url.Parse(text) // it was parsed before
		u.User = nil
		s.urls[i] = u.String()
	}
}

// maxSecrets bounds what is remembered for hiding, where credentials are rotated again
// and again.
const maxSecrets = 64

// hide keeps the user part of a URL out of errors from here on.
func (s *servers) hide(u *url.Userinfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	oldnew := forms(u)
	for i := 0; i+len(oldnew) <= len(s.secrets); i += 2 {
		if slices.Equal(s.secrets[i:i+len(oldnew)], oldnew) {
			return
		}
	}
	if s.secrets = append(s.secrets, oldnew...); len(s.secrets) > maxSecrets {
		s.secrets = s.secrets[len(s.secrets)-maxSecrets:]
	}
}

// forms lists what the user part of a URL must be replaced by, in the forms that
// it can appear in. A lone user name is a token.
func forms(u *url.Userinfo) (oldnew []string) {
	const xxx = "xxxxx"
	oldnew = []string{u.String() + "@", ""}
	if pass, ok := u.Password(); !ok {
		oldnew = append(oldnew, u.Username(), xxx)
	} else if pass != "" {
		_, escaped, _ := strings.Cut(u.String(), ":")
		oldnew = append(oldnew, pass, xxx, escaped, xxx)
	}
	return oldnew
}

// safe is err without credentials. What was wrapped is not kept: it is nats.go's.
func (s *servers) safe(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.New(strings.NewReplacer(s.secrets...).Replace(err.Error()))
}
