// Package command is step 3 of a message's way: what a client asks for, as
// something that can be judged against a conversation. A judgement does no I/O
// and depends on nothing but the state that it is given, because it is made
// again after every lost race.
package command

import (
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// Actor is who asks.
type Actor struct {
	NS   chat.NS
	User chat.User
	Via  string // the service that asks in the user's name; "" if the user does
	// Directs remembers whom the actor writes to; nil: nobody does.
	Directs *Directs
}

// Command is a checked request to append one entry.
type Command struct {
	Key   chat.Key
	From  chat.User
	CMID  chat.CMID
	Hash  chat.Hash
	Size  int // bytes, about
	Judge func(s *state.State) (chat.Entry, *chat.Error)
	// Target is the entry that the command aims at; 0: none. The state that Judge is
	// given knows what became of it, if there is such an entry.
	Target chat.Seq

	// New and its Members describe the conversation to make where there is none.
	New     *chat.Conversation
	Members []chat.Member
}

// now is an entry's time: whole milliseconds, as frames show it.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// at is now for a judgement. Those of one flush share it.
func at(s *state.State) time.Time {
	if s.Now.IsZero() {
		return now()
	}
	return s.Now
}

// Send is the command of a send frame.
func Send(a Actor, f *wire.Send) *Command {
	c := &Command{Key: chat.Key{NS: a.NS, Conv: f.Conv}, From: a.User, CMID: f.CMID, Size: len(f.Body) + 256}
	if f.To != "" {
		c.direct(a, f.To)
	}
	replyTo := chat.Seq(0)
	if f.ReplyTo != nil {
		replyTo = *f.ReplyTo
	}
	var small smallHash
	h := hasher(small[:0]).string(string(chat.KindMessage)).bytes(f.Body).number(int64(replyTo))
	for _, u := range f.Mentions {
		h = h.string(string(u))
	}
	c.Hash = h.sum()
	body, mentions, silent := []byte(f.Body), f.Mentions, f.Silent
	c.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		m, cerr := speaker(s, a.User)
		if cerr != nil {
			return chat.Entry{}, cerr
		}
		if replyTo != 0 && (replyTo > s.Tail.Seq || replyTo < s.Start(m)) {
			return chat.Entry{}, chat.Errorf(chat.CodeBadRequest, `"reply_to" is not an entry that you can see`)
		}
		if cerr := mayMention(s, m, mentions); cerr != nil {
			return chat.Entry{}, cerr
		}
		return chat.Entry{Kind: chat.KindMessage, Time: at(s), Via: a.Via,
			Body: body, ReplyTo: replyTo, Mentions: mentions, Silent: silent}, nil
	}
	return c
}

// direct aims the command at the direct conversation with peer, which is made if
// it is not there.
func (c *Command) direct(a Actor, peer chat.User) {
	var d *direct
	if a.Directs != nil {
		d = a.Directs.of(a, peer)
	} else {
		d = newDirect(a, peer)
	}
	c.Key, c.New, c.Members = d.conversation.Key, &d.conversation, d.members
}

// writer is the member that may write; the error says why u may not. To somebody
// who never was a member the conversation does not exist.
func writer(s *state.State, u chat.User) (chat.Member, *chat.Error) {
	m, ok := s.Member(u)
	switch {
	case !s.Knows(u), s.Kind == chat.Group && s.Tail.Seq == 0:
		return m, chat.Errorf(chat.CodeNotFound, "no such conversation")
	case s.Closed != 0:
		return m, chat.Errorf(chat.CodeForbidden, "the group is closed")
	case !ok:
		return m, chat.Errorf(chat.CodeForbidden, "you are not a member any more")
	case slices.Contains(s.Blocked, u):
		return m, chat.Errorf(chat.CodeForbidden, "this user does not take messages from you")
	}
	return m, nil
}

// hasher makes the fingerprint of what a client asks for. Every part is preceded
// by its length, so that no two requests run together. It is what was written so far;
// each method returns it with more.
type hasher []byte

// smallHash is room for what most requests have. Who asks often brings it along, so
// that it needs no memory of its own.
type smallHash [512]byte

func newHash(kind chat.Kind) hasher { return hasher(nil).string(string(kind)) }

func (h hasher) bytes(b []byte) hasher {
	return append(binary.AppendUvarint(h, uint64(len(b))), b...)
}

func (h hasher) string(s string) hasher {
	return append(binary.AppendUvarint(h, uint64(len(s))), s...)
}

func (h hasher) number(n int64) hasher { return binary.AppendVarint(h, n) }

func (h hasher) sum() chat.Hash {
	full := sha256.Sum256(h)
	return chat.Hash(full[:16])
}
