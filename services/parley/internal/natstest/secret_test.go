package natstest_test

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/parley/internal/natstest"
)

// guarded runs a server that wants a password. refusals has a token for each
// connection that had a wrong one.
func guarded(t *testing.T, port int, password string) (s *server.Server, refusals <-chan struct{}) {
	t.Helper()
	var err error
	s, err = server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: port, Username: "parley", Password: password,
		NoSigs: true, NoSystemAccount: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	log := errorLog{make(chan struct{}, 1000)}
	s.SetLoggerV2(log, false, false, false)
	s.Start()
	if !s.ReadyForConnections(patience) {
		t.Fatal("the server does not start")
	}
	t.Cleanup(func() { stop(s) })
	return s, log.refusals
}

// errorLog listens to the server's log for refused passwords.
type errorLog struct{ refusals chan struct{} }

func (l errorLog) Errorf(format string, v ...any) {
	if strings.Contains(fmt.Sprintf(format, v...), "authentication error") {
		l.refusals <- struct{}{}
	}
}
func (errorLog) Noticef(string, ...any) {}
func (errorLog) Warnf(string, ...any)   {}
func (errorLog) Fatalf(string, ...any)  {}
func (errorLog) Debugf(string, ...any)  {}
func (errorLog) Tracef(string, ...any)  {}

func stop(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

func withPassword(t *testing.T, s *server.Server, password string) (rawURL string, port int) {
	t.Helper()
	u, err := url.Parse(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	return "nats://parley:" + password + "@" + u.Host, port
}

// A password that the server does not know for a while, as when it is being
// changed, is no reason to give up; nats.go would after the second refusal.
func TestRefusedPasswordIsTriedAgain(t *testing.T) {
	const canary = "canary-5ecret"
	s, _ := guarded(t, natstest.Port(t), canary)
	u, port := withPassword(t, s, canary)
	var log lines
	o := bus.Options{URL: u, Logger: log.logger()}
	changes := states(&o)
	b := connect(t, o)

	stop(s)
	want(t, changes, bus.StateDisconnected)
	s, refusals := guarded(t, port, "another")
	for range 3 {
		next(t, refusals)
	}
	// Of several troubles in 10 s the log has the first: that may be that the server was away.
	for !strings.Contains(log.String(), "authorization violation") {
		next(t, refusals)
	}
	stop(s)
	guarded(t, port, canary)
	want(t, changes, bus.StateConnected)
	flush(t, b)
	if strings.Contains(log.String(), canary) {
		t.Errorf("the password is in the log: %s", log.String())
	}
}

func TestWrongPasswordIsNotShown(t *testing.T) {
	const canary = "canary-5ecret"
	s, _ := guarded(t, natstest.Port(t), "right")
	u, _ := withPassword(t, s, canary)
	var log lines
	text := refused(t, bus.Options{URL: u, Logger: log.logger()}, "Authorization Violation")
	if strings.Contains(log.String()+text, canary) {
		t.Errorf("the password is in the log or the error: %s\n%v", log.String(), text)
	}
}
