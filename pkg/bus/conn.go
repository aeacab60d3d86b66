package bus

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley/pkg/lifecycle"
)

// The times of a connection. A server that vanishes without a word is given up
// after 2 to 3 ping intervals, a write that makes no progress after writeTimeout.
const (
	connectTimeout = 2 * time.Second
	writeTimeout   = 5 * time.Second
	pingInterval   = 10 * time.Second
	maxPingsOut    = 2
	reconnectWait  = 250 * time.Millisecond
	reconnectMore  = 750 * time.Millisecond // at most, at random

	troubleEvery = 10 * time.Second // between two lines about the same trouble
)

// options are all that matter, also those where nats.go's own default would do
// today.
func (b *Bus) options() nats.Options {
	o := nats.GetDefaultOptions()
	o.Servers = b.servers.urls
	o.Name = b.o.Name
	o.NoEcho = true // a pod has served its own sessions already

	b.credentials(&o)
	o.Timeout = connectTimeout
	o.CustomDialer = &dialer{life: b.life}
	o.SkipHostLookup = true // the dialer does it, and ends with the bus
	o.FlusherTimeout = writeTimeout
	o.PingInterval = pingInterval
	o.MaxPingsOut = maxPingsOut

	o.RetryOnFailedConnect = false // Connect does, within its context and with a log
	o.AllowReconnect = true
	o.MaxReconnect = -1
	o.IgnoreAuthErrorAbort = true // credentials may be on their way to the server
	o.ReconnectWait = reconnectWait
	o.ReconnectJitter = reconnectMore
	o.ReconnectJitterTLS = reconnectMore
	o.ReconnectOnFlusherError = true // a write that failed may have cut a message
	// Nothing is kept for a server that is away: it would be old news.
	o.ReconnectBufSize = -1

	o.NoCallbacksAfterClientClose = true
	o.DisconnectedErrCB = b.disconnected
	o.ReconnectedCB = b.reconnected
	o.ReconnectErrCB = b.reconnectFailed
	o.ClosedCB = b.closed
	o.AsyncErrorCB = b.asyncError
	return o
}

// dialer lets the end of the bus end its connection, whatever that is waiting for.
type dialer struct {
	life context.Context

	mu   sync.Mutex
	stop func() bool // forgets the connection before
}

func (d *dialer) Dial(network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: connectTimeout}
	conn, err := nd.DialContext(d.life, network, address)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stop != nil {
		d.stop()
	}
	d.stop = context.AfterFunc(d.life, func() { conn.Close() })
	return conn, nil
}

// dial makes a new connection with all subscriptions on it, and waits until the
// server has them. It tries each server once.
func (b *Bus) dial() error {
	nc, err := b.options().Connect()
	if err != nil {
		return b.dialError(err)
	}
	if err := b.adopt(nc); err != nil {
		nc.Close()
		return err
	}
	if err := nc.FlushTimeout(subscribeTimeout(nc)); err != nil {
		nc.Close()
		return b.dialError(err)
	}
	return nil
}

// subscribeTimeout is for a server to take all subscriptions: 7 µs each were
// measured.
func subscribeTimeout(nc *nats.Conn) time.Duration {
	return connectTimeout + time.Duration(nc.NumSubscriptions())*50*time.Microsecond
}

func (b *Bus) adopt(nc *nats.Conn) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return lifecycle.Permanent(ErrClosed)
	}
	b.nc = nc
	for s := range b.subs {
		if err := s.attach(nc); err != nil {
			return b.dialError(err)
		}
	}
	for i := range b.inboxes {
		if err := i.attach(nc); err != nil {
			return b.dialError(err)
		}
	}
	return nil
}

func (b *Bus) dialError(err error) error {
	return fmt.Errorf("%s: %w", strings.Join(b.servers.hosts, ", "), b.servers.safe(err))
}

// run writes what is published, and connects anew where nats.go has given up.
func (b *Bus) run() {
	for {
		select {
		case <-b.out.wake:
			b.write()
		case <-b.lost:
			if b.ended() && b.redial() != nil {
				return
			}
		case <-b.life.Done():
			return
		}
	}
}

// write hands the queue to the connection. This may wait for the network.
func (b *Bus) write() {
	b.mu.Lock()
	nc := b.nc
	b.mu.Unlock()
	batch := b.out.take()
	failed := false
	for subject, data := range batch.messages() {
		err := nc.Publish(subject, data)
		if err == nil {
			b.counts.published.Add(1)
			continue
		}
		b.counts.dropped.Add(1)
		gone := errors.Is(err, nats.ErrReconnectBufExceeded) || errors.Is(err, nats.ErrConnectionClosed) || errors.Is(err, nats.ErrMaxPayload)
		if !gone && !failed {
			failed = true
			b.log.Warn("write to NATS failed; connecting again", "error", b.servers.safe(err))
			// Part of the buffer is lost and nats.go goes on as if nothing were: make
			// the loss visible.
			_ = nc.ForceReconnect() // fails only where it is closed
		}
	}
	b.out.done(batch)
}

// redial is for a connection that nats.go has closed for good, which it does on
// errors of the server that it does not know.
func (b *Bus) redial() error {
	b.setState(StateDisconnected)
	// Not at once: the server may say it to every connection.
	select {
	case <-time.After(reconnectWait + rand.N(reconnectMore)):
	case <-b.life.Done():
		return b.life.Err()
	}
	if err := lifecycle.WaitFor(b.life, b.log, "nats", func(context.Context) error { return b.dial() }); err != nil {
		return err
	}
	b.counts.reconnects.Add(1)
	b.setState(StateConnected)
	return nil
}

// ended reports whether NATS has ended the present connection. What it has ended may
// also have been one that dial tried before: then there is nothing to make anew, and the
// present one, if it were replaced, would be left behind.
func (b *Bus) ended() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.nc.IsClosed()
}

// current reports whether nc is the connection in use; the callbacks of an older
// one may still come in.
func (b *Bus) current(nc *nats.Conn) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return nc == b.nc
}

func (b *Bus) disconnected(nc *nats.Conn, err error) {
	if !b.current(nc) || !b.setState(StateDisconnected) {
		return
	}
	if err == nil {
		err = errors.New("closed")
	}
	b.log.Warn("lost the connection to NATS; entries reach other pods by their journals now", "error", b.servers.safe(err))
}

// reconnected waits until the server has the subscriptions again, so that who
// repairs now what was missed does not miss more.
func (b *Bus) reconnected(nc *nats.Conn) {
	if !b.current(nc) {
		return
	}
	b.forgetRefusal() // those to come are of this connection
	if err := nc.FlushTimeout(subscribeTimeout(nc)); err != nil {
		_ = nc.ForceReconnect() // no harm if it is lost already; fails only where closed
		return
	}
	b.counts.reconnects.Add(1)
	if b.setState(StateConnected) {
		b.log.Info("connected to NATS again", "server", nc.ConnectedAddr())
	}
}

// reconnectFailed comes once or twice a second while NATS is away.
func (b *Bus) reconnectFailed(nc *nats.Conn, err error) {
	if b.current(nc) && b.troubles.due() {
		b.log.Warn("NATS is still away", "error", b.servers.safe(err))
	}
}

func (b *Bus) closed(nc *nats.Conn) {
	if !b.current(nc) {
		return
	}
	b.setState(StateDisconnected) // disconnected came before, or there was no connection
	if err := nc.LastError(); err != nil {
		b.log.Error("NATS ended the connection", "error", b.servers.safe(err))
	}
	select {
	case b.lost <- struct{}{}:
	default:
	}
}

func (b *Bus) asyncError(nc *nats.Conn, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrSlowConsumer) && sub != nil {
		b.slow(sub)
		return
	}
	switch {
	case !b.current(nc):
	case isDenied(err):
		b.denied(nc, err)
	case b.troubles.due():
		b.log.Warn("error on the connection to NATS", "error", b.servers.safe(err))
	}
}

// rate caps the log lines about a trouble that goes on.
type rate struct {
	every time.Duration

	mu   sync.Mutex
	last time.Time
}

func (r *rate) due() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now := time.Now(); now.Sub(r.last) >= r.every {
		r.last = now
		return true
	}
	return false
}

// reset lets the next one through.
func (r *rate) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last = time.Time{}
}

// setState lets the queue follow the state, and tells of a change. Closed is for
// good.
func (b *Bus) setState(s State) (changed bool) {
	b.stateMu.Lock()
	defer b.stateMu.Unlock()
	old := State(b.state.Load())
	if old == s || old == StateClosed {
		return false
	}
	b.state.Store(int32(s))
	if old == StateConnected {
		close(*b.down.Load())
	}
	switch s {
	case StateConnected:
		down := make(chan struct{})
		b.down.Store(&down)
		b.denials.reset()
		b.out.open()
	case StateDisconnected:
		b.counts.dropped.Add(uint64(b.out.close(ErrDisconnected)))
	case StateClosed:
		b.counts.dropped.Add(uint64(b.out.close(ErrClosed)))
	}
	if b.o.OnState != nil {
		b.o.OnState(s)
	}
	if s == StateConnected {
		b.tellRefusal()
	}
	return true
}
