package bus

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/url"
	"os"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley/pkg/certs"
)

// Files name what says who we are, and whom we believe. They are read again for each
// connection; "" is none.
type Files struct {
	// URLFile has the URL, and is used instead of [Options].URL. User and password of
	// its first server that has them are for all. The servers are those that it named
	// when the bus was made.
	URLFile string
	// CredsFile has a JWT and a seed, as nsc writes them.
	CredsFile string
	// CAFile has the authorities that say who the servers are, in PEM; with it there
	// is no connection without TLS. None: those of the system, and TLS where a URL is
	// tls:// or the server wants it.
	CAFile string
	// CertFile and KeyFile are for servers that ask for a certificate.
	CertFile, KeyFile string
}

// credentials is how nats.go shows who it is, and knows whom it meets. All files are
// read again for each connection, so that what is rotated needs no restart.
func (b *Bus) credentials(o *nats.Options) {
	if b.o.CAFile != "" || b.o.CertFile != "" {
		o.Secure = true // and not only where the server asks for it
	}
	o.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if b.o.CAFile != "" {
		o.RootCAsCB = func() (*x509.CertPool, error) { return certs.Pool(b.o.CAFile) }
	}
	if b.o.CertFile != "" {
		o.TLSCertCB = func() (tls.Certificate, error) {
			cert, err := tls.LoadX509KeyPair(b.o.CertFile, b.o.KeyFile)
			if err != nil {
				return cert, fmt.Errorf("read the certificate for NATS: %w", err)
			}
			return cert, nil
		}
	}
	if b.o.CredsFile != "" {
		o.UserJWT = func() (string, error) {
			c, err := readCreds(b.o.CredsFile)
			if err != nil {
				return "", err
			}
			return c.UserJWT()
		}
		o.SignatureCB = func(nonce []byte) ([]byte, error) {
			c, err := readCreds(b.o.CredsFile)
			if err != nil {
				return nil, err
			}
			return c.SignatureCB(nonce)
		}
	}
	if b.login != nil {
		o.UserInfo = b.login.password
		o.TokenHandler = b.login.token
	}
}

// readCreds has the functions of [nats.UserCredentials], which sets none where the file
// cannot be read at that moment.
func readCreds(file string) (c nats.Options, err error) {
	if err := nats.UserCredentials(file)(&c); err != nil {
		return c, fmt.Errorf("read the credentials for NATS in %s: %w", file, err)
	}
	return c, nil
}

// login is user and password, or a token, out of the file with the URL.
type login struct {
	file    string
	servers *servers // hides what was read
	failed  func(error)

	mu   sync.Mutex
	last *url.Userinfo // that could be read; nil: the URL has none
}

// readURL reads the file with the URL.
func readURL(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the NATS URL: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// current is what the file says now, or said when it could be read last: it may be
// half written.
func (l *login) current() *url.Userinfo {
	text, err := readURL(l.file)
	if err == nil {
		var now *servers
		if now, err = parseServers(text); err == nil {
			l.mu.Lock()
			defer l.mu.Unlock()
			if l.last = now.user; l.last != nil {
				l.servers.hide(l.last)
			}
			return l.last
		}
	}
	l.failed(err)
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.last
}

func (l *login) password() (user, password string) {
	u := l.current()
	if password, ok := u.Password(); ok {
		return u.Username(), password
	}
	return "", ""
}

// token is a user without a password.
func (l *login) token() string {
	u := l.current()
	if _, ok := u.Password(); ok {
		return ""
	}
	return u.Username()
}
