package state

import (
	"maps"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// mostTargets is of how many messages a state knows what became of them. Then all
// are forgotten, and read again when they are asked for.
const mostTargets = 64

// Target is what is known of an entry that a command aims at.
type Target struct {
	Kind      chat.Kind
	From      chat.User
	Gone      bool                    // its body is no more
	Recalled  bool                    // and that is why
	Edits     int                     // how often it was edited
	edited    chat.Seq                // the last of them
	reactions map[store.Reaction]bool // on; or off again, which stores keep
	emoji     map[string]int          // how many of them have it
}

// Reaction reports whether a reaction is there: on, or off again.
func (t *Target) Reaction(r store.Reaction) bool {
	_, there := t.reactions[r]
	return there
}

// Reactions is how many reactions are there, and how many emoji they have.
func (t *Target) Reactions() (n, emoji int) { return len(t.reactions), len(t.emoji) }

// HasEmoji reports whether one of the reactions has an emoji.
func (t *Target) HasEmoji(emoji string) bool { return t.emoji[emoji] > 0 }

// apply folds an entry that aims at t.
func (t *Target) apply(e *chat.Entry) {
	switch e.Kind {
	case chat.KindEdited:
		if e.Seq > t.edited {
			t.Edits, t.edited = t.Edits+1, e.Seq
		}
	case chat.KindRecalled:
		t.Gone, t.Recalled = true, true
	case chat.KindReacted:
		t.react(store.Reaction{Emoji: e.Emoji, User: e.From}, e.On)
	}
}

func (t *Target) react(r store.Reaction, on bool) {
	if t.reactions == nil {
		t.reactions, t.emoji = make(map[store.Reaction]bool), make(map[string]int)
	}
	if !t.Reaction(r) {
		t.emoji[r.Emoji]++
	}
	t.reactions[r] = on
}

func (t *Target) clone() *Target {
	n := *t
	n.reactions, n.emoji = maps.Clone(t.reactions), maps.Clone(t.emoji)
	return &n
}

// Target is what is known of the entry at seq; nil: nothing, and [State.Learn] has
// to tell.
func (s *State) Target(seq chat.Seq) *Target {
	if t := s.supposed[seq]; t != nil {
		return t
	}
	return s.targets[seq]
}

// Learn adds what was read of an entry that commands aim at: itself, and what later
// entries made of it. What it is told may be ahead of Tail: fold the log from there
// before the next judgement, which makes it right whatever is folded twice.
func (s *State) Learn(e *chat.Entry, f store.Fold) {
	if len(s.targets) >= mostTargets {
		clear(s.targets)
	}
	t := &Target{Kind: e.Kind, From: e.From, Gone: e.Gone || f.Recalled != nil, Recalled: f.Recalled != nil}
	if f.Edited != nil {
		t.Edits, t.edited = f.Edits, f.Edited.Seq
	}
	for _, r := range f.Reactions {
		t.react(r, true)
	}
	for _, r := range f.Withdrawn {
		t.react(r, false)
	}
	if s.targets == nil {
		s.targets = make(map[chat.Seq]*Target)
	}
	s.targets[e.Seq] = t
}

// Unlearn forgets all targets.
func (s *State) Unlearn() { clear(s.targets) }

// Suppose takes an entry for appended that is about to be, for the judgement of those
// that come behind it in the same batch, until [State.EndSuppositions].
func (s *State) Suppose(e *chat.Entry) {
	t := s.Target(e.Target)
	if e.Target == 0 || t == nil {
		return
	}
	if s.supposed[e.Target] == nil {
		t = t.clone()
		if s.supposed == nil {
			s.supposed = make(map[chat.Seq]*Target)
		}
		s.supposed[e.Target] = t
	}
	t.apply(e)
}

// EndSuppositions goes back to what is stored.
func (s *State) EndSuppositions() { clear(s.supposed) }
