package client

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Event is what Handler gets: a [State], [Entry], [Outcome] or [Frame].
type Event interface{ event() }

// Phase is what the connection is doing.
type Phase string

// The phases.
const (
	Connecting Phase = "connecting" // dialing, or waiting for welcome
	Syncing    Phase = "syncing"    // welcomed; what was missed is coming
	Live       Phase = "live"       // synced
	Offline    Phase = "offline"    // waiting for the next try
	Stopped    Phase = "stopped"    // for good
)

// State is a change of the connection.
type State struct {
	Phase Phase
	URL   string
	Err   error     // Offline, Stopped: why
	Retry time.Time // Offline: when the next try begins
}

// Entry is the next entry of a conversation. For each conversation Handler gets
// cursor+1, +2, …, unless a reset came in between.
type Entry struct {
	wire.Entry
	Filled bool // from history: it fills a gap

	generation int // of the cursors; older ones say nothing about recv
}

// Outcome says what became of a command: pending → stored or failed. Err is nil,
// or a [*chat.Error]: nothing was or will be stored.
type Outcome struct {
	CMID chat.CMID
	Ack  wire.Ack // if stored; only Conv, Seq, CMID, ID and Time where an entry told it
	Err  error
}

// Frame is any other frame: [wire.Welcome], Conversation, Receipt, Synced, Reset,
// GoAway or an Error that belongs to no command, by pointer; nil for a type that
// this version does not know. Raw is the frame's bytes, which nobody may change.
type Frame struct {
	Frame any
	Raw   []byte
}

func (State) event()   {}
func (Entry) event()   {}
func (Outcome) event() {}
func (Frame) event()   {}

// CloseError is a close frame of the server, or [chat.CloseUnknownOutcome] where
// the connection ended without one.
type CloseError struct {
	Code   chat.CloseCode
	Reason string
	Cause  error // nil if a close frame came
}

func (e *CloseError) Error() string {
	switch {
	case e.Cause != nil:
		return "connection lost: " + e.Cause.Error()
	case e.Reason != "":
		return fmt.Sprintf("closed with %d: %s", e.Code, e.Reason)
	}
	return fmt.Sprintf("closed with %d", e.Code)
}

func (e *CloseError) Unwrap() error { return e.Cause }
