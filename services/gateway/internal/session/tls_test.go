package session

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/certs"
	"github.com/parley-chat/parley/pkg/certs/certstest"
	"github.com/parley-chat/parley/pkg/wire"
)

// secureHost is a host whose listener is the one of the gateway, with TLS.
func secureHost(t *testing.T, opts Options) (*host, *certstest.Authority) {
	t.Helper()
	ca := certstest.NewAuthority(t)
	f := ca.Files(t.TempDir(), "127.0.0.1")
	h := newHost(t, opts)
	h.srv.Close()
	ln, err := certs.Listen(t.Context(), "127.0.0.1:0", certs.Options{CertFile: f.Cert, KeyFile: f.Key}, certs.HTTP1)
	if err != nil {
		t.Fatal(err)
	}
	h.srv = httptest.NewUnstartedServer(http.HandlerFunc(h.accept))
	_ = h.srv.Listener.Close()
	h.srv.Listener = ln
	h.srv.Start()
	return h, ca
}

func (h *host) connectTLS(ca *certstest.Authority, early ...byte) *peer {
	h.t.Helper()
	nc, err := tls.Dial("tcp", h.srv.Listener.Addr().String(), ca.Client("127.0.0.1"))
	if err != nil {
		h.t.Fatal(err)
	}
	return newPeer(h.t, nc, early)
}

// The events of a socket say nothing about frames inside of TLS: what was decrypted
// ahead makes none. So a connection with TLS has its goroutine, whichever poller the
// gateway has, and one without it parks next to it.
func TestTLSIsReadByAGoroutine(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h, ca := secureHost(t, Options{Poller: p})
		c := h.connectTLS(ca, ask("early")...)
		c.answered("early", 0)
		for _, s := range h.sessions() {
			if s.link.parks {
				t.Error("a connection with TLS is parked")
			}
		}

		// Many frames in one record, and one frame in many records.
		var many []byte
		for i := range 300 {
			many = append(many, ask(fmt.Sprint("m", i))...)
		}
		c.write(many)
		for i := range 300 {
			c.answered(fmt.Sprint("m", i), 0)
		}
		for _, b := range ask("a record for each byte") {
			c.write([]byte{b})
		}
		c.answered("a record for each byte", 0)
		c.write(append(frame(finPing, "x"), ask("behind a ping")...))
		c.answered("behind a ping", 1)

		// An answer of many records.
		for _, s := range h.sessions() {
			s.Answer(wire.Encode(&wire.Pong{Type: "pong", Ref: strings.Repeat("r", 40<<10)}))
		}
		c.answered(strings.Repeat("r", 40<<10), 0)
	})
}

// The server's end of a session, the client's, and one that vanishes.
func TestTLSEnds(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h, ca := secureHost(t, Options{Poller: p})
		bye, gone, refused := h.connectTLS(ca), h.connectTLS(ca), h.connectTLS(ca)
		for i, c := range []*peer{bye, gone, refused} {
			c.write(ask(fmt.Sprint(i)))
			c.answered(fmt.Sprint(i), 0)
		}
		bye.write(frame(finClose, "\x03\xe8"))
		if code := bye.closed(); code != websocket.StatusNormalClosure {
			t.Errorf("code %d", code)
		}
		<-h.ended
		_ = gone.nc.(*tls.Conn).NetConn().Close() // without a word
		<-h.ended
		for _, s := range h.sessions() {
			s.Close(1001, "the server goes")
		}
		if code := refused.closed(); code != websocket.StatusGoingAway {
			t.Errorf("code %d", code)
		}
		_ = refused.nc.Close()
		<-h.ended
	})
}

// A client of the field, which offers HTTP/2 as browsers do, and one who was sent to
// a server of another name.
func TestSecureSocket(t *testing.T) {
	h, ca := secureHost(t, Options{Poller: events(t)})
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	url := "wss" + strings.TrimPrefix(h.srv.URL, "http")
	dial := func(serverName string) (*websocket.Conn, error) {
		transport := &http.Transport{TLSClientConfig: ca.Client(serverName, certs.HTTP2, certs.HTTP1)}
		defer transport.CloseIdleConnections()
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Subprotocols: []string{wire.Subprotocol}, HTTPClient: &http.Client{Transport: transport}})
		return conn, err
	}
	conn, err := dial("")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Write(ctx, websocket.MessageText, []byte(`{"type":"ping","ref":"r"}`)); err != nil {
		t.Fatal(err)
	}
	if _, text, err := conn.Read(ctx); err != nil || !strings.Contains(string(text), `"r"`) {
		t.Errorf("%s %v", text, err)
	}
	_ = conn.Close(websocket.StatusNormalClosure, "")
	<-h.ended
	if _, err := dial("chat.example"); err == nil || !strings.Contains(err.Error(), "chat.example") {
		t.Errorf("a server of another name: %v", err)
	}
}
