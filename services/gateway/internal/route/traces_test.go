package route

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/tracing"
)

func someEntries(n int) []Announced {
	list := make([]Announced, n)
	key := chat.Key{NS: "_", Conv: chat.DirectID("_", "alice", "bob")}
	for i := range list {
		list[i] = Announced{Frame: Frame{Key: key, Seq: chat.Seq(i + 1), Kind: chat.KindMessage, Members: 2, Concerns: []chat.User{"alice", "bob"}, Data: []byte(`{"type":"message"}`)},
			From: "alice", Count: int64(i + 1), Time: time.UnixMilli(1e12).UTC()}
	}
	return list
}

var origin = Origin{Epoch: "e", Pod: "p", Last: 7, Settled: 6, Number: 7, Parts: 1}

func TestTracesTravel(t *testing.T) {
	list := someEntries(5)
	plain := AppendEnvelope(nil, origin, list)
	for _, i := range []int{1, 4} {
		list[i].Trace = tracing.Context{Trace: [16]byte{1, 2, 15: byte(i)}, Span: [8]byte{3, 7: byte(i)}}
	}
	data := AppendEnvelope(nil, origin, list)
	var s Scanner
	if err := s.Open(data); err != nil {
		t.Fatal(err)
	}
	traces := s.Traces()
	for i := range list {
		if traces[i] != list[i].Trace {
			t.Errorf("entry %d: %v", i, traces[i])
		}
	}
	if err := s.Open(plain); err != nil || s.Traces() != nil {
		t.Errorf("without traces: %v, %v", s.Traces(), err)
	}
	if added := len(data) - len(plain); added != 2*traceWords*hashBytes+3 {
		t.Errorf("two traces take %d bytes", added)
	}
}

// A foreign pod may write anything.
func TestMalformedTracesAreLeftOut(t *testing.T) {
	for name, words := range map[string][]Hash{
		"too few words": {0, 1, 2, 3}, "no such entry": {9, 1, 2, 3, 4, 5, 6}, "negative": {1 << 31, 1, 2, 3, 4, 5, 6}, "none": {},
	} {
		d := AppendDigest(nil, traceNumber, traceParts, words)
		b := appendOrigin(nil, origin)
		b = append(b, 0, byte(len(d)))
		var s Scanner
		if err := s.Open(append(b, d...)); err != nil {
			t.Fatal(err)
		}
		if got := s.Traces(); len(got) != 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// The envelope as it is on the wire, so that it does not change by mistake: pods of
// the version before this one were given these bytes. They read both entries, and in
// the digest a line of number 0, which they have heard of as they have of every number
// up to their lowest.
func TestTracedEnvelopeOnTheWire(t *testing.T) {
	list := someEntries(2)
	list[1].Trace = tracing.Context{Trace: [16]byte{1, 2, 3, 15: 16}, Span: [8]byte{8, 7: 1}}
	data := AppendEnvelope(nil, origin, list)
	const tail = "1f" + "00" + "01" + "07" + "01000000" + "00030201" + "00000000" + "00000000" + "10000000" + "00000008" + "01000000"
	if got := hex.EncodeToString(data); got[len(got)-len(tail):] != tail {
		t.Errorf("it ends with %s", got[len(got)-len(tail):])
	}
	o, entries, err := ParseEnvelope(data)
	if err != nil || o != origin || len(entries) != 2 || string(entries[1].Data) != `{"type":"message"}` {
		t.Errorf("%+v, %d entries, %v", o, len(entries), err)
	}
	for l := range Digest(data[len(data)-31:]).All {
		if l.Number != 0 {
			t.Errorf("a line of number %d", l.Number)
		}
	}
}

// What is not followed costs nothing.
func TestAppendEnvelopeDoesNotAllocateForTraces(t *testing.T) {
	list := someEntries(16)
	buf := make([]byte, 0, 64<<10)
	var s Scanner
	data := AppendEnvelope(nil, origin, list)
	if n := testing.AllocsPerRun(100, func() { AppendEnvelope(buf, origin, list) }); n != 0 {
		t.Errorf("%v allocations an envelope", n)
	}
	if n := testing.AllocsPerRun(100, func() { _ = s.Open(data); _ = s.Traces() }); n != 0 {
		t.Errorf("%v allocations a look", n)
	}
}
