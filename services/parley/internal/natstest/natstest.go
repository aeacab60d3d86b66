// Package natstest runs a real NATS server in the process of a test.
package natstest

import (
	"testing"

	"github.com/parley-chat/parley/services/parley/internal/natsserver"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// Server is a NATS server on a port of the loopback interface that stays the same
// when it is stopped and started again.
type Server struct {
	URL string // nats://127.0.0.1:port

	t    testing.TB
	port int
	s    *natsserver.Server // nil while stopped
}

// Start runs a server on a free port until the test ends.
func Start(t testing.TB) *Server {
	t.Helper()
	s := &Server{t: t, port: Port(t)}
	s.run()
	s.URL = s.s.URL()
	t.Cleanup(s.Stop)
	return s
}

// Port finds a port for a server that is stopped and started again: no other process is
// given it until the test ends.
func Port(t testing.TB) int {
	t.Helper()
	return Ports(t, 1)
}

// Ports finds n of them in a row, and returns the first.
func Ports(t testing.TB, n int) int {
	t.Helper()
	ports, err := procs.TakePorts(n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := ports.Release(); err != nil {
			t.Error(err)
		}
	})
	return ports.First
}

// Stop ends the server and all its connections, as a crash would. It blocks until
// the port is free. Stopping a stopped server does nothing.
func (s *Server) Stop() {
	if s.s != nil {
		s.s.Stop()
		s.s = nil
	}
}

// Restart runs the stopped server again, on the same port.
func (s *Server) Restart() {
	s.t.Helper()
	s.Stop()
	s.run()
}

func (s *Server) run() {
	s.t.Helper()
	var err error
	if s.s, err = natsserver.Start(natsserver.Options{Port: s.port}); err != nil {
		s.t.Fatal(err)
	}
}
