package route

import "github.com/parley-chat/parley/pkg/chat"

// DropRing forgets the latest frames of a conversation, because what was in one was
// taken away: whoever has yet to get them reads the log.
func (t *Table) DropRing(key chat.Key) {
	if c := t.conv(key); c != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.ring = nil
	}
}
