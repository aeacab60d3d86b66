package client

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	// readLimit is the largest frame that is taken from a server: more than any
	// server sends, so that only nonsense meets it.
	readLimit = 16 << 20
	// writeWithin is how long the socket may not take a frame.
	writeWithin = 10 * time.Second
	// closeWithin is how long a gateway may take to answer our close.
	closeWithin = time.Second
)

// Why a connection was given up by this side.
var (
	errNoWelcome = errors.New("no welcome in 10 s")
	errSilent    = errors.New("nothing was heard, and no answer to a ping in 10 s")
	errLeave     = errors.New("the server asked to reconnect")
	errGap       = errors.New("a gap could not be filled")
)

// dialed is a connection, and when something was last heard on it.
type dialed struct {
	conn  *websocket.Conn
	heard atomic.Pointer[time.Time]
}

func (d *dialed) hear() {
	now := time.Now()
	d.heard.Store(&now)
}

// session is one connection. Its reader is run's goroutine, its writer a second
// one that asks the client's parts what is to be written: nothing is queued twice.
type session struct {
	*dialed
	n    int
	url  string
	from time.Time
	busy atomic.Bool // the reader works on a frame, and hears nothing meanwhile

	// Guarded by Client.mu.
	welcomed  bool
	synced    bool
	heartbeat time.Duration
	pinged    time.Time // when we last asked for a sign of life
	leaveAt   time.Time // goaway: when to go
	leaveURL  string
}

// session says hello, reads until the connection ends, and tells how it did.
func (c *Client) session(d *dialed, url string) ending {
	c.sessions++
	s := &session{dialed: d, n: c.sessions, url: url, from: time.Now(), heartbeat: chat.Heartbeat}
	// Reading ends with the connection, so that a close can be said before.
	hard, cut := context.WithCancel(context.WithoutCancel(c.ctx))
	defer cut()
	soft, stopWriting := context.WithCancel(c.ctx)
	defer stopWriting()
	cutLater := time.AfterFunc(math.MaxInt64, cut)
	defer cutLater.Stop()
	defer context.AfterFunc(c.ctx, func() { cutLater.Reset(closeWithin) })()

	hello := c.hello()
	if c.opt.Trace.Open != nil {
		c.opt.Trace.Open(s.n, url, hello)
	}
	var gaveUp error
	readErr := c.writeFrame(hard, s, hello, nil)
	if readErr == nil {
		written := make(chan struct{})
		go func() {
			defer close(written)
			gaveUp = c.write(soft, hard, s)
			switch {
			case errors.Is(gaveUp, errSilent), errors.Is(gaveUp, errNoWelcome):
				cut()
			case errors.Is(gaveUp, errLeave), c.ctx.Err() != nil:
				cutLater.Reset(closeWithin)
				s.conn.Close(websocket.StatusNormalClosure, "")
			default:
				cutLater.Reset(closeWithin) // until then the reader finds the server's close, if there is one
			}
		}()
		readErr = c.read(hard, s)
		stopWriting()
		cut()
		<-written
	}
	s.conn.CloseNow()

	end := c.ending(s, readErr, gaveUp)
	if c.opt.Trace.Close != nil {
		code := chat.CloseUnknownOutcome
		if ce, ok := errors.AsType[*CloseError](end.err); ok {
			code = ce.Code
		}
		c.opt.Trace.Close(s.n, code, end.err)
	}
	return end
}

// ending judges why the reader and the writer ended.
func (c *Client) ending(s *session, readErr, gaveUp error) ending {
	c.mu.Lock()
	defer c.mu.Unlock()
	end := ending{action: backOff, synced: s.synced}
	var frame websocket.CloseError
	switch {
	case errors.Is(gaveUp, errLeave):
		end.action, end.err, end.after = soon, gaveUp, time.Nanosecond // its time has come already
	case errors.As(readErr, &frame):
		code := chat.CloseCode(frame.Code)
		end.action, end.err = closeVerdict(code), &CloseError{Code: code, Reason: frame.Reason}
		if end.action == soon && !s.leaveAt.IsZero() {
			end.after = max(time.Until(s.leaveAt), time.Nanosecond)
		}
	case gaveUp != nil && !errors.Is(gaveUp, context.Canceled):
		end.err = &CloseError{Code: chat.CloseUnknownOutcome, Cause: gaveUp}
	default:
		end.err = &CloseError{Code: chat.CloseUnknownOutcome, Cause: readErr}
	}
	if s.leaveURL != "" {
		c.targets.suggest(s.leaveURL, s.url)
	}
	return end
}

// hello is the first frame. It carries no token: the upgrade did.
func (c *Client) hello() *wire.Hello {
	attempt := c.nextAttempt()
	h := &wire.Hello{Device: c.opt.Device, Attempt: &attempt, Flush: c.opt.Flush}
	if c.opt.Info != (wire.ClientInfo{}) {
		h.Client = &c.opt.Info
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.epoch != "" {
		h.Resume = &wire.Resume{Epoch: c.epoch, Cursors: c.streams.resume()}
	}
	return h
}

// read takes frames in until the connection ends.
func (c *Client) read(ctx context.Context, s *session) error {
	for {
		s.busy.Store(false)
		typ, raw, err := s.conn.Read(ctx)
		if err != nil {
			return err
		}
		s.busy.Store(true)
		s.hear()
		if typ != websocket.MessageText {
			return errors.New("the server sent a binary frame")
		}
		frame, err := wire.DecodeServer(raw)
		if err != nil {
			return err
		}
		if c.opt.Trace.Read != nil {
			c.opt.Trace.Read(s.n, frame, raw)
		}
		if err := c.handle(s, frame, raw); err != nil {
			return err
		}
		s.hear() // the time that Handler took is not the server's silence
	}
}

// write writes what there is to write, until ctx ends, the connection fails or it
// is time to give it up. A frame that was begun is written to its end, unless hard
// ends.
func (c *Client) write(ctx, hard context.Context, s *session) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		f, raw, wake, err := c.next(s, time.Now())
		if err != nil {
			return err
		}
		if f != nil {
			if err := c.writeFrame(hard, s, f, raw); err != nil {
				return err
			}
			continue
		}
		timer.Reset(time.Until(wake))
		select {
		case <-c.wake:
		case <-timer.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// writeFrame writes one frame; raw nil: it is encoded here.
func (c *Client) writeFrame(ctx context.Context, s *session, f wire.Frame, raw []byte) error {
	if raw == nil {
		var err error
		if raw, err = wire.EncodeClient(f); err != nil {
			return err
		}
	}
	if c.opt.Trace.Write != nil {
		c.opt.Trace.Write(s.n, f, raw)
	}
	ctx, cancel := context.WithTimeout(ctx, writeWithin)
	defer cancel()
	if err := s.conn.Write(ctx, websocket.MessageText, raw); err != nil {
		return fmt.Errorf("write %s: %w", f.Name(), err)
	}
	return nil
}

// next gives the frame to write now, or when to look again, or why this
// connection is over. Signs of life come first, then questions, then marks, and
// what is new last: so a full outbox holds nothing else up.
func (c *Client) next(s *session, now time.Time) (f wire.Frame, raw []byte, wake time.Time, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !s.welcomed {
		wake = s.from.Add(handshakeWithin)
		if !wake.After(now) {
			return nil, nil, wake, errNoWelcome
		}
		return nil, nil, wake, nil
	}
	if f, wake, err = s.lifeLocked(now); f != nil || err != nil {
		return f, nil, wake, err
	}
	k, at := c.calls.next(now)
	if k != nil {
		if k.kind == oneWay {
			c.calls.settle(k, nil, nil)
		}
		return k.frame, k.raw, wake, nil
	}
	wake = earlier(wake, at)
	if f, at = c.marks.next(now); f != nil {
		return f, nil, wake, nil
	}
	wake = earlier(wake, at)
	wake = earlier(wake, c.outbox.silent(now))
	if cmd := c.outbox.next(now, c.limits.Pending); cmd != nil {
		if cmd.writes > 1 {
			c.stats.Retries++
		}
		return cmd.frame, cmd.raw, wake, nil
	}
	return nil, nil, earlier(wake, c.outbox.nextWait()), nil
}

// lifeLocked watches the connection: it asks after heartbeat of silence, and gives
// up when that is not answered.
func (s *session) lifeLocked(now time.Time) (f wire.Frame, wake time.Time, err error) {
	heard := *s.heard.Load()
	if s.busy.Load() {
		heard = now
	}
	if s.pinged.After(heard) {
		if wake = s.pinged.Add(answerWithin); !wake.After(now) {
			return nil, wake, errSilent
		}
	} else if wake = heard.Add(s.heartbeat); !wake.After(now) {
		s.pinged = now
		return &wire.Ping{}, wake, nil
	}
	if !s.leaveAt.IsZero() {
		if !s.leaveAt.After(now) {
			return nil, wake, errLeave
		}
		wake = earlier(wake, s.leaveAt)
	}
	return nil, wake, nil
}

// earlier is the earlier of two times, of which a zero one is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
