package gateway

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// crowded plays a store that shares one second of work a second among its reads:
// each takes as long as there are reads under way, in units of a piece.
type crowded struct {
	piece    time.Duration
	under    atomic.Int64
	timeouts atomic.Int64
}

func (c *crowded) read(ctx context.Context) error {
	n := c.under.Add(1)
	defer c.under.Add(-1)
	t := time.NewTimer(time.Duration(n) * c.piece)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		c.timeouts.Add(1)
		return ctx.Err()
	}
}

func TestReadsFollowTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &crowded{piece: 200 * time.Millisecond} // 64 at once take 12.8 s: none would end in time
		r := newReads(64)
		var wg sync.WaitGroup
		var done atomic.Int64
		for range 300 { // sessions, each of which repeats its read until it has it
			wg.Go(func() {
				for r.do(t.Context(), store.read) != nil {
				}
				done.Add(1)
			})
		}
		wg.Wait()
		if done.Load() != 300 {
			t.Fatalf("%d of 300 sessions were served", done.Load())
		}
		if n := store.timeouts.Load(); n > 200 {
			t.Errorf("%d reads outlived their deadline: the bound does not follow", n)
		}
		if bound, waiting := r.state(); bound > 8 || waiting != 0 {
			t.Errorf("in the end the bound is %d with %d waiting, want at most 8 and none", bound, waiting)
		}
		store.piece = 0 // the store has recovered
		for range 64 * 64 {
			if err := r.do(t.Context(), store.read); err != nil {
				t.Fatal(err)
			}
		}
		if bound, _ := r.state(); bound != 64 {
			t.Errorf("after quick reads the bound is %d, want 64 again", bound)
		}
	})
}

func TestReadsGiveUpTheirPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newReads(1)
		hold, release := make(chan struct{}), make(chan struct{})
		var wg sync.WaitGroup
		wg.Go(func() {
			_ = r.do(t.Context(), func(context.Context) error { close(hold); <-release; return nil })
		})
		<-hold
		ctx, cancel := context.WithCancel(t.Context())
		wg.Go(func() {
			if err := r.do(ctx, func(context.Context) error { return nil }); !errors.Is(err, context.Canceled) {
				t.Errorf("a read whose session went away: %v, want canceled", err)
			}
		})
		synctest.Wait()
		served := false
		wg.Go(func() { _ = r.do(t.Context(), func(context.Context) error { served = true; return nil }) })
		synctest.Wait()
		cancel()
		synctest.Wait()
		close(release)
		wg.Wait()
		if _, waiting := r.state(); !served || waiting != 0 || r.using != 0 {
			t.Errorf("served %v, waiting %d, using %d: a place was lost", served, waiting, r.using)
		}
	})
}
