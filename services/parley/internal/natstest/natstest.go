// Package natstest runs a real NATS server in the process of a test.
package natstest

import (
	"net/url"
	"strconv"
	"testing"

	"github.com/parley-chat/parley/services/parley/internal/natsserver"
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
	s := &Server{t: t}
	s.run()
	u, err := url.Parse(s.s.URL())
	if err != nil {
		t.Fatalf("parse the server's URL: %v", err)
	}
	if s.port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatalf("parse the server's port: %v", err)
	}
	s.URL = s.s.URL()
	t.Cleanup(s.Stop)
	return s
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
