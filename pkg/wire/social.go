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
