package bus

import (
	"context"
	"errors"
	"fmt"
)

// Drain ends the bus in good order: it takes no more from NATS, waits until the
// subscriptions have worked through what is in, writes what is out, and closes. It
// blocks until then or until ctx ends; the bus is closed in either case, and the
// error says what was cut short. Without a connection there is nothing to wait
// for. A second Drain returns [ErrClosed].
//
// Functions of subscriptions may publish until they have returned.
func (b *Bus) Drain(ctx context.Context) error {
	b.mu.Lock()
	if b.draining {
		b.mu.Unlock()
		return ErrClosed
	}
	b.draining = true
	nc, down := b.nc, *b.down.Load()
	var ended []<-chan struct{}
	if b.Connected() { // without a server nats.go would wait for its answer
		for s := range b.subs {
			if s.sub.Drain() == nil {
				ended = append(ended, s.ended)
			}
		}
	}
	b.mu.Unlock()

	err := waitAll(ctx, ended, down)
	if err == nil {
		b.mu.Lock()
		wait := b.flushLocked(ctx)
		b.mu.Unlock()
		err = wait()
	}

	b.setState(StateClosed)
	if err != nil {
		b.end() // nobody waits for a write that is stuck
	}
	nc.Close()
	b.end()
	b.wg.Wait()
	if err != nil && !errors.Is(err, ErrDisconnected) {
		return fmt.Errorf("drain the bus: %w", err)
	}
	return nil
}

func waitAll(ctx context.Context, ended []<-chan struct{}, down <-chan struct{}) error {
	for _, e := range ended {
		select {
		case <-e:
		case <-down:
			return ErrDisconnected
		case <-ctx.Done():
			return fmt.Errorf("messages that came in were left: %w", context.Cause(ctx))
		}
	}
	return nil
}
