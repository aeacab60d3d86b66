package route

import (
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/chat"
)

// A session is idle, and lacks what was announced to no avail. Another one comes, reads
// that, and goes live: it is known here now, and the first one is told at once. It was
// not when the journal told of it either, because there was nothing new in that.
func TestReaderAheadWakesTheIdle(t *testing.T) {
	for name, primed := range map[string]bool{"nobody was live before": false, "somebody was": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{}
				table := NewTable(Options{Read: l.read})
				defer table.Stop()
				if primed {
					before := goLive(t, table, l, "before")
					f := l.append()
					table.Route(&f)
					before.sub.Detach()
				}
				idle := &fakeSession{log: l, user: "idle", got: l.head}
				idle.sub = table.Attach(key, idle)
				defer idle.sub.Detach()
				if !idle.sub.Idle(l.head) {
					t.Fatal("not idle")
				}
				l.append() // its announcement is lost
				l.append()
				goLive(t, table, l, "second")
				if !idle.wanted {
					t.Error("not told when the other went live")
				}
				table.Repair(key, l.head, nil)
				idle.syncOnce(10)
				if idle.got != l.head {
					t.Errorf("it has %d of %d", idle.got, l.head)
				}
			})
		})
	}
}

// Who is removed and added again discovers the conversation anew, whatever the order in
// which that is announced, and whether or not the session reads at the time.
func TestAddedAgainIsDiscovered(t *testing.T) {
	membership := func(l *log, leaving ...chat.User) Frame {
		f := l.append()
		f.Kind, f.Concerns, f.Leaving = chat.KindMembers, []chat.User{"goes"}, leaving
		return f
	}
	for name, run := range map[string]func(table *Table, l *log, s *fakeSession){
		"in order": func(table *Table, l *log, _ *fakeSession) {
			out, in := membership(l, "goes"), membership(l)
			table.Route(&out)
			table.Route(&in)
		},
		"out of order": func(table *Table, l *log, _ *fakeSession) {
			out, in := membership(l, "goes"), membership(l)
			table.Route(&in)
			table.Route(&out)
		},
		"while it reads": func(table *Table, l *log, s *fakeSession) {
			s.set(func() { s.full = true })
			before, out, in := l.append(), membership(l, "goes"), membership(l)
			table.Route(&before) // it goes back to syncing
			table.Route(&out)
			table.Route(&in)
			s.set(func() { s.full = false })
			s.sub.Live(0)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := &log{}
				table := NewTable(Options{Read: l.read})
				defer table.Stop()
				goLive(t, table, l, "stays")
				goes := goLive(t, table, l, "goes")
				run(table, l, goes)
				synctest.Wait()
				if !goes.ended || goes.found != 1 {
					t.Errorf("ended %t, discovered %d times", goes.ended, goes.found)
				}
			})
		})
	}
}

// Who is removed and has yet to read up to that gets no receipt and no typing of what is
// said behind it; others do, and so does who is added again and has caught up.
func TestRemovedHearsNothingWhileItReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		table := NewTable(Options{Read: l.read})
		defer table.Stop()
		stays, goes := &lossySession{fakeSession: fakeSession{log: l, user: "stays"}}, &lossySession{fakeSession: fakeSession{log: l, user: "goes"}}
		for _, s := range []*lossySession{stays, goes} {
			s.sub = table.Attach(key, s)
			defer s.sub.Detach()
			s.sub.SetMembers(2)
			if !s.sub.Idle(0) {
				t.Fatal("not idle")
			}
		}
		tell := func(seq chat.Seq) {
			table.Receipt(Receipt{Key: key, User: "other", Delivered: seq}, 100, func(Receipt) []byte { return []byte("receipt") })
			table.Signal(key, "other", 100, func() []byte { return []byte("typing") })
		}
		f := l.append()
		f.Kind, f.Leaving, f.Concerns = chat.KindMembers, []chat.User{"goes"}, []chat.User{"goes"}
		table.Route(&f)
		if !goes.wanted {
			t.Error("it is not told to read")
		}
		tell(1)
		if len(goes.offers)+len(goes.frames) != 0 {
			t.Errorf("who was removed got %q and %q", goes.offers, goes.frames)
		}
		if len(stays.offers) != 1 || len(stays.frames) != 1 {
			t.Errorf("the other got %q and %q", stays.offers, stays.frames)
		}
		goes.syncOnce(10) // as one who is in again, in this test
		tell(2)
		if len(goes.offers) != 1 || len(goes.frames) != 1 {
			t.Errorf("once it is live it gets %q and %q", goes.offers, goes.frames)
		}
	})
}
