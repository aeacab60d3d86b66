package pebblestore

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
)

// Sizes of what the benchmarks search: 200,000 messages of some 12 words in 200
// conversations, the newest with the last words of a vocabulary in which few are
// frequent, as in a language.
const (
	benchMessages = 200_000
	benchConvs    = 200
	benchWords    = 20_000
)

func benchText(rng *rand.Rand, zipf *rand.Zipf) string {
	var b strings.Builder
	for range 4 + rng.IntN(17) {
		fmt.Fprintf(&b, "w%d ", zipf.Uint64())
	}
	return b.String()
}

// fillSearch indexes n messages, in batches as the indexer makes them.
func fillSearch(b *testing.B, x search.Index, n int) {
	rng := rand.New(rand.NewPCG(1, 2))
	zipf := rand.NewZipf(rng, 1.2, 5, benchWords-1)
	batch := search.Batch{Marks: map[chat.Key]chat.Seq{}}
	for i := range n {
		k, seq := key(i%benchConvs), chat.Seq(i/benchConvs+1)
		at := time.UnixMilli(1_700_000_000_000 + int64(i)*1000).UTC()
		batch.Docs = append(batch.Docs, search.NewDoc(k, seq, seq, "alice", at, fmt.Appendf(nil, `{"text":%q}`, benchText(rng, zipf))))
		batch.Marks[k] = seq
		if len(batch.Docs) == 500 || i == n-1 {
			if err := x.Apply(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch = search.Batch{Marks: map[chat.Key]chat.Seq{}}
		}
	}
}

// BenchmarkSearchIndex indexes messages; one operation is one message, from its
// body to the postings in the store.
func BenchmarkSearchIndex(b *testing.B) {
	s := mustOpenDisk(b)
	x := s.Search().Index(search.Generation{Number: 1})
	before := cpuTime(b)
	fillSearch(b, x, b.N)
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N)/1000, "cpu-µs/op")
	if err := s.db.Compact(b.Context(), []byte{0}, []byte{255}, true); err != nil {
		b.Fatal(err)
	}
	tables := s.db.Metrics().Total()
	b.ReportMetric(float64(tables.AggregateSize())/float64(b.N), "disk-B/op")
}

// BenchmarkSearchFind asks an index of 200,000 messages for the first 20 hits, in
// all of its conversations or in one.
func BenchmarkSearchFind(b *testing.B) {
	s := mustOpenDisk(b)
	x := s.Search().Index(search.Generation{Number: 1})
	fillSearch(b, x, benchMessages)
	var all []search.Scope
	for i := range benchConvs {
		all = append(all, search.Scope{Conv: key(i).Conv})
	}
	for _, c := range []struct {
		name  string
		in    []search.Scope
		terms string
	}{
		{"all/frequent", all, "w0"},
		{"all/two-frequent", all, "w0 w1"},
		{"all/rare-and-frequent", all, "w1500 w0"},
		{"all/rare", all, "w9000"},
		{"all/nothing", all, "nothing"},
		{"one/frequent", all[:1], "w0"},
		{"one/two-frequent", all[:1], "w0 w1"},
	} {
		b.Run(c.name, func(b *testing.B) {
			var found search.Found
			for b.Loop() {
				var err error
				found, err = x.Find(b.Context(), search.Filter{NS: "_", In: c.in, Terms: strings.Fields(c.terms), Limit: 20, Look: 50_000})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(found.Hits)), "hits")
		})
	}
}
