package storetest

import (
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var cursorTests = []test{
	{"advance and stay", advance},
	{"when a position was reached", advanceTimes},
	{"where a new device begins", advancePlaced},
	{"of no member", advanceNobody},
	{"several of one member", advanceSeveral},
	{"nothing", advanceNothing},
	{"of one who left", advanceLeft},
	{"many", advanceMany},
}

// joined makes a group with members who joined at 1.
func (f *fixture) joined(users ...chat.User) chat.Key {
	f.Helper()
	c := conversation(f.key())
	f.ok("create", f.Create(f.ctx, c, joinedMembers(c.Key, users...)))
	return c.Key
}

func joinedMembers(key chat.Key, users ...chat.User) []chat.Member {
	var ms []chat.Member
	for _, u := range users {
		ms = append(ms, chat.Member{Key: key, User: u, Role: chat.RoleMember, AsOf: 1, Joined: 1})
	}
	return ms
}

// moves advances, and checks what comes back and what is stored.
func (f *fixture) moves(want chat.Member, moves ...store.Move) {
	f.Helper()
	got, err := f.Advance(f.ctx, moves)
	f.ok("advance", err)
	f.sameMembers(got, []chat.Member{want})
	f.sameMember(f.member(want.Key, want.User), want)
}

func advance(f *fixture) {
	key := f.joined("bob.b", "alice")
	want := joinedMembers(key, "bob.b")[0]
	move := func(device chat.Device, recv, read chat.Seq, count int64) {
		f.Helper()
		f.moves(want, store.Move{Key: key, User: "bob.b", Device: device, Recv: recv, Read: read, ReadCount: count})
	}
	want.Recv = map[chat.Device]chat.Seq{"phone": 5}
	move("phone", 5, 0, 0)
	want.Read, want.ReadCount = 3, 2
	move("", 0, 3, 2)
	move("phone", 4, 2, 1) // all behind
	want.Recv["phone"] = 6
	move("phone", 6, 1, 1) // each by itself
	want.Read, want.ReadCount = 9, 7
	move("phone", 2, 9, 7)
	want.Recv["Other_device-2"] = 1
	move("Other_device-2", 1, 0, 0)
	want.Recv["phone"], want.Read, want.ReadCount = chat.MaxSeq, chat.MaxSeq, int64(chat.MaxSeq)
	move("phone", chat.MaxSeq, chat.MaxSeq, int64(chat.MaxSeq))
	f.sameMember(f.member(key, "alice"), joinedMembers(key, "alice")[0])
}

// advanceTimes checks that times belong to the furthest moves that have one, and to
// the first of them that came there, in whatever order they arrive.
func advanceTimes(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	move := func(device chat.Device, recv, read chat.Seq, at time.Time) {
		f.Helper()
		f.moves(want, store.Move{Key: key, User: "bob", Device: device, Recv: recv, Read: read, ReadCount: int64(read), Time: at})
	}
	ms := func(n int) time.Time { return epoch0.Add(time.Duration(n) * time.Millisecond) }
	want.Recv, want.RecvAt = map[chat.Device]chat.Seq{"phone": 5}, chat.Reached{Seq: 5, Time: ms(10)}
	move("phone", 5, 0, ms(10))
	move("phone", 5, 0, ms(20)) // said again
	move("phone", 3, 0, ms(5))
	want.Recv["web"], want.RecvAt.Time = 5, ms(7)
	move("web", 5, 0, ms(7)) // another device was there before, and is heard late
	want.Read, want.ReadCount, want.ReadAt = 4, 4, chat.Reached{Seq: 4, Time: ms(30)}
	move("", 0, 4, ms(30))
	want.Read, want.ReadCount = 6, 6
	move("", 0, 6, time.Time{}) // nobody knows when
	want.ReadAt = chat.Reached{Seq: 5, Time: ms(40)}
	move("", 0, 5, ms(40))
	want.Recv["phone"], want.Read, want.ReadCount = 9, 9, 9
	want.ReadAt, want.RecvAt = chat.Reached{Seq: 9, Time: ms(25)}, chat.Reached{Seq: 9, Time: ms(25)}
	move("phone", 9, 9, ms(25)) // further on, and by another clock
}

// advancePlaced checks that a place gives way to the first position, that it is not
// put over one, and that of two the nearer to the beginning stays.
func advancePlaced(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	move := func(device chat.Device, recv chat.Seq) {
		f.Helper()
		f.moves(want, store.Move{Key: key, User: "bob", Device: device, Recv: recv})
	}
	want.Recv = map[chat.Device]chat.Seq{"phone": -10}
	move("phone", -10)
	move("phone", -12)
	want.Recv["phone"] = -8
	move("phone", -8)
	want.Recv["web"] = -chat.MaxSeq
	move("web", -chat.MaxSeq)
	want.Recv["phone"] = 3
	move("phone", 3)
	move("phone", -2)
	f.ok("drop device", f.DropDevice(f.ctx, key.NS, "bob", "web"))
	delete(want.Recv, "web")
	move("phone", 1)
}

func advanceNobody(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	want.Read, want.ReadCount = 1, 1
	f.moves(want,
		store.Move{Key: key, User: "nobody", Device: "d", Recv: 1},
		store.Move{Key: key, User: "bob", Read: 1, ReadCount: 1},
		store.Move{Key: f.key(), User: "bob", Read: 1, ReadCount: 1})
	got, err := f.MembersByUser(f.ctx, key, []chat.User{"nobody"})
	f.ok("members by user", err)
	same(f, "members made by a move", len(got), 0)
	ms, err := f.Memberships(f.ctx, f.ns, "nobody", "", 10)
	f.ok("memberships", err)
	same(f, "memberships made by a move", len(ms), 0)
}

func advanceSeveral(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	want.Read, want.ReadCount = 4, 3
	want.Recv = map[chat.Device]chat.Seq{"phone": 7, "web": 2}
	f.moves(want,
		store.Move{Key: key, User: "bob", Device: "phone", Recv: 7},
		store.Move{Key: key, User: "bob", Read: 4, ReadCount: 3},
		store.Move{Key: key, User: "bob", Device: "web", Recv: 2},
		store.Move{Key: key, User: "bob", Device: "phone", Recv: 6, Read: 1, ReadCount: 1})
}

func advanceNothing(f *fixture) {
	got, err := f.Advance(f.ctx, nil)
	f.ok("advance nothing", err)
	same(f, "members", len(got), 0)
	key := f.joined("bob")
	f.moves(joinedMembers(key, "bob")[0], store.Move{Key: key, User: "bob"})
}

func advanceLeft(f *fixture) {
	key := f.joined("bob")
	f.put(message(key, 1, "one"), members(key, 2, chat.ChangeLeft, role("bob", chat.RoleMember)))
	want := f.member(key, "bob")
	want.Read, want.ReadCount = 2, 1
	f.moves(want, store.Move{Key: key, User: "bob", Read: 2, ReadCount: 1})
}

// advanceMany needs more than one bulk of updates on MongoDB.
func advanceMany(f *fixture) {
	var users []chat.User
	for i := range 60 {
		users = append(users, chat.User(fmt.Sprintf("user.%d", i)))
	}
	a, b := f.joined(users...), f.joined(users[0])
	var moves []store.Move
	var want []chat.Member
	for i, m := range joinedMembers(a, users...) {
		m.Read, m.ReadCount = chat.Seq(i+1), 1
		m.Recv = map[chat.Device]chat.Seq{"d": chat.Seq(i + 2)}
		want = append(want, m)
		moves = append(moves, store.Move{Key: a, User: m.User, Device: "d", Recv: m.Recv["d"], Read: m.Read, ReadCount: 1})
	}
	m := joinedMembers(b, users[0])[0]
	m.Read, m.ReadCount = 1, 1
	got, err := f.Advance(f.ctx, append(moves, store.Move{Key: b, User: m.User, Read: 1, ReadCount: 1}))
	f.ok("advance", err)
	f.sameMembers(got, append(want, m))
}
