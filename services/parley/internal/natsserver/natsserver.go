// Package natsserver is the NATS server inside the all-in-one binary: one plain
// server without JetStream, monitoring, cluster or WebSocket listener. It only
// wakes pods up, so it has nothing to store.
package natsserver

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Options is where the server listens. The zero value is a random port of the
// loopback interface.
type Options struct {
	// Host is the address to listen on. "": 127.0.0.1. There is no authentication:
	// whoever reaches the server hears everything.
	Host string
	// Port, 0: a free one.
	Port int
	// Logger gets the server's warnings and errors, and the rest at debug level.
	// Nil: nothing is logged.
	Logger *slog.Logger
}

// Server is a running server.
type Server struct {
	s   *server.Server
	url string
}

// startTimeout is for a socket to be opened, on a machine that is very busy.
const startTimeout = 30 * time.Second

// Start runs a server. It returns when clients can connect to URL, or with the
// reason why they cannot, such as a port that is taken.
func Start(o Options) (*Server, error) {
	if o.Host == "" {
		o.Host = "127.0.0.1"
	}
	if o.Port == 0 {
		o.Port = server.RANDOM_PORT
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	s, err := server.NewServer(&server.Options{
		Host:            o.Host,
		Port:            o.Port,
		ServerName:      "parley",
		NoSigs:          true, // signals are the binary's
		JetStream:       false,
		NoSystemAccount: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make the NATS server: %w", err)
	}
	log := &logger{Logger: o.Logger, fatal: make(chan error, 1)}
	s.SetLoggerV2(log, false, false, false)
	s.Start() // returns once it listens, or has failed to
	select {
	case err = <-log.fatal:
	default:
		if !s.ReadyForConnections(startTimeout) {
			err = errors.New("it did not get ready")
		}
	}
	if err != nil {
		s.Shutdown()
		s.WaitForShutdown()
		return nil, fmt.Errorf("start the NATS server: %w", err)
	}
	return &Server{s: s, url: s.ClientURL()}, nil
}

// URL is where clients connect: nats://host:port.
func (s *Server) URL() string { return s.url }

// Stop ends all connections and the server. It blocks until its port is free; a
// second Stop does nothing.
func (s *Server) Stop() {
	s.s.Shutdown()
	s.s.WaitForShutdown()
}

// logger carries the server's log into slog.
type logger struct {
	*slog.Logger
	fatal chan error
}

func (l *logger) Noticef(format string, v ...any) { l.Debug(text(format, v)) }
func (l *logger) Warnf(format string, v ...any)   { l.Warn(text(format, v)) }
func (l *logger) Errorf(format string, v ...any)  { l.Error(text(format, v)) }
func (l *logger) Debugf(format string, v ...any)  { l.Debug(text(format, v)) }
func (l *logger) Tracef(format string, v ...any)  { l.Debug(text(format, v)) }

// Fatalf does not end the process, as the server's own logger would.
func (l *logger) Fatalf(format string, v ...any) {
	select {
	case l.fatal <- fmt.Errorf(format, v...):
	default:
	}
	l.Error(text(format, v))
}

func text(format string, v []any) string { return "nats-server: " + fmt.Sprintf(format, v...) }
