package pebblestore

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// long appends the entries from to to of a conversation.
func long(t *testing.T, s *Store, key chat.Key, from, to chat.Seq) {
	t.Helper()
	for from <= to {
		var es []chat.Entry
		for ; from <= to && len(es) < 4096; from++ {
			es = append(es, message(key, from))
		}
		mustAppend(t, s, store.JournalID{}, es...)
	}
}

// checkIndex checks that the cmids of these seqs are known, to reads and to appends,
// and that one that was never used is not. n is the length of the log.
func checkIndex(t *testing.T, s *Store, key chat.Key, n chat.Seq, seqs ...chat.Seq) {
	t.Helper()
	for _, seq := range seqs {
		old := message(key, seq)
		e, err := s.Lookup(t.Context(), key, old.From, old.CMID)
		if err != nil || e.Seq != seq {
			t.Errorf("lookup of %d among %d: %d, %v", seq, n, e.Seq, err)
		}
		again := message(key, n+1)
		again.CMID = old.CMID
		if a := s.Append(t.Context(), store.Batch{Entries: []chat.Entry{again}}); a.Outcomes[0] != store.Duplicate {
			t.Errorf("cmid of %d among %d again: %+v", seq, n, a)
		}
		again.From = "bob"
		if e, err := s.Lookup(t.Context(), key, again.From, again.CMID); err == nil {
			t.Errorf("lookup of another sender's cmid: %d", e.Seq)
		}
	}
}

// TestIndexByPages looks at the ends of pages, with the tail in memory and after it
// was read again.
func TestIndexByPages(t *testing.T) {
	for _, n := range []chat.Seq{1, pageSize - 1, pageSize, pageSize + 1, 3 * pageSize, 3*pageSize + 5} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			fs := vfs.NewMem()
			s := mustOpen(t, Options{FS: fs})
			long(t, s, key(1), 1, n)
			checkIndex(t, s, key(1), n, 1, (n+1)/2, n)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = mustOpen(t, Options{FS: fs})
			checkIndex(t, s, key(1), n, 1, (n+1)/2, n)
			long(t, s, key(1), n+1, n+pageSize)
			checkIndex(t, s, key(1), n+pageSize, n, n+1, n+pageSize)
		})
	}
}

// TestIndexBeyondPages crosses from pages to rows, inside a batch.
func TestIndexBeyondPages(t *testing.T) {
	const n = maxPaged + 10
	fs := vfs.NewMem()
	s := mustOpen(t, Options{FS: fs})
	long(t, s, key(1), 1, maxPaged-5)
	long(t, s, key(1), maxPaged-4, n)
	seqs := []chat.Seq{1, pageSize, maxPaged - 1, maxPaged, maxPaged + 1, n}
	checkIndex(t, s, key(1), n, seqs...)

	twice := []chat.Entry{message(key(1), n+1), message(key(1), n+2)}
	twice[1].CMID = twice[0].CMID
	a := s.Append(t.Context(), store.Batch{Entries: twice})
	if a.Outcomes[0] != store.Stored || a.Outcomes[1] != store.Duplicate {
		t.Errorf("a cmid twice in a batch: %+v", a)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, Options{FS: fs})
	checkIndex(t, s, key(1), n+1, append(seqs, n+1)...)
	long(t, s, key(1), n+2, n+3)
}

func TestFilter(t *testing.T) {
	const n = 20000
	for _, reserved := range []int{0, n / 2, n} {
		var f filter
		secret := newSecret()
		f.reserve(reserved)
		for i := range n {
			f.add(secret.mix(cmidHash(i)))
		}
		wrong := 0
		for i := range n {
			if !f.has(secret.mix(cmidHash(i))) {
				t.Fatalf("%d is not there", i)
			}
			if f.has(secret.mix(cmidHash(n + i))) {
				wrong++
			}
		}
		if wrong > n/50 { // as a rule a tenth of that, by the number of parts
			t.Errorf("reserved %d: %d of %d wrong answers", reserved, wrong, n)
		}
		if f.bytes > 5*n {
			t.Errorf("reserved %d: %d bytes for %d", reserved, f.bytes, n)
		}
		t.Logf("reserved %d: %d of %d wrong, %d bytes in %d parts", reserved, wrong, n, f.bytes, len(f.parts))
	}
}

// TestRebuild: a filter that is made again knows the same cmids.
func TestRebuild(t *testing.T) {
	for _, n := range []chat.Seq{0, 5, pageSize, 40*pageSize + 7} {
		s := mustOpen(t, Options{})
		long(t, s, key(1), 1, n)
		err := s.update(t.Context(), "rebuild", func(w *write) error {
			a := &appending{write: w}
			tail, err := a.tail(key(1))
			if err == nil {
				err = a.rebuild(tail)
			}
			if a.it != nil {
				err = errors.Join(err, a.it.Close())
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		long(t, s, key(1), n+1, n+pageSize+1)
		checkIndex(t, s, key(1), n+pageSize+1, 1, (n+1)/2+1, n+1, n+pageSize+1)
	}
}

// TestTailsAreBounded: what is forgotten is read again.
func TestTailsAreBounded(t *testing.T) {
	const convs, limit = 64, 8 * tailBytes
	s := mustOpen(t, Options{CacheBytes: 2 * limit})
	for seq := chat.Seq(1); seq <= 3; seq++ {
		for i := range convs {
			mustAppend(t, s, store.JournalID{}, message(key(i), seq))
		}
	}
	s.turn <- struct{}{}
	if s.tails.used > limit || s.tails.order.Len() == 0 || s.tails.order.Len() != len(s.tails.byKey) {
		t.Errorf("%d bytes in %d tails, %d keys", s.tails.used, s.tails.order.Len(), len(s.tails.byKey))
	}
	<-s.turn
	for i := range convs {
		checkLog(t, s, key(i), 3)
	}
}
