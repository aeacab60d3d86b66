package session

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/wire"
)

// Buffers that a connection keeps while it is idle. They are small on purpose: a
// frame that is larger costs a few more reads, ten thousand idle connections with
// net/http's 4 KiB buffers cost 80 MiB.
const (
	readBuffer  = 512
	writeBuffer = 512
)

// upgrade answers the WebSocket handshake. The connection that it returns is the
// session's own: net/http's buffers are dropped, and frames that are written
// while it is corked leave in one write.
func upgrade(w http.ResponseWriter, r *http.Request, origins []string,
	onPing, onPong func()) (*websocket.Conn, *corked, error) {
	h := &hijacker{ResponseWriter: w}
	conn, err := websocket.Accept(h, r, &websocket.AcceptOptions{
		Subprotocols:    []string{wire.Subprotocol},
		OriginPatterns:  origins,
		CompressionMode: websocket.CompressionDisabled,
		OnPingReceived:  func(context.Context, []byte) bool { onPing(); return true },
		OnPongReceived:  func(context.Context, []byte) { onPong() },
	})
	if err != nil {
		return nil, nil, fmt.Errorf("accept: %w", err)
	}
	return conn, h.conn, nil
}

// hijacker hands coder/websocket a connection with buffers of our size.
type hijacker struct {
	http.ResponseWriter
	conn *corked
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
	h.conn = &corked{Conn: nc}
	var early []byte // what the client sent right behind its handshake
	if n := rw.Reader.Buffered(); n > 0 {
		early, _ = rw.Reader.Peek(n)
	}
	br := bufio.NewReaderSize(h.conn, max(readBuffer, len(early)))
	if len(early) > 0 {
		br = bufio.NewReaderSize(&prefixed{early: append([]byte(nil), early...), Conn: h.conn}, max(readBuffer, len(early)))
		if _, err := br.Peek(len(early)); err != nil {
			return nil, nil, err
		}
	}
	return h.conn, bufio.NewReadWriter(br, bufio.NewWriterSize(h.conn, writeBuffer)), nil
}

// prefixed reads early bytes first.
type prefixed struct {
	net.Conn
	early []byte
}

func (p *prefixed) Read(b []byte) (int, error) {
	if len(p.early) > 0 {
		n := copy(b, p.early)
		p.early = p.early[n:]
		return n, nil
	}
	return p.Conn.Read(b)
}

// corked is a connection whose writes can be held back for a while, so that many
// small frames leave in one system call.
type corked struct {
	net.Conn

	mu   sync.Mutex
	held *[]byte // nil: writes go straight out
}

var heldBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 16<<10); return &b }}

// maxHeld is where held bytes go out although the cork is in.
const maxHeld = 64 << 10

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held == nil {
		return c.Conn.Write(p)
	}
	*c.held = append(*c.held, p...)
	if len(*c.held) < maxHeld {
		return len(p), nil
	}
	_, err := c.Conn.Write(*c.held)
	*c.held = (*c.held)[:0]
	return len(p), err
}

func (c *corked) cork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = heldBuffers.Get().(*[]byte)
}

// uncork writes what was held back.
func (c *corked) uncork() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	held := c.held
	c.held = nil
	var err error
	if len(*held) > 0 {
		_, err = c.Conn.Write(*held)
	}
	if cap(*held) <= 2*maxHeld {
		*held = (*held)[:0]
		heldBuffers.Put(held)
	}
	return err
}
