package gateway

import (
	"container/list"
	"context"
	"sync"
	"time"
)

const (
	readTimeout = 5 * time.Second
	// slowRead is where a read counts as a sign that the store has too many of them.
	slowRead = time.Second
)

// reads bounds the reads of the store for flushes: a reconnect storm asks for far
// more than any store does at once, and reads that outlive their deadline are
// repeated, so that with a fixed bound a slow store would do nothing else any more.
//
// The bound follows the store, by additive increase and multiplicative decrease
// (RFC 5681 does the same to a network): slow reads halve it, at most once a
// second, and as many quick ones as it has places add a place. Who waits is served
// in the order of coming; the queue is bounded by the sessions, each of which
// reads one thing at a time.
type reads struct {
	most int

	mu      sync.Mutex
	bound   int
	using   int
	quick   int       // reads since the bound last changed
	halved  time.Time // when the bound was last lowered
	waiting list.List // of chan struct{}, closed when the place is theirs
}

func newReads(most int) *reads { return &reads{most: most, bound: most} }

// do does one read when it is its turn. The wait ends with ctx; the read itself
// has 5 s.
func (r *reads) do(ctx context.Context, read func(ctx context.Context) error) error {
	if err := r.acquire(ctx); err != nil {
		return err
	}
	began := time.Now()
	defer func() { r.release(time.Since(began)) }()
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	return read(ctx)
}

func (r *reads) acquire(ctx context.Context) error {
	r.mu.Lock()
	if r.using < r.bound && r.waiting.Len() == 0 {
		r.using++
		r.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	place := r.waiting.PushBack(mine)
	r.mu.Unlock()
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-mine: // it came in the same moment: the next one has it
		r.using--
		r.wakeLocked()
	default:
		r.waiting.Remove(place)
	}
	return ctx.Err()
}

func (r *reads) release(took time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.using--
	switch now := time.Now(); {
	case took >= slowRead:
		r.quick = 0
		if now.Sub(r.halved) >= slowRead { // those that were under way with it are no news
			r.bound, r.halved = max(1, r.bound/2), now
		}
	case r.bound < r.most:
		if r.quick++; r.quick >= r.bound {
			r.bound, r.quick = r.bound+1, 0
		}
	}
	r.wakeLocked()
}

func (r *reads) wakeLocked() {
	for r.using < r.bound && r.waiting.Len() > 0 {
		r.using++
		close(r.waiting.Remove(r.waiting.Front()).(chan struct{}))
	}
}

// state is for metrics: the present bound, and how many wait.
func (r *reads) state() (bound, waiting int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bound, r.waiting.Len()
}
