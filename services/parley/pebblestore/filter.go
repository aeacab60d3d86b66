package pebblestore

import (
	"math/bits"
	"math/rand/v2"
)

// filter says of a cmid that it is not in a log, for certain, or that it may be. It
// takes two to four bytes a cmid and is wrong about one new one in a thousand for
// each part, which costs a look into the log.
//
// It is a chain of Bloom filters, each twice as large as the one before it, so that
// it grows without knowing what is in it. Each keeps a cmid's bits in one block of
// the size of a cache line. The zero value is empty.
type filter struct {
	parts []part
	bytes int64
}

type part struct {
	blocks []block
	room   int // cmids that may still be added
}

type block [8]uint64

const (
	blockRoom   = 32 // cmids a block: 16 bits each
	probes      = 7  // bits of 9 bits each, out of one word
	firstBlocks = 8
)

// secret makes a filter's bits unpredictable, so that nobody can choose cmids that
// it is wrong about.
type secret [2]uint64

func newSecret() secret { return secret{rand.Uint64(), rand.Uint64()} }

// mix multiplies by constants, of wyhash (github.com/wangyi-fudan/wyhash): a secret with few bits set would be a bad multiplier,
// and now and then one is.
func (s secret) mix(h cmidHash) uint64 {
	return fold(fold(uint64(h)^s[0], 0xa0761d6478bd642f)^s[1], 0xe7037ed1a0b428db)
}

func fold(x, y uint64) uint64 {
	hi, lo := bits.Mul64(x, y)
	return hi ^ lo
}

// at is a mixed hash's block in a part, and the word that its probes are cut from.
func (p *part) at(x uint64) (b *block, word uint64) {
	i, _ := bits.Mul64(x, uint64(len(p.blocks)))
	return &p.blocks[i], fold(x, 0x9e3779b97f4a7c15)
}

func (f *filter) has(x uint64) bool {
	for i := range f.parts {
		if f.parts[i].has(x) {
			return true
		}
	}
	return false
}

func (p *part) has(x uint64) bool {
	b, word := p.at(x)
	for range probes {
		if b[word>>6&7]&(1<<(word&63)) == 0 {
			return false
		}
		word >>= 9
	}
	return true
}

func (f *filter) add(x uint64) {
	if len(f.parts) == 0 || f.parts[len(f.parts)-1].room == 0 {
		n := firstBlocks
		if len(f.parts) > 0 {
			n = 2 * len(f.parts[len(f.parts)-1].blocks)
		}
		f.grow(n)
	}
	p := &f.parts[len(f.parts)-1]
	p.room--
	b, word := p.at(x)
	for range probes {
		b[word>>6&7] |= 1 << (word & 63)
		word >>= 9
	}
}

// reserve makes an empty filter large enough for n cmids and a quarter more.
func (f *filter) reserve(n int) {
	if n > 0 {
		f.grow(max(firstBlocks, (n+n/4)/blockRoom+1))
	}
}

func (f *filter) grow(blocks int) {
	f.parts = append(f.parts, part{make([]block, blocks), blocks * blockRoom})
	f.bytes += int64(blocks * 64)
}
