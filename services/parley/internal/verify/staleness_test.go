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
	all := staleness(&reader, acked)
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
