package wire

import "github.com/parley-chat/parley/pkg/chat"

// Revoke makes tokens worthless before they expire. Exactly one of Token and User is
// set.
type Revoke struct {
	// Token is the id (the claim jti) of a single token, never the token itself.
	Token string `json:"token,omitempty"`
	// Expires is when that token expires (its exp): needed with Token.
	Expires Time `json:"expires,omitzero"`

	// User is whose tokens are revoked that were issued (iat) before Before. A token
	// that does not say when counts as issued before everything.
	User   chat.User `json:"user,omitempty"`
	Before Time      `json:"before,omitzero"` // default: now
	// Until is when the last of those tokens has expired. Default: 400 days after
	// Before.
	Until Time `json:"until,omitzero"`
}

// Revocation is what was revoked.
type Revocation struct {
	Token  string    `json:"token,omitempty"`
	User   chat.User `json:"user,omitempty"`
	Before Time      `json:"before,omitzero"`
	Until  Time      `json:"until"` // then it is forgotten
}

// SetBan bans a user.
type SetBan struct {
	Until Time `json:"until,omitzero"` // default: until it is lifted
}

// Ban is a user who is banned.
type Ban struct {
	User  chat.User `json:"user"`
	Until Time      `json:"until,omitzero"` // left out: until it is lifted
}
