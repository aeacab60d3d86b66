package tally_test

import (
	"maps"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/tally"
)

func TestTally(t *testing.T) {
	c := tally.New("a", "b")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				c.Add("a", 1)
				c.Add("not named", 2)
				c.AddAt(c.Index("b"), 3)
				c.AddAt(c.Index("neither"), 1)
			}
		})
	}
	all.Wait()
	if got, want := c.Read(), map[string]uint64{"a": 800, "b": 2400, tally.Other: 2400}; !maps.Equal(got, want) {
		t.Errorf("%v, not %v", got, want)
	}
	if got, want := tally.Sum(c.Read(), map[string]uint64{"a": 1}, nil)["a"], uint64(801); got != want {
		t.Errorf("%d, not %d", got, want)
	}
	if n := testing.AllocsPerRun(100, func() { c.Add("a", 1); c.AddAt(1, 1) }); n != 0 {
		t.Errorf("%v allocations a count", n)
	}
}
