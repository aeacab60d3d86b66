package wire

import "github.com/parley-chat/parley/pkg/chat"

// The lines of an export, one JSON object each, told apart by their type: profile,
// block, device, membership, any entry frame, attachment, and at the end of a part
// next, or, of the last one, end. A part with neither was cut.

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

// ExportAttachment is a file that the entry in the line before carries. Its bytes are
// had with a GET of URL and the token that the export was made with, which answers with
// where they are: they are never in the export itself.
type ExportAttachment struct {
	Type string      `json:"type"` // "attachment"
	Conv chat.ConvID `json:"conv"`
	Seq  chat.Seq    `json:"seq"` // of the entry
	ID   string      `json:"id"`
	Name string      `json:"name"`
	// ContentType is what the file was found to be.
	ContentType string `json:"content_type"`
	Size        int64  `json:"size"` // bytes
	W           int    `json:"w,omitzero"`
	H           int    `json:"h,omitzero"`
	MS          int64  `json:"ms,omitzero"`
	URL         string `json:"url"`
}

// ExportEnd ends the last part.
type ExportEnd struct {
	Type string `json:"type"` // "end"
}

// ExportNext ends a part: the same request with its cursor gives the next one.
type ExportNext struct {
	Type   string `json:"type"` // "next"
	Cursor string `json:"cursor"`
}
