package session

import (
	"bufio"
	"errors"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"
)

// lingerer is the server's end of a connection in memory that lingers.
func lingerer(t *testing.T) (l *link, client net.Conn) {
	opts := Options{}.WithDefaults()
	client, server := net.Pipe()
	t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	s := &Session{opts: &opts}
	s.link = link{Conn: server, s: s, parks: true, edge: true, lull: lull{heat: hot}, in: bufio.NewReader(server)}
	return &s.link, client
}

func TestLingering(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, client := lingerer(t)
		var b [1]byte
		start := time.Now()
		for range 100 { // 3 s: deadlines come and go
			go func() {
				time.Sleep(30 * time.Millisecond)
				_, _ = client.Write([]byte("x"))
			}()
			if n, err := l.Read(b[:]); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			l.edge = true
		}
		if d := time.Since(start); d != 3*time.Second {
			t.Fatalf("3 s took %v", d)
		}
		start = time.Now()
		if _, err := l.Read(b[:]); !errors.Is(err, errIdle) {
			t.Fatal(err)
		}
		if d := time.Since(start); d < lingering/2 || d > 2*lingering {
			t.Fatalf("it lingered %v", d)
		}
		if l.lull.lingers() || l.lull.until != 0 {
			t.Fatalf("%+v", l.lull)
		}
		go func() {
			time.Sleep(time.Hour)
			_, _ = client.Write([]byte("y"))
		}()
		l.ready = true
		if n, err := l.Read(b[:]); n != 1 || err != nil {
			t.Fatal("a deadline was left:", n, err)
		}
	})
}

// Half a frame is waited for, also where a deadline is set.
func TestLingeringInAFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, client := lingerer(t)
		var b [1]byte
		go func() {
			_, _ = client.Write([]byte("x"))
			time.Sleep(time.Minute)
			_, _ = client.Write([]byte("y"))
		}()
		if n, err := l.Read(b[:]); n != 1 || err != nil {
			t.Fatal(n, err)
		}
		if l.edge || l.lull.until == 0 {
			t.Fatalf("%+v", l.lull)
		}
		if n, err := l.Read(b[:]); n != 1 || err != nil || b[0] != 'y' {
			t.Fatal(n, err)
		}
	})
}

// Close ends a read, wherever it is with its deadlines.
func TestCloseEndsLingering(t *testing.T) {
	for _, after := range []time.Duration{0, time.Millisecond, lingering, 3 * lingering} {
		synctest.Test(t, func(t *testing.T) {
			l, _ := lingerer(t)
			l.edge = after == time.Millisecond
			time.AfterFunc(after, func() { _ = l.Close() })
			if n, err := l.Read(make([]byte, 1)); n != 0 || err == nil || errors.Is(err, errIdle) || errors.Is(err, io.EOF) {
				t.Fatal(n, err)
			}
		})
	}
}

func TestOnlyWhoIsWokenAgainAndAgainLingers(t *testing.T) {
	var l lull
	now := time.Hour
	wake := func(after time.Duration) bool {
		now += after
		l.woken(now)
		l.parked = now
		return l.lingers()
	}
	for i := range 10 {
		if got := wake(soon / 2); got != (i >= hot) {
			t.Fatalf("woken %d times soon: lingers %v", i, got)
		}
		if i == 0 {
			l = lull{parked: now}
			wake(time.Minute)
		}
	}
	if wake(time.Minute) {
		t.Fatal("it lingers after a minute of silence")
	}
}
