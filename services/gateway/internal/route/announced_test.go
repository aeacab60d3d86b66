package route

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// late is a session whose steps are apart, so that anything may be announced
// between them: after it found that it has everything and before it rests, after
// it read a page and before it goes live.
type late struct {
	*fakeSession
	rest bool
	read bool
}

// next takes the session's next step, if it has one to take.
func (s *late) next(t *testing.T, page int) {
	s.mu.Lock()
	cursor, behind := s.got, s.wanted && !s.full
	s.mu.Unlock()
	sync := func(again bool) { s.set(func() { s.wanted = again }) }
	switch {
	case s.rest:
		s.rest = false
		if !s.sub.Idle(cursor) {
			sync(true)
		}
	case s.read:
		s.read = false
		sync(false)
		if ok, _ := s.sub.Live(cursor); !ok {
			sync(true)
		}
	case behind:
		frames, err := s.log.read(t.Context(), key, cursor, 1<<40, page)
		s.read = err == nil
		s.set(func() {
			for _, f := range frames {
				s.take(f.Seq)
			}
		})
	}
}

// Whatever was announced arrives, with nothing coming after it that would show
// that it is missing: announcements may be doubled and out of order here, but
// none is lost.
func TestWhatIsAnnouncedArrivesByItself(t *testing.T) {
	for seed := range uint64(1000) {
		synctest.Test(t, func(t *testing.T) { announced(t, seed) })
	}
}

func announced(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	l := &log{}
	table := NewTable(Options{Read: l.read, Ring: 1 + rnd.IntN(8), MaxHeld: 1 + rnd.IntN(8), FillPage: 1 + rnd.IntN(5)})
	defer table.Stop()
	var sessions []*late
	var flying []Frame
	route := func() {
		i := rnd.IntN(len(flying))
		f := flying[i]
		flying = append(flying[:i], flying[i+1:]...)
		table.Route(&f)
	}
	for range 4 + rnd.IntN(20) { // few: what comes later would heal what is missing
		switch rnd.IntN(8) {
		case 0, 1:
			f := l.append()
			for range 1 + rnd.IntN(2) {
				flying = append(flying, f)
			}
		case 2, 3:
			if len(flying) > 0 {
				route()
			}
		case 4:
			if len(sessions) < 3 {
				s := &late{fakeSession: &fakeSession{log: l, user: chat.User(fmt.Sprint("u", len(sessions)))}}
				s.sub = table.Attach(key, s)
				if s.rest = rnd.IntN(2) == 0; s.rest {
					s.got = l.head
				} else {
					s.wanted = true
				}
				sessions = append(sessions, s)
			}
		case 5, 6:
			if len(sessions) > 0 {
				sessions[rnd.IntN(len(sessions))].next(t, 1+rnd.IntN(4))
			}
		case 7:
			if len(sessions) > 0 {
				s := sessions[rnd.IntN(len(sessions))]
				s.set(func() { s.full = rnd.IntN(3) == 0 })
			}
			time.Sleep(time.Duration(rnd.IntN(30)) * time.Millisecond) // fake
		}
	}
	for len(flying) > 0 {
		route()
	}
	for _, s := range sessions {
		s.set(func() { s.full = false })
	}
	for range 40 {
		time.Sleep(10 * time.Millisecond) // fake
		synctest.Wait()
		for _, s := range sessions {
			s.next(t, 10)
		}
	}
	for _, s := range sessions {
		if s.got != l.head {
			t.Errorf("seed %d: %s has %d of %d, and all of it was announced", seed, s.user, s.got, l.head)
		}
		if len(s.wrong) > 0 {
			t.Errorf("seed %d: %v", seed, s.wrong)
		}
		s.sub.Detach()
	}
}

// A session that reads further than the table was told, and goes live first, does
// not hide from the others that they lack something.
func TestReaderAheadOfTheAnnouncementsTellsTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &log{}
		table := NewTable(Options{Read: l.read})
		defer table.Stop()
		first := goLive(t, table, l, "first")
		l.append() // its announcement is lost
		goLive(t, table, l, "second")
		time.Sleep(time.Second) // fake
		synctest.Wait()
		if first.got != 1 {
			t.Fatalf("the first session has %d", first.got)
		}
	})
}
