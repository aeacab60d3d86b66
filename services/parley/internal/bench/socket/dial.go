package socket

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"sync"
	"syscall"
)

// Options configure [Dial]. The zero value is ready.
type Options struct {
	Subprotocol string      // offered, and demanded of the answer; "": none
	Header      http.Header // of the handshake; not changed
}

// acceptGUID is the constant of RFC 6455 §1.3.
const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// sources is how many loopback addresses are tried when one has no free port left:
// 127.0.0.1 … 127.0.0.8 have some 28,000 each.
const sources = 8

var readers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

// Dial connects to a ws, wss, http or https address and does the handshake. It
// blocks until that is done or ctx ends.
func Dial(ctx context.Context, address string, o Options) (*Conn, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("parse address: %w", err)
	}
	secure := u.Scheme == "wss" || u.Scheme == "https"
	if !secure && u.Scheme != "ws" && u.Scheme != "http" || u.Host == "" {
		return nil, fmt.Errorf("%q is not the address of a WebSocket", address)
	}
	nc, err := dialTCP(ctx, u, secure)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = nc.Close() }) // ends the handshake
	c, err := handshake(nc, u, o)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("handshake: %w", err)
	}
	return c, nil
}

// dialTCP connects. Where the local ports of one loopback address have run out it
// takes the next one.
func dialTCP(ctx context.Context, u *url.URL, secure bool) (net.Conn, error) {
	port := u.Port()
	if port == "" {
		port = map[bool]string{false: "80", true: "443"}[secure]
	}
	host := u.Hostname()
	if host == "localhost" {
		host = "127.0.0.1" // as 127.0.0.2 and the following are its neighbours
	}
	ip := net.ParseIP(host)
	loopback := ip.To4() != nil && ip.IsLoopback()
	nc, err := (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	for i := 2; errors.Is(err, syscall.EADDRNOTAVAIL) && loopback && i <= sources; i++ {
		d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, byte(i))}}
		nc, err = d.DialContext(ctx, "tcp", net.JoinHostPort(host, port))
	}
	if errors.Is(err, syscall.ECONNREFUSED) && host != u.Hostname() {
		nc, err = (&net.Dialer{}).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	}
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	if tc, ok := nc.(*net.TCPConn); ok {
		_ = tc.SetLinger(0) // closed, it leaves no port in TIME_WAIT: a storm would use them up
	}
	if !secure {
		return nc, nil
	}
	secured := tls.Client(nc, &tls.Config{ServerName: u.Hostname()})
	if err := secured.HandshakeContext(ctx); err != nil {
		_ = nc.Close()
		return nil, fmt.Errorf("TLS: %w", err)
	}
	return secured, nil
}

// handshake is RFC 6455 §4.1. What came behind the answer is kept for reading.
func handshake(nc net.Conn, u *url.URL, o Options) (*Conn, error) {
	nonce := make([]byte, 16)
	_, _ = rand.Read(nonce) // never fails, see crypto/rand
	key := base64.StdEncoding.EncodeToString(nonce)
	req := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: u.Path, RawQuery: u.RawQuery}, Host: u.Host, Header: http.Header{}}
	for name, values := range o.Header {
		req.Header[name] = values
	}
	req.Header.Set("Connection", "Upgrade")
	req.Header.Set("Upgrade", "websocket")
	req.Header.Set("Sec-WebSocket-Version", "13")
	req.Header.Set("Sec-WebSocket-Key", key)
	if o.Subprotocol != "" {
		req.Header.Set("Sec-WebSocket-Protocol", o.Subprotocol)
	}
	if err := req.Write(nc); err != nil {
		return nil, fmt.Errorf("write request: %w", err)
	}
	br := readers.Get().(*bufio.Reader)
	br.Reset(nc)
	defer func() { br.Reset(nil); readers.Put(br) }()
	res, err := http.ReadResponse(br, req)
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	sum := sha1.Sum([]byte(key + acceptGUID))
	switch {
	case res.StatusCode != http.StatusSwitchingProtocols:
		return nil, fmt.Errorf("the server answers %s", res.Status)
	case res.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return nil, errors.New("the answer is to another key")
	case res.Header.Get("Sec-WebSocket-Protocol") != o.Subprotocol:
		return nil, fmt.Errorf("the server chose subprotocol %q, not %q", res.Header.Get("Sec-WebSocket-Protocol"), o.Subprotocol)
	case res.Header.Get("Sec-WebSocket-Extensions") != "":
		return nil, errors.New("the server chose an extension that was not offered")
	}
	c := &Conn{nc: nc, buf: make([]byte, max(firstBuffer, br.Buffered()))}
	early, _ := br.Peek(br.Buffered())
	c.end = copy(c.buf, early)
	return c, nil
}
