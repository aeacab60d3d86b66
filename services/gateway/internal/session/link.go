package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/wire"
)

// The buffers of a connection.
const (
	// idleBuffer is what a connection that a goroutine reads keeps while it is idle.
	// It is small on purpose: a frame that is larger costs one more read, ten thousand
	// idle connections with net/http's two of 4 KiB cost 80 MiB.
	idleBuffer = 256
	// turnBuffer is what one that is parked while it is idle reads with when it is not.
	turnBuffer = 4 << 10
	// headBuffer is coder/websocket's own: it is filled from one of the above, without
	// a system call, so it need not be larger than a frame's header.
	headBuffer = 16
	// controlBuffer is for what coder/websocket writes: a control frame leaves it in
	// one piece.
	controlBuffer = 128
)

var turnBuffers = sync.Pool{New: func() any { return bufio.NewReaderSize(nil, turnBuffer) }}

// errIdle ends a read where nothing has been read of the next frame, and there is
// nothing to be read at once.
var errIdle = errors.New("nothing to read now")

// link is a session's connection as coder/websocket sees it, which reads frames
// from it and answers those that are about the connection. What it writes is
// queued: all writing is done by the session's writer, so an answer to a ping
// never waits for a client that does not read.
//
// The fields are owned by the session's reader: whoever is in its turn.
type link struct {
	net.Conn
	s     *Session
	early []byte        // what the client sent right behind its handshake
	in    *bufio.Reader // read ahead; nil while the session is parked
	head  *bufio.Reader // coder/websocket's, filled from in

	parks  bool // it waits for the next frame without a goroutine
	header bool // a frame's header is being looked for, and no message is under way
	edge   bool // nothing has been read of the next frame
	ready  bool // the socket said that there is something to read
	lull   lull

	closed atomic.Bool // by coder/websocket; any goroutine
}

// upgrade answers the WebSocket handshake. The connection is the session's own
// from then on: net/http's buffers are dropped.
func (l *link) upgrade(w http.ResponseWriter, r *http.Request) (*websocket.Conn, error) {
	conn, err := websocket.Accept(&hijacker{w, l}, r, &websocket.AcceptOptions{
		Subprotocols: []string{wire.Subprotocol},
		// The caller has looked at the Origin, more closely, and two rules would only
		// differ one day.
		InsecureSkipVerify: true,
		CompressionMode:    websocket.CompressionDisabled,
		OnPingReceived:     func(context.Context, []byte) bool { l.controlled(); return true },
		OnPongReceived:     func(context.Context, []byte) { l.controlled() },
	})
	if err != nil {
		return nil, fmt.Errorf("accept: %w", err)
	}
	// It is closed by end, whatever happens, and its buffer is filled from the link
	// alone: neither a finalizer nor a list of readers is needed.
	runtime.SetFinalizer(conn, nil)
	l.head.Reset(l)
	return conn, nil
}

// hijacker hands coder/websocket a connection with buffers of our size.
type hijacker struct {
	http.ResponseWriter
	link *link
}

func (h *hijacker) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hj, ok := h.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the connection cannot be taken over from net/http")
	}
	nc, rw, err := hj.Hijack()
	if err != nil {
		return nil, nil, err
	}
	if err := rw.Flush(); err != nil {
		return nil, nil, err
	}
	l := h.link
	l.Conn = nc
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ := rw.Reader.Peek(n)
		l.early = append([]byte(nil), early...)
	}
	l.head = bufio.NewReaderSize(l, headBuffer)
	return l, bufio.NewReadWriter(l.head, bufio.NewWriterSize(l, controlBuffer)), nil
}

// begin prepares for reading; finish gives back what a parked connection does not
// need.
func (l *link) begin() {
	l.ready = l.parks && len(l.early) == 0 // what is early is no event
	if l.parks {
		l.lull.woken(l.s.opts.Clock.now())
	}
	switch {
	case l.in != nil:
	case l.parks:
		l.in = turnBuffers.Get().(*bufio.Reader)
		l.in.Reset(l.Conn)
	default:
		l.in = bufio.NewReaderSize(l.Conn, idleBuffer)
	}
}

func (l *link) finish() {
	if l.parks && l.in != nil && l.in.Buffered() == 0 {
		l.in.Reset(nil)
		turnBuffers.Put(l.in)
		l.in = nil
		l.lull.parked = l.s.opts.Clock.now()
	}
}

// drained reports whether everything that was read has been used.
func (l *link) drained() bool {
	return l.head.Buffered() == 0 && len(l.early) == 0 && (l.in == nil || l.in.Buffered() == 0)
}

// await blocks until there is something to read. A goroutine that waits here, and
// not below coder/websocket, needs half the stack.
func (l *link) await() error {
	_, err := l.in.Peek(1)
	return err
}

// seek says that coder/websocket looks for the next message from here on, seek
// false that it has found it: a message is read to its end, however long that takes.
func (l *link) seek(on bool) {
	l.header = on
	l.edge = on && l.head.Buffered() == 0
}

// controlled is called when a ping or pong has been read completely.
func (l *link) controlled() {
	l.s.pace(l.s.touch(), 0)
	l.edge = l.header && l.head.Buffered() == 0
}

// Read is coder/websocket's read.
func (l *link) Read(p []byte) (n int, err error) {
	switch {
	case len(l.early) > 0:
		n = copy(p, l.early)
		if l.early = l.early[n:]; len(l.early) == 0 {
			l.early = nil
		}
	case l.in.Buffered() > 0:
		n, err = l.in.Read(p)
	case l.ready:
		l.ready = false
		n, err = l.in.Read(p)
	case l.edge && !l.lull.lingers():
		return 0, errIdle
	default:
		n, err = l.linger(p)
	}
	if n > 0 {
		l.edge = false
	}
	return n, err
}

// Write is coder/websocket's write: one control frame.
func (l *link) Write(p []byte) (int, error) {
	if len(p) == 0 || p[0]&0x08 == 0 {
		return 0, fmt.Errorf("write: %w: control frames only", io.ErrShortWrite)
	}
	l.s.control(p)
	return len(p), nil
}

// Close is coder/websocket's close: it ends a read under way. The connection is
// closed by its owner alone, see [Session.end], so that nobody finds its file
// descriptor in other hands.
func (l *link) Close() error {
	l.closed.Store(true)
	return l.Conn.SetReadDeadline(time.Unix(1, 0))
}

// interrupt ends reads and writes under way, and all later ones. It wakes up a
// parked session. It is called with Session.mu held.
func (l *link) interrupt() {
	if !l.parks || !shutdown(l.Conn) {
		_ = l.Conn.SetDeadline(time.Unix(1, 0))
	}
}
