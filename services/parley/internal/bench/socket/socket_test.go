package socket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/coder/websocket"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve runs a WebSocket server, coder/websocket, for one test.
func serve(t *testing.T, handle func(ctx context.Context, c *websocket.Conn)) string {
	t.Helper()
	var wg sync.WaitGroup
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		wg.Add(1)
		defer wg.Done()
		if r.URL.Path == "/refuse" {
			http.Error(w, "no", http.StatusForbidden)
			return
		}
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"test.v1"}})
		if err != nil {
			t.Error(err)
			return
		}
		c.SetReadLimit(maxMessage)
		defer c.CloseNow()
		handle(r.Context(), c)
	}))
	t.Cleanup(func() { srv.Close(); wg.Wait() })
	return srv.URL
}

// Messages of every length class come back unchanged, whole batches in one write.
func TestEcho(t *testing.T) {
	url := serve(t, func(ctx context.Context, c *websocket.Conn) {
		for {
			typ, data, err := c.Read(ctx)
			if err != nil || c.Write(ctx, typ, data) != nil {
				return
			}
		}
	})
	c, err := Dial(t.Context(), url, Options{Subprotocol: "test.v1", Header: http.Header{"X-Test": {"1"}}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var sent []string
	for _, n := range []int{0, 1, 7, 8, 9, 125, 126, 127, 4000, 65535, 65536, 300_000} {
		sent = append(sent, strings.Repeat("x", n)+fmt.Sprint(n))
	}
	for _, m := range sent {
		c.Queue([]byte(m))
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for _, want := range sent {
		got, err := c.Next()
		if err != nil || string(got) != want {
			t.Fatalf("%d bytes: %.20s… %v", len(want), got, err)
		}
	}
	if c.Buffered() || c.Fills() == 0 {
		t.Error("more came than was sent")
	}
}

// Many goroutines write; everything arrives, each message whole.
func TestConcurrentWrites(t *testing.T) {
	const writers, each = 20, 200
	got := make(chan map[string]int, 1)
	url := serve(t, func(ctx context.Context, c *websocket.Conn) {
		seen := make(map[string]int)
		for range writers * each {
			_, data, err := c.Read(ctx)
			if err != nil {
				break
			}
			seen[string(data)]++
		}
		got <- seen
	})
	c, err := Dial(t.Context(), url, Options{Subprotocol: "test.v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				c.Queue(fmt.Appendf(nil, "%d/%d", w, i))
				if err := c.Flush(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if seen := <-got; len(seen) != writers*each {
		t.Errorf("%d different messages", len(seen))
	}
}

// A ping is answered while Next waits, and the server's close is told with its code.
func TestPingAndClose(t *testing.T) {
	pinged := make(chan error, 1)
	url := serve(t, func(ctx context.Context, c *websocket.Conn) {
		ctx = c.CloseRead(ctx)
		pinged <- c.Ping(ctx)
		_ = c.Close(4401, "token")
	})
	c, err := Dial(t.Context(), url, Options{Subprotocol: "test.v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Next()
	var ce *CloseError
	if !errors.As(err, &ce) || ce.Code != 4401 || ce.Reason != "token" {
		t.Error(err)
	}
	c.Close()
	if err := <-pinged; err != nil {
		t.Error(err)
	}
	c.Queue([]byte("x"))
	if err := c.Flush(); err == nil || c.Flush() == nil {
		t.Error("written to a closed connection")
	}
}

func TestEndings(t *testing.T) {
	url := serve(t, func(ctx context.Context, c *websocket.Conn) {
		_ = c.Write(ctx, websocket.MessageText, []byte("hi"))
		c.CloseNow()
	})
	c, err := Dial(t.Context(), url, Options{Subprotocol: "test.v1"})
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Next(); err != nil || string(m) != "hi" {
		t.Error(m, err)
	}
	if _, err := c.Next(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	c.Close()

	binary := serve(t, func(ctx context.Context, c *websocket.Conn) {
		_ = c.Write(ctx, websocket.MessageBinary, []byte("hi"))
		_, _, _ = c.Read(ctx)
	})
	if c, err = Dial(t.Context(), binary, Options{Subprotocol: "test.v1"}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Next(); !errors.Is(err, errNotRead) {
		t.Error(err)
	}
	c.Close()
	if e := closed(nil); e.Code != 1005 || e.Error() == "" {
		t.Error(e)
	}
}

func TestDialErrors(t *testing.T) {
	url := serve(t, func(context.Context, *websocket.Conn) {})
	for _, bad := range []struct {
		url string
		o   Options
	}{{"ftp://x", Options{}}, {"http://127.0.0.1:1", Options{}}, {"ws://\x7f", Options{}}, {url + "/refuse", Options{Subprotocol: "test.v1"}},
		{url, Options{Subprotocol: "other"}}, {strings.Replace(url, "http", "wss", 1), Options{}}} {
		if c, err := Dial(t.Context(), bad.url, bad.o); err == nil {
			t.Errorf("%s: no error", bad.url)
			c.Close()
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Dial(ctx, url, Options{Subprotocol: "test.v1"}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// What it costs to receive a message of the usual size, here and with the library
// that the server uses.
func BenchmarkReceive(b *testing.B) {
	message := []byte(strings.Repeat("x", 400))
	url := func(b *testing.B, n int) string {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{"test.v1"}})
			if err != nil {
				b.Error(err)
				return
			}
			defer c.CloseNow()
			for range n {
				if c.Write(r.Context(), websocket.MessageText, message) != nil {
					return
				}
			}
			_, _, _ = c.Read(r.Context())
		}))
		b.Cleanup(srv.Close)
		return srv.URL
	}
	b.Run("socket", func(b *testing.B) {
		c, err := Dial(b.Context(), url(b, b.N), Options{Subprotocol: "test.v1"})
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		b.ReportAllocs()
		for range b.N {
			if _, err := c.Next(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("coder", func(b *testing.B) {
		c, _, err := websocket.Dial(b.Context(), url(b, b.N), &websocket.DialOptions{Subprotocols: []string{"test.v1"}})
		if err != nil {
			b.Fatal(err)
		}
		defer c.CloseNow()
		b.ReportAllocs()
		for range b.N {
			if _, _, err := c.Read(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
