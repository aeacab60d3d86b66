package verify

import (
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
)

// The checks of what is stored: I1 to I4.

func (j *judge) ackedIsStored() {
	j.each(func(l *ClientLog, e *Event) {
		if e.Kind == Refused {
			j.refusedIsNot(l, e)
		}
		if e.Kind != Ack {
			return
		}
		k := command{l.User, e.CMID}
		facts, a := j.byCommand[e.Conv][k], j.asked[k]
		switch {
		case a == nil:
			j.violated(e.Conv, e.Seq, []string{e.line(l.Name())}, "an ack came for what was never sent")
		case len(facts) == 0:
			j.violated(e.Conv, e.Seq, j.about(k), "acked as seq %d, and not stored", e.Seq)
		case len(facts) > 1:
			j.violated(e.Conv, e.Seq, j.about(k), "acked as seq %d, and stored %d times", e.Seq, len(facts))
		case facts[0].Seq != e.Seq:
			j.violated(e.Conv, e.Seq, j.about(k), "acked as seq %d, stored as seq %d", e.Seq, facts[0].Seq)
		case !facts[0].Gone && facts[0].Content != a.fact.Content:
			j.violated(e.Conv, e.Seq, j.about(k), "stored with another content than was sent")
		}
	})
}

func (j *judge) storedWasSent() {
	for _, conv := range j.convs {
		for i := range j.Convs[conv].Entries {
			f := &j.Convs[conv].Entries[i]
			k := command{f.From, f.CMID}
			if facts := j.byCommand[conv][k]; facts[0] != f {
				j.violated(conv, f.Seq, j.about(k), "stored %d times", len(facts))
				continue
			}
			a := j.asked[k]
			switch {
			case a == nil && f.Type == "members" && !f.CMID.Valid():
				// The server's own: its cmids are outside the clients' alphabet.
			case a == nil:
				j.violated(conv, f.Seq, j.about(k), "nobody sent this")
			case a.fact.Conv != conv:
				j.violated(conv, f.Seq, j.about(k), "this was sent to %s", a.fact.Conv)
			case a.fact.Type != f.Type:
				j.violated(conv, f.Seq, j.about(k), "this was sent as a %s", a.fact.Type)
			case a.client != nil && !f.Gone && a.fact.Content != f.Content:
				j.violated(conv, f.Seq, j.about(k), "this was sent with another content")
			}
		}
	}
}

func (j *judge) seqsAreDense() {
	for _, conv := range j.convs {
		c := j.Convs[conv]
		last, messages := chat.Seq(0), int64(0)
		for i := range c.Entries {
			f := &c.Entries[i]
			if f.Type == "message" {
				messages++
			}
			if f.Seq != last+1 {
				var trace []string
				if i > 0 {
					trace = append(trace, c.Entries[i-1].line("stored"))
				}
				j.violated(conv, f.Seq, append(trace, f.line("stored")), "seq %d follows on %d", f.Seq, last)
			} else if f.Count != messages {
				j.violated(conv, f.Seq, []string{f.line("stored")}, "count is %d, there are %d messages up to here", f.Count, messages)
			}
			last = f.Seq
		}
		if c.Head != last {
			j.violated(conv, c.Head, nil, "head is %d, the last entry is %d", c.Head, last)
		}
	}
}

func (j *judge) sameEverywhere() {
	for _, conv := range j.convs {
		for i := range j.Convs[conv].Messages {
			f := j.Convs[conv].Messages[i]
			if s := j.stored[conv][f.Seq]; s != nil && f.Folded != nil && f.Folded.Edited != 0 {
				f.Content = s.Content // it has the body of its edit: see below
			}
			j.compare(&f, f.line("GET messages"))
		}
		j.messagesAreComplete(conv)
		j.messagesAreFolded(conv)
	}
	j.each(func(l *ClientLog, e *Event) {
		switch e.Kind {
		case Entry, Page:
			j.compare(&e.Fact, e.line(l.Name()))
		case Ack:
			if f := j.stored[e.Conv][e.Seq]; f != nil && (f.CMID != e.CMID || f.From != l.User) {
				j.violated(e.Conv, e.Seq, []string{e.line(l.Name()), f.line("stored")}, "the ack names an entry that is another one")
			}
		}
	})
}

// compare holds an observation against the log.
func (j *judge) compare(f *Fact, line string) {
	if j.Convs[f.Conv] == nil {
		return // I10 speaks of it
	}
	s := j.stored[f.Conv][f.Seq]
	if s == nil {
		j.violated(f.Conv, f.Seq, []string{line}, "seen, and not in the log")
		return
	}
	same := s.Type == f.Type && s.From == f.From && s.CMID == f.CMID && s.Rest == f.Rest && s.Count == f.Count &&
		(s.Gone || f.Gone || s.Content == f.Content)
	if !same {
		j.violated(f.Conv, f.Seq, []string{line, s.line("stored")}, "seq %d is not the same entry everywhere", f.Seq)
	}
}

// messagesAreComplete: the folded view shows every message of the log, in order.
func (j *judge) messagesAreComplete(conv chat.ConvID) {
	c := j.Convs[conv]
	var want, got []chat.Seq
	for i := range c.Entries {
		if c.Entries[i].Type == "message" {
			want = append(want, c.Entries[i].Seq)
		}
	}
	for i := range c.Messages {
		got = append(got, c.Messages[i].Seq)
	}
	if slices.Equal(want, got) {
		return
	}
	for i, seq := range want {
		if i >= len(got) || got[i] != seq {
			j.violated(conv, seq, []string{j.stored[conv][seq].line("stored")}, "GET messages does not show seq %d in its place", seq)
			return
		}
	}
	j.violated(conv, got[len(want)], nil, "GET messages shows seq %d, which is not in the log", got[len(want)])
}
