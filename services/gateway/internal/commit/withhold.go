package commit

import "github.com/parley-chat/parley/pkg/chat"

// Withhold breaks a stream for a command that got "unavailable" before it came
// here: what it needs could not be reached. Later ones get that too, until it is
// repeated.
func (c *Committer) Withhold(s *Stream, cmid chat.CMID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.broken == "" {
		s.broken, s.code = cmid, chat.CodeUnavailable
	}
}
