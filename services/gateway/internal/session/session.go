// Package session is one client's connection: steps 1, 7 and 8 of a message's
// way. It reads frames (1), keeps the outbound queue (7), writes what is queued
// (8), and splices what a client missed with what goes by (sync.go).
//
// A session is read in turns, by one goroutine at a time: one of its own, or, with
// [NewEpoll], one that is there only while there is something to read. It has a
// writer only while something is queued.
package session

import (
	"context"
	"errors"
	"fmt"
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
	Heartbeat time.Duration
	Log       *slog.Logger

	Poller Poller  // how connections wait until they can be read; default [Goroutines]
	Clock  *Clock  // of the pod; default a new one, which nobody calls
	Counts *Counts // of the pod; default new ones

	// FramesPerS and BytesPerS are what a client may send in a second, with two seconds
	// of it at once; what it sends counts against both together. 0: there is no limit.
	// Beyond it the session is closed: no client that means well comes near.
	FramesPerS, BytesPerS int
	TooFast               func()        // called when a session is closed for it; default: nobody is told
	Syncing               *atomic.Int64 // of the pod: counts sessions that read what they missed; nil: nobody counts

	HelloWait   time.Duration // for the first frame; default 10 s
	SlowAfter   time.Duration // without progress of a write: too slow; default 10 s
	CloseWait   time.Duration // for the answer to a close frame; default 5 s
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
	dur(&o.CloseWait, 5*time.Second)
	def(&o.QueueFrames, 256)
	def(&o.QueueBytes, 1<<20)
	def(&o.HardFrames, 4096)
	def(&o.HardBytes, 4<<20)
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Poller == nil {
		o.Poller = Goroutines{}
	}
	if o.Clock == nil {
		o.Clock = NewClock(0)
	}
	if o.Counts == nil {
		o.Counts = NewCounts()
	}
	return o
}

// Handler is what a session works for.
type Handler interface {
	// Handle is called with each frame, one after the other. While it blocks, nothing
	// more is read.
	Handle(f wire.Frame, ref string)
	// Ended is called once, when the connection and everything that the session
	// started are gone.
	Ended()
}

// Session is one connection. It is made by [Accept] and served by [Session.Serve].
// What only some sessions need, or only for a while, is made when it is needed.
type Session struct {
	opts    *Options
	handler Handler
	reading sync.Mutex // held in a turn
	conn    *websocket.Conn
	link    link
	started time.Duration // as all times here on the pod's clock
	paid    time.Duration // owned by the reader, see pace

	// Set once, by Begin, before the session is registered anywhere.
	id   Identity
	feed Feed

	heard   atomic.Int64 // last sign of life
	expires atomic.Int64 // when the token expires, Unix ms; 0: no token yet

	hand     hand // guarded by the clock
	mu       sync.Mutex
	mark     uint64     // of the token, see Hold
	issued   int64      // when it was issued, Unix ms
	cond     *sync.Cond // wakes Acquire and credit; nil: nobody waits
	due      time.Duration
	closeBy  time.Duration // when to give up on a client that does not let itself be closed
	out      outbound
	ready    bool // hello was answered
	flushing bool // Start was called
	closing  bool
	code     chat.CloseCode        // that it was closed with here; 0: it was not
	dead     bool                  // nothing may be started any more
	pinged   time.Duration         // when it was last pinged, by the clock; 0: never
	pending  int                   // requests under way
	places   map[chat.Key]*place   // nil: none
	over     bool                  // there will be none any more
	left     map[chat.Key]chat.Seq // conversations that ended on this session, and where; nil: none has
	jobs     *jobs                 // nil: no syncer
	work     sync.WaitGroup        // the writer and the syncer
}

// Accept answers a handshake whose Origin and subprotocol have been looked at. On
// an error the answer has been written. The session must be served, or dropped.
func Accept(w http.ResponseWriter, r *http.Request, opts *Options) (*Session, error) {
	s := &Session{opts: opts, started: opts.Clock.now()}
	s.link.s = s
	s.touch()
	var err error
	if s.conn, err = s.link.upgrade(w, r); err != nil {
		return nil, err
	}
	s.conn.SetReadLimit(int64(opts.Limits.Frame))
	s.link.parks = opts.Poller.Parks(s.link.Conn)
	opts.Counts.Opened.Add(1)
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
	s.id = id
	s.feed = feed
	s.ready = true
}

// Identity is what Begin was given. It is not to be changed.
func (s *Session) Identity() *Identity { return &s.id }

// Owner implements route.Sink.
func (s *Session) Owner() (chat.NS, chat.User) { return s.id.NS, s.id.User }

// Hold notes which token the session goes on with: a mark that the caller knows it
// by, and when it was issued (zero: it does not say).
func (s *Session) Hold(mark uint64, issued time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark, s.issued = mark, issued.UnixMilli()
}

// Held is what Hold was told; !ok: nobody has said hello yet.
func (s *Session) Held() (mark uint64, issued time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark, time.UnixMilli(s.issued), s.ready
}

// SetExpiry says when the session's token expires.
func (s *Session) SetExpiry(t time.Time) {
	s.expires.Store(t.UnixMilli())
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dueLocked(time.Until(t))
}

// Expires is what SetExpiry was told, to the millisecond.
func (s *Session) Expires() time.Time { return time.UnixMilli(s.expires.Load()) }

func (s *Session) touch() time.Duration {
	now := s.opts.Clock.now()
	s.heard.Store(int64(now))
	return now
}

// Serve begins to read frames and to hand them to h, until the connection ends. It
// does not block.
func (s *Session) Serve(h Handler) {
	s.handler = h
	s.mu.Lock()
	s.dueLocked(min(s.opts.HelloWait, s.opts.Heartbeat))
	s.mu.Unlock()
	if s.link.parks {
		err := s.opts.Poller.watch(s.link.Conn, s, !s.link.drained())
		if err == nil {
			return
		}
		s.opts.Log.Warn("a connection gets a goroutine of its own", "error", err)
		s.mu.Lock()
		s.link.parks = false
		s.mu.Unlock()
	}
	go serve(s)
}

var frameBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// turn implements turner: step 1.
func (s *Session) turn() (over bool) {
	s.reading.Lock() // free: what it does is to show one turn's memory to the next
	defer s.reading.Unlock()
	s.link.begin()
	defer s.link.finish()
	for {
		if s.link.drained() && !s.link.lull.lingers() {
			switch {
			case !s.link.parks:
				if s.link.await() != nil {
					return true
				}
			case !s.link.ready:
				return false
			}
		}
		if err := s.readFrame(); err != nil && !errors.Is(err, errIdle) {
			return true
		}
	}
}

// readFrame reads one frame and has it handled. A frame that cannot be understood
// gets its error and harms nothing.
func (s *Session) readFrame() error {
	s.link.seek(true)
	typ, r, err := s.conn.Reader(context.Background())
	s.link.seek(false)
	if err != nil {
		return err
	}
	buf := frameBuffers.Get().(*[]byte)
	defer frameBuffers.Put(buf)
	data, err := readAll(r, (*buf)[:0])
	*buf = data[:0]
	if err != nil {
		return fmt.Errorf("read frame: %w", err)
	}
	s.pace(s.touch(), len(data))
	if typ != websocket.MessageText {
		s.Close(chat.CloseProtocol, "frames are JSON text, this one is binary")
	}
	s.read(data)
	return nil
}

func (s *Session) read(data []byte) {
	if s.Closing() {
		return // what comes behind the frame that closed the session is not looked at
	}
	f, ref, cerr := wire.Decode(data, s.opts.Limits)
	if cerr == nil {
		s.opts.Counts.received(f)
		s.handler.Handle(f, ref)
		return
	}
	s.opts.Counts.Received.Add(Invalid, 1)
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

// end implements turner: it ends everything that the session started, and closes
// the connection. A close frame that is still queued has its time to go out.
func (s *Session) end() {
	s.reading.Lock()
	defer s.reading.Unlock()
	s.mu.Lock()
	if s.out.writing && (s.out.last != nil || s.out.ended) {
		_ = s.link.Conn.SetWriteDeadline(time.Now().Add(s.opts.CloseWait))
	} else {
		s.link.interrupt()
	}
	s.closing, s.dead = true, true
	s.wakeLocked()
	s.opts.Clock.remove(s)
	if s.jobs != nil {
		s.jobs.cancel()
	}
	s.mu.Unlock()
	s.work.Wait()
	_ = s.conn.CloseNow()
	_ = s.link.Conn.Close()
	s.countClose()
	s.handler.Ended()
}

// Drop ends a session that is not served, without a word.
func (s *Session) Drop() {
	s.mu.Lock()
	s.closing, s.dead = true, true
	s.opts.Clock.remove(s)
	s.mu.Unlock()
	s.work.Wait()
	_ = s.conn.CloseNow()
	_ = s.link.Conn.Close()
	s.countClose()
}

// countClose notes why the connection ended, when it has.
func (s *Session) countClose() {
	s.mu.Lock()
	code := s.code
	s.mu.Unlock()
	if code == 0 {
		code = chat.CloseUnknownOutcome // the client closed, or is gone
	}
	s.opts.Counts.Closed.Add(codeText(code), 1)
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
	patience := max(s.opts.SlowAfter, s.opts.CloseWait)
	s.closing, s.closeBy = true, s.opts.Clock.now()+patience
	s.dueLocked(patience)
	s.code = code
	if code == chat.CloseTooSlow {
		s.opts.Counts.Dropped.Add(DropTooSlow, 1)
		s.out.clear() // it would not be read; the flush of the next session has it
	}
	s.out.last = closeFrame(code, reason)
	s.wakeLocked()
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
		s.waitLocked()
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
	s.wakeLocked()
}

// waitLocked waits for wakeLocked.
func (s *Session) waitLocked() {
	if s.cond == nil {
		s.cond = sync.NewCond(&s.mu)
	}
	s.cond.Wait()
}

func (s *Session) wakeLocked() {
	if s.cond != nil {
		s.cond.Broadcast()
	}
}
