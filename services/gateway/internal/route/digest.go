package route

import "encoding/binary"

// Digest tells of envelopes that went to single users: for each journal number, in
// how many parts it is told altogether, this line being one of them, and the hash
// of the user for every envelope.
type Digest []byte

// AppendDigest appends the line of a number to d.
func AppendDigest(d Digest, number, parts uint64, to []Hash) Digest {
	d = binary.AppendUvarint(d, number)
	d = binary.AppendUvarint(d, parts)
	d = binary.AppendUvarint(d, uint64(len(to)))
	for _, h := range to {
		d = binary.LittleEndian.AppendUint32(d, uint32(h))
	}
	return d
}

// Line is one number of a [Digest].
type Line struct {
	Number, Parts uint64
	to            []byte
}

// All yields the lines.
func (d Digest) All(yield func(Line) bool) {
	for r := (reader{b: d}); r.at < len(d); {
		if l := r.line(); r.bad || !yield(l) {
			return
		}
	}
}

// To yields the hash of each envelope's user.
func (l Line) To(yield func(Hash) bool) {
	for b := l.to; len(b) >= hashBytes; b = b[hashBytes:] {
		if !yield(Hash(binary.LittleEndian.Uint32(b))) {
			return
		}
	}
}

func (r *reader) line() Line {
	l := Line{Number: r.uvarint(), Parts: r.uvarint()}
	l.to = r.take(hashBytes * r.count())
	return l
}

// valid reports whether all of d can be read.
func (d Digest) valid() bool {
	r := reader{b: d}
	for r.at < len(d) && !r.bad {
		r.line()
	}
	return !r.bad
}
