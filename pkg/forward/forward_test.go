package forward

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/certs/certstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patient runs a test in a bubble whose clock stands still for as long as somebody reads
// from a connection or waits for one: however slow this machine is, no place is given up.
// No names are looked up in it, because package net would keep a channel of the bubble.
func patient(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	synctest.Test(t, test)
}

// place is a server that says who it is.
func place(t *testing.T, name string) *url.URL {
	t.Helper()
	return serve(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }))
}

func serve(t *testing.T, h http.Handler) *url.URL {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return parse(t, srv.URL)
}

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// gone is a place where nobody can listen.
var gone = &url.URL{Scheme: "http", Host: "127.0.0.1:0"}

// start is a proxy over TCP.
func start(t *testing.T, o Options) (*Proxy, string) {
	t.Helper()
	o.Name = "parley-test"
	p := New(o)
	front := serve(t, p)
	t.Cleanup(func() {
		if err := p.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return p, front.String()
}

// get asks with a connection of its own.
func get(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// Connections go to each place in turn, and past one that is away.
func TestInTurn(t *testing.T) {
	patient(t, func(t *testing.T) {
		d := &dialer{to: []*url.URL{place(t, "a"), gone, place(t, "b")}}
		var got []string
		for range 4 {
			conn, err := d.dial(t.Context(), "tcp", "")
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, conn.RemoteAddr().String())
			conn.Close()
		}
		a, b := d.to[0].Host, d.to[2].Host
		if want := []string{a, b, b, a}; strings.Join(got, " ") != strings.Join(want, " ") {
			t.Errorf("%q, want %q", got, want)
		}
		_, front := start(t, Options{To: []*url.URL{gone, d.to[2]}})
		if status, text := get(t, front); status != 200 || text != "b" {
			t.Errorf("%d %q", status, text)
		}
	})
}

// A place is given up when its time is over, and so is the caller's patience.
func TestDialEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&dialer{to: []*url.URL{gone, gone}}).dial(ctx, "tcp", ""); !errors.Is(err, context.Canceled) || strings.Count(err.Error(), "\n") != 0 {
		t.Errorf("%v: one try is enough", err)
	}
	_, front := start(t, Options{To: []*url.URL{gone}})
	if status, text := get(t, front); status != 503 || !strings.Contains(text, `"unavailable"`) || strings.Contains(text, "127.0.0.1") {
		t.Errorf("%d %s", status, text)
	}
}

// Each place is checked by its own name.
func TestNamesAreChecked(t *testing.T) {
	patient(t, func(t *testing.T) {
		ca := certstest.NewAuthority(t)
		named := func(name string) *url.URL {
			srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
			srv.TLS = ca.Server(name)
			srv.StartTLS()
			t.Cleanup(srv.Close)
			return parse(t, srv.URL)
		}
		right, wrong := named("127.0.0.1"), named("localhost")
		for _, c := range []struct {
			to     []*url.URL
			cas    *x509.CertPool
			status int
		}{{[]*url.URL{wrong, right}, ca.Pool, 204}, {[]*url.URL{wrong}, ca.Pool, 503}, {[]*url.URL{right}, x509.NewCertPool(), 503}} {
			_, front := start(t, Options{To: c.to, Authorities: c.cas})
			if status, text := get(t, front); status != c.status {
				t.Errorf("%v: %d %s", c.to, status, text)
			}
		}
	})
}

// What leads back ends after one turn.
func TestCameBack(t *testing.T) {
	patient(t, func(t *testing.T) {
		var front http.Handler
		turns := 0
		self := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { turns++; front.ServeHTTP(w, r) }))
		p, _ := start(t, Options{To: []*url.URL{self}})
		front = p
		if status, _ := get(t, self.String()); status != 503 || turns != 2 {
			t.Errorf("%d after %d turns", status, turns)
		}
	})
}

// echo is a service that says by which host it was asked, from where, and then what it
// gets, in capitals.
func echo(t *testing.T) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, err := websocket.Accept(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.CloseNow()
		_ = conn.Write(r.Context(), websocket.MessageText, []byte(r.Host+" "+strings.Join(r.Header.Values("X-Forwarded-For"), "; ")))
		for {
			_, text, err := conn.Read(r.Context())
			if err != nil {
				return
			}
			if conn.Write(r.Context(), websocket.MessageText, []byte(strings.ToUpper(string(text)))) != nil {
				return
			}
		}
	})
}

func dial(t *testing.T, url string) *websocket.Conn {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{Host: "chat.example", HTTPHeader: http.Header{"X-Forwarded-For": {"192.0.2.7"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func hear(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	_, text, err := conn.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A socket goes through, counts as a request until it ends, and ends with the proxy.
func TestSockets(t *testing.T) {
	patient(t, func(t *testing.T) {
		p, front := start(t, Options{To: []*url.URL{serve(t, echo(t))}, Most: 1})
		conn := dial(t, front)
		if got := hear(t, conn); got != "chat.example 192.0.2.7, 127.0.0.1" {
			t.Errorf("the service sees %q", got)
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		if got := hear(t, conn); got != "HELLO" {
			t.Errorf("%q", got)
		}
		if status, text := get(t, front); status != 503 || !strings.Contains(text, "too much") {
			t.Errorf("one more than there may be: %d %s", status, text)
		}
		if err := p.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); err == nil {
			t.Error("the socket outlived the proxy")
		}
		if status, _ := get(t, front); status != 503 {
			t.Errorf("after its end: %d", status)
		}
	})
}

// A client that goes away ends its socket behind, too.
func TestClientLeaves(t *testing.T) {
	patient(t, func(t *testing.T) {
		ended := make(chan struct{})
		service := echo(t)
		_, front := start(t, Options{To: []*url.URL{serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			defer close(ended)
			service.ServeHTTP(w, r)
		}))}})
		conn := dial(t, front)
		hear(t, conn)
		if err := conn.CloseNow(); err != nil {
			t.Fatal(err)
		}
		<-ended
	})
}

// Close waits no longer than it is given.
func TestCloseIsBounded(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	p := New(Options{To: []*url.URL{gone}, Name: "parley-test", Request: func(_, _ *http.Request) { close(entered); <-leave }})
	go p.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	<-entered
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	close(leave)
	if err := p.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
