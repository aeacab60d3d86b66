package client

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// answerWithin is how long an answer may take before it counts as lost.
const answerWithin = 10 * time.Second

// Sent is a command on its way: pending, then stored or failed, once and for all.
type Sent struct {
	CMID chat.CMID

	frame  wire.Frame
	raw    []byte // the frame, the same at every repetition
	ref    string
	to     chat.User // of a send to a user: whose conversation the ack names
	serial uint64    // order of submission
	lane   *lane
	writes int  // how often it was written
	flying bool // written on this connection and not answered

	done chan struct{} // closed when ack and err are set
	ack  wire.Ack
	err  error
}

// Done is closed when the outcome is known, or the client has ended.
func (s *Sent) Done() <-chan struct{} { return s.done }

// Wait waits for the outcome. The error is a [*chat.Error] where the server
// refused the command for good, [ErrClosed] where the client ended before an
// answer came, and the context's where it ended first; in these two the outcome
// is not known.
func (s *Sent) Wait(ctx context.Context) (wire.Ack, error) {
	select {
	case <-s.done: // also where ctx has ended already
		return s.ack, s.err
	default:
	}
	select {
	case <-s.done:
		return s.ack, s.err
	case <-ctx.Done():
		return wire.Ack{}, fmt.Errorf("wait for ack: %w", ctx.Err())
	}
}

// lane is the commands of one conversation that have no outcome yet, in order of
// submission. What is before next was written on this connection.
type lane struct {
	name    string
	items   []*Sent
	next    int
	queued  bool      // in outbox.ready or outbox.waiting
	notTill time.Time // the server asked to wait
}

// written is one write, for the detection of silence.
type written struct {
	item  *Sent
	write int // Sent.writes at the time
	at    time.Time
}

// outbox keeps commands until their outcome is known. Conversations take turns;
// inside one the order of submission is kept, also when some must be repeated:
// then all that follow are repeated with it.
//
// A direct conversation can be addressed by its id or by its peer. Its lane is the
// peer's from the moment on that the two are known to be one.
type outbox struct {
	limit  int
	jitter func(time.Duration) time.Duration

	serial  uint64
	byCMID  map[chat.CMID]*Sent
	byRef   map[string]*Sent
	lanes   map[string]*lane
	peers   map[chat.ConvID]chat.User
	ready   []*lane // have something to write
	waiting []*lane // will have, when their time has come
	flight  []written
	flying  int
}

func newOutbox(limit int, jitter func(time.Duration) time.Duration) outbox {
	return outbox{
		limit: limit, jitter: jitter,
		byCMID: map[chat.CMID]*Sent{}, byRef: map[string]*Sent{},
		lanes: map[string]*lane{}, peers: map[chat.ConvID]chat.User{},
	}
}

// add takes a command. ErrFull and ErrInUse leave it as it was.
func (o *outbox) add(s *Sent, conv chat.ConvID) error {
	if len(o.byCMID) >= o.limit {
		return ErrFull
	}
	if o.byCMID[s.CMID] != nil || o.byRef[s.ref] != nil {
		return ErrInUse
	}
	o.serial++
	s.serial = o.serial
	name := "u:" + string(s.to)
	if s.to == "" {
		name = o.laneName(conv)
	}
	l := o.lanes[name]
	if l == nil {
		l = &lane{name: name}
		o.lanes[name] = l
	}
	s.lane = l
	l.items = append(l.items, s)
	o.byCMID[s.CMID], o.byRef[s.ref] = s, s
	o.queue(l)
	return nil
}

func (o *outbox) laneName(conv chat.ConvID) string {
	if peer, ok := o.peers[conv]; ok {
		return "u:" + string(peer)
	}
	return "c:" + string(conv)
}

// learn joins what was addressed to a conversation and what was addressed to its
// peer into one lane.
func (o *outbox) learn(conv chat.ConvID, peer chat.User) {
	if _, known := o.peers[conv]; known || peer == "" {
		return
	}
	byConv := o.lanes[o.laneName(conv)]
	o.peers[conv] = peer
	if byConv == nil {
		return
	}
	name := o.laneName(conv)
	delete(o.lanes, byConv.name)
	byPeer := o.lanes[name]
	if byPeer == nil {
		byConv.name = name
		o.lanes[name] = byConv
		return
	}
	for _, s := range byConv.items {
		s.lane = byPeer
	}
	byPeer.items = append(byPeer.items, byConv.items...)
	slices.SortFunc(byPeer.items, func(a, b *Sent) int { return cmp.Compare(a.serial, b.serial) })
	if byConv.notTill.After(byPeer.notTill) {
		byPeer.notTill = byConv.notTill
	}
	byConv.items, byConv.next = nil, 0
	// What was written may now stand behind what was not: write all of it again, in
	// order. The cmids make that harmless.
	o.rewind(byPeer, 0)
}

// queue puts a lane where next will find it.
func (o *outbox) queue(l *lane) {
	if l.queued || l.next >= len(l.items) {
		return
	}
	l.queued = true
	if l.notTill.IsZero() {
		o.ready = append(o.ready, l)
	} else {
		o.waiting = append(o.waiting, l)
	}
}

// next gives the command to write now, and marks it as written; nil if there is
// none, or window commands have no answer yet.
func (o *outbox) next(now time.Time, window int) *Sent {
	o.waiting = slices.DeleteFunc(o.waiting, func(l *lane) bool {
		if l.notTill.After(now) {
			return false
		}
		l.notTill, l.queued = time.Time{}, false
		o.queue(l)
		return true
	})
	for o.flying < window && len(o.ready) > 0 {
		l := o.ready[0]
		o.ready[0] = nil
		o.ready = o.ready[1:]
		l.queued = false
		if !l.notTill.IsZero() || l.next >= len(l.items) {
			o.queue(l) // it was told to wait, or lost its items, after it was queued
			continue
		}
		s := l.items[l.next]
		l.next++
		s.flying = true
		s.writes++
		o.flying++
		o.flight = append(o.flight, written{s, s.writes, now})
		o.queue(l)
		return s
	}
	return nil
}

// silent rewinds the lanes whose oldest command has had no answer for too long,
// and says how long the next one still has; zero time: nothing is under way.
func (o *outbox) silent(now time.Time) (next time.Time) {
	for len(o.flight) > 0 {
		w := o.flight[0]
		if w.item.flying && w.item.writes == w.write {
			if due := w.at.Add(answerWithin); due.After(now) {
				return due
			}
			o.rewind(w.item.lane, slices.Index(w.item.lane.items, w.item))
		}
		o.flight[0] = written{}
		o.flight = o.flight[1:]
	}
	return time.Time{}
}

// nextWait is when the first waiting lane may go on; zero: none waits.
func (o *outbox) nextWait() (t time.Time) {
	for _, l := range o.waiting {
		if t.IsZero() || l.notTill.Before(t) {
			t = l.notTill
		}
	}
	return t
}

// rewind makes the items of a lane from i on to be written again.
func (o *outbox) rewind(l *lane, i int) {
	for _, s := range l.items[i:] {
		if s.flying {
			s.flying = false
			o.flying--
		}
	}
	l.next = min(l.next, i)
	o.queue(l)
}

// retryLater repeats a command after the time that the server named, and with it
// all later ones of its conversation.
func (o *outbox) retryLater(s *Sent, now time.Time, after time.Duration) {
	if !s.flying {
		return // it is to be repeated already
	}
	if after <= 0 {
		b := backoff{min: 100 * time.Millisecond, max: answerWithin, jitter: o.jitter, n: min(s.writes-1, 6)}
		after = b.next()
	}
	s.lane.notTill = now.Add(after)
	o.rewind(s.lane, slices.Index(s.lane.items, s))
}

// settle ends a command.
func (o *outbox) settle(s *Sent, ack wire.Ack, err error) {
	l := s.lane
	i := slices.Index(l.items, s)
	if i == 0 {
		l.items[0] = nil
		l.items = l.items[1:]
	} else {
		l.items = slices.Delete(l.items, i, i+1)
	}
	if i < l.next {
		l.next--
	}
	if s.flying {
		s.flying = false
		o.flying--
	}
	delete(o.byCMID, s.CMID)
	delete(o.byRef, s.ref)
	if len(l.items) == 0 && o.lanes[l.name] == l {
		delete(o.lanes, l.name)
	}
	s.ack, s.err = ack, err
	close(s.done)
}

// disconnected makes everything that has no outcome to be written again.
func (o *outbox) disconnected() {
	for _, l := range o.lanes {
		o.rewind(l, 0)
	}
	o.flight = nil
}

// largest is the biggest command under way; nil if there is none.
func (o *outbox) largest() (s *Sent) {
	for _, w := range o.flight {
		if w.item.flying && (s == nil || len(w.item.raw) > len(s.raw)) {
			s = w.item
		}
	}
	return s
}

// settleAll ends every command with an error.
func (o *outbox) settleAll(err error) {
	for _, s := range o.byCMID {
		o.settle(s, wire.Ack{}, err)
	}
}
