package store

import (
	"cmp"
	"unicode/utf8"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

// MemberFold is the effect of a members entry on one member document: to be
// written where the document has AsOf < Seq, or there is none.
type MemberFold struct {
	Key  chat.Key
	Seq  chat.Seq
	User chat.User
	Role chat.Role
	// Joins sets Joined = Seq and JoinedCount = Count, and removes Left; Leaves
	// sets Left = Seq. A change of role is neither.
	Joins, Leaves bool
	Count         int64
}

// MemberFolds says what a members entry does to member documents. Other kinds do
// nothing to them, and closing a group is written on the conversation alone.
func MemberFolds(e *chat.Entry) []MemberFold {
	if e.Kind != chat.KindMembers {
		return nil
	}
	f := MemberFold{Key: e.Key, Seq: e.Seq, Count: e.Count}
	switch e.Change {
	case chat.ChangeCreated, chat.ChangeAdded:
		f.Joins = true
	case chat.ChangeRemoved, chat.ChangeLeft:
		f.Leaves = true
	case chat.ChangeRole:
	default:
		return nil
	}
	folds := make([]MemberFold, len(e.Users))
	for i, u := range e.Users {
		folds[i] = f
		folds[i].User, folds[i].Role = u.User, u.Role
	}
	return folds
}

// Apply folds f into m, if m is older. A new document starts as a [chat.Member]
// with only Key and User.
func (f MemberFold) Apply(m *chat.Member) {
	if m.AsOf >= f.Seq {
		return
	}
	m.AsOf, m.Role = f.Seq, f.Role
	if f.Joins {
		m.Joined, m.JoinedCount, m.Left = f.Seq, f.Count, 0
	}
	if f.Leaves {
		m.Left = f.Seq
	}
}

// LastOf is the head that an entry makes.
func LastOf(e *chat.Entry) chat.Last {
	return chat.Last{Seq: e.Seq, Count: e.Count, MV: e.MV, Members: e.Members, Time: e.Time}
}

// PreviewOf is the preview that a message makes; ok is false for other kinds.
func PreviewOf(e *chat.Entry) (p chat.Preview, ok bool) {
	if e.Kind != chat.KindMessage {
		return p, false
	}
	return chat.Preview{Seq: e.Seq, From: e.From, Time: e.Time, Text: previewText(e.Body)}, true
}

// PreviewEditOf is what an edit makes of the preview of its message.
func PreviewEditOf(seq chat.Seq, body []byte) chat.PreviewEdit {
	return chat.PreviewEdit{Seq: seq, Text: previewText(body)}
}

func previewText(body []byte) string {
	var text struct {
		Text string `json:"text"`
	}
	if len(body) == 0 || json.Unmarshal(body, &text) != nil {
		return ""
	}
	return clip(text.Text, chat.PreviewRunes)
}

func clip(s string, runes int) string {
	for i := range s {
		if runes == 0 {
			return s[:i]
		}
		runes--
	}
	if !utf8.ValidString(s) {
		return ""
	}
	return s
}

// ReactionVersion orders the writes of one user's reaction with one emoji: the
// later entry wins, and the lowest bit says whether the reaction is on. Stores
// keep the largest.
func ReactionVersion(seq chat.Seq, on bool) int64 {
	v := int64(seq) * 2
	if on {
		v++
	}
	return v
}

// CompareReactions is the order of reactions in a [Fold].
func CompareReactions(a, b Reaction) int {
	return cmp.Or(cmp.Compare(a.Emoji, b.Emoji), cmp.Compare(a.User, b.User))
}

// LineOf is the journal line of an entry.
func LineOf(e *chat.Entry) JournalLine {
	return JournalLine{Key: e.Key, Seq: e.Seq, Users: e.Concerns}
}
