package journal

import (
	"testing"

	"github.com/parley-chat/parley/pkg/store/memstore"
)

// A number is settled when it and all below it are: a reader takes a settled
// number that it does not find for void.
func TestSettledStaysBelowWhatIsOpen(t *testing.T) {
	j := New(Options{Store: memstore.New(memstore.Options{}), Epoch: "e"})
	a, b, c := j.Next(), j.Next(), j.Next()
	for _, step := range []struct {
		settle  func()
		settled uint64
	}{
		{func() {}, 1},
		{func() { j.Settle(b) }, 1},
		{func() { j.Settle(a) }, 3},
		{func() { j.Settle(c) }, 4},
		{func() { j.Next() }, 4},
	} {
		step.settle()
		if _, _, settled := j.Position(); settled != step.settled {
			t.Fatalf("settled is %d, want %d", settled, step.settled)
		}
	}
}
