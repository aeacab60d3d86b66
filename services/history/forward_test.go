package history

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
)

// front is the service over TCP, with a gateway behind it. In a bubble, so that a gateway is
// never given up, however slow this machine is: its clock stands still while a server
// waits for a connection.
func front(t *testing.T, gateway http.Handler) *httptest.Server {
	t.Helper()
	back := httptest.NewServer(gateway)
	t.Cleanup(back.Close)
	server := httptest.NewServer(newFixture(t).handler(func(o *Options) {
		o.GatewayURL = parse(t, back.URL)
		o.Origins = rest.Origins{"app.example"}
	}))
	t.Cleanup(server.Close)
	t.Cleanup(server.Client().CloseIdleConnections)
	return server
}

func TestForward(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type seen struct{ method, target, host, token, body, via, forwarded, standard string }
		var got seen
		server := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			got = seen{r.Method, r.RequestURI, r.Host, r.Header.Get("Authorization"), string(body),
				r.Header.Get("Via"), r.Header.Get("X-Forwarded-For"), strings.Join(r.Header.Values("Forwarded"), ", ")}
			w.Header().Set("Access-Control-Allow-Origin", "https://app.example")
			rest.JSON(w, http.StatusCreated, "made")
		}))
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE"} {
			const target = "/v1/conversations/g_x/members/bob%40x.org?cmid=c1"
			r, err := http.NewRequestWithContext(t.Context(), method, server.URL+target, strings.NewReader(`{"role":"admin"}`))
			if err != nil {
				t.Fatal(err)
			}
			r.Host = "chat.example"
			r.Header.Set("Authorization", "Bearer _/alice")
			r.Header.Set("Origin", "https://app.example")
			r.Header.Set("Forwarded", "for=192.0.2.1") // by the proxy in front
			resp, err := server.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			want := seen{method, target, "chat.example", "Bearer _/alice", `{"role":"admin"}`, "1.1 parley-history", "127.0.0.1", "for=192.0.2.1, for=me"}
			if before, own, _ := strings.Cut(got.standard, ", "); strings.HasPrefix(own, `for="127.0.0.1:`) {
				got.standard = before + ", for=me" // and its port
			}
			if got != want {
				t.Errorf("the gateway got\n%+v, want\n%+v", got, want)
			}
			if resp.StatusCode != http.StatusCreated || string(body) != `"made"` {
				t.Errorf("%s: %d %s", method, resp.StatusCode, body)
			}
			if origins := resp.Header.Values("Access-Control-Allow-Origin"); len(origins) != 1 {
				t.Errorf("%s: Access-Control-Allow-Origin %q", method, origins)
			}
		}
	})
}

// Body and answer are streamed: the gateway has the first part of the body before
// there is a second one, and the client that of the answer.
func TestForwardStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		received, proceed := make(chan string), make(chan struct{})
		server := front(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			lines := bufio.NewScanner(r.Body)
			for lines.Scan() {
				received <- lines.Text()
			}
			fmt.Fprintln(w, "first")
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Error(err)
			}
			<-proceed
			fmt.Fprintln(w, "second")
		}))
		body, send := io.Pipe()
		type result struct {
			resp *http.Response
			err  error
		}
		answered := make(chan result, 1)
		go func() {
			resp, err := server.Client().Post(server.URL+"/v1/messages", "application/json", body)
			answered <- result{resp, err}
		}()
		for _, part := range []string{"one", "two"} {
			fmt.Fprintln(send, part)
			if got := <-received; got != part {
				t.Fatalf("the gateway has %q, want %q", got, part)
			}
		}
		send.Close()
		a := <-answered
		if a.err != nil {
			t.Fatal(a.err)
		}
		defer a.resp.Body.Close()
		lines := bufio.NewScanner(a.resp.Body)
		if !lines.Scan() || lines.Text() != "first" {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
		close(proceed)
		if !lines.Scan() || lines.Text() != "second" {
			t.Fatalf("%q, %v", lines.Text(), lines.Err())
		}
	})
}

func TestGatewayAway(t *testing.T) {
	h := newFixture(t).handler(func(o *Options) { o.GatewayURL = parse(t, "http://127.0.0.1:0") }) // where nobody can listen
	a := ask(h, "POST", "/v1/messages", "_/alice")
	if a.status != 503 || a.problem(t) != chat.CodeUnavailable || strings.Contains(a.body, "127.0.0.1") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := ask(h, "GET", "/v1/conversations", "_/alice"); a.status != 200 {
		t.Errorf("reading needs no gateway: %d %s", a.status, a.body)
	}
}

// A gateway address that leads back here ends after one turn.
func TestForwardToItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var h http.Handler
		turns := 0
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			turns++
			h.ServeHTTP(w, r)
		}))
		defer server.Close()
		h = newFixture(t).handler(func(o *Options) { o.GatewayURL = parse(t, server.URL) })
		resp, err := server.Client().Post(server.URL+"/v1/messages", "application/json", strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		defer server.Client().CloseIdleConnections()
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusMethodNotAllowed || turns != 2 {
			t.Errorf("%d after %d turns", resp.StatusCode, turns)
		}
	})
}

func TestOrigins(t *testing.T) {
	h := newFixture(t).handler(func(o *Options) { o.Origins = rest.Origins{"app.example"} })
	for origin, status := range map[string]int{"https://app.example": 200, "http://chat.example": 200, "https://evil.example": 403} {
		r := httptest.NewRequest("GET", "http://chat.example/v1/conversations", nil)
		r.Header.Set("Authorization", "Bearer _/alice")
		r.Header.Set("Origin", origin)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		allowed := w.Header().Get("Access-Control-Allow-Origin")
		if w.Code != status || (allowed == origin) != (status == 200) {
			t.Errorf("%s: %d, allowed %q", origin, w.Code, allowed)
		}
	}
}
