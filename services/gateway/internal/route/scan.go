package route

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Scanner reads envelopes, one after the other, without decoding what nobody
// wants: passing over an entry costs a look at its hashes and no memory. The zero
// value is ready. It is not safe for concurrent use.
//
//	for err := s.Open(data); err == nil && s.Next(); {
//		if s.Wanted(table) {
//			a, err := s.Entry()
//		}
//	}
type Scanner struct {
	// Of the open envelope; Digest is a part of what was opened.
	Origin Origin
	Len    int // entries
	Digest Digest

	entries []byte // those to come
	entry   []byte // the present one, behind its hashes
	hashes  []byte // of the present one
	// What is in every envelope, so that it is made once.
	epoch string
	pods  map[string]string
}

// maxPods is how many names of pods a Scanner remembers; then it forgets them all.
const maxPods = 1024

// Open begins with an envelope. It checks the form of everything but the insides
// of entries. The scanner uses b until the next Open.
func (s *Scanner) Open(b []byte) error {
	s.Len, s.Digest, s.entries, s.entry, s.hashes = 0, nil, nil, nil, nil
	r := reader{b: b}
	if r.byte() != 'P' || r.byte() != envelopeVersion {
		return fmt.Errorf("%w: unknown version", ErrEnvelope)
	}
	epoch, pod := r.bytes(), r.bytes()
	o := Origin{Last: r.uvarint(), Settled: r.uvarint(), Number: r.uvarint(), Part: r.uvarint(), Parts: r.uvarint(),
		Bye: r.byte() != 0, To: r.hash()}
	n := r.count()
	entries := r.b[r.at:]
	for range n {
		one := reader{b: r.take(r.size())}
		one.take(hashBytes * one.count())
		r.bad = r.bad || one.bad
	}
	entries = entries[:len(entries)-len(r.b[r.at:])]
	digest := Digest(r.bytes())
	if r.bad || r.at != len(r.b) || !digest.valid() {
		return fmt.Errorf("%w: truncated or malformed", ErrEnvelope)
	}
	o.Epoch, o.Pod = s.keep(epoch, pod)
	s.Origin, s.Len, s.Digest, s.entries = o, n, digest, entries
	return nil
}

// keep makes strings of what is mostly the same as before.
func (s *Scanner) keep(epoch, pod []byte) (e, p string) {
	if string(epoch) != s.epoch {
		s.epoch = string(epoch)
	}
	p, ok := s.pods[string(pod)]
	if !ok {
		if s.pods == nil || len(s.pods) >= maxPods {
			s.pods = make(map[string]string)
		}
		p = string(pod)
		s.pods[p] = p
	}
	return s.epoch, p
}

// Next goes to the next entry; false: there is none.
func (s *Scanner) Next() bool {
	if len(s.entries) == 0 {
		return false
	}
	r := reader{b: s.entries}
	one := r.take(r.size())
	s.entries = s.entries[r.at:]
	r = reader{b: one}
	s.hashes = r.take(hashBytes * r.count()) // Open has seen that they are there
	s.entry = one[r.at:]
	return true
}

// Wanted reports whether a session of this pod may want the present entry, or its
// tail be kept here. It may be wrong in saying so, and never in denying it.
func (s *Scanner) Wanted(t *Table) bool {
	for h := s.hashes; len(h) >= hashBytes; h = h[hashBytes:] {
		if t.Interested(Hash(binary.LittleEndian.Uint32(h))) {
			return true
		}
	}
	return false
}

// Entry decodes the present entry, into memory of its own.
func (s *Scanner) Entry() (Announced, error) {
	r := reader{b: s.entry}
	data := r.count()
	head := s.entry[r.at : len(s.entry)-min(data, len(s.entry)-r.at)]
	// One string for all that is text: frames are kept longer, so they are apart.
	r = reader{b: head, text: string(head), bad: r.bad}
	var e Announced
	e.Key.NS = chat.NS(r.string())
	e.Key.Conv = chat.ConvID(r.string())
	e.Kind = kindOf(r.string())
	e.Seq = chat.Seq(r.uvarint())
	e.Count = int64(r.uvarint())
	e.MV = chat.Seq(r.uvarint())
	e.Members = int(r.uvarint())
	e.Time = time.UnixMilli(int64(r.uvarint())).UTC()
	e.From = chat.User(r.string())
	e.Concerns = r.users()
	e.Leaving = r.users()
	e.Closing = r.byte() != 0
	if r.bad || r.at != len(head) || e.Seq < 1 || e.Seq > chat.MaxSeq || !e.Key.Conv.Valid() {
		return Announced{}, fmt.Errorf("%w: malformed entry", ErrEnvelope)
	}
	e.Data = bytes.Clone(s.entry[len(s.entry)-data:])
	return e, nil
}

// kindOf spares the kinds that there are from holding on to the rest of an entry.
func kindOf(s string) chat.Kind {
	for _, k := range [...]chat.Kind{chat.KindMessage, chat.KindEdited, chat.KindRecalled, chat.KindReacted, chat.KindMembers} {
		if s == string(k) {
			return k
		}
	}
	return chat.Kind(s)
}

// ParseEnvelope reads a whole envelope, into memory of its own.
func ParseEnvelope(b []byte) (Origin, []Announced, error) {
	var s Scanner
	if err := s.Open(b); err != nil {
		return Origin{}, nil, err
	}
	entries := make([]Announced, 0, s.Len)
	for s.Next() {
		e, err := s.Entry()
		if err != nil {
			return Origin{}, nil, err
		}
		entries = append(entries, e)
	}
	return s.Origin, entries, nil
}

// reader takes values off the front; after the first that is not there it is bad
// and everything is zero. Strings are parts of text, which must equal b where any
// is read.
type reader struct {
	b    []byte
	text string
	at   int
	bad  bool
}

// take returns the next n bytes.
func (r *reader) take(n int) []byte {
	if r.bad || n < 0 || n > len(r.b)-r.at {
		r.bad, r.at = true, len(r.b)
		return nil
	}
	out := r.b[r.at : r.at+n : r.at+n]
	r.at += n
	return out
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) hash() Hash {
	if b := r.take(hashBytes); b != nil {
		return Hash(binary.LittleEndian.Uint32(b))
	}
	return 0
}

// size is how long an entry is.
func (r *reader) size() int {
	if b := r.take(sizeBytes); b != nil {
		return int(binary.LittleEndian.Uint32(b))
	}
	return -1
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b[r.at:])
	if n <= 0 || v > 1<<62 {
		r.bad, r.at = true, len(r.b)
		return 0
	}
	r.at += n
	return v
}

// count is a number of things that are still to come: never more than bytes left.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)-r.at) {
		r.bad, r.at = true, len(r.b)
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte { return r.take(r.count()) }

func (r *reader) string() string {
	n := r.count()
	if r.take(n) == nil {
		return ""
	}
	return r.text[r.at-n : r.at]
}

func (r *reader) users() []chat.User {
	n := r.count()
	if n == 0 {
		return nil
	}
	users := make([]chat.User, 0, min(n, 1024))
	for i := 0; i < n && !r.bad; i++ {
		users = append(users, chat.User(r.string()))
	}
	return users
}
