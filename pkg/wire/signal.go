package wire

import "github.com/parley-chat/parley/pkg/chat"

// TypingBy says that a user types in a conversation, or has stopped. A client
// forgets it 7 s after it heard it last: it may be lost.
type TypingBy struct {
	Type string      `json:"type"`
	Conv chat.ConvID `json:"conv"`
	User chat.User   `json:"user"`
	On   bool        `json:"on"`
}

// Presence says whether a user has a session anywhere.
type Presence struct {
	Type     string    `json:"type"`
	User     chat.User `json:"user"`
	Online   bool      `json:"online"`
	LastSeen Time      `json:"last_seen,omitzero"` // of who is not online, if it is known
}
