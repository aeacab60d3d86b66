package pebblestore

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// BenchmarkAppend appends messages of 200 bytes to 200 direct conversations, with
// a journal, on the disk of TMPDIR; then it commits bare Pebble batches of as many
// keys and bytes with the same options. One operation is one batch; ratio is
// entries/s by bare/s.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ size, callers int }{{1, 1}, {1, 16}, {300, 1}, {300, 4}} {
		b.Run(fmt.Sprintf("batch=%d/callers=%d", c.size, c.callers), func(b *testing.B) {
			s := mustOpenDisk(b)
			ours := benchmark(b, c.size, c.callers, func(n uint64, es []chat.Entry) error {
				a := s.Append(b.Context(), store.Batch{Entries: es, Journal: store.JournalID{Pod: "pod", Number: n, Epoch: "epoch"}})
				for _, o := range a.Outcomes {
					if o != store.Stored {
						return fmt.Errorf("outcome %d: %w", o, a.Err)
					}
				}
				return nil
			})
			bareDB, err := pebble.Open(b.TempDir(), pebbleOptions(Options{Dir: "bare"}.withDefaults()))
			if err != nil {
				b.Fatal(err)
			}
			bare := benchmark(b, c.size, c.callers, func(n uint64, es []chat.Entry) error {
				return appendBare(bareDB, n, es)
			})
			if err := bareDB.Close(); err != nil {
				b.Fatal(err)
			}
			b.ReportMetric(ours.perSecond, "entries/s")
			b.ReportMetric(bare.perSecond, "bare/s")
			b.ReportMetric(ours.perSecond/bare.perSecond, "ratio")
			b.ReportMetric(ours.cpu, "cpu-µs/entry")
			b.ReportMetric(bare.cpu, "bare-cpu-µs/entry")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func mustOpenDisk(b *testing.B) *Store {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := s.Close(); err != nil {
			b.Error(err)
		}
	})
	return s
}

// rate is what a benchmark measured. The CPU time is that of the process, flushes
// and compactions included; it says more than the clock on a busy machine.
type rate struct {
	perSecond float64
	cpu       float64 // µs an entry
}

func cpuTime(b *testing.B) time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		b.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// benchmark commits b.N batches. Each caller has conversations of its own,
// as the committer sees to.
func benchmark(b *testing.B, size, callers int, commit func(n uint64, es []chat.Entry) error) rate {
	var number atomic.Uint64
	var wg sync.WaitGroup
	errs := make([]error, callers)
	start, cpu := time.Now(), cpuTime(b)
	for w := range callers {
		wg.Go(func() {
			logs := newLogs(200, w*200)
			for errs[w] == nil {
				n := number.Add(1)
				if n > uint64(b.N) {
					return
				}
				errs[w] = commit(n, logs.next(size))
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
	entries := float64(size) * float64(b.N)
	return rate{entries / time.Since(start).Seconds(), float64((cpuTime(b) - cpu).Microseconds()) / entries}
}

// logs makes entries for conversations in turn.
type logs struct {
	keys  []chat.Key
	seqs  []chat.Seq
	users [][]chat.User
	at    int
	body  []byte
	made  uint64
	es    []chat.Entry
}

func newLogs(n, from int) *logs {
	l := &logs{body: make([]byte, 200)}
	for i := range l.body {
		l.body[i] = "abcdefghijklmnop"[rand.IntN(16)]
	}
	copy(l.body, `{"text":"`)
	copy(l.body[198:], `"}`)
	for i := range n {
		a, b := chat.User(fmt.Sprintf("user-%d-a", from+i)), chat.User(fmt.Sprintf("user-%d-b", from+i))
		l.keys = append(l.keys, chat.Key{NS: "_", Conv: chat.DirectID("_", a, b)})
		l.users = append(l.users, []chat.User{a, b})
	}
	l.seqs = make([]chat.Seq, n)
	return l
}

// next fills one batch; the slice is used again.
func (l *logs) next(size int) []chat.Entry {
	l.es = l.es[:0]
	each := (size + len(l.keys) - 1) / len(l.keys)
	for len(l.es) < size {
		l.at = (l.at + 1) % len(l.keys)
		for range min(each, size-len(l.es)) {
			l.seqs[l.at]++
			seq := l.seqs[l.at]
			l.es = append(l.es, chat.Entry{
				Key: l.keys[l.at], Seq: seq, Kind: chat.KindMessage, From: l.users[l.at][seq%2], CMID: l.cmid(),
				Time: time.Now().UTC(), Count: int64(seq), Members: 2, Hash: chat.Hash{1}, Body: l.body, Concerns: l.users[l.at],
			})
		}
	}
	return l.es
}

// cmid costs little and is as long as a real one.
func (l *logs) cmid() chat.CMID {
	l.made++
	return chat.CMID(strconv.FormatUint(rand.Uint64()|1<<63, 36) + strconv.FormatUint(1<<40+l.made, 36))
}

// appendBare writes the same rows without asking anything.
func appendBare(db *pebble.DB, n uint64, es []chat.Entry) error {
	batch := db.NewBatch()
	var key, value []byte
	doc := store.JournalDoc{JournalID: store.JournalID{Pod: "pod", Number: n, Epoch: "epoch"}}
	for i := range es {
		e := &es[i]
		value, _ = appendEntry(value[:0], e, e.Seq)
		key = number(row(key[:0], tableEntry, string(e.NS), string(e.Conv)), uint64(e.Seq))
		if err := batch.Set(key, value, nil); err != nil {
			return err
		}
		if e.Seq%pageSize == 0 {
			key[0] = tablePage
			if err := batch.Set(key, make([]byte, 8*pageSize), nil); err != nil {
				return err
			}
		}
		doc.Lines = append(doc.Lines, store.LineOf(e))
	}
	if err := batch.Set(journalKey("pod", n), appendJournal(nil, &doc), nil); err != nil {
		return err
	}
	return errors.Join(batch.Commit(pebble.Sync), batch.Close())
}
