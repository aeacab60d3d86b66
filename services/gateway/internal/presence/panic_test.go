package presence

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// breaks panics so many times.
type breaks struct{ atomic.Int64 }

func (b *breaks) maybe() {
	if b.Add(-1) >= 0 {
		panic("this breaks it")
	}
}

// A question to the store that panics has failed: who it was about is told of without
// what it would have told, or it is asked again.
func TestAPanicOfAQuestionIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var seen, blocked, visits breaks
		var asked []time.Time
		a := w.pod("a", func(o *Options) {
			last, write, among := o.LastSeen, o.Seen, o.Blocked
			o.LastSeen = func(ctx context.Context, u User) (time.Time, error) { seen.maybe(); return last(ctx, u) }
			o.Seen = func(ctx context.Context, u User, d store.DeviceInfo) error { visits.maybe(); return write(ctx, u, d) }
			o.Blocked = func(ctx context.Context, p []store.Pair) (map[store.Pair]chat.Block, error) {
				asked = append(asked, time.Now())
				blocked.maybe()
				return among(ctx, p)
			}
		})
		time.Sleep(10 * time.Second) // fake: nobody else has been heard
		seen.Store(1)
		blocked.Store(2)
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(900 * time.Millisecond) // fake
		w.told(s)                          // not as long as it is not known who blocks whom
		time.Sleep(2 * time.Second)        // fake
		w.told(s, "bob-")
		if len(asked) != 3 || asked[2].Sub(asked[0]) < 2*blockRetry {
			t.Errorf("blocks were read at %v, want every %v", asked, blockRetry)
		}
		visits.Store(1)
		for range 2 {
			a.Connected(user("bob"))
			a.Disconnected(user("bob"), "phone")
			time.Sleep(5 * time.Second) // fake
		}
		w.told(s, "bob+", "bob-", "bob+", "bob-")
		if devices, err := w.store.Devices(t.Context(), "_", "bob"); err != nil || len(devices) != 1 {
			t.Errorf("the store has %v, %v", devices, err)
		}
		if st := a.Stats(); st.Panics != 4 || st.Dropped != 1 {
			t.Errorf("%+v, want 4 panics, and one visit that was not written", st)
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if a.reading != 0 || a.writing != 0 || a.readingBlocks {
			t.Errorf("%d readers and %d writers are taken, and of blocks: %v", a.reading, a.writing, a.readingBlocks)
		}
	})
}

// brittleScreen is a session that panics.
type brittleScreen struct {
	screen
	breaks
}

func (s *brittleScreen) Try(frame []byte) bool {
	s.maybe()
	return s.screen.Try(frame)
}

// A session that panics when it is told something is one without room: the others are
// told, and it is tried again with every step, and not more often.
func TestAPanicOfASessionCostsTheOthersNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a")
		time.Sleep(10 * time.Second) // fake
		bad, good := &brittleScreen{}, &screen{}
		bad.Store(10)
		if cerr := a.Watch(bad, user("watcher"), []chat.User{"bob"}, 256); cerr != nil {
			t.Fatal(cerr)
		}
		w.watch(a, good, "bob")
		a.Connected(user("bob"))
		time.Sleep(4 * tick) // fake
		w.told(good, "bob+")
		w.told(&bad.screen)
		time.Sleep(10 * tick) // fake
		w.told(&bad.screen, "bob+")
		if got := a.Stats().Panics; got != 10 {
			t.Errorf("%d panics, want 10", got)
		}
	})
}

// What a bus that panics was handed is lost, as with one that is away, and the slow pass
// finds it.
func TestAPanicOfTheBusIsALoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var publish breaks
		a := w.pod("a")
		b := w.pod("b", func(o *Options) {
			p := o.Publish
			o.Publish = func(data []byte) error { publish.maybe(); return p(data) }
		})
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(10 * time.Second) // fake
		w.told(s, "bob-")
		publish.Store(1)
		b.Connected(user("bob"))
		time.Sleep(2*time.Minute + 5*time.Second) // fake
		w.told(s, "bob+")
		if st := b.Stats(); st.Panics != 1 || st.Lost != 1 {
			t.Errorf("%+v, want one panic, and one loss", st)
		}
	})
}

// A step that panics, and a look for dead pods that does, leave the lock free; the next
// one comes when it always does.
func TestAPanicOfAStepEndsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var step, list breaks
		a := w.pod("a", func(o *Options) {
			o.Epoch = func() string { step.maybe(); return "e" }
			pods := o.Pods
			o.Pods = func(ctx context.Context) ([]store.Pod, time.Time, error) { list.maybe(); return pods(ctx) }
		})
		b := w.pod("b")
		b.Connected(user("bob"))
		time.Sleep(3 * time.Second) // fake
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second) // fake
		w.told(s, "bob+")
		w.kill(b)
		step.Store(4)
		list.Store(lease.Milliseconds() / 1000) // one a second, some longer than the lease
		time.Sleep(2*lease + 10*time.Second)    // fake
		w.told(s, "bob-")
		if got := a.Stats().Panics; got != 4+15 {
			t.Errorf("%d panics, want 4 of steps and 15 of looks", got)
		}
	})
}
