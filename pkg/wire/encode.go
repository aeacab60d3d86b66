package wire

import (
	"fmt"
	"strconv"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Encode writes a server frame. It is for frames that go to one session; entries
// and acks, which decide the cost of a message, have their own.
func Encode(frame any) []byte {
	b, err := json.Marshal(frame, json.Deterministic(true))
	if err != nil {
		// Server frames are built from checked values: this cannot happen, and if it
		// does it must be found.
		panic(fmt.Sprintf("wire: encode %T: %v", frame, err))
	}
	return b
}

// EncodeClient writes a client frame.
func EncodeClient(f Frame) ([]byte, error) {
	f.head().Type = f.Name()
	b, err := json.Marshal(f, json.Deterministic(true))
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", f.Name(), err)
	}
	return b, nil
}

// NewError is the frame of an error.
func NewError(ref string, e *chat.Error) *Error {
	return &Error{Type: "error", Ref: ref, Code: e.Code, Message: e.Message, RetryAfterMS: e.RetryAfter.Milliseconds()}
}

// NewEntry is an entry as frames and pages show it. It shares the entry's bytes.
func NewEntry(e *chat.Entry) Entry {
	w := Entry{
		Type: string(e.Kind), Conv: e.Conv, Seq: e.Seq, ID: chat.EntryID(e.Conv, e.Seq),
		From: e.From, Time: Time{e.Time}, CMID: e.CMID, Count: e.Count, Via: e.Via,
		Body: jsontext.Value(e.Body), ReplyTo: e.ReplyTo, Mentions: e.Mentions, Gone: e.Gone,
		Target: e.Target, Emoji: e.Emoji,
		Change: e.Change, Users: e.Users, Title: e.Title,
	}
	if e.Kind == chat.KindReacted {
		w.On = &e.On
	}
	return w
}

// EntrySize is about how large the frame of a message is, and not less than that of
// one without mentions and the like.
func EntrySize(e *chat.Entry) int {
	const rest = 224 // names of fields, numbers, the time
	return rest + 2*len(e.Conv) + len(e.From) + len(e.CMID) + len(e.Body)
}

// AppendEntry appends an entry's frame to b. The result is the same for every
// session, so it is made once per entry and shared.
func AppendEntry(b []byte, e *chat.Entry) []byte {
	if e.Kind != chat.KindMessage {
		return append(b, Encode(NewEntry(e))...)
	}
	b = append(b, `{"type":"message","conv":"`...)
	b = append(b, e.Conv...)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, int64(e.Seq), 10)
	b = append(b, `,"id":"`...)
	b = append(b, e.Conv...)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(e.Seq), 10)
	b = append(b, `","from":"`...)
	b = append(b, e.From...)
	b = append(b, `","time":"`...)
	b = appendTime(b, e.Time)
	b = append(b, `","cmid":"`...)
	b = append(b, e.CMID...)
	b = append(b, `","count":`...)
	b = strconv.AppendInt(b, e.Count, 10)
	if e.Via != "" {
		b = append(b, `,"via":`...)
		b, _ = jsontext.AppendQuote(b, e.Via)
	}
	if len(e.Body) > 0 {
		b = append(b, `,"body":`...)
		b = append(b, e.Body...)
	}
	if e.ReplyTo != 0 {
		b = append(b, `,"reply_to":`...)
		b = strconv.AppendInt(b, int64(e.ReplyTo), 10)
	}
	if len(e.Mentions) > 0 {
		b = append(b, `,"mentions":[`...)
		for i, u := range e.Mentions {
			if i > 0 {
				b = append(b, ',')
			}
			b = append(b, '"')
			b = append(b, u...)
			b = append(b, '"')
		}
		b = append(b, ']')
	}
	if e.Gone {
		b = append(b, `,"gone":true`...)
	}
	return append(b, '}')
}

// NewAck is the answer to whoever wrote an entry.
func NewAck(ref string, e *chat.Entry, dup bool) *Ack {
	return &Ack{Type: "ack", Ref: ref, Conv: e.Conv, Seq: e.Seq, CMID: e.CMID,
		ID: chat.EntryID(e.Conv, e.Seq), Time: Time{e.Time}, Dup: dup}
}

// AppendAck appends the ack's frame to b.
func AppendAck(b []byte, ref string, e *chat.Entry, dup bool) []byte {
	b = append(b, `{"type":"ack",`...)
	if ref != "" {
		b = append(b, `"ref":`...)
		b, _ = jsontext.AppendQuote(b, ref)
		b = append(b, ',')
	}
	b = append(b, `"conv":"`...)
	b = append(b, e.Conv...)
	b = append(b, `","seq":`...)
	b = strconv.AppendInt(b, int64(e.Seq), 10)
	b = append(b, `,"cmid":"`...)
	b = append(b, e.CMID...)
	b = append(b, `","id":"`...)
	b = append(b, e.Conv...)
	b = append(b, '-')
	b = strconv.AppendInt(b, int64(e.Seq), 10)
	b = append(b, `","time":"`...)
	b = appendTime(b, e.Time)
	b = append(b, '"')
	if dup {
		b = append(b, `,"dup":true`...)
	}
	return append(b, '}')
}

func appendTime(b []byte, t time.Time) []byte { return t.UTC().AppendFormat(b, timeLayout) }

// DecodeServer reads a server frame on the client's side: the struct that its
// type names, or nil for a type that this version does not know. Unknown fields
// are ignored, as the protocol asks of clients.
func DecodeServer(data []byte) (any, error) {
	var head struct {
		Type  string `json:"type"`
		Count *int64 `json:"count"`
		Seq   *int64 `json:"seq"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return nil, fmt.Errorf("decode frame: %w", err)
	}
	var f any
	switch head.Type {
	case "welcome":
		f = new(Welcome)
	case "ack":
		f = new(Ack)
	case "conversation":
		f = new(Conversation)
	case "receipt":
		f = new(Receipt)
	case "typing":
		f = new(TypingBy)
	case "presence":
		f = new(Presence)
	case "erased":
		f = new(Erased)
	case "page":
		f = new(Page[Entry])
	case "synced":
		f = new(Synced)
	case "reset":
		f = new(Reset)
	case "goaway":
		f = new(GoAway)
	case "error":
		f = new(Error)
	case "pong":
		f = new(Pong)
	default:
		if head.Count == nil || head.Seq == nil {
			return nil, nil
		}
		f = new(Entry) // any frame with a count moves the cursor, of whatever kind
	}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("decode %s: %w", head.Type, err)
	}
	return f, nil
}
