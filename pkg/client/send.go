package client

import (
	"fmt"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Message is what to send. One of Text and Body is set.
type Message struct {
	Text     string
	Body     jsontext.Value // a whole body, as PROTOCOL has it
	ReplyTo  chat.Seq
	Mentions []chat.User
	Silent   bool
	CMID     chat.CMID // default: a new one
}

// SendTo queues a message to a user. It does not block; see [Client.Submit].
func (c *Client) SendTo(to chat.User, m Message) (*Sent, error) {
	return c.send(&wire.Send{To: to}, m)
}

// SendConv queues a message to a conversation. It does not block; see
// [Client.Submit].
func (c *Client) SendConv(conv chat.ConvID, m Message) (*Sent, error) {
	return c.send(&wire.Send{Conv: conv}, m)
}

func (c *Client) send(f *wire.Send, m Message) (*Sent, error) {
	f.Body, f.Mentions, f.Silent, f.CMID = m.Body, m.Mentions, m.Silent, m.CMID
	if m.ReplyTo > 0 {
		f.ReplyTo = &m.ReplyTo
	}
	if len(m.Body) == 0 {
		b, err := json.Marshal(wire.Body{Text: m.Text})
		if err != nil {
			return nil, fmt.Errorf("encode text: %w", err)
		}
		f.Body = b
	}
	if f.CMID == "" {
		f.CMID = c.opt.NewCMID()
	}
	return c.Submit(f)
}

// Submit queues a command: a Send, Edit, Recall or React with its cmid set. It is
// written as soon as there is a connection, and again with the same cmid until its
// outcome is known, also after a reconnect. Commands of one conversation keep their
// order. The frame belongs to the client from then on.
//
// Errors: [ErrFull], [ErrInUse], [ErrClosed], or a [*chat.Error] for a frame that
// is too large. Nothing was queued then.
func (c *Client) Submit(f wire.Frame) (*Sent, error) {
	s := &Sent{frame: f, done: make(chan struct{})}
	var conv chat.ConvID
	switch f := f.(type) {
	case *wire.Send:
		s.CMID, conv, s.to = f.CMID, f.Conv, f.To
	case *wire.Edit:
		s.CMID, conv = f.CMID, f.Conv
	case *wire.Recall:
		s.CMID, conv = f.CMID, f.Conv
	case *wire.React:
		s.CMID, conv = f.CMID, f.Conv
	default:
		return nil, fmt.Errorf("client: a %s has no cmid", f.Name())
	}
	head := headOf(f)
	if head.Ref == "" {
		head.Ref = string(s.CMID)
	}
	s.ref = head.Ref
	var err error
	if s.raw, err = wire.EncodeClient(f); err != nil {
		return nil, err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, ErrClosed
	}
	if err := c.fitsLocked(s.raw); err != nil {
		return nil, err
	}
	if err := c.outbox.add(s, conv); err != nil {
		return nil, err
	}
	c.signal()
	return s, nil
}

// fitsLocked refuses a frame that is larger than the last gateway allowed.
func (c *Client) fitsLocked(raw []byte) error {
	if most := c.limits.Frame; most > 0 && len(raw) > most {
		return chat.Errorf(chat.CodeTooLarge, "the frame has %d bytes, the server takes %d", len(raw), most)
	}
	return nil
}

// MarkRead notes that the user has read a conversation up to seq, and tells the
// server when there is a connection. It does not block; it never goes back.
func (c *Client) MarkRead(conv chat.ConvID, seq chat.Seq) {
	c.mu.Lock()
	c.marks.markRead(conv, seq)
	c.mu.Unlock()
	c.signal()
}

// headOf is the common part of a frame.
func headOf(f wire.Frame) *wire.Head {
	switch f := f.(type) {
	case *wire.Hello:
		return &f.Head
	case *wire.Auth:
		return &f.Head
	case *wire.Send:
		return &f.Head
	case *wire.Recv:
		return &f.Head
	case *wire.Read:
		return &f.Head
	case *wire.Edit:
		return &f.Head
	case *wire.Recall:
		return &f.Head
	case *wire.React:
		return &f.Head
	case *wire.Typing:
		return &f.Head
	case *wire.Watch:
		return &f.Head
	case *wire.Unwatch:
		return &f.Head
	case *wire.History:
		return &f.Head
	case *wire.Ping:
		return &f.Head
	}
	return new(wire.Head)
}
