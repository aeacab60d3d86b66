package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/internal/deps"
	"github.com/parley-chat/parley/pkg/certs/certstest"
)

func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PARLEY_") {
			os.Unsetenv(name) // what is set by chance
		}
	}
	goleak.VerifyTestMain(m)
}

// ready is a log that tells where the server listens.
type ready struct{ at chan string }

func (r *ready) Write(line []byte) (int, error) {
	var entry struct{ Msg, Listen string }
	if err := json.Unmarshal(line, &entry); err != nil {
		return 0, err
	}
	if entry.Msg == "ready" {
		r.at <- entry.Listen
	}
	return len(line), nil
}

// It serves the page by HTTP/2 with its policy, answers 404 for what is others', and
// ends with a signal.
func TestServes(t *testing.T) {
	ca := certstest.NewAuthority(t)
	f := ca.Files(t.TempDir(), "127.0.0.1")
	ctx, signal := context.WithCancel(t.Context())
	log := &ready{make(chan string, 1)}
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"--listen=127.0.0.1:0", "--ops-listen=127.0.0.1:0", "--tls-cert-file", f.Cert, "--tls-key-file", f.Key,
			"--media-origins=https://s3.example.com"}, io.Discard, log)
	}()
	at := "https://" + <-log.at
	transport := &http.Transport{TLSClientConfig: ca.Client(""), ForceAttemptHTTP2: true}
	client := &http.Client{Transport: transport}
	for path, status := range map[string]int{"/": 200, "/v1/ws": 404, "/v1/conversations": 404} {
		resp, err := client.Get(at + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != status || resp.ProtoMajor != 2 {
			t.Errorf("%s: %s in %s", path, resp.Status, resp.Proto)
		}
		if csp := resp.Header.Get("Content-Security-Policy"); path == "/" && (!strings.Contains(csp, "connect-src 'self' https://s3.example.com;") || !strings.Contains(csp, "default-src 'none'")) {
			t.Errorf("the policy is %q", csp)
		}
	}
	transport.CloseIdleConnections()
	signal()
	if c := <-code; c != 0 {
		t.Errorf("exit code %d", c)
	}
}

func TestRefuses(t *testing.T) {
	for want, args := range map[string][]string{
		"is no origin":               {"--media-origins=https://a.example; script-src *"},
		"without its key":            {"--tls-cert-file=c"},
		"PARLEY_MEDIA_ORIGINS":       {"--media-origins=s3.example.com"},
		"did you mean --ops-listen?": {"--opslisten"},
		"gateways without history":   {"--gateway-url=http://g"},
		"nobody to pass":             {"--bucket-url=http://s3:9000/b"},
		"PARLEY_GATEWAY_URL":         {"--dev-token-url=http://t"},
		"unknown flag --jwt":         {"--gateway-url=http://g", "--history-url=http://h", "--jwt-hs256-secret-file=x"},
		"has a path":                 {"--gateway-url=http://g", "--history-url=http://h", "--dev-token-url=http://t/dev/token"},
		"end with a bucket":          {"--gateway-url=http://g", "--history-url=http://h", "--bucket-url=http://s3:9000"},
		"of the form http":           {"--gateway-url=gateway:8080", "--history-url=http://h"},
	} {
		var stderr bytes.Buffer
		if code := run(t.Context(), args, io.Discard, &stderr); code != 2 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%d %s, want %q", code, stderr.String(), want)
		}
	}
}

func serverTLS(t *testing.T, f certstest.Files) *tls.Config {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}}
}

func TestForbiddenDependencies(t *testing.T) {
	const why = "files are served without it"
	deps.Forbid(t, deps.Module+"/web/cmd/web", map[string]string{
		"testing": "test code has no place in production", "go.mongodb.org/mongo-driver": why, "github.com/nats-io/nats.go": why,
		"github.com/coder/websocket": why, deps.Module + "/services": why, deps.Module + "/pkg/store": why,
	})
}
