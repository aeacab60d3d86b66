package commit

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/journal"
)

// announced is the seqs that a pod has announced so far.
func (p *pod) announced() (seqs []chat.Seq) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, e := range p.told {
		seqs = append(seqs, e.Seq)
	}
	return seqs
}

// What is announced reaches sessions, so it must be stored for good and finished:
// an append that is still on its way, or a finish that fails, announces nothing.
func TestNothingIsAnnouncedBeforeItIsFinished(t *testing.T) {
	for _, fault := range []memstore.Fault{
		{Op: memstore.OpAppend, Kind: memstore.Block},
		{Op: memstore.OpAppend, Kind: memstore.Fail},
		{Op: memstore.OpAppend, Kind: memstore.Invisible},
		{Op: memstore.OpFinish, Kind: memstore.Block},
		{Op: memstore.OpFinish, Kind: memstore.FailApplied},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := memstore.New(memstore.Options{})
			p := newPod(t, s)
			mustAck(t, p.do(message("m1", nil)), 1)
			in := s.Inject(fault)
			answer := p.start(message("m2", nil))
			synctest.Wait()
			if got := p.announced(); len(got) != 1 || got[0] != 1 {
				t.Fatalf("%v of %v: announced %v", fault.Kind, fault.Op, got)
			}
			in.Remove()
			in.Release()
			mustAck(t, <-answer, 2)
			synctest.Wait()                                                                 // announcing comes after answering
			if got := slices.Compact(p.announced()); !slices.Equal(got, []chat.Seq{1, 2}) { // again does no harm
				t.Fatalf("%v of %v: announced %v in the end", fault.Kind, fault.Op, got)
			}
		})
	}
}

// An entry that no majority has can still be rolled back: it is neither acked nor
// announced, and the next entry does not take the seq after it.
func TestInvisibleEntryIsNoTail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p, other := newPod(t, s), newPod(t, s)
		mustAck(t, p.do(message("m1", nil)), 1)
		in := s.Inject(memstore.Fault{Op: memstore.OpAppend, Kind: memstore.Invisible, Times: 1})
		first := p.start(message("m2", nil))
		synctest.Wait()
		second := other.start(message("m3", nil))
		time.Sleep(time.Second) // fake: both try again meanwhile
		for _, answer := range []<-chan Result{first, second} {
			select {
			case res := <-answer:
				t.Fatalf("answered %+v on top of what can be rolled back", res)
			default:
			}
		}
		in.RollBack()
		a, b := <-first, <-second
		if a.Err != nil || b.Err != nil || a.Entry.Seq+b.Entry.Seq != 5 {
			t.Fatalf("%+v, %+v", a, b)
		}
		if log := audit(t, s, aliceBob); len(log) != 3 {
			t.Fatalf("%d entries", len(log))
		}
	})
}

// A pod whose lease ran out may have been declared dead, and its journal read to
// the end: what it acked from then on under its old id, nobody would find.
func TestNothingIsAckedWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := memstore.New(memstore.Options{})
		p := newPod(t, s)
		mustAck(t, p.do(message("m1", nil)), 1)
		dead := p.opts.Journal.Pod()
		fault := s.Inject(memstore.Fault{Op: memstore.OpRegister, Kind: memstore.Fail})
		time.Sleep(journal.Lease + time.Second) // fake
		if res := p.do(message("m2", nil)); res.Err == nil || res.Err.Code != chat.CodeUnavailable {
			t.Fatalf("acked without a lease: %+v", res)
		}
		fault.Remove()
		mustAck(t, p.do(message("m2", nil)), 2)
		pod := p.opts.Journal.Pod()
		docs, err := s.ReadJournal(t.Context(), pod, 0, 10)
		if pod == dead || err != nil || len(docs) != 1 || docs[0].Lines[0].Seq != 2 {
			t.Fatalf("pod %s, before %s: journal %+v, %v", pod, dead, docs, err)
		}
	})
}
