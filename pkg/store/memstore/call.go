package memstore

import (
	"context"
	"fmt"
	"slices"
)

// begin counts a call and waits for every Block that hits it.
func (s *Store) begin(ctx context.Context, c *Call) error {
	c.Client = s.client
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	s.calls[c.Op]++
	faults := slices.Clone(s.faults)
	s.mu.Unlock()
	for _, in := range faults {
		if in.f.Kind != Block {
			continue
		}
		if err := in.block(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

func (in *Injection) block(ctx context.Context, c *Call) error {
	in.s.mu.Lock()
	if in.removed || !in.matchLocked(c) {
		in.s.mu.Unlock()
		return nil
	}
	answer := in.holdCallLocked()
	in.s.mu.Unlock()
	return in.await(ctx, answer)
}

// faultLocked is the first fault that spoils a call, or nil. Those that let it
// pass are counted.
func (s *state) faultLocked(c *Call) *Injection {
	for _, in := range s.faults {
		if in.f.Kind == Block || !in.matchLocked(c) {
			continue
		}
		if in.f.Kind != Pass {
			return in
		}
		in.hitLocked(nil)
	}
	return nil
}

// read runs a read under the lock and through the faults.
func read[T any](ctx context.Context, s *Store, c Call, get func() (T, error)) (T, error) {
	return do(ctx, s, c, get, false)
}

// write runs a write under the lock and through the faults.
func write[T any](ctx context.Context, s *Store, c Call, apply func() (T, error)) (T, error) {
	return do(ctx, s, c, apply, true)
}

// exec is a write that returns nothing.
func exec(ctx context.Context, s *Store, c Call, apply func() error) error {
	_, err := write(ctx, s, c, func() (struct{}, error) { return struct{}{}, apply() })
	return err
}

func do[T any](ctx context.Context, s *Store, c Call, f func() (T, error), writes bool) (T, error) {
	var zero T
	if err := s.begin(ctx, &c); err != nil {
		return zero, fmt.Errorf("memstore: %s: %w", c.Op, err)
	}
	v, in, answer, err := locked(s.state, &c, f, writes)
	switch {
	case answer != nil:
		if waitErr := in.await(ctx, answer); waitErr != nil {
			err = waitErr
		}
	case in != nil:
		err = in.f.Err
	}
	if err != nil {
		return zero, fmt.Errorf("memstore: %s: %w", c.Op, err)
	}
	return v, nil
}

// locked runs f as far as a fault allows. The fault, if any, is returned, and the
// answer that the call has to wait for, if any.
func locked[T any](s *state, c *Call, f func() (T, error), writes bool) (v T, in *Injection, answer <-chan bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in = s.faultLocked(c)
	if in == nil {
		v, err = f()
		return v, nil, nil, err
	}
	switch in.f.Kind {
	case BlockApplied:
		v, err = f()
		answer = in.holdCallLocked()
	case FailApplied:
		if writes {
			_, _ = f() // its outcome is lost with the reply
		}
		in.hitLocked(nil)
	case Late, Invisible:
		in.hitLocked(func(release bool) {
			if release && writes {
				_, _ = f() // nobody waits for it any more
			}
		})
	default:
		in.hitLocked(nil)
	}
	return v, in, answer, err
}
