package session

import (
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
)

// Muted reports whether the user is muted in a conversation, as far as the session has
// heard; ok is false where it is not attached to it. It reads nothing.
func (s *Session) Muted(key chat.Key) (muted, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.places[key]
	return p != nil && p.muted, p != nil
}

// mute notes the role that a part shows. Each entry that changes one has the part read.
func (s *Session) mute(p *place, part view.Part) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p.muted = part.Member.Role == chat.RoleMuted
}
