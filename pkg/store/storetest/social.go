package storetest

import (
	"errors"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var blockTests = []test{
	{"put and list", blocksList},
	{"the largest version stays", blocksVersions},
	{"among pairs", blocksAmong},
	{"at once", blocksAtOnce},
}

var settingsTests = []test{
	{"configure", configure},
	{"configure backwards", configureBackwards},
	{"configure keeps the rest", configureKeeps},
	{"configure nobody", configureNobody},
	{"profiles", profiles},
}

// block writes a block, and checks that it is what is kept.
func (f *fixture) block(b chat.Block) chat.Block {
	f.Helper()
	kept, err := f.PutBlock(f.ctx, f.ns, b)
	f.ok("put block", err)
	kept.Time = f.utc(kept.Time)
	same(f, "block", kept, b)
	return b
}

func (f *fixture) sameBlocks(user, after chat.User, limit int, want ...chat.Block) {
	f.Helper()
	got, err := f.Blocks(f.ctx, f.ns, user, after, limit)
	f.ok("blocks", err)
	for i := range got {
		got[i].Time = f.utc(got[i].Time)
	}
	if len(got)+len(want) > 0 {
		same(f, "blocks", got, want)
	}
}

func blockOf(user, peer chat.User, version int64, on bool) chat.Block {
	return chat.Block{User: user, Peer: peer, Version: version, On: on, Time: at(chat.Seq(version))}
}

func blocksList(f *fixture) {
	f.sameBlocks("a", "", 10)
	var want []chat.Block
	for _, peer := range []chat.User{"0", "A", "a", "a-b", "a.b", "b"} { // in order
		want = append(want, f.block(blockOf("a", peer, 3, true)))
	}
	other := f.block(blockOf("a.b", "a", 1, true)) // prefixes of one another
	f.block(blockOf("a", "zoe", 4, false))
	f.sameBlocks("a", "", 10, want...)
	f.sameBlocks("a", "", 2, want[:2]...)
	f.sameBlocks("a", "a", 2, want[3:5]...)
	f.sameBlocks("a", "b", 2)
	f.sameBlocks("a.b", "", 10, other)
	got, err := f.Blocks(f.ctx, ns(), "a", "", 10)
	f.ok("blocks of another tenant", err)
	same(f, "blocks of another tenant", len(got), 0)
}

func blocksVersions(f *fixture) {
	on := f.block(blockOf("a", "b", 5, true))
	for _, late := range []chat.Block{blockOf("a", "b", 4, false), on} {
		kept, err := f.PutBlock(f.ctx, f.ns, late)
		f.ok("put an older block", err)
		kept.Time = f.utc(kept.Time)
		same(f, "what is kept", kept, on)
	}
	f.sameBlocks("a", "", 10, on)
	f.block(blockOf("a", "b", 6, false))
	_, err := f.PutBlock(f.ctx, f.ns, on) // late
	f.ok("put an older block", err)
	f.sameBlocks("a", "", 10)
}

func blocksAmong(f *fixture) {
	on, off := f.block(blockOf("a", "b", 1, true)), f.block(blockOf("a", "c", 2, false))
	pair := func(user, peer chat.User) store.Pair { return store.Pair{NS: f.ns, User: user, Peer: peer} }
	pairs := []store.Pair{pair("a", "b"), pair("b", "a"), pair("a", "c"), pair("a", "d"), {NS: ns(), User: "a", Peer: "b"}}
	for i := range 600 { // as many as a flush may ask for
		pairs = append(pairs, pair("a", chat.User("x"+string(rune('a'+i%26)))), pair("y", "a"))
	}
	got, err := f.BlocksAmong(f.ctx, pairs[:1000])
	f.ok("blocks among", err)
	same(f, "found", len(got), 2)
	for p, want := range map[store.Pair]chat.Block{pair("a", "b"): on, pair("a", "c"): off} {
		b := got[p]
		b.Time = f.utc(b.Time)
		same(f, "block", b, want)
	}
	got, err = f.BlocksAmong(f.ctx, nil)
	f.ok("blocks among none", err)
	same(f, "found among none", len(got), 0)
}

// blocksAtOnce: whatever the order in which writes arrive, the largest stays.
func blocksAtOnce(f *fixture) {
	f.parallel(8, func(i int) error {
		_, err := f.PutBlock(f.ctx, f.ns, blockOf("a", "b", int64(i+1), i%2 == 1))
		return err
	})
	f.sameBlocks("a", "", 10, blockOf("a", "b", 8, true))
}

func configure(f *fixture) {
	key := f.joined("bob.b", "alice")
	want := joinedMembers(key, "bob.b")[0]
	for _, s := range []chat.Settings{{Version: 1, Muted: true}, {Version: 2, Pinned: true}, {Version: 1 << 50, Archived: true}, {Version: 1<<50 + 1}} {
		want.Settings = s
		got, err := f.Configure(f.ctx, key, "bob.b", s)
		f.ok("configure", err)
		f.sameMember(got, want)
		f.sameMember(f.member(key, "bob.b"), want)
		ms, err := f.Memberships(f.ctx, f.ns, "bob.b", "", 10)
		f.ok("memberships", err)
		f.sameMembers(ms, []chat.Member{want})
	}
	f.sameMember(f.member(key, "alice"), joinedMembers(key, "alice")[0])
}

func configureBackwards(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	want.Settings = chat.Settings{Version: 7, Muted: true}
	_, err := f.Configure(f.ctx, key, "bob", want.Settings)
	f.ok("configure", err)
	got, err := f.Configure(f.ctx, key, "bob", chat.Settings{Version: 6, Pinned: true})
	f.ok("configure late", err)
	f.sameMember(got, want)
}

// configureKeeps: positions and membership live in the same document.
func configureKeeps(f *fixture) {
	key := f.joined("bob")
	want := joinedMembers(key, "bob")[0]
	want.Settings = chat.Settings{Version: 1, Pinned: true}
	_, err := f.Configure(f.ctx, key, "bob", want.Settings)
	f.ok("configure", err)
	want.Read, want.ReadCount, want.Recv = 2, 1, map[chat.Device]chat.Seq{"phone": 3}
	f.moves(want, store.Move{Key: key, User: "bob", Device: "phone", Recv: 3, Read: 2, ReadCount: 1})
	f.put(message(key, 1, "one"), members(key, 2, chat.ChangeLeft, role("bob", chat.RoleMember)))
	want.AsOf, want.Left = 2, 2
	f.sameMember(f.member(key, "bob"), want)
	f.touch("bob", "phone", at(1))
	f.ok("drop device", f.DropDevice(f.ctx, f.ns, "bob", "phone"))
	want.Recv = nil
	f.sameMember(f.member(key, "bob"), want)
}

func configureNobody(f *fixture) {
	key := f.joined("bob")
	if _, err := f.Configure(f.ctx, key, "nobody", chat.Settings{Version: 1}); !errors.Is(err, store.ErrNotFound) {
		f.Errorf("configure nobody: %v", err)
	}
	ms, err := f.MembersByUser(f.ctx, key, []chat.User{"nobody"})
	f.ok("members by user", err)
	same(f, "members made by it", len(ms), 0)
}

func profiles(f *fixture) {
	for _, p := range []chat.Profile{{Version: 3, HideRead: true}, {Version: 4}, {Version: 5, HideRead: true}} {
		kept, err := f.PutProfile(f.ctx, f.ns, "a.b", p)
		f.ok("put profile", err)
		same(f, "profile", kept, p)
	}
	kept, err := f.PutProfile(f.ctx, f.ns, "a.b", chat.Profile{Version: 4})
	f.ok("put an older profile", err)
	same(f, "profile", kept, chat.Profile{Version: 5, HideRead: true})
	_, err = f.PutProfile(f.ctx, ns(), "a", chat.Profile{Version: 9, HideRead: true})
	f.ok("put another tenant's profile", err)
	got, err := f.Profiles(f.ctx, f.ns, []chat.User{"a", "a.b", "b"})
	f.ok("profiles", err)
	same(f, "profiles", got, map[chat.User]chat.Profile{"a.b": {Version: 5, HideRead: true}})
	got, err = f.Profiles(f.ctx, f.ns, nil)
	f.ok("profiles of nobody", err)
	same(f, "profiles of nobody", len(got), 0)
}
