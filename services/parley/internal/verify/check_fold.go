package verify

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// The checks of what changes messages, which I1 and I4 speak of: a refusal means that
// nothing was stored, and the folded view is what the log folds to.

// shownUsers is how many users of a reaction are compared; its count is of all.
const shownUsers = 100

// refusedIsNot: what got a final error is not stored; and a message that was not found
// when it was to be changed had been recalled.
func (j *judge) refusedIsNot(l *ClientLog, e *Event) {
	k := command{l.User, e.CMID}
	a := j.asked[k]
	if a == nil {
		return
	}
	conv := a.fact.Conv
	if facts := j.byCommand[conv][k]; len(facts) > 0 {
		j.violated(conv, facts[0].Seq, j.about(k), "refused with %s, and stored as seq %d", e.Code, facts[0].Seq)
	}
	if a.fact.Target == 0 || e.Code != string(chat.CodeNotFound) {
		return
	}
	recalled := slices.ContainsFunc(j.entries(conv), func(f Fact) bool {
		return f.Type == string(chat.KindRecalled) && f.Target == a.fact.Target
	})
	if !recalled {
		j.violated(conv, a.fact.Target, j.about(k), "refused with %s, and message %d was never recalled", e.Code, a.fact.Target)
	}
}

func (j *judge) entries(conv chat.ConvID) []Fact {
	if c := j.Convs[conv]; c != nil {
		return c.Entries
	}
	return nil
}

// folding is what a log makes of one message.
type folding struct {
	Folded
	edits []*Fact
	on    map[string]map[chat.User]bool
}

// messagesAreFolded: every message is shown as the entries that name it have left it,
// and of what was recalled nothing can be read.
func (j *judge) messagesAreFolded(conv chat.ConvID) {
	folds := map[chat.Seq]*folding{}
	c := j.Convs[conv]
	for i := range c.Entries {
		f := &c.Entries[i]
		if f.Target == 0 {
			continue
		}
		m := folds[f.Target]
		if m == nil {
			m = &folding{on: map[string]map[chat.User]bool{}}
			folds[f.Target] = m
		}
		if m.Recalled != 0 {
			j.violated(conv, f.Seq, []string{f.line("stored")}, "seq %d is %s of message %d, which seq %d had recalled", f.Seq, f.Type, f.Target, m.Recalled)
			continue
		}
		if t := j.stored[conv][f.Target]; t == nil || t.Type != string(chat.KindMessage) || t.Seq >= f.Seq {
			j.violated(conv, f.Seq, []string{f.line("stored")}, "seq %d is %s of seq %d, which was no message then", f.Seq, f.Type, f.Target)
		}
		m.take(f)
	}
	for target, m := range folds {
		if t := j.stored[conv][target]; m.Recalled != 0 && t != nil {
			for _, f := range append([]*Fact{t}, m.edits...) {
				if !f.Gone {
					j.violated(conv, f.Seq, []string{f.line("stored")}, "seq %d can be read, and message %d was recalled", f.Seq, target)
				}
			}
		}
	}
	for i := range c.Messages {
		if f := &c.Messages[i]; f.Folded != nil {
			j.isFolded(f, folds[f.Seq])
		}
	}
}

func (m *folding) take(f *Fact) {
	switch chat.Kind(f.Type) {
	case chat.KindEdited:
		m.Edited = f.Seq
		m.edits = append(m.edits, f)
	case chat.KindRecalled:
		m.Recalled, m.By = f.Seq, f.From
	case chat.KindReacted:
		if m.on[f.Emoji] == nil {
			m.on[f.Emoji] = map[chat.User]bool{}
		}
		if f.On {
			m.on[f.Emoji][f.From] = true
		} else {
			delete(m.on[f.Emoji], f.From)
		}
	}
}

// isFolded compares a message of the folded view with what the log makes of it; m is
// nil where no entry names it.
func (j *judge) isFolded(f *Fact, m *folding) {
	var want Folded
	if m != nil {
		want = m.Folded
		var list []wire.ReactionFold
		for emoji, users := range m.on {
			r := wire.ReactionFold{Emoji: emoji, Count: len(users)}
			for u := range users {
				r.Users = append(r.Users, u)
			}
			list = append(list, r)
		}
		want.Reactions = reactionsOf(list)
	}
	stored := j.stored[f.Conv][f.Seq]
	trace := []string{f.line("GET messages")}
	switch {
	case stored == nil: // compare speaks of it
	case *f.Folded != want:
		j.violated(f.Conv, f.Seq, trace, "GET messages shows %+v, the log folds to %+v", *f.Folded, want)
	case f.Gone != (stored.Gone || want.Recalled != 0):
		j.violated(f.Conv, f.Seq, trace, "GET messages and the log differ about whether message %d is gone", f.Seq)
	case f.Gone:
	case want.Edited != 0 && f.Body != m.edits[len(m.edits)-1].Body:
		j.violated(f.Conv, f.Seq, append(trace, m.edits[len(m.edits)-1].line("stored")), "GET messages does not show the last edit of message %d", f.Seq)
	case want.Edited == 0 && f.Body != stored.Body:
		j.violated(f.Conv, f.Seq, append(trace, stored.line("stored")), "GET messages shows message %d with another body", f.Seq)
	}
}

// foldedOf is the message of a page of the folded view.
func foldedOf(m *wire.Message) Fact {
	f := factOf(&m.Entry)
	f.Folded = &Folded{Reactions: reactionsOf(m.Reactions)}
	if m.Edited != nil {
		f.Folded.Edited = m.Edited.Seq
	}
	if m.Recalled != nil {
		f.Folded.Recalled, f.Folded.By = m.Recalled.Seq, m.Recalled.By
	}
	return f
}

// reactionsOf writes reactions so that they can be compared: those that somebody has,
// by emoji, and of each the first users by id.
func reactionsOf(list []wire.ReactionFold) string {
	list = slices.DeleteFunc(slices.Clone(list), func(r wire.ReactionFold) bool { return r.Count == 0 })
	slices.SortFunc(list, func(a, b wire.ReactionFold) int { return cmp.Compare(a.Emoji, b.Emoji) })
	var b strings.Builder
	for _, r := range list {
		users := slices.Sorted(slices.Values(r.Users))
		fmt.Fprintf(&b, "%s %d %s;", r.Emoji, r.Count, users[:min(len(users), shownUsers)])
	}
	return b.String()
}
