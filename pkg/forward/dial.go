package forward

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
)

// newTransport connects to the places in turn. It speaks HTTP/1.1, in which sockets
// are opened.
func newTransport(o *Options) *http.Transport {
	d := &dialer{to: o.To, tls: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: o.Authorities}}
	return &http.Transport{
		DialContext:           d.dial,
		DialTLSContext:        d.dial,
		ResponseHeaderTimeout: answerTimeout,
		IdleConnTimeout:       idleTimeout,
		MaxIdleConnsPerHost:   idleConns,
		DisableCompression:    true, // as it comes
	}
}

// dialer finds a place that answers.
type dialer struct {
	to   []*url.URL
	tls  *tls.Config
	next atomic.Uint64
}

// dial begins with the place after the one of the last connection, and tries each
// once: a request is not sent before there is a connection, so trying is harmless.
func (d *dialer) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	first := d.next.Add(1) - 1
	var errs []error
	for i := range uint64(len(d.to)) {
		conn, err := d.connect(ctx, network, d.to[(first+i)%uint64(len(d.to))])
		if err == nil {
			return conn, nil
		}
		if errs = append(errs, err); ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(errs...)
}

// connect gives a place two seconds, its handshake included.
func (d *dialer) connect(ctx context.Context, network string, to *url.URL) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	port := to.Port()
	if port == "" {
		port = to.Scheme
	}
	addr := net.JoinHostPort(to.Hostname(), port)
	if to.Scheme != "https" {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}
	config := d.tls.Clone()
	config.ServerName = to.Hostname()
	return (&tls.Dialer{Config: config}).DialContext(ctx, network, addr)
}
