package pebblestore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// errCorrupt says that a value is not what this package wrote.
var errCorrupt = errors.New("corrupt value")

// Values are written in order of their fields: numbers as varints, strings and
// bytes with their length before them, times as milliseconds. Each begins with
// the version of its layout.

func appendInt[T ~int | ~int64](dst []byte, n T) []byte { return binary.AppendVarint(dst, int64(n)) }

func appendString[T ~string](dst []byte, s T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(s)))
	return append(dst, s...)
}

func appendTime(dst []byte, t time.Time) []byte { return binary.AppendVarint(dst, t.UnixMilli()) }

func appendStrings[T ~string](dst []byte, list []T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for _, s := range list {
		dst = appendString(dst, s)
	}
	return dst
}

// decoder takes a value apart. The first error stays, and everything that is
// read after it is zero; who reads must ask for done at the end. The strings
// that it returns share the value's memory, so a value costs one allocation.
type decoder struct {
	s   string
	bad bool
}

// decode begins to read a value whose layout must be version.
func decode(v []byte, version byte) (*decoder, error) {
	if len(v) == 0 {
		return nil, fmt.Errorf("%w: empty", errCorrupt)
	}
	if v[0] != version {
		return nil, fmt.Errorf("%w: layout %d, not %d", errCorrupt, v[0], version)
	}
	return &decoder{s: string(v[1:])}, nil
}

// done returns the error, if there was one or if something is left over.
func (d *decoder) done() error {
	if d.bad {
		return fmt.Errorf("%w: it ends too early", errCorrupt)
	}
	if d.s != "" {
		return fmt.Errorf("%w: %d bytes left over", errCorrupt, len(d.s))
	}
	return nil
}

func (d *decoder) fail() {
	d.s, d.bad = "", true
}

// take cuts n bytes off.
func (d *decoder) take(n uint64) string {
	if n > uint64(len(d.s)) {
		d.fail()
		return ""
	}
	s := d.s[:n]
	d.s = d.s[n:]
	return s
}

func (d *decoder) byte() byte {
	if s := d.take(1); s != "" {
		return s[0]
	}
	return 0
}

func (d *decoder) uvarint() uint64 {
	var n uint64
	for i := 0; i < len(d.s) && i < binary.MaxVarintLen64; i++ {
		b := d.s[i]
		if i == binary.MaxVarintLen64-1 && b > 1 {
			break
		}
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			d.s = d.s[i+1:]
			return n
		}
	}
	d.fail()
	return 0
}

func (d *decoder) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *decoder) string() string { return d.take(d.uvarint()) }

func (d *decoder) time() time.Time {
	n := d.varint()
	if d.bad {
		return time.Time{}
	}
	return time.UnixMilli(n).UTC()
}

// count reads the length of a list whose elements take at least size bytes each,
// so that a corrupt length cannot ask for more memory than the value has.
func (d *decoder) count(size int) int {
	n := d.uvarint()
	if n > uint64(len(d.s)/size) {
		d.fail()
		return 0
	}
	return int(n)
}

func decodeStrings[T ~string](d *decoder) []T {
	n := d.count(1)
	if n == 0 {
		return nil
	}
	list := make([]T, n)
	for i := range list {
		list[i] = T(d.string())
	}
	return list
}
