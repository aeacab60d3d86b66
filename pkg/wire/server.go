package wire

import (
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Time is a moment as frames write it: RFC 3339, UTC, milliseconds.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05.000Z"

// MarshalText implements [encoding.TextMarshaler].
func (t Time) MarshalText() ([]byte, error) { return t.AppendText(nil) }

// AppendText implements [encoding.TextAppender].
func (t Time) AppendText(b []byte) ([]byte, error) {
	return t.UTC().AppendFormat(b, timeLayout), nil
}

// MarshalJSON is here because the embedded time brings one of its own, with
// nanoseconds, that would win over MarshalText.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.AppendText([]byte{'"'})
	return append(b, '"'), err
}

// UnmarshalText implements [encoding.TextUnmarshaler].
func (t *Time) UnmarshalText(b []byte) error {
	parsed, err := time.Parse(time.RFC3339Nano, string(b))
	t.Time = parsed.UTC()
	return err
}

// Server frames. Every struct starts with its type, so that [Encode] can write it.

// Welcome answers hello.
type Welcome struct {
	Type        string      `json:"type"`
	Ref         string      `json:"ref,omitempty"`
	Session     string      `json:"session"`
	User        chat.User   `json:"user"`
	Device      chat.Device `json:"device"`
	Epoch       string      `json:"epoch"`
	Time        Time        `json:"time"`
	HeartbeatMS int64       `json:"heartbeat_ms"`
	Server      string      `json:"server"`
	Features    []string    `json:"features"`
	URL         string      `json:"url,omitempty"`
	Limits      chat.Limits `json:"limits"`
}

// Ack says that an entry is stored.
type Ack struct {
	Type string      `json:"type"`
	Ref  string      `json:"ref,omitempty"`
	Conv chat.ConvID `json:"conv"`
	Seq  chat.Seq    `json:"seq"`
	CMID chat.CMID   `json:"cmid"`
	ID   string      `json:"id"`
	Time Time        `json:"time"`
	Dup  bool        `json:"dup,omitzero"`
}

// Entry is an entry frame, and an item of a page.
type Entry struct {
	Type  string      `json:"type"`
	Conv  chat.ConvID `json:"conv"`
	Seq   chat.Seq    `json:"seq"`
	ID    string      `json:"id"`
	From  chat.User   `json:"from"`
	Time  Time        `json:"time"`
	CMID  chat.CMID   `json:"cmid"`
	Count int64       `json:"count"`
	Via   string      `json:"via,omitempty"`

	Body     jsontext.Value `json:"body,omitempty"` // message, edited
	ReplyTo  chat.Seq       `json:"reply_to,omitzero"`
	Mentions []chat.User    `json:"mentions,omitempty"`
	Gone     bool           `json:"gone,omitzero"`

	Target chat.Seq `json:"target,omitzero"` // edited, recalled, reacted
	Emoji  string   `json:"emoji,omitempty"` // reacted
	On     *bool    `json:"on,omitempty"`    // reacted

	Change chat.Change     `json:"change,omitempty"` // members
	Users  []chat.UserRole `json:"users,omitempty"`
	Title  string          `json:"title,omitempty"`
}

// Message is a folded message: the entry, and what later entries made of it.
type Message struct {
	Entry       `json:",inline"`
	Edited      *EditedFold    `json:"edited,omitempty"`
	Recalled    *RecalledFold  `json:"recalled,omitempty"`
	Reactions   []ReactionFold `json:"reactions,omitempty"`
	State       string         `json:"state"`
	DeliveredBy int            `json:"delivered_by"`
	ReadBy      int            `json:"read_by"`
}

// The states of a folded message.
const (
	StateStored    = "stored"
	StateDelivered = "delivered"
	StateRead      = "read"
)

// EditedFold says that a message was edited, and by which entry.
type EditedFold struct {
	Seq  chat.Seq `json:"seq"`
	Time Time     `json:"time"`
}

// RecalledFold says that a message was taken back, by whom and by which entry.
type RecalledFold struct {
	Seq  chat.Seq  `json:"seq"`
	By   chat.User `json:"by"`
	Time Time      `json:"time"`
}

// ReactionFold is one emoji under a message.
type ReactionFold struct {
	Emoji string      `json:"emoji"`
	Count int         `json:"count"`
	Mine  bool        `json:"mine"`
	Users []chat.User `json:"users"`
}

// Conversation is a conversation as one user sees it: a frame, with Type set,
// and a REST resource, without.
type Conversation struct {
	Type      string        `json:"type,omitempty"`
	Conv      chat.ConvID   `json:"conv"`
	Kind      chat.ConvKind `json:"kind"`
	Title     string        `json:"title,omitempty"`
	Peer      chat.User     `json:"peer,omitempty"`
	Role      chat.Role     `json:"role"`
	Members   int           `json:"members"`
	Head      chat.Seq      `json:"head"`
	Floor     chat.Seq      `json:"floor"`
	Count     int64         `json:"count"`
	Joined    chat.Seq      `json:"joined"`
	Left      chat.Seq      `json:"left,omitzero"`
	Read      chat.Seq      `json:"read"`
	Delivered chat.Seq      `json:"delivered"`
	Unread    int64         `json:"unread"`
	Exact     bool          `json:"exact"`
	Mentions  int64         `json:"mentions,omitzero"` // unread messages that mention the user
	Muted     bool          `json:"muted,omitzero"`
	Pinned    bool          `json:"pinned,omitzero"`
	Archived  bool          `json:"archived,omitzero"`
	Keep      string        `json:"keep,omitempty"` // for how long content is kept, in hours ("720h"); left out: for ever
	Peers     []Peer        `json:"peers,omitempty"`
	Last      *Last         `json:"last,omitempty"`
	Event     *Event        `json:"event,omitempty"` // where it is later than Last
}

// Peer is how far another member is.
type Peer struct {
	User      chat.User `json:"user"`
	Read      chat.Seq  `json:"read"`
	Delivered chat.Seq  `json:"delivered"`
}

// Last is the latest message of a conversation as edited, cut short.
type Last struct {
	Seq   chat.Seq   `json:"seq"`
	From  chat.User  `json:"from"`
	Time  Time       `json:"time"`
	Text  string     `json:"text"`
	Gone  bool       `json:"gone,omitzero"` // its content was taken away
	Files *LastFiles `json:"files,omitempty"`
}

// LastFiles tells of the files of a [Last].
type LastFiles struct {
	Count int    `json:"count"`
	Name  string `json:"name,omitempty"` // of the first of them
	Type  string `json:"type,omitempty"` // of the first of them; left out where they are not all pictures, all videos, …
}

// Event is the latest members entry of a conversation, cut short.
type Event struct {
	Seq    chat.Seq    `json:"seq"`
	From   chat.User   `json:"from"`
	Time   Time        `json:"time"`
	Change chat.Change `json:"change"`
	User   chat.User   `json:"user,omitempty"` // the first whom it concerns, not counting From where it concerns others
	Role   chat.Role   `json:"role,omitempty"`
	Users  int         `json:"users,omitzero"` // how many it concerns, counted in the same way
}

// Receipt tells how far a user is.
type Receipt struct {
	Type      string      `json:"type"`
	Conv      chat.ConvID `json:"conv"`
	User      chat.User   `json:"user"`
	Delivered chat.Seq    `json:"delivered,omitzero"`
	Read      chat.Seq    `json:"read,omitzero"`
	Time      Time        `json:"time"`
}

// Page is a list of entries or messages: a frame, with Type set, and a REST
// resource, without.
type Page[T any] struct {
	Type       string      `json:"type,omitempty"`
	Ref        string      `json:"ref,omitempty"`
	Conv       chat.ConvID `json:"conv,omitempty"`
	Items      []T         `json:"items"`
	Head       chat.Seq    `json:"head"`
	Floor      chat.Seq    `json:"floor"`
	MoreBefore bool        `json:"more_before"`
	MoreAfter  bool        `json:"more_after"`
}

// List is any other list. Next is the ?cursor= of the following part.
type List[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Member is a member of a conversation in a list.
type Member struct {
	User      chat.User `json:"user"`
	Role      chat.Role `json:"role"`
	Joined    chat.Seq  `json:"joined"`
	Read      chat.Seq  `json:"read"`
	Delivered chat.Seq  `json:"delivered"`
}

// Unread explains an unread count: Unread = Count − ReadCount − Own − Recalled,
// where Own and Recalled are among the messages after the latest of Read, Joined − 1
// and Floor − 1, and ReadCount counts the messages up to there. Mentions are those of
// the unread messages that mention the user; where Exact is false, those among the
// latest 200 entries.
type Unread struct {
	Conv      chat.ConvID `json:"conv"`
	Unread    int64       `json:"unread"`
	Exact     bool        `json:"exact"`
	Head      chat.Seq    `json:"head"`
	Count     int64       `json:"count"`
	Joined    chat.Seq    `json:"joined"`
	Floor     chat.Seq    `json:"floor"`
	Read      chat.Seq    `json:"read"`
	ReadCount int64       `json:"read_count"`
	Own       int64       `json:"own"`
	Recalled  int64       `json:"recalled"`
	Mentions  int64       `json:"mentions"`
}

// Synced says that everything stored before welcome has been sent.
type Synced struct {
	Type string `json:"type"`
	Time Time   `json:"time"`
}

// Reset announces a jump of a stream.
type Reset struct {
	Type  string      `json:"type"`
	Conv  chat.ConvID `json:"conv,omitempty"`
	Epoch string      `json:"epoch"`
	Floor chat.Seq    `json:"floor,omitzero"`
	Next  chat.Seq    `json:"next,omitzero"`
}

// GoAway asks a client to reconnect to any pod.
type GoAway struct {
	Type        string `json:"type"`
	ReconnectMS int64  `json:"reconnect_ms"`
	URL         string `json:"url,omitempty"`
}

// Error is a refused or unanswered request.
type Error struct {
	Type         string    `json:"type"`
	Ref          string    `json:"ref,omitempty"`
	Code         chat.Code `json:"code"`
	Message      string    `json:"message"`
	RetryAfterMS int64     `json:"retry_after_ms,omitzero"`
}

// Pong answers ping.
type Pong struct {
	Type string `json:"type"`
	Ref  string `json:"ref,omitempty"`
	Time Time   `json:"time"`
}

// Problem is an HTTP error, application/problem+json (RFC 9457).
type Problem struct {
	Type         string    `json:"type"`
	Title        string    `json:"title"`
	Status       int       `json:"status"`
	Code         chat.Code `json:"code"`
	Detail       string    `json:"detail"`
	RetryAfterMS int64     `json:"retry_after_ms,omitzero"`
}
