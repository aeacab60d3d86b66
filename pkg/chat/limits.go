package chat

import "time"

// Limits are the bounds that a client is told in welcome. The zero value of a
// field means its default.
type Limits struct {
	Frame          int `json:"frame"`           // bytes of one frame, both ways; default 65,536
	Text           int `json:"text"`            // bytes of a message's text; default 16,384
	Page           int `json:"page"`            // items of one page; default 200
	Pending        int `json:"pending"`         // requests of one session under way; more wait in the socket; default 128
	SendsPerS      int `json:"sends_per_s"`     // sends of one session a second, twice that in a burst; default 1,000
	Watch          int `json:"watch"`           // users in a session's watch list; default 256
	Devices        int `json:"devices"`         // devices of one user; the one seen longest ago gives way; default 16
	Members        int `json:"members"`         // members of a group; default 2,000
	ReceiptMembers int `json:"receipt_members"` // largest conversation whose receipts go to others; default 100

	// Attachments, where they are switched on; else 0 and left out.
	AttachmentBytes int64  `json:"attachment_bytes,omitzero"`  // bytes of one file
	Attachments     int    `json:"attachments,omitzero"`       // files of one message
	AttachmentTypes string `json:"attachment_types,omitempty"` // such as "image/*,application/pdf"; "": all
}

// WithDefaults fills the zero fields.
func (l Limits) WithDefaults() Limits {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&l.Frame, 64<<10)
	def(&l.Text, 16<<10)
	def(&l.Page, 200)
	def(&l.Pending, 128)
	def(&l.SendsPerS, 1000)
	def(&l.Watch, 256)
	def(&l.Devices, 16)
	def(&l.Members, 2000)
	def(&l.ReceiptMembers, 100)
	return l
}

// Bounds of parts of a body and of a command that no client can change.
const (
	MaxRef         = 64                  // characters of a ref
	MaxTitle       = 256                 // bytes of a group's title
	MaxData        = 8 << 10             // bytes of body.data
	MaxDataDepth   = 32                  // nesting of body.data
	MaxBody        = 40 << 10            // bytes of a body: an entry frame must stay below Limits.Frame
	MaxAttachments = 10                  // attachments of a message
	MaxMentions    = 50                  // users mentioned in a message
	MaxEdits       = 200                 // edits of a message: its recall has to find and blank all of them
	MaxReactions   = 2000                // reactions to a message; those switched off again count, because stores keep them
	MaxEmoji       = 32                  // distinct emoji that have ever been among them
	MaxEmojiBytes  = 64                  // bytes of an emoji
	MaxCursors     = 5000                // cursors in one hello
	UsersPerEntry  = 500                 // users in one members entry; a larger group is made in several
	DeviceLife     = 60 * 24 * time.Hour // a device unseen for longer counts as new
)

// Heartbeat is how long a side may be silent before it is asked for a sign of
// life; after twice that a session is freed.
const Heartbeat = 25 * time.Second
