package route

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/tracing"
)

// The versions of what goes over the bus.
const (
	envelopeVersion = 2
	marksVersion    = 1
	hiddenVersion   = 2 // of receipts, where one is hidden: older pods must not show it
)

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
	// To is the user whose subject the envelope went to; 0: it went to every pod.
	// Such an envelope tells of its own entries only: what the pod said to others is
	// in its digest.
	To Hash
}

// Announced is an entry on the bus: the frame, and the running values that keep
// the receiver's tail cache warm.
type Announced struct {
	Frame
	From  chat.User
	Count int64
	MV    chat.Seq
	Time  time.Time
	Trace tracing.Context // of an entry that is followed
}

// AppendEnvelope appends the envelope of some entries to b. Before each entry are
// its length and the hashes of its conversation and of whom it concerns, so that a
// pod that has none of them passes over the rest.
func AppendEnvelope(b []byte, o Origin, entries []Announced) []byte {
	b = appendOrigin(b, o)
	b = binary.AppendUvarint(b, uint64(len(entries)))
	for i := range entries {
		b = appendEntry(b, &entries[i])
	}
	return appendTraces(b, entries)
}

// AppendBeat appends the envelope of a heartbeat to b: no entries, and the digest
// of what went to single users since the last one.
func AppendBeat(b []byte, o Origin, d Digest) []byte {
	b = appendOrigin(b, o)
	b = binary.AppendUvarint(b, 0)
	b = binary.AppendUvarint(b, uint64(len(d)))
	return append(b, d...)
}

func appendOrigin(b []byte, o Origin) []byte {
	b = append(b, 'P', envelopeVersion)
	b = appendString(b, o.Epoch)
	b = appendString(b, o.Pod)
	b = binary.AppendUvarint(b, o.Last)
	b = binary.AppendUvarint(b, o.Settled)
	b = binary.AppendUvarint(b, o.Number)
	b = binary.AppendUvarint(b, o.Part)
	b = binary.AppendUvarint(b, o.Parts)
	b = appendBool(b, o.Bye)
	return binary.LittleEndian.AppendUint32(b, uint32(o.To))
}

// sizeBytes is what an entry's length takes: it is written when the entry is.
const sizeBytes = 4

func appendEntry(b []byte, e *Announced) []byte {
	at := len(b)
	b = append(b, make([]byte, sizeBytes)...)
	b = binary.AppendUvarint(b, uint64(1+len(e.Concerns)))
	b = binary.LittleEndian.AppendUint32(b, uint32(HashConv(e.Key)))
	for _, u := range e.Concerns {
		b = binary.LittleEndian.AppendUint32(b, uint32(HashUser(e.Key.NS, u)))
	}
	b = binary.AppendUvarint(b, uint64(len(e.Data)))
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
	b = append(b, e.Data...)
	binary.LittleEndian.PutUint32(b[at:], uint32(len(b)-at-sizeBytes))
	return b
}

// Marks is receipts on the bus.
type Marks struct {
	Receipt
	Time time.Time
}

// AppendMarks appends the envelope of some receipts to b.
func AppendMarks(b []byte, epoch string, list []Marks) []byte {
	version := byte(marksVersion)
	for i := range list {
		if list[i].Hidden {
			version = hiddenVersion
		}
	}
	b = append(b, 'R', version)
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
		if version == hiddenVersion {
			b = appendBool(b, m.Hidden)
		}
	}
	return b
}

// ParseMarks reads what AppendMarks wrote.
func ParseMarks(b []byte) (epoch string, list []Marks, err error) {
	r := reader{text: string(b), b: b}
	kind, version := r.byte(), r.byte()
	if kind != 'R' || version != marksVersion && version != hiddenVersion {
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
		m.Hidden = version == hiddenVersion && r.byte() == 1
		list = append(list, m)
	}
	if r.bad || r.at != len(r.b) {
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
