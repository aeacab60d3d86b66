package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-chat/parley/pkg/certs/certstest"
)

// named is a service that says what it was asked, and holds sockets open, as far as
// this package needs to know.
func named(t *testing.T, name string) string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") != "" {
			nc, rw, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer nc.Close()
			_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
			_ = rw.Flush()
			_, _ = io.Copy(io.Discard, rw) // until the other side ends it
			return
		}
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Set-Cookie", "a=b")
		fmt.Fprintf(w, "%s %s %s %d %q", name, r.Method, r.URL.RequestURI(), len(body), r.Header.Get("Authorization"))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

// begin runs the command and returns its address; end signals it, and returns its exit
// code.
func begin(t *testing.T, args ...string) (at string, end func() int) {
	t.Helper()
	ctx, signal := context.WithCancel(t.Context())
	log, code := &ready{make(chan string, 1)}, make(chan int, 1)
	go func() {
		code <- run(ctx, append([]string{"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0"}, args...), io.Discard, log)
	}()
	select {
	case at = <-log.at:
	case c := <-code:
		t.Fatalf("it ended with %d", c)
	}
	return at, func() int { signal(); return <-code }
}

func ask(t *testing.T, method, url, body string, header ...string) (int, string, http.Header) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	for i := 0; i < len(header); i += 2 {
		if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
			r.Host = header[i+1]
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Header
}

// Each path and method goes where the shipped route sends it.
func TestOneAddress(t *testing.T) {
	at, end := begin(t, "--gateway-url", named(t, "gateway"), "--history-url", named(t, "history"), "--bucket-url", named(t, "bucket")+"/files")
	at = "http://" + at
	for _, c := range []struct{ method, path, body, says string }{
		{"GET", "/", "", "<title>Parley</title>"},
		{"GET", "/nothing", "", "404 page not found"},
		{"GET", "/v1", "", "404 page not found"},
		{"POST", "/dev/token", `{"user":"alice"}`, "404 page not found"},
		{"GET", "/v1/ws", "", `gateway GET /v1/ws 0 "Bearer t"`},
		{"GET", "/v1/conversations/a%2Fb?x=1", "", `history GET /v1/conversations/a%2Fb?x=1 0 "Bearer t"`},
		{"OPTIONS", "/v1/messages", "", `history OPTIONS /v1/messages 0 "Bearer t"`},
		{"GET", "/openapi.json", "", `history GET /openapi.json 0 "Bearer t"`},
		{"POST", "/v1/messages?a=b", "hello", `gateway POST /v1/messages?a=b 5 "Bearer t"`},
		{"DELETE", "/v1/conversations/g_x", "", `gateway DELETE /v1/conversations/g_x 0 "Bearer t"`},
		{"PUT", "/files/up/1?sig=2", "hello", `bucket PUT /files/up/1?sig=2 5 ""`},
		{"GET", "/files/at/1?sig=2", "", `bucket GET /files/at/1?sig=2 0 ""`},
		{"POST", "/files/?delete", "<Delete/>", "a file is uploaded with PUT"},
	} {
		_, text, header := ask(t, c.method, at+c.path, c.body, "Authorization", "Bearer t", "Cookie", "a=b")
		if !strings.Contains(text, c.says) {
			t.Errorf("%s %s: %s", c.method, c.path, text)
		}
		if strings.HasPrefix(text, "bucket") && (header.Get("Set-Cookie") != "" || header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") != "default-src 'none'; sandbox") {
			t.Errorf("%s: %v", c.path, header)
		}
	}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", at+"/files/up/1", io.MultiReader(bytes.NewReader([]byte("of unknown length"))))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	http.DefaultClient.CloseIdleConnections()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a file of any length: %s", resp.Status)
	}
	if c := end(); c != 0 {
		t.Errorf("exit code %d", c)
	}
}

// A socket does not keep the process, which ends it.
func TestEndsWithSockets(t *testing.T) {
	back := named(t, "gateway")
	at, end := begin(t, "--gateway-url", back, "--history-url", back)
	r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+at+"/v1/ws", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Connection", "Upgrade")
	r.Header.Set("Upgrade", "websocket")
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	resp, err := transport.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("%v %v", resp, err)
	}
	defer resp.Body.Close()
	if c := end(); c != 0 {
		t.Errorf("exit code %d", c)
	}
	if _, err := bufio.NewReader(resp.Body).ReadByte(); err == nil {
		t.Error("the socket said something")
	}
}

// Requests for dev tokens go on for localhost and the page's own origin alone, without
// anybody's token, and the service behind sees what was asked for.
func TestDevTokens(t *testing.T) {
	var seen atomic.Int64
	signer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen.Add(1)
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s%s %s %q %q", r.Method, r.Host, r.URL.RequestURI(), body, r.Header.Get("Origin"), r.Header.Get("Authorization")+r.Header.Get("Cookie"))
	}))
	t.Cleanup(signer.Close)
	back := named(t, "gateway")
	at, end := begin(t, "--gateway-url", back, "--history-url", back, "--dev-token-url", signer.URL)
	const body = `{"user":"alice"}`
	for _, c := range []struct {
		method, host, origin string
		status               int
	}{
		{"POST", at, "", 200}, {"POST", at, "http://" + at, 200}, {"POST", "localhost", "http://localhost", 200},
		{"POST", "chat.example", "", 404}, {"POST", "chat.example", "http://chat.example", 404}, {"POST", at, "https://evil.example", 403}, {"POST", at, "null", 403},
		{"GET", at, "", 405}, {"OPTIONS", at, "", 405}, {"GET", "chat.example", "", 404},
	} {
		before := seen.Load()
		status, text, _ := ask(t, c.method, "http://"+at+"/dev/token", body, "Host", c.host, "Origin", c.origin, "Authorization", "Bearer t", "Cookie", "a=b")
		want := fmt.Sprintf("POST %s/dev/token %s %q %q", c.host, body, c.origin, "")
		if status != c.status || status == 200 && text != want {
			t.Errorf("%+v: %d %s", c, status, text)
		}
		if got := seen.Load() - before; (got == 1) != (c.status == 200) {
			t.Errorf("%+v: the service was asked %d times", c, got)
		}
	}
	if status, text, _ := ask(t, "POST", "http://"+at+"/dev/token/", body, "Host", at); status != 404 {
		t.Errorf("beside the path: %d %s", status, text)
	}
	if c := end(); c != 0 {
		t.Errorf("exit code %d", c)
	}
	at, end = begin(t, "--gateway-url", back, "--history-url", back, "--dev-token-url", "http://127.0.0.1:0") // where nobody can listen
	if status, text, _ := ask(t, "POST", "http://"+at+"/dev/token", body); status != 503 || strings.Contains(text, "127.0.0.1") {
		t.Errorf("nobody signs: %d %s", status, text)
	}
	if c := end(); c != 0 {
		t.Errorf("exit code %d", c)
	}
}

func TestLoopback(t *testing.T) {
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8080": true, "LOCALHOST:8080": true, "127.0.0.1:8080": true, "127.8.8.8": true, "[::1]:8080": true, "[::1]": true,
		"chat.example": false, "chat.example:8080": false, "localhost.evil.example": false, "10.0.0.1:8080": false, "192.168.1.2": false, "0.0.0.0:8080": false,
		"": false, "127.0.0.1.nip.io": false, "web:8080": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("%q: %v", host, got)
		}
	}
}

// Places that have TLS are checked by the authorities that were named.
func TestBehindTLS(t *testing.T) {
	ca := certstest.NewAuthority(t)
	f := ca.Files(t.TempDir(), "127.0.0.1")
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "over TLS") }))
	srv.TLS = serverTLS(t, f)
	srv.StartTLS()
	defer srv.Close()
	at, end := begin(t, "--gateway-url", srv.URL, "--history-url", srv.URL, "--gateway-ca-file", f.CA)
	// A handshake has 2 s, which may be too little for a machine that stands still; then the
	// answer is to repeat the request.
	status, text, _ := ask(t, "GET", "http://"+at+"/v1/conversations", "")
	for tries := 1; status == http.StatusServiceUnavailable && tries < 20; tries++ {
		status, text, _ = ask(t, "GET", "http://"+at+"/v1/conversations", "")
	}
	if status != http.StatusOK || text != "over TLS" {
		t.Error(status, text)
	}
	if c := end(); c != 0 {
		t.Errorf("exit code %d", c)
	}
	var stderr bytes.Buffer
	if code := run(t.Context(), []string{"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--gateway-url", srv.URL, "--history-url", srv.URL, "--gateway-ca-file=/nowhere"}, io.Discard, &stderr); code != 1 || !strings.Contains(stderr.String(), "/nowhere") {
		t.Errorf("%d %s", code, stderr.String())
	}
}

func TestPlaces(t *testing.T) {
	for _, bad := range []string{"", "gateway:8080", "ftp://gateway", "http://", "http://a/b", "http://u:p@a", "http://a?b", "http://a,b", "http://a#b"} {
		var list []*url.URL
		if err := places(&list)(bad); err == nil {
			t.Errorf("%q is taken: %v", bad, list)
		}
	}
	var list []*url.URL
	if err := places(&list)("http://a:1/, https://b"); err != nil || len(list) != 2 || list[0].Host != "a:1" || list[1].Scheme != "https" {
		t.Errorf("%v %v", list, err)
	}
}
