package pebblestore

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
)

// format is the version of the tables and of what is in them. A folder of another
// version is not opened.
const format = "1"

// pebbleOptions tunes Pebble for many small rows that are written once and read
// while they are young.
func pebbleOptions(o Options) *pebble.Options {
	po := &pebble.Options{
		FS:        o.FS,
		CacheSize: o.CacheBytes / 2,
		Logger:    pebbleLogger{o.Logger},
		// Pinned, so that a new release of Pebble does not change the folder by
		// itself. With it the WAL tells a torn end from a corrupt middle.
		FormatMajorVersion: pebble.FormatWALSyncChunks,

		// Larger memtables are slower, because less of them is in the processor's
		// caches; four let writes go on while one of them is flushed. A log is
		// written everywhere at once, so a compaction of L0 rewrites the level
		// below: it is done half as often as by default.
		MemTableSize:                16 << 20,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       8,
		L0StopWritesThreshold:       32,
		LBaseMaxBytes:               128 << 20,
		CompactionConcurrencyRange:  func() (int, int) { return 1, max(1, runtime.GOMAXPROCS(0)/2) },
	}
	po.TargetFileSizes[0] = 4 << 20
	for i := range po.Levels {
		po.Levels[i].BlockSize = 16 << 10
		// A filter on every level: what is new, which is the rule, is not looked
		// for in any table.
		po.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
	}
	po.EventListener = &pebble.EventListener{
		BackgroundError: func(err error) { o.Logger.Error("pebble: background work failed and is tried again", "error", err) },
		DataCorruption:  func(i pebble.DataCorruptionInfo) { o.Logger.Error("pebble: corrupt data", "what", i.String()) },
		DiskSlow:        func(i pebble.DiskSlowInfo) { o.Logger.Warn("pebble: the disk is slow", "what", i.String()) },
		LowDiskSpace:    func(i pebble.LowDiskSpaceInfo) { o.Logger.Warn("pebble: the disk is getting full", "what", i.String()) },
		WriteStallBegin: func(i pebble.WriteStallBeginInfo) { o.Logger.Warn("pebble: writes wait", "reason", i.Reason) },
		WriteStallEnd:   func() { o.Logger.Info("pebble: writes go on") },
	}
	return po
}

// pebbleLogger passes on what Pebble logs.
type pebbleLogger struct{ log *slog.Logger }

// Infof drops its message: it tells of every flush and compaction.
func (pebbleLogger) Infof(string, ...any) {}

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.log.Error("pebble: " + fmt.Sprintf(format, args...))
}

// Fatalf must not return: Pebble would go on as if nothing had happened, and even
// report the batch in question as committed.
func (l pebbleLogger) Fatalf(format string, args ...any) {
	err := fmt.Errorf("pebble: fatal: "+format, args...)
	l.log.Error(err.Error())
	panic(err)
}

// checkFormat compares the folder's format with ours, and writes ours into a new
// folder.
func checkFormat(db *pebble.DB) error {
	v, err := get(db, selfKey("format"))
	if err != nil {
		return err
	}
	if string(v) == format {
		return nil
	}
	if v != nil {
		return fmt.Errorf("%w: its format is %q, not %q", ErrFormat, v, format)
	}
	empty := true
	err = scan(db, []byte{0}, []byte{255}, func(_, _ []byte) (bool, error) {
		empty = false
		return false, nil
	})
	if err != nil {
		return err
	}
	if !empty {
		return fmt.Errorf("%w: it is somebody else's", ErrFormat)
	}
	return db.Set(selfKey("format"), []byte(format), pebble.Sync)
}

// get returns a copy of a row's value, nil if there is no row.
func get(r pebble.Reader, key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value := append(make([]byte, 0, len(v)), v...)
	return value, closer.Close()
}

// has reports whether there is a row.
func has(r pebble.Reader, key []byte) (bool, error) {
	_, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, closer.Close()
}

// scan calls f with the rows from lower up to, not including, upper, until f says
// that it wants no more. f must not keep k and v.
func scan(r pebble.Reader, lower, upper []byte, f func(k, v []byte) (more bool, err error)) (err error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if more, err := f(it.Key(), v); err != nil || !more {
			return err
		}
	}
	return nil // Close tells of an error that ended the loop
}
