package route

import "github.com/parley-chat/parley/pkg/chat"

// Erase says that text was taken away in a conversation. Its latest frames, which may
// have that text, are forgotten: whoever has yet to get them reads the log. A frame
// that may be lost goes to the sessions of this pod that are in it; dropped is how
// many of them had no room. The frame is only made if somebody is there.
func (t *Table) Erase(key chat.Key, frame func() []byte) (dropped int) {
	c := t.conv(key)
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ring = nil
	var data []byte
	for _, s := range c.subs {
		if data == nil {
			data = frame()
		}
		if sink, ok := s.sink.(Lossy); ok && !sink.Try(data) {
			dropped++
		}
	}
	return dropped
}
