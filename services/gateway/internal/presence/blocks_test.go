package presence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// block switches a block in the store.
func (w *world) block(u, peer chat.User, version int64, on bool) chat.Block {
	w.t.Helper()
	b, err := w.store.PutBlock(context.Background(), "_", chat.Block{User: u, Peer: peer, Version: version, On: on})
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// Who is blocked sees the blocker as somebody who never was here, whatever the
// blocker does, from whichever pod; others see what is.
func TestBlockedSeesNobodyOnline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		a, b := w.pod("a"), w.pod("b")
		w.block("bob", "watcher", 1, true)
		b.Connected(user("bob"))
		blocked, other, self := &screen{}, &screen{}, &screen{}
		w.watch(a, blocked, "bob")
		for s, u := range map[*screen]chat.User{other: "carol", self: "bob"} {
			if cerr := a.Watch(s, user(u), []chat.User{"bob"}, 256); cerr != nil {
				t.Fatal(cerr)
			}
		}
		time.Sleep(time.Second)
		if !blocked.last().LastSeen.IsZero() {
			t.Errorf("%+v", blocked.last())
		}
		w.told(blocked, "bob-")
		w.told(other, "bob+")
		w.told(self, "bob+")
		b.Disconnected(user("bob"), "phone")
		time.Sleep(4 * time.Second)
		b.Connected(user("bob"))
		time.Sleep(time.Second)
		w.told(blocked)
		w.told(other, "bob-", "bob+")
		w.watch(a, blocked, "bob") // named again
		time.Sleep(time.Second)
		w.told(blocked, "bob-")

		a.Blocked("_", chat.Block{User: "bob", Peer: "watcher", Version: 3})
		time.Sleep(time.Second)
		w.told(blocked, "bob+")
		a.Blocked("_", chat.Block{User: "bob", Peer: "watcher", Version: 2, On: true}) // late
		time.Sleep(time.Second)
		w.told(blocked)
		a.Blocked("_", chat.Block{User: "bob", Peer: "watcher", Version: 4, On: true})
		time.Sleep(time.Second)
		w.told(blocked, "bob-")
		a.Unwatch(blocked, "_", []chat.User{"bob"})
		if n := len(a.watchers[blocked].blocks); n != 0 {
			t.Errorf("%d blocks are left", n)
		}
		w.told(other)
	})
}

// A block that was said while the bus was away is found when it is back; a change
// that overtakes the read is not undone by it.
func TestBlocksAreReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var during func()
		a := w.pod("a", func(o *Options) {
			o.Blocked = func(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
				found, err := w.store.BlocksAmong(ctx, pairs)
				if during != nil {
					during()
				}
				return found, err
			}
		})
		a.Connected(user("bob"))
		s := &screen{}
		w.watch(a, s, "bob")
		time.Sleep(time.Second)
		w.told(s, "bob+")
		w.block("bob", "watcher", 5, true) // nobody says it
		a.Missed()
		time.Sleep(time.Second)
		w.told(s, "bob-")
		during = func() { a.Blocked("_", chat.Block{User: "bob", Peer: "watcher", Version: 6}) }
		a.Missed()
		time.Sleep(time.Second)
		w.told(s, "bob+")
	})
}

// While the store does not say who is blocked, nobody is told anything; then all are.
func TestBlocksUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var away atomic.Bool
		var reads, most atomic.Int64
		away.Store(true)
		a := w.pod("a", func(o *Options) {
			o.Blocked = func(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
				reads.Add(1)
				most.Store(max(most.Load(), int64(len(pairs))))
				time.Sleep(10 * time.Millisecond)
				if away.Load() {
					return nil, errors.New("away")
				}
				return w.store.BlocksAmong(ctx, pairs)
			}
		})
		a.Connected(user("bob"))
		key := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
		a.Type(Typing{key, "alice", true})
		screens := make([]screen, 30)
		for i := range screens {
			var users []chat.User
			for n := range 99 {
				users = append(users, chat.User(fmt.Sprintf("u%d-%d", i, n)))
			}
			w.watch(a, &screens[i], append(users, "bob")...)
		}
		time.Sleep(10 * time.Second)
		if n := reads.Load(); n < 8 || n > 11 {
			t.Errorf("%d reads in 10 s", n)
		}
		for i := range screens {
			w.told(&screens[i])
		}
		away.Store(false)
		reads.Store(0)
		time.Sleep(2 * time.Second)
		for i := range screens {
			if got := screens[i].take(); len(got) != 100 || !slices.Contains(got, "bob+") {
				t.Fatalf("%d: %d are told: %v", i, len(got), got)
			}
		}
		if n := reads.Load(); n > 4 || most.Load() > blockPairs {
			t.Errorf("%d reads, of up to %d pairs", n, most.Load())
		}
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.typed) != 0 {
			t.Errorf("told without knowing: %v", a.typed)
		}
	})
}

// In a direct conversation neither end is told that the other types where one
// blocks the other.
func TestTypingWithBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var reads atomic.Int64
		a := w.pod("a", func(o *Options) {
			o.Blocked = func(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
				reads.Add(1)
				return w.store.BlocksAmong(ctx, pairs)
			}
		})
		direct := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
		group := chat.Key{NS: "_", Conv: chat.GroupID("_", "alice", "g")}
		typed := func(want ...chat.User) {
			t.Helper()
			for _, u := range []chat.User{"alice", "bob", "nobody-here"} {
				a.Type(Typing{direct, u, true})
			}
			time.Sleep(1300 * time.Millisecond)
			var got []chat.User
			a.mu.Lock()
			for _, ty := range a.typed {
				if ty.On {
					got = append(got, ty.User)
				}
			}
			a.typed = nil
			a.mu.Unlock()
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("told of %v, want %v", got, want)
			}
			time.Sleep(8 * time.Second) // it expires
			a.mu.Lock()
			a.typed = nil
			a.mu.Unlock()
		}
		typed("alice", "bob")
		typed("alice", "bob")
		if n := reads.Load(); n != 1 {
			t.Errorf("%d reads", n)
		}
		a.Blocked("_", chat.Block{User: "bob", Peer: "alice", Version: 3, On: true})
		typed()
		a.Blocked("_", chat.Block{User: "bob", Peer: "alice", Version: 4})
		typed("alice", "bob")
		w.block("alice", "bob", 7, true)
		time.Sleep(hushLife) // nobody said it
		typed()
		a.Type(Typing{group, "bob", true}) // groups have no blocks
		a.mu.Lock()
		if len(a.typed) != 1 {
			t.Errorf("%v", a.typed)
		}
		a.mu.Unlock()
		time.Sleep(hushLife + hushSweep + time.Second)
		a.mu.Lock()
		defer a.mu.Unlock()
		if len(a.hushes) != 0 {
			t.Errorf("%d are kept", len(a.hushes))
		}
	})
}

// What is read again after a loss waits as watches, and not as a question for each
// user on each of their lists; nothing is left out.
func TestDoubtsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const watchers, users = 40, 100
		w := newWorld(t)
		var asked atomic.Int64
		gate := make(chan struct{})
		close(gate)
		a := w.pod("a", func(o *Options) {
			o.Blocked = func(ctx context.Context, pairs []store.Pair) (map[store.Pair]chat.Block, error) {
				<-gate
				asked.Add(int64(len(pairs)))
				return w.store.BlocksAmong(ctx, pairs)
			}
		})
		var list []chat.User
		for i := range users {
			list = append(list, chat.User(fmt.Sprint("u", i)))
		}
		for range watchers {
			w.watch(a, &screen{}, list...)
		}
		time.Sleep(5 * time.Second)
		asked.Store(0)
		gate = make(chan struct{})
		a.Missed()
		synctest.Wait()
		a.mu.Lock()
		if n := len(a.questions) + len(a.doubts); n > blockPairs+users+watchers {
			t.Errorf("%d wait", n)
		}
		a.mu.Unlock()
		close(gate)
		time.Sleep(5 * time.Second)
		if n := asked.Load(); n != watchers*users {
			t.Errorf("%d were asked, want %d", n, watchers*users)
		}
	})
}
