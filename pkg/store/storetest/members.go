package storetest

import (
	"fmt"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var memberTests = []test{
	{"are made", membersMade},
	{"are found by user", membersFoundByUser},
	{"leave and come back", membersComeBack},
	{"change role", membersRole},
	{"are not folded backwards", membersBackwards},
	{"change twice in a batch", membersTwice},
	{"keep their cursors", membersKeepCursors},
	{"many in one entry", membersMany},
	{"have odd names", membersNames},
}

func role(u chat.User, r chat.Role) chat.UserRole { return chat.UserRole{User: u, Role: r} }

func membersMade(f *fixture) {
	key := f.group()
	created := members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner), role("bob", chat.RoleMember))
	created.Count = 0
	added := members(key, 3, chat.ChangeAdded, role("carol", chat.RoleAdmin))
	added.Count = 1
	f.put(created, message(key, 2, "two"), added)
	f.finish(added, created)
	ms, err := f.Members(f.ctx, key, "", 10)
	f.ok("members", err)
	f.sameMembers(ms, []chat.Member{
		{Key: key, User: "alice", Role: chat.RoleOwner, AsOf: 1, Joined: 1},
		{Key: key, User: "bob", Role: chat.RoleMember, AsOf: 1, Joined: 1},
		{Key: key, User: "carol", Role: chat.RoleAdmin, AsOf: 3, Joined: 3, JoinedCount: 1},
	})
}

func membersFoundByUser(f *fixture) {
	key := f.group()
	f.put(members(key, 1, chat.ChangeAdded, role("bob", chat.RoleMember)))
	ms, err := f.Memberships(f.ctx, f.ns, "bob", "", 10)
	f.ok("memberships", err)
	f.sameMembers(ms, []chat.Member{{Key: key, User: "bob", Role: chat.RoleMember, AsOf: 1, Joined: 1, JoinedCount: 1}})
}

func membersComeBack(f *fixture) {
	key := f.group()
	removed := members(key, 4, chat.ChangeRemoved, role("bob", chat.RoleMember))
	f.put(members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner)),
		members(key, 2, chat.ChangeAdded, role("bob", chat.RoleMember)), message(key, 3, "three"), removed)
	want := chat.Member{Key: key, User: "bob", Role: chat.RoleMember, AsOf: 4, Joined: 2, JoinedCount: 2, Left: 4}
	f.sameMember(f.member(key, "bob"), want)

	again := members(key, 5, chat.ChangeAdded, role("bob", chat.RoleAdmin))
	again.Count = 9
	f.put(again)
	want.Role, want.AsOf, want.Joined, want.JoinedCount, want.Left = chat.RoleAdmin, 5, 5, 9, 0
	f.sameMember(f.member(key, "bob"), want)

	f.put(members(key, 6, chat.ChangeLeft, role("bob", chat.RoleAdmin)))
	want.AsOf, want.Left = 6, 6
	f.finish(removed, again)
	f.sameMember(f.member(key, "bob"), want)
}

func membersRole(f *fixture) {
	key := f.group()
	f.put(members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner), role("bob", chat.RoleMember)),
		members(key, 2, chat.ChangeRole, role("bob", chat.RoleAdmin)))
	f.sameMember(f.member(key, "bob"),
		chat.Member{Key: key, User: "bob", Role: chat.RoleAdmin, AsOf: 2, Joined: 1, JoinedCount: 1})
	f.sameMember(f.member(key, "alice"),
		chat.Member{Key: key, User: "alice", Role: chat.RoleOwner, AsOf: 1, Joined: 1, JoinedCount: 1})
}

func membersBackwards(f *fixture) {
	key := f.group()
	es := []chat.Entry{
		members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner), role("bob", chat.RoleMember)),
		members(key, 2, chat.ChangeRole, role("bob", chat.RoleAdmin)),
		members(key, 3, chat.ChangeRole, role("bob", chat.RoleMember)),
		members(key, 4, chat.ChangeRemoved, role("bob", chat.RoleMember)),
	}
	want := chat.Member{Key: key, User: "bob", Role: chat.RoleMember, AsOf: 3, Joined: 1, JoinedCount: 1}
	f.put(es[0])
	f.appendOnly(es[1:3]...)
	f.finish(es[2], es[1])
	f.sameMember(f.member(key, "bob"), want)

	f.put(es[3])
	f.finish(es[2], es[1], es[0])
	want.AsOf, want.Left = 4, 4
	f.sameMember(f.member(key, "bob"), want)
	f.ok("finish all again", f.Finish(f.ctx, store.Batch{Entries: es}))
	f.sameMember(f.member(key, "bob"), want)
}

// membersTwice: inside one batch the entries count in their order, too.
func membersTwice(f *fixture) {
	key := f.group()
	f.put(
		members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner)),
		members(key, 2, chat.ChangeAdded, role("bob", chat.RoleMember), role("carol", chat.RoleMember)),
		members(key, 3, chat.ChangeRole, role("bob", chat.RoleAdmin)),
		members(key, 4, chat.ChangeRemoved, role("carol", chat.RoleMember)),
		members(key, 5, chat.ChangeAdded, role("carol", chat.RoleAdmin)),
		members(key, 6, chat.ChangeLeft, role("bob", chat.RoleAdmin)),
	)
	f.sameMember(f.member(key, "bob"),
		chat.Member{Key: key, User: "bob", Role: chat.RoleAdmin, AsOf: 6, Joined: 2, JoinedCount: 2, Left: 6})
	f.sameMember(f.member(key, "carol"),
		chat.Member{Key: key, User: "carol", Role: chat.RoleAdmin, AsOf: 5, Joined: 5, JoinedCount: 5})
}

func membersKeepCursors(f *fixture) {
	key := f.group()
	f.put(members(key, 1, chat.ChangeCreated, role("bob", chat.RoleMember)))
	_, err := f.Advance(f.ctx, []store.Move{{Key: key, User: "bob", Device: "phone", Recv: 1, Read: 1, ReadCount: 1}})
	f.ok("advance", err)
	f.put(members(key, 2, chat.ChangeLeft, role("bob", chat.RoleMember)),
		members(key, 3, chat.ChangeAdded, role("bob", chat.RoleMember)))
	f.sameMember(f.member(key, "bob"), chat.Member{
		Key: key, User: "bob", Role: chat.RoleMember, AsOf: 3, Joined: 3, JoinedCount: 3,
		Read: 1, ReadCount: 1, Recv: map[chat.Device]chat.Seq{"phone": 1},
	})
}

// membersMany needs more than one bulk of updates on MongoDB.
func membersMany(f *fixture) {
	const n = 60
	key := f.group()
	var users []chat.UserRole
	var want []chat.Member
	for i := range n {
		u := role(chat.User(fmt.Sprintf("user%03d", i)), chat.RoleMember)
		users = append(users, u)
		want = append(want, chat.Member{Key: key, User: u.User, Role: u.Role, AsOf: 1, Joined: 1, JoinedCount: 1})
	}
	f.put(members(key, 1, chat.ChangeCreated, users...))
	ms, err := f.Members(f.ctx, key, "", n+1)
	f.ok("members", err)
	f.sameMembers(ms, want)
}

func membersNames(f *fixture) {
	key := f.group()
	var users []chat.UserRole
	for _, u := range oddNames {
		users = append(users, role(u, chat.RoleMember))
	}
	f.put(members(key, 1, chat.ChangeCreated, users...))
	for _, u := range oddNames {
		m := f.member(key, u)
		same(f, "user", m.User, u)
		ms, err := f.Memberships(f.ctx, f.ns, u, "", 10)
		f.ok("memberships", err)
		f.sameMembers(ms, []chat.Member{m})
	}
	ms, err := f.Members(f.ctx, key, "", 100)
	f.ok("members", err)
	same(f, "members", len(ms), len(oddNames))
}

// oddNames look like paths, operators, prefixes or other letters of one another.
var oddNames = []chat.User{"a", "A", "a.", "a.b", "a.b.c", "a@b.c", "a+b", "a-b", "a_b", "$set", "a.$", "0", "00", "1"}
