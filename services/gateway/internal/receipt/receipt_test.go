package receipt

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var key = chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}

// tracker is a Tracker over a store with one conversation, and what it told.
type tracker struct {
	*Tracker
	store *memstore.Store

	mu   sync.Mutex
	list []Position
}

func newTracker(t *testing.T) *tracker {
	t.Helper()
	r := &tracker{store: memstore.New(memstore.Options{})}
	c := chat.Conversation{Key: key, Kind: chat.Direct, Users: []chat.User{"alice", "bob"}, Floor: 1}
	if err := r.store.Create(t.Context(), c, []chat.Member{{Key: key, User: "bob", Joined: 1}}); err != nil {
		t.Fatal(err)
	}
	r.Tracker = New(Options{Store: r.store, Log: slog.New(slog.DiscardHandler), Told: func(list []Position) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.list = append(r.list, list...)
	}})
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // a test that failed may have left a fault
		r.Stop(ctx)
	})
	return r
}

func (r *tracker) told() []Position {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.list
}

// A receipt that was told and then lost would go back at the next start: so a
// position is stored first.
func TestNothingIsToldBeforeItIsStored(t *testing.T) {
	for _, kind := range []memstore.Kind{memstore.Block, memstore.Fail, memstore.FailApplied} {
		synctest.Test(t, func(t *testing.T) {
			r := newTracker(t)
			fault := r.store.Inject(memstore.Fault{Op: memstore.OpAdvance, Kind: kind})
			if cerr := r.Recv(key, "bob", "phone", 3); cerr != nil {
				t.Fatal(cerr)
			}
			time.Sleep(2 * time.Second) // fake: tries go on meanwhile
			if told := r.told(); len(told) != 0 {
				t.Fatalf("%v: told %+v", kind, told)
			}
			// A later position that comes meanwhile is not overwritten by the earlier one.
			if cerr := r.Recv(key, "bob", "phone", 5); cerr != nil {
				t.Fatal(cerr)
			}
			fault.Remove()
			fault.Release()
			time.Sleep(2 * time.Second) // fake
			told := r.told()
			if len(told) == 0 || told[len(told)-1] != (Position{Key: key, User: "bob", Delivered: 5}) {
				t.Fatalf("%v: told %+v in the end", kind, told)
			}
			members, err := r.store.MembersByUser(t.Context(), key, []chat.User{"bob"})
			if err != nil || members[0].Recv["phone"] != 5 {
				t.Fatalf("%v: %+v %v", kind, members, err)
			}
		})
	}
}

// A full tracker refuses, and keeps what it took.
func TestFullTrackerRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTracker(t)
		r.opts.Max = 1
		fault := r.store.Inject(memstore.Fault{Op: memstore.OpAdvance, Kind: memstore.Block})
		for _, device := range []chat.Device{"stored", "waits"} {
			if cerr := r.Recv(key, "bob", device, 2); cerr != nil {
				t.Fatal(device, cerr)
			}
			synctest.Wait()
		}
		if cerr := r.Recv(key, "bob", "no room", 2); cerr == nil || cerr.Code != chat.CodeUnavailable {
			t.Fatal(cerr)
		}
		if cerr := r.Recv(key, "bob", "waits", 4); cerr != nil {
			t.Fatal(cerr)
		}
		fault.Remove()
		fault.Release()
		time.Sleep(time.Second) // fake
		members, err := r.store.MembersByUser(t.Context(), key, []chat.User{"bob"})
		if recv := members[0].Recv; err != nil || recv["stored"] != 2 || recv["waits"] != 4 || len(recv) != 2 {
			t.Fatal(recv, err)
		}
	})
}
