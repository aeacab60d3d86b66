package certs_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/certs/certstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// shake makes a handshake, and tells what the client got. It is over TCP: in a pipe
// without a buffer, two who complain at the same time wait for each other.
func shake(t *testing.T, server, client *tls.Config) (tls.ConnectionState, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	served := make(chan struct{})
	go func() {
		defer close(served)
		nc, err := ln.Accept()
		if err != nil {
			return // the client says it
		}
		defer nc.Close()
		_ = tls.Server(nc, server).Handshake()
	}()
	nc, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn := tls.Client(nc, client)
	err = conn.Handshake()
	state := conn.ConnectionState()
	_ = nc.Close()
	<-served
	return state, err
}

func load(t *testing.T, f certstest.Files, log *bytes.Buffer) *certs.Pair {
	t.Helper()
	p, err := certs.Load(certs.Options{CertFile: f.Cert, KeyFile: f.Key, Log: slog.New(slog.NewTextHandler(log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestHandshake(t *testing.T) {
	ca, other := certstest.NewAuthority(t), certstest.NewAuthority(t)
	server := load(t, ca.Files(t.TempDir(), "chat.example", "127.0.0.1"), &bytes.Buffer{}).Server(certs.HTTP1)
	old := ca.Client("chat.example")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	for _, c := range []struct {
		name   string
		client *tls.Config
		want   string // in the error; "": none
	}{
		{"by name", ca.Client("chat.example"), ""},
		{"by address", ca.Client("127.0.0.1"), ""},
		{"a browser, which offers both", ca.Client("chat.example", certs.HTTP2, certs.HTTP1), ""},
		{"of another name", ca.Client("evil.example"), "not evil.example"},
		{"of an authority that is not trusted", other.Client("chat.example"), "unknown authority"},
		{"TLS 1.1", old, "protocol version not supported"},
		{"HTTP/2 only, in which no socket is opened", ca.Client("chat.example", certs.HTTP2), "no application protocol"},
	} {
		state, err := shake(t, server, c.client)
		switch {
		case c.want == "" && err != nil, c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		case err == nil && state.NegotiatedProtocol == certs.HTTP2:
			t.Errorf("%s: HTTP/2", c.name)
		}
	}
}

func serial(t *testing.T, p *certs.Pair, ca *certstest.Authority) string {
	t.Helper()
	state, err := shake(t, p.Server(certs.HTTP1), ca.Client("chat.example"))
	if err != nil {
		t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.String()
}

// A renewed certificate is in use at most Every later; a pair that does not fit
// together changes nothing, and is said once.
func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir, ca := t.TempDir(), certstest.NewAuthority(t)
		f := ca.Files(dir, "chat.example")
		p := load(t, f, &log)
		first := serial(t, p, ca)

		certPEM, keyPEM := ca.Issue("chat.example")
		write(t, f.Cert, certPEM) // the key comes later
		if serial(t, p, ca) != first {
			t.Error("the files are read at every handshake")
		}
		for range 3 {
			time.Sleep(certs.Every)
			if serial(t, p, ca) != first {
				t.Error("half a renewal is used")
			}
		}
		if n := strings.Count(log.String(), "cannot be used"); n != 1 {
			t.Errorf("half a renewal is said %d times: %s", n, log.String())
		}
		write(t, f.Key, keyPEM)
		time.Sleep(certs.Every)
		second := serial(t, p, ca)
		if second == first {
			t.Error("the renewed certificate is not used")
		}

		if err := os.Remove(f.Key); err != nil {
			t.Fatal(err)
		}
		time.Sleep(certs.Every)
		if serial(t, p, ca) != second {
			t.Error("without the file, there is no certificate any more")
		}
		if !strings.Contains(log.String(), "read the TLS key") {
			t.Errorf("nothing is said of a file that is gone: %s", log.String())
		}
	})
}

func write(t *testing.T, name string, text []byte) {
	t.Helper()
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestLoadRefuses(t *testing.T) {
	ca := certstest.NewAuthority(t)
	a, b := ca.Files(t.TempDir(), "a.example"), ca.Files(t.TempDir(), "b.example")
	none := filepath.Join(t.TempDir(), "none")
	for want, o := range map[string]certs.Options{
		"read the TLS certificate": {CertFile: none, KeyFile: a.Key},
		"read the TLS key":         {CertFile: a.Cert, KeyFile: none},
		"does not match":           {CertFile: a.Cert, KeyFile: b.Key},
		"failed to find":           {CertFile: a.Key, KeyFile: a.Key},
	} {
		if _, err := certs.Load(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if ln, err := certs.Listen(t.Context(), "127.0.0.1:0", o, certs.HTTP1); err == nil {
			_ = ln.Close()
			t.Errorf("%s: it listens without", want)
		}
	}
	if _, err := certs.Pool(none); err == nil {
		t.Error("a file of authorities that is not there")
	}
	if _, err := certs.Pool(a.Key); err == nil || !strings.Contains(err.Error(), "none in PEM") {
		t.Errorf("a file of authorities that has none: %v", err)
	}
	if _, err := certs.Pool(a.CA); err != nil {
		t.Error(err)
	}
}

// Without files it is plain TCP.
func TestListen(t *testing.T) {
	ca := certstest.NewAuthority(t)
	f := ca.Files(t.TempDir(), "127.0.0.1")
	for _, o := range []certs.Options{{}, {CertFile: f.Cert, KeyFile: f.Key}} {
		ln, err := certs.Listen(t.Context(), "127.0.0.1:0", o, certs.HTTP1)
		if err != nil {
			t.Fatal(err)
		}
		got := make(chan string, 1)
		go func() {
			nc, err := ln.Accept()
			if err != nil {
				got <- err.Error()
				return
			}
			defer nc.Close()
			b := make([]byte, 5)
			n, _ := nc.Read(b)
			got <- string(b[:n])
		}()
		nc := dial(t, ln.Addr().String(), o.CertFile != "", ca)
		if _, err := nc.Write([]byte("hello")); err != nil {
			t.Error(err)
		}
		if text := <-got; text != "hello" {
			t.Errorf("TLS %v: %q", o.CertFile != "", text)
		}
		_ = nc.Close()
		_ = ln.Close()
	}
	if _, err := certs.Listen(t.Context(), "127.0.0.1:none", certs.Options{}); err == nil {
		t.Error("it listens on no port")
	}
}

func dial(t *testing.T, addr string, secure bool, ca *certstest.Authority) net.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var nc net.Conn
	var err error
	if secure {
		nc, err = (&tls.Dialer{Config: ca.Client("")}).DialContext(ctx, "tcp", addr)
	} else {
		nc, err = (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return nc
}
