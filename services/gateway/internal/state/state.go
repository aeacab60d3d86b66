// Package state is a conversation as of a seq: what a command is judged against,
// and what the next entry's running values follow from. It is folded from the
// log, one entry after the other, and does no I/O.
package state

import (
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// State is a conversation as of Tail. It is not safe for concurrent use: whoever
// appends to the conversation owns it.
type State struct {
	chat.Conversation                           // Last and Preview are as loaded: use Tail
	Tail              chat.Last                 // running values of the last entry folded
	members           map[chat.User]chat.Member // those who left included; Read and Recv are not kept up to date
	few               []chat.User               // Present, if it was asked for; never written to
	// Blocked are those whom the other end of a direct conversation has blocked, among
	// those who have commands in the flush that asks: it is looked up for every flush,
	// and is no part of what is folded from the log.
	Blocked []chat.User
	// Now is the time of what is judged; zero: that of the judgement. It is set for a
	// flush, and is no part of what is folded from the log either.
	Now time.Time

	targets  map[chat.Seq]*Target // what commands aim at, as of Tail
	supposed map[chat.Seq]*Target // as of the last entry supposed
}

// New is the state of a conversation as its documents have it, as of c.Last.
// Members that are ahead of that are right too: folds are fenced.
func New(c chat.Conversation, members []chat.Member) *State {
	s := &State{Conversation: c, Tail: c.Last, members: make(map[chat.User]chat.Member, len(members))}
	if c.Last.Seq == 0 {
		s.Tail.Members = len(c.Users) // direct: the two ends are there before the first entry
	}
	for _, m := range members {
		m.Recv = nil
		s.members[m.User] = m
	}
	return s
}

// Member returns a present member.
func (s *State) Member(u chat.User) (chat.Member, bool) {
	m, ok := s.members[u]
	return m, ok && m.Left == 0
}

// Size is how many members it holds, those who left included.
func (s *State) Size() int { return len(s.members) }

// Knows reports whether u is or ever was a member: to anybody else the
// conversation does not exist.
func (s *State) Knows(u chat.User) bool {
	_, ok := s.members[u]
	return ok
}

// Present lists the present members, in order of id.
func (s *State) Present() []chat.User {
	var users []chat.User
	for u, m := range s.members {
		if m.Left == 0 {
			users = append(users, u)
		}
	}
	slices.Sort(users)
	return users
}

// Audience is who may see the entry that comes after Tail: the present members, and
// those whom it names. Nil: more than most. The list is not to be changed.
func (s *State) Audience(e *chat.Entry, most int) []chat.User {
	switch {
	case s.Kind == chat.Direct:
		return s.Users
	case s.Tail.Members > most || len(e.Users) > most:
		return nil
	case s.few == nil:
		s.few = s.Present()
	}
	users := slices.Clip(s.few)
	for _, u := range e.Users {
		if _, in := s.Member(u.User); !in {
			users = append(users, u.User)
		}
	}
	if len(users) > most {
		return nil
	}
	return users
}

// Start is the first seq that a member may see.
func (s *State) Start(m chat.Member) chat.Seq {
	if s.History == chat.HistoryAll {
		return s.Floor
	}
	return max(m.Joined, s.Floor)
}

// Next fills in an entry's place and running values, as the one after tail.
func (s *State) Next(e *chat.Entry, tail chat.Last) {
	e.Key = s.Key
	e.Seq = tail.Seq + 1
	e.Count, e.MV, e.Members = tail.Count, tail.MV, tail.Members
	switch e.Kind {
	case chat.KindMessage:
		e.Count++
	case chat.KindMembers:
		e.MV = e.Seq
		e.Members = s.membersAfter(e)
		e.Concerns = concerned(e)
	}
	if s.Kind == chat.Direct {
		e.Concerns = s.Users
	}
}

// Complete adds to an entry that was read from the log what the log does not
// hold: whom it concerns.
func (s *State) Complete(e *chat.Entry) {
	if s.Kind == chat.Direct {
		e.Concerns = s.Users
	} else if e.Kind == chat.KindMembers {
		e.Concerns = concerned(e)
	}
}

func concerned(e *chat.Entry) []chat.User {
	users := make([]chat.User, len(e.Users))
	for i, u := range e.Users {
		users[i] = u.User
	}
	return users
}

func (s *State) membersAfter(e *chat.Entry) int {
	switch e.Change {
	case chat.ChangeClosed:
		return 0
	case chat.ChangeCreated:
		return len(e.Users)
	}
	n := s.Tail.Members
	for _, f := range store.MemberFolds(e) {
		_, in := s.Member(f.User)
		switch {
		case f.Joins && !in:
			n++
		case f.Leaves && in:
			n--
		}
	}
	return n
}

// Fold moves the state past e, which must be the entry after Tail.
func (s *State) Fold(e *chat.Entry) {
	s.Tail = store.LastOf(e)
	if t := s.targets[e.Target]; t != nil {
		t.apply(e)
	}
	for _, f := range store.MemberFolds(e) {
		m := s.members[f.User]
		m.Key, m.User = f.Key, f.User
		f.Apply(&m)
		s.members[f.User] = m
		s.few = nil
	}
	switch e.Change {
	case chat.ChangeCreated, chat.ChangeRenamed:
		s.Title, s.TitleAsOf = e.Title, e.Seq
	case chat.ChangeClosed:
		s.Closed = e.Seq
	}
}
