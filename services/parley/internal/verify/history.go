package verify

import (
	"fmt"
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/pushlog"
)

// History is everything that a run left: what the clients saw, and what the store
// says afterwards. The checker sees nothing else.
type History struct {
	Clients []ClientLog
	Convs   map[chat.ConvID]*Conv
	Made    []Fact  // entries that were asked for over REST: the groups
	Probes  []Probe // what the outsider tried

	// Restless says why the run was cut off while commands had no outcome yet; "": it
	// was not. Then nothing had the time to arrive everywhere (I6).
	Restless string

	Bound     time.Duration // of I11; 0: not judged
	Away      []Span        // what I11 leaves out, in order; they do not overlap
	Processes []Process     // for I12; nil: not judged

	Pushes []pushlog.Record // for I13; nil: not judged
}

// Conv is one conversation as read back.
type Conv struct {
	Members  []chat.User
	Head     chat.Seq
	Entries  []Fact // GET …/entries
	Messages []Fact // GET …/messages
}

// Probe is one try of somebody who is not a member. Anything but not_found is a
// leak; except bad_request, where Control is the same: a command that this server
// does not know.
type Probe struct {
	What    string
	Conv    chat.ConvID
	Answer  string // the error code; "" and "ok" are answers, too
	Control string // the answer to the same on a conversation that does not exist; "": not tried
}

// Violation is a promise that was not kept, with the events that show it.
type Violation struct {
	Invariant string      `json:"invariant"` // I1 … I13
	Conv      chat.ConvID `json:"conv,omitempty"`
	Seq       chat.Seq    `json:"seq,omitzero"`
	What      string      `json:"what"`
	Trace     []string    `json:"trace"` // oldest first
}

// invariants are the promises of DESIGN §11, in words for the report.
var invariants = []struct {
	name, promise string
	check         func(*judge)
}{
	{"I1", "what was acked is stored exactly once, under the seq of its ack, unchanged", (*judge).ackedIsStored},
	{"I2", "nothing is stored that nobody sent, and nothing twice", (*judge).storedWasSent},
	{"I3", "the seqs of a conversation are exactly 1..N", (*judge).seqsAreDense},
	{"I4", "(conv, seq) is the same entry for everybody", (*judge).sameEverywhere},
	{"I5", "a session gets cursor+1, +2, … and nothing else", (*judge).strictlyNext},
	{"I6", "at rest every device has everything", (*judge).allArrived},
	{"I7", "a sender's messages keep their order", (*judge).senderOrder},
	{"I8", "acked before sent means a smaller seq", (*judge).realTimeOrder},
	{"I9", "receipts only grow, and say no more than was said", (*judge).receiptsAreTrue},
	{"I10", "nobody sees a foreign conversation", (*judge).nothingForeign},
	{"I11", "a connected device lacks what was acked no longer than the bound", (*judge).inTime},
	{"I12", "goroutines, files and memory return when the clients have gone", (*judge).returned},
	{"I13", "every push ends in one success or one dead letter", (*judge).pushed},
}

// Verdict is what the checker found.
type Verdict struct {
	Violations []Violation    `json:"violations"` // the first ones of each invariant, in order of invariant
	Counts     map[string]int `json:"counts"`     // all, by invariant
	// Unjudged says why an invariant was not judged; the others were.
	Unjudged map[string]string `json:"unjudged,omitempty"`
}

// Check judges a history. It is a pure function.
func Check(h *History) Verdict {
	j := newJudge(h)
	for _, inv := range invariants {
		if why := h.unjudged(inv.name); why != "" {
			j.verdict.Unjudged[inv.name] = why
			continue
		}
		j.invariant = inv.name
		inv.check(j)
	}
	return j.verdict
}

// unjudged says why an invariant cannot be judged by this history; "" if it can.
func (h *History) unjudged(invariant string) string {
	switch {
	case invariant == "I6" && h.Restless != "":
		return "the run did not come to rest: " + h.Restless
	case invariant == "I11" && h.Bound == 0:
		return "no --max-staleness was given"
	case invariant == "I12" && len(h.Processes) == 0:
		return "no --ops were given"
	case invariant == "I13" && h.Pushes == nil:
		return "no push log was given"
	}
	return ""
}

// command names what a user asked for.
type command struct {
	from chat.User
	cmid chat.CMID
}

// asked is a message that somebody sent.
type asked struct {
	client *ClientLog // nil: over REST
	fact   Fact
}

// judge is a history with indexes over it.
type judge struct {
	*History
	convs     []chat.ConvID // sorted
	asked     map[command]*asked
	stored    map[chat.ConvID]map[chat.Seq]*Fact
	byCommand map[chat.ConvID]map[command][]*Fact

	invariant string
	verdict   Verdict
}

func newJudge(h *History) *judge {
	j := &judge{
		History: h, asked: map[command]*asked{},
		stored: map[chat.ConvID]map[chat.Seq]*Fact{}, byCommand: map[chat.ConvID]map[command][]*Fact{},
		verdict: Verdict{Counts: map[string]int{}, Unjudged: map[string]string{}},
	}
	for id, c := range h.Convs {
		j.convs = append(j.convs, id)
		bySeq, byCommand := map[chat.Seq]*Fact{}, map[command][]*Fact{}
		for i := range c.Entries {
			f := &c.Entries[i]
			if bySeq[f.Seq] == nil {
				bySeq[f.Seq] = f
			}
			k := command{f.From, f.CMID}
			byCommand[k] = append(byCommand[k], f)
		}
		j.stored[id], j.byCommand[id] = bySeq, byCommand
	}
	slices.Sort(j.convs)
	for i := range h.Made {
		f := h.Made[i]
		j.asked[command{f.From, f.CMID}] = &asked{fact: f}
	}
	j.each(func(l *ClientLog, e *Event) {
		if k := (command{l.User, e.CMID}); (e.Kind == Submit || e.Kind == Send) && j.asked[k] == nil {
			j.asked[k] = &asked{client: l, fact: e.Fact}
		}
	})
	return j
}

// each visits all events, client by client.
func (j *judge) each(visit func(*ClientLog, *Event)) {
	for i := range j.Clients {
		l := &j.Clients[i]
		for k := range l.Events {
			visit(l, &l.Events[k])
		}
	}
}

// mostTraces bounds the violations of one invariant that are written out: a broken
// server breaks a promise for every message.
const mostTraces = 100

func (j *judge) violated(conv chat.ConvID, seq chat.Seq, trace []string, format string, args ...any) {
	j.verdict.Counts[j.invariant]++
	if j.verdict.Counts[j.invariant] <= mostTraces {
		v := Violation{Invariant: j.invariant, Conv: conv, Seq: seq, What: fmt.Sprintf(format, args...), Trace: trace}
		j.verdict.Violations = append(j.verdict.Violations, v)
	}
}

// about is the trace of one command: everything that its sender logged of it, and
// what is stored.
func (j *judge) about(k command) (trace []string) {
	if j.verdict.Counts[j.invariant] >= mostTraces {
		return nil
	}
	j.each(func(l *ClientLog, e *Event) {
		if l.User == k.from && e.CMID == k.cmid && (e.Kind == Submit || e.Kind == Send || e.Kind == Ack || e.Kind == Refused) {
			trace = append(trace, e.line(l.Name()))
		}
	})
	for _, conv := range j.convs {
		for _, f := range j.byCommand[conv][k] {
			trace = append(trace, f.line("stored"))
		}
	}
	return trace
}
