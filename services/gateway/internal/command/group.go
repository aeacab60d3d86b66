package command

import (
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// NewGroup is what a user asks for to make a group.
type NewGroup struct {
	Title   string
	Members []chat.User // without the creator
	CMID    chat.CMID
	History chat.History
}

// CreateGroup makes a group with its creator as owner: a created entry, and where
// the members are too many for one entry, added entries that follow it. The
// commands are to be carried out in order; each may be repeated.
func CreateGroup(a Actor, g NewGroup, lim chat.Limits) ([]*Command, *chat.Error) {
	if cerr := checkTitle(g.Title); cerr != nil {
		return nil, cerr
	}
	if !g.CMID.Valid() {
		return nil, chat.Errorf(chat.CodeBadRequest, `"cmid" (or the Idempotency-Key header) is missing or of the wrong form`)
	}
	switch g.History {
	case "":
		g.History = chat.HistoryJoined
	case chat.HistoryJoined, chat.HistoryAll:
	default:
		return nil, chat.Errorf(chat.CodeBadRequest, `"history" must be "joined" or "all"`)
	}
	members := make([]chat.User, 0, len(g.Members))
	for _, u := range g.Members {
		if !u.Valid() {
			return nil, chat.Errorf(chat.CodeBadRequest, `"members" has an id that is no user's`)
		}
		if u != a.User {
			members = append(members, u)
		}
	}
	slices.Sort(members)
	members = slices.Compact(members)
	if len(members)+1 > lim.Members {
		return nil, chat.Errorf(chat.CodeBadRequest, "a group has at most %d members", lim.Members)
	}

	key := chat.Key{NS: a.NS, Conv: chat.GroupID(a.NS, a.User, g.CMID)}
	users := []chat.UserRole{{User: a.User, Role: chat.RoleOwner}}
	first := members[:min(len(members), chat.UsersPerEntry-1)]
	for _, u := range first {
		users = append(users, chat.UserRole{User: u, Role: chat.RoleMember})
	}
	h := membersHash(chat.ChangeCreated, nil, g.Title)
	h = h.bytes([]byte(g.History))
	for _, u := range members {
		h = h.bytes([]byte(u))
	}
	created := &Command{Key: key, From: a.User, CMID: g.CMID, Hash: h.sum(), Size: 64 * len(users),
		New: &chat.Conversation{Key: key, Kind: chat.Group, Created: now(), Floor: 1, History: g.History, Title: g.Title},
		Judge: func(s *state.State) (chat.Entry, *chat.Error) {
			if s.Tail.Seq != 0 {
				// The cmid is looked up before this is believed: a repeat finds its entry.
				return chat.Entry{}, chat.Errorf(chat.CodeCMIDConflict, "this cmid has made a group already")
			}
			return chat.Entry{Kind: chat.KindMembers, Time: now(), Via: a.Via,
				Change: chat.ChangeCreated, Users: users, Title: g.Title}, nil
		},
	}
	for _, u := range users {
		created.Members = append(created.Members, chat.Member{Key: key, User: u.User, Role: u.Role, Joined: 1})
	}
	commands := []*Command{created}
	for part := range slices.Chunk(members[len(first):], chat.UsersPerEntry) {
		commands = append(commands, addAtCreation(a, key, part))
	}
	return commands, nil
}

// addAtCreation adds what did not fit into the created entry. Its cmid is the
// server's own, so that no client can take it.
func addAtCreation(a Actor, key chat.Key, part []chat.User) *Command {
	var users []chat.UserRole
	for _, u := range part {
		users = append(users, chat.UserRole{User: u, Role: chat.RoleMember})
	}
	return &Command{Key: key, From: a.User, CMID: chat.CMID(fmt.Sprintf("!add:%s:0", part[0])),
		Hash: membersHash(chat.ChangeAdded, users, "").sum(), Size: 64 * len(users),
		Judge: func(s *state.State) (chat.Entry, *chat.Error) {
			if _, cerr := writer(s, a.User); cerr != nil {
				return chat.Entry{}, cerr
			}
			return chat.Entry{Kind: chat.KindMembers, Time: now(), Change: chat.ChangeAdded, Users: users}, nil
		},
	}
}

// SetMember adds a user to a group, or changes a member's role. Handing over
// ownership makes the old owner an admin, in one entry: there is always one owner.
// To be muted is a role: owners and admins give it to members and take it back.
func SetMember(a Actor, conv chat.ConvID, user chat.User, role chat.Role, cmid chat.CMID, lim chat.Limits) *Command {
	h := membersHash("set", []chat.UserRole{{User: user, Role: role}}, "")
	return group(a, conv, cmid, h, func(s *state.State, me chat.Member) (chat.Entry, *chat.Error) {
		target, in := s.Member(user)
		e := chat.Entry{Users: []chat.UserRole{{User: user, Role: role}}}
		if !in {
			e.Change = chat.ChangeAdded
			switch {
			case !leads(s, me), role == chat.RoleOwner, role == chat.RoleAdmin && me.Role != chat.RoleOwner:
				return e, chat.Errorf(chat.CodeForbidden, "only an owner or admin adds members, only the owner adds admins, and who is to own the group is added before")
			case s.Tail.Members >= lim.Members:
				return e, chat.Errorf(chat.CodeForbidden, "the group is full: it has %d members", lim.Members)
			}
			return e, nil
		}
		e.Change = chat.ChangeRole
		switch {
		case leads(s, me) && speaking(role) && speaking(target.Role):
		case me.Role != chat.RoleOwner:
			return e, chat.Errorf(chat.CodeForbidden, "only the owner changes roles, and owners and admins mute members")
		case target.Role == chat.RoleOwner && role != chat.RoleOwner:
			return e, chat.Errorf(chat.CodeForbidden, "a group needs an owner: make somebody else the owner instead")
		case role == chat.RoleOwner && user != a.User:
			e.Users = append(e.Users, chat.UserRole{User: a.User, Role: chat.RoleAdmin})
		}
		return e, nil
	})
}

// speaking reports whether a role only says whether its member may write.
func speaking(r chat.Role) bool { return r == chat.RoleMember || r == chat.RoleMuted }

// RemoveMember removes somebody from a group. Removing oneself is leaving.
func RemoveMember(a Actor, conv chat.ConvID, user chat.User, cmid chat.CMID) *Command {
	h := membersHash("remove", []chat.UserRole{{User: user}}, "")
	return group(a, conv, cmid, h, func(s *state.State, me chat.Member) (chat.Entry, *chat.Error) {
		target, in := s.Member(user)
		e := chat.Entry{Change: chat.ChangeRemoved, Users: []chat.UserRole{{User: user, Role: target.Role}}}
		switch {
		case user == a.User:
			return leaving(me)
		case !leads(s, me):
			return e, chat.Errorf(chat.CodeForbidden, "only an owner or admin removes members")
		case !in:
			return e, chat.Errorf(chat.CodeNotFound, "no such member")
		case target.Role == chat.RoleOwner, target.Role == chat.RoleAdmin && me.Role != chat.RoleOwner:
			return e, chat.Errorf(chat.CodeForbidden, "an admin cannot remove an owner or admin")
		}
		return e, nil
	})
}

func leaving(me chat.Member) (chat.Entry, *chat.Error) {
	e := chat.Entry{Change: chat.ChangeLeft, Users: []chat.UserRole{{User: me.User, Role: me.Role}}}
	if me.Role == chat.RoleOwner {
		return e, chat.Errorf(chat.CodeForbidden, "the owner cannot leave: make somebody else the owner, or close the group")
	}
	return e, nil
}

// LeaveOrClose leaves a group, or closes it if one owns it.
func LeaveOrClose(a Actor, conv chat.ConvID, cmid chat.CMID) *Command {
	return group(a, conv, cmid, membersHash("leave", nil, ""), func(s *state.State, me chat.Member) (chat.Entry, *chat.Error) {
		if me.Role == chat.RoleOwner {
			return chat.Entry{Change: chat.ChangeClosed}, nil
		}
		return leaving(me)
	})
}

// Rename gives a group another title.
func Rename(a Actor, conv chat.ConvID, title string, cmid chat.CMID) (*Command, *chat.Error) {
	if cerr := checkTitle(title); cerr != nil {
		return nil, cerr
	}
	h := membersHash(chat.ChangeRenamed, nil, title)
	return group(a, conv, cmid, h, func(s *state.State, me chat.Member) (chat.Entry, *chat.Error) {
		if !leads(s, me) {
			return chat.Entry{}, chat.Errorf(chat.CodeForbidden, "only an owner or admin renames a group")
		}
		return chat.Entry{Change: chat.ChangeRenamed, Title: title}, nil
	}), nil
}

// group is a command that appends a members entry; judge is only asked about
// present members of an open group.
func group(a Actor, conv chat.ConvID, cmid chat.CMID, h hasher,
	judge func(s *state.State, me chat.Member) (chat.Entry, *chat.Error)) *Command {
	return &Command{Key: chat.Key{NS: a.NS, Conv: conv}, From: a.User, CMID: cmid, Hash: h.sum(), Size: 256,
		Judge: func(s *state.State) (chat.Entry, *chat.Error) {
			me, cerr := writer(s, a.User)
			if cerr != nil {
				return chat.Entry{}, cerr
			}
			if s.Kind != chat.Group {
				return chat.Entry{}, chat.Errorf(chat.CodeBadRequest, "a direct conversation has no members to change, no title, and no end")
			}
			e, cerr := judge(s, me)
			e.Kind, e.Time, e.Via = chat.KindMembers, now(), a.Via
			return e, cerr
		},
	}
}

func checkTitle(title string) *chat.Error {
	if title == "" || len(title) > chat.MaxTitle {
		return chat.Errorf(chat.CodeBadRequest, `"title" must have 1 to %d bytes`, chat.MaxTitle)
	}
	return nil
}

func membersHash(change chat.Change, users []chat.UserRole, title string) hasher {
	h := newHash(chat.KindMembers)
	h = h.bytes([]byte(change))
	h = h.bytes([]byte(title))
	for _, u := range users {
		h = h.bytes([]byte(u.User))
		h = h.bytes([]byte(u.Role))
	}
	return h
}
