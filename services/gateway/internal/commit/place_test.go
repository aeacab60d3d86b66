package commit

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
)

// pair starts a message and an edit of message 1 at a pod, which appends them together,
// as 3 and 4; faults are injected before that.
func pair(t *testing.T, p *pod, s *memstore.Store, inject func()) (first, second <-chan Result) {
	t.Helper()
	mustAck(t, p.do(message("m1", nil)), 1)
	hold := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Block, Times: 1})
	before := p.start(aimed("x1", chat.KindReacted, 1)) // the others gather behind it
	synctest.Wait()
	first, second = p.start(message("m2", nil)), p.start(aimed("e1", chat.KindEdited, 1))
	inject()
	hold.Release()
	mustAck(t, <-before, 2)
	return first, second
}

// expire makes message 1 something that no edit may aim at, without an entry that says so.
func expire(t *testing.T, s *memstore.Store) {
	t.Helper()
	if _, err := s.RaiseFloor(t.Context(), aliceBob, 2, nil); err != nil {
		t.Fatal(err)
	}
}

// An append of two is slow: its first entry is not committed yet and the second not
// there. A retry is refused at the first, and so does not try the second. That says
// nothing of the slow append, whose second entry may come yet: it must not be refused.
func TestRefusalWaitsForASlowAppend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one := newPod(t, s)
		var slow, late, retried *memstore.Injection
		first, second := pair(t, one, s, func() {
			slow = s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Invisible, Times: 1, Entry: func(e *chat.Entry) bool { return e.CMID == "m2" }})
			late = s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Late, Times: 1, Entry: func(e *chat.Entry) bool { return e.CMID == "e1" }})
			retried = s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Pass, Skip: 1, Entry: func(e *chat.Entry) bool { return e.CMID == "m2" }})
		})
		if err := retried.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		expire(t, s)
		slow.Release()
		mustAck(t, <-first, 3)
		select {
		case res := <-second:
			t.Errorf("answered %+v while it may yet be stored", res)
		case <-time.After(time.Second):
			late.Release()
			mustAck(t, <-second, 4)
		}
		late.Release()
		audit(t, s, aliceBob)
	})
}

// An append of two never comes to anything, and a retry stores its first entry. So
// whatever becomes of it, it would end there: the second is refused without waiting.
func TestRefusalBehindAStoredRetry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		one := newPod(t, s)
		var lost *memstore.Injection
		begun := time.Now()
		first, second := pair(t, one, s, func() {
			lost = s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Late, Times: 1, Entry: func(e *chat.Entry) bool { return e.CMID == "m2" }})
		})
		if err := lost.Wait(t.Context(), 1); err != nil {
			t.Fatal(err)
		}
		expire(t, s)
		mustAck(t, <-first, 3)
		mustRefuse(t, <-second, chat.CodeNotFound)
		if took := time.Since(begun); took > time.Second {
			t.Errorf("it took %v", took)
		}
		lost.Release()
		if log := audit(t, s, aliceBob); len(log) != 3 {
			t.Errorf("%+v", log)
		}
	})
}
