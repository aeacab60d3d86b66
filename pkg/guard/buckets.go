package guard

import (
	"sync"
	"time"
)

// buckets are token buckets by key: rate a second, burst at once. There are at most
// so many; what has not been used for long enough to be full again is forgotten, and
// where there is no such bucket the one that was used longest ago gives way: its key
// begins with a full one again. Nil: there is no limit.
type buckets[K comparable] struct {
	rate, burst float64
	most        int

	mu   sync.Mutex
	by   map[K]*bucket[K]
	ends bucket[K] // of the ring: next was used last, prev longest ago
}

type bucket[K comparable] struct {
	key        K
	tokens     float64
	at         time.Time
	prev, next *bucket[K]
}

// newBuckets makes buckets with seconds times the rate in them; nil for a rate of 0.
func newBuckets[K comparable](rate int, seconds float64, most int) *buckets[K] {
	if rate <= 0 {
		return nil
	}
	b := &buckets[K]{rate: float64(rate), burst: max(1, seconds*float64(rate)), most: most, by: make(map[K]*bucket[K])}
	b.ends.prev, b.ends.next = &b.ends, &b.ends
	return b
}

// take takes n tokens. 0: it has; else it has not, and says how long until there are
// so many. More than fit at once are taken where the bucket is full, as a debt.
func (b *buckets[K]) take(k K, n float64, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.useLocked(k, now)
	if want := min(n, b.burst); one.tokens < want {
		return max(10*time.Millisecond, time.Duration((want-one.tokens)/b.rate*float64(time.Second)))
	}
	one.tokens -= n
	return 0
}

// left says how long until there is a token, without taking one.
func (b *buckets[K]) left(k K, now time.Time) time.Duration {
	if b == nil {
		return 0
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	one := b.by[k]
	if one == nil {
		return 0
	}
	b.fillLocked(one, now)
	if one.tokens < 1 {
		return max(10*time.Millisecond, time.Duration((1-one.tokens)/b.rate*float64(time.Second)))
	}
	return 0
}

// size is how many buckets there are.
func (b *buckets[K]) size() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.by)
}

func (b *buckets[K]) fillLocked(one *bucket[K], now time.Time) {
	if gone := now.Sub(one.at); gone > 0 { // clocks of two goroutines may have been read in the other order
		one.tokens = min(b.burst, one.tokens+b.rate*gone.Seconds())
		one.at = now
	}
}

// useLocked finds or makes a bucket and puts it in front.
func (b *buckets[K]) useLocked(k K, now time.Time) *bucket[K] {
	one := b.by[k]
	if one == nil {
		for range 2 { // so that they go faster than they come
			if last := b.ends.prev; last != &b.ends && last.tokens+b.rate*now.Sub(last.at).Seconds() >= b.burst {
				b.dropLocked(last)
			}
		}
		if len(b.by) >= b.most {
			b.dropLocked(b.ends.prev)
		}
		one = &bucket[K]{key: k, tokens: b.burst, at: now}
		b.by[k] = one
	} else {
		one.prev.next, one.next.prev = one.next, one.prev
		b.fillLocked(one, now)
	}
	one.prev, one.next = &b.ends, b.ends.next
	one.next.prev, b.ends.next = one, one
	return one
}

func (b *buckets[K]) dropLocked(one *bucket[K]) {
	delete(b.by, one.key)
	one.prev.next, one.next.prev = one.next, one.prev
}
