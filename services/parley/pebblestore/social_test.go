package pebblestore

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
)

// What was blocked is known to the store that opens the folder next.
func TestBlocksAreFoundAfterARestart(t *testing.T) {
	fs := vfs.NewMem()
	pair := store.Pair{NS: "_", User: "alice", Peer: "bob"}
	for i, on := range []bool{true, false} {
		s, err := Open(Options{Dir: "data", FS: fs})
		if err != nil {
			t.Fatal(err)
		}
		found, err := s.BlocksAmong(t.Context(), []store.Pair{pair})
		if err != nil || found[pair].On != !on && i > 0 || len(found) != i {
			t.Errorf("opened %d times: %v %v", i+1, found, err)
		}
		if _, err := s.PutBlock(t.Context(), "_", chat.Block{User: "alice", Peer: "bob", Version: int64(i + 1), On: on}); err != nil {
			t.Fatal(err)
		}
		if found, err = s.BlocksAmong(t.Context(), []store.Pair{pair}); err != nil || found[pair].On != on {
			t.Errorf("%v %v", found, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkBlocksAmong is what a flush of 400 pairs costs where somebody, but none
// of them, blocks.
func BenchmarkBlocksAmong(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.PutBlock(b.Context(), "_", chat.Block{User: "alice", Peer: "bob", Version: 1, On: true}); err != nil {
		b.Fatal(err)
	}
	var pairs []store.Pair
	for i := range 400 {
		pairs = append(pairs, store.Pair{NS: "_", User: chat.User(fmt.Sprint("user", i)), Peer: chat.User(fmt.Sprint("user", i+1))})
	}
	for b.Loop() {
		if _, err := s.BlocksAmong(b.Context(), pairs); err != nil {
			b.Fatal(err)
		}
	}
}
