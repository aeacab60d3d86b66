// Package tally counts by a fixed set of keys: reasons, outcomes, kinds of frames.
// It is what a metric with one label is read from, so that a label cannot take a
// value that was not named when the program was written.
package tally

import "sync/atomic"

// Other counts what none of the keys names.
const Other = "other"

// Tally is some counters. Make it with [New]; it is safe for concurrent use.
type Tally struct {
	keys  []string
	index map[string]int
	n     []atomic.Uint64
}

// New makes counters of the given keys, and of [Other].
func New(keys ...string) *Tally {
	t := &Tally{keys: append(append([]string(nil), keys...), Other), index: make(map[string]int, len(keys))}
	for i, k := range keys {
		t.index[k] = i
	}
	t.n = make([]atomic.Uint64, len(t.keys))
	return t
}

// Add counts n more of a key. It neither blocks nor allocates.
func (t *Tally) Add(key string, n uint64) {
	i, ok := t.index[key]
	if !ok {
		i = len(t.n) - 1
	}
	t.n[i].Add(n)
}

// Index is where [Tally.AddAt] counts a key; that of [Other] for one that is not
// named.
func (t *Tally) Index(key string) int {
	if i, ok := t.index[key]; ok {
		return i
	}
	return len(t.n) - 1
}

// AddAt is Add for who counts often.
func (t *Tally) AddAt(index int, n uint64) { t.n[index].Add(n) }

// Read returns the counts of all keys, those of 0 included.
func (t *Tally) Read() map[string]uint64 {
	m := make(map[string]uint64, len(t.keys))
	for i, k := range t.keys {
		m[k] = t.n[i].Load()
	}
	return m
}

// Sum adds the counts of several tallies.
func Sum(list ...map[string]uint64) map[string]uint64 {
	sum := make(map[string]uint64)
	for _, m := range list {
		for k, n := range m {
			sum[k] += n
		}
	}
	return sum
}
