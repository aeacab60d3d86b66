package storetest

import (
	"errors"
	"time"

	"github.com/parley-chat/parley/pkg/store"
)

var podTests = []test{
	{"register and renew", podRegister},
	{"a lease that has run out", podExpired},
	{"forget", podForget},
}

var metaTests = []test{
	{"stays", metaStays},
	{"a new epoch", metaNewEpoch},
	{"ping", metaPing},
}

// registration finds one pod among those of all tests.
func (f *fixture) registration(id string) (p store.Pod, now time.Time, there bool) {
	f.Helper()
	pods, now, err := f.Pods(f.ctx)
	f.ok("pods", err)
	for _, o := range pods {
		if o.ID != id {
			continue
		}
		if there {
			f.Errorf("pod %s is listed twice", id)
		}
		p, there = o, true
	}
	return p, now, there
}

// register registers, and checks what can be read then.
func (f *fixture) register(p store.Pod, lease time.Duration) {
	f.Helper()
	_, before, _ := f.registration(p.ID)
	f.ok("register", f.Register(f.ctx, p, lease))
	got, after, there := f.registration(p.ID)
	if !there {
		f.Fatal("a pod that has registered is not listed")
	}
	// Stores count milliseconds: allow for one at either end.
	first, last := before.Add(lease-time.Millisecond), after.Add(lease+time.Millisecond)
	if got.Until.Before(first) || got.Until.After(last) {
		f.Errorf("until %v, want between %v and %v", got.Until, first, last)
	}
	f.utc(got.Until)
	p.Until, got.Until = time.Time{}, time.Time{}
	same(f, "pod", got, p)
}

func podRegister(f *fixture) {
	p := store.Pod{ID: pod(), Epoch: "epoch-1", First: 1 << 40, Settled: 1<<40 + 3}
	if _, _, there := f.registration(p.ID); there {
		f.Fatal("a pod that has not registered is listed")
	}
	f.register(p, time.Hour)
	f.register(store.Pod{ID: pod(), Epoch: "epoch-1", First: 1}, time.Minute)
	p.First, p.Settled, p.Epoch = 1<<40+9, 1<<40+12, "epoch-2"
	f.register(p, 2*time.Hour)
	p.Until = epoch0 // of no interest: the store's clock counts
	f.register(p, time.Hour)
}

// expired registers a pod and waits for the store's clock to pass its lease.
func (f *fixture) expired(p store.Pod) store.Pod {
	f.Helper()
	f.ok("register", f.Register(f.ctx, p, time.Millisecond))
	for f.ctx.Err() == nil {
		if got, now, there := f.registration(p.ID); there && now.After(got.Until) {
			return got
		}
	}
	f.Fatal("a lease of a millisecond does not end")
	return p
}

func podExpired(f *fixture) {
	p := store.Pod{ID: pod(), Epoch: "epoch-1", First: 5}
	was := f.expired(p)
	for range 2 {
		err := f.Register(f.ctx, store.Pod{ID: p.ID, Epoch: "epoch-2", First: 6}, time.Hour)
		if !errors.Is(err, store.ErrNotFound) {
			f.Errorf("register after the lease: error %v, want %v", err, store.ErrNotFound)
		}
	}
	got, _, there := f.registration(p.ID)
	same(f, "listed still", there, true)
	same(f, "pod", got, was)
}

func podForget(f *fixture) {
	p, other := store.Pod{ID: pod(), Epoch: "e", First: 1}, store.Pod{ID: pod(), Epoch: "e", First: 1}
	f.register(other, time.Hour)
	f.journalled(p.ID, 1, 2)
	f.journalled(other.ID, 1)
	f.expired(p)
	f.ok("forget", f.Forget(f.ctx, p.ID))
	f.ok("forget again", f.Forget(f.ctx, p.ID))
	if _, _, there := f.registration(p.ID); there {
		f.Error("a forgotten pod is listed")
	}
	f.numbers(p.ID, 0, 10)
	f.numbers(other.ID, 0, 10, 1)
	if _, _, there := f.registration(other.ID); !there {
		f.Error("another pod was forgotten")
	}
	f.register(p, time.Hour)
}

func metaStays(f *fixture) {
	a, err := f.Meta(f.ctx)
	f.ok("meta", err)
	if a.Cluster == "" || a.Epoch == "" || a.Cluster == a.Epoch {
		f.Errorf("meta: %+v", a)
	}
	b, err := f.Meta(f.ctx)
	f.ok("meta", err)
	same(f, "meta", b, a)
}

func metaNewEpoch(f *fixture) {
	fresh, err := f.NewEpoch(f.ctx) // perhaps before anybody asked for Meta
	f.ok("new epoch", err)
	a, err := f.Meta(f.ctx)
	f.ok("meta", err)
	same(f, "meta", a, fresh)
	next, err := f.NewEpoch(f.ctx)
	f.ok("new epoch", err)
	if next.Cluster != a.Cluster || next.Epoch == a.Epoch || next.Epoch == "" {
		f.Errorf("new epoch: %+v after %+v", next, a)
	}
	b, err := f.Meta(f.ctx)
	f.ok("meta", err)
	same(f, "meta", b, next)
}

func metaPing(f *fixture) { f.ok("ping", f.Ping(f.ctx)) }
