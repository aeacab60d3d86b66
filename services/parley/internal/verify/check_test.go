package verify

import (
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	group  chat.ConvID = "g_abcdefghijklmnopqrstuvwxyz"
	direct chat.ConvID = "d_abcdefghijklmnopqrstuvwxyz"
)

func sum(s string) (x Sum) {
	copy(x[:], s)
	return x
}

// fact is message seq of the group, as in [good]: what is stored and shown.
func fact(seq chat.Seq, from chat.User, cmid chat.CMID) Fact {
	return Fact{Conv: group, Seq: seq, Type: "message", From: from, CMID: cmid, Content: sum(string(cmid)), Rest: sum("rest"), Count: int64(seq) - 1}
}

// good is a small history in which every promise is kept: a group that alice made,
// three messages, one of them sent twice because its ack was lost, and receipts.
func good() *History {
	created := Fact{Conv: group, Seq: 1, Type: "members", From: "alice", CMID: "made", Content: sum("made"), Rest: sum("rest")}
	m2, m3, m4 := fact(2, "alice", "a1"), fact(3, "bob", "b1"), fact(4, "alice", "a2")
	asked := func(f Fact) Fact { f.Seq, f.Rest, f.Count = 0, Sum{}, 0; return f }
	ack := func(f Fact) Fact { return Fact{Conv: f.Conv, Seq: f.Seq, CMID: f.CMID} }
	at := time.Duration(0)
	ev := func(kind Kind, session int, f Fact) Event {
		return Event{Kind: kind, Session: session, Fact: f}
	}
	mark := func(kind Kind, session int, seq chat.Seq) Event {
		return Event{Kind: kind, Session: session, Fact: Fact{Conv: group, Seq: seq}}
	}
	receipt := func(session int, of chat.User, delivered, read chat.Seq) Event {
		return Event{Kind: Receipt, Session: session, Fact: Fact{Conv: group, From: of, Seq: delivered}, Read: read}
	}
	alice := ClientLog{User: "alice", Device: "d"}
	bob := ClientLog{User: "bob", Device: "d"}
	add := func(l *ClientLog, e Event) {
		at += time.Millisecond
		e.At = at
		l.Events = append(l.Events, e)
	}
	zero := map[chat.ConvID]chat.Seq{group: 0}
	add(&alice, Event{Kind: Open, Session: 1, Cursors: zero})
	add(&bob, Event{Kind: Open, Session: 1, Cursors: zero})
	add(&alice, ev(Entry, 1, created))
	add(&bob, ev(Entry, 1, created))
	add(&alice, ev(Submit, 0, asked(m2)))
	add(&alice, ev(Send, 1, asked(m2)))
	add(&alice, ev(Ack, 1, ack(m2)))
	add(&alice, ev(Entry, 1, m2))
	add(&bob, ev(Entry, 1, m2))
	add(&bob, mark(Recv, 1, 2))
	add(&alice, receipt(1, "bob", 2, 0))
	add(&bob, ev(Submit, 0, asked(m3)))
	add(&bob, ev(Send, 1, asked(m3)))
	add(&bob, Event{Kind: Close, Session: 1, Code: "1006"})
	add(&bob, Event{Kind: Open, Session: 2, Cursors: map[chat.ConvID]chat.Seq{group: 2}})
	add(&bob, ev(Send, 2, asked(m3)))
	add(&bob, ev(Ack, 2, ack(m3)))
	add(&bob, ev(Entry, 2, m3))
	add(&alice, ev(Entry, 1, m3))
	add(&alice, ev(Submit, 0, asked(m4)))
	add(&alice, ev(Send, 1, asked(m4)))
	add(&alice, ev(Ack, 1, ack(m4)))
	add(&alice, ev(Entry, 1, m4))
	add(&bob, ev(Entry, 2, m4))
	add(&bob, mark(Recv, 2, 4))
	add(&bob, mark(Read, 2, 4))
	add(&alice, receipt(1, "bob", 4, 4))
	return &History{
		Clients: []ClientLog{alice, bob},
		Made:    []Fact{{Conv: group, Type: "members", From: "alice", CMID: "made"}},
		Convs: map[chat.ConvID]*Conv{
			group:  {Members: []chat.User{"alice", "bob"}, Head: 4, Entries: []Fact{created, m2, m3, m4}, Messages: []Fact{m2, m3, m4}},
			direct: {Members: []chat.User{"alice", "carol"}},
		},
		Probes: []Probe{{What: "GET", Conv: group, Answer: "not_found"}},
	}
}

// find gives the n-th event of a kind in a client's log.
func (l *ClientLog) find(kind Kind, n int) int {
	for i := range l.Events {
		if l.Events[i].Kind == kind {
			if n--; n < 0 {
				return i
			}
		}
	}
	panic("no such event")
}

func (l *ClientLog) drop(kind Kind, n int) {
	i := l.find(kind, n)
	l.Events = slices.Delete(l.Events, i, i+1)
}

func (l *ClientLog) at(kind Kind, n int) *Event { return &l.Events[l.find(kind, n)] }

// repeat puts a copy of an event at the end of the log.
func (l *ClientLog) repeat(kind Kind, n int) *Event {
	l.Events = append(l.Events, *l.at(kind, n))
	e := &l.Events[len(l.Events)-1]
	e.At = time.Second
	return e
}

func TestGoodHistory(t *testing.T) {
	if v := Check(good()); len(v.Violations) != 0 || len(v.Counts) != 0 {
		t.Errorf("%+v", v)
	}
}

// Each case breaks the good history in one way; the invariant that speaks of it
// must be violated, and its trace must not be empty.
func TestBadHistories(t *testing.T) {
	cases := []struct {
		name, invariant string
		spoil           func(h *History, alice, bob *ClientLog, g *Conv)
	}{
		{"acked and lost", "I1", func(h *History, alice, bob *ClientLog, g *Conv) {
			g.Entries, g.Messages, g.Head = g.Entries[:3], g.Messages[:2], 3
		}},
		{"acked twice stored", "I1", func(h *History, alice, bob *ClientLog, g *Conv) {
			again := g.Entries[3]
			again.Seq, again.Count = 5, 4
			g.Entries, g.Head = append(g.Entries, again), 5
		}},
		{"acked with another seq", "I1", func(h *History, alice, bob *ClientLog, g *Conv) { alice.at(Ack, 1).Seq = 3 }},
		{"two acks that differ", "I1", func(h *History, alice, bob *ClientLog, g *Conv) { alice.repeat(Ack, 1).Seq = 2 }},
		{"stored with other content", "I1", func(h *History, alice, bob *ClientLog, g *Conv) {
			alice.at(Submit, 0).Content, alice.at(Send, 0).Content = sum("x"), sum("x")
		}},
		{"ack for nothing", "I1", func(h *History, alice, bob *ClientLog, g *Conv) { alice.repeat(Ack, 0).CMID = "never" }},
		{"nobody sent it", "I2", func(h *History, alice, bob *ClientLog, g *Conv) {
			g.Entries[2].CMID, g.Messages[1].CMID = "ghost", "ghost"
		}},
		{"unacked and twice stored", "I2", func(h *History, alice, bob *ClientLog, g *Conv) {
			alice.drop(Ack, 1)
			again := g.Entries[3]
			again.Seq, again.Count = 5, 4
			g.Entries, g.Head = append(g.Entries, again), 5
		}},
		{"stored in another conversation", "I2", func(h *History, alice, bob *ClientLog, g *Conv) { bob.at(Submit, 0).Conv = direct }},
		{"unacked with other content", "I2", func(h *History, alice, bob *ClientLog, g *Conv) {
			alice.drop(Ack, 1)
			g.Entries[3].Content = sum("x")
		}},
		{"members entry of nobody", "I2", func(h *History, alice, bob *ClientLog, g *Conv) { h.Made = nil }},
		{"hole", "I3", func(h *History, alice, bob *ClientLog, g *Conv) { g.Entries = slices.Delete(g.Entries, 1, 2) }},
		{"seq twice", "I3", func(h *History, alice, bob *ClientLog, g *Conv) { g.Entries[3].Seq = 3 }},
		{"begins late", "I3", func(h *History, alice, bob *ClientLog, g *Conv) { g.Entries = g.Entries[1:] }},
		{"head is higher", "I3", func(h *History, alice, bob *ClientLog, g *Conv) { g.Head = 5 }},
		{"count is wrong", "I3", func(h *History, alice, bob *ClientLog, g *Conv) { g.Entries[3].Count = 4 }},
		{"one saw another entry", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { bob.at(Entry, 1).CMID = "other" }},
		{"one saw another body", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { bob.at(Entry, 1).Content = sum("x") }},
		{"one saw another time", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { bob.at(Entry, 1).Rest = sum("x") }},
		{"seen and not stored", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { bob.repeat(Entry, 3).Seq = 5 }},
		{"page differs", "I4", func(h *History, alice, bob *ClientLog, g *Conv) {
			e := bob.repeat(Entry, 1)
			e.Kind, e.From = Page, "mallory"
		}},
		{"messages differ", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { g.Messages[0].Content = sum("x") }},
		{"messages lack one", "I4", func(h *History, alice, bob *ClientLog, g *Conv) { g.Messages = g.Messages[:2] }},
		{"messages in disorder", "I4", func(h *History, alice, bob *ClientLog, g *Conv) {
			g.Messages[0], g.Messages[1] = g.Messages[1], g.Messages[0]
		}},
		{"duplicate", "I5", func(h *History, alice, bob *ClientLog, g *Conv) { alice.repeat(Entry, 1) }},
		{"gap", "I5", func(h *History, alice, bob *ClientLog, g *Conv) { alice.drop(Entry, 1) }},
		{"swapped", "I5", func(h *History, alice, bob *ClientLog, g *Conv) {
			a, b := alice.at(Entry, 1), alice.at(Entry, 2)
			a.Fact, b.Fact = b.Fact, a.Fact
		}},
		{"not from the cursor on", "I5", func(h *History, alice, bob *ClientLog, g *Conv) { bob.at(Open, 1).Cursors[group] = 1 }},
		{"first entry is not the first", "I5", func(h *History, alice, bob *ClientLog, g *Conv) {
			alice.drop(Entry, 0)
			alice.at(Open, 0).Cursors = nil
		}},
		{"reset to another place", "I5", func(h *History, alice, bob *ClientLog, g *Conv) {
			i := bob.find(Entry, 2)
			bob.Events = slices.Insert(bob.Events, i, Event{Kind: Reset, Session: 2, At: bob.Events[i].At, Fact: Fact{Conv: group, Seq: 4}})
		}},
		{"device lacks the last", "I6", func(h *History, alice, bob *ClientLog, g *Conv) { bob.drop(Entry, 3) }},
		{"device lacks everything", "I6", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Clients = append(h.Clients, ClientLog{User: "bob", Device: "second"})
		}},
		{"a sender's order", "I7", func(h *History, alice, bob *ClientLog, g *Conv) {
			i, k := alice.find(Submit, 0), alice.find(Submit, 1)
			alice.Events[i].Fact, alice.Events[k].Fact = alice.Events[k].Fact, alice.Events[i].Fact
		}},
		{"acked before sent", "I8", func(h *History, alice, bob *ClientLog, g *Conv) {
			bob.at(Send, 0).At, bob.at(Send, 1).At = time.Second, time.Second // after alice's ack of seq 4
		}},
		{"receipt above what was told", "I9", func(h *History, alice, bob *ClientLog, g *Conv) { alice.at(Receipt, 0).Seq = 3 }},
		{"read without reading", "I9", func(h *History, alice, bob *ClientLog, g *Conv) { alice.at(Receipt, 0).Read = 1 }},
		{"receipt before the recv", "I9", func(h *History, alice, bob *ClientLog, g *Conv) { alice.at(Receipt, 1).At = time.Microsecond }},
		{"receipt goes back", "I9", func(h *History, alice, bob *ClientLog, g *Conv) { alice.repeat(Receipt, 0) }},
		{"receipt above head", "I9", func(h *History, alice, bob *ClientLog, g *Conv) {
			bob.at(Recv, 1).Seq = 9
			alice.at(Receipt, 1).Seq = 9
		}},
		{"foreign entry", "I10", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Clients = append(h.Clients, ClientLog{User: "eve", Device: "d", Events: []Event{*alice.at(Entry, 0)}})
		}},
		{"foreign receipt", "I10", func(h *History, alice, bob *ClientLog, g *Conv) { g.Members = []chat.User{"alice"} }},
		{"unknown conversation", "I10", func(h *History, alice, bob *ClientLog, g *Conv) {
			alice.repeat(Entry, 0).Conv = "g_unknownunknownunknown"
		}},
		{"outsider let in", "I10", func(h *History, alice, bob *ClientLog, g *Conv) { h.Probes[0].Answer = "ok" }},
		{"outsider told it exists", "I10", func(h *History, alice, bob *ClientLog, g *Conv) { h.Probes[0].Answer = "forbidden" }},
		{"outsider told by a difference", "I10", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Probes[0].Answer, h.Probes[0].Control = "bad_request", "not_found"
		}},

		{"late entry", "I11", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Bound = 2 * time.Second
			e := bob.at(Entry, 2)
			for i := range bob.Events {
				if bob.Events[i].At >= e.At {
					bob.Events[i].At += 3 * time.Second
				}
			}
		}},
		{"goroutines stay", "I12", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Processes = []Process{{Ops: "x", Before: Held{Goroutines: 30}, After: Held{Goroutines: 130}}}
		}},
		{"files stay", "I12", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Processes = []Process{{Ops: "x", Before: Held{Files: 30}, After: Held{Files: 130}}}
		}},
		{"memory stays", "I12", func(h *History, alice, bob *ClientLog, g *Conv) {
			h.Processes = []Process{{Ops: "x", Before: Held{Memory: 50 << 20}, After: Held{Memory: 600 << 20}}}
		}},
		{"push without an end", "I13", func(h *History, alice, bob *ClientLog, g *Conv) { h.Pushes = goodPushes()[:3] }},
	}
	caught := map[string]bool{}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			h := good()
			c.spoil(h, &h.Clients[0], &h.Clients[1], h.Convs[group])
			v := Check(h)
			i := slices.IndexFunc(v.Violations, func(v Violation) bool { return v.Invariant == c.invariant })
			if i < 0 || v.Counts[c.invariant] == 0 {
				t.Fatalf("not caught by %s: %+v", c.invariant, v)
			}
			if f := v.Violations[i]; f.What == "" || len(f.Trace) == 0 && c.name != "head is higher" {
				t.Errorf("no trace: %+v", f)
			}
			caught[c.invariant] = true
		})
	}
	for _, inv := range invariants {
		if !caught[inv.name] && inv.check != nil {
			t.Errorf("no bad history for %s", inv.name)
		}
	}
}

// What a reset announces, a repetition that was never acked, a blanked body and the
// server's own entries are no violations.
func TestAllowed(t *testing.T) {
	h := good()
	alice, bob, g := &h.Clients[0], &h.Clients[1], h.Convs[group]
	// bob's second session begins anew, because the server says so.
	i := bob.find(Entry, 2)
	bob.Events = slices.Insert(bob.Events, i, Event{Kind: Reset, Session: 2, At: bob.Events[i].At, Fact: Fact{Conv: group, Seq: 3}})
	bob.at(Open, 1).Cursors[group] = 1
	// alice's last send had no ack, and one that was not stored at all.
	alice.drop(Ack, 1)
	lost := alice.repeat(Submit, 0)
	lost.CMID, lost.Content = "lost", sum("lost")
	// seq 3 was recalled since.
	g.Messages[1].Gone, g.Messages[1].Content = true, Sum{}
	g.Entries[2].Gone, g.Entries[2].Content = true, Sum{}
	// The server added somebody.
	e := Fact{Conv: group, Seq: 5, Type: "members", From: "alice", CMID: "!add:carol:0", Count: 3}
	g.Entries, g.Head = append(g.Entries, e), 5
	for _, l := range []*ClientLog{alice, bob} {
		l.Events = append(l.Events, Event{Kind: Entry, Session: l.at(Entry, 3).Session, Fact: e, At: time.Second})
	}
	// A command that the server does not know is refused for every conversation.
	h.Probes = append(h.Probes, Probe{What: "frame edit", Conv: group, Answer: "bad_request", Control: "bad_request"})
	if v := Check(h); len(v.Counts) != 0 {
		t.Errorf("%+v", v)
	}
}

func TestWalkCounts(t *testing.T) {
	l := &ClientLog{Events: []Event{{Kind: Open, Session: 1, Cursors: map[chat.ConvID]chat.Seq{group: 4}}}}
	for _, seq := range []chat.Seq{5, 6, 6, 9, 8, 8, 10, 3} {
		l.Events = append(l.Events, Event{Kind: Entry, Session: 1, Fact: Fact{Conv: group, Seq: seq}})
	}
	var kinds []irregular
	w := walk(l, func(_ *Event, _ *position, k irregular) { kinds = append(kinds, k) })
	if want := (Wire{Entries: 8, Duplicates: 2, Gaps: 1, OutOfOrder: 2}); w != want {
		t.Errorf("%+v, want %+v", w, want)
	}
	if want := []irregular{twice, skipped, backwards, twice, backwards}; !slices.Equal(kinds, want) {
		t.Error(kinds)
	}
}

func TestManyViolationsAreBounded(t *testing.T) {
	h := good()
	for i := range 5 * mostTraces {
		f := fact(chat.Seq(i+5), "alice", chat.CMID(chat.EntryID("ghost", chat.Seq(i))))
		h.Convs[group].Entries = append(h.Convs[group].Entries, f)
	}
	v := Check(h)
	if v.Counts["I2"] != 5*mostTraces {
		t.Error(v.Counts)
	}
	n := 0
	for _, x := range v.Violations {
		if x.Invariant == "I2" {
			n++
		}
	}
	if n != mostTraces {
		t.Error(n)
	}
}

func TestContentComparesValues(t *testing.T) {
	a := content("message", []byte(`{ "text" : "x", "data":{"b":1,"a":[ 2 ]} }`), 3, []chat.User{"bob"})
	if b := content("message", []byte(`{"data":{"a":[2],"b":1},"text":"x"}`), 3, []chat.User{"bob"}); a != b {
		t.Error("order of names")
	}
	for _, b := range []Sum{
		content("message", []byte(`{"text":"y"}`), 3, []chat.User{"bob"}), content("message", []byte(`{"text":"x"}`), 3, []chat.User{"bob"}),
		content("edited", []byte(`{"data":{"a":[2],"b":1},"text":"x"}`), 3, []chat.User{"bob"}),
		content("message", []byte(`{"data":{"a":[2],"b":1},"text":"x"}`), 4, []chat.User{"bob"}),
		content("message", []byte(`{"data":{"a":[2],"b":1},"text":"x"}`), 3, nil),
	} {
		if a == b {
			t.Error("another content has the same sum")
		}
	}
}

func TestReportText(t *testing.T) {
	h := good()
	h.Clients[0].repeat(Entry, 1)
	h.Clients[0].repeat(Ack, 1).Seq = 2
	r := &Report{Verdict: Check(h), Refused: 1, Unsettled: "bob lacks seq 4"}
	for i := range h.Clients {
		r.Clients = append(r.Clients, statsOf(&h.Clients[i]))
	}
	var text, js strings.Builder
	if err := r.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	if err := r.WriteJSON(&js); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"FAIL I1", "FAIL I5", "ok   I3", "(1 violations)", "duplicate: seq 2", "alice/d session 1  entry", "bob lacks seq 4"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, &text)
		}
	}
	if !strings.Contains(js.String(), `"invariant": "I1"`) || r.OK() {
		t.Error(js.String())
	}
	if st := r.Clients[0]; st.Sent != 2 || st.Acked != 2 || st.Sessions != 1 || st.Duplicates != 1 {
		t.Errorf("%+v", st)
	}
}

func TestLatency(t *testing.T) {
	var all []time.Duration
	for i := range 100 {
		all = append(all, time.Duration(100-i)*time.Millisecond)
	}
	if l := latencyOf(all); l.P50 != 51 || l.P99 != 100 || l.Max != 100 || l.Samples != 100 {
		t.Errorf("%+v", l)
	}
	if l := latencyOf(nil); l != (Latency{}) {
		t.Errorf("%+v", l)
	}
	h := good()
	acks, deliveries := latencies(&h.Clients[1], firstWrites(h))
	if len(acks) != 1 || acks[0] != 4*time.Millisecond || len(deliveries) != 2 || deliveries[0] != 3*time.Millisecond {
		t.Error(acks, deliveries)
	}
}
