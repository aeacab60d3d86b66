package client

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// handle brings a frame into the client's state and hands out what follows from
// it. An error ends the connection.
func (c *Client) handle(s *session, frame any, raw []byte) error {
	c.mu.Lock()
	out, err := c.takeLocked(s, frame, raw, nil)
	c.mu.Unlock()
	for _, ev := range out {
		c.emit(ev)
	}
	return err
}

func (c *Client) takeLocked(s *session, frame any, raw []byte, out []Event) ([]Event, error) {
	now := time.Now()
	pass := func() []Event { return append(out, Frame{Frame: frame, Raw: raw}) }
	switch f := frame.(type) {
	case *wire.Welcome:
		out = c.welcomeLocked(s, f, out)
		return pass(), nil
	case *wire.Synced:
		s.synced = true
		c.state = State{Phase: Live, URL: s.url}
		return append(pass(), c.state), nil
	case *wire.Ack:
		c.answeredLocked(f.Ref, f, now)
		return c.storedLocked(f.CMID, *f, out), nil
	case *wire.Entry:
		return c.entryLocked(s, f, out)
	case *wire.Page[wire.Entry]:
		return c.pageLocked(s, f, raw, now, out)
	case *wire.Error:
		return c.errorLocked(f, raw, now, out)
	case *wire.Pong:
		if c.answeredLocked(f.Ref, f, now) || f.Ref == "" {
			return out, nil
		}
		return pass(), nil
	case *wire.Conversation:
		if f.Kind == chat.Direct {
			c.outbox.learn(f.Conv, f.Peer)
			c.signal()
		}
		return pass(), nil
	case *wire.Receipt:
		if f.User == c.user {
			c.marks.confirm(f)
		}
		return pass(), nil
	case *wire.Reset:
		c.resetLocked(f)
		return pass(), nil
	case *wire.GoAway:
		s.leaveAt, s.leaveURL = now.Add(time.Duration(f.ReconnectMS)*time.Millisecond), f.URL
		c.signal()
		return pass(), nil
	}
	return pass(), nil
}

// welcomeLocked begins the session: what waits can be written from here on.
func (c *Client) welcomeLocked(s *session, w *wire.Welcome, out []Event) []Event {
	s.welcomed = true
	if w.HeartbeatMS > 0 {
		s.heartbeat = time.Duration(w.HeartbeatMS) * time.Millisecond
	}
	c.user, c.limits = w.User, w.Limits.WithDefaults()
	c.stats.Connects++
	if c.epoch != "" && w.Epoch != c.epoch {
		c.streams.forget()
		c.marks.forget()
	}
	c.epoch = w.Epoch
	for _, cmd := range c.outbox.byCMID {
		if err := c.fitsLocked(cmd.raw); err != nil {
			c.outbox.settle(cmd, wire.Ack{}, err)
			out = append(out, Outcome{CMID: cmd.CMID, Err: err})
		}
	}
	c.state = State{Phase: Syncing, URL: s.url}
	c.signal()
	return append(out, c.state)
}

// storedLocked settles a command whose ack, or whose entry, has come.
func (c *Client) storedLocked(cmid chat.CMID, ack wire.Ack, out []Event) []Event {
	cmd := c.outbox.byCMID[cmid]
	if cmd == nil {
		return out
	}
	c.outbox.learn(ack.Conv, cmd.to)
	c.outbox.settle(cmd, ack, nil)
	c.stats.Acks++
	c.signal()
	return append(out, Outcome{CMID: cmid, Ack: ack})
}

// ownLocked is storedLocked for an entry.
func (c *Client) ownLocked(e *wire.Entry, out []Event) []Event {
	if e.From != c.user {
		return out
	}
	return c.storedLocked(e.CMID, wire.Ack{Type: "ack", Conv: e.Conv, Seq: e.Seq, CMID: e.CMID, ID: e.ID, Time: e.Time}, out)
}

func (c *Client) entryLocked(s *session, e *wire.Entry, out []Event) ([]Event, error) {
	out = c.ownLocked(e, out)
	st := c.streams.of(e.Conv)
	switch st.arrive(e, s.n) {
	case fits:
		out = append(out, c.handOut(*e, false))
		for held, ok := st.unhold(); ok; held, ok = st.unhold() {
			out = append(out, c.handOut(held, false))
		}
	case duplicate:
		c.stats.Duplicates++
	case newGap:
		c.stats.Gaps++
		return out, c.askGapLocked(e.Conv, st)
	}
	return out, nil
}

func (c *Client) handOut(e wire.Entry, filled bool) Entry {
	c.stats.Entries++
	if filled {
		c.stats.Filled++
	}
	return Entry{Entry: e, Filled: filled, generation: c.streams.generation}
}

// askGapLocked asks history for what follows a stream's cursor.
func (c *Client) askGapLocked(conv chat.ConvID, st *stream) error {
	after, limit := st.cursor, c.limits.Page
	f := &wire.History{Conv: conv, After: &after, Limit: &limit}
	k := &call{ref: c.calls.ref(), frame: f, kind: insist, fill: conv, done: make(chan struct{})}
	f.Ref = k.ref
	var err error
	if k.raw, err = wire.EncodeClient(f); err != nil {
		return err
	}
	c.signal()
	return c.calls.add(k)
}

// pageLocked takes a page: the answer to a question, or what fills a gap.
func (c *Client) pageLocked(s *session, p *wire.Page[wire.Entry], raw []byte, now time.Time, out []Event) ([]Event, error) {
	for i := range p.Items {
		out = c.ownLocked(&p.Items[i], out)
	}
	k := c.calls.byRef[p.Ref]
	if k == nil || k.fill == "" {
		if !c.answeredLocked(p.Ref, p, now) {
			out = append(out, Frame{Frame: p, Raw: raw})
		}
		return out, nil
	}
	conv := k.fill
	c.calls.settle(k, p, nil)
	st := c.streams.of(conv)
	if !st.filling {
		return out, nil // a reset came in between
	}
	progress := false
	for i := range p.Items {
		if st.fill(&p.Items[i]) {
			progress = true
			out = append(out, c.handOut(p.Items[i], true))
		}
	}
	for held, ok := st.unhold(); ok; held, ok = st.unhold() {
		out = append(out, c.handOut(held, false))
	}
	st.touched = s.n
	if !st.gap() {
		st.filling = false
		return out, nil
	}
	if !progress {
		return out, errGap // the flush of a new connection begins at the gap
	}
	return out, c.askGapLocked(conv, st)
}

func (c *Client) errorLocked(f *wire.Error, raw []byte, now time.Time, out []Event) ([]Event, error) {
	if cmd := c.outbox.byRef[f.Ref]; cmd != nil && f.Ref != "" {
		c.signal()
		if repeatable(f.Code) {
			c.outbox.retryLater(cmd, now, time.Duration(f.RetryAfterMS)*time.Millisecond)
			return out, nil
		}
		err := wireError(f)
		c.outbox.settle(cmd, wire.Ack{}, err)
		return append(out, Outcome{CMID: cmd.CMID, Err: err}), nil
	}
	k := c.calls.byRef[f.Ref]
	if c.answeredLocked(f.Ref, f, now) {
		c.signal()
		if k.fill != "" && !repeatable(f.Code) {
			return out, errGap
		}
		return out, nil
	}
	return append(out, Frame{Frame: f, Raw: raw}), nil
}

func (c *Client) resetLocked(r *wire.Reset) {
	c.stats.Resets++
	if r.Conv == "" {
		c.streams.forget()
		c.marks.forget()
		c.epoch = r.Epoch
		return
	}
	c.streams.of(r.Conv).reset(r.Next)
	if r.Next > 0 {
		c.marks.limit(r.Conv, r.Next-1)
	}
}
