// Package mongotest gives tests a MongoDB-wire server. By default that is
// FerretDB version 1, run as a child process by the command mongowire beside this
// package, which is built on first use; where PARLEY_TEST_MONGO_URI is set it is
// the server named there, a real replica set for instance.
//
// FerretDB scans where MongoDB uses an index: keep a test's data below 10,000
// documents, and measure nothing on it.
package mongotest

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/mongomem"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// EnvURI is the environment variable that names a server to use instead.
const EnvURI = "PARLEY_TEST_MONGO_URI"

const (
	startTimeout = time.Minute      // for the child to listen
	stopTimeout  = 30 * time.Second // for it to end by itself
)

// Server is a MongoDB-wire server for as long as a test, or a package's tests.
type Server struct {
	// URI is its connection string, with no database.
	URI string
	// Memory is the server of [OpenMemory]; nil: it is another one.
	Memory *mongomem.Server

	child *exec.Cmd
	stdin io.Closer
	stop  func() error // of mongomem; nil: another server
}

// Start gives a test a server that ends with it.
func Start(t testing.TB) *Server {
	t.Helper()
	s, err := Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Open is [Start] for a TestMain: the caller closes the server. It blocks until
// the server listens; the first call on a machine builds it, which takes a minute.
func Open(ctx context.Context) (*Server, error) {
	if uri := os.Getenv(EnvURI); uri != "" {
		return &Server{URI: uri}, nil
	}
	return OpenEmbedded(ctx)
}

// OpenEmbedded is [Open] with the embedded server whatever the environment says:
// for tests that put a [Proxy] before it.
func OpenEmbedded(ctx context.Context) (*Server, error) {
	program, err := build(ctx)
	if err != nil {
		return nil, err
	}
	s := &Server{child: exec.Command(program)} // it outlives ctx, and ends with its stdin
	s.child.Stderr = os.Stderr
	stdin, err := s.child.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("opening mongowire's input: %w", err)
	}
	s.stdin = stdin
	stdout, err := s.child.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("opening mongowire's output: %w", err)
	}
	if err := s.child.Start(); err != nil {
		return nil, fmt.Errorf("starting mongowire: %w", err)
	}
	if s.URI, err = readURI(ctx, stdout); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// readURI waits for the line that the child prints when it is ready.
func readURI(ctx context.Context, stdout io.Reader) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	type answer struct {
		line []byte
		err  error
	}
	read := make(chan answer, 1) // ends when the child's output does, at the latest
	go func() {
		line, err := bufio.NewReader(stdout).ReadBytes('\n')
		read <- answer{line, err}
	}()
	select {
	case a := <-read:
		var ready struct {
			URI string `json:"uri"`
		}
		if a.err != nil {
			return "", fmt.Errorf("waiting for mongowire: %w", a.err)
		}
		if err := json.Unmarshal(a.line, &ready); err != nil {
			return "", fmt.Errorf("reading mongowire's address: %w", err)
		}
		return ready.URI, nil
	case <-ctx.Done():
		return "", fmt.Errorf("waiting for mongowire: %w", ctx.Err())
	}
}

// Close ends the server and waits until it has gone. A server that was named by
// the environment stays.
func (s *Server) Close() error {
	if s.stop != nil {
		return s.stop()
	}
	if s.child == nil {
		return nil
	}
	kill := time.AfterFunc(stopTimeout, func() { s.child.Process.Kill() }) //nolint:errcheck // it has ended, or Wait tells
	defer kill.Stop()
	if err := s.stdin.Close(); err != nil {
		return fmt.Errorf("ending mongowire: %w", err)
	}
	if err := s.child.Wait(); err != nil {
		return fmt.Errorf("ending mongowire: %w", err)
	}
	return nil
}

// Terminate ends the embedded server with SIGTERM, as Close does through its
// input. Close must follow.
func (s *Server) Terminate() error {
	if err := s.child.Process.Signal(syscall.SIGTERM); err != nil {
		return fmt.Errorf("terminating mongowire: %w", err)
	}
	return nil
}

// Database names a database for one test, which is dropped at its end.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	name := "parley_test_" + strings.ToLower(rand.Text()[:10])
	if s.child != nil || s.stop != nil {
		return name // it goes with the server
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		client, err := mongo.Connect(options.Client().ApplyURI(s.URI))
		if err != nil {
			t.Error(err)
			return
		}
		if err := errors.Join(client.Database(name).Drop(ctx), client.Disconnect(ctx)); err != nil {
			t.Error(err)
		}
	})
	return name
}

// Proxy puts a fault-playing proxy before the server, for as long as the test,
// and returns it with the connection string that leads through it. The server
// must be an embedded one: a replica set's driver would go round the proxy.
//
// The options' target is filled in.
func (s *Server) Proxy(t testing.TB, o wireproxy.Options) (*wireproxy.Proxy, string) {
	t.Helper()
	u, err := url.Parse(s.URI)
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o.Target = u.Host
	p := wireproxy.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- p.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Error("serving the proxy:", err)
		}
	})
	u.Host = ln.Addr().String()
	return p, u.String()
}
