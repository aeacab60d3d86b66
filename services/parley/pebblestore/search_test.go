package pebblestore

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/search"
	"github.com/parley-chat/parley/pkg/search/searchtest"
)

func TestSearchContract(t *testing.T) {
	searchtest.Run(t, func(t *testing.T) (search.Store, searchtest.Data) {
		s := mustOpen(t, Options{})
		return s.Search(), s
	})
}

// What a crash takes back of the index it takes back with the marks: a document
// below a mark is always there.
func TestSearchCrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	rng := rand.New(rand.NewPCG(5, 6))
	next := chat.Seq(1)
	for round := range 20 {
		s, err := Open(Options{Dir: "data", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		x := s.Search().Index(search.Generation{Number: 1})
		marks, err := x.Marks(t.Context(), []chat.Key{key(1)})
		if err != nil {
			t.Fatal(err)
		}
		found, err := x.Find(t.Context(), search.Filter{NS: "_", In: []search.Scope{{Conv: key(1).Conv}}, Terms: []string{"all"}, Limit: 1000, Look: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		if len(found.Hits) != int(marks[key(1)]) {
			t.Fatalf("round %d: %d documents, the mark is %d", round, len(found.Hits), marks[key(1)])
		}
		next = marks[key(1)] + 1
		for range 20 {
			d := search.NewDoc(key(1), next, next, "alice", time.UnixMilli(int64(next)), []byte(`{"text":"all of it"}`))
			if err := x.Apply(t.Context(), search.Batch{Docs: []search.Doc{d}, Marks: map[chat.Key]chat.Seq{key(1): next}}); err != nil {
				t.Fatal(err)
			}
			next++
			if rng.IntN(8) == 0 { // a sync of the log of messages takes it along
				if _, err := s.NewEpoch(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		fs = crashed
	}
	if next < 100 {
		t.Errorf("only %d documents survived 20 rounds", next)
	}
}
