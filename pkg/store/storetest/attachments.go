package storetest

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

var attachmentTests = []test{
	{"create and read", attachmentCreate},
	{"create what is there", attachmentCreateAgain},
	{"update", attachmentUpdate},
	{"one of many updates wins", attachmentRace},
	{"delete", attachmentDelete},
	{"by use", attachmentByUse},
	{"due", attachmentDue},
}

// attachment is one of alice's that is due long before any other of the store.
func (f *fixture) attachment(key chat.Key, n int) store.Attachment {
	return store.Attachment{
		Key: key, ID: chat.NewAttachmentID(key, "alice", chat.CMID(random())), Owner: "alice", Object: "ab/" + strings.ToLower(random()),
		State: store.AttachmentNew, Created: at(1), Name: "a/b ü.png", Type: "image/png", Size: 1 << 40, Version: 1,
		Due: time.UnixMilli(int64(1 + n)).UTC(),
	}
}

func (f *fixture) sameAttachments(got []store.Attachment, err error, want ...store.Attachment) {
	f.Helper()
	f.ok("read attachments", err)
	byID := func(a, b store.Attachment) int { return strings.Compare(string(a.ID), string(b.ID)) }
	slices.SortFunc(got, byID)
	slices.SortFunc(want, byID)
	if len(got)+len(want) > 0 {
		same(f, "attachments", got, want)
	}
}

func (f *fixture) stored(want store.Attachment) {
	f.Helper()
	got, err := f.AttachmentsByID(f.ctx, want.NS, []chat.AttachmentID{want.ID})
	f.sameAttachments(got, err, want)
}

// tidy removes what would be due in other tests that share the store.
func (f *fixture) tidy(a store.Attachment) {
	f.Cleanup(func() {
		left, err := f.AttachmentsByID(f.T.Context(), a.NS, []chat.AttachmentID{a.ID})
		for _, a := range left {
			err = errors.Join(err, f.DeleteAttachment(f.T.Context(), a.NS, a.ID, a.Version))
		}
		_ = err // the test's context may have ended: then the store is gone too
	})
}

func (f *fixture) create(a store.Attachment) store.Attachment {
	f.Helper()
	f.ok("create attachment", f.CreateAttachment(f.ctx, a))
	f.tidy(a)
	return a
}

func attachmentCreate(f *fixture) {
	a, b := f.create(f.attachment(f.key(), 1)), f.create(f.attachment(f.key(), 2))
	f.stored(a)
	got, err := f.AttachmentsByID(f.ctx, f.ns, []chat.AttachmentID{b.ID, "a_nothing", a.ID})
	f.sameAttachments(got, err, a, b)
	got, err = f.AttachmentsByID(f.ctx, ns(), []chat.AttachmentID{a.ID})
	f.sameAttachments(got, err)
	got, err = f.AttachmentsByID(f.ctx, f.ns, nil)
	f.sameAttachments(got, err)
}

func attachmentCreateAgain(f *fixture) {
	a := f.create(f.attachment(f.key(), 1))
	other := a
	other.Name, other.Object, other.Size = "other", "other", 1
	f.ok("create attachment", f.CreateAttachment(f.ctx, other))
	f.stored(a)
}

func attachmentUpdate(f *fixture) {
	a := f.create(f.attachment(f.key(), 1))
	a.State, a.Name, a.Type, a.File, a.Serve, a.Size = store.AttachmentComplete, "b", "image/jpeg", "x/y", "image/jpeg", 7
	a.W, a.H, a.Thumb, a.Due = 4000, 3000, "image/png", time.UnixMilli(77).UTC()
	a.Uses = []store.Use{{CMID: "c1"}, {CMID: "c2", Target: 9}, {CMID: "c-3"}}
	f.ok("update attachment", f.UpdateAttachment(f.ctx, a))
	stale := a
	a.Version++
	f.stored(a)

	stale.Name = "stale"
	f.is("update of an old version", f.UpdateAttachment(f.ctx, stale), store.ErrConflict)
	f.stored(a)
	f.is("update of nothing", f.UpdateAttachment(f.ctx, f.attachment(f.key(), 1)), store.ErrConflict)

	a.Uses = nil
	f.ok("update attachment", f.UpdateAttachment(f.ctx, a))
	a.Version++
	f.stored(a)
}

func (f *fixture) is(what string, err, want error) {
	f.Helper()
	if !errors.Is(err, want) {
		f.Errorf("%s: got %v, want %v", what, err, want)
	}
}

func attachmentRace(f *fixture) {
	a := f.create(f.attachment(f.key(), 1))
	const racers = 8
	errs := make([]error, racers)
	var wg sync.WaitGroup
	for i := range racers {
		wg.Go(func() {
			mine := a
			mine.Uses = []store.Use{{CMID: chat.CMID(rune('a' + i))}}
			errs[i] = f.UpdateAttachment(f.ctx, mine)
		})
	}
	wg.Wait()
	winner := -1
	for i, err := range errs {
		switch {
		case err == nil && winner >= 0:
			f.Errorf("%d and %d have both won", winner, i)
		case err == nil:
			winner = i
		default:
			f.is("update that lost", err, store.ErrConflict)
		}
	}
	if winner < 0 {
		f.Fatal("nobody has won")
	}
	a.Version++
	a.Uses = []store.Use{{CMID: chat.CMID(rune('a' + winner))}}
	f.stored(a)
}

func attachmentDelete(f *fixture) {
	a := f.create(f.attachment(f.key(), 1))
	a.Uses = []store.Use{{CMID: "c1", Target: 3}}
	f.ok("update attachment", f.UpdateAttachment(f.ctx, a))
	f.is("delete of an old version", f.DeleteAttachment(f.ctx, f.ns, a.ID, a.Version), store.ErrConflict)
	a.Version++
	f.stored(a)
	f.ok("delete", f.DeleteAttachment(f.ctx, f.ns, a.ID, a.Version))
	f.ok("delete again", f.DeleteAttachment(f.ctx, f.ns, a.ID, a.Version))
	got, err := f.AttachmentsByID(f.ctx, f.ns, []chat.AttachmentID{a.ID})
	f.sameAttachments(got, err)
	got, err = f.AttachmentsByUse(f.ctx, a.Key, "alice", store.Use{CMID: "c1", Target: 3}, 10)
	f.sameAttachments(got, err)
	f.sameAttachments(f.due(100))

	a.Version, a.Uses = 1, nil // its id may come back
	f.ok("create attachment", f.CreateAttachment(f.ctx, a))
	f.stored(a)
}

func attachmentByUse(f *fixture) {
	key := f.key()
	uses := func(a store.Attachment, uses ...store.Use) store.Attachment {
		a.Uses = uses
		return f.create(a)
	}
	both := uses(f.attachment(key, 1), store.Use{CMID: "c1"}, store.Use{CMID: "c2", Target: 11})
	first := uses(f.attachment(key, 2), store.Use{CMID: "c1"})
	edit := uses(f.attachment(key, 3), store.Use{CMID: "c3", Target: 11})
	uses(f.attachment(key, 4), store.Use{CMID: "c11"}, store.Use{CMID: "c4", Target: 1})
	uses(f.attachment(f.key(), 5), store.Use{CMID: "c1", Target: 11})
	bob := f.attachment(key, 6)
	bob.Owner, bob.Uses = "alice.b", []store.Use{{CMID: "c1", Target: 11}}
	f.create(bob)

	by := func(cmid chat.CMID, target chat.Seq, want ...store.Attachment) {
		f.Helper()
		got, err := f.AttachmentsByUse(f.ctx, key, "alice", store.Use{CMID: cmid, Target: target}, 10)
		f.sameAttachments(got, err, want...)
	}
	by("c1", 0, both, first)
	by("c1", 11, both, first, edit)
	by("c3", 0, edit)
	by("c", 0)
	by("c9", 12)
	few, err := f.AttachmentsByUse(f.ctx, key, "alice", store.Use{CMID: "c1", Target: 11}, 2)
	f.ok("by use", err)
	same(f, "at most", len(few), 2)

	edit.Uses = nil
	f.ok("update attachment", f.UpdateAttachment(f.ctx, edit))
	by("c3", 11, both)
}

// due is what of this test's tenant is due before a number of milliseconds.
func (f *fixture) due(ms int64) ([]store.Attachment, error) {
	list, err := f.DueAttachments(f.ctx, time.UnixMilli(ms), 1000)
	for i := 1; i < len(list); i++ {
		if list[i].Due.Before(list[i-1].Due) {
			f.Errorf("due %v comes after %v", list[i].Due, list[i-1].Due)
		}
	}
	return slices.DeleteFunc(list, func(a store.Attachment) bool { return a.NS != f.ns }), err
}

func attachmentDue(f *fixture) {
	key := f.key()
	third, first, second := f.create(f.attachment(key, 300)), f.create(f.attachment(key, 100)), f.create(f.attachment(key, 200))
	due := func(ms int64, want ...store.Attachment) {
		f.Helper()
		got, err := f.due(ms)
		f.sameAttachments(got, err, want...)
	}
	due(50)
	due(102, first)
	due(201, first) // 200 is due at 201 ms, and not before it
	due(1000, first, second, third)
	one, err := f.DueAttachments(f.ctx, time.UnixMilli(1000), 1)
	f.ok("due", err)
	same(f, "at most", len(one), 1)

	first.Due = time.UnixMilli(5000).UTC()
	f.ok("update attachment", f.UpdateAttachment(f.ctx, first))
	due(1000, second, third)
}
