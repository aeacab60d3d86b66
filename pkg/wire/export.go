package wire

import "github.com/parley-chat/parley/pkg/chat"

// The lines of an export, one JSON object each, told apart by their type: profile,
// block, device, membership, any entry frame, and at the end of a part that others
// follow, next.

// ExportProfile is the first line.
type ExportProfile struct {
	Type string `json:"type"` // "profile"
	Profile
}

// ExportBlock is a user whom the user has blocked.
type ExportBlock struct {
	Type string `json:"type"` // "block"
	Block
}

// ExportDevice is one of the user's devices.
type ExportDevice struct {
	Type string `json:"type"` // "device"
	DeviceInfo
}

// ExportMembership is a conversation that the user is or was in; the user's entries
// in it follow.
type ExportMembership struct {
	Type     string        `json:"type"` // "membership"
	Conv     chat.ConvID   `json:"conv"`
	Kind     chat.ConvKind `json:"kind"`
	Title    string        `json:"title,omitempty"`
	Peer     chat.User     `json:"peer,omitempty"`
	Role     chat.Role     `json:"role"`
	Joined   chat.Seq      `json:"joined"`
	Left     chat.Seq      `json:"left,omitzero"`
	Read     chat.Seq      `json:"read"`
	Muted    bool          `json:"muted,omitzero"`
	Pinned   bool          `json:"pinned,omitzero"`
	Archived bool          `json:"archived,omitzero"`
}

// ExportNext ends a part: the same request with its cursor gives the next one.
type ExportNext struct {
	Type   string `json:"type"` // "next"
	Cursor string `json:"cursor"`
}
