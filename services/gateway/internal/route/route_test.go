package route

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

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
	t    *testing.T
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
		s.t.Errorf("%s got %d after %d", s.user, seq, s.got)
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

func (s *fakeSession) Sync(chat.Key)     { s.set(func() { s.wanted = true }) }
func (s *fakeSession) Discover(chat.Key) { s.set(func() { s.found++ }) }
func (s *fakeSession) Changed(chat.Key)  { s.set(func() { s.changed++ }) }
func (s *fakeSession) Ended(chat.Key)    { s.set(func() { s.ended = true }) }

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

// Random interleavings of appends, announcements (lost, doubled, out of order),
// page reads, full queues and a store that fails: every session gets everything,
// in order, once.
func TestSpliceModel(t *testing.T) {
	for seed := range uint64(300) {
		synctest.Test(t, func(t *testing.T) { splice(t, seed) })
	}
}

func splice(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 7))
	l := &log{}
	table := NewTable(Options{Read: l.read, Ring: 1 + rnd.IntN(8), MaxHeld: 1 + rnd.IntN(8), FillPage: 1 + rnd.IntN(5)})
	defer table.Stop()
	for range rnd.IntN(20) {
		l.append()
	}
	var sessions []*fakeSession
	var flying []Frame
	for range 400 {
		switch rnd.IntN(8) {
		case 0, 1:
			f := l.append()
			for range []int{0, 1, 1, 1, 2}[rnd.IntN(5)] { // lost, once, twice
				flying = append(flying, f)
			}
		case 2, 3, 4:
			if len(flying) > 0 {
				i := rnd.IntN(len(flying))
				f := flying[i]
				flying = append(flying[:i], flying[i+1:]...)
				table.Route(&f)
			}
		case 5:
			if len(sessions) < 5 {
				s := &fakeSession{t: t, log: l, user: chat.User(fmt.Sprint("u", len(sessions)))}
				s.sub = table.Attach(key, s)
				if head := chat.Seq(rnd.IntN(int(l.head) + 1)); rnd.IntN(2) == 0 && head == l.head {
					s.got = head
					s.wanted = !s.sub.Idle(head)
				} else {
					s.wanted = true
				}
				sessions = append(sessions, s)
			}
		case 6:
			for _, s := range sessions {
				s.syncOnce(1 + rnd.IntN(4))
			}
		case 7:
			if len(sessions) > 0 {
				s := sessions[rnd.IntN(len(sessions))]
				s.set(func() { s.full = rnd.IntN(2) == 0 })
			}
			l.mu.Lock()
			l.fails = rnd.IntN(2)
			l.mu.Unlock()
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond) // fake
		}
	}
	// At rest one last announcement arrives, and everybody has everything.
	last := l.append()
	for _, s := range sessions {
		s.set(func() { s.full = false })
	}
	table.Route(&last)
	for range 200 {
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		for _, s := range sessions {
			s.syncOnce(10)
		}
	}
	synctest.Wait()
	for _, s := range sessions {
		if s.got != l.head {
			t.Errorf("seed %d: %s has %d of %d", seed, s.user, s.got, l.head)
		}
		s.sub.Detach()
	}
	if table.conv(key) != nil {
		t.Errorf("seed %d: the conversation is still in the table", seed)
	}
}

func goLive(t *testing.T, table *Table, l *log, user chat.User) *fakeSession {
	s := &fakeSession{t: t, log: l, user: user, wanted: true}
	table.Register(s)
	s.sub = table.Attach(key, s)
	t.Cleanup(func() { s.sub.Detach(); table.Unregister(s) })
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
	b := AppendEnvelope(nil, Origin{Epoch: "e", Pod: "p", Last: 9, Settled: 4, Number: 7, Part: 1, Parts: 2, Bye: true}, in)
	o, out, err := ParseEnvelope(b)
	if err != nil || o != (Origin{"e", "p", 9, 4, 7, 1, 2, true}) || fmt.Sprint(out) != fmt.Sprint(in) {
		t.Fatalf("%v %v %v", o, out, err)
	}
	for i := range b {
		if _, _, err := ParseEnvelope(b[:i]); err == nil {
			t.Fatalf("%d of %d bytes were accepted", i, len(b))
		}
	}
	marks := []Marks{{Receipt: Receipt{key, "u", 3, 2}, Time: time.UnixMilli(5).UTC()}}
	m := AppendMarks(nil, "e", marks)
	if epoch, got, err := ParseMarks(m); err != nil || epoch != "e" || fmt.Sprint(got) != fmt.Sprint(marks) {
		t.Fatalf("%v %v", got, err)
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
