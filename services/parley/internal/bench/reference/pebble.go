package reference

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
)

// barePebble commits and syncs batches with as many keys and bytes as the embedded
// store writes for the same entries, and asks nothing before.
func barePebble(ctx context.Context, o Options, count *atomic.Int64, ready func(...int)) (err error) {
	dir, err := os.MkdirTemp(o.Scratch, "parley-reference-")
	if err != nil {
		return fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	db, err := pebble.Open(dir, &pebble.Options{Logger: silent{}, MemTableSize: 16 << 20, MemTableStopWritesThreshold: 4,
		FormatMajorVersion: pebble.FormatWALSyncChunks, L0CompactionThreshold: 8, L0StopWritesThreshold: 32, LBaseMaxBytes: 128 << 20})
	if err != nil {
		return fmt.Errorf("open: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	n := min(flushers, o.Pairs)
	var number atomic.Uint64
	g, ctx := errgroup.WithContext(ctx)
	for f := range n {
		w := newWriter(o, f, n)
		g.Go(func() error {
			for ctx.Err() == nil {
				entries := w.fill()
				if err := commitBare(db, number.Add(1), entries); err != nil {
					return over(ctx, err)
				}
				count.Add(int64(len(entries)))
			}
			return nil
		})
	}
	ready(os.Getpid())
	return g.Wait()
}

// overhead is what a row has beside its key and the strings and body of the entry;
// a test holds the sum against the store's.
const overhead = 12

// commitBare writes a row for each entry, with its sender and cmid, and one row for
// all, with a line for each.
func commitBare(db *pebble.DB, number uint64, entries []chat.Entry) error {
	b := db.NewBatch()
	var key, value, journal []byte
	for i := range entries {
		e := &entries[i]
		key = append(append(append(key[:0], 'e'), e.NS...), e.Conv...)
		key = binary.BigEndian.AppendUint64(key, uint64(e.Seq))
		value = append(append(append(value[:0], make([]byte, overhead)...), e.From...), e.CMID...)
		value = append(value, e.Body...)
		if err := b.Set(key, value, nil); err != nil {
			return fmt.Errorf("set: %w", err)
		}
		journal = append(append(journal, key...), e.Concerns[0]...)
		journal = append(journal, e.Concerns[1]...)
	}
	if err := b.Set(binary.BigEndian.AppendUint64([]byte{'j'}, number), journal, nil); err != nil {
		return fmt.Errorf("set: %w", err)
	}
	if err := errors.Join(b.Commit(pebble.Sync), b.Close()); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// silent drops what Pebble logs. What is fatal must not return.
type silent struct{}

func (silent) Infof(string, ...any)              {}
func (silent) Errorf(string, ...any)             {}
func (silent) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
