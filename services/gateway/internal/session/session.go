// Package session is one client's connection: steps 1, 7 and 8 of a message's
// way. It reads frames (1), keeps the outbound queue (7), writes what is queued
// (8), and splices what a client missed with what goes by (sync.go).
//
// A session has one reader, the goroutine that serves it, and a writer only while
// something is queued.
package session

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Options configure sessions. Limits must be complete; the rest may be zero.
type Options struct {
	Limits    chat.Limits
	Origins   []string // patterns of allowed origins beside the same host
	Heartbeat time.Duration
	Log       *slog.Logger

	HelloWait   time.Duration // for the first frame; default 10 s
	SlowAfter   time.Duration // without progress of a write: too slow; default 10 s
	QueueFrames int           // queued frames at which streams go back to syncing; default 256
	QueueBytes  int           // the same in bytes; default 1 MiB
	HardFrames  int           // queued frames of all kinds at which a session is too slow; default 4,096
	HardBytes   int           // the same in bytes; default 4 MiB
}

// WithDefaults fills the zero fields.
func (o Options) WithDefaults() Options {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	o.Limits = o.Limits.WithDefaults()
	dur(&o.Heartbeat, chat.Heartbeat)
	dur(&o.HelloWait, 10*time.Second)
	dur(&o.SlowAfter, 10*time.Second)
	def(&o.QueueFrames, 256)
	def(&o.QueueBytes, 1<<20)
	def(&o.HardFrames, 4096)
	def(&o.HardBytes, 4<<20)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o
}

// Session is one connection. It is made by [Accept] and served by [Session.Serve].
type Session struct {
	opts *Options
	conn *websocket.Conn
	nc   *corked

	// Set once, by Begin, before the session is registered anywhere.
	id      string
	ns      chat.NS
	user    chat.User
	device  chat.Device
	attempt int64
	started time.Time
	feed    Feed

	heard   atomic.Int64    // last sign of life, Unix ms
	expires atomic.Int64    // when the token expires, Unix ms; 0: no token yet
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc

	mu       sync.Mutex
	cond     sync.Cond // wakes Acquire and credit
	out      outbound
	ready    bool // hello was answered
	flushing bool // Start was called
	closing  bool
	dead     bool // nothing may be started any more
	code     chat.CloseCode
	reason   string
	closedAt time.Time
	pinged   bool
	pending  int // requests under way
	places   map[chat.Key]*place
	left     map[chat.Key]chat.Seq // conversations that ended on this session, and where; nil: none has
	jobs     jobs
	work     sync.WaitGroup // the writer, the syncer and pings
}

// Accept answers a handshake whose Origin and subprotocol have been looked at. On
// an error the answer has been written.
func Accept(w http.ResponseWriter, r *http.Request, opts *Options) (*Session, error) {
	s := &Session{opts: opts, started: time.Now()}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.cond.L = &s.mu
	s.touch()
	var err error
	s.conn, s.nc, err = upgrade(w, r, opts.Origins, s.touch, s.touch)
	if err != nil {
		s.cancel()
		return nil, err
	}
	s.conn.SetReadLimit(int64(opts.Limits.Frame))
	return s, nil
}

// Identity is who a session belongs to, and which of its connections it is.
type Identity struct {
	ID      string // grows with time
	NS      chat.NS
	User    chat.User
	Device  chat.Device
	Attempt int64
}

// Begin fixes whose session it is. It comes before everything but Close and Serve.
func (s *Session) Begin(id Identity, feed Feed) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.id, s.ns, s.user, s.device, s.attempt = id.ID, id.NS, id.User, id.Device, id.Attempt
	s.feed = feed
	s.ready = true
	s.places = make(map[chat.Key]*place)
}

// Identity is what Begin was given.
func (s *Session) Identity() Identity {
	return Identity{ID: s.id, NS: s.ns, User: s.user, Device: s.device, Attempt: s.attempt}
}

// Owner implements route.Sink.
func (s *Session) Owner() (chat.NS, chat.User) { return s.ns, s.user }

// SetExpiry says when the session's token expires.
func (s *Session) SetExpiry(t time.Time) { s.expires.Store(t.UnixMilli()) }

// Done is closed when the connection is gone.
func (s *Session) Done() <-chan struct{} { return s.ctx.Done() }

func (s *Session) touch() { s.heard.Store(time.Now().UnixMilli()) }

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// Serve reads frames and hands them to handle, one after the other, until the
// connection ends; then it waits for everything that the session started. A frame
// that cannot be read gets its error and harms nothing; handle gets the rest.
func (s *Session) Serve(handle func(f wire.Frame, ref string)) {
	defer s.shut()
	for {
		typ, r, err := s.conn.Reader(context.Background())
		if err != nil {
			return
		}
		if typ != websocket.MessageText {
			s.Close(chat.CloseProtocol, "frames are JSON text, this one is binary")
			return
		}
		buf := frameBuffers.Get().(*[]byte)
		data, err := readAll(r, (*buf)[:0])
		*buf = data[:0]
		if err == nil {
			s.touch()
			s.read(data, handle)
		}
		frameBuffers.Put(buf)
		if err != nil {
			return
		}
	}
}

func (s *Session) read(data []byte, handle func(f wire.Frame, ref string)) {
	if s.Closing() {
		return // what comes behind the frame that closed the session is not looked at
	}
	f, ref, cerr := wire.Decode(data, s.opts.Limits)
	if cerr == nil {
		handle(f, ref)
		return
	}
	s.mu.Lock()
	ready := s.ready
	s.mu.Unlock()
	s.Answer(wire.Encode(wire.NewError(ref, cerr)))
	if !ready {
		s.Close(chat.CloseProtocol, "the first frame must be a hello that can be read")
	}
}

func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// shut ends everything that the session started.
func (s *Session) shut() {
	s.mu.Lock()
	if !s.closing {
		s.closing = true
		_ = s.nc.Close() // the peer is gone already
	}
	s.dead = true
	s.cond.Broadcast()
	s.mu.Unlock()
	s.cancel()
	s.work.Wait()
	_ = s.conn.CloseNow()
}

// Close ends the session: what is queued goes out first, then the close frame. It
// does not block. The first code wins.
func (s *Session) Close(code chat.CloseCode, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closeLocked(code, reason)
}

func (s *Session) closeLocked(code chat.CloseCode, reason string) {
	if s.closing {
		return
	}
	s.closing, s.code, s.reason, s.closedAt = true, code, reason, time.Now()
	if code == chat.CloseTooSlow {
		s.out.clear() // it would not be read; the flush of the next session has it
	}
	s.cond.Broadcast()
	s.startWriterLocked()
}

// Closing reports whether the session is about to end.
func (s *Session) Closing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}

// Acquire takes a place among the requests under way; it blocks while the session
// has limits.pending of them, which holds the client back in its socket. False:
// the session has ended.
func (s *Session) Acquire() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.pending >= s.opts.Limits.Pending && !s.closing {
		s.cond.Wait()
	}
	if s.closing {
		return false
	}
	s.pending++
	return true
}

// Release ends Acquire.
func (s *Session) Release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending--
	s.cond.Broadcast()
}

// Tick looks after the session's clocks. The pod calls it about every second, so
// that no session needs timers of its own. It does not block.
func (s *Session) Tick(now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dead {
		return
	}
	silent := now.Sub(time.UnixMilli(s.heard.Load()))
	switch {
	case s.closing:
		if now.Sub(s.closedAt) > s.opts.SlowAfter {
			_ = s.nc.Close() // the peer does not read the close frame
		}
	case !s.ready && now.Sub(s.started) >= s.opts.HelloWait:
		s.closeLocked(chat.CloseProtocol, "no hello in time")
	case s.expires.Load() != 0 && now.UnixMilli() >= s.expires.Load():
		s.closeLocked(chat.CloseUnauthorized, "the token has expired")
	case s.out.stuck(now) > s.opts.SlowAfter:
		s.closeLocked(chat.CloseTooSlow, "too slow to keep up")
	case silent >= 2*s.opts.Heartbeat:
		s.closeLocked(chat.CloseGoingAway, "no sign of life")
	case silent >= s.opts.Heartbeat && !s.pinged:
		s.pinged = true
		s.work.Go(s.ping)
	}
}

// ping asks for a sign of life. It ends when the pong comes, or the connection
// goes.
func (s *Session) ping() {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Heartbeat)
	defer cancel()
	err := s.conn.Ping(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pinged = false
	if err != nil && !s.closing {
		s.closeLocked(chat.CloseGoingAway, "no sign of life")
	}
}
