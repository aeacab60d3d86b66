package presence

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Typing says that a user types in a conversation, or has stopped.
type Typing struct {
	Key  chat.Key
	User chat.User
	On   bool
}

// The clocks of typing.
const (
	typingLife  = 6 * time.Second // without a renewal it has ended
	typingGap   = time.Second     // between two frames of one user in one conversation
	typingRenew = 3 * time.Second // a renewal is passed on after this long
)

// typist is a user in a conversation.
type typist struct {
	key  chat.Key
	user chat.User
}

// typingState is somebody who types on this pod, or has just stopped.
type typingState struct {
	on, told bool      // as the client says; as was told
	renewed  bool      // said again since it was told
	at       time.Time // when it was told; zero: never
	until    time.Time // when it expires
}

// Type takes what a client says: that its user types, or has stopped. It is passed
// on at most once a second for a user and conversation, and may be left out.
func (t *Tracker) Type(ty Typing) {
	now := time.Now()
	k := typist{ty.Key, ty.User}
	t.mu.Lock()
	defer t.mu.Unlock()
	s := t.typing[k]
	switch {
	case s == nil && !ty.On:
		return
	case s == nil && len(t.typing) >= t.opts.MaxTyping:
		t.counts.Dropped++
		return
	case s == nil:
		s = &typingState{}
		t.typing[k] = s
	}
	s.on = ty.On
	s.renewed = s.renewed || ty.On && now.Sub(s.at) >= typingGap
	if ty.On {
		s.until = now.Add(typingLife)
	}
	t.passOnLocked(k, s, now)
}

// typeLocked looks at all who type: what came too soon is passed on, and what
// was not renewed ends.
func (t *Tracker) typeLocked(now time.Time) {
	for k, s := range t.typing {
		t.passOnLocked(k, s, now)
	}
}

func (t *Tracker) passOnLocked(k typist, s *typingState, now time.Time) {
	if s.on && !s.until.After(now) {
		s.on = false
	}
	since := now.Sub(s.at)
	switch {
	case !s.at.IsZero() && since < typingGap:
	case s.on != s.told, s.on && s.renewed && since >= typingRenew:
		s.told, s.at, s.renewed = s.on, now, false
		t.out.typ[k] = s.on
		t.typedLocked(Typing{Key: k.key, User: k.user, On: s.on}, now)
		t.wakeUp()
	case !s.on:
		delete(t.typing, k)
	}
}
