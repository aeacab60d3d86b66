package commit

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// A repeat whose entry is stored is told so, also where it finds that out from the
// index: its pod has not heard yet that the place is taken.
func TestRepeatIsADupWhereTheIndexTellsIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s), newPod(t, s)
		mustAck(t, one.do(message("m1", nil)), 1)
		if res := other.do(message("m1", nil)); res.Err != nil || !res.Dup {
			t.Fatalf("%+v", res)
		}
		mustAck(t, one.do(message("m2", nil)), 2)
		res := other.do(message("m2", nil)) // its tail is 1: it tries to append
		mustAck(t, res, 2)
		if !res.Dup {
			t.Fatal("not marked as a repeat")
		}
		mustAck(t, other.do(message("m3", nil)), 3)
	})
}

// What turns out to be the request's own try is none.
func TestOwnTryIsNoDup(t *testing.T) {
	for _, f := range []memstore.Fault{
		{Op: memstore.OpAppend, Kind: memstore.FailApplied, Times: 1},
		{Op: memstore.OpFinish, Kind: memstore.FailApplied, Times: 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			p := newPod(t, s)
			mustAck(t, p.do(message("m1", nil)), 1)
			s.Inject(f)
			res := p.do(message("m2", nil))
			mustAck(t, res, 2)
			if res.Dup {
				t.Error("marked as a repeat")
			}
		})
	}
}

// A long batch is repeated, on a pod that knows nothing of it: its first command is found
// by the index, and those behind it in the log.
func TestARepeatedBatchIsFoundTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one, other := newPod(t, s.As("one")), newPod(t, s.As("other"))
		const n = 100
		send := func(p *pod, client string) (answers []<-chan Result) {
			hold := s.Inject(memstore.Fault{Op: memstore.OpAny, Kind: memstore.Block, Times: 1, When: func(c memstore.Call) bool { return c.Client == client }})
			for i := range n {
				answers = append(answers, p.start(message(fmt.Sprint("m", i), nil)))
				synctest.Wait() // the first one is held, the others gather behind it
			}
			hold.Release()
			return answers
		}
		for i, answer := range send(one, "one") {
			mustAck(t, <-answer, chat.Seq(i+1))
		}
		mustAck(t, one.do(message("later", nil)), n+1)
		appends, lookups := s.Calls(memstore.OpAppend), s.Calls(memstore.OpLookup)
		for i, answer := range send(other, "other") {
			res := <-answer
			mustAck(t, res, chat.Seq(i+1))
			if !res.Dup {
				t.Errorf("%d is not marked as a repeat", i+1)
			}
		}
		if appends, lookups = s.Calls(memstore.OpAppend)-appends, s.Calls(memstore.OpLookup)-lookups; appends+lookups > 10 {
			t.Errorf("it took %d appends and %d lookups", appends, lookups)
		}
		audit(t, s, aliceBob)
	})
}
