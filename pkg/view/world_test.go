package view

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is one conversation in a store, written as the gateway writes it, and
// beside it the plain log that the read model is judged by.
type world struct {
	testing.TB
	ctx     context.Context
	store   *memstore.Store
	reader  *Reader
	key     chat.Key
	floor   chat.Seq
	at      time.Time // of moves; zero: not known
	all     bool      // history "all"
	log     []chat.Entry
	members map[chat.User]bool // present ones
	read    map[chat.User]chat.Seq
	recv    map[chat.User]chat.Seq
	hide    map[chat.User]bool // who hides what they have read
	last    chat.Last
}

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func timeOf(seq chat.Seq) time.Time { return epoch.Add(time.Duration(seq) * time.Second) }

func newWorld(t testing.TB, s *memstore.Store) *world {
	return &world{TB: t, ctx: t.Context(), store: s, reader: New(s, chat.Limits{}), floor: 1,
		members: map[chat.User]bool{}, read: map[chat.User]chat.Seq{}, recv: map[chat.User]chat.Seq{}, hide: map[chat.User]bool{}}
}

// group makes a group; the first user is the owner.
func (w *world) group(cmid chat.CMID, users ...chat.User) *world {
	w.Helper()
	w.key = chat.Key{NS: chat.DefaultNS, Conv: chat.GroupID(chat.DefaultNS, users[0], cmid)}
	c := chat.Conversation{Key: w.key, Kind: chat.Group, History: chat.HistoryJoined, Created: epoch, Floor: w.floor}
	if w.all {
		c.History = chat.HistoryAll
	}
	var members []chat.Member
	var roles []chat.UserRole
	for i, u := range users {
		role := chat.RoleMember
		if i == 0 {
			role = chat.RoleOwner
		}
		members = append(members, chat.Member{Key: w.key, User: u, Role: role, Joined: 1})
		roles = append(roles, chat.UserRole{User: u, Role: role})
	}
	w.must(w.store.Create(w.ctx, c, members))
	w.put(chat.Entry{Kind: chat.KindMembers, From: users[0], Change: chat.ChangeCreated, Users: roles, Title: "first"})
	return w
}

// direct makes a direct conversation without a message.
func (w *world) direct(a, b chat.User) *world {
	w.Helper()
	w.key = chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, a, b)}
	users := []chat.User{min(a, b), max(a, b)}
	if a == b {
		users = users[:1]
	}
	var members []chat.Member
	for _, u := range users {
		members = append(members, chat.Member{Key: w.key, User: u, Role: chat.RoleMember, Joined: 1})
		w.members[u] = true
	}
	w.last.Members = len(users)
	c := chat.Conversation{Key: w.key, Kind: chat.Direct, Users: users, History: chat.HistoryJoined, Created: epoch, Floor: w.floor}
	w.must(w.store.Create(w.ctx, c, members))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// stage appends an entry without finishing it.
func (w *world) stage(e chat.Entry) chat.Entry {
	w.Helper()
	e.Key, e.Seq = w.key, chat.Seq(len(w.log))+1
	e.CMID = chat.CMID(fmt.Sprintf("c%d", e.Seq))
	e.Time = timeOf(e.Seq)
	switch e.Kind {
	case chat.KindMessage:
		w.last.Count++
	case chat.KindMembers:
		w.last.MV = e.Seq
	}
	for _, f := range store.MemberFolds(&e) {
		if f.Joins {
			w.members[f.User] = true
		}
		if f.Leaves {
			delete(w.members, f.User)
		}
	}
	if w.key.Conv.Kind() == chat.Group {
		w.last.Members = len(w.members)
		if e.Change == chat.ChangeClosed {
			w.last.Members = 0
		}
	}
	e.Count, e.MV, e.Members = w.last.Count, w.last.MV, w.last.Members
	got := w.store.Append(w.ctx, store.Batch{Entries: []chat.Entry{e}})
	if got.Err != nil || !slices.Equal(got.Outcomes, []store.Outcome{store.Stored}) {
		w.Fatal("append:", got.Outcomes, got.Err)
	}
	w.log = append(w.log, e)
	return e
}

func (w *world) put(e chat.Entry) chat.Seq {
	w.Helper()
	e = w.stage(e)
	w.must(w.store.Finish(w.ctx, store.Batch{Entries: []chat.Entry{e}}))
	return e.Seq
}

func (w *world) say(from chat.User, text string) chat.Seq {
	w.Helper()
	return w.put(chat.Entry{Kind: chat.KindMessage, From: from, Body: body(text)})
}

func body(text string) []byte { return fmt.Appendf(nil, `{"text":%q}`, text) }

func (w *world) edit(from chat.User, target chat.Seq, text string) chat.Seq {
	w.Helper()
	return w.put(chat.Entry{Kind: chat.KindEdited, From: from, Target: target, Body: body(text)})
}

func (w *world) recall(from chat.User, target chat.Seq) chat.Seq {
	w.Helper()
	return w.put(chat.Entry{Kind: chat.KindRecalled, From: from, Target: target})
}

func (w *world) react(from chat.User, target chat.Seq, emoji string, on bool) chat.Seq {
	w.Helper()
	return w.put(chat.Entry{Kind: chat.KindReacted, From: from, Target: target, Emoji: emoji, On: on})
}

func (w *world) change(c chat.Change, users ...chat.User) chat.Seq {
	w.Helper()
	e := chat.Entry{Kind: chat.KindMembers, From: "alice", Change: c}
	for _, u := range users {
		e.Users = append(e.Users, chat.UserRole{User: u, Role: chat.RoleMember})
	}
	return w.put(e)
}

func (w *world) rename(title string) chat.Seq {
	w.Helper()
	return w.put(chat.Entry{Kind: chat.KindMembers, From: "alice", Change: chat.ChangeRenamed, Title: title})
}

func (w *world) hasRead(u chat.User, seq chat.Seq) {
	w.Helper()
	var count int64
	if seq > 0 {
		count = w.log[seq-1].Count
	}
	_, err := w.store.Advance(w.ctx, []store.Move{{Key: w.key, User: u, Read: seq, ReadCount: count, Time: w.at}})
	w.must(err)
	w.read[u] = max(w.read[u], seq)
}

func (w *world) hasRecv(u chat.User, d chat.Device, seq chat.Seq) {
	w.Helper()
	_, err := w.store.Advance(w.ctx, []store.Move{{Key: w.key, User: u, Device: d, Recv: seq, Time: w.at}})
	w.must(err)
	w.recv[u] = max(w.recv[u], seq)
}

func (w *world) part(u chat.User) Part {
	w.Helper()
	p, err := w.reader.Access(w.ctx, w.key, u)
	w.must(err)
	return p
}

// What the plain log says, by looking at every entry.

// stay is from when to when a user is or was a member; joined 0: never.
type stay struct{ joined, left chat.Seq }

func (w *world) stay(u chat.User) stay {
	if w.key.Conv.Kind() == chat.Direct {
		if w.members[u] {
			return stay{joined: 1}
		}
		return stay{}
	}
	var s stay
	for i := range w.log {
		for _, f := range store.MemberFolds(&w.log[i]) {
			if f.User == u && f.Joins {
				s = stay{joined: f.Seq}
			}
			if f.User == u && f.Leaves {
				s.left = f.Seq
			}
		}
	}
	return s
}

// readable is the entries that a user may see, as they are stored now.
func (w *world) readable(u chat.User) []chat.Entry {
	s := w.stay(u)
	if s.joined == 0 {
		return nil
	}
	var out []chat.Entry
	for _, e := range w.log {
		if e.Seq < w.floor || !w.all && e.Seq < s.joined || s.left != 0 && e.Seq > s.left {
			continue
		}
		if target := e.Seq; e.Kind == chat.KindMessage || e.Kind == chat.KindEdited {
			if e.Kind == chat.KindEdited {
				target = e.Target
			}
			if w.recalled(target, chat.MaxSeq) != 0 {
				e.Body, e.Gone = nil, true
			}
		}
		out = append(out, e)
	}
	return out
}

// recalled is the entry up to end that recalled a message first; 0 if none did.
func (w *world) recalled(target, end chat.Seq) chat.Seq {
	for i := range w.log {
		if e := &w.log[i]; e.Kind == chat.KindRecalled && e.Target == target && e.Seq <= end {
			return e.Seq
		}
	}
	return 0
}
