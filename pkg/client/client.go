// Package client speaks Parley's protocol from the client's side, for bots, backends
// and tools written in Go; `parley chat` and `parley verify` are made with it.
//
// A [Client] is one device of one user. It does what PROTOCOL asks of a client, so
// that its user does not have to: it reconnects by the rules of the close codes, to
// any of several gateways; repeats what was not answered with the same cmid; drops
// what it has seen; fills gaps; says recv; and hands events out in order. So a
// message that [Client.SendTo] took is stored once or refused, and [Options].Handler
// gets each entry of a conversation once and in order, as long as the client lives.
// What is to survive a restart of the program is the caller's to keep: the cmids of
// commands without an outcome, and [Client.Position].
//
// Everything is bounded: commands by Options.Outbox, events by Options.Events. The
// package depends on the vocabulary, packages chat and wire, on coder/websocket and
// on a JSON library, and on nothing of a server's.
//
// The files are its parts: run.go the connection's life, session.go one connection,
// outbox.go what is to be sent, stream.go what has come, marks.go recv and read,
// call.go questions with an answer, verdict.go the rules for close codes.
package client

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// Options say whom to be and where to connect. Only URLs and Token are required.
type Options struct {
	// URLs are gateways: http, https, ws or wss, with or without the path /v1/ws.
	// After a failure the next one is tried, round and round.
	URLs []string
	// Token fetches a token. It is asked at the first connect, and again after a
	// token was refused; a refused token that comes again ends the client.
	Token func(ctx context.Context) (string, error)

	Device chat.Device     // default [chat.DefaultDevice]
	Info   wire.ClientInfo // what hello says of this software
	Flush  int             // most entries per conversation at connect; 0: all

	// Epoch and Cursors are what an earlier client held, see [Client.Position].
	// With cursors and no epoch, the first hello leaves them to the server, and
	// they are only what the first entries are compared with.
	Epoch   string
	Cursors map[chat.ConvID]chat.Seq

	// Handler gets every event, one at a time and in order, on one goroutine. It may
	// call the client's methods, except Close and those that wait for an answer.
	// While it is busy, events wait; when Events of them do, the socket is not read:
	// nothing is dropped here, but a gateway closes a session (4508) that does not
	// read for long. Default: events are thrown away.
	Handler func(Event)
	Events  int // events that may wait; default 256
	Outbox  int // commands that may wait for their ack; default 1,024

	// RecvDelay is how long recv is held back so that one speaks for many entries.
	// Default 100 ms; negative: recv is never sent.
	RecvDelay time.Duration

	MinBackoff time.Duration // the first wait is at most this; default 100 ms
	MaxBackoff time.Duration // the longest; default 10 s

	Trace      Trace        // default: nothing is traced
	HTTPClient *http.Client // makes the connections; default [http.DefaultClient]

	Now     func() time.Time                        // the clock of hello's attempt; default [time.Now]
	Jitter  func(limit time.Duration) time.Duration // uniform in [0, limit]; default math/rand/v2
	NewCMID func() chat.CMID                        // default [NewCMID]
}

// Trace is told what passes on the wire. Its functions are called on the client's
// goroutines, must not call the client, and hold the connection up while they
// run. Sessions are counted from 1. Nil functions are left out.
type Trace struct {
	Open  func(session int, url string, hello *wire.Hello)
	Write func(session int, f wire.Frame, raw []byte)       // before it is written
	Read  func(session int, frame any, raw []byte)          // after it was read; frame nil: unknown type
	Close func(session int, code chat.CloseCode, err error) // code 1006: no close frame came
}

// Errors of the client. Errors that the server gave are [*chat.Error].
var (
	// ErrClosed says that the client has ended; for a command that it had taken
	// already, the outcome is not known.
	ErrClosed = errors.New("client has ended")
	// ErrFull says that Options.Outbox commands, or the same number of questions,
	// are waiting already.
	ErrFull = errors.New("too many are waiting")
	// ErrInUse says that a command with this cmid or ref is waiting already.
	ErrInUse = errors.New("cmid or ref is in use")
)

// Client is one device of one user. Its methods can be called from several
// goroutines.
type Client struct {
	opt     Options
	targets targets
	ctx     context.Context
	cancel  context.CancelFunc
	wake    chan struct{} // the writer has something to look at
	events  chan Event
	ranOut  chan struct{} // closed when run has returned
	done    chan struct{} // closed when every goroutine has ended

	// Owned by run.
	token    string
	refused  string
	attempt  int64
	sessions int
	backoff  backoff

	mu      sync.Mutex
	err     error // why the client ended
	state   State
	user    chat.User
	epoch   string
	outbox  outbox
	streams streams
	marks   marks
	calls   calls
	stats   Stats
	limits  chat.Limits // of the last welcome
}

// Stats counts what happened since the start.
type Stats struct {
	Connects   int   // sessions that were welcomed
	Entries    int64 // handed to Handler
	Filled     int64 // of them, from history
	Duplicates int64 // entries that came again inside or above what was held, dropped
	Gaps       int64 // jumps that no reset announced
	Resets     int64
	Acks       int64
	Retries    int64 // commands written again
}

// Start makes a client and lets it connect. It does not wait for that. The
// client runs until ctx ends, Close is called, or the server says that it must
// not come back.
func Start(ctx context.Context, opt Options) (*Client, error) {
	t, err := newTargets(opt.URLs)
	if err != nil {
		return nil, err
	}
	if opt.Token == nil {
		return nil, errors.New("client: no Token function")
	}
	opt = opt.withDefaults()
	if !opt.Device.Valid() {
		return nil, fmt.Errorf("client: %q is not a device id", opt.Device)
	}
	c := &Client{
		opt: opt, targets: t,
		wake:   make(chan struct{}, 1),
		events: make(chan Event, opt.Events),
		ranOut: make(chan struct{}),
		done:   make(chan struct{}),
		epoch:  opt.Epoch,

		backoff: backoff{min: opt.MinBackoff, max: opt.MaxBackoff, jitter: opt.Jitter},
		outbox:  newOutbox(opt.Outbox, opt.Jitter),
		streams: newStreams(opt.Cursors),
		marks:   newMarks(opt.RecvDelay),
		calls:   newCalls(opt.Outbox),
	}
	c.ctx, c.cancel = context.WithCancel(ctx)
	go func() {
		defer close(c.ranOut)
		c.run()
	}()
	go func() {
		defer close(c.done)
		c.dispatch()
	}()
	return c, nil
}

func (o Options) withDefaults() Options {
	if o.Device == "" {
		o.Device = chat.DefaultDevice
	}
	if o.Handler == nil {
		o.Handler = func(Event) {}
	}
	if o.Events <= 0 {
		o.Events = 256
	}
	if o.Outbox <= 0 {
		o.Outbox = 1024
	}
	if o.RecvDelay == 0 {
		o.RecvDelay = 100 * time.Millisecond
	}
	if o.MinBackoff <= 0 {
		o.MinBackoff = 100 * time.Millisecond
	}
	if o.MaxBackoff <= 0 {
		o.MaxBackoff = 10 * time.Second
	}
	if o.HTTPClient == nil {
		o.HTTPClient = http.DefaultClient
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Jitter == nil {
		o.Jitter = func(limit time.Duration) time.Duration { return mathrand.N(limit + 1) }
	}
	if o.NewCMID == nil {
		o.NewCMID = NewCMID
	}
	return o
}

// NewCMID makes a client message id from 96 random bits.
func NewCMID() chat.CMID {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return chat.CMID(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Close ends the client and waits until its goroutines have ended: at most a
// second for a gateway that does not answer the close, and as long as Handler
// takes for the events that are left. Commands without an answer fail with
// [ErrClosed].
func (c *Client) Close() {
	c.cancel()
	<-c.done
}

// Done is closed when the client has ended and Handler has got its last event.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the client ended; nil while it runs.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// State is the present state of the connection.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// User is who the server says we are; "" before the first welcome.
func (c *Client) User() chat.User {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.user
}

// Stats are the counters so far.
func (c *Client) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stats
}

// Cursor is the seq up to which everything of a conversation has come. It is
// ahead of what Handler has seen by the events that wait.
func (c *Client) Cursor(conv chat.ConvID) chat.Seq {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.streams.cursor(conv)
}

// Position is what a later client of this device can resume from.
func (c *Client) Position() (epoch string, cursors map[chat.ConvID]chat.Seq) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.epoch, c.streams.all()
}

// Pending is how many commands wait for their ack.
func (c *Client) Pending() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.outbox.byCMID)
}

// dispatch hands events to Handler until run has returned and none is left.
func (c *Client) dispatch() {
	for {
		select {
		case ev := <-c.events:
			c.deliver(ev)
			continue
		case <-c.ranOut:
		}
		for {
			select {
			case ev := <-c.events:
				c.deliver(ev)
			default:
				return
			}
		}
	}
}

func (c *Client) deliver(ev Event) {
	c.opt.Handler(ev)
	e, ok := ev.(Entry)
	if !ok {
		return
	}
	c.mu.Lock()
	due := false
	if e.generation == c.streams.generation {
		c.streams.of(e.Conv).handled = e.Seq
		due = c.marks.handled(e.Conv, e.Seq, time.Now())
	}
	c.mu.Unlock()
	if due {
		c.signal()
	}
}

// emit queues an event, and waits while the queue is full, but not beyond Close.
func (c *Client) emit(ev Event) {
	select {
	case c.events <- ev:
		return
	default:
	}
	select {
	case c.events <- ev:
	case <-c.ctx.Done():
	}
}

// signal makes the writer look again.
func (c *Client) signal() {
	select {
	case c.wake <- struct{}{}:
	default:
	}
}
