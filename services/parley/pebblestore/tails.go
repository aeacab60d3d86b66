package pebblestore

import (
	"container/list"
	"hash/maphash"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
)

// tail is what an append needs to know of a conversation. The end of the log
// answers whether a seq is taken; the cmids that are in the log answer whether a
// cmid is, and for the most part without asking the database.
type tail struct {
	key     chat.Key
	seq     chat.Seq // of the last entry
	message chat.Seq // of the last message
	last    uint64   // the turn that appended last

	// seen has the fingerprints of all cmids in the log, or is nil: then the
	// database is asked. asked counts how often it was.
	seen  *fingerprints
	asked int64
	bytes int64 // as counted in tails.used
}

// Building the fingerprints of a log reads its cmids once, at about a sixteenth of
// the cost of a look into the database each. So they are built when as much has
// been spent on looks: at once for a new log, and never for a long one that is
// seldom written to. No pattern of use costs more than twice the better choice.
// Beyond maxSeen the memory is better spent on other conversations.
const (
	askedPerEntry = 16
	maxSeen       = 1 << 16
)

// worthBuilding reports whether the next look should rather build seen.
func (t *tail) worthBuilding() bool {
	return t.seen == nil && t.seq < maxSeen && t.asked*askedPerEntry >= int64(t.seq)
}

// tails are the tails of conversations that were written to lately.
type tails struct {
	byKey       map[chat.Key]*list.Element
	order       *list.List // of *tail, latest first
	used, limit int64      // bytes, estimated
}

// tailBytes is what a tail takes without its fingerprints.
const tailBytes = 320

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
	if t.seen != nil && t.seen.n > maxSeen {
		t.seen = nil
	}
	c.used -= t.bytes
	t.bytes = tailBytes
	if t.seen != nil {
		t.bytes += int64(4 * len(t.seen.slots))
	}
	c.used += t.bytes
}

// trim forgets those that were not used for longest. Tails that the present turn
// works with are in front, and are only forgotten if they alone are too much:
// then this must be called at the end of a turn.
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
// or less. The hashes are seeded, so nobody can aim at it.
type fingerprints struct {
	slots []uint32 // a power of two
	n     int
}

// fingerprint is never zero.
func fingerprint(seed maphash.Seed, from, cmid string) uint32 {
	h := maphash.String(seed, cmid)
	h ^= maphash.String(seed, from) * 0x9e3779b97f4a7c15 // not the same for both, or equal ones would cancel out
	return max(uint32(h>>32)^uint32(h), 1)
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
		old := s.slots
		s.slots, s.n = make([]uint32, max(8, 2*len(old))), 0
		for _, h := range old {
			if h != 0 {
				s.put(h)
			}
		}
	}
	s.put(h)
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
