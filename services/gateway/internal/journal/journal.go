// Package journal is this pod's identity and the numbering of its journal: the
// outbox that lets other pods find what this one stored and could not announce.
//
// Every flush takes the next number; the store writes the document. Settled is
// the number below which every document is written or will never be, so that a
// reader knows which holes are worth another look.
package journal

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
)

// Lease is how long a pod that cannot renew counts as alive.
const Lease = 15 * time.Second

// keep is how many numbers stay readable behind the settled one. At a flush a
// millisecond that is over a minute, far beyond the two seconds in which a
// reader must have noticed.
const keep = 100_000

// forgetAfter is how long after the end of its lease a dead pod's journal stays.
const forgetAfter = 10 * time.Minute

// Options configure a [Journal].
type Options struct {
	Store interface {
		store.Pods
		store.Journal
	}
	Epoch string
	Log   *slog.Logger // default: slog.Default()
}

// Journal numbers this pod's flushes. It is safe for concurrent use.
type Journal struct {
	opts     Options
	renewing sync.Mutex // one renewal at a time

	mu      sync.Mutex
	renewed time.Time // when the last renewal that succeeded began; zero: none has
	pod     string
	next    uint64          // the next number to hand out
	open    map[uint64]bool // handed out and not settled; bounded by the flushes in flight
	trimmed uint64
}

// New makes a pod with a random id. It is registered by the first [Journal.Renew].
func New(opts Options) *Journal {
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	return &Journal{opts: opts, pod: newPodID(), next: 1, open: make(map[uint64]bool)}
}

func newPodID() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return hex.EncodeToString(b[:])
}

// SetEpoch changes the epoch of all numbers to come: the data were restored.
func (j *Journal) SetEpoch(epoch string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.opts.Epoch = epoch
}

// Pod is the present id.
func (j *Journal) Pod() string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pod
}

// Next hands out the number of one flush. Settle must follow.
func (j *Journal) Next() store.JournalID {
	j.mu.Lock()
	defer j.mu.Unlock()
	id := store.JournalID{Pod: j.pod, Number: j.next, Epoch: j.opts.Epoch}
	j.open[j.next] = true
	j.next++
	return id
}

// Settle says that the number's document is written, or that nobody will ever
// write it.
func (j *Journal) Settle(id store.JournalID) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if id.Pod == j.pod {
		delete(j.open, id.Number)
	}
}

// Position is what announcements carry: the last number handed out, and the
// settled one, below which nothing is open.
func (j *Journal) Position() (pod string, last, settled uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.pod, j.next - 1, j.settledLocked()
}

func (j *Journal) settledLocked() uint64 {
	settled := j.next
	if mutant.Is(mutant.SettleEarly) {
		return settled
	}
	for n := range j.open {
		settled = min(settled, n)
	}
	return settled
}

// Ready makes sure that the pod is registered, so that what it acknowledges is
// found under its id. It blocks only where the last renewal is too long ago: then
// the pod may be about to be declared dead.
func (j *Journal) Ready(ctx context.Context) error {
	j.mu.Lock()
	fresh := time.Since(j.renewed) < Lease*2/3 || mutant.Is(mutant.AckWithoutLease)
	j.mu.Unlock()
	if fresh {
		return nil
	}
	j.renewing.Lock()
	defer j.renewing.Unlock()
	j.mu.Lock()
	fresh = time.Since(j.renewed) < Lease*2/3
	j.mu.Unlock()
	if fresh {
		return nil
	}
	return j.renew(ctx)
}

// Renew registers the pod or renews its lease, and trims its journal. A pod whose
// lease ran out may have been declared dead and read out, so it goes on under a
// new id.
func (j *Journal) Renew(ctx context.Context) error {
	j.renewing.Lock()
	defer j.renewing.Unlock()
	if err := j.renew(ctx); err != nil {
		return err
	}
	return j.trim(ctx)
}

func (j *Journal) renew(ctx context.Context) error {
	began := time.Now()
	pod, registered := j.registration()
	err := store.ErrNotFound // what has run out by our own clock may even be forgotten
	if !registered || time.Since(j.renewedAt()) < Lease {
		err = j.opts.Store.Register(ctx, pod, Lease)
	}
	if errors.Is(err, store.ErrNotFound) {
		j.mu.Lock()
		j.pod, j.next, j.trimmed = newPodID(), 1, 0
		clear(j.open)
		j.mu.Unlock()
		pod, _ = j.registration()
		j.opts.Log.Warn("the pod's lease ran out; it goes on under a new id", "pod", pod.ID)
		err = j.opts.Store.Register(ctx, pod, Lease)
	}
	if err != nil {
		return fmt.Errorf("register pod: %w", err)
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.renewed = began
	return nil
}

// registration is what to register now, and whether the pod ever was.
func (j *Journal) registration() (store.Pod, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return store.Pod{ID: j.pod, Epoch: j.opts.Epoch, First: j.trimmed + 1, Settled: j.settledLocked()}, !j.renewed.IsZero()
}

func (j *Journal) renewedAt() time.Time {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.renewed
}

// trim removes documents far behind the settled number. First goes up before they
// go: a reader that is behind it resyncs.
func (j *Journal) trim(ctx context.Context) error {
	pod, _ := j.registration()
	if pod.Settled <= pod.First+2*keep {
		return nil
	}
	pod.First = pod.Settled - keep
	j.mu.Lock()
	j.trimmed = pod.First - 1
	j.mu.Unlock()
	if err := j.opts.Store.Register(ctx, pod, Lease); err != nil {
		return fmt.Errorf("register pod: %w", err)
	}
	if err := j.opts.Store.TrimJournal(ctx, pod.ID, pod.First); err != nil {
		return fmt.Errorf("trim journal: %w", err)
	}
	return nil
}

// Run renews until ctx ends. The registration is left to run out: other pods
// read the journal to its end first.
func (j *Journal) Run(ctx context.Context) {
	tick := time.NewTicker(Lease / 3)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			c, cancel := context.WithTimeout(ctx, Lease/3)
			if err := j.Renew(c); err != nil && ctx.Err() == nil {
				j.opts.Log.Warn("could not renew the pod's lease", "error", err)
			}
			if err := j.forgetDead(c); err != nil && ctx.Err() == nil {
				j.opts.Log.Warn("could not remove dead pods", "error", err)
			}
			cancel()
		}
	}
}

// forgetDead removes pods that have been dead for so long that everybody who
// could want their journal has read it, or was away and resyncs on return.
func (j *Journal) forgetDead(ctx context.Context) error {
	pods, now, err := j.opts.Store.Pods(ctx)
	if err != nil {
		return fmt.Errorf("list pods: %w", err)
	}
	for _, p := range pods {
		if now.Sub(p.Until) < forgetAfter {
			continue
		}
		if err := j.opts.Store.Forget(ctx, p.ID); err != nil {
			return fmt.Errorf("forget pod: %w", err)
		}
		j.opts.Log.Info("removed a dead pod and its journal", "pod", p.ID)
	}
	return nil
}
