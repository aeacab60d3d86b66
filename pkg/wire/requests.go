package wire

import (
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Bodies of HTTP requests. A cmid may be in the header Idempotency-Key instead.

// NewGroup makes a group.
type NewGroup struct {
	Title   string       `json:"title"`
	Members []chat.User  `json:"members,omitempty"` // without the creator
	CMID    chat.CMID    `json:"cmid,omitempty"`    // or the same in the header Idempotency-Key
	History chat.History `json:"history,omitempty"` // default "joined"
}

// Rename gives a group another title.
type Rename struct {
	Title string    `json:"title"`
	CMID  chat.CMID `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// SetMember adds a member, or changes a role.
type SetMember struct {
	Role chat.Role `json:"role"`
	CMID chat.CMID `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// EditMessage gives one's own message another body.
type EditMessage struct {
	Body jsontext.Value `json:"body"`
	CMID chat.CMID      `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
}

// PostMessage sends a message. Exactly one of Conv and To is set.
type PostMessage struct {
	From     chat.User      `json:"from,omitempty"` // another than the token's needs the scope send:any
	Conv     chat.ConvID    `json:"conv,omitempty"`
	To       chat.User      `json:"to,omitempty"`
	CMID     chat.CMID      `json:"cmid,omitempty"` // or the same in the header Idempotency-Key
	Body     jsontext.Value `json:"body"`
	ReplyTo  *chat.Seq      `json:"reply_to,omitempty"`
	Mentions []chat.User    `json:"mentions,omitempty"`
	Silent   bool           `json:"silent,omitzero"`
}

// TokenRequest asks for a dev token.
type TokenRequest struct {
	User chat.User `json:"user"`
}

// Token is a dev token.
type Token struct {
	Token string `json:"token"`
}
