package session

import (
	"strconv"
	"sync/atomic"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/tally"
	"github.com/parley-chat/parley/pkg/wire"
)

// The reasons why something was not kept in a queue.
const (
	DropFrames  = "frames"   // an entry, at QueueFrames: its stream goes back to syncing
	DropBytes   = "bytes"    // the same, at QueueBytes
	DropTooSlow = "too_slow" // everything, as the session was closed 4508
)

// Invalid is the type of frames that cannot be understood.
const Invalid = "invalid"

// Counts is what all sessions of a pod count together. Make it with [NewCounts].
type Counts struct {
	Received *tally.Tally // frames, by type; those that cannot be understood: [Invalid]
	Sent     *tally.Tally // frames, by type
	Dropped  *tally.Tally // what was not kept in a queue, by reason
	Closed   *tally.Tally // connections, by the code that they were closed with here; 1006: none
	Opened   atomic.Uint64
	Bytes    atomic.Uint64 // written, of frames without their headers
}

// sentTypes are the types of server frames, the most frequent first.
var sentTypes = []string{"message", "ack", "receipt", "edited", "recalled", "reacted", "members", "typing", "presence", "conversation",
	"welcome", "synced", "error", "page", "pong", "reset", "goaway", "erased"}

// NewCounts makes counts of 0.
func NewCounts() *Counts {
	codes := []chat.CloseCode{chat.CloseGoingAway, chat.CloseTooLarge, chat.CloseInternal, chat.CloseRestart, chat.CloseTryLater, chat.CloseProtocol,
		chat.CloseUnauthorized, chat.CloseForbidden, chat.CloseReplaced, chat.CloseTooManyFrames, chat.CloseTooSlow, chat.CloseUnknownOutcome}
	var closed []string
	for _, c := range codes {
		closed = append(closed, codeText(c))
	}
	return &Counts{
		Received: tally.New("send", "recv", "hello", "auth", "read", "edit", "recall", "react", "typing", "watch", "unwatch", "history", "ping", Invalid),
		Sent:     tally.New(sentTypes...),
		Dropped:  tally.New(DropFrames, DropBytes, DropTooSlow),
		Closed:   tally.New(closed...),
	}
}

// received counts a frame that can be understood: what there are many of by its place
// in Received.
func (c *Counts) received(f wire.Frame) {
	switch f.(type) {
	case *wire.Send:
		c.Received.AddAt(0, 1)
	case *wire.Recv:
		c.Received.AddAt(1, 1)
	default:
		c.Received.Add(f.Name(), 1)
	}
}

func codeText(c chat.CloseCode) string { return strconv.Itoa(int(c)) }

// batchCounts collects what one write counts, so that the counters that all sessions
// share are touched once for it.
type batchCounts struct {
	message, ack uint64
}

const typePrefix = `{"type":"`

// note counts a frame: what there are many of here, all else at once.
func (b *batchCounts) note(c *Counts, frame []byte) {
	if len(frame) < len(typePrefix)+4 || string(frame[:len(typePrefix)]) != typePrefix {
		c.Sent.Add(tally.Other, 1)
		return
	}
	rest := frame[len(typePrefix):]
	switch {
	case string(rest[:4]) == `ack"`:
		b.ack++
	case len(rest) > 8 && string(rest[:8]) == `message"`:
		b.message++
	default:
		n := 0
		for n < len(rest) && n < 16 && rest[n] != '"' {
			n++
		}
		c.Sent.Add(string(rest[:n]), 1)
	}
}

// flush adds what was collected to the counters of all.
func (b *batchCounts) flush(c *Counts, size int) {
	if b.message > 0 {
		c.Sent.AddAt(0, b.message)
	}
	if b.ack > 0 {
		c.Sent.AddAt(1, b.ack)
	}
	c.Bytes.Add(uint64(size))
	*b = batchCounts{}
}
