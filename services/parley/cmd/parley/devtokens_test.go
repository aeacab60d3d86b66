package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/wire"
)

// readyLog is a log that tells where the server listens.
type readyLog struct {
	at chan string

	mu   sync.Mutex
	text bytes.Buffer
}

func (l *readyLog) Write(line []byte) (int, error) {
	var entry struct{ Msg, Listen string }
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.Write(line)
	if entry.Msg == "ready" {
		l.at <- entry.Listen
	}
	return len(line), nil
}

func (l *readyLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// asked is one request with a connection of its own.
func asked(t *testing.T, method, url, body, origin string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	if origin != "" {
		r.Header.Set("Origin", origin)
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
	return resp.StatusCode, string(text)
}

// The command gives tokens that a service with the same settings takes, refuses pages of
// others, knows nothing else, and ends with a signal.
func TestDevTokens(t *testing.T) {
	file := filepath.Join(t.TempDir(), "jwt")
	secret := auth.NewSecret()
	if err := os.WriteFile(file, append(secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, signal := context.WithCancel(t.Context())
	log, ended := &readyLog{at: make(chan string, 1)}, make(chan error, 1)
	go func() {
		ended <- devTokens(ctx, []string{"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--jwt-hs256-secret-file", file, "--jwt-issuer=me", "--jwt-audience=parley"}, io.Discard, log)
	}()
	var at string
	select {
	case at = <-log.at:
	case err := <-ended:
		t.Fatalf("it ended: %v", err)
	}
	at = "http://" + at
	for _, c := range []struct {
		method, path, body, origin string
		status                     int
	}{
		{"POST", "/dev/token", `{"user":"alice"}`, at, 200},
		{"POST", "/dev/token", `{"user":"alice"}`, "https://evil.example", 403},
		{"POST", "/dev/token", `{"user":"alice","scope":"operator"}`, "", 400},
		{"POST", "/dev/token", `{"user":"alice","ns":"x"}`, "", 400},
		{"POST", "/dev/token", `{"user":"` + strings.Repeat("a", 5000) + `"}`, "", 413},
		{"GET", "/dev/token", "", "", 405},
		{"GET", "/", "", "", 404},
		{"POST", "/dev/token/", `{"user":"alice"}`, "", 404},
		{"GET", "/v1/conversations", "", "", 404},
		{"GET", "/livez", "", "", 404},
	} {
		if status, text := asked(t, c.method, at+c.path, c.body, c.origin); status != c.status {
			t.Errorf("%s %s %.60s: %d %s", c.method, c.path, c.body, status, text)
		}
	}
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: secret, Issuer: "me", Audience: "parley"})
	if err != nil {
		t.Fatal(err)
	}
	var got wire.Token
	_, text := asked(t, "POST", at+"/dev/token", `{"user":"alice"}`, "")
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if id, err := verifier.Verify(got.Token); err != nil || id.User != "alice" || len(id.Scopes) > 0 || time.Until(id.Expires) > 24*time.Hour {
		t.Errorf("%+v %v", id, err)
	}
	signal()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if all := log.String(); strings.Contains(all, string(secret)) || strings.Contains(all, got.Token) || !strings.Contains(all, "can be anybody") {
		t.Errorf("the log is %s", all)
	}
}

func TestDevTokensRefuses(t *testing.T) {
	short := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(short, []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	long := filepath.Join(t.TempDir(), "jwt")
	if err := os.WriteFile(long, auth.NewSecret(), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	t.Setenv("PARLEY_JWT_HS256_SECRET_FILE", "")
	for _, c := range []struct {
		want string
		args []string
	}{
		{"exit code 2", nil},
		{"JWT_HS256_SECRET_FILE", []string{"--jwt-hs256-secret-file=/no/such/file"}},
		{"at least 32", []string{"--jwt-hs256-secret-file", short}},
		{"listen: ", []string{"--jwt-hs256-secret-file", long, "--listen", taken.Addr().String()}},
		{"listen for operations: ", []string{"--jwt-hs256-secret-file", long, "--listen=127.0.0.1:0", "--ops-listen", taken.Addr().String()}},
		{"exit code 2", []string{"--jwks-url=https://login.example"}},
		{"exit code 2", []string{"extra"}},
	} {
		if err := devTokens(t.Context(), append([]string{"--ops-listen=127.0.0.1:0"}, c.args...), io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.args, err, c.want)
		}
	}
	var help, said bytes.Buffer
	if err := devTokens(t.Context(), []string{"--help"}, &help, io.Discard); err == nil || err.Error() != "exit code 0" || !strings.Contains(help.String(), "makes anybody anybody") || !strings.Contains(help.String(), "PARLEY_JWT_AUDIENCE") {
		t.Errorf("%v %s", err, help.String())
	}
	if err := devTokens(t.Context(), nil, io.Discard, &said); err == nil || !strings.Contains(said.String(), "no secret to sign tokens with") {
		t.Errorf("%v %s", err, said.String())
	}
}
