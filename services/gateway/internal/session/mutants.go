package session

import "github.com/parley-chat/parley/pkg/chat"

// took is a mutant: it takes an entry that was queued for one that the device has.
// Only the feed of a program with mutants has the method.
func (s *Session) took(key chat.Key, seq chat.Seq) {
	s.feed.(interface{ Took(chat.Key, chat.Seq) }).Took(key, seq)
}
