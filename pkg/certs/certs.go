// Package certs serves TLS with a certificate from files that somebody else renews:
// cert-manager, the kubelet, an ACME client. A renewed one is in use within
// [Every], without a restart and without a goroutine: a handshake that finds the
// files unread for so long reads them again.
package certs

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Every is how long files are believed to be what they were, and so the most that
// handshakes cost: one reading of two files in that time.
const Every = 10 * time.Second

// The protocols of ALPN (RFC 7301) that Parley's listeners speak.
const (
	HTTP1 = "http/1.1" // the only one that a WebSocket handshake of RFC 6455 is made in
	HTTP2 = "h2"
)

// Options name the files. Both or none must be set.
type Options struct {
	// CertFile has the certificate and those between it and the root, in PEM, its own
	// first. "": no TLS.
	CertFile string
	// KeyFile has the private key, in PEM, without a password.
	KeyFile string
	// Log is told of renewed certificates, and of such that cannot be used. Nil:
	// nobody is.
	Log *slog.Logger
	// Expiries is told of the certificate, as "clients". Nil: nobody is.
	Expiries *Expiries
}

// Pair is a certificate and its key. Its methods are safe for concurrent use.
type Pair struct {
	o       Options
	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex
	checked time.Time // when the files were last looked at
	read    [2][]byte // what they had then; a pair that could not be used included
}

// Load reads both files. It fails where they do not fit together.
func Load(o Options) (*Pair, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pair{o: o}
	if err := p.reload(); err != nil {
		return nil, err
	}
	o.Expiries.add(&use{name: "clients", pair: p})
	return p, nil
}

// reload reads the files, and takes what is new in them. On an error all stays as
// it was.
func (p *Pair) reload() error {
	certPEM, err := os.ReadFile(p.o.CertFile)
	if err != nil {
		return fmt.Errorf("read the TLS certificate: %w", err)
	}
	keyPEM, err := os.ReadFile(p.o.KeyFile)
	if err != nil {
		return fmt.Errorf("read the TLS key: %w", err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.checked = time.Now()
	if bytes.Equal(certPEM, p.read[0]) && bytes.Equal(keyPEM, p.read[1]) {
		return nil
	}
	p.read = [2][]byte{certPEM, keyPEM}
	cert, err := tls.X509KeyPair(certPEM, keyPEM)
	if err != nil {
		return fmt.Errorf("use the TLS certificate in %s with the key in %s: %w", p.o.CertFile, p.o.KeyFile, err)
	}
	p.current.Store(&cert)
	p.o.Log.Info("TLS certificate read", "file", p.o.CertFile, "names", cert.Leaf.DNSNames, "expires", cert.Leaf.NotAfter)
	return nil
}

// get is the certificate for a handshake. Of handshakes at the same time, one looks
// at the files and the others take what there is.
func (p *Pair) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if p.due() {
		// A key that does not fit yet is one that is being changed; the next look finds
		// its certificate.
		if err := p.reload(); err != nil {
			p.o.Log.Warn("the renewed TLS certificate cannot be used; the one before stays", "error", err, "expires", p.current.Load().Leaf.NotAfter)
		}
	}
	return p.current.Load(), nil
}

// due claims the next look at the files.
func (p *Pair) due() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.checked) < Every {
		return false
	}
	p.checked = time.Now()
	return true
}

// Leaf is the certificate in use. It is not to be changed.
func (p *Pair) Leaf() *x509.Certificate { return p.current.Load().Leaf }

// Server is what a listener needs: TLS 1.2 or later, with these protocols of ALPN.
// Who offers others only is refused.
func (p *Pair) Server(protocols ...string) *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols, GetCertificate: p.get}
}

// Listen listens on a TCP address, with TLS where o names files. Handshakes are made
// by the connections' first reads: whoever serves them bounds their time.
func Listen(ctx context.Context, addr string, o Options, protocols ...string) (net.Listener, error) {
	var config *tls.Config
	if o.CertFile != "" {
		pair, err := Load(o)
		if err != nil {
			return nil, err
		}
		config = pair.Server(protocols...)
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	if config == nil {
		return ln, nil
	}
	return tls.NewListener(ln, config), nil
}

// Pool reads the certificates of authorities, in PEM.
func Pool(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the certificates of authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("read the certificates of authorities in %s: %w", file, errors.New("there is none in PEM"))
	}
	return pool, nil
}
