package reference

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"

	"github.com/parley-chat/parley/services/parley/internal/natsserver"
)

func serveNATS(ctx context.Context, ready func(string) error) error {
	s, err := natsserver.Start(natsserver.Options{})
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := ready(s.URL()); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// natsLoop publishes on one connection and subscribes on another, as one pod and
// the next do. Each pair has a subject of its own, and sends a message for each
// that arrives.
func natsLoop(ctx context.Context, o Options, count *atomic.Int64, ready func(...int)) (err error) {
	c, err := startChild(ctx, o.Program, "nats")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	l := &natsPairs{o: o, count: count, failed: make(chan error, 1), pairs: make([]natsPair, o.Pairs)}
	lost := nats.ClosedHandler(func(nc *nats.Conn) {
		l.fail(fmt.Errorf("NATS has gone: %w", errors.Join(nc.LastError(), nats.ErrConnectionClosed)))
	})
	if l.out, err = nats.Connect(c.address, nats.NoReconnect(), lost); err != nil {
		return fmt.Errorf("connect the publisher: %w", err)
	}
	defer l.out.Close()
	in, err := nats.Connect(c.address, nats.NoReconnect(), lost)
	if err != nil {
		return fmt.Errorf("connect the subscriber: %w", err)
	}
	defer in.Close()
	sub, err := in.Subscribe("reference.*", l.arrived)
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // bounded by what is in flight
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := in.Flush(); err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	for i := range l.pairs {
		l.pairs[i].subject, l.pairs[i].in = fmt.Sprint("reference.", i), inbox{pair: i, size: o.Size}
	}
	for range o.InFlight {
		for i := range l.pairs {
			l.send(&l.pairs[i])
		}
	}
	ready(c.pid())
	select {
	case err := <-l.failed:
		return err
	case <-ctx.Done():
		return nil
	}
}

type natsPairs struct {
	o      Options
	count  *atomic.Int64
	out    *nats.Conn
	failed chan error // has room for the first
	pairs  []natsPair
}

type natsPair struct {
	subject string
	in      inbox // owned by the subscription

	mu   sync.Mutex // the first messages are sent while answers come already
	sent int
	buf  []byte
}

func (l *natsPairs) fail(err error) {
	select {
	case l.failed <- err:
	default:
	}
}

func (l *natsPairs) send(p *natsPair) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sent++
	p.buf = payload(p.buf[:0], p.in.pair, p.sent, l.o.Size)
	if err := l.out.Publish(p.subject, p.buf); err != nil { // it copies
		l.fail(fmt.Errorf("publish: %w", err))
	}
}

// arrived is called by the subscription's goroutine, for one message at a time.
func (l *natsPairs) arrived(m *nats.Msg) {
	pair, err := pairOf(m.Data)
	if err == nil && pair >= len(l.pairs) {
		err = errors.New("a message is not one of ours")
	}
	if err == nil {
		err = l.pairs[pair].in.check(m.Data)
	}
	if err != nil {
		l.fail(err)
		return
	}
	l.count.Add(1)
	l.send(&l.pairs[pair])
}
