package session

import (
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
)

// everyPoller runs a test with each way to wait.
func everyPoller(t *testing.T, test func(t *testing.T, p Poller)) {
	t.Run("goroutines", func(t *testing.T) { test(t, Goroutines{}) })
	t.Run("events", func(t *testing.T) { test(t, events(t)) })
}

func events(t testing.TB) Poller {
	t.Helper()
	p, err := NewEpoll(slog.Default())
	if err != nil {
		t.Skip(err)
	}
	return p
}

// Frames come in pieces, together, in fragments, and with control frames between
// and inside of them. Each is handled once and in order, and the session is parked
// after each.
func TestFramesInAnyPieces(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h := newHost(t, Options{Poller: p})
		c := h.connect(ask("early")...)
		c.answered("early", 0)

		for _, b := range ask("bytewise") {
			c.write([]byte{b})
		}
		c.answered("bytewise", 0)

		var many []byte
		for i := range 300 { // more than any buffer takes
			many = append(many, ask(fmt.Sprint("m", i))...)
		}
		c.write(many)
		for i := range 300 {
			c.answered(fmt.Sprint("m", i), 0)
		}

		c.write(frame(finPing, ""))
		if first, _, err := c.read(); first != 0x8a || err != nil {
			t.Fatalf("%x %v", first, err)
		}
		c.write(append(append(frame(finPing, "a"), frame(0x8a, "unasked")...), ask("behind")...))
		c.answered("behind", 1)

		pieces := [][]byte{frame(0x01, `{"type":"pi`), frame(finPing, "in between"), frame(0x00, `ng","ref"`), frame(0x80, `:"fragments"}`)}
		for _, b := range pieces {
			c.write(b)
		}
		c.answered("fragments", 1)

		half := ask("after half a header")
		c.write(append(ask("whole"), half[:1]...))
		c.answered("whole", 0)
		c.write(half[1:])
		c.answered("after half a header", 0)

		c.write(append(frame(finPing, ""), half[:4]...))
		c.write(half[4:])
		c.answered("after half a header", 1)
	})
}

// A client that sends half a frame, and a handler that blocks, hold nobody else.
func TestWhoBlocksBlocksHimself(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h := newHost(t, Options{Poller: p})
		gate, held := make(chan struct{}), make(chan struct{}, 1000)
		h.on = func(_ *Session, ref string) {
			if ref == "block" {
				held <- struct{}{}
				<-gate
			}
		}
		const n = 100
		var halves, blocked []*peer
		for range n {
			c := h.connect()
			c.write(ask("half")[:9])
			halves = append(halves, c)
			c = h.connect()
			c.write(append(ask("block"), ask("behind")...))
			blocked = append(blocked, c)
		}
		for range n {
			<-held
		}
		free := h.connect()
		for i := range 100 {
			ref := fmt.Sprint("r", i)
			free.write(ask(ref))
			free.answered(ref, 0)
		}
		close(gate)
		for i := range n {
			halves[i].write(ask("half")[9:])
			halves[i].answered("half", 0)
			blocked[i].answered("block", 0)
			blocked[i].answered("behind", 0)
		}
	})
}

// Idle connections have no goroutine and no buffer, before and after traffic and
// pings.
func TestIdleConnectionsHoldNothing(t *testing.T) {
	h := newHost(t, Options{Poller: events(t)})
	const n = 2000
	var list []*peer
	first := h.connect()
	first.write(ask("x"))
	first.answered("x", 0)
	before := runtime.NumGoroutine()
	parked := func() bool {
		if runtime.NumGoroutine() > before+5 {
			return false
		}
		for _, s := range h.sessions() {
			if !s.reading.TryLock() {
				return false
			}
			holds := s.link.in != nil
			s.reading.Unlock()
			s.mu.Lock()
			holds = holds || s.out.frames != nil || s.out.control != nil || s.jobs != nil || s.cond != nil
			s.mu.Unlock()
			if holds {
				return false
			}
		}
		return true
	}
	for i := range n {
		if i%2 == 0 {
			list = append(list, h.connect())
			continue
		}
		c := h.connect(ask("early")...)
		c.answered("early", 0)
		list = append(list, c)
	}
	until(t, "parked after connecting", parked)
	for i, c := range list {
		c.write(append(frame(finPing, "x"), ask(fmt.Sprint(i))...))
		c.write(frame(finPing, "y"))
	}
	for _, c := range list {
		for range 3 { // a pong may overtake an answer
			if _, _, err := c.read(); err != nil {
				t.Fatal(err)
			}
		}
	}
	until(t, "parked after traffic", parked)
	for _, c := range list {
		_ = c.nc.Close()
	}
	until(t, "all ended", func() bool { return len(h.ended) == n })
}

// A session that is parked ends when the server closes it and the client answers,
// does not answer, or vanishes; and when the client closes it.
func TestEndsWhileParked(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h := newHost(t, Options{Poller: p})
		start := func() (*peer, *Session) {
			c := h.connect()
			c.write(ask("x"))
			c.answered("x", 0)
			return c, h.sessions()[0]
		}
		c, s := start()
		s.Answer([]byte(`{"last":"words"}`))
		s.Close(chat.CloseRestart, "bye")
		s.Answer([]byte(`{"too":"late"}`))
		if _, payload, err := c.read(); payload != `{"last":"words"}` || err != nil {
			t.Fatalf("%q %v", payload, err)
		}
		if code := c.closed(); code != 1012 {
			t.Fatalf("closed with %d", code)
		}
		c.write(append(ask("not looked at"), frame(finClose, "\x03\xf4")...))
		if first, payload, err := c.read(); err != io.EOF {
			t.Fatalf("after the close frame: %x %q %v", first, payload, err)
		}
		<-h.ended

		c, _ = start()
		c.write(frame(finClose, "\x03\xe8"))
		if code := c.closed(); code != 1000 {
			t.Fatalf("the answer to a close frame has code %d", code)
		}
		<-h.ended

		c, _ = start()
		_ = c.nc.Close()
		<-h.ended

		c, _ = start()
		_ = c.nc.(*net.TCPConn).SetLinger(0) // a reset
		_ = c.nc.Close()
		<-h.ended

		_, s = start()
		cut(s)
		<-h.ended

		c, _ = start()
		c.write(frame(finText, string(make([]byte, 60_000)))[:100]) // half a frame
		_ = c.nc.Close()
		<-h.ended
	})
}

// A client that floods the server with pings and reads nothing costs a bounded
// queue, and is read all the same.
func TestPingFlood(t *testing.T) {
	everyPoller(t, func(t *testing.T, p Poller) {
		h := newHost(t, Options{Poller: p})
		handled := make(chan struct{}, 1)
		h.on = func(*Session, string) { handled <- struct{}{} }
		c := h.connect()
		flood := frame(finPing, string(make([]byte, 125)))
		var many []byte
		for range 1000 {
			many = append(many, flood...)
		}
		for range 20 {
			c.write(many)
		}
		c.write(ask("still here?"))
		<-handled
		s := h.sessions()[0]
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.out.control) > maxControl {
			t.Fatalf("%d bytes of pongs wait", len(s.out.control))
		}
	})
}
