package store

import (
	"cmp"
	"strings"
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
	p = chat.Preview{Seq: e.Seq, From: e.From, Time: e.Time, Gone: e.Gone}
	if !p.Gone {
		p.Text, p.Files, p.FileName, p.FileType = previewBody(e.Body)
	}
	return p, true
}

// PreviewEditOf is what an edit makes of the preview of its message.
func PreviewEditOf(seq chat.Seq, body []byte) chat.PreviewEdit {
	e := chat.PreviewEdit{Seq: seq}
	e.Text, e.Files, e.FileName, e.FileType = previewBody(body)
	return e
}

// previewBody is what lists show of a body.
func previewBody(b []byte) (text string, files int, name, typ string) {
	var body struct {
		Text        string `json:"text"`
		Attachments []struct {
			Name string `json:"name"`
			Type string `json:"type"`
		} `json:"attachments"`
	}
	if len(b) == 0 || json.Unmarshal(b, &body) != nil {
		return "", 0, "", ""
	}
	kind := func(mime string) string { k, _, _ := strings.Cut(mime, "/"); return k }
	for i, a := range body.Attachments {
		switch {
		case i == 0:
			name, typ = a.Name, a.Type
		case kind(a.Type) != kind(typ):
			typ = ""
		}
	}
	return clip(body.Text, chat.PreviewRunes), len(body.Attachments), name, typ
}

// Blanked is a preview whose message was taken back.
func Blanked(p chat.Preview) chat.Preview {
	return chat.Preview{Seq: p.Seq, From: p.From, Time: p.Time, Gone: true}
}

// EventOf is the event that a members entry makes; ok is false for other kinds.
// Who makes a group, or hands it over, is named by From.
func EventOf(e *chat.Entry) (v chat.Event, ok bool) {
	if e.Kind != chat.KindMembers {
		return v, false
	}
	v = chat.Event{Seq: e.Seq, From: e.From, Time: e.Time, Change: e.Change}
	for _, u := range e.Users {
		if u.User == e.From && len(e.Users) > 1 {
			continue
		}
		if v.Users++; v.Users == 1 {
			v.User, v.Role = u.User, u.Role
		}
	}
	return v, true
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
