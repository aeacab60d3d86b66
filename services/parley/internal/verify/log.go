package verify

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Kind is what an event of a log is.
type Kind string

// The kinds of events. What a client wrote is logged before the write, what it read
// after the read: so that an ack before a send in the log was before it in truth.
const (
	Open    Kind = "open"    // a session's hello, with Cursors
	Submit  Kind = "submit"  // the user asked for a message; Send follows, maybe often
	Send    Kind = "send"    // written
	Ack     Kind = "ack"     // read
	Refused Kind = "refused" // a final error for a send, or a change, was read
	Entry   Kind = "entry"   // of the live stream or the flush
	Page    Kind = "page"    // an entry in a history page
	Reset   Kind = "reset"   // Seq is next; Conv "": everything
	Recv    Kind = "recv"    // written
	Read    Kind = "read"    // written
	Receipt Kind = "receipt" // read: From is at Seq (delivered) and Read
	Seen    Kind = "seen"    // any other frame that names a conversation
	Close   Kind = "close"
)

// Sum fingerprints a part of an entry.
type Sum [8]byte

// Fact is an entry as somebody saw it, or as a sender asked for it.
type Fact struct {
	Conv chat.ConvID
	Seq  chat.Seq
	Type string
	From chat.User
	CMID chat.CMID

	Content Sum   // body, reply_to, mentions, target, emoji, on: what the sender wrote
	Body    Sum   // of it, the body
	Rest    Sum   // id, time, via and whatever else never changes
	Count   int64 // messages up to here
	Gone    bool  // the body is no more; Content says nothing

	Target chat.Seq // of a change
	Emoji  string   // of a reaction
	On     bool     // of a reaction
	Folded *Folded  // in GET messages: what became of the message; nil: not asked
}

// Folded is what the folded view says became of a message.
type Folded struct {
	Edited, Recalled chat.Seq  // the entries that did it; 0: none
	By               chat.User // of the recall
	Reactions        string    // as [reactionsOf] writes them
}

// Event is one line of a client's log.
type Event struct {
	Fact
	At      time.Duration // since the start of the run, monotonic
	Kind    Kind
	Session int
	To      chat.User                // send to a user: Conv is filled in by the harness
	Read    chat.Seq                 // receipt
	Cursors map[chat.ConvID]chat.Seq // open
	Code    string                   // refused: error code; close: close code
}

// ClientLog is what one device did and saw, in order.
type ClientLog struct {
	User   chat.User
	Device chat.Device
	Events []Event
}

// Name is how reports call the client.
func (l *ClientLog) Name() string { return string(l.User) + "/" + string(l.Device) }

// line is an event as traces show it.
func (e *Event) line(who string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%12s  %s", e.At.Round(time.Microsecond), who)
	if e.Session > 0 {
		fmt.Fprintf(&b, " session %d", e.Session)
	}
	fmt.Fprintf(&b, "  %s", e.Kind)
	if e.Conv != "" {
		fmt.Fprintf(&b, " %s", e.Conv)
	}
	if e.Seq != 0 {
		fmt.Fprintf(&b, " seq %d", e.Seq)
	}
	if e.Read != 0 {
		fmt.Fprintf(&b, " read %d", e.Read)
	}
	if e.From != "" {
		fmt.Fprintf(&b, " from %s", e.From)
	}
	if e.CMID != "" {
		fmt.Fprintf(&b, " cmid %s", e.CMID)
	}
	if e.Content != (Sum{}) {
		fmt.Fprintf(&b, " content %x", e.Content[:4])
	}
	if e.Code != "" {
		fmt.Fprintf(&b, " %s", e.Code)
	}
	return b.String()
}

// line is a stored entry as traces show it.
func (f *Fact) line(who string) string {
	return fmt.Sprintf("%12s  %s  %s %s seq %d from %s cmid %s content %x", "", who, f.Type, f.Conv, f.Seq, f.From, f.CMID, f.Content[:4])
}

// content fingerprints what a sender writes. Bodies are compared as JSON values:
// the server writes them compactly and with its own order of names.
func content(typ string, body jsontext.Value, replyTo chat.Seq, mentions []chat.User) (s Sum) {
	h := sha256.New()
	canonical := body.Clone()
	if canonical.Canonicalize() != nil {
		canonical = body
	}
	fmt.Fprintf(h, "%s\x00%s\x00%d\x00%q", typ, canonical, replyTo, mentions)
	copy(s[:], h.Sum(nil))
	return s
}

// contentOf fingerprints what a sender writes of any kind of entry.
func contentOf(e *wire.Entry) (s Sum) {
	of := content(e.Type, e.Body, e.ReplyTo, e.Mentions)
	if e.Target == 0 {
		return of
	}
	h := sha256.New()
	fmt.Fprintf(h, "%x\x00%d\x00%s\x00%t", of, e.Target, e.Emoji, e.On != nil && *e.On)
	copy(s[:], h.Sum(nil))
	return s
}

// factOf is the entry of a frame or a page.
func factOf(e *wire.Entry) Fact {
	on := e.On != nil && *e.On
	h := sha256.New()
	fmt.Fprintf(h, "%s\x00%s\x00%s\x00%d\x00%s\x00%t\x00%s\x00%v\x00%s", e.ID, e.Time.Time, e.Via, e.Target, e.Emoji, on, e.Change, e.Users, e.Title)
	f := Fact{
		Conv: e.Conv, Seq: e.Seq, Type: e.Type, From: e.From, CMID: e.CMID, Count: e.Count, Gone: e.Gone,
		Content: contentOf(e), Body: content("", e.Body, 0, nil), Target: e.Target, Emoji: e.Emoji, On: on,
	}
	copy(f.Rest[:], h.Sum(nil))
	return f
}

// recorder writes a client's log. It is used by several goroutines of the client.
type recorder struct {
	start time.Time

	mu  sync.Mutex
	log ClientLog
}

func newRecorder(start time.Time, user chat.User, device chat.Device) *recorder {
	return &recorder{start: start, log: ClientLog{User: user, Device: device}}
}

func (r *recorder) add(e Event) {
	r.mu.Lock()
	e.At = time.Since(r.start)
	r.log.Events = append(r.log.Events, e)
	r.mu.Unlock()
}

// take is the finished log.
func (r *recorder) take() ClientLog {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.log
}

// wrote logs a frame of the client.
func (r *recorder) wrote(session int, f wire.Frame) {
	e := Event{Session: session}
	switch f := f.(type) {
	case *wire.Send:
		e.Kind, e.To, e.Fact = Send, f.To, sendFact(r.log.User, f)
	case *wire.Edit, *wire.Recall, *wire.React:
		e.Kind, e.Fact = Send, changeFact(r.log.User, f)
	case *wire.Recv:
		e.Kind, e.Conv, e.Seq = Recv, f.Conv, *f.Seq
	case *wire.Read:
		e.Kind, e.Conv, e.Seq = Read, f.Conv, *f.Seq
	default:
		return
	}
	r.add(e)
}

func sendFact(from chat.User, f *wire.Send) Fact {
	replyTo := chat.Seq(0)
	if f.ReplyTo != nil {
		replyTo = *f.ReplyTo
	}
	return Fact{Type: "message", Conv: f.Conv, From: from, CMID: f.CMID, Content: content("message", f.Body, replyTo, f.Mentions)}
}

// changeFact is the entry that an edit, a recall or a reaction asks for.
func changeFact(from chat.User, frame wire.Frame) Fact {
	var e wire.Entry
	switch f := frame.(type) {
	case *wire.Edit:
		e = wire.Entry{Type: string(chat.KindEdited), Conv: f.Conv, CMID: f.CMID, Target: *f.Target, Body: f.Body}
	case *wire.Recall:
		e = wire.Entry{Type: string(chat.KindRecalled), Conv: f.Conv, CMID: f.CMID, Target: *f.Target}
	case *wire.React:
		e = wire.Entry{Type: string(chat.KindReacted), Conv: f.Conv, CMID: f.CMID, Target: *f.Target, Emoji: f.Emoji, On: f.On}
	}
	e.From = from
	f := factOf(&e)
	f.Rest = Sum{}
	return f
}

// read logs a frame of the server.
func (r *recorder) read(session int, frame any) {
	e := Event{Session: session}
	switch f := frame.(type) {
	case *wire.Entry:
		e.Kind, e.Fact = Entry, factOf(f)
	case *wire.Ack:
		e.Kind, e.Conv, e.Seq, e.CMID = Ack, f.Conv, f.Seq, f.CMID
	case *wire.Page[wire.Entry]:
		for i := range f.Items {
			r.add(Event{Session: session, Kind: Page, Fact: factOf(&f.Items[i])})
		}
		return
	case *wire.Reset:
		e.Kind, e.Conv, e.Seq = Reset, f.Conv, f.Next
	case *wire.Receipt:
		e.Kind, e.Conv, e.From, e.Seq, e.Read = Receipt, f.Conv, f.User, f.Delivered, f.Read
	case *wire.Conversation:
		e.Kind, e.Conv = Seen, f.Conv
	case *wire.Error:
		if f.Code == chat.CodeUnavailable || f.Code == chat.CodeInternal || f.Code == chat.CodeRateLimited {
			return
		}
		e.Kind, e.CMID, e.Code = Refused, chat.CMID(f.Ref), string(f.Code)
	default:
		return
	}
	r.add(e)
}
