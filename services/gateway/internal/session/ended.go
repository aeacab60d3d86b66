package session

import (
	"context"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
)

// Ended implements route.Sink.
func (s *Session) Ended(key chat.Key, at chat.Seq) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.forgetLocked(key, at) {
		s.addJobLocked(job{jobEnded, key})
	}
}

// forgetLocked gives up the place in a conversation that ended for the user; false:
// there was none.
func (s *Session) forgetLocked(key chat.Key, at chat.Seq) bool {
	if s.places[key] == nil {
		return false
	}
	delete(s.places, key)
	if s.left == nil {
		s.left = make(map[chat.Key]chat.Seq)
	}
	s.left[key] = at
	return true
}

// drop ends a stream. Where the conversation is known to go on the user may be in it
// again: who was attached was not told. From here on it is, so what is read now, and
// what is told later, leave nothing out.
func (s *Session) drop(key chat.Key) {
	p := s.place(key)
	if p == nil {
		return
	}
	s.mu.Lock()
	s.forgetLocked(key, p.cursor)
	s.mu.Unlock()
	p.sub.Detach()
	if p.sub.Known() > p.cursor {
		s.Discover(key)
	}
}

// describeEnd sends the conversation frame that says where the user's part ended.
// Who is in it again by now is told so by discover.
func (s *Session) describeEnd(ctx context.Context, key chat.Key) error {
	if s.place(key) != nil {
		return nil
	}
	part, err := s.feed.Access(ctx, key)
	if err != nil {
		return err
	}
	if !part.Former() && part.Conversation.Closed == 0 {
		return nil
	}
	frames, err := s.feed.Describe(ctx, []view.Part{part})
	if err != nil {
		return err
	}
	s.Answer(frames[0])
	return nil
}

// endsFor reports whether u's part of the log ends with e.
func endsFor(e *chat.Entry, u chat.User) bool {
	switch e.Change {
	case chat.ChangeClosed:
		return true
	case chat.ChangeRemoved, chat.ChangeLeft:
		return slices.ContainsFunc(e.Users, func(x chat.UserRole) bool { return x.User == u })
	}
	return false
}
