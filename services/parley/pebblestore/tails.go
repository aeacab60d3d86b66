package pebblestore

import (
	"container/list"
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

	seen  filter // the first maxPaged entries
	page  page   // the page that is being filled, if the log is not beyond maxPaged
	bytes int64  // as counted in tails.used
}

// add notes the next entry. It reports whether that has filled the page.
func (t *tail) add(secret secret, h cmidHash) (full bool) {
	t.seq++
	if t.seq > maxPaged {
		return false
	}
	t.seen.add(secret.mix(h))
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

// tailBytes is what a tail takes without its filter.
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
	t.bytes = tailBytes + t.seen.bytes
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
