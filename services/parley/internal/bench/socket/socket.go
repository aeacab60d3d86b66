// Package socket is a WebSocket client (RFC 6455) for generating load. It shares
// the machine with the server that it measures, so it does little: messages are
// handed out where they were read, without a copy; many messages leave in one
// write; and there is no goroutine, timer or context besides the caller's.
//
// It reads no fragmented messages and no compressed ones: the servers that it is
// for send none.
package socket

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
)

// Conn is one connection. One goroutine reads; any number may write.
type Conn struct {
	nc net.Conn

	// Owned by the reader.
	buf        []byte
	start, end int // what was read and not handed out is buf[start:end]
	fills      int

	mu      sync.Mutex
	out     []byte // frames to be written
	spare   []byte // the buffer that is not out
	writing bool
	err     error // of a write; no other is tried after it
}

// Sizes of a connection's buffers. They grow with the traffic, so that an idle
// connection costs little.
const (
	firstBuffer = 2 << 10
	mostBuffer  = 128 << 10 // larger for a larger message only
	maxMessage  = 16 << 20
)

// The opcodes of RFC 6455 §5.2.
const (
	opText  = 0x1
	opClose = 0x8
	opPing  = 0x9
	opPong  = 0xA
)

// CloseError is the server's close frame.
type CloseError struct {
	Code   int // 1005: there was none in it
	Reason string
}

func (e *CloseError) Error() string {
	return fmt.Sprintf("the server closed the connection with %d %q", e.Code, e.Reason)
}

// errNotRead is a frame that this package does not read.
var errNotRead = errors.New("fragmented, compressed, masked, binary or too large")

// Next reads the next text message. It blocks until there is one or the connection
// ends; pings are answered meanwhile. The bytes are the connection's, and good
// until the next call.
func (c *Conn) Next() ([]byte, error) {
	for {
		op, data, ok, err := c.frame()
		if err != nil {
			return nil, err
		}
		if !ok {
			if err := c.fill(); err != nil {
				return nil, err
			}
			continue
		}
		switch op {
		case opText:
			return data, nil
		case opPing:
			c.queue(opPong, data)
			if err := c.Flush(); err != nil {
				return nil, err
			}
		case opClose:
			return nil, closed(data)
		}
	}
}

func closed(data []byte) *CloseError {
	if len(data) < 2 {
		return &CloseError{Code: 1005}
	}
	return &CloseError{Code: int(binary.BigEndian.Uint16(data)), Reason: string(data[2:])}
}

// Fills counts the reads from the network: between two of them [Conn.Next] hands
// out what came together, without blocking.
func (c *Conn) Fills() int { return c.fills }

// Buffered reports whether Next has a whole frame without reading.
func (c *Conn) Buffered() bool {
	_, size, ok := c.header()
	return ok && c.end-c.start >= size
}

// header looks at the frame at the start of the buffer: how long its header is, and
// the whole of it.
func (c *Conn) header() (head, size int, ok bool) {
	b := c.buf[c.start:c.end]
	if len(b) < 2 {
		return 0, 0, false
	}
	switch n := int(b[1] & 0x7f); {
	case n < 126:
		return 2, 2 + n, true
	case n == 126:
		if len(b) < 4 {
			return 0, 0, false
		}
		return 4, 4 + int(binary.BigEndian.Uint16(b[2:])), true
	default:
		if len(b) < 10 {
			return 0, 0, false
		}
		return 10, 10 + int(min(binary.BigEndian.Uint64(b[2:]), maxMessage+1)), true
	}
}

// frame takes the next frame, if all of it is there.
func (c *Conn) frame() (op byte, data []byte, ok bool, err error) {
	head, size, ok := c.header()
	if !ok {
		return 0, nil, false, nil
	}
	b0, b1 := c.buf[c.start], c.buf[c.start+1]
	op = b0 & 0xf
	known := op == opText || op == opClose || op == opPing || op == opPong
	if b0&0xf0 != 0x80 || b1&0x80 != 0 || !known || size > maxMessage {
		return 0, nil, false, fmt.Errorf("a frame of type %d: %w", op, errNotRead)
	}
	if c.end-c.start < size {
		return 0, nil, false, nil
	}
	data = c.buf[c.start+head : c.start+size]
	c.start += size
	return op, data, true, nil
}

// fill reads more. A buffer that one read filled is made larger, up to a bound.
func (c *Conn) fill() error {
	if c.start > 0 {
		c.end = copy(c.buf, c.buf[c.start:c.end])
		c.start = 0
	}
	if _, size, ok := c.header(); ok && size > len(c.buf) {
		c.buf = slices.Grow(c.buf[:c.end], size-c.end)
		c.buf = c.buf[:cap(c.buf)]
	}
	n, err := c.nc.Read(c.buf[c.end:])
	c.fills++
	c.end += n
	if n > 0 {
		if c.end == len(c.buf) && len(c.buf) < mostBuffer {
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
		return nil
	}
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF // without a close frame
	}
	return fmt.Errorf("read: %w", err)
}

// Queue adds a text message to what [Conn.Flush] writes. It copies the message and
// does not block.
func (c *Conn) Queue(message []byte) { c.queue(opText, message) }

func (c *Conn) queue(op byte, data []byte) {
	c.mu.Lock()
	c.out = appendFrame(c.out, op, data)
	c.mu.Unlock()
}

// appendFrame appends a client's frame: masked, as RFC 6455 §5.3 wants it.
func appendFrame(b []byte, op byte, data []byte) []byte {
	const masked = 0x80
	switch n := len(data); {
	case n < 126:
		b = append(b, 0x80|op, masked|byte(n))
	case n <= 0xffff:
		b = append(b, 0x80|op, masked|126, byte(n>>8), byte(n))
	default:
		b = append(b, 0x80|op, masked|127)
		b = binary.BigEndian.AppendUint64(b, uint64(n))
	}
	key := rand.Uint32()
	b = binary.LittleEndian.AppendUint32(b, key)
	at := len(b)
	b = append(b, data...)
	rest, key64 := b[at:], uint64(key)<<32|uint64(key)
	for len(rest) >= 8 {
		binary.LittleEndian.PutUint64(rest, binary.LittleEndian.Uint64(rest)^key64)
		rest = rest[8:]
	}
	for i := range rest {
		rest[i] ^= byte(key64 >> (8 * i))
	}
	return b
}

// Flush writes what is queued. While one goroutine writes, another one's call
// returns at once, and the first writes for both.
func (c *Conn) Flush() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.writing {
		return nil
	}
	for len(c.out) > 0 && c.err == nil {
		b := c.out
		c.out, c.spare = c.spare[:0], nil
		c.writing = true
		c.mu.Unlock()
		_, err := c.nc.Write(b)
		c.mu.Lock()
		c.writing = false
		c.spare = b
		if err != nil {
			c.err = fmt.Errorf("write: %w", err)
		}
	}
	return c.err
}

// Close ends the connection without a close frame, as a lost network does. It may
// be called by anybody, at any time, and more than once; Next returns then.
func (c *Conn) Close() { _ = c.nc.Close() }
