package repair

import (
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// A line of number 0, in which newer pods send the spans of what is followed, changes
// nothing of what is known of a pod: a pod that knows nothing of spans gives such
// lines to Heard, as it is here.
func TestLinesOfNumberZeroAreNothing(t *testing.T) {
	hear := func(traced bool) *peer {
		r := New(Options{Self: func() string { return "self" }, Table: route.NewTable(route.Options{})})
		for n := uint64(1); n <= 3; n++ {
			entries := []route.Announced{{Frame: route.Frame{Key: chat.Key{NS: "_", Conv: chat.DirectID("_", "a", "b")}, Seq: chat.Seq(n)}}}
			if traced {
				entries[0].Trace = tracing.Context{Trace: [16]byte{1}, Span: [8]byte{2}}
			}
			o := route.Origin{Epoch: "e", Pod: "other", Last: n, Settled: n, Number: n, Parts: 1}
			var s route.Scanner
			if err := s.Open(route.AppendEnvelope(nil, o, entries)); err != nil {
				t.Fatal(err)
			}
			if traced == (s.Traces() == nil) {
				t.Fatal("the envelope is not what it should be")
			}
			r.Heard(s.Origin, s.Digest)
		}
		return r.peers["other"]
	}
	plain, traced := hear(false), hear(true)
	if traced.low != 3 || traced.low != plain.low || traced.last != plain.last || len(traced.heard) != 0 || traced.lacks() || !traced.jumped.IsZero() || len(traced.mail.early) != 0 {
		t.Errorf("%+v, and without spans %+v", traced, plain)
	}
}
