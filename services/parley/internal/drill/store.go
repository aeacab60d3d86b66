package drill

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
)

// storeFaults are what MongoDB, and the way to it, can do.
func storeFaults() []Scenario {
	return []Scenario{
		{Name: "cut-store", Short: true, outage: 3 * time.Second, About: "MongoDB cannot be reached for 3 s",
			run: underLoad(18*time.Second, cutStore)},
		{Name: "split-store", outage: 5 * time.Second, About: "one gateway cannot reach MongoDB for 5 s, and is told nothing",
			run: underLoad(18*time.Second, splitStore)},
		{Name: "slow-store", outage: 8 * time.Second, About: "every answer of MongoDB takes 200 ms more, for 8 s",
			run: underLoad(18*time.Second, slowStore)},
		{Name: "silent-store", outage: 3 * time.Second, About: "MongoDB does what it is told and does not answer, for 3 s",
			run: underLoad(18*time.Second, silentStore)},
		{Name: "lost-replies", Short: true, About: "writes are applied, and their connection is lost before the answer",
			run: underLoad(20*time.Second, repeatedly(lostReplies))},
		{Name: "new-primary", About: "inserts and updates are refused with 10107 and 189: another primary",
			run: underLoad(20*time.Second, repeatedly(newPrimary))},
		{Name: "no-majority", About: "writes are applied, and no majority confirms them in time",
			run: underLoad(20*time.Second, repeatedly(noMajority))},
		{Name: "late-writes", About: "writes are refused or lose their connection, and are applied up to 3 s later",
			run: underLoad(20*time.Second, appliedLate)},
	}
}

func cutStore(ctx context.Context, w *world, _ time.Duration) error {
	if !pause(ctx, 2*time.Second) {
		return nil
	}
	for _, k := range w.store {
		k.cut()
	}
	w.struck("MongoDB is away")
	pause(ctx, 3*time.Second)
	for _, k := range w.store {
		if err := k.restore(); err != nil {
			return err
		}
	}
	return nil
}

func splitStore(ctx context.Context, w *world, _ time.Duration) error {
	g := w.anyGateway()
	w.opt.Progress("    at " + g.Name)
	return swallowAnswers(ctx, w, []*link{w.store[g.Name]}, toServer, 5*time.Second)
}

func silentStore(ctx context.Context, w *world, _ time.Duration) error {
	var all []*link
	for _, k := range w.store {
		all = append(all, k)
	}
	return swallowAnswers(ctx, w, all, fromServer, 3*time.Second)
}

func swallowAnswers(ctx context.Context, w *world, links []*link, d direction, length time.Duration) error {
	if !pause(ctx, 3*time.Second) {
		return nil
	}
	for _, k := range links {
		defer k.heal()
		if err := k.swallow(d); err != nil {
			return err
		}
	}
	w.struck("MongoDB's %s bytes are lost for %v", d, length)
	pause(ctx, length)
	return nil
}

func slowStore(ctx context.Context, w *world, _ time.Duration) error {
	if !pause(ctx, 3*time.Second) {
		return nil
	}
	for _, k := range w.store {
		defer k.heal()
		if err := k.slow(fromServer, 200, 50); err != nil {
			return err
		}
	}
	w.struck("MongoDB is slow")
	pause(ctx, 8*time.Second)
	return nil
}

// writes are the commands that a commit consists of.
var writes = []wireproxy.Fault{
	{Command: "insert", Collection: "messages"},
	{Command: "insert", Collection: "journal"},
	{Command: "update", Collection: "conversations"},
	{Command: "update", Collection: "members"},
}

// repeatedly injects a fault into each kind of write, again and again. Between two
// rounds every process has time to find the store again: else it would be away all the
// time, and nothing could be said of how late anything is.
func repeatedly(spoil func(w *world, f *wireproxy.Fault, round int)) fault {
	return func(ctx context.Context, w *world, span time.Duration) error {
		defer w.wire.Heal()
		end := time.Now().Add(span * 3 / 4)
		for round := 0; time.Now().Before(end) && pause(ctx, 2*lookAgain); round++ {
			for _, f := range writes {
				f.Times = 1 + w.rng.IntN(3)
				f.Skip = w.rng.IntN(5)
				spoil(w, &f, round)
				hit := w.wire.Inject(f)
				select {
				case <-hit:
					w.strikes.Add(1)
				case <-time.After(time.Second): // nothing of this kind is being written
				case <-ctx.Done():
					return nil
				}
			}
		}
		w.opt.Progress("    struck in all kinds of writes")
		return nil
	}
}

func lostReplies(_ *world, f *wireproxy.Fault, _ int) { f.Apply, f.Cut = true, true }

func newPrimary(_ *world, f *wireproxy.Fault, round int) {
	f.Code = wireproxy.CodeNotWritablePrimary
	if round%2 == 1 {
		f.Code = wireproxy.CodePrimarySteppedDown
	}
}

func noMajority(_ *world, f *wireproxy.Fault, _ int) {
	f.Apply, f.WriteConcern, f.Code = true, true, wireproxy.CodeWriteConcernTimeout
}

// delays are how long after their injection writes are applied late: before the
// gateway tries again, after a few tries, after it has gone on to other things. The
// last of them is over before the load is.
var delays = []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second}

// appliedLate has writes fail and take place all the same, later. In each other
// round the entries' next tries are refused, so that some late ones come first.
func appliedLate(ctx context.Context, w *world, span time.Duration) error {
	var stored, refused atomic.Int64 // of late appends
	spoil := func(w *world, f *wireproxy.Fault, round int) {
		f.Cut = round%3 == 0
		if !f.Cut {
			f.Code = wireproxy.CodePrimarySteppedDown
		}
		now := make(chan struct{})
		f.Late = now
		time.AfterFunc(delays[round%len(delays)], func() { close(now) })
		if f.Collection != "messages" {
			return
		}
		f.Applied = func(answer bson.Raw) {
			if n, _ := answer.Lookup("n").AsInt64OK(); n > 0 {
				stored.Add(1)
			} else {
				refused.Add(1)
			}
		}
		if round%2 == 0 {
			f.Skip = 0
			w.wire.Inject(wireproxy.Fault{
				Command: f.Command, Collection: f.Collection, Skip: f.Times, Times: 10, Code: wireproxy.CodeNotWritablePrimary,
			})
		}
	}
	err := repeatedly(spoil)(ctx, w, span)
	w.opt.Progress(fmt.Sprintf("    late appends: %d stored, %d met what had been stored meanwhile", stored.Load(), refused.Load()))
	return err
}
