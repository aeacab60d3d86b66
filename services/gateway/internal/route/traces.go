package route

import (
	"encoding/binary"

	"github.com/parley-chat/parley/pkg/tracing"
)

// The spans of entries that are followed travel in a line of the envelope's digest,
// with a number that no journal document has: 0. Pods that know nothing of it take
// the line for one of a number that they have heard of, and pass over it; so does
// a pod of the version before this one. An envelope without such entries has no line.
const (
	traceNumber = 0
	traceParts  = 1                 // what the line is, should there be other kinds
	traceWords  = 1 + tracing.Words // the entry's place in the envelope, and its span
)

// appendTraces ends an envelope with the digest that names the spans of its entries.
func appendTraces(b []byte, entries []Announced) []byte {
	var words []Hash
	for i := range entries {
		if t := &entries[i].Trace; t.Sampled() {
			words = append(words, Hash(i))
			t.AppendWords(func(w uint32) { words = append(words, Hash(w)) })
		}
	}
	if words == nil {
		return binary.AppendUvarint(b, 0) // no digest
	}
	d := AppendDigest(nil, traceNumber, traceParts, words)
	b = binary.AppendUvarint(b, uint64(len(d)))
	return append(b, d...)
}

// Traces are the spans of the open envelope's entries, by their place in it; nil:
// none is followed.
func (s *Scanner) Traces() map[int]tracing.Context {
	if len(s.Digest) == 0 {
		return nil
	}
	var traces map[int]tracing.Context
	for l := range s.Digest.All {
		if l.Number != traceNumber || l.Parts != traceParts {
			continue
		}
		for b := l.to; len(b) >= traceWords*hashBytes; b = b[traceWords*hashBytes:] {
			var w [tracing.Words]uint32
			for i := range w {
				w[i] = binary.LittleEndian.Uint32(b[(1+i)*hashBytes:])
			}
			at := int(binary.LittleEndian.Uint32(b))
			if traces == nil {
				traces = make(map[int]tracing.Context)
			}
			if at < s.Len {
				traces[at] = tracing.FromWords(w)
			}
		}
	}
	return traces
}
