package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

var conversationTests = []test{
	{"group", createGroup},
	{"direct", createDirect},
	{"with oneself", createSelf},
	{"create again", createAgain},
	{"create more", createMore},
	{"in its own tenant", createTenant},
	{"by key", conversationsByKey},
	{"members by page", membersByPage},
	{"members by user", membersByUser},
	{"memberships by page", membershipsByPage},
}

// fullMember has every field set.
func fullMember(key chat.Key, user chat.User) chat.Member {
	return chat.Member{
		Key: key, User: user, Role: chat.RoleAdmin, AsOf: 7, Joined: 5, JoinedCount: 3, Left: 7,
		Read: 6, ReadCount: 4, Recv: map[chat.Device]chat.Seq{"default": 6, "Phone_2-x": 1<<53 - 1},
		ReadAt: chat.Reached{Seq: 6, Time: epoch0}, RecvAt: chat.Reached{Seq: 1<<53 - 1, Time: epoch0.Add(time.Millisecond)},
	}
}

func createGroup(f *fixture) {
	c := fullConversation(f.key())
	ms := []chat.Member{
		{Key: c.Key, User: "alice", Role: chat.RoleOwner, AsOf: 1, Joined: 1}, fullMember(c.Key, "$b.o.b@example.com"),
	}
	f.ok("create", f.Create(f.ctx, c, ms))
	f.sameConversation(f.conversation(c.Key), c)
	got, err := f.Members(f.ctx, c.Key, "", 10)
	f.ok("members", err)
	f.sameMembers(got, ms)
}

func createDirect(f *fixture) {
	c := conversation(chat.Key{NS: f.ns, Conv: chat.DirectID(f.ns, "a.b", "a.c")})
	c.Kind, c.Users, c.History = chat.Direct, []chat.User{"a.b", "a.c"}, ""
	ms := []chat.Member{{Key: c.Key, User: "a.b", Role: chat.RoleMember}, {Key: c.Key, User: "a.c", Role: chat.RoleMember}}
	f.ok("create", f.Create(f.ctx, c, ms))
	f.sameConversation(f.conversation(c.Key), c)
	got, err := f.MembersByUser(f.ctx, c.Key, c.Users)
	f.ok("members by user", err)
	f.sameMembers(got, ms)
}

func createSelf(f *fixture) {
	c := conversation(chat.Key{NS: f.ns, Conv: chat.DirectID(f.ns, "alice", "alice")})
	c.Kind, c.Users, c.History = chat.Direct, []chat.User{"alice"}, ""
	m := chat.Member{Key: c.Key, User: "alice", Role: chat.RoleMember}
	f.ok("create", f.Create(f.ctx, c, []chat.Member{m}))
	f.sameConversation(f.conversation(c.Key), c)
	f.sameMember(f.member(c.Key, "alice"), m)
}

// createAgain is what a second pod does that has not seen the first, after life
// went on.
func createAgain(f *fixture) {
	c := conversation(f.key())
	c.Title, c.TitleAsOf = "first", 0
	f.ok("create", f.Create(f.ctx, c, []chat.Member{{Key: c.Key, User: "alice", Role: chat.RoleOwner, AsOf: 1, Joined: 1}}))
	e := members(c.Key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner))
	e.Title = "from the log"
	f.put(e, message(c.Key, 2, "hello"), members(c.Key, 3, chat.ChangeLeft, role("alice", chat.RoleOwner)))
	want, member := f.conversation(c.Key), f.member(c.Key, "alice")

	second := fullConversation(c.Key)
	f.ok("create again", f.Create(f.ctx, second, []chat.Member{fullMember(c.Key, "alice")}))
	f.sameConversation(f.conversation(c.Key), want)
	f.sameMember(f.member(c.Key, "alice"), member)
}

// createMore adds only what was missing: a first attempt may have died half way.
func createMore(f *fixture) {
	key := f.key()
	alice := members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner))
	f.put(alice) // makes a member document and nothing else
	c := fullConversation(key)
	f.ok("create", f.Create(f.ctx, c, []chat.Member{fullMember(key, "alice"), fullMember(key, "bob")}))
	f.sameConversation(f.conversation(key), c)
	f.sameMember(f.member(key, "alice"), chat.Member{Key: key, User: "alice", Role: chat.RoleOwner, AsOf: 1, Joined: 1, JoinedCount: 1})
	f.sameMember(f.member(key, "bob"), fullMember(key, "bob"))
}

func createTenant(f *fixture) {
	key := f.group()
	f.put(members(key, 1, chat.ChangeCreated, role("alice", chat.RoleOwner)))
	foreign := chat.Key{NS: ns(), Conv: key.Conv}
	cs, err := f.ConversationsByKey(f.ctx, []chat.Key{foreign})
	f.ok("conversations by key", err)
	same(f, "conversations", len(cs), 0)
	ms, err := f.Members(f.ctx, foreign, "", 10)
	f.ok("members", err)
	same(f, "members", len(ms), 0)
	ms, err = f.MembersByUser(f.ctx, foreign, []chat.User{"alice"})
	f.ok("members by user", err)
	same(f, "members by user", len(ms), 0)
	ms, err = f.Memberships(f.ctx, foreign.NS, "alice", "", 10)
	f.ok("memberships", err)
	same(f, "memberships", len(ms), 0)

	f.ok("create", f.Create(f.ctx, fullConversation(foreign), nil))
	f.sameConversation(f.conversation(foreign), fullConversation(foreign))
	same(f, "title", f.conversation(key).Title, "")
}

func conversationsByKey(f *fixture) {
	a, b, missing := f.group(), f.group(), f.key()
	cs, err := f.ConversationsByKey(f.ctx, []chat.Key{a, missing, b})
	f.ok("conversations by key", err)
	got := []string{}
	for _, c := range cs {
		got = append(got, string(c.Conv))
	}
	want := []string{string(a.Conv), string(b.Conv)}
	slices.Sort(got)
	slices.Sort(want)
	same(f, "conversations", got, want)
	cs, err = f.ConversationsByKey(f.ctx, nil)
	f.ok("conversations of no key", err)
	same(f, "conversations of no key", len(cs), 0)
}

// byteOrder is the order of oddNames by their bytes.
func byteOrder() []chat.User {
	return slices.SortedFunc(slices.Values(oddNames), func(a, b chat.User) int { return strings.Compare(string(a), string(b)) })
}

func membersByPage(f *fixture) {
	c, neighbour := conversation(f.key()), f.group()
	var ms []chat.Member
	for _, u := range oddNames {
		ms = append(ms, chat.Member{Key: c.Key, User: u, Role: chat.RoleMember, Joined: 1})
	}
	ms[3].Left = 9 // who left is still listed
	f.ok("create", f.Create(f.ctx, c, ms))
	f.put(members(neighbour, 1, chat.ChangeCreated, role("a", chat.RoleMember), role("zz", chat.RoleMember)))

	for _, limit := range []int{1, 5, len(ms), 100} {
		got, err := pages(limit, func(after chat.User) ([]chat.Member, error) {
			return f.Members(f.ctx, c.Key, after, limit)
		}, func(m chat.Member) chat.User { return m.User })
		f.ok("members", err)
		same(f, fmt.Sprintf("members by %d", limit), got, byteOrder())
	}
	// A place to start from need not be there.
	got, err := f.Members(f.ctx, c.Key, "a.c", 1)
	f.ok("members", err)
	f.sameMembers(got, []chat.Member{{Key: c.Key, User: "a@b.c", Role: chat.RoleMember, Joined: 1}})
	got, err = f.Members(f.ctx, c.Key, "zzz", 1)
	f.ok("members", err)
	same(f, "members after the last", len(got), 0)
}

// pages reads page after page, and checks that none is too long.
func pages[K ~string](limit int, read func(after K) ([]chat.Member, error), id func(chat.Member) K) ([]K, error) {
	var all []K
	var after K
	for {
		ms, err := read(after)
		if err != nil {
			return nil, err
		}
		if len(ms) > limit || len(all) > 1000 {
			return nil, fmt.Errorf("a page of %d has %d after %d", limit, len(ms), len(all))
		}
		for _, m := range ms {
			all = append(all, id(m))
		}
		if len(ms) < limit {
			return all, nil
		}
		after = all[len(all)-1]
	}
}

func membersByUser(f *fixture) {
	c := conversation(f.key())
	ms := []chat.Member{fullMember(c.Key, "alice"), fullMember(c.Key, "bob.b"), fullMember(c.Key, "$carol")}
	f.ok("create", f.Create(f.ctx, c, ms))
	got, err := f.MembersByUser(f.ctx, c.Key, []chat.User{"$carol", "nobody", "alice"})
	f.ok("members by user", err)
	f.sameMembers(got, []chat.Member{ms[0], ms[2]})
	got, err = f.MembersByUser(f.ctx, c.Key, nil)
	f.ok("members of no user", err)
	same(f, "members of no user", len(got), 0)
}

func membershipsByPage(f *fixture) {
	const user chat.User = "$a.b"
	var want []chat.ConvID
	for i := range 7 {
		key := f.key()
		want = append(want, key.Conv)
		m := chat.Member{Key: key, User: user, Role: chat.RoleMember, Joined: 1, Left: chat.Seq(i % 2)}
		others := []chat.Member{m, {Key: key, User: "$a", Role: chat.RoleMember}, {Key: key, User: "$a.bb", Role: chat.RoleMember}}
		f.ok("create", f.Create(f.ctx, conversation(key), others))
	}
	slices.Sort(want)
	for _, limit := range []int{1, 3, 7, 100} {
		got, err := pages(limit, func(after chat.ConvID) ([]chat.Member, error) {
			return f.Memberships(f.ctx, f.ns, user, after, limit)
		}, func(m chat.Member) chat.ConvID { return m.Conv })
		f.ok("memberships", err)
		same(f, fmt.Sprintf("memberships by %d", limit), got, want)
	}
}
