package wire

import "github.com/parley-chat/parley/pkg/chat"

// Block is a user whom one has blocked.
type Block struct {
	User chat.User `json:"user"`
	Time Time      `json:"time"`
}

// DeviceInfo is one of one's own devices.
type DeviceInfo struct {
	Device chat.Device `json:"device"`
	Seen   Time        `json:"seen"` // its last visit, exact to the hour
}

// SetMe changes what one has set for a conversation. What is left out stays.
type SetMe struct {
	Muted    *bool `json:"muted,omitempty"`
	Pinned   *bool `json:"pinned,omitempty"`
	Archived *bool `json:"archived,omitempty"`
}

// Profile is what one has set for all conversations.
type Profile struct {
	User     chat.User `json:"user"`
	HideRead bool      `json:"hide_read"` // others do not see how far one has read, nor one how far they have
}

// SetProfile changes it. What is left out stays.
type SetProfile struct {
	HideRead *bool `json:"hide_read,omitempty"`
}

// Seen is how far a message has come with one of the other members. Read implies
// Delivered, and is false where somebody hides it.
type Seen struct {
	User      chat.User `json:"user"`
	Delivered bool      `json:"delivered"`
	Read      bool      `json:"read"`
}
