package commit

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// shards is how many parts the lanes are kept in, each with a lock of its own:
// sessions of different conversations rarely meet at one.
const shards = 16

// shard is the lanes of some conversations.
type shard struct {
	mu      sync.Mutex
	lanes   map[chat.Key]*lane
	idle    lru // lanes with nothing to do, kept for their state
	ready   []*lane
	waiting atomic.Int32 // len(ready), for those who only want to know whether to lock
	stopped bool
}

func (c *Committer) shard(k chat.Key) *shard {
	return &c.shards[maphash.Comparable(c.seed, k)%shards]
}

// readyLocked queues a lane for the next flush, and makes sure that there will be
// one. The caller holds the shard's lock, under which Stop has not come yet or the
// lane is counted in by a flush or repair.
func (c *Committer) readyLocked(l *lane) {
	l.busy = true
	l.shard.ready = append(l.shard.ready, l)
	l.shard.waiting.Add(1)
	c.wake()
}

// wake starts a flusher unless enough of them run: each looks again after it has
// counted itself out, so that none of them misses what was made ready meanwhile.
func (c *Committer) wake() {
	for {
		n := c.flushes.Load()
		if n >= int64(c.opts.Flushes) {
			return
		}
		if c.flushes.CompareAndSwap(n, n+1) {
			c.wg.Go(c.flushAll)
			return
		}
	}
}

// flushAll flushes until nothing is ready.
func (c *Committer) flushAll() {
	for c.waiting() {
		c.linger()
		if works := c.take(); works != nil {
			c.flush(works)
		}
	}
	c.flushes.Add(-1)
	if c.waiting() {
		c.wake()
	}
}

// waiting reports whether a lane is ready.
func (c *Committer) waiting() bool {
	for i := range c.shards {
		if c.shards[i].waiting.Load() > 0 {
			return true
		}
	}
	return false
}

// linger waits until a while has passed since the last flush began. Commands that
// come one by one, at a lower rate than that, wait for nothing; at a high rate each
// waits for a part of it, and a flush carries many. It is Nagle's idea (RFC 896) with
// a clock in place of the acknowledgement.
func (c *Committer) linger() {
	if c.opts.Linger <= 0 {
		return
	}
	for {
		latest, now := c.latest.Load(), int64(time.Since(c.started))
		if rest := c.opts.Linger - time.Duration(now-latest); rest > 0 && latest > 0 {
			time.Sleep(rest)
			continue
		}
		if c.latest.CompareAndSwap(latest, now) {
			return
		}
	}
}

// take removes the next batch from the ready lanes; nil: there are none. It begins
// with another shard each time, so that none of them waits for the others.
func (c *Committer) take() []*work {
	var works []*work
	taken := 0
	first := c.next.Add(1)
	for i := range uint32(shards) {
		sh := &c.shards[(first+i)%shards]
		if sh.waiting.Load() == 0 {
			continue
		}
		works, taken = c.takeFrom(sh, works, taken)
		if taken >= c.opts.FlushEntries {
			break
		}
	}
	return works
}

func (c *Committer) takeFrom(sh *shard, works []*work, taken int) ([]*work, int) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	lanes := 0
	for _, l := range sh.ready {
		if taken >= c.opts.FlushEntries {
			break
		}
		n := min(len(l.queue), c.opts.LaneEntries)
		works = append(works, &work{lane: l, reqs: l.queue[:n:n], again: l.again})
		l.queue, l.again = l.queue[n:], false
		taken += n
		lanes++
	}
	sh.ready = sh.ready[lanes:]
	sh.waiting.Add(int32(-lanes))
	return works, taken
}
