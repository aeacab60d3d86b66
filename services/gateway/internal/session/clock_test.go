package session

import (
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// pipes is a listener of connections in memory.
type pipes struct {
	in   chan net.Conn
	done chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-p.in:
		return nc, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error { close(p.done); return nil }

func (p *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// timed runs a test with a session whose clock ticks, in faked time.
func timed(t *testing.T, opts Options, test func(t *testing.T, c *peer, s *Session, ended chan *Session)) {
	t.Helper()
	timedBy(t, opts, (*Clock).Tick, test)
}

// timedBy is timed with what is done every second.
func timedBy(t *testing.T, opts Options, every func(*Clock), test func(t *testing.T, c *peer, s *Session, ended chan *Session)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		opts.Clock = NewClock(time.Second)
		h := &host{t: t, opts: opts.WithDefaults(), open: make(map[*Session]bool), ended: make(chan *Session, 1)}
		ln := &pipes{make(chan net.Conn), make(chan struct{})}
		srv := &http.Server{Handler: http.HandlerFunc(h.accept)}
		go func() { _ = srv.Serve(ln) }()
		stop := make(chan struct{})
		go func() {
			for tick := time.NewTicker(time.Second); ; {
				select {
				case <-tick.C:
					every(h.opts.Clock)
				case <-stop:
					return
				}
			}
		}()
		client, server := net.Pipe()
		ln.in <- server
		c := newPeer(t, client, nil)
		synctest.Wait()
		test(t, c, h.sessions()[0], h.ended)
		_ = client.Close()
		h.all.Wait()
		close(stop)
		_ = srv.Close()
	})
}

func begin(s *Session) { s.Begin(Identity{User: "bob"}, nil) }

// near fails unless as much time has gone by, and no more than a tick longer.
func near(t *testing.T, what string, since time.Time, want time.Duration) {
	t.Helper()
	if d := time.Since(since); d < want || d > want+2*time.Second {
		t.Fatalf("%s after %v, want %v", what, d, want)
	}
}

func TestHelloMustCome(t *testing.T) {
	timed(t, Options{}, func(t *testing.T, c *peer, _ *Session, ended chan *Session) {
		start := time.Now()
		if code := c.closed(); code != 4400 {
			t.Fatalf("closed with %d", code)
		}
		near(t, "closed", start, 10*time.Second)
		<-ended // although the close frame is not answered
		near(t, "gone", start, 15*time.Second)
	})
}

// A silent session is asked for a sign of life. One that gives it lives on, one
// that speaks is not asked, and one that does neither is closed.
func TestSignsOfLife(t *testing.T) {
	timed(t, Options{}, func(t *testing.T, c *peer, s *Session, ended chan *Session) {
		begin(s)
		for range 10 {
			time.Sleep(20 * time.Second)
			c.write(ask("speaks"))
			c.answered("speaks", 0) // and nothing else: no ping
		}
		for range 10 {
			start := time.Now()
			if first, _, err := c.wait(); first != finPing || err != nil {
				t.Fatalf("%x %v", first, err)
			}
			near(t, "pinged", start, 25*time.Second)
			c.write(frame(0x8a, ""))
		}
		start := time.Now()
		if first, _, err := c.wait(); first != finPing || err != nil {
			t.Fatalf("%x %v", first, err)
		}
		if first, payload, err := c.wait(); first != finClose || payload[:2] != "\x03\xe9" || err != nil {
			t.Fatalf("%x %q %v", first, payload, err)
		}
		near(t, "closed", start, 50*time.Second)
		<-ended
	})
}

// A pong comes a little after its ping, and the next look a tick late, when the
// session has been silent for a heartbeat again: it is asked again, not taken for one
// that never answered. (With a heartbeat longer than SlowAfter the write of the ping
// brings a look in between, which hides this.)
func TestLateLookAsksAgain(t *testing.T) {
	var skip atomic.Bool
	tick := func(c *Clock) {
		if !skip.Swap(false) {
			c.Tick()
		}
	}
	timedBy(t, Options{Heartbeat: 5 * time.Second}, tick, func(t *testing.T, c *peer, s *Session, ended chan *Session) {
		begin(s)
		for round := range 5 {
			if first, payload, err := c.wait(); first != finPing || err != nil {
				t.Fatalf("round %d: %x %q %v", round, first, payload, err)
			}
			pinged := time.Now()
			time.Sleep(300 * time.Millisecond)
			c.write(frame(0x8a, ""))
			time.Sleep(time.Until(pinged.Add(4500 * time.Millisecond)))
			skip.Store(true) // the look that was to be a heartbeat after the ping
		}
		_ = c.nc.Close()
		<-ended
	})
}

func TestTokenExpires(t *testing.T) {
	timed(t, Options{Heartbeat: time.Hour}, func(t *testing.T, c *peer, s *Session, ended chan *Session) {
		begin(s)
		start := time.Now()
		s.SetExpiry(start.Add(time.Minute))
		time.Sleep(50 * time.Second)
		s.SetExpiry(start.Add(10 * time.Minute)) // a new token
		if first, payload, err := c.wait(); first != finClose || payload[:2] != "\x11\x31" || err != nil {
			t.Fatalf("%x %q %v", first, payload, err)
		}
		near(t, "closed", start, 10*time.Minute)
		c.write(frame(finClose, "\x11\x31"))
		<-ended
	})
}

// A client that does not read is too slow; that it does not read the close frame
// either keeps nobody.
func TestStuckWrite(t *testing.T) {
	timed(t, Options{Heartbeat: time.Hour}, func(t *testing.T, _ *peer, s *Session, ended chan *Session) {
		begin(s)
		time.Sleep(time.Minute)
		start := time.Now()
		s.Answer([]byte(`{}`))
		<-ended
		near(t, "gone", start, 20*time.Second)
		if s.Deliver(chat.Key{}, 1, nil) != true {
			t.Fatal("a session that has ended is no full queue")
		}
	})
}

// Progress, however slow, is no reason to close.
func TestSlowProgress(t *testing.T) {
	timed(t, Options{Heartbeat: time.Hour, QueueBytes: 8 << 20}, func(t *testing.T, c *peer, s *Session, ended chan *Session) {
		begin(s)
		big := make([]byte, maxWrite)
		for range 10 {
			if !s.Deliver(chat.Key{}, 1, big) {
				t.Fatal("the queue is full")
			}
		}
		for range 10 { // 80 s
			time.Sleep(8 * time.Second)
			if _, err := io.CopyN(io.Discard, c.br, maxWrite+10); err != nil {
				t.Fatal(err)
			}
		}
		c.write(ask("x"))
		c.answered("x", 0)
		_ = c.nc.Close()
		<-ended
	})
}

// Nobody looks at a session before there is something to look for.
func TestIdleSessionsAreNotLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opts := Options{Heartbeat: 30 * time.Second, Clock: NewClock(time.Second)}.WithDefaults()
		const n = 100
		list := make([]*Session, n)
		for i := range list {
			s := &Session{opts: &opts, ready: true}
			s.touch()
			s.mu.Lock()
			s.dueLocked(opts.Heartbeat)
			s.mu.Unlock()
			list[i] = s
		}
		for range 29 {
			time.Sleep(time.Second)
			for _, s := range list {
				s.mu.Lock() // a look would wait for it, and the tick with it
			}
			opts.Clock.Tick()
			for _, s := range list {
				s.touch()
				s.mu.Unlock()
			}
		}
		for _, s := range list[:n/2] {
			opts.Clock.remove(s)
		}
		time.Sleep(2 * time.Second)
		opts.Clock.Tick()
		for i, s := range list {
			if looked := s.due != opts.Heartbeat; looked != (i >= n/2) {
				t.Fatalf("session %d: due at %v", i, s.due)
			}
		}
		for _, s := range list {
			opts.Clock.remove(s)
		}
		for i, s := range opts.Clock.slots {
			if s != nil {
				t.Fatalf("slot %d is not empty", i)
			}
		}
	})
}
