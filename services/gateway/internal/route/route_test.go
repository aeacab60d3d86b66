package route

import (
	"context"
	"flag"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/parley-chat/parley/pkg/chat"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if flag.Lookup("rapid.checks").Value.String() == "100" { // the default: too few to find every mutant
		if err := flag.Set("rapid.checks", "1000"); err != nil {
			panic(err)
		}
	}
	goleak.VerifyTestMain(m)
}

var key = chat.Key{NS: "_", Conv: "g_abcdefghijklmnopqrstuvwxyz"}

// log is a store of one conversation.
type log struct {
	mu    sync.Mutex
	head  chat.Seq
	fails int
	reads int
}

func (l *log) append() Frame {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.head++
	return frame(l.head)
}

func frame(seq chat.Seq) Frame {
	return Frame{Key: key, Seq: seq, Kind: chat.KindMessage, Members: 2, Data: fmt.Append(nil, seq)}
}

func (l *log) read(_ context.Context, _ chat.Key, after, upTo chat.Seq, limit int) ([]Frame, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads++
	if l.fails > 0 {
		l.fails--
		return nil, fmt.Errorf("the store is away")
	}
	var list []Frame
	for s := after + 1; s <= min(upTo, l.head) && len(list) < limit; s++ {
		list = append(list, frame(s))
	}
	return list, nil
}

// fakeSession follows one conversation as a session does, and checks that it gets
// cursor+1, +2, … and nothing else.
type fakeSession struct {
	log  *log
	user chat.User
	sub  *Sub

	mu      sync.Mutex
	got     chat.Seq
	full    bool
	wanted  bool // a sync was asked for
	ended   bool
	changed int
	found   int
	offers  [][]byte
	wrong   []string
}

func (s *fakeSession) Owner() (chat.NS, chat.User) { return "_", s.user }

func (s *fakeSession) Deliver(_ chat.Key, seq chat.Seq, _ []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return false
	}
	s.take(seq)
	return true
}

func (s *fakeSession) take(seq chat.Seq) {
	if seq != s.got+1 {
		s.wrong = append(s.wrong, fmt.Sprintf("%s got %d after %d", s.user, seq, s.got))
	}
	s.got = seq
}

func (s *fakeSession) Offer(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers = append(s.offers, frame)
}

func (s *fakeSession) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *fakeSession) Sync(chat.Key)            { s.set(func() { s.wanted = true }) }
func (s *fakeSession) Discover(chat.Key)        { s.set(func() { s.found++ }) }
func (s *fakeSession) Changed(chat.Key)         { s.set(func() { s.changed++ }) }
func (s *fakeSession) Ended(chat.Key, chat.Seq) { s.set(func() { s.ended = true }) }

// syncOnce is one round of a session's syncing: read a page, try to go live.
func (s *fakeSession) syncOnce(page int) {
	s.mu.Lock()
	if !s.wanted || s.full {
		s.mu.Unlock()
		return
	}
	cursor := max(s.got, s.sub.Cursor())
	s.mu.Unlock()
	frames, err := s.log.read(context.Background(), key, cursor, 1<<40, page)
	if err != nil {
		return
	}
	s.mu.Lock()
	for _, f := range frames {
		s.take(f.Seq)
	}
	cursor = s.got
	s.wanted = false
	s.mu.Unlock()
	if ok, _ := s.sub.Live(cursor); !ok {
		s.set(func() { s.wanted = true })
	}
}

// step is one thing that happens in the splice model; n chooses what to.
type step struct {
	What string
	N    int
}

// Random interleavings of appends, announcements (lost, doubled, out of order),
// page reads, full queues, reconnects and a store that fails: every session gets
// cursor+1, +2, … and in the end everything.
func TestSpliceModel(t *testing.T) {
	// What happens often stands here often.
	what := []string{"append", "append", "append", "announce", "announce", "announce", "announce",
		"connect", "reconnect", "read", "read", "read", "full", "room", "store away", "wait"}
	steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
		return step{rapid.SampledFrom(what).Draw(t, "what"), rapid.IntRange(0, 1<<16).Draw(t, "n")}
	}), 20, 400)
	rapid.Check(t, func(rt *rapid.T) {
		script := steps.Draw(rt, "script")
		opts := Options{Ring: rapid.IntRange(1, 8).Draw(rt, "ring"), MaxHeld: rapid.IntRange(1, 8).Draw(rt, "held"),
			FillPage: rapid.IntRange(1, 5).Draw(rt, "fill")}
		byJournal := rapid.Bool().Draw(rt, "by journal")
		var problems []string
		synctest.Test(t, func(t *testing.T) { // draws nothing and does not fail: rapid could not see it
			m := &model{log: &log{}}
			opts.Read = m.log.read
			m.table = NewTable(opts)
			defer m.table.Stop()
			for _, s := range script {
				m.do(s)
			}
			problems = m.rest(byJournal)
		})
		if len(problems) > 0 {
			rt.Fatal(problems)
		}
	})
}

// model is a conversation, announcements on their way, and the sessions that
// follow it.
type model struct {
	log      *log
	table    *Table
	flying   []Frame
	sessions []*fakeSession
	ended    []*fakeSession
}

func (m *model) do(s step) {
	var one *fakeSession
	if len(m.sessions) > 0 {
		one = m.sessions[s.N%len(m.sessions)]
	}
	switch s.What {
	case "append":
		f := m.log.append()
		for range []int{0, 1, 1, 1, 2}[s.N%5] { // lost, once, twice
			m.flying = append(m.flying, f)
		}
	case "announce":
		if len(m.flying) > 0 {
			i := s.N % len(m.flying)
			f := m.flying[i]
			m.flying = append(m.flying[:i], m.flying[i+1:]...)
			m.table.Route(&f)
		}
	case "connect":
		if len(m.sessions) < 5 {
			m.connect(chat.User(fmt.Sprint("u", len(m.ended)+len(m.sessions))), chat.Seq(s.N)%(m.log.head+1))
		}
	case "reconnect":
		if one != nil {
			one.sub.Detach()
			m.sessions[s.N%len(m.sessions)] = m.sessions[len(m.sessions)-1]
			m.sessions = m.sessions[:len(m.sessions)-1]
			m.ended = append(m.ended, one)
			m.connect(one.user, one.got)
		}
	case "read":
		if one != nil {
			one.syncOnce(1 + s.N%4)
		}
	case "full", "room":
		if one != nil {
			one.set(func() { one.full = s.What == "full" })
		}
	case "store away":
		m.log.mu.Lock()
		m.log.fails = s.N % 3
		m.log.mu.Unlock()
	case "wait":
		time.Sleep(time.Duration(s.N%30) * time.Millisecond) // fake
	}
}

// connect is a session that begins at a cursor: idle if that is all there is.
func (m *model) connect(user chat.User, cursor chat.Seq) {
	s := &fakeSession{log: m.log, user: user, got: cursor}
	s.sub = m.table.Attach(key, s)
	s.wanted = m.log.head > cursor || !s.sub.Idle(cursor)
	m.sessions = append(m.sessions, s)
}

// rest lets everything come to rest, with one last announcement, or with what the
// journal tells of the last entry, and says what is wrong then.
func (m *model) rest(byJournal bool) (problems []string) {
	for _, s := range m.sessions {
		s.set(func() { s.full = false })
	}
	if byJournal {
		m.table.Repair(key, m.log.head, nil)
	} else {
		last := m.log.append()
		m.table.Route(&last)
	}
	for range 300 {
		time.Sleep(10 * time.Millisecond) // fake
		synctest.Wait()
		for _, s := range m.sessions {
			s.syncOnce(10)
		}
	}
	synctest.Wait()
	for _, s := range m.sessions {
		if s.got != m.log.head {
			problems = append(problems, fmt.Sprintf("%s has %d of %d", s.user, s.got, m.log.head))
		}
		s.sub.Detach()
	}
	for _, s := range append(m.sessions, m.ended...) {
		problems = append(problems, s.wrong...)
	}
	if m.table.conv(key) != nil {
		problems = append(problems, "the conversation is still in the table")
	}
	return problems
}

func goLive(t *testing.T, table *Table, l *log, user chat.User) *fakeSession {
	s := &fakeSession{log: l, user: user, wanted: true}
	table.Register(s)
	s.sub = table.Attach(key, s)
	t.Cleanup(func() {
		s.sub.Detach()
		table.Unregister(s)
		if len(s.wrong) > 0 {
			t.Error(s.wrong)
		}
	})
	s.syncOnce(100)
	return s
}

func TestRemovedMemberGetsItsRemovalAndNothingMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		table := NewTable(Options{Read: l.read})
		defer table.Stop()
		stays, goes := goLive(t, table, l, "stays"), goLive(t, table, l, "goes")
		for range 3 {
			f := l.append()
			table.Route(&f)
		}
		f := l.append()
		f.Kind, f.Leaving, f.Concerns = chat.KindMembers, []chat.User{"goes"}, []chat.User{"goes"}
		table.Route(&f)
		f = l.append()
		table.Route(&f)
		if goes.got != 4 || !goes.ended || stays.got != 5 || stays.ended || stays.changed != 1 {
			t.Fatalf("goes %d %v, stays %d %v %d", goes.got, goes.ended, stays.got, stays.ended, stays.changed)
		}
		f = l.append()
		f.Kind, f.Concerns = chat.KindMembers, []chat.User{"goes"}
		table.Route(&f)
		if goes.found != 1 {
			t.Fatalf("added again, discovered %d times", goes.found)
		}
	})
}

func TestGapClosesByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		table := NewTable(Options{Read: l.read})
		defer table.Stop()
		s := goLive(t, table, l, "u")
		before := l.reads
		a, b := l.append(), l.append()
		table.Route(&b)
		table.Route(&a)
		time.Sleep(time.Second) // fake
		synctest.Wait()
		if s.got != 2 || l.reads != before {
			t.Fatalf("got %d after %d reads", s.got, l.reads-before)
		}
		l.append() // lost
		d := l.append()
		table.Route(&d)
		time.Sleep(time.Second) // fake
		synctest.Wait()
		if s.got != 4 || l.reads != before+1 {
			t.Fatalf("got %d after %d reads", s.got, l.reads-before)
		}
	})
}

func TestReceiptsNeverGoBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		table := NewTable(Options{Read: l.read})
		defer table.Stop()
		s := goLive(t, table, l, "reader")
		s.sub.SetMembers(2)
		tell := func(d, r chat.Seq) {
			table.Receipt(Receipt{Key: key, User: "other", Delivered: d, Read: r}, 100,
				func(r Receipt) []byte { return fmt.Appendf(nil, "%d/%d", r.Delivered, r.Read) })
		}
		tell(5, 0)
		tell(4, 0)
		tell(5, 3)
		tell(4, 4)
		want := []string{"5/0", "5/3", "5/4"}
		if len(s.offers) != len(want) {
			t.Fatalf("%q", s.offers)
		}
		for i := range want {
			if string(s.offers[i]) != want[i] {
				t.Fatalf("%q", s.offers)
			}
		}
		table.Receipt(Receipt{Key: key, User: "third", Read: 1}, 1, func(Receipt) []byte { return []byte("x") })
		if len(s.offers) != len(want) {
			t.Fatal("a receipt of a large conversation went to others")
		}
	})
}

func TestEnvelopeRoundTripAndGarbage(t *testing.T) {
	in := []Announced{
		{Frame: Frame{Key: key, Seq: 7, Kind: chat.KindMembers, Members: 3, Leaving: []chat.User{"a.b"}, Closing: true,
			Concerns: []chat.User{"a.b", "c"}, Data: []byte(`{"x":1}`)}, From: "me", Count: 5, MV: 7, Time: time.UnixMilli(1234567).UTC()},
		{Frame: Frame{Key: key, Seq: 8, Kind: chat.KindMessage, Data: []byte("y")}, Time: time.UnixMilli(0).UTC()},
	}
	b := AppendEnvelope(nil, Origin{Epoch: "e", Pod: "p", Last: 9, Settled: 4, Number: 7, Part: 1, Parts: 2, Bye: true, To: 5}, in)
	o, out, err := ParseEnvelope(b)
	if err != nil || o != (Origin{"e", "p", 9, 4, 7, 1, 2, true, 5}) || fmt.Sprint(out) != fmt.Sprint(in) {
		t.Fatalf("%v %v %v", o, out, err)
	}
	for i := range b {
		if _, _, err := ParseEnvelope(b[:i]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(b))
		}
	}
	marks := []Marks{{Receipt: Receipt{key, "u", 3, 2, false}, Time: time.UnixMilli(5).UTC()}, {Receipt: Receipt{key, "v", 3, 1, true}, Time: time.UnixMilli(6).UTC()}}
	for n, version := range map[int]byte{1: marksVersion, 2: hiddenVersion} { // an older pod must not read what is hidden
		m := AppendMarks(nil, "e", marks[:n])
		if epoch, got, err := ParseMarks(m); err != nil || epoch != "e" || fmt.Sprint(got) != fmt.Sprint(marks[:n]) || m[1] != version {
			t.Fatalf("%v %v", got, err)
		}
	}
	if _, _, err := ParseMarks(b); err == nil {
		t.Fatal("an envelope of entries was accepted")
	}
}

func FuzzParseEnvelope(f *testing.F) {
	f.Add(AppendEnvelope(nil, Origin{Epoch: "e", Pod: "p"}, []Announced{{Frame: frame(3)}}))
	f.Add([]byte{'P', 1, 255, 255, 255, 255, 15})
	f.Fuzz(func(t *testing.T, b []byte) {
		if o, list, err := ParseEnvelope(b); err == nil {
			if again, _, err := ParseEnvelope(AppendEnvelope(nil, o, list)); err != nil || again != o {
				t.Fatal("what was read cannot be written")
			}
		}
		_, _, _ = ParseMarks(b)
	})
}

// Whatever somebody here may want is wanted: by its conversation, or by whom it
// concerns.
func TestWanted(t *testing.T) {
	table := NewTable(Options{})
	defer table.Stop()
	alice := &fakeSession{user: "alice"}
	other := chat.Key{NS: key.NS, Conv: "g_zzzzzzzzzzzzzzzzzzzzzzzzzz"}
	wanted := func(k chat.Key, concerns ...chat.User) bool {
		t.Helper()
		var s Scanner
		b := AppendEnvelope(nil, Origin{}, []Announced{{Frame: Frame{Key: k, Seq: 1, Kind: chat.KindMessage, Concerns: concerns}}})
		if err := s.Open(b); err != nil || !s.Next() {
			t.Fatal(err)
		}
		return s.Wanted(table)
	}
	check := func(when string, conv, user bool) {
		t.Helper()
		if wanted(key) != conv || wanted(other, "bob", "alice") != user || wanted(other, "bob") {
			t.Errorf("%s: the conversation %v, the user %v", when, wanted(key), wanted(other, "bob", "alice"))
		}
	}
	check("empty", false, false)
	table.Register(alice)
	table.Register(alice)
	check("registered twice", false, true)
	sub := table.Attach(key, alice)
	table.Keep(key, true)
	check("attached", true, true)
	sub.Detach()
	sub.Detach()
	table.Unregister(alice)
	check("kept", true, true)
	table.Keep(key, false)
	table.Unregister(alice)
	check("gone", false, false)
}
