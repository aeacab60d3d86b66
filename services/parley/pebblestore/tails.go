package pebblestore

import (
	"container/list"
	"hash/maphash"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
)

// tail is what an append needs to know of a conversation: where its log ends, and
// which cmids are in it.
type tail struct {
	key     chat.Key
	seq     chat.Seq // of the last entry
	message chat.Seq // of the last message
	turn    uint64   // that appended last

	seen  fingerprints // of the first maxPaged entries
	page  page         // the page that is being filled, if the log is not beyond maxPaged
	bytes int64        // as counted in tails.used
}

// add notes the next entry. It reports whether that has filled the page.
func (t *tail) add(seed maphash.Seed, h cmidHash) (full bool) {
	t.seq++
	if t.seq > maxPaged {
		return false
	}
	t.seen.add(fingerprint(seed, h))
	i := (t.seq - 1) % pageSize
	t.page[i] = h
	return i == pageSize-1
}

// tails are the tails of conversations that were written to lately.
type tails struct {
	byKey       map[chat.Key]*list.Element
	order       *list.List // of *tail, latest first
	used, limit int64      // bytes, estimated
}

// tailBytes is what a tail takes without its fingerprints.
const tailBytes = 600

func newTails(limit int64) *tails {
	return &tails{byKey: map[chat.Key]*list.Element{}, order: list.New(), limit: limit}
}

func (c *tails) get(key chat.Key) *tail {
	el := c.byKey[key]
	if el == nil {
		return nil
	}
	c.order.MoveToFront(el)
	return el.Value.(*tail)
}

// add keeps a tail that get did not know. Its key is copied, because a caller's
// strings may be part of a frame.
func (c *tails) add(t *tail) {
	t.key = chat.Key{NS: chat.NS(strings.Clone(string(t.key.NS))), Conv: chat.ConvID(strings.Clone(string(t.key.Conv)))}
	c.byKey[t.key] = c.order.PushFront(t)
	c.account(t)
}

// account is to be called after a tail has changed.
func (c *tails) account(t *tail) {
	c.used -= t.bytes
	t.bytes = tailBytes + int64(4*len(t.seen.slots))
	c.used += t.bytes
}

// trim forgets those that were not used for longest, and may forget those that
// this turn works with: it must be called at the end of a turn.
func (c *tails) trim() {
	for c.used > c.limit && c.order.Len() > 0 {
		c.drop(c.order.Back().Value.(*tail))
	}
}

// drop forgets a tail.
func (c *tails) drop(t *tail) {
	el := c.byKey[t.key]
	if el == nil || el.Value.(*tail) != t {
		return
	}
	delete(c.byKey, t.key)
	c.order.Remove(el)
	c.used -= t.bytes
}

// fingerprints is a set of 32-bit hashes: open addressing, linear probing, zero
// for an empty slot. It says no for certain, and yes wrongly once in 65,536 looks
// or less, in the longest log.
type fingerprints struct {
	slots []uint32 // a power of two
	n     int
}

// fingerprint is never zero. It is seeded, so nobody can aim at a wrong yes.
func fingerprint(seed maphash.Seed, h cmidHash) uint32 {
	return max(uint32(maphash.Comparable(seed, h)), 1)
}

func (s *fingerprints) has(h uint32) bool {
	if s.n == 0 {
		return false
	}
	mask := uint32(len(s.slots) - 1)
	for i := h & mask; s.slots[i] != 0; i = (i + 1) & mask {
		if s.slots[i] == h {
			return true
		}
	}
	return false
}

func (s *fingerprints) add(h uint32) {
	if s.n >= len(s.slots)/4*3 {
		s.grow(max(8, 2*len(s.slots)))
	}
	s.put(h)
}

// reserve makes room for n without growing on the way.
func (s *fingerprints) reserve(n int) {
	size := 8
	for size/4*3 < n {
		size *= 2
	}
	if size > len(s.slots) {
		s.grow(size)
	}
}

func (s *fingerprints) grow(size int) {
	old := s.slots
	s.slots, s.n = make([]uint32, size), 0
	for _, h := range old {
		if h != 0 {
			s.put(h)
		}
	}
}

func (s *fingerprints) put(h uint32) {
	mask := uint32(len(s.slots) - 1)
	i := h & mask
	for ; s.slots[i] != 0; i = (i + 1) & mask {
		if s.slots[i] == h {
			return
		}
	}
	s.slots[i] = h
	s.n++
}
