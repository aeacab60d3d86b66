package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/peterbourgon/ff/v3/ffcli"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/services/parley/internal/allinone"
)

// TestMain lets this program be started as `parley up`, too, which is what `parley
// bench --spawn` does with the program that it is in.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "up" {
		os.Exit(run(os.Args[1:]))
	}
	goleak.VerifyTestMain(m)
}

// execute runs a command as main does, with the text on standard input, and gives
// what it prints.
func execute(t *testing.T, cmd *ffcli.Command, stdin string, args ...string) (string, error) {
	t.Helper()
	dir := t.TempDir()
	in, err := os.Create(filepath.Join(dir, "in"))
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := os.Create(filepath.Join(dir, "out"))
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if _, err := io.Copy(in, strings.NewReader(stdin)); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	stdinWas, stdoutWas, stderrWas := os.Stdin, os.Stdout, os.Stderr
	os.Stdin, os.Stdout, os.Stderr = in, out, out
	cmd.FlagSet.SetOutput(io.Discard)
	err = cmd.ParseAndRun(t.Context(), args)
	os.Stdin, os.Stdout, os.Stderr = stdinWas, stdoutWas, stderrWas
	printed, readErr := os.ReadFile(out.Name())
	if readErr != nil {
		t.Fatal(readErr)
	}
	return string(printed), err
}

func TestTokenCommand(t *testing.T) {
	secret := auth.NewSecret()
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, append(secret, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := execute(t, newTokenCmd(), "", "alice", "--ttl", "1h", "--ns", "acme", "--scope", "send:any other", "--secret-file", file, "--jwt-audience", "parley")
	if err != nil {
		t.Fatal(err)
	}
	v, err := auth.NewVerifier(auth.Options{HS256Secret: secret, Audience: "parley"})
	if err != nil {
		t.Fatal(err)
	}
	id, err := v.Verify(strings.TrimSpace(out))
	if err != nil || id.User != "alice" || id.NS != "acme" || !id.Has(auth.ScopeSendAny) || !id.Has("other") {
		t.Errorf("%+v %v", id, err)
	}
	if d := time.Until(id.Expires); d > time.Hour || d < 59*time.Minute {
		t.Error(d)
	}
	for _, args := range [][]string{
		{"a b", "--secret-file", file}, {"alice", "bob", "--secret-file", file}, {"alice", "--secret-file", file + "x"},
		{"alice", "--secret-file", file, "--ttl", "0"}, {"alice", "--secret-file", file, "--ns", "a b"}, {"alice", "--nope"},
		{"alice", "--url", "http://127.0.0.1:1"},
	} {
		if _, err := execute(t, newTokenCmd(), "", args...); err == nil {
			t.Errorf("%q: no error", args)
		}
	}
	if _, err := execute(t, newTokenCmd(), ""); !errors.Is(err, flag.ErrHelp) {
		t.Error(err)
	}
}

func TestDevToken(t *testing.T) {
	answer := ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.URL.Path != "/dev/token" || r.Method != http.MethodPost || string(body) != `{"user":"alice"}` {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, answer)
	}))
	defer srv.Close()
	for in, want := range map[string]string{`{"token":"x"}`: "x", `{"token":""}`: "", `nonsense`: "", `{}`: ""} {
		answer = in
		got, err := devToken(t.Context(), srv.URL+"/v1/ws", "alice")
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", in, got, err)
		}
	}
	if _, err := devToken(t.Context(), srv.URL, "bob"); err == nil {
		t.Error("no error")
	}
}

func TestCommandToken(t *testing.T) {
	if got, err := commandToken(t.Context(), "echo token for", "alice"); err != nil || got != "token for alice" {
		t.Error(got, err)
	}
	for _, bad := range []string{"", "false", "true", "/no/such/command"} {
		if _, err := commandToken(t.Context(), bad, "alice"); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestHTTPURL(t *testing.T) {
	for in, want := range map[string]string{
		"http://h:1": "http://h:1", "ws://h/v1/ws": "http://h", "wss://h/": "https://h", "https://h/chat/v1/ws": "https://h/chat", "wsx://h": "wsx://h",
	} {
		if got := httpURL(in); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

func TestChatOptions(t *testing.T) {
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: auth.NewSecret()})
	if err != nil {
		t.Fatal(err)
	}
	token, err := signer.Sign(auth.Identity{User: "alice", NS: "acme"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	o := chatFlags{token: token, to: "bob", urls: "http://a, http://b,", json: true}
	opt, err := o.options(t.Context())
	if err != nil || opt.Me != "alice" || opt.Conv != chat.DirectID("acme", "alice", "bob") || len(opt.Client.URLs) != 2 || opt.Client.Device != "script" || opt.Interactive {
		t.Errorf("%+v %v", opt, err)
	}
	const group = "g_abcdefghijklmnop"
	for name, bad := range map[string]chatFlags{
		"both": {token: token, to: "bob", conv: group, urls: "http://a"}, "nobody": {token: token, urls: "http://a"},
		"bad to": {token: token, to: "b b", urls: "http://a"}, "bad conv": {token: token, conv: "x", urls: "http://a"},
		"no name": {to: "bob", urls: "http://a"}, "bad name": {as: "a b", to: "bob", urls: "http://a"},
		"other name": {as: "eve", token: token, to: "bob", urls: "http://a"}, "no url": {token: token, to: "bob", urls: ","},
		"no server": {as: "alice", to: "bob", urls: "http://127.0.0.1:1"},
	} {
		if _, err := bad.options(t.Context()); err == nil {
			t.Error(name)
		}
	}
	if n := (&chatFlags{}).deviceName(true); n != "terminal" {
		t.Error(n)
	}
	if n := (&chatFlags{device: "mine", json: true}).deviceName(true); n != "mine" {
		t.Error(n)
	}
}

// A pipe, then a script, against a cluster in this process; and verify with it.
func TestChatAndVerify(t *testing.T) {
	c, err := allinone.Start(t.Context(), allinone.Options{Gateways: 2, Data: t.TempDir(), DevTokens: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		http.DefaultClient.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.Stop(ctx); err != nil {
			t.Error(err)
		}
	}()
	urls := strings.Join(c.URLs, ",")
	if out, err := execute(t, newChatCmd(), "one\ntwo\n", "--as", "alice", "--to", "bob", "--url", urls); err != nil || out != "" {
		t.Fatal(out, err)
	}
	history := `{"type":"history","conv":"` + string(chat.DirectID(chat.DefaultNS, "alice", "bob")) + `","after":0}` + "\n"
	out, err := execute(t, newChatCmd(), history, "--as", "bob", "--json", "--url", urls)
	if err != nil || !strings.Contains(out, `"type":"page"`) || !strings.Contains(out, `{"text":"two"}`) {
		t.Error(out, err)
	}
	if _, err := execute(t, newChatCmd(), "x\n", "--as", "alice", "--conv", "g_abcdefghijklmnop", "--url", urls); err == nil {
		t.Error("no error")
	}

	local := func(context.Context) ([]string, string, func() error, error) {
		return c.URLs, c.URLs[0], func() error { return nil }, nil
	}
	report := filepath.Join(t.TempDir(), "report.json")
	args := []string{"--users", "3", "--messages", "60", "--reconnects", "1", "--json", report}
	out, err = execute(t, verifyCmd(local), "", args...)
	if err != nil || !strings.Contains(out, "every promise was kept") {
		t.Error(out, err)
	}
	if b, err := os.ReadFile(report); err != nil || !bytes.Contains(b, []byte(`"acked": 60`)) {
		t.Error(string(b), err)
	}
	// What arrives too late is a failure with exit code 1.
	var code exitCode
	_, err = execute(t, verifyCmd(local), "", "--users", "2", "--groups", "-1", "--messages", "50", "--rate", "0.01", "--timeout", "10s", "--urls", urls)
	if !errors.As(err, &code) || code != 1 {
		t.Error(err)
	}
	for _, bad := range [][]string{{"extra"}, {"--users", "1"}, {"--secret-file", "/no/such/file"}, {"--rate", "-1"}} {
		if _, err := execute(t, verifyCmd(local), "", bad...); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestStartLocal(t *testing.T) {
	urls, api, stop, err := startLocal(t.Context())
	if err != nil || len(urls) != localGateways || api != urls[0] {
		t.Fatal(urls, api, err)
	}
	token, err := devToken(t.Context(), api, "alice")
	if user, _ := client.TokenClaims(token); err != nil || user != "alice" {
		t.Error(user, err)
	}
	http.DefaultClient.CloseIdleConnections()
	if err := stop(); err != nil {
		t.Error(err)
	}
}
