package bus

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// servers is where NATS is, and what of that must not be seen.
type servers struct {
	urls    []string
	hosts   []string // for logs and errors
	secrets *strings.Replacer
}

func parseServers(list string) (*servers, error) {
	s := &servers{}
	var secrets []string
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
			secrets = append(secrets, hide(u.User)...)
		}
		s.urls, s.hosts = append(s.urls, text), append(s.hosts, u.Host)
	}
	if len(s.urls) == 0 {
		return nil, errors.New("no NATS URL, such as nats://localhost:4222")
	}
	s.secrets = strings.NewReplacer(secrets...)
	return s, nil
}

// hide lists what the user part of a URL must be replaced by, in the forms that
// it can appear in. A lone user name is a token.
func hide(u *url.Userinfo) (oldnew []string) {
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
func (s *servers) safe(err error) error { return errors.New(s.secrets.Replace(err.Error())) }
