package storetest

import (
	"cmp"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var revocationTests = []test{
	{"put and read", revocationsRead},
	{"the largest version stays", revocationsVersions},
	{"what was changed since", revocationsSince},
	{"dropped at their end", revocationsDropped},
	{"at once", revocationsAtOnce},
	{"the latest end stays", revocationsEnds},
	{"the latest end stays, at once", revocationsEndsAtOnce},
}

func (f *fixture) revocation(kind store.RevocationKind, name string, version int64) store.Revocation {
	return store.Revocation{NS: f.ns, Kind: kind, Name: name, Version: version, On: true}
}

// revoke writes a revocation and checks that it is what is kept.
func (f *fixture) revoke(r store.Revocation) store.Revocation {
	f.Helper()
	kept, err := f.PutRevocation(f.ctx, r)
	f.ok("put revocation", err)
	if kept.Changed.IsZero() {
		f.Errorf("%+v has no time", kept)
	}
	r.Changed = kept.Changed
	same(f, "revocation", f.plainRevocation(kept), f.plainRevocation(r))
	return kept
}

func (f *fixture) plainRevocation(r store.Revocation) store.Revocation {
	for _, t := range []*time.Time{&r.Before, &r.Until, &r.Changed} {
		if !t.IsZero() {
			*t = f.utc(*t)
		}
	}
	return r
}

// sameRevocations compares the tenant's; others run their tests at the same time.
func (f *fixture) sameRevocations(since time.Time, want ...store.Revocation) {
	f.Helper()
	all, err := f.Revocations(f.ctx, since)
	f.ok("revocations", err)
	got := []store.Revocation{}
	for _, r := range all {
		if r.NS == f.ns {
			got = append(got, f.plainRevocation(r))
		}
	}
	want = slices.Clone(want)
	for i := range want {
		want[i] = f.plainRevocation(want[i])
	}
	for _, list := range [][]store.Revocation{got, want} {
		slices.SortFunc(list, func(a, b store.Revocation) int {
			return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name))
		})
	}
	if len(got)+len(want) > 0 {
		same(f, "revocations", got, want)
	}
}

func revocationsRead(f *fixture) {
	f.sameRevocations(time.Time{})
	token := f.revocation(store.RevokedToken, "0123456789abcdef", 3)
	token.Until = at(9)
	user := f.revocation(store.RevokedUser, "bob.b@example+x", 4)
	user.Before = at(4)
	ban := f.revocation(store.RevokedBan, "bob.b@example+x", 5)
	f.sameRevocations(time.Time{}, f.revoke(token), f.revoke(user), f.revoke(ban))
}

func revocationsVersions(f *fixture) {
	kept := f.revoke(f.revocation(store.RevokedBan, "bob", 5))
	for _, version := range []int64{4, 5} {
		late := f.revocation(store.RevokedBan, "bob", version)
		late.On = false
		got, err := f.PutRevocation(f.ctx, late)
		f.ok("put an older revocation", err)
		same(f, "what is kept", got.Version == 5 && got.On, true)
	}
	got, err := f.Revocations(f.ctx, time.Time{})
	f.ok("revocations", err)
	i := slices.IndexFunc(got, func(r store.Revocation) bool { return r.NS == f.ns })
	if i < 0 || got[i].Version != 5 || !got[i].On || got[i].Changed.Before(kept.Changed) {
		f.Errorf("%+v", got)
	}
	lifted := f.revocation(store.RevokedBan, "bob", 6)
	lifted.On, lifted.Until = false, at(8)
	f.sameRevocations(time.Time{}, f.revoke(lifted))
}

// revocationsSince: a reader that knows the last change it saw finds what came
// after it, and that one again.
func revocationsSince(f *fixture) {
	first := f.revoke(f.revocation(store.RevokedBan, "a", 1))
	second := f.revoke(f.revocation(store.RevokedBan, "b", 1))
	if second.Changed.Before(first.Changed) {
		f.Errorf("changed at %v, and after it at %v", first.Changed, second.Changed)
	}
	f.sameRevocations(first.Changed, first, second)
	f.sameRevocations(second.Changed.Add(time.Hour))
	again := f.revoke(f.revocation(store.RevokedBan, "a", 2))
	if again.Changed.Before(second.Changed) {
		f.Errorf("changed at %v, and after it at %v", second.Changed, again.Changed)
	}
	f.sameRevocations(time.Time{}, again, second)
}

func revocationsDropped(f *fixture) {
	ended, lasts, forever := f.revocation(store.RevokedToken, "a", 1), f.revocation(store.RevokedToken, "b", 1), f.revocation(store.RevokedBan, "c", 1)
	ended.Until, lasts.Until = at(1), at(3)
	f.revoke(ended)
	lasts, forever = f.revoke(lasts), f.revoke(forever)
	for range 2 {
		f.ok("drop revocations", f.DropRevocations(f.ctx, at(2)))
		f.sameRevocations(time.Time{}, lasts, forever)
	}
}

// revocationsAtOnce: whatever the order in which writes arrive, the largest stays.
func revocationsAtOnce(f *fixture) {
	f.parallel(8, func(i int) error {
		r := f.revocation(store.RevokedBan, "a", int64(i+1))
		r.On = i%2 == 1
		_, err := f.PutRevocation(f.ctx, r)
		return err
	})
	got, err := f.Revocations(f.ctx, time.Time{})
	f.ok("revocations", err)
	i := slices.IndexFunc(got, func(r store.Revocation) bool { return r.NS == f.ns })
	if i < 0 || got[i].Version != 8 || !got[i].On {
		f.Errorf("%+v", got)
	}
}

// kept is what is kept of a user's revocation.
func (f *fixture) kept(name string) store.Revocation {
	f.Helper()
	all, err := f.Revocations(f.ctx, time.Time{})
	f.ok("revocations", err)
	i := slices.IndexFunc(all, func(r store.Revocation) bool {
		return r.NS == f.ns && r.Kind == store.RevokedUser && r.Name == name
	})
	if i < 0 {
		f.Fatalf("nothing of %s is kept", name)
	}
	return f.plainRevocation(all[i])
}

// revocationsEnds: of two revocations of a user's tokens the one that takes more tokens
// stays, and lasts as long as the one that lasts longer, in whatever order they come and
// however often.
func revocationsEnds(f *fixture) {
	never := time.Time{}
	for i, c := range []struct{ first, second, want time.Time }{
		{at(9), at(5), at(9)},
		{at(5), at(9), at(9)},
		{never, at(5), never},
		{at(5), never, never},
	} {
		for _, backwards := range []bool{false, true} {
			name := "u" + string(rune('a'+i))
			if backwards {
				name += "b"
			}
			first, second := f.revocation(store.RevokedUser, name, 1), f.revocation(store.RevokedUser, name, 2)
			first.Before, first.Until = at(1), c.first
			second.Before, second.Until = at(2), c.second
			list := []store.Revocation{first, second, first}
			if backwards {
				list = []store.Revocation{second, first, second}
			}
			var last store.Revocation
			for _, r := range list {
				var err error
				last, err = f.PutRevocation(f.ctx, r)
				f.ok("put revocation", err)
			}
			want := second
			want.Until = c.want
			got := f.kept(name)
			want.Changed = got.Changed
			want = f.plainRevocation(want)
			same(f, "what is kept of "+name, got, want)
			same(f, "what is said to be kept of "+name, f.plainRevocation(last), want)
		}
	}
	// It is dropped at that end, and what has changed the end is a change.
	f.ok("drop revocations", f.DropRevocations(f.ctx, at(6)))
	same(f, "the end", f.kept("ua").Until.Equal(f.utc(at(9))), true)
	seen := f.kept("ua").Changed
	later := f.revocation(store.RevokedUser, "ua", 1)
	later.Before, later.Until = at(1), at(10)
	_, err := f.PutRevocation(f.ctx, later)
	f.ok("put revocation", err)
	changed, err := f.Revocations(f.ctx, seen)
	f.ok("revocations", err)
	i := slices.IndexFunc(changed, func(r store.Revocation) bool { return r.NS == f.ns && r.Name == "ua" })
	if i < 0 || !changed[i].Until.Equal(at(10)) || changed[i].Version != 2 {
		f.Errorf("%+v", changed)
	}
	f.ok("drop revocations", f.DropRevocations(f.ctx, at(11)))
	left, err := f.Revocations(f.ctx, time.Time{})
	f.ok("revocations", err)
	if slices.ContainsFunc(left, func(r store.Revocation) bool { return r.NS == f.ns && !r.Until.IsZero() }) {
		f.Errorf("%+v", left)
	}
	// Of a ban the later request counts.
	ban := f.revocation(store.RevokedBan, "uz", 1)
	ban.Until = at(9)
	f.revoke(ban)
	ban.Version, ban.Until = 2, at(5)
	f.revoke(ban)
}

func revocationsEndsAtOnce(f *fixture) {
	f.parallel(8, func(i int) error {
		r := f.revocation(store.RevokedUser, "a", int64(i+1))
		r.Before, r.Until = at(chat.Seq(i)), at(chat.Seq(20-i))
		_, err := f.PutRevocation(f.ctx, r)
		return err
	})
	if got := f.kept("a"); got.Version != 8 || !got.Before.Equal(at(7)) || !got.Until.Equal(at(20)) {
		f.Errorf("%+v", got)
	}
}
