package wire

import "github.com/parley-chat/parley/pkg/chat"

// SetRetention takes away the content of a conversation's entries below a floor, for
// good, or says for how long content is kept from now on. Exactly one of Floor, Before
// and Keep is set.
type SetRetention struct {
	// Floor is the first entry that stays readable: at most one behind the head.
	Floor chat.Seq `json:"floor,omitzero"`
	// Before makes it the first entry that was stored at this time or later.
	Before Time `json:"before,omitzero"`
	// Keep is for how long entries stay readable: whole hours ("720h") or days ("30d"),
	// from 1h to 3650d; "": for ever; null: for as long as the deployment keeps what
	// nobody has decided on.
	Keep KeepFor `json:"keep,omitzero"`
	// Next is that of the answer before: work that is done is not looked at again.
	Next chat.Seq `json:"next,omitzero"`
}

// Retention is how far content was taken away, and for how long it is kept.
type Retention struct {
	Conv  chat.ConvID `json:"conv"`
	Floor chat.Seq    `json:"floor"`
	// Keep is in hours, "720h". Left out: for ever.
	Keep string `json:"keep,omitempty"`
	// Default: nobody has decided for this conversation, so Keep is the deployment's.
	Default bool `json:"default,omitzero"`
	// Next says that there is more to do: repeat the request with it. Left out: done.
	Next chat.Seq `json:"next,omitzero"`
}
