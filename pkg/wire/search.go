package wire

import "github.com/parley-chat/parley/pkg/chat"

// SearchList is the answer to a search. Next is the ?cursor= of the following
// part; a part may be short, even empty, and others follow.
type SearchList struct {
	Items []SearchHit `json:"items"`
	Next  string      `json:"next,omitempty"`
	// Exact is false where something was not looked at that may match: there are more
	// conversations, or for "best" more matches, than one search looks at, or the
	// index is still being built.
	Exact bool `json:"exact"`
}

// SearchHit is a message that was found.
type SearchHit struct {
	Conv    chat.ConvID `json:"conv"`
	Seq     chat.Seq    `json:"seq"`
	ID      string      `json:"id"`
	From    chat.User   `json:"from"`
	Time    Time        `json:"time"`
	Edited  *EditedFold `json:"edited,omitempty"`
	Snippet Snippet     `json:"snippet"`
}

// Snippet is a part of a text, as plain text: it may contain anything that a
// message may, and is not HTML. Highlights are the parts to be emphasised, each
// from a first position up to and not including a second one, in UTF-16 code
// units, ascending and apart from one another.
type Snippet struct {
	Text       string   `json:"text"`
	Highlights [][2]int `json:"highlights"`
}
