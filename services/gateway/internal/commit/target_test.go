package commit

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// aimed is a request of alice that aims at a message, and is refused where that is
// not there any more.
func aimed(cmid string, kind chat.Kind, target chat.Seq) *Request {
	r := message(cmid, nil)
	r.Target = target
	r.Judge = func(s *state.State) (chat.Entry, *chat.Error) {
		t := s.Target(target)
		if t == nil || t.Kind != chat.KindMessage || t.Recalled || target < s.Floor {
			return chat.Entry{}, chat.Errorf(chat.CodeNotFound, "no such message")
		}
		e := chat.Entry{Kind: kind, Target: target, Time: time.Now().UTC().Truncate(time.Millisecond)}
		switch kind {
		case chat.KindEdited:
			e.Body = []byte(`{"text":"` + cmid + `"}`)
		case chat.KindReacted:
			e.Emoji, e.On = "👍", true
		}
		return e, nil
	}
	return r
}

func mustRefuse(t *testing.T, res Result, code chat.Code) {
	t.Helper()
	if res.Err == nil || res.Err.Code != code {
		t.Fatalf("got %+v, want %s", res, code)
	}
}

// unreadable checks that no body of a recalled message, nor of an edit of it, can be read.
func unreadable(t *testing.T, s *memstore.Store, target chat.Seq) {
	t.Helper()
	recalled := chat.Seq(0)
	for _, e := range audit(t, s, aliceBob) {
		switch {
		case e.Target == target && e.Kind == chat.KindRecalled:
			recalled = e.Seq
		case e.Target == target && e.Kind == chat.KindEdited && recalled != 0:
			t.Errorf("seq %d edits what seq %d recalled", e.Seq, recalled)
		}
	}
	if recalled == 0 {
		t.Fatalf("message %d was not recalled", target)
	}
	for _, e := range audit(t, s, aliceBob) {
		if (e.Seq == target || e.Target == target && e.Kind == chat.KindEdited) && (e.Body != nil || !e.Gone) {
			t.Errorf("%s %d still says %s", e.Kind, e.Seq, e.Body)
		}
	}
	folds, err := s.Folds(t.Context(), aliceBob, []chat.Seq{target})
	if err != nil || folds[target].Recalled == nil || folds[target].Edited != nil && folds[target].Edited.Body != nil {
		t.Errorf("fold %+v, %v", folds[target], err)
	}
}

func TestTargetsAreJudgedAsOfTheTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
		mustAck(t, one.do(message("m1", nil)), 1)
		mustAck(t, one.do(aimed("e1", chat.KindEdited, 1)), 2)
		mustAck(t, other.do(aimed("x1", chat.KindReacted, 1)), 3)
		mustAck(t, other.do(aimed("r1", chat.KindRecalled, 1)), 4)
		// The first pod knows the message, and has not heard of its end.
		mustRefuse(t, one.do(aimed("e2", chat.KindEdited, 1)), chat.CodeNotFound)
		mustRefuse(t, one.do(aimed("e3", chat.KindEdited, 4)), chat.CodeNotFound)
		mustRefuse(t, one.do(aimed("e4", chat.KindEdited, 99)), chat.CodeNotFound)
		res := one.do(aimed("e1", chat.KindEdited, 1)) // a repeat is answered whatever has changed
		mustAck(t, res, 2)
		if !res.Dup {
			t.Error("not marked as a repeat")
		}
		unreadable(t, s, 1)
	})
}

// What was announced is folded into what is known of a message, too.
func TestObservedRecallCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
		mustAck(t, one.do(message("m1", nil)), 1)
		mustAck(t, one.do(aimed("e1", chat.KindEdited, 1)), 2)
		res := other.do(aimed("r1", chat.KindRecalled, 1))
		mustAck(t, res, 3)
		one.Observe([]chat.Entry{res.Entry})
		before := s.Calls(memstore.OpAppend)
		mustRefuse(t, one.do(aimed("e2", chat.KindEdited, 1)), chat.CodeNotFound)
		if n := s.Calls(memstore.OpAppend); n != before {
			t.Errorf("tried to append %d times", n-before)
		}
	})
}

// A refusal is final, so a pod that has not heard of what another one has stored looks
// before it refuses.
func TestRefusalIsAsOfWhatIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
		mustAck(t, one.do(message("m1", nil)), 1)
		mustAck(t, other.do(message("m2", nil)), 2)
		s.Inject(memstore.Fault{Op: memstore.OpEntries, Kind: memstore.Fail, Times: 1})
		mustAck(t, one.do(aimed("x1", chat.KindReacted, 2)), 3)
		mustRefuse(t, one.do(aimed("x2", chat.KindReacted, 4)), chat.CodeNotFound)
	})
}

// In one batch, what comes behind a recall is judged as if that was stored.
func TestOneBatchJudgesInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		mustAck(t, p.do(message("m1", nil)), 1)
		mustAck(t, p.do(aimed("x0", chat.KindReacted, 1)), 2)
		hold := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1})
		first := p.start(message("m2", nil)) // the others gather behind it
		synctest.Wait()
		edit, recall := p.start(aimed("e1", chat.KindEdited, 1)), p.start(aimed("r1", chat.KindRecalled, 1))
		late, again := p.start(aimed("e2", chat.KindEdited, 1)), p.start(aimed("r2", chat.KindRecalled, 1))
		own := p.start(aimed("e3", chat.KindEdited, 3))
		hold.Release()
		mustAck(t, <-first, 3)
		mustAck(t, <-edit, 4)
		mustAck(t, <-recall, 5)
		mustRefuse(t, <-late, chat.CodeNotFound)
		mustRefuse(t, <-again, chat.CodeNotFound)
		mustAck(t, <-own, 6)
		unreadable(t, s, 1)
	})
}

// A recall that its writer could not finish takes the message back all the same.
func TestUnfinishedRecallCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		dying, heir := newPod(t, s.As("dying")), newPod(t, s.As("heir"))
		mustAck(t, dying.do(message("m1", nil)), 1)
		mustAck(t, heir.do(aimed("e1", chat.KindEdited, 1)), 2)
		s.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.Fail, When: func(c memstore.Call) bool { return c.Client == "dying" }})
		mustRefuse(t, dying.do(aimed("r1", chat.KindRecalled, 1)), chat.CodeUnavailable)
		mustRefuse(t, heir.do(aimed("e2", chat.KindEdited, 1)), chat.CodeNotFound)
		unreadable(t, s, 1)
	})
}

// Every fault of what an edit reads or writes ends in one entry.
func TestEveryFaultOfAnEditEndsInOneEntry(t *testing.T) {
	for _, op := range []memstore.Op{memstore.OpFolds, memstore.OpEntries, memstore.OpAppend, memstore.OpFinish} {
		for _, kind := range []memstore.Kind{memstore.Fail, memstore.FailApplied} {
			t.Run(fmt.Sprintf("%v %v", op, kind), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					s := memstore.New(memstore.Options{})
					p := newPod(t, s)
					mustAck(t, p.do(message("m1", nil)), 1)
					s.Inject(memstore.Fault{Op: op, Kind: kind, Times: 2})
					mustAck(t, p.do(aimed("e1", chat.KindEdited, 1)), 2)
					mustAck(t, p.do(aimed("r1", chat.KindRecalled, 1)), 3)
					unreadable(t, s, 1)
				})
			})
		}
	}
}

// Edits and recalls of the same messages race over three pods, some of which fail:
// nothing is edited after it was recalled, and nothing that was can be read.
func TestEditsAndRecallsRace(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { race(t, seed) })
	}
}

func race(t *testing.T, seed uint64) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(seed, 1))
		s := memstore.New(memstore.Options{})
		var pods []*pod
		for i := range 3 {
			pods = append(pods, newPod(t, s.As(fmt.Sprint("pod", i)), func(o *Options) { o.Deadline = time.Minute }))
		}
		const messages = 3
		for i := range messages {
			mustAck(t, pods[0].do(message(fmt.Sprint("m", i), nil)), chat.Seq(i+1))
		}
		s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.FailApplied, Times: 5})
		s.Inject(memstore.Fault{Op: memstore.OpFinish, Kind: memstore.FailApplied, Times: 5})
		s.Inject(memstore.Fault{Op: memstore.OpFolds, Kind: memstore.Fail, Times: 3})
		var wg sync.WaitGroup
		for i := range 60 {
			kind := []chat.Kind{chat.KindEdited, chat.KindReacted, chat.KindEdited, chat.KindRecalled}[rng.IntN(4)]
			if kind == chat.KindRecalled && i < 20 {
				kind = chat.KindEdited
			}
			r := aimed(fmt.Sprint("c", i), kind, chat.Seq(1+rng.IntN(messages)))
			p, wait := pods[rng.IntN(len(pods))], time.Duration(rng.IntN(20))*time.Millisecond
			wg.Go(func() {
				time.Sleep(wait) // fake time
				switch res := p.do(r); {
				case res.Err == nil:
					pods[0].Observe([]chat.Entry{res.Entry}) // the other pods hear nothing
				case res.Err.Code != chat.CodeNotFound:
					t.Errorf("%+v", res)
				}
			})
		}
		wg.Wait()
		for i := range messages {
			target := chat.Seq(i + 1)
			folds, err := s.Folds(t.Context(), aliceBob, []chat.Seq{target})
			if err != nil {
				t.Fatal(err)
			}
			if folds[target].Recalled == nil {
				continue
			}
			unreadable(t, s, target)
		}
	})
}

// More messages are aimed at than a state remembers.
func TestManyTargets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		const n = 150
		for i := range chat.Seq(n) {
			mustAck(t, p.do(message(fmt.Sprint("m", i), nil)), i+1)
		}
		var answers []<-chan Result
		for i := range chat.Seq(n) {
			answers = append(answers, p.start(aimed(fmt.Sprint("x", i), chat.KindReacted, i+1)))
		}
		for i, ch := range answers {
			mustAck(t, <-ch, chat.Seq(n+i+1))
		}
		log, err := s.Entries(t.Context(), aliceBob, store.Range{Limit: 1000})
		if err != nil || len(log) != 2*n {
			t.Fatal(len(log), err)
		}
	})
}

// Two edits are appended together, with a message between them, the answer is lost, and
// another pod has taken the place of the first with a recall. The second cannot be stored
// any more, although its place is free, and although the message gets, in another
// append, the very place that it was to have in this one: both are refused, and nothing
// waits for somebody else to write.
func TestBatchBehindALostPlaceIsRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
		mustAck(t, one.do(message("m1", nil)), 1)
		mustAck(t, one.do(aimed("x1", chat.KindReacted, 1)), 2)
		hold := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1, When: func(c memstore.Call) bool { return c.Client == "one" }})
		first := one.start(message("m2", nil)) // the others gather behind it
		synctest.Wait()
		early, between, late := one.start(aimed("e1", chat.KindEdited, 1)), one.start(message("m3", nil)), one.start(aimed("e2", chat.KindEdited, 1))
		lost := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Late, Times: 1,
			When: func(c memstore.Call) bool { return c.Client == "one" && len(c.Batch.Entries) == 3 }})
		// What is read to repair that waits until the recall is stored.
		pause := s.Inject(memstore.Fault{Op: memstore.OpEntries, Kind: memstore.Block, Times: 1, When: func(c memstore.Call) bool { return c.Client == "one" }})
		hold.Release()
		mustAck(t, <-first, 3)
		synctest.Wait()
		mustAck(t, other.do(aimed("r1", chat.KindRecalled, 1)), 4)
		begun := time.Now()
		pause.Release()
		mustRefuse(t, <-early, chat.CodeNotFound)
		mustAck(t, <-between, 5)
		mustRefuse(t, <-late, chat.CodeNotFound)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
		lost.Release() // what was under way comes to nothing
		unreadable(t, s, 1)
	})
}
