package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// fixture is one test's store, and a tenant that nobody else uses.
type fixture struct {
	*testing.T
	store.Store
	ctx context.Context
	ns  chat.NS
}

func ns() chat.NS { return chat.NS("t-" + random()) }

// epoch0 is when the suite's entries were written. It has milliseconds.
var epoch0 = time.Date(2024, 5, 6, 7, 8, 9, 123e6, time.UTC)

func at(seq chat.Seq) time.Time { return epoch0.Add(time.Duration(seq) * 1001 * time.Millisecond) }

// key names a conversation that has no document.
func (f *fixture) key() chat.Key {
	return chat.Key{NS: f.ns, Conv: chat.GroupID(f.ns, "alice", chat.CMID(random()))}
}

// group makes a group without members.
func (f *fixture) group() chat.Key {
	f.Helper()
	c := conversation(f.key())
	f.ok("create", f.Create(f.ctx, c, nil))
	return c.Key
}

func conversation(key chat.Key) chat.Conversation {
	return chat.Conversation{Key: key, Kind: chat.Group, History: chat.HistoryJoined, Created: epoch0, Floor: 1}
}

func pod() string { return "pod-" + strings.ToLower(random()) }

// entry is the part that all kinds have.
func entry(key chat.Key, seq chat.Seq, kind chat.Kind) chat.Entry {
	return chat.Entry{
		Key: key, Seq: seq, Kind: kind, From: "alice", CMID: chat.CMID(fmt.Sprintf("c%d", seq)), Time: at(seq),
		Count: int64(seq), MV: 1, Members: 2, Hash: chat.Hash{byte(seq), 15: 0xff},
	}
}

func message(key chat.Key, seq chat.Seq, text string) chat.Entry {
	e := entry(key, seq, chat.KindMessage)
	e.Body = []byte(`{"text":"` + text + `"}`)
	return e
}

// messages are n messages from 1 on.
func messages(key chat.Key, n chat.Seq) []chat.Entry {
	var es []chat.Entry
	for seq := chat.Seq(1); seq <= n; seq++ {
		es = append(es, message(key, seq, fmt.Sprintf("text %d", seq)))
	}
	return es
}

func edit(key chat.Key, seq, target chat.Seq, text string) chat.Entry {
	e := message(key, seq, text)
	e.Kind, e.Target = chat.KindEdited, target
	return e
}

func recall(key chat.Key, seq, target chat.Seq) chat.Entry {
	e := entry(key, seq, chat.KindRecalled)
	e.Target = target
	return e
}

func reaction(key chat.Key, seq, target chat.Seq, from chat.User, emoji string, on bool) chat.Entry {
	e := entry(key, seq, chat.KindReacted)
	e.Target, e.From, e.Emoji, e.On = target, from, emoji, on
	return e
}

func members(key chat.Key, seq chat.Seq, change chat.Change, users ...chat.UserRole) chat.Entry {
	e := entry(key, seq, chat.KindMembers)
	e.MV, e.Change, e.Users = seq, change, users
	for _, u := range users {
		e.Concerns = append(e.Concerns, u.User)
	}
	return e
}

func titled(key chat.Key, seq chat.Seq, change chat.Change, title string) chat.Entry {
	e := members(key, seq, change)
	e.Title = title
	return e
}

// append stores entries, all of which must be new. The store may finish them.
func (f *fixture) append(b store.Batch) (finished bool) {
	f.Helper()
	a := f.Append(f.ctx, b)
	want := slices.Repeat([]store.Outcome{store.Stored}, len(b.Entries))
	if a.Err != nil || !slices.Equal(a.Outcomes, want) {
		f.Fatalf("append: outcomes %v, error %v; want all stored", a.Outcomes, a.Err)
	}
	return a.Finished
}

// appendAndFinish stores new entries and writes their effects, in one step or two.
func (f *fixture) appendAndFinish(b store.Batch) {
	f.Helper()
	if !f.append(b) {
		f.ok("finish", f.Finish(f.ctx, b))
	}
}

// put is appendAndFinish without a journal.
func (f *fixture) put(es ...chat.Entry) {
	f.Helper()
	f.appendAndFinish(store.Batch{Entries: es})
}

// appendOnly stores new entries, whose effects the test writes in its own order.
func (f *fixture) appendOnly(es ...chat.Entry) {
	f.Helper()
	f.append(store.Batch{Entries: es})
}

// finish writes effects, of each entry by itself, in the order given.
func (f *fixture) finish(es ...chat.Entry) {
	f.Helper()
	for _, e := range es {
		f.ok("finish", f.Finish(f.ctx, store.Batch{Entries: []chat.Entry{e}}))
	}
}

func (f *fixture) ok(what string, err error) {
	f.Helper()
	if err != nil {
		f.Fatalf("%s: %v", what, err)
	}
}

// outcomes appends, and checks what became of each entry.
func (f *fixture) outcomes(es []chat.Entry, want ...store.Outcome) {
	f.Helper()
	a := f.Append(f.ctx, store.Batch{Entries: es})
	if a.Err != nil || !slices.Equal(a.Outcomes, want) {
		f.Fatalf("append: outcomes %v, error %v; want %v", a.Outcomes, a.Err, want)
	}
	if !a.Finished {
		var stored []chat.Entry
		for i, o := range a.Outcomes {
			if o == store.Stored {
				stored = append(stored, es[i])
			}
		}
		f.ok("finish", f.Finish(f.ctx, store.Batch{Entries: stored}))
	}
}

// log reads a whole log.
func (f *fixture) log(key chat.Key) []chat.Entry {
	f.Helper()
	es, err := f.Entries(f.ctx, key, store.Range{Limit: 1000})
	f.ok("entries", err)
	return es
}

func (f *fixture) conversation(key chat.Key) chat.Conversation {
	f.Helper()
	cs, err := f.ConversationsByKey(f.ctx, []chat.Key{key})
	f.ok("conversations by key", err)
	if len(cs) != 1 {
		f.Fatalf("conversations by key: got %d of one key", len(cs))
	}
	return cs[0]
}

func (f *fixture) member(key chat.Key, user chat.User) chat.Member {
	f.Helper()
	ms, err := f.MembersByUser(f.ctx, key, []chat.User{user})
	f.ok("members by user", err)
	if len(ms) != 1 {
		f.Fatalf("members by user: got %d of one user", len(ms))
	}
	return ms[0]
}

// fold reads what became of one message; the zero Fold if nothing did.
func (f *fixture) fold(key chat.Key, seq chat.Seq) store.Fold {
	f.Helper()
	folds, err := f.Folds(f.ctx, key, []chat.Seq{seq})
	f.ok("folds", err)
	return folds[seq]
}

// parallel runs n functions at once and waits for all.
func (f *fixture) parallel(n int, run func(i int) error) {
	f.Helper()
	errs := make([]error, n)
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { errs[i] = run(i) })
	}
	wg.Wait()
	f.ok("in parallel", errors.Join(errs...))
}

// utc checks and unifies a time, so that equal times are deeply equal.
func (f *fixture) utc(t time.Time) time.Time {
	f.Helper()
	if t.Location().String() != "UTC" {
		f.Errorf("time %v is not UTC", t)
	}
	return t.UTC().Round(0)
}

// sameEntries compares entries, but for what does not go into the log.
func (f *fixture) sameEntries(got, want []chat.Entry) {
	f.Helper()
	if len(got) != len(want) {
		f.Fatalf("got %d entries, want %d:\n%s\nwant\n%s", len(got), len(want), showAll(got), showAll(want))
	}
	for i := range got {
		g, w := f.plain(got[i]), f.plain(want[i])
		if !reflect.DeepEqual(g, w) {
			f.Errorf("entry %d:\n got %s\nwant %s", i, show(g), show(w))
		}
	}
}

func (f *fixture) plain(e chat.Entry) chat.Entry {
	f.Helper()
	e.Time, e.Concerns = f.utc(e.Time), nil
	if len(e.Body) == 0 {
		e.Body = nil
	}
	if len(e.Users) == 0 {
		e.Users = nil
	}
	if len(e.Mentions) == 0 {
		e.Mentions = nil
	}
	return e
}

func show(e chat.Entry) string {
	body := e.Body
	e.Body = nil
	return fmt.Sprintf("%+v %s", e, body)
}

func showAll(es []chat.Entry) string {
	var b strings.Builder
	for _, e := range es {
		fmt.Fprintln(&b, show(e))
	}
	return b.String()
}

func (f *fixture) sameConversation(got, want chat.Conversation) {
	f.Helper()
	for _, c := range []*chat.Conversation{&got, &want} {
		c.Created, c.Last.Time, c.Preview.Time = f.utc(c.Created), f.utc(c.Last.Time), f.utc(c.Preview.Time)
		if len(c.Users) == 0 {
			c.Users = nil
		}
	}
	same(f, "conversation", got, want)
}

// sameMembers compares members in any order.
func (f *fixture) sameMembers(got, want []chat.Member) {
	f.Helper()
	sorted := func(ms []chat.Member) []chat.Member {
		ms = slices.Clone(ms)
		for i := range ms {
			if len(ms[i].Recv) == 0 {
				ms[i].Recv = nil
			}
		}
		slices.SortFunc(ms, func(a, b chat.Member) int {
			return strings.Compare(string(a.Conv)+"/"+string(a.User), string(b.Conv)+"/"+string(b.User))
		})
		return ms
	}
	same(f, "members", sorted(got), sorted(want))
}

func (f *fixture) sameMember(got, want chat.Member) {
	f.Helper()
	f.sameMembers([]chat.Member{got}, []chat.Member{want})
}

// sameEdit compares an edit fold; want nil for none.
func (f *fixture) sameEdit(got, want *store.Edited) {
	f.Helper()
	if got == nil || want == nil {
		same(f, "edited", got, want)
		return
	}
	if got.Seq != want.Seq || !f.utc(got.Time).Equal(want.Time) || !bytes.Equal(got.Body, want.Body) {
		f.Errorf("edited: got seq %d at %v %s, want seq %d at %v %s",
			got.Seq, got.Time, got.Body, want.Seq, want.Time, want.Body)
	}
}

func same[T any](f *fixture, what string, got, want T) {
	f.Helper()
	if !reflect.DeepEqual(got, want) {
		f.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}
