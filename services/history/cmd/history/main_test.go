package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/ops"
)

func TestMain(m *testing.M) {
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "PARLEY_") {
			os.Unsetenv(name) // what is set by chance
		}
	}
	goleak.VerifyTestMain(m)
}

func TestHelp(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), []string{"--help"}, &stdout, &stderr); code != 0 {
		t.Errorf("exit code %d", code)
	}
	for _, setting := range []string{"PARLEY_LISTEN", "PARLEY_OPS_LISTEN", "PARLEY_MONGO_URI", "PARLEY_GATEWAY_URL",
		"PARLEY_JWT_AUDIENCE", "PARLEY_ALLOWED_ORIGINS"} {
		if !strings.Contains(stdout.String(), setting) {
			t.Errorf("the help does not name %s", setting)
		}
	}
}

func TestSaysWhatToSet(t *testing.T) {
	var stdout, stderr bytes.Buffer
	if code := run(t.Context(), nil, &stdout, &stderr); code != 2 {
		t.Errorf("exit code %d", code)
	}
	for _, setting := range []string{"PARLEY_MONGO_URI", "PARLEY_JWT_HS256_SECRET_FILE", "PARLEY_JWT_AUDIENCE"} {
		if !strings.Contains(stderr.String(), setting) {
			t.Errorf("%s is not asked for: %s", setting, stderr.String())
		}
	}
}

// lines calls seen for each line that is written.
type lines struct {
	mu   sync.Mutex
	all  bytes.Buffer
	seen func(line string)
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all.Write(b)
	l.seen(string(b))
	return len(b), nil
}

func args(t *testing.T, opsAddr string) []string {
	t.Helper()
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("mZ0v+Q7xkT4s9dLr2WfYb8uNc1HjEa5g"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--listen", "127.0.0.1:0", "--ops-listen", opsAddr, "--jwt-hs256-secret-file", secret, "--jwt-audience", "parley",
		"--mongo-uri", "mongodb://user:hush@127.0.0.1:1/parley?serverSelectionTimeoutMS=50&connectTimeoutMS=50"}
}

// A signal while the store is away ends the service in order, and no log line has
// the store's password.
func TestSignalWhileWaiting(t *testing.T) {
	ctx, signal := context.WithCancelCause(t.Context())
	log := &lines{seen: func(line string) {
		if strings.Contains(line, "starting") {
			signal(errors.New("terminated signal received"))
		}
	}}
	if code := run(ctx, args(t, "127.0.0.1:0"), io.Discard, log); code != 0 {
		t.Errorf("exit code %d: %s", code, log.all.String())
	}
	if strings.Contains(log.all.String(), "hush") {
		t.Errorf("the log has the password: %s", log.all.String())
	}
}

// A part that fails ends the others, and is the reason.
func TestOperationsPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	log := &lines{seen: func(string) {}}
	if code := run(t.Context(), args(t, taken.Addr().String()), io.Discard, log); code != 1 {
		t.Errorf("exit code %d", code)
	}
	if !strings.Contains(log.all.String(), "address already in use") || strings.Contains(log.all.String(), "hush") {
		t.Errorf("%s", log.all.String())
	}
}

// piped is a listener in memory. Its clients dial it.
type piped struct {
	conns  chan net.Conn
	closed chan struct{}
	close  func()
}

func newPiped() *piped {
	l := &piped{conns: make(chan net.Conn), closed: make(chan struct{})}
	l.close = sync.OnceFunc(func() { close(l.closed) })
	return l
}

func (l *piped) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *piped) Close() error {
	l.close()
	return nil
}

func (l *piped) Addr() net.Addr { return &net.UnixAddr{} }

func (l *piped) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Stopping takes no more connections, and waits for the request that is under way: for a
// second, which on a slow machine is short. So the clock is a bubble's.
func TestStopsInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		inside, leave := make(chan struct{}), make(chan struct{})
		h := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			close(inside)
			<-leave
			_, _ = io.WriteString(w, "done")
		})
		l := newPiped()
		stop := serveHTTP(l, h, slog.New(slog.DiscardHandler), func(err error) { t.Error(err) })
		client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: l.dial}}
		answer := make(chan string, 1)
		go func() {
			resp, err := client.Get("http://history")
			if err != nil {
				answer <- err.Error()
				return
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			answer <- string(body)
		}()
		<-inside
		stopped := make(chan error, 1)
		go func() { stopped <- stop(t.Context()) }()
		<-l.closed
		if resp, err := client.Get("http://history"); err == nil {
			resp.Body.Close()
			t.Error("it still answers")
		}
		close(leave)
		if got := <-answer; got != "done" {
			t.Errorf("the request that was under way got %q", got)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
}

type pingerFunc func(context.Context) error

func (f pingerFunc) Ping(ctx context.Context) error { return f(ctx) }

// Operators learn that the store is away, and that it is back.
func TestWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		port := ops.New(ops.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		pings := 0
		err := watch(ctx, port, pingerFunc(func(ctx context.Context) error {
			switch pings++; pings {
			case 1:
				return errors.New("mongodb://user:hush@x is away")
			case 2: // hangs
				<-ctx.Done()
				return ctx.Err()
			case 4:
				cancel()
			}
			return nil
		}))
		if err != nil {
			t.Error(err)
		}
		for _, part := range []string{"level=WARN msg=degraded part=mongodb", "no longer degraded"} {
			if strings.Count(log.String(), part) != 1 {
				t.Errorf("%q is not there once: %s", part, log.String())
			}
		}
		if strings.Contains(log.String(), "hush") {
			t.Errorf("%s", log.String())
		}
	})
}
