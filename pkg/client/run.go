package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

const (
	// handshakeWithin bounds token, dial and the way to welcome, each.
	handshakeWithin = 10 * time.Second
	// soonWithin is how far clients spread that may come back at once.
	soonWithin = time.Second
)

// ending is how a try to be connected ended, and what follows from it.
type ending struct {
	action action
	err    error
	after  time.Duration // soon: at least this long from now
	synced bool          // it was live
}

// run connects, again and again, until the client must stop.
func (c *Client) run() {
	var why error
	for why == nil {
		end := c.try()
		if c.ctx.Err() != nil {
			why = ErrClosed
			break
		}
		if end.synced {
			c.backoff.reset()
		}
		wait := time.Duration(0)
		switch end.action {
		case stop:
			why = end.err
			continue
		case soon:
			c.targets.ended()
			if wait = end.after; wait <= 0 {
				wait = c.opt.Jitter(soonWithin)
			}
		case refresh:
			c.refused, c.token = c.token, ""
			wait = c.backoff.next()
		case giveUpOne:
			if !c.giveUpLargest() {
				c.targets.ended()
			}
			wait = c.backoff.next()
		default:
			c.targets.ended()
			wait = c.backoff.next()
		}
		c.disconnected()
		c.setState(State{Phase: Offline, Err: end.err, Retry: time.Now().Add(wait)})
		if !sleep(c.ctx, wait) {
			why = ErrClosed
		}
	}
	c.end(why)
}

// end answers everybody who waits.
func (c *Client) end(why error) {
	outcome := ErrClosed
	if !errors.Is(why, ErrClosed) {
		outcome = fmt.Errorf("%w: %w", ErrClosed, why)
	}
	c.mu.Lock()
	c.err = why
	c.outbox.settleAll(outcome)
	c.calls.settleAll(outcome)
	c.state = State{Phase: Stopped, Err: why}
	last := c.state
	c.mu.Unlock()
	c.emit(last)
	c.cancel()
}

// giveUpLargest fails the command that the server closed the connection for: if
// some frame was too large, the largest was.
func (c *Client) giveUpLargest() bool {
	c.mu.Lock()
	s := c.outbox.largest()
	err := chat.Errorf(chat.CodeTooLarge, "the server did not take a frame of this size")
	if s != nil {
		c.outbox.settle(s, wire.Ack{}, err)
	}
	c.mu.Unlock()
	if s != nil {
		c.emit(Outcome{CMID: s.CMID, Err: err})
	}
	return s != nil
}

// disconnected makes ready for the next connection what the last one left open.
func (c *Client) disconnected() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.outbox.disconnected()
	c.streams.disconnected()
	c.marks.disconnected()
	c.calls.disconnected()
}

func (c *Client) setState(s State) {
	c.mu.Lock()
	c.state = s
	c.mu.Unlock()
	c.emit(s)
}

// try gets a token, connects, and stays until the connection ends.
func (c *Client) try() ending {
	url := c.targets.pick()
	c.setState(State{Phase: Connecting, URL: url})
	if c.token == "" {
		ctx, cancel := context.WithTimeout(c.ctx, handshakeWithin)
		token, err := c.opt.Token(ctx)
		cancel()
		if err != nil {
			return ending{action: backOff, err: fmt.Errorf("get a token: %w", err)}
		}
		if token == c.refused {
			return ending{action: stop, err: chat.Errorf(chat.CodeUnauthenticated, "the token was refused and there is no other")}
		}
		c.token = token
	}
	conn, end := c.dial(url)
	if conn == nil {
		return end
	}
	return c.session(conn, url)
}

func (c *Client) dial(url string) (*dialed, ending) {
	d := &dialed{}
	ctx, cancel := context.WithTimeout(c.ctx, handshakeWithin)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTPClient:   c.opt.HTTPClient,
		HTTPHeader:   http.Header{"Authorization": {"Bearer " + c.token}},
		Subprotocols: []string{wire.Subprotocol},
		OnPingReceived: func(context.Context, []byte) bool {
			d.hear()
			return true
		},
	})
	if err != nil {
		end := ending{action: backOff, err: fmt.Errorf("connect: %w", err)}
		if resp != nil {
			end.action = upgradeVerdict(resp.StatusCode)
			end.err = fmt.Errorf("connect: HTTP status %s", resp.Status)
		}
		return nil, end
	}
	if conn.Subprotocol() != wire.Subprotocol {
		conn.CloseNow()
		return nil, ending{action: backOff, err: errors.New("connect: the server does not speak " + wire.Subprotocol)}
	}
	conn.SetReadLimit(readLimit)
	d.conn = conn
	d.hear()
	return d, ending{}
}

// nextAttempt is the clock in ms, or more, so that it grows with every connect.
func (c *Client) nextAttempt() int64 {
	c.attempt = max(c.opt.Now().UnixMilli(), c.attempt+1)
	return c.attempt
}

// sleep waits; false: ctx ended first.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
