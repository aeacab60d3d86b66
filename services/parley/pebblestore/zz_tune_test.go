package pebblestore

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable/block"

	"github.com/parley-chat/parley/pkg/chat"
)

func envInt(n string, d int) int {
	if v, err := strconv.Atoi(os.Getenv(n)); err == nil {
		return v
	}
	return d
}

func BenchmarkTune(b *testing.B) {
	po := pebbleOptions(Options{Dir: "bare"}.withDefaults())
	po.MemTableSize = uint64(envInt("MEM", 32)) << 20
	po.L0CompactionThreshold = envInt("L0", 4)
	po.LBaseMaxBytes = int64(envInt("LBASE", 128)) << 20
	po.TargetFileSizes[0] = int64(envInt("TFS", 4)) << 20
	po.MemTableStopWritesThreshold = envInt("STOP", 4)
	po.CompactionConcurrencyRange = func() (int, int) { return 1, 1 }
	if os.Getenv("NOBLOOM") != "" {
		for i := range po.Levels {
			po.Levels[i].FilterPolicy = nil
		}
	}
	for i := range po.Levels {
		po.Levels[i].BlockSize = envInt("BLOCK", 16) << 10
	}
	if os.Getenv("NOCOMP") != "" {
		for i := range po.Levels {
			po.Levels[i].Compression = func() *block.CompressionProfile { return block.NoCompression }
		}
	}
	if os.Getenv("ROWS") != "" {
		po.Experimental.EnableColumnarBlocks = func() bool { return false }
	}
	db, err := pebble.Open(b.TempDir(), po)
	if err != nil {
		b.Fatal(err)
	}
	r := benchmark(b, 300, 1, func(n uint64, es []chat.Entry) error { return appendBare(db, n, es) })
	m := db.Metrics()
	fmt.Printf("\nflushed %dMB wal %dMB compactions %d in %dMB out %dMB  disk %dMB total\n", m.Flush.WriteThroughput.Bytes>>20, m.WAL.BytesWritten>>20, m.Compact.Count, m.Total().TableBytesIn>>20, m.Total().TableBytesCompacted>>20, m.DiskSpaceUsage()>>20)
	if err := db.Close(); err != nil {
		b.Fatal(err)
	}
	runtime.GC()
	b.ReportMetric(r.perSecond, "bare/s")
	b.ReportMetric(r.cpu, "cpu")
	b.ReportMetric(0, "ns/op")
}
