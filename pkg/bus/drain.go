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
	nc := b.nc
	var ended []<-chan struct{}
	if b.Connected() {
		for s := range b.subs {
			// Without a connection nats.go would wait for a server's answer here.
			if s.sub.Drain() == nil {
				ended = append(ended, s.ended)
			}
		}
	}
	b.mu.Unlock()

	err := waitAll(ctx, ended)
	if err == nil && b.Connected() {
		b.mu.Lock()
		done := b.flushOnLocked(ctx, nc)
		b.mu.Unlock()
		err = wait(ctx, done)
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

func waitAll(ctx context.Context, ended []<-chan struct{}) error {
	for _, e := range ended {
		select {
		case <-e:
		case <-ctx.Done():
			return fmt.Errorf("messages that came in were left: %w", context.Cause(ctx))
		}
	}
	return nil
}
