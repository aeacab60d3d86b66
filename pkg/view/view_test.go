package view

import (
	"context"
	"errors"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func codeOf(err error) chat.Code {
	var e *chat.Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func TestAccess(t *testing.T) {
	s := memstore.New(memstore.Options{})
	joined := newWorld(t, s).group("g1", "alice", "bob", "carol") // 1
	joined.say("alice", "a")                                      // 2
	joined.change(chat.ChangeAdded, "dave")                       // 3
	joined.change(chat.ChangeRemoved, "bob")                      // 4
	joined.say("alice", "b")                                      // 5
	joined.change(chat.ChangeRemoved, "carol")                    // 6
	joined.change(chat.ChangeAdded, "carol")                      // 7
	joined.say("alice", "c")                                      // 8
	all := newWorld(t, s)
	all.all, all.floor = true, 3
	all.group("g2", "alice") // 1
	for range 4 {
		all.say("alice", "x") // 2–5
	}
	all.change(chat.ChangeAdded, "bob") // 6
	closed := newWorld(t, s).group("g3", "alice", "bob")
	closed.say("bob", "x")
	closed.change(chat.ChangeClosed) // 3
	quiet := newWorld(t, s).direct("alice", "bob")

	for _, c := range []struct {
		name       string
		w          *world
		user       chat.User
		start, end chat.Seq
		former     bool
	}{
		{"from the beginning", joined, "alice", 1, 8, false},
		{"added later", joined, "dave", 3, 8, false},
		{"removed", joined, "bob", 1, 4, true},
		{"removed and added again", joined, "carol", 7, 8, false},
		{"history all begins at the floor", all, "bob", 3, 6, false},
		{"closed", closed, "bob", 1, 3, false},
		{"direct without a message", quiet, "bob", 1, 0, false},
	} {
		p := c.w.part(c.user)
		if p.Start != c.start || p.End != c.end || p.Former() != c.former {
			t.Errorf("%s: %d to %d, former %t; want %d to %d, %t", c.name, p.Start, p.End, p.Former(), c.start, c.end, c.former)
		}
	}
}

func TestAccessNotFound(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice")
	unmade := chat.Key{NS: w.key.NS, Conv: chat.GroupID(w.key.NS, "alice", "g2")}
	w.must(s.Create(w.ctx, chat.Conversation{Key: unmade, Kind: chat.Group, Floor: 1}, []chat.Member{{Key: unmade, User: "alice", Joined: 1}}))
	for _, c := range []struct {
		name string
		key  chat.Key
		user chat.User
	}{
		{"no such conversation", chat.Key{NS: w.key.NS, Conv: "g_abcdefghijklmnopqrst"}, "alice"},
		{"another tenant", chat.Key{NS: "other", Conv: w.key.Conv}, "alice"},
		{"never a member", w.key, "eve"},
		{"group without an entry", unmade, "alice"},
	} {
		if _, err := w.reader.Access(w.ctx, c.key, c.user); codeOf(err) != chat.CodeNotFound {
			t.Errorf("%s: %v, want not_found", c.name, err)
		}
	}
}

// An entry that is stored but not finished is above the head: nobody is handed it,
// nor what its half-written effects have done already.
func TestUnfinishedIsNotSeen(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice")
	w.say("alice", "a")
	w.stage(chat.Entry{Kind: chat.KindMessage, From: "alice", Body: body("b")})
	p := w.part("alice")
	entries, err := w.reader.Entries(w.ctx, p, Query{})
	w.must(err)
	messages, err := w.reader.Messages(w.ctx, p, Query{})
	w.must(err)
	if p.End != 2 || len(entries.Items) != 2 || entries.MoreAfter || len(messages.Items) != 1 || messages.MoreAfter {
		t.Fatalf("end %d, entries %+v, messages %+v", p.End, entries, messages)
	}
	// The member document is written before the head.
	m := chat.Member{Key: w.key, User: "bob", Joined: 4, AsOf: 4}
	if _, ok := NewPart(p.Conversation, m); ok {
		t.Fatal("a member sees a conversation whose entry that adds it is not finished")
	}
}

// Nothing follows the entry that closed a group. Were there something, nobody
// would see it.
func TestNothingAfterTheClose(t *testing.T) {
	c := chat.Conversation{Kind: chat.Group, Floor: 1, Closed: 5, Last: chat.Last{Seq: 7}}
	if p, ok := NewPart(c, chat.Member{Joined: 1}); !ok || p.End != 5 {
		t.Errorf("%t, to %d", ok, p.End)
	}
}

// between runs something after the conversation's document was read.
type between struct {
	*memstore.Store
	run func()
}

func (b *between) ConversationsByKey(ctx context.Context, keys []chat.Key) ([]chat.Conversation, error) {
	convs, err := b.Store.ConversationsByKey(ctx, keys)
	if b.run != nil {
		run := b.run
		b.run = nil
		run()
	}
	return convs, err
}

func (b *between) Memberships(ctx context.Context, ns chat.NS, user chat.User, after chat.ConvID, limit int) ([]chat.Member, error) {
	members, err := b.Store.Memberships(ctx, ns, user, after, limit)
	if b.run != nil {
		run := b.run
		b.run = nil
		run()
	}
	return members, err
}

// Somebody who is removed while the answer is made does not see beyond that.
func TestRemovalInBetween(t *testing.T) {
	s := memstore.New(memstore.Options{})
	w := newWorld(t, s).group("g1", "alice", "bob")
	w.say("alice", "for both")
	removed := func() {
		w.change(chat.ChangeRemoved, "bob") // 3
		w.say("alice", "for alice alone")   // 4
	}
	r := New(&between{Store: s, run: removed}, chat.Limits{})
	p, err := r.Access(w.ctx, w.key, "bob")
	w.must(err)
	if p.End > 3 {
		t.Fatalf("the part goes to %d, beyond the removal", p.End)
	}

	w.change(chat.ChangeAdded, "bob") // 5
	again := func() {
		w.change(chat.ChangeRemoved, "bob")
		w.say("alice", "for alice alone")
	}
	r = New(&between{Store: s, run: again}, chat.Limits{})
	list, err := r.List(w.ctx, w.key.NS, "bob", "", 0)
	w.must(err)
	if len(list.Items) != 0 {
		t.Fatalf("the list shows what came after the removal: %+v", list.Items[0])
	}

	w.change(chat.ChangeAdded, "bob") // 8
	secret := chat.Seq(0)
	once := func() {
		w.change(chat.ChangeRemoved, "bob")
		secret = w.say("alice", "for alice alone")
	}
	r = New(&between{Store: s, run: once}, chat.Limits{})
	parts, _, err := r.Parts(w.ctx, w.key.NS, "bob", 10)
	w.must(err)
	for _, p := range parts {
		found, err := r.At(w.ctx, p, []chat.Seq{2, secret})
		w.must(err)
		if len(found) != 0 {
			t.Fatalf("a search shows what came after the removal, or before bob was added: %+v", found)
		}
	}
}

// A log with a hole must be an error, not an answer that is believed.
func TestHoleIsAnError(t *testing.T) {
	w := newWorld(t, memstore.New(memstore.Options{})).group("g1", "alice")
	p := w.part("alice")
	p.End, p.Conversation.Last.Seq = 5, 5
	if page, err := w.reader.Entries(w.ctx, p, Query{}); err == nil {
		t.Fatalf("no error, page %+v", page)
	}
}

// Every error of the store becomes one, and none becomes an answer.
func TestStoreErrors(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpConversationsByKey, memstore.OpMembersByUser, memstore.OpMembers,
		memstore.OpMemberships, memstore.OpEntries, memstore.OpFolds} {
		s := memstore.New(memstore.Options{})
		w := newWorld(t, s).group("g1", "alice", "bob")
		w.say("bob", "x")
		p := w.part("alice")
		s.Inject(memstore.Fault{Op: op, Kind: memstore.Fail})
		_, accessErr := w.reader.Access(w.ctx, w.key, "alice")
		_, listErr := w.reader.List(w.ctx, w.key.NS, "alice", "", 0)
		_, membersErr := w.reader.Members(w.ctx, p, "", 0)
		_, messagesErr := w.reader.Messages(w.ctx, p, Query{})
		err := errors.Join(accessErr, listErr, membersErr, messagesErr)
		if !errors.Is(err, memstore.ErrInjected) {
			t.Errorf("%s: %v", op, err)
		}
		for _, err := range []error{accessErr, listErr, membersErr, messagesErr} {
			if err != nil && chat.AsError(err).Code != chat.CodeUnavailable {
				t.Errorf("%s: %v is told as %s", op, err, chat.AsError(err).Code)
			}
		}
	}
}

var _ Store = store.Store(nil)
