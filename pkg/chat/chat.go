// Package chat is Parley's vocabulary: ids, entries, conversations, members,
// limits and error codes. It has no behaviour beyond checking the form of an
// id; every other package speaks in its terms.
//
// The one idea behind all of it: a conversation is a dense, append-only log.
// Every durable thing that happens in it is one [Entry] with the next [Seq].
package chat

import "time"

// NS is a tenant. It comes from a token claim, is the first part of every store
// key, and never appears in a frame.
type NS string

// DefaultNS is the tenant of a token that names none.
const DefaultNS NS = "_"

// User is a user's id: the token's "sub".
type User string

// MentionAll among the mentions of a message stands for every member.
const MentionAll User = "*"

// Device is one installation or browser profile of a user.
type Device string

// DefaultDevice is the device of a client that names none.
const DefaultDevice Device = "default"

// ConvID names a conversation inside its tenant: "d_…" for a direct one, "g_…"
// for a group.
type ConvID string

// CMID is a client message id: what makes a retry harmless, for ever.
type CMID string

// Seq is a position in a conversation's log. The first entry has 1; 0 stands
// for "before the first".
type Seq int64

// MaxSeq is the largest number that a frame may carry: JSON numbers are exact
// below 2^53.
const MaxSeq Seq = 1<<53 - 1

// Key names a conversation across tenants. It is the key of every cache, table
// and document that belongs to a conversation.
type Key struct {
	NS   NS
	Conv ConvID
}

// Kind is the kind of an entry, and the type of the frame that carries it.
type Kind string

// The kinds of entries.
const (
	KindMessage  Kind = "message"
	KindEdited   Kind = "edited"
	KindRecalled Kind = "recalled"
	KindReacted  Kind = "reacted"
	KindMembers  Kind = "members"
)

// Change says what a members entry changed.
type Change string

// The changes of members entries.
const (
	ChangeCreated Change = "created"
	ChangeAdded   Change = "added"
	ChangeRemoved Change = "removed"
	ChangeLeft    Change = "left"
	ChangeRole    Change = "role"
	ChangeRenamed Change = "renamed"
	ChangeClosed  Change = "closed"
)

// Role is a member's role in a group. Members of a direct conversation all have
// [RoleMember].
type Role string

// The roles, from most to least powerful.
const (
	RoleOwner  Role = "owner"
	RoleAdmin  Role = "admin"
	RoleMember Role = "member"
	RoleMuted  Role = "muted" // a member who reads, and may not write
)

// UserRole is a user and the role that a members entry gives it. Removed users
// carry the role that they had.
type UserRole struct {
	User User `json:"user"`
	Role Role `json:"role"`
}

// Hash fingerprints what a client asked for in an entry: kind, target, body,
// reply_to, mentions and the like, as first accepted. The same cmid with another
// hash is a conflict.
type Hash [16]byte

// Entry is one element of a conversation's log. Seq, CMID, From, Time and Kind
// never change once stored. Body may change once, to nothing, with Gone set.
type Entry struct {
	Key
	Seq  Seq
	Kind Kind
	From User
	CMID CMID
	Time time.Time // UTC, whole milliseconds
	Via  string    // the service that wrote it for From; "" if From did

	// Running values, from the first entry on: what a reader would otherwise
	// have to count.
	Count   int64 // messages up to and including this entry
	MV      Seq   // seq of the last members entry up to and including this one
	Members int   // members of the conversation after this entry
	Hash    Hash

	// Body is the validated, compact JSON object of a message or an edit; nil
	// for other kinds and when Gone. It is immutable: share it, never write to it.
	Body []byte
	Gone bool

	ReplyTo  Seq    // message: 0 if none
	Mentions []User // message
	Silent   bool   // message: stored and delivered, but wakes nobody up

	Target Seq    // edited, recalled, reacted
	Emoji  string // reacted
	On     bool   // reacted

	Change Change     // members
	Users  []UserRole // members
	Title  string     // members: created, renamed

	// Concerns is whom the entry concerns beyond the members that a pod knows
	// already: the ends of a direct conversation, the users of a members entry. The
	// writer fills it in; it goes to the journal and the bus, not into the log.
	Concerns []User
	// Audience is everybody who may see the entry, where they are few: whom it is
	// announced to. Nil: many, or not known. The writer fills it in; it goes nowhere.
	Audience []User
}

// ConvKind tells direct conversations from groups.
type ConvKind string

// The kinds of conversations.
const (
	Direct ConvKind = "direct"
	Group  ConvKind = "group"
)

// History says where a member's part of a group's log starts.
type History string

// The history settings of a group.
const (
	HistoryJoined History = "joined" // at the entry that added the member
	HistoryAll    History = "all"    // at the floor
)

// Conversation is what is stored of a conversation beside its log.
type Conversation struct {
	Key
	Kind    ConvKind
	Users   []User // direct: the two ends, a ≤ b bytewise (one if a = b)
	History History
	Created time.Time
	Floor   Seq  // the first seq that retention has left readable; 1 at first
	Keep    Keep // how long content is kept before the floor passes it

	Title     string
	TitleAsOf Seq // the members entry that set Title
	Closed    Seq // the entry that closed the group; 0 while open

	Last    Last
	Preview Preview
	Event   Event // zero where Preview is later
}

// Last is the head of a conversation as the finished entries have it. All its
// fields are running values of the entry at Seq.
type Last struct {
	Seq     Seq
	Count   int64
	MV      Seq
	Members int
	Time    time.Time
}

// Preview is the latest message, cut short for lists.
type Preview struct {
	Seq  Seq
	From User
	Time time.Time
	Gone bool   // its content was taken away: nothing of what follows is set
	Text string // as sent, at most PreviewRunes runes

	Files    int    // how many files it carries, as sent
	FileName string // of the first of them
	FileType string // of the first of them; "" where they are not all pictures, all videos, …

	Edit PreviewEdit
}

// PreviewEdit is the latest edit of the message that a [Preview] shows: what there is
// in place of what was sent. The zero value: nobody has edited it, or it is gone.
type PreviewEdit struct {
	Seq  Seq    // of the edit
	Text string // at most PreviewRunes runes

	Files    int    // how many files it carries
	FileName string // of the first of them
	FileType string // of the first of them; "" where they are not all pictures, all videos, …
}

// Event is the latest entry about members, cut short for lists.
type Event struct {
	Seq    Seq
	From   User
	Time   time.Time
	Change Change
	User   User // the first whom it concerns, and not From where it concerns others
	Role   Role // of that user
	Users  int  // how many it concerns, without From where it concerns others
}

// PreviewRunes is the length of a preview's text.
const PreviewRunes = 160

// Reached is when a position first was at an entry: what lies before was reached no
// later. The zero value: nothing is known.
type Reached struct {
	Seq  Seq
	Time time.Time // of the server that was told; UTC, whole milliseconds
}

// Member is a user's relation to a conversation. Documents of members are never
// deleted: who is gone has Left set.
type Member struct {
	Key
	User User
	Role Role
	// AsOf is the members entry that last changed Role, Joined or Left; older
	// entries that are folded again change nothing.
	AsOf        Seq
	Joined      Seq   // first seq of the member's part of the log
	JoinedCount int64 // messages before Joined
	Left        Seq   // last seq of that part; 0 while a member

	Read      Seq   // read position of the user
	ReadCount int64 // messages up to and including Read
	// Recv is the position of each device: everything up to it has arrived there. Below
	// zero it is the negated place at which a new device was to begin, which has said
	// nothing yet.
	Recv map[Device]Seq
	// ReadAt and RecvAt are how far Read, and the furthest of Recv, have come by moves
	// of which the time is known, and when they came there first. Others, and those of
	// before times were kept, may have come further.
	ReadAt, RecvAt Reached

	Settings Settings // the user's own, for this conversation
}
