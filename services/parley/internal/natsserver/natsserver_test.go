package natsserver_test

import (
	"bytes"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/services/parley/internal/natsserver"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func port(t *testing.T, rawURL string) (host string, port int) {
	t.Helper()
	u, err := url.Parse(rawURL)
	if err != nil {
		t.Fatal(err)
	}
	if port, err = strconv.Atoi(u.Port()); err != nil {
		t.Fatal(err)
	}
	return u.Hostname(), port
}

func TestStartListensOnLoopback(t *testing.T) {
	s, err := natsserver.Start(natsserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Stop()
	if host, p := port(t, s.URL()); host != "127.0.0.1" || p == 0 {
		t.Errorf("it listens on %s", s.URL())
	}
}

func TestStopFreesThePort(t *testing.T) {
	ports, err := procs.TakePorts(1) // that nobody else is given afterwards
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := ports.Release(); err != nil {
			t.Error(err)
		}
	}()
	free := ports.First
	s, err := natsserver.Start(natsserver.Options{Port: free})
	if err != nil {
		t.Fatal(err)
	}
	if host, p := port(t, s.URL()); host != "127.0.0.1" || p != free {
		t.Errorf("it listens on %s", s.URL())
	}
	s.Stop()
	s.Stop()
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(free)))
	if err != nil {
		t.Fatalf("the port is not free after Stop: %v", err)
	}
	l.Close()
}

func TestStartSaysThatThePortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var log bytes.Buffer
	_, err = natsserver.Start(natsserver.Options{
		Port:   l.Addr().(*net.TCPAddr).Port,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error %v", err)
	}
	if !strings.Contains(log.String(), "level=ERROR") {
		t.Errorf("the log does not say so: %s", log.String())
	}
}
