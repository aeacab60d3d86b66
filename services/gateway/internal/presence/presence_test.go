package presence

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is some pods over one store and a bus that can lose.
type world struct {
	t     *testing.T
	store *memstore.Store
	mu    sync.Mutex
	pods  map[string]*pod
	drop  func(from, to string, data []byte) bool
	bytes int
}

type pod struct {
	*Tracker
	id     string
	in     chan []byte
	cancel context.CancelFunc
	ended  sync.WaitGroup
	typed  []Typing
}

const lease = 15 * time.Second

func newWorld(t *testing.T) *world {
	w := &world{t: t, store: memstore.New(memstore.Options{}), pods: make(map[string]*pod)}
	t.Cleanup(func() {
		for _, p := range w.all() {
			p.stop()
		}
	})
	return w
}

func (w *world) all() (list []*pod) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range w.pods {
		list = append(list, p)
	}
	return list
}

// pod starts one; it registers, and renews every five seconds.
func (w *world) pod(id string, change ...func(*Options)) *pod {
	p := &pod{id: id, in: make(chan []byte, 100_000)}
	o := Options{
		Publish: func(data []byte) error { return w.publish(id, data) },
		Pod:     func() string { return id },
		Epoch:   func() string { return "e" },
		Pods:    w.store.Pods,
		LastSeen: func(ctx context.Context, u User) (last time.Time, err error) {
			devices, err := w.store.Devices(ctx, u.NS, u.User)
			for _, d := range devices {
				last = later(last, d.Seen)
			}
			return last, err
		},
		Seen: func(ctx context.Context, u User, d store.DeviceInfo) error {
			return w.store.TouchDevice(ctx, u.NS, u.User, d)
		},
		Typing: func(ty Typing) { p.typed = append(p.typed, ty) },
		Peer: func(_ chat.Key, but chat.User) chat.User {
			return map[chat.User]chat.User{"alice": "bob", "bob": "alice"}[but]
		},
		Blocked: w.store.BlocksAmong,
		Log:     slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&o)
	}
	p.Tracker = New(o)
	ctx, cancel := context.WithCancel(context.Background())
	p.cancel = cancel
	p.ended.Go(func() { p.Run(ctx) })
	p.ended.Go(func() {
		for {
			select {
			case data := <-p.in:
				if Is(data) {
					p.Heard(data)
				}
			case <-ctx.Done():
				return
			}
		}
	})
	p.ended.Go(func() {
		every := time.NewTicker(lease / 3)
		defer every.Stop()
		for {
			if err := w.store.Register(ctx, store.Pod{ID: id}, lease); err != nil {
				return
			}
			select {
			case <-every.C:
			case <-ctx.Done():
				return
			}
		}
	})
	w.mu.Lock()
	w.pods[id] = p
	w.mu.Unlock()
	return p
}

func (w *world) publish(from string, data []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.pods[from] == nil {
		return errors.New("this pod is dead")
	}
	w.bytes += len(data)
	for id, p := range w.pods {
		if id != from && (w.drop == nil || !w.drop(from, id, data)) {
			p.in <- append([]byte(nil), data...)
		}
	}
	return nil
}

func (w *world) set(drop func(from, to string, data []byte) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop = drop
}

// kill ends a pod without a word.
func (w *world) kill(p *pod) {
	w.mu.Lock()
	delete(w.pods, p.id)
	w.mu.Unlock()
	p.stop()
}

func (p *pod) stop() {
	p.cancel()
	p.ended.Wait()
	p.Stop()
}

// screen is a session: what it was told, and whether it has room.
type screen struct {
	mu     sync.Mutex
	full   bool
	frames []wire.Presence
}

func (s *screen) Try(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.full {
		return false
	}
	var f wire.Presence
	if err := json.Unmarshal(frame, &f); err != nil {
		panic(err)
	}
	s.frames = append(s.frames, f)
	return true
}

// take returns what was told since it was asked last, as "bob+" or "bob-".
func (s *screen) take() (list []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, f := range s.frames {
		sign := "-"
		if f.Online {
			sign = "+"
		}
		list = append(list, string(f.User)+sign)
	}
	s.frames = nil
	return list
}

func (s *screen) last() wire.Presence {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.frames[len(s.frames)-1]
}

func (w *world) told(s *screen, want ...string) {
	w.t.Helper()
	synctest.Wait()
	if got := s.take(); fmt.Sprint(got) != fmt.Sprint(want) {
		w.t.Errorf("told %v, want %v", got, want)
	}
}

func (w *world) watch(p *pod, s *screen, users ...chat.User) {
	w.t.Helper()
	if cerr := p.Watch(s, user("watcher"), users, 256); cerr != nil {
		w.t.Fatal(cerr)
	}
}

func user(u chat.User) User { return User{"_", u} }

func TestOnlineOverPods(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		b.Connected(user("bob"))
		time.Sleep(3 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob", "carol")
		time.Sleep(time.Second)
		synctest.Wait()
		got := s.take()
		if len(got) != 2 || got[0] != "bob+" || got[1] != "carol-" {
			t.Errorf("told at once %v", got)
		}
		a.Connected(user("carol"))
		time.Sleep(100 * time.Millisecond)
		w.told(s, "carol+")
		b.Connected(user("carol"))
		a.Disconnected(user("carol"), "phone")
		time.Sleep(10 * time.Second)
		w.told(s) // still on b
		gone := time.Now()
		b.Disconnected(user("carol"), "phone")
		b.Connected(user("bob"))
		b.Disconnected(user("bob"), "phone")
		time.Sleep(2 * time.Second)
		w.told(s)
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if f := s.last(); f.Online || f.LastSeen.IsZero() || f.LastSeen.Sub(gone).Abs() > time.Second {
			t.Errorf("%+v, gone at %v", f, gone)
		}
		w.told(s, "carol-")
		devices, err := w.store.Devices(t.Context(), "_", "carol")
		if err != nil || len(devices) != 1 || devices[0].Seen.Sub(gone).Abs() > time.Second {
			t.Errorf("the store has %v, %v", devices, err)
		}
		if st := a.Stats(); st.Pods != 2 || st.ClusterUsers != 1 || st.ClusterSessions != 1 || st.Subjects != 2 {
			t.Errorf("%+v", st)
		}
	})
}

// Who comes back within the linger was never away: a drain, or a tunnel.
func TestReconnectIsNoChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.pod("a"), w.pod("b"), w.pod("c")
		b.Connected(user("bob"))
		time.Sleep(3 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second)
		w.told(s, "bob+")
		b.Disconnected(user("bob"), "phone")
		time.Sleep(time.Second)
		c.Connected(user("bob"))
		time.Sleep(10 * time.Second)
		w.told(s)
		c.Drain()
		c.Disconnected(user("bob"), "phone")
		c.cancel()
		c.ended.Wait()
		c.Stop() // says goodbye
		b.Connected(user("bob"))
		time.Sleep(10 * time.Second)
		w.told(s)
	})
}

func TestDeadPod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b, c := w.pod("a"), w.pod("b"), w.pod("c")
		b.Connected(user("bob"))
		b.Connected(user("both"))
		c.Connected(user("both"))
		time.Sleep(3 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob", "both")
		time.Sleep(4 * time.Second)
		s.take()
		died := time.Now()
		w.kill(b)
		time.Sleep(4 * time.Second)
		w.told(s) // it may only be slow
		time.Sleep(lease + time.Second + 3*time.Second + 500*time.Millisecond - 4*time.Second)
		synctest.Wait()
		f := s.last()
		w.told(s, "bob-")
		if f.LastSeen.IsZero() || f.LastSeen.Sub(died).Abs() > 3*time.Second {
			t.Errorf("seen %v, died %v", f.LastSeen, died)
		}
	})
}

// A pod that only the bus has lost keeps its users, as its lease says; and so does
// one when the store is away, too.
func TestSilentPodIsNotDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		b.Connected(user("bob"))
		time.Sleep(3 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second)
		w.told(s, "bob+")
		w.set(func(_, _ string, _ []byte) bool { return true })
		time.Sleep(time.Minute)
		w.told(s)
		away := w.store.Inject(memstore.Fault{Op: memstore.OpPods, Kind: memstore.Fail})
		time.Sleep(time.Minute)
		w.told(s)
		away.Remove()
		b.Disconnected(user("bob"), "phone") // nobody hears it
		time.Sleep(10 * time.Second)
		w.told(s)
		w.set(nil)
		a.Missed()
		b.Missed()
		time.Sleep(8 * time.Second)
		w.told(s, "bob-")
	})
}

// What the bus loses is found by the pass: here every announcement.
func TestLossIsFound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		time.Sleep(3 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob", "carol")
		time.Sleep(time.Second)
		synctest.Wait()
		s.take()
		lossy := func(from, _ string, _ []byte) bool { return from == "b" }
		w.set(lossy)
		b.Connected(user("bob"))
		time.Sleep(time.Second)
		w.set(nil)
		w.told(s)
		time.Sleep(2 * time.Minute)
		w.told(s, "bob+")
		w.set(lossy)
		b.Disconnected(user("bob"), "phone")
		time.Sleep(time.Second)
		w.set(nil)
		time.Sleep(2*time.Minute + 10*time.Second)
		w.told(s, "bob-")
	})
}

// A pod that begins late asks about what was told before it listened.
func TestLatePod(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		b := w.pod("b")
		b.Connected(user("bob"))
		time.Sleep(time.Minute)
		a := w.pod("a")
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second)
		w.told(s, "bob+")
	})
}

// A session that takes nothing keeps the latest state of each, once.
func TestSlowWatcher(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a", func(o *Options) { o.Linger = time.Millisecond })
		time.Sleep(5 * time.Second)
		slow, fast := &screen{full: true}, &screen{}
		w.watch(a, slow, "bob")
		w.watch(a, fast, "bob")
		for range 5 {
			time.Sleep(time.Second)
			a.Connected(user("bob"))
			time.Sleep(time.Second)
			a.Disconnected(user("bob"), "phone")
		}
		a.Connected(user("bob"))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := fast.take(); len(got) != 10 {
			t.Errorf("%d frames: %v", len(got), got)
		}
		slow.mu.Lock()
		slow.full = false
		slow.mu.Unlock()
		time.Sleep(time.Second)
		w.told(slow, "bob+")
	})
}

func TestUnwatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a")
		time.Sleep(5 * time.Second)
		s, other := &screen{}, &screen{}
		w.watch(a, s, "bob", "carol", "dave")
		w.watch(a, other, "bob")
		time.Sleep(time.Second)
		synctest.Wait()
		s.take()
		other.take()
		a.Unwatch(s, "_", []chat.User{"bob", "carol", "nobody"})
		a.Unwatch(&screen{}, "_", []chat.User{"bob"})
		for _, u := range []chat.User{"bob", "carol", "dave"} {
			a.Connected(user(u))
		}
		time.Sleep(time.Second)
		w.told(s, "dave+")
		w.told(other, "bob+")
		w.watch(a, s, "dave") // again: told again
		time.Sleep(time.Second)
		w.told(s, "dave+")
		a.Gone(s)
		a.Gone(other)
		a.Gone(other)
		if st := a.Stats(); st.Subjects != 0 || len(a.order) != 0 || len(a.watchers) != 0 {
			t.Errorf("%+v", st)
		}
		for _, u := range []chat.User{"bob", "carol", "dave"} {
			a.Disconnected(user(u), "phone")
		}
		time.Sleep(5 * time.Second)
		w.told(s)
	})
}

func TestBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a", func(o *Options) { o.MaxSubjects, o.MaxTyping = 3, 2 })
		s := &screen{}
		if cerr := a.Watch(s, user("watcher"), []chat.User{"a", "b", "c"}, 2); cerr == nil || cerr.Code != chat.CodeBadRequest {
			t.Errorf("over the list: %v", cerr)
		}
		if cerr := a.Watch(s, user("watcher"), []chat.User{"a", "b"}, 2); cerr != nil {
			t.Error(cerr)
		}
		if cerr := a.Watch(s, user("watcher"), []chat.User{"b", "c"}, 2); cerr == nil {
			t.Error("one more is over the list")
		}
		if cerr := a.Watch(s, user("watcher"), []chat.User{"b", "a"}, 2); cerr != nil {
			t.Errorf("the same again: %v", cerr)
		}
		if cerr := a.Watch(&screen{}, user("watcher"), []chat.User{"c", "d"}, 9); cerr == nil || cerr.Code != chat.CodeUnavailable {
			t.Errorf("over the pod's bound: %v", cerr)
		}
		for _, u := range []chat.User{"a", "b", "c"} {
			a.Type(Typing{chat.Key{NS: "_", Conv: "g"}, u, true})
		}
		if st := a.Stats(); st.Dropped != 1 {
			t.Errorf("%+v", st)
		}
	})
}

// The store is away: who is not online is told so, without a last visit.
func TestStoreAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a")
		time.Sleep(5 * time.Second)
		w.store.Inject(memstore.Fault{Op: memstore.OpDevices, Kind: memstore.Block})
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if f := s.last(); f.Online || !f.LastSeen.IsZero() {
			t.Errorf("%+v", f)
		}
	})
}

func TestTenantsAreApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		b.Connected(User{"other", "bob"})
		a.Connected(User{"third", "bob"})
		time.Sleep(5 * time.Second)
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second)
		w.told(s, "bob-")
	})
}

// What it costs: connects in one message per batch, whoever comes.
func TestCost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		time.Sleep(5 * time.Second)
		synctest.Wait()
		w.bytes = 0
		const users = 10_000
		for i := range users {
			a.Connected(user(chat.User(fmt.Sprint("user-", i))))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if per := w.bytes / users; per > 45 {
			t.Errorf("%d bytes a user", per)
		}
		if st := b.Stats(); st.Subjects != 0 || st.ClusterUsers != users {
			t.Errorf("what nobody watches is kept: %+v", st)
		}
	})
}

func TestTyping(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		key := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
		on, off := Typing{key, "alice", true}, Typing{key, "alice", false}
		told := func(what string, want ...Typing) {
			t.Helper()
			time.Sleep(260 * time.Millisecond)
			synctest.Wait()
			for _, p := range []*pod{a, b} {
				p.mu.Lock()
				got := p.typed
				p.typed = nil
				p.mu.Unlock()
				if fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s, pod %s: told %v, want %v", what, p.id, got, want)
				}
			}
		}
		a.Type(off)
		told("stopped without having begun")
		for range 100 {
			a.Type(on)
		}
		told("began", on)
		time.Sleep(3 * time.Second)
		told("not renewed yet")
		a.Type(on)
		told("renewed", on)
		time.Sleep(5 * time.Second)
		told("about to expire")
		time.Sleep(time.Second)
		told("expired", off)
		time.Sleep(2 * time.Second)
		a.Type(on)
		told("began again", on)
		a.Type(off)
		a.Type(on)
		a.Type(off)
		told("too soon")
		time.Sleep(time.Second)
		told("stopped", off)
		time.Sleep(3 * time.Second)
		told("quiet")
		if n := len(a.typing); n != 0 {
			t.Errorf("%d typists are left", n)
		}
	})
}

func TestForeignMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a := w.pod("a")
		for _, data := range []string{"", "{}", `{"presence":2,"epoch":"e","pod":"x"}`, `{"presence":1,"epoch":"other","pod":"x"}`, `{"presence":1,"epoch":`} {
			if a.Heard([]byte(data)) {
				t.Errorf("%q is taken", data)
			}
		}
		if !a.Heard([]byte(`{"presence":1,"epoch":"e","pod":"x","users":-5,"tell":[{"n":"_","u":"$","on":true}],"typing":[{"n":"_","u":"bob","c":"bad"}],"later":1}`)) {
			t.Error("what a later version adds is in the way")
		}
		if st := a.Stats(); st.Pods != 2 || st.ClusterUsers != 0 || len(a.typed) != 0 {
			t.Errorf("%+v", st)
		}
	})
}
