// Package wire is the frames of the protocol: one struct a frame, decoding that
// refuses what the contract refuses, and encoding that a fan-out can share. It
// knows what a frame looks like and nothing of what it means.
//
// The golden frames in testdata, one a file, are for the tests of every language that
// speaks the protocol; package contract/spec checks them against the contract.
package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Subprotocol is the WebSocket subprotocol of version 1.
const Subprotocol = "parley.v1"

// BearerPrefix begins the subprotocol entry that carries a token.
const BearerPrefix = "bearer."

// Frame is any frame that a client sends. The concrete types are the structs of
// this file, by pointer.
type Frame interface {
	// Name is the frame's type on the wire.
	Name() string
	head() *Head
	check(lim chat.Limits) *chat.Error
}

// Head is what every client frame may carry. Type is filled in by [EncodeClient].
type Head struct {
	Type string `json:"type"`
	Ref  string `json:"ref,omitempty"`
}

func (h *Head) head() *Head { return h }

// Hello is the first frame of a session.
type Hello struct {
	Head
	Token    string      `json:"token,omitempty"`
	Device   chat.Device `json:"device,omitempty"`
	Attempt  *int64      `json:"attempt,omitempty"` // grows with each connect of the device; nil: the server's clock in ms
	Resume   *Resume     `json:"resume,omitempty"`
	Flush    int         `json:"flush,omitzero"` // most entries per conversation in the flush; 0: all
	Features []string    `json:"features,omitempty"`
	Client   *ClientInfo `json:"client,omitempty"`
}

// Resume is what a client holds already.
type Resume struct {
	Epoch   string                   `json:"epoch"`
	Cursors map[chat.ConvID]chat.Seq `json:"cursors"`
}

// ClientInfo describes the client's software.
type ClientInfo struct {
	Name     string `json:"name,omitempty"`
	Version  string `json:"version,omitempty"`
	Platform string `json:"platform,omitempty"`
}

// Auth replaces the session's token in place.
type Auth struct {
	Head
	Token string `json:"token"`
}

// Send appends a message. Exactly one of Conv and To is set.
type Send struct {
	Head
	Conv     chat.ConvID    `json:"conv,omitempty"`
	To       chat.User      `json:"to,omitempty"`
	CMID     chat.CMID      `json:"cmid"`
	Body     jsontext.Value `json:"body"` // after decoding: validated and compact
	ReplyTo  *chat.Seq      `json:"reply_to,omitempty"`
	Mentions []chat.User    `json:"mentions,omitempty"`
	Silent   bool           `json:"silent,omitzero"`
}

// Recv says that this device has everything up to Seq.
type Recv struct {
	Head
	Conv chat.ConvID `json:"conv"`
	Seq  *chat.Seq   `json:"seq"`
}

// Read says that the user has read up to Seq.
type Read struct {
	Head
	Conv chat.ConvID `json:"conv"`
	Seq  *chat.Seq   `json:"seq"`
}

// Edit replaces the body of one's own message.
type Edit struct {
	Head
	Conv   chat.ConvID    `json:"conv"`
	Target *chat.Seq      `json:"target"`
	CMID   chat.CMID      `json:"cmid"`
	Body   jsontext.Value `json:"body"`
}

// Recall takes a message back.
type Recall struct {
	Head
	Conv   chat.ConvID `json:"conv"`
	Target *chat.Seq   `json:"target"`
	CMID   chat.CMID   `json:"cmid"`
}

// React switches one's own reaction to a message on or off.
type React struct {
	Head
	Conv   chat.ConvID `json:"conv"`
	Target *chat.Seq   `json:"target"`
	CMID   chat.CMID   `json:"cmid"`
	Emoji  string      `json:"emoji"`
	On     *bool       `json:"on"`
}

// Typing says that the user types, or has stopped.
type Typing struct {
	Head
	Conv chat.ConvID `json:"conv"`
	On   *bool       `json:"on"`
}

// Watch asks for the presence of users.
type Watch struct {
	Head
	Users []chat.User `json:"users"`
}

// Unwatch ends a Watch.
type Unwatch struct {
	Head
	Users []chat.User `json:"users"`
}

// History asks for a page. Exactly one of Before, After and Around is set.
type History struct {
	Head
	Conv   chat.ConvID `json:"conv"`
	Before *chat.Seq   `json:"before,omitempty"`
	After  *chat.Seq   `json:"after,omitempty"`
	Around *chat.Seq   `json:"around,omitempty"`
	Limit  *int        `json:"limit,omitempty"` // nil: 50
}

// Ping asks for a pong.
type Ping struct {
	Head
}

// Name implements [Frame].
func (*Hello) Name() string   { return "hello" }
func (*Auth) Name() string    { return "auth" }
func (*Send) Name() string    { return "send" }
func (*Recv) Name() string    { return "recv" }
func (*Read) Name() string    { return "read" }
func (*Edit) Name() string    { return "edit" }
func (*Recall) Name() string  { return "recall" }
func (*React) Name() string   { return "react" }
func (*Typing) Name() string  { return "typing" }
func (*Watch) Name() string   { return "watch" }
func (*Unwatch) Name() string { return "unwatch" }
func (*History) Name() string { return "history" }
func (*Ping) Name() string    { return "ping" }

// newFrame makes the empty frame of a type; nil where there is none.
func newFrame(typ string) Frame {
	switch typ {
	case "hello":
		return new(Hello)
	case "auth":
		return new(Auth)
	case "send":
		return new(Send)
	case "recv":
		return new(Recv)
	case "read":
		return new(Read)
	case "edit":
		return new(Edit)
	case "recall":
		return new(Recall)
	case "react":
		return new(React)
	case "typing":
		return new(Typing)
	case "watch":
		return new(Watch)
	case "unwatch":
		return new(Unwatch)
	case "history":
		return new(History)
	case "ping":
		return new(Ping)
	}
	return nil
}
