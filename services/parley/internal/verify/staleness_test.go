package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

func TestStaleness(t *testing.T) {
	const s = time.Second
	at := func(at time.Duration, k Kind, cmid string) Event {
		e := Event{At: at, Kind: k}
		if cmid != "" {
			e.Fact = Fact{Conv: "g", From: "a", CMID: chat.CMID(cmid), Seq: chat.Seq(cmid[0] - '0')}
		}
		return e
	}
	sender := ClientLog{User: "a", Events: []Event{
		at(1*s, Ack, "1"), at(5*s, Ack, "2"), at(6*s, Ack, "3"), at(30*s, Ack, "3"),
	}}
	reader := ClientLog{User: "b", Events: []Event{
		at(0, Open, ""),
		at(2*s, Entry, "1"), // a second late
		at(4*s, Close, ""),
		at(10*s, Open, ""),
		at(11*s, Entry, "1"), // again: does not count
		at(13*s, Entry, "2"), // acked while away: counts from the return
		at(14*s, Open, ""),   // the end of the session before is not in the log
		at(17*s, Entry, "3"),
		at(18*s, Entry, "4"), // never acked
	}}
	acked := firstAcks(&History{Clients: []ClientLog{sender, reader}})
	all := staleness(&reader, acked, nil)
	var got []time.Duration
	for _, x := range all {
		got = append(got, x.Duration)
	}
	if want := []time.Duration{1 * s, 3 * s, 7 * s}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	// Two acks, the return, the entry before, the session that followed, the entry.
	if trace := stalest(&History{Clients: []ClientLog{sender, reader}}, all); len(trace) != 6 || !strings.Contains(trace[0], "ack g seq 3") {
		t.Errorf("%q", trace)
	}
}

// What a device lacks while nobody can read the store does not count, and what it lacks
// before and after does; nor does a time count twice in which it was not connected either.
func TestStalenessLeavesOutWhatNobodyCouldRead(t *testing.T) {
	const s = time.Second
	fact := Fact{Conv: "g", From: "a", CMID: "1", Seq: 1}
	sender := ClientLog{User: "a", Events: []Event{{At: 10 * s, Kind: Ack, Fact: fact}}}
	reader := ClientLog{User: "b", Events: []Event{
		{At: 0, Kind: Open}, {At: 14 * s, Kind: Close}, {At: 16 * s, Kind: Open}, {At: 20 * s, Kind: Entry, Fact: fact},
	}}
	history := func(away ...Span) *History {
		return &History{Clients: []ClientLog{sender, reader}, Bound: 2 * s, Away: away}
	}
	for _, c := range []struct {
		name string
		away []Span
		left time.Duration // of the eight seconds in which it was connected
	}{
		{"never", nil, 8 * s},
		{"before and after", []Span{{1 * s, 10 * s}, {20 * s, 30 * s}}, 8 * s},
		{"until the end", []Span{{12 * s, 20 * s}}, 2 * s},
		{"twice", []Span{{9 * s, 11 * s}, {17 * s, 19 * s}}, 5 * s},
		{"while it was not connected", []Span{{14 * s, 16 * s}}, 8 * s},
		{"a part of which it was not connected", []Span{{13 * s, 17 * s}}, 6 * s},
		{"all the time", []Span{{0, 60 * s}}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := history(c.away...)
			all := staleness(&reader, firstAcks(h), h.Away)
			if len(all) != 1 || all[0].Duration != 8*s || all[0].Duration-all[0].away != c.left {
				t.Errorf("%+v, want %v left", all, c.left)
			}
			j := newJudge(h)
			j.invariant = "I11"
			if j.inTime(); (j.verdict.Counts["I11"] > 0) != (c.left > 2*s) {
				t.Errorf("%+v, with %v left", j.verdict, c.left)
			}
		})
	}
	early := reader
	early.Events = []Event{{At: 0, Kind: Open}, {At: 8 * s, Kind: Entry, Fact: fact}} // before the ack
	h := history(Span{1 * s, 30 * s})
	if all := staleness(&early, firstAcks(h), h.Away); len(all) != 1 || all[0].Duration != 0 || all[0].away != 0 {
		t.Errorf("what came before its ack: %+v", all)
	}
	start := time.Unix(1000, 0)
	if got := awayFrom(start, []Away{{start.Add(s), start.Add(3 * s)}}); !slices.Equal(got, []Span{{s, 3 * s}}) {
		t.Errorf("%v", got)
	}
}
