package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

const envelopeVersion = 1

// ErrEnvelope says that bytes are no envelope of this version. A peer's envelope
// is input like any other.
var ErrEnvelope = errors.New("not an envelope")

// Origin is who announces: its pod, the epoch of its data, and where its journal
// stands. Below Settled every number is written or void.
type Origin struct {
	Epoch   string
	Pod     string
	Last    uint64
	Settled uint64
	// Number is the journal document of the entries in this envelope, or 0; a flush
	// that fills several envelopes says in each which part it is.
	Number      uint64
	Part, Parts uint64
	// Bye says that the pod has ended in good order: nothing follows.
	Bye bool
}

// Announced is an entry on the bus: the frame, and the running values that keep
// the receiver's tail cache warm.
type Announced struct {
	Frame
	From  chat.User
	Count int64
	MV    chat.Seq
	Time  time.Time
}

// AppendEnvelope appends the envelope of some entries to b.
func AppendEnvelope(b []byte, o Origin, entries []Announced) []byte {
	b = append(b, 'P', envelopeVersion)
	b = appendString(b, o.Epoch)
	b = appendString(b, o.Pod)
	b = binary.AppendUvarint(b, o.Last)
	b = binary.AppendUvarint(b, o.Settled)
	b = binary.AppendUvarint(b, o.Number)
	b = binary.AppendUvarint(b, o.Part)
	b = binary.AppendUvarint(b, o.Parts)
	b = appendBool(b, o.Bye)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		e := &entries[i]
		b = appendString(b, e.Key.NS)
		b = appendString(b, e.Key.Conv)
		b = appendString(b, e.Kind)
		b = binary.AppendUvarint(b, uint64(e.Seq))
		b = binary.AppendUvarint(b, uint64(e.Count))
		b = binary.AppendUvarint(b, uint64(e.MV))
		b = binary.AppendUvarint(b, uint64(e.Members))
		b = binary.AppendUvarint(b, uint64(e.Time.UnixMilli()))
		b = appendString(b, e.From)
		b = appendUsers(b, e.Concerns)
		b = appendUsers(b, e.Leaving)
		b = appendBool(b, e.Closing)
		b = binary.AppendUvarint(b, uint64(len(e.Data)))
		b = append(b, e.Data...)
	}
	return b
}

// ParseEnvelope reads an envelope. The frames' data are slices of a copy of b.
func ParseEnvelope(b []byte) (Origin, []Announced, error) {
	r := reader{b: append([]byte(nil), b...)}
	if r.byte() != 'P' || r.byte() != envelopeVersion {
		return Origin{}, nil, fmt.Errorf("%w: unknown version", ErrEnvelope)
	}
	o := Origin{Epoch: r.string(), Pod: r.string(), Last: r.uvarint(), Settled: r.uvarint(),
		Number: r.uvarint(), Part: r.uvarint(), Parts: r.uvarint(), Bye: r.byte() != 0}
	n := r.count()
	entries := make([]Announced, 0, min(n, 1024))
	for i := 0; i < n && !r.bad; i++ {
		var e Announced
		e.Key.NS = chat.NS(r.string())
		e.Key.Conv = chat.ConvID(r.string())
		e.Kind = chat.Kind(r.string())
		e.Seq = chat.Seq(r.uvarint())
		e.Count = int64(r.uvarint())
		e.MV = chat.Seq(r.uvarint())
		e.Members = int(r.uvarint())
		e.Time = time.UnixMilli(int64(r.uvarint())).UTC()
		e.From = chat.User(r.string())
		e.Concerns = r.users()
		e.Leaving = r.users()
		e.Closing = r.byte() != 0
		e.Data = r.bytes()
		if e.Seq < 1 || e.Seq > chat.MaxSeq || !e.Key.Conv.Valid() {
			r.bad = true
		}
		entries = append(entries, e)
	}
	if r.bad || len(r.b) != 0 {
		return Origin{}, nil, fmt.Errorf("%w: truncated or malformed", ErrEnvelope)
	}
	return o, entries, nil
}

// Marks is receipts on the bus.
type Marks struct {
	Receipt
	Time time.Time
}

// AppendMarks appends the envelope of some receipts to b.
func AppendMarks(b []byte, epoch string, list []Marks) []byte {
	b = append(b, 'R', envelopeVersion)
	b = appendString(b, epoch)
	b = binary.AppendUvarint(b, uint64(len(list)))
	for i := range list {
		m := &list[i]
		b = appendString(b, m.Key.NS)
		b = appendString(b, m.Key.Conv)
		b = appendString(b, m.User)
		b = binary.AppendUvarint(b, uint64(m.Delivered))
		b = binary.AppendUvarint(b, uint64(m.Read))
		b = binary.AppendUvarint(b, uint64(m.Time.UnixMilli()))
	}
	return b
}

// ParseMarks reads what AppendMarks wrote.
func ParseMarks(b []byte) (epoch string, list []Marks, err error) {
	r := reader{b: append([]byte(nil), b...)}
	if r.byte() != 'R' || r.byte() != envelopeVersion {
		return "", nil, fmt.Errorf("%w: unknown version", ErrEnvelope)
	}
	epoch = r.string()
	n := r.count()
	for i := 0; i < n && !r.bad; i++ {
		var m Marks
		m.Key.NS = chat.NS(r.string())
		m.Key.Conv = chat.ConvID(r.string())
		m.User = chat.User(r.string())
		m.Delivered = chat.Seq(r.uvarint())
		m.Read = chat.Seq(r.uvarint())
		m.Time = time.UnixMilli(int64(r.uvarint())).UTC()
		list = append(list, m)
	}
	if r.bad || len(r.b) != 0 {
		return "", nil, fmt.Errorf("%w: truncated or malformed", ErrEnvelope)
	}
	return epoch, list, nil
}

func appendString[S ~string](b []byte, s S) []byte {
	b = binary.AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}

func appendUsers(b []byte, users []chat.User) []byte {
	b = binary.AppendUvarint(b, uint64(len(users)))
	for _, u := range users {
		b = appendString(b, u)
	}
	return b
}

func appendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// reader takes values off the front; after the first that is not there it is bad
// and everything is zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > 1<<62 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count is a number of things that are still to come: never more than bytes left.
func (r *reader) count() int {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return 0
	}
	return int(n)
}

func (r *reader) bytes() []byte {
	n := r.count()
	if r.bad {
		return nil
	}
	out := r.b[:n:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) string() string { return string(r.bytes()) }

func (r *reader) users() []chat.User {
	n := r.count()
	var users []chat.User
	for i := 0; i < n && !r.bad; i++ {
		users = append(users, chat.User(r.string()))
	}
	return users
}
