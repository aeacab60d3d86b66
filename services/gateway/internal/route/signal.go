package route

import "github.com/parley-chat/parley/pkg/chat"

// Lossy is a [Sink] that takes frames which may be left out.
type Lossy interface {
	// Try queues a frame if there is room for such; it does not block.
	Try(frame []byte) bool
}

// Signal hands a frame that may be lost to the sessions of this pod that are in a
// conversation of at most most members, but for those of one user. It returns how
// many had no room. The frame is only made if somebody wants it.
func (t *Table) Signal(key chat.Key, but chat.User, most int, frame func() []byte) (dropped int) {
	c := t.conv(key)
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.members == 0 || c.members > most {
		return 0
	}
	var data []byte
	for _, s := range c.subs {
		sink, ok := s.sink.(Lossy)
		if !ok || s.over || s.user == but {
			continue
		}
		if data == nil {
			data = frame()
		}
		if !sink.Try(data) {
			dropped++
		}
	}
	return dropped
}

// Other is a user other than but with a session of this pod in a conversation: in a
// direct one the other end. It is "" where there is none.
func (t *Table) Other(key chat.Key, but chat.User) chat.User {
	c := t.conv(key)
	if c == nil {
		return ""
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.subs {
		if s.user != but {
			return s.user
		}
	}
	return ""
}
