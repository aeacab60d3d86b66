package command

import (
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// Edit is the command of an edit frame: another body for one's own message.
func Edit(a Actor, f *wire.Edit) *Command {
	h := newHash(chat.KindEdited)
	h = h.number(int64(*f.Target))
	h = h.bytes(f.Body)
	c := aimed(a, f.Conv, *f.Target, f.CMID, h)
	c.Size += len(f.Body)
	body := []byte(f.Body)
	c.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		e := chat.Entry{Kind: chat.KindEdited, Time: now(), Via: a.Via, Target: c.Target, Body: body}
		m, cerr := speaker(s, a.User)
		if cerr != nil {
			return e, cerr
		}
		t, cerr := message(s, m, c.Target)
		switch {
		case cerr != nil:
		case t.From != a.User:
			cerr = chat.Errorf(chat.CodeForbidden, "one can only edit one's own messages")
		case t.Edits >= chat.MaxEdits:
			cerr = chat.Errorf(chat.CodeForbidden, "the message was edited %d times, which is the most", chat.MaxEdits)
		}
		return e, cerr
	}
	return c
}

// Recall is the command of a recall frame: one's own message, or as an owner or admin
// of a group anybody's, is taken back. Also somebody who is muted may take back.
func Recall(a Actor, f *wire.Recall) *Command {
	h := newHash(chat.KindRecalled)
	h = h.number(int64(*f.Target))
	c := aimed(a, f.Conv, *f.Target, f.CMID, h)
	c.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		e := chat.Entry{Kind: chat.KindRecalled, Time: now(), Via: a.Via, Target: c.Target}
		m, cerr := writer(s, a.User)
		if cerr != nil {
			return e, cerr
		}
		t, cerr := message(s, m, c.Target)
		if cerr == nil && t.From != a.User && !leads(s, m) {
			cerr = chat.Errorf(chat.CodeForbidden, "only its sender, or an owner or admin of a group, recalls a message")
		}
		return e, cerr
	}
	return c
}

// React is the command of a react frame. Switching on what is on, or off what is off
// again, is harmless; switching off what never was is refused: it would leave a trace.
func React(a Actor, f *wire.React) *Command {
	h := newHash(chat.KindReacted)
	h = h.number(int64(*f.Target))
	h = h.string(f.Emoji)
	on, emoji := *f.On, f.Emoji
	if on {
		h = h.number(1)
	}
	c := aimed(a, f.Conv, *f.Target, f.CMID, h)
	c.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		e := chat.Entry{Kind: chat.KindReacted, Time: now(), Via: a.Via, Target: c.Target, Emoji: emoji, On: on}
		m, cerr := speaker(s, a.User)
		if cerr != nil {
			return e, cerr
		}
		t, cerr := message(s, m, c.Target)
		if cerr == nil {
			cerr = mayReact(t, a.User, emoji, on)
		}
		return e, cerr
	}
	return c
}

// mayReact keeps what a store has to hold of one message bounded: also of a reaction
// that was switched off again it keeps when.
func mayReact(t *state.Target, u chat.User, emoji string, on bool) *chat.Error {
	if t.Reaction(store.Reaction{Emoji: emoji, User: u}) {
		return nil
	}
	n, distinct := t.Reactions()
	switch {
	case !on:
		return chat.Errorf(chat.CodeNotFound, "you have no such reaction to this message")
	case n >= chat.MaxReactions:
		return chat.Errorf(chat.CodeForbidden, "the message has had %d reactions, which is the most", chat.MaxReactions)
	case distinct >= chat.MaxEmoji && !t.HasEmoji(emoji):
		return chat.Errorf(chat.CodeForbidden, "the message has had reactions with %d different emoji, which is the most", chat.MaxEmoji)
	}
	return nil
}

// aimed is a command that aims at a message.
func aimed(a Actor, conv chat.ConvID, target chat.Seq, cmid chat.CMID, h hasher) *Command {
	return &Command{Key: chat.Key{NS: a.NS, Conv: conv}, From: a.User, CMID: cmid, Hash: h.sum(), Size: 256, Target: target}
}

// message is what is known of a message that m may see and that is not gone.
func message(s *state.State, m chat.Member, seq chat.Seq) (*state.Target, *chat.Error) {
	t := s.Target(seq)
	switch {
	case seq < s.Floor:
		return nil, chat.Errorf(chat.CodeNotFound, "message %d is gone", seq)
	case seq > s.Tail.Seq, seq < s.Start(m), t == nil, t.Kind != chat.KindMessage:
		return nil, chat.Errorf(chat.CodeNotFound, "there is no message %d that you can see", seq)
	case t.Recalled:
		return nil, chat.Errorf(chat.CodeNotFound, "message %d was recalled", seq)
	case t.Gone:
		return nil, chat.Errorf(chat.CodeNotFound, "message %d is gone", seq)
	}
	return t, nil
}

// speaker is a writer who is not muted.
func speaker(s *state.State, u chat.User) (chat.Member, *chat.Error) {
	m, cerr := writer(s, u)
	if cerr == nil && m.Role == chat.RoleMuted {
		cerr = chat.Errorf(chat.CodeForbidden, "you are muted in this group")
	}
	return m, cerr
}

// leads reports whether a member is an owner or admin of a group.
func leads(s *state.State, m chat.Member) bool {
	return s.Kind == chat.Group && (m.Role == chat.RoleOwner || m.Role == chat.RoleAdmin)
}

// mayMention checks that those who are mentioned are members.
func mayMention(s *state.State, m chat.Member, users []chat.User) *chat.Error {
	for _, u := range users {
		if u == chat.MentionAll {
			if s.Kind != chat.Group {
				return chat.Errorf(chat.CodeBadRequest, `"mentions" of everybody is for groups`)
			}
			if !leads(s, m) {
				return chat.Errorf(chat.CodeForbidden, "only an owner or admin mentions everybody")
			}
			continue
		}
		if _, ok := s.Member(u); !ok {
			return chat.Errorf(chat.CodeBadRequest, `"mentions" has a user who is not a member`)
		}
	}
	return nil
}
