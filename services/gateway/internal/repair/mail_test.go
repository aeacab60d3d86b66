package repair

import (
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// alice and bob are here, zoe is not.
const (
	alice route.Hash = 1
	bob   route.Hash = 2
	zoe   route.Hash = 3
)

// pod is another pod that sends to users' subjects.
type pod struct {
	*other
	r *Reconciler
}

func (p pod) origin(last, settled uint64) route.Origin {
	return route.Origin{Epoch: "e", Pod: "other", Last: last, Settled: settled}
}

// mails is what comes to users of this pod.
func (p pod) mails(number uint64, to ...route.Hash) {
	for _, h := range to {
		p.r.Heard(route.Origin{Epoch: "e", Pod: "other", Number: number, To: h}, nil)
	}
}

type line struct {
	number, parts uint64
	to            []route.Hash
}

// beats is a heartbeat that comes.
func (p pod) beats(last, settled uint64, lines ...line) {
	var d route.Digest
	for _, l := range lines {
		d = route.AppendDigest(d, l.number, l.parts, l.to)
	}
	p.r.Heard(p.origin(last, settled), d)
}

func playMail(t *testing.T, f func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq)) {
	play(t, func(t *testing.T, s *memstore.Store, o *other, r *Reconciler, found chan chat.Seq) {
		o.register(1, time.Hour)
		f(t, s, pod{o, r}, found)
	})
}

func unread(t *testing.T, s *memstore.Store) {
	t.Helper()
	if n := s.Calls(memstore.OpReadJournal); n != 0 {
		t.Fatalf("%d journal reads", n)
	}
}

func TestWhatConcernsNobodyHereIsNotRead(t *testing.T) {
	playMail(t, func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq) {
		for n := uint64(1); n <= 20; n++ {
			p.store(n)
			p.beats(n-1, n+1, line{n, 1, []route.Hash{zoe}})
			nothing(t, found, Beat) // fake
		}
		p.beats(20, 21)
		nothing(t, found, Beat)
		unread(t, s)
	})
}

func TestMailThatCameIsNotRead(t *testing.T) {
	playMail(t, func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq) {
		for n := uint64(1); n <= 3; n++ {
			p.store(n)
		}
		// Before its digest, twice to one of them; with others between; after it.
		p.mails(1, alice, alice, bob)
		p.mails(2, bob)
		p.beats(0, 4, line{1, 1, []route.Hash{alice, alice, zoe, bob}}, line{2, 1, []route.Hash{zoe, bob}}, line{3, 1, []route.Hash{bob, alice, alice}})
		nothing(t, found, 50*time.Millisecond)
		p.mails(3, alice, bob, alice)
		p.beats(3, 4)
		nothing(t, found, 2*Beat)
		unread(t, s)
	})
}

func TestMailThatDidNotComeIsReadOnce(t *testing.T) {
	for name, came := range map[string][]route.Hash{"none": nil, "to the other": {bob}, "one of two": {alice, bob}} {
		t.Run(name, func(t *testing.T) {
			playMail(t, func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq) {
				p.store(1)
				p.mails(1, came...)
				p.beats(0, 2, line{1, 1, []route.Hash{alice, alice, bob}})
				something(t, found, 1, 200*time.Millisecond)
				reads := s.Calls(memstore.OpReadJournal)
				p.beats(1, 2)
				nothing(t, found, 2*Beat)
				if n := s.Calls(memstore.OpReadJournal); n != reads {
					t.Fatalf("read %d times more", n-reads)
				}
			})
		})
	}
}

// A flush that went to everybody, too, is heard when both are.
func TestNumberInPartsAndInMail(t *testing.T) {
	playMail(t, func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq) {
		whole := func(number uint64) {
			o := p.origin(0, number)
			o.Number, o.Parts = number, 2
			p.r.Heard(o, nil)
		}
		p.store(1)
		whole(1)
		p.mails(1, alice)
		p.beats(0, 2, line{1, 2, []route.Hash{alice}})
		p.beats(1, 2)
		nothing(t, found, 50*time.Millisecond)
		unread(t, s)
		p.store(2)
		whole(2)
		p.beats(1, 3, line{2, 2, []route.Hash{alice}}) // the mail is lost
		something(t, found, 2, 200*time.Millisecond)
		p.store(3)
		p.mails(3, alice)
		p.beats(2, 4, line{3, 2, []route.Hash{alice}}) // the rest is lost
		something(t, found, 3, 200*time.Millisecond)
	})
}

// A beat is lost with its digest, and so is what it would have told of. The next
// one says up to where all has been told.
func TestLostDigest(t *testing.T) {
	playMail(t, func(t *testing.T, _ *memstore.Store, p pod, found chan chat.Seq) {
		p.store(1)
		p.beats(0, 1)
		nothing(t, found, Beat) // the digest with 1 is lost
		p.beats(1, 2)
		something(t, found, 1, 200*time.Millisecond)
	})
}

// The numbers of flushes under way are no holes.
func TestNumberUnderWayIsNotRead(t *testing.T) {
	playMail(t, func(t *testing.T, s *memstore.Store, p pod, found chan chat.Seq) {
		p.store(2)
		p.mails(2, alice)
		for range 10 {
			p.beats(0, 1, line{2, 1, []route.Hash{alice}}) // 1 is being written
			nothing(t, found, Beat)
		}
		unread(t, s)
		p.store(1)
		p.beats(0, 3, line{1, 1, []route.Hash{zoe}})
		p.beats(2, 3)
		nothing(t, found, Beat)
		unread(t, s)
	})
}

// Envelopes without a digest are forgotten in the end, and read.
func TestMailIsBounded(t *testing.T) {
	playMail(t, func(t *testing.T, _ *memstore.Store, p pod, found chan chat.Seq) {
		p.store(1)
		p.mails(1, alice)
		for n := uint64(2); n <= mostMail+1; n++ {
			p.mails(n, alice)
		}
		p.r.mu.Lock()
		n, kept := p.r.peers["other"].mail.n, len(p.r.peers["other"].mail.early)
		p.r.mu.Unlock()
		if n != 1 || kept != 1 {
			t.Fatalf("%d envelopes of %d numbers are remembered", n, kept)
		}
		p.beats(0, 2, line{1, 1, []route.Hash{alice}})
		something(t, found, 1, 200*time.Millisecond)
	})
}

// Mail alone is no sign of life: what tells of losses is not heard.
func TestMailDoesNotBreakTheSilence(t *testing.T) {
	playMail(t, func(t *testing.T, _ *memstore.Store, p pod, found chan chat.Seq) {
		p.beats(0, 1)
		p.store(1)
		for n := uint64(2); n < 6; n++ {
			nothing(t, found, 250*time.Millisecond)
			p.mails(n, alice)
		}
		something(t, found, 1, time.Second)
	})
}

// A pod that says goodbye is let go only with nothing missing.
func TestGoodbye(t *testing.T) {
	playMail(t, func(t *testing.T, _ *memstore.Store, p pod, found chan chat.Seq) {
		p.store(1)
		o := p.origin(1, 2)
		o.Bye = true
		p.r.Heard(o, route.AppendDigest(nil, 1, 1, []route.Hash{bob}))
		something(t, found, 1, 200*time.Millisecond)
	})
}
