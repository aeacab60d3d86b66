package spec

import (
	"strings"

	"github.com/parley-chat/parley/pkg/wire"
)

// Frame is a type of frame in the contract of the socket.
type Frame struct {
	Type   string
	Client bool // sent by clients; else by the server
	Value  any  // the struct that it is decoded into
	// Only names the fields that this type has, beside those that every type of the
	// same struct has. Default: all of the struct.
	Only string
	// Require names fields that are there though the struct may leave them out.
	Require string
	// OneOf names fields of which exactly one is given. Default: no such rule.
	OneOf   string
	Summary string // default: the comment of the struct
	Name    string // in the contract, where the other side has a frame of that type too; default: Type
}

// entry is what every entry frame has: a client that does not know the type moves
// its cursor by these.
const entry = "type conv seq id from time cmid count via"

// Frames is the one list of what goes over the socket. A frame that package wire
// can decode and that is not here fails a test, and the other way round. After a
// change: make contracts.
var Frames = []Frame{
	{Type: "hello", Client: true, Value: wire.Hello{}},
	{Type: "auth", Client: true, Value: wire.Auth{}},
	{Type: "send", Client: true, Value: wire.Send{}, OneOf: "conv to"},
	{Type: "recv", Client: true, Value: wire.Recv{}},
	{Type: "read", Client: true, Value: wire.Read{}},
	{Type: "edit", Client: true, Value: wire.Edit{}},
	{Type: "recall", Client: true, Value: wire.Recall{}},
	{Type: "react", Client: true, Value: wire.React{}},
	{Type: "typing", Client: true, Value: wire.Typing{}},
	{Type: "watch", Client: true, Value: wire.Watch{}},
	{Type: "unwatch", Client: true, Value: wire.Unwatch{}},
	{Type: "history", Client: true, Value: wire.History{}, OneOf: "before after around"},
	{Type: "ping", Client: true, Value: wire.Ping{}, Summary: "Ping asks for a sign of life."},

	{Type: "welcome", Value: wire.Welcome{}},
	{Type: "conversation", Value: wire.Conversation{}},
	{Type: "ack", Value: wire.Ack{}},
	{Type: "message", Value: wire.Entry{}, Only: entry + " body reply_to mentions gone", Summary: "A message."},
	{Type: "edited", Value: wire.Entry{}, Only: entry + " target body gone", Require: "target", Summary: "A message got another body."},
	{Type: "recalled", Value: wire.Entry{}, Only: entry + " target", Require: "target", Summary: "A message was taken back."},
	{Type: "reacted", Value: wire.Entry{}, Only: entry + " target emoji on", Require: "target emoji on",
		Summary: "A reaction was switched on or off."},
	{Type: "members", Value: wire.Entry{}, Only: entry + " change users title", Require: "change",
		Summary: "The members, or the title, of a conversation changed."},
	{Type: "receipt", Value: wire.Receipt{}},
	{Type: "typing", Name: "typingBy", Value: wire.TypingBy{}},
	{Type: "presence", Value: wire.Presence{}},
	{Type: "erased", Value: wire.Erased{}},
	{Type: "page", Value: wire.Page[wire.Entry]{}, Require: "conv"},
	{Type: "synced", Value: wire.Synced{}},
	{Type: "reset", Value: wire.Reset{}},
	{Type: "goaway", Value: wire.GoAway{}},
	{Type: "error", Value: wire.Error{}},
	{Type: "pong", Value: wire.Pong{}},
}

// SchemaName is what the schema of a frame is called in the contract.
func (f *Frame) SchemaName() string {
	name := f.MessageName()
	return strings.ToUpper(name[:1]) + name[1:] + "Frame"
}

// MessageName is what a frame is called in the contract.
func (f *Frame) MessageName() string {
	if f.Name != "" {
		return f.Name
	}
	return f.Type
}
