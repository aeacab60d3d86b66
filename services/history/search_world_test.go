package history

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// searchWorld is some conversations, written as gateways write them, and beside
// them the plain logs that searches are judged by.
type searchWorld struct {
	testing.TB
	ctx   context.Context
	store *memstore.Store
	convs []*talk
	pods  map[string]*pod
	now   time.Time // of entries
}

// pod is a gateway's journal.
type pod struct {
	next, first uint64
	open        uint64 // a number that is not settled; 0: all are
}

// talk is one conversation.
type talk struct {
	chat.Conversation
	log     []chat.Entry
	members map[chat.User]bool
}

var searchers = []chat.User{"alice", "bob", "carol", "dave"}

func newSearchWorld(t testing.TB) *searchWorld {
	return &searchWorld{TB: t, ctx: t.Context(), store: memstore.New(memstore.Options{}), pods: map[string]*pod{},
		now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

func (w *searchWorld) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// talk makes a conversation; one of two users without a name is direct.
func (w *searchWorld) talk(name string, floor chat.Seq, all bool, users ...chat.User) *talk {
	w.Helper()
	c := &talk{members: map[chat.User]bool{}}
	c.Floor, c.History, c.Kind = floor, chat.HistoryJoined, chat.Group
	c.Key = chat.Key{NS: "_", Conv: chat.GroupID("_", users[0], chat.CMID(name))}
	if all {
		c.History = chat.HistoryAll
	}
	if name == "" {
		c.Kind, c.Users, c.Conv = chat.Direct, users, chat.DirectID("_", users[0], users[1])
	}
	var members []chat.Member
	var roles []chat.UserRole
	for _, u := range users {
		members = append(members, chat.Member{Key: c.Key, User: u, Role: chat.RoleMember, Joined: 1})
		roles = append(roles, chat.UserRole{User: u, Role: chat.RoleMember})
		c.members[u] = true
	}
	w.must(w.store.Create(w.ctx, c.Conversation, members))
	w.convs = append(w.convs, c)
	if name != "" {
		w.put("pod1", c, chat.Entry{Kind: chat.KindMembers, From: users[0], Change: chat.ChangeCreated, Users: roles})
	}
	return c
}

// register renews a pod's lease.
func (w *searchWorld) register(name string) *pod {
	w.Helper()
	p := w.pods[name]
	if p == nil {
		p = &pod{next: 1, first: 1}
		w.pods[name] = p
	}
	settled := p.next
	if p.open > 0 {
		settled = p.open
	}
	w.must(w.store.Register(w.ctx, store.Pod{ID: name, Epoch: "e", First: p.first, Settled: settled}, time.Hour))
	return p
}

// put stores an entry and finishes it, through a pod or, with "", without a line
// in any journal.
func (w *searchWorld) put(by string, c *talk, e chat.Entry) chat.Seq {
	w.Helper()
	w.now = w.now.Add(700 * time.Millisecond)
	e.Key, e.Seq, e.Time = c.Key, chat.Seq(len(c.log))+1, w.now
	e.CMID = chat.CMID(fmt.Sprint("c", e.Seq))
	if len(c.log) > 0 {
		e.Count = c.log[len(c.log)-1].Count
	}
	if e.Kind == chat.KindMessage {
		e.Count++
	}
	for _, f := range store.MemberFolds(&e) {
		c.members[f.User] = f.Joins || !f.Leaves && c.members[f.User]
	}
	b := store.Batch{Entries: []chat.Entry{e}}
	if by != "" {
		p := w.register(by)
		b.Journal = store.JournalID{Pod: by, Number: p.next, Epoch: "e"}
		p.next++
	}
	if a := w.store.Append(w.ctx, b); a.Err != nil || a.Outcomes[0] != store.Stored {
		w.Fatal("append:", a)
	}
	w.must(w.store.Finish(w.ctx, b))
	c.log = append(c.log, e)
	return e.Seq
}

func textBody(text string) []byte { return []byte(wire.Encode(map[string]string{"text": text})) }

func (w *searchWorld) say(c *talk, from chat.User, text string) chat.Seq {
	w.Helper()
	return w.put("pod1", c, chat.Entry{Kind: chat.KindMessage, From: from, Body: textBody(text)})
}

func (w *searchWorld) edit(c *talk, target chat.Seq, text string) {
	w.Helper()
	w.put("pod1", c, chat.Entry{Kind: chat.KindEdited, From: c.log[target-1].From, Target: target, Body: textBody(text)})
}

func (w *searchWorld) recall(c *talk, target chat.Seq) {
	w.Helper()
	w.put("pod1", c, chat.Entry{Kind: chat.KindRecalled, From: c.log[target-1].From, Target: target})
}

func (w *searchWorld) change(c *talk, change chat.Change, u chat.User) {
	w.Helper()
	w.put("pod1", c, chat.Entry{Kind: chat.KindMembers, From: "alice", Change: change, Users: []chat.UserRole{{User: u, Role: chat.RoleMember}}})
}

var words = []string{"red", "Green", "blue", "don't", "café", "世界", "你好", "世", "好你", "a_b", "中国人", "<b>"}

func randomText(rng *rand.Rand) string {
	var list []string
	for range 1 + rng.IntN(5) {
		list = append(list, words[rng.IntN(len(words))])
	}
	return strings.Join(list, []string{" ", " ", "", ", "}[rng.IntN(4)])
}

// random does one random thing.
func (w *searchWorld) random(rng *rand.Rand) {
	w.Helper()
	c := w.convs[rng.IntN(len(w.convs))]
	by := []string{"pod1", "pod2"}[rng.IntN(2)]
	var said, open []chat.Seq
	for _, e := range c.log {
		if e.Kind == chat.KindMessage {
			said = append(said, e.Seq)
			if c.recalled(e.Seq) == 0 {
				open = append(open, e.Seq)
			}
		}
	}
	u := searchers[rng.IntN(len(searchers))]
	switch k := rng.IntN(20); {
	case k < 4 && len(open) > 0:
		t := open[rng.IntN(len(open))]
		w.put(by, c, chat.Entry{Kind: chat.KindEdited, From: c.log[t-1].From, Target: t, Body: textBody(randomText(rng))})
	case k < 6 && len(open) > 0:
		t := open[rng.IntN(len(open))]
		w.put(by, c, chat.Entry{Kind: chat.KindRecalled, From: c.log[t-1].From, Target: t})
	case k < 7 && len(said) > 0:
		w.put(by, c, chat.Entry{Kind: chat.KindReacted, From: u, Target: said[rng.IntN(len(said))], Emoji: "👍", On: true})
	case k < 9 && c.Kind == chat.Group && u != "alice":
		change := chat.ChangeAdded
		if c.members[u] {
			change = chat.ChangeRemoved
		}
		w.put(by, c, chat.Entry{Kind: chat.KindMembers, From: "alice", Change: change, Users: []chat.UserRole{{User: u, Role: chat.RoleMember}}})
	default:
		from := u
		for !c.members[from] {
			from = searchers[rng.IntN(len(searchers))]
		}
		w.put(by, c, chat.Entry{Kind: chat.KindMessage, From: from, Body: textBody(randomText(rng))})
	}
}

func (c *talk) recalled(target chat.Seq) chat.Seq {
	for _, e := range c.log {
		if e.Kind == chat.KindRecalled && e.Target == target {
			return e.Seq
		}
	}
	return 0
}

// text is a message's text as somebody sees it whose part ends at an entry: the
// latest one, or the first if the latest is not in the part.
func (c *talk) text(target, end chat.Seq) string {
	text := c.log[target-1].Body
	for _, e := range slices.Backward(c.log) {
		if e.Kind == chat.KindEdited && e.Target == target {
			if e.Seq <= end {
				text = e.Body
			}
			break
		}
	}
	return search.TextOf(text)
}

// part is what of a log a user may read: from joined or floor up to left.
func (c *talk) part(u chat.User) (start, end chat.Seq) {
	start, end = 0, chat.Seq(len(c.log))
	if c.Kind == chat.Direct && slices.Contains(c.Users, u) {
		start = 1
	}
	for i := range c.log {
		for _, f := range store.MemberFolds(&c.log[i]) {
			if f.User == u && f.Joins {
				start, end = f.Seq, chat.Seq(len(c.log))
			}
			if f.User == u && f.Leaves {
				end = f.Seq
			}
		}
	}
	if start == 0 {
		return 1, 0
	}
	if c.History == chat.HistoryAll {
		start = 1
	}
	return max(start, c.Floor), end
}

// asked is a search of the tests.
type asked struct {
	q, conv, from, after, before string
}

func (a asked) values() url.Values {
	v := url.Values{"q": {a.q}}
	for k, s := range map[string]string{"conv": a.conv, "from": a.from, "after": a.after, "before": a.before} {
		if s != "" {
			v.Set(k, s)
		}
	}
	return v
}

func (w *searchWorld) date(text string) time.Time {
	w.Helper()
	t, err := time.Parse(time.RFC3339Nano, text)
	w.must(err)
	return t
}

// naive looks at everything.
func (w *searchWorld) naive(u chat.User, a asked) []string {
	w.Helper()
	q, err := search.ParseQuery(a.q)
	w.must(err)
	var places []search.Place
	for _, c := range w.convs {
		start, end := c.part(u)
		if a.conv != "" && a.conv != string(c.Conv) {
			continue
		}
		for seq := start; seq <= end; seq++ {
			e := c.log[seq-1]
			if e.Kind != chat.KindMessage || c.recalled(seq) != 0 || a.from != "" && a.from != string(e.From) ||
				a.after != "" && e.Time.Before(w.date(a.after)) || a.before != "" && !e.Time.Before(w.date(a.before)) {
				continue
			}
			if _, ok := q.Match(c.text(seq, end)); !ok || !hasTerms(q, c.text(seq, chat.MaxSeq)) {
				continue
			}
			places = append(places, search.Place{Time: e.Time.UnixMilli(), Conv: c.Conv, Seq: seq})
		}
	}
	slices.SortFunc(places, search.Place.Compare)
	ids := make([]string, len(places))
	for i, p := range places {
		ids[i] = chat.EntryID(p.Conv, p.Seq)
	}
	return ids
}

// hasTerms is how a message is found that was edited after the searcher had left:
// what the searcher sees must match, and the present text have the words.
func hasTerms(q search.Query, text string) bool {
	terms, _ := search.Terms(text)
	for _, t := range q.Terms() {
		if !slices.ContainsFunc(terms, func(have search.Term) bool { return have.Text == t }) {
			return false
		}
	}
	return true
}
