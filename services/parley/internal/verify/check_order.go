package verify

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
)

// The checks of order, receipts and walls: I7 to I10.

// seqOf is where a command is stored; 0: nowhere.
func (j *judge) seqOf(conv chat.ConvID, k command) chat.Seq {
	if facts := j.byCommand[conv][k]; len(facts) > 0 {
		return facts[0].Seq
	}
	return 0
}

// senderOrder: what one device submitted to one conversation has rising seqs.
func (j *judge) senderOrder() {
	for i := range j.Clients {
		l := &j.Clients[i]
		last := map[chat.ConvID]*Event{}
		for k := range l.Events {
			e := &l.Events[k]
			if e.Kind != Submit {
				continue
			}
			seq := j.seqOf(e.Conv, command{l.User, e.CMID})
			if seq == 0 {
				continue
			}
			if p := last[e.Conv]; p != nil {
				if before := j.seqOf(e.Conv, command{l.User, p.CMID}); before > seq {
					trace := slices.Concat(j.about(command{l.User, p.CMID}), j.about(command{l.User, e.CMID}))
					j.violated(e.Conv, seq, trace, "%s sent seq %d after seq %d", l.Name(), seq, before)
				}
			}
			last[e.Conv] = e
		}
	}
}

// logged is an event and whose it is.
type logged struct {
	client *ClientLog
	event  *Event
}

// timeline is the events of some kinds of all clients, by time.
func (j *judge) timeline(kinds ...Kind) (all []logged) {
	j.each(func(l *ClientLog, e *Event) {
		if slices.Contains(kinds, e.Kind) {
			all = append(all, logged{l, e})
		}
	})
	slices.SortStableFunc(all, func(a, b logged) int { return cmp.Compare(a.event.At, b.event.At) })
	return all
}

// realTimeOrder: an ack that anybody had read before a message was first written
// is of a smaller seq.
func (j *judge) realTimeOrder() {
	highest := map[chat.ConvID]logged{} // ack with the highest seq so far
	sent := map[command]bool{}
	for _, x := range j.timeline(Send, Ack) {
		e := x.event
		if e.Kind == Ack {
			if h, ok := highest[e.Conv]; !ok || e.Seq > h.event.Seq {
				highest[e.Conv] = x
			}
			continue
		}
		k := command{x.client.User, e.CMID}
		if sent[k] {
			continue
		}
		sent[k] = true
		h, ok := highest[e.Conv]
		if seq := j.seqOf(e.Conv, k); ok && seq != 0 && seq <= h.event.Seq {
			trace := append([]string{h.event.line(h.client.Name())}, j.about(k)...)
			j.violated(e.Conv, seq, trace, "seq %d was sent after seq %d had been acked", seq, h.event.Seq)
		}
	}
}

// told is how far a user has said to be.
type told struct{ delivered, read chat.Seq }

// receiptsAreTrue: inside a session a user's marks only grow; they are never above
// what a device of that user had said by then, nor above head.
func (j *judge) receiptsAreTrue() {
	type whose struct {
		conv chat.ConvID
		user chat.User
	}
	type watcher struct {
		client  *ClientLog
		session int
		whose
	}
	said := map[whose]*told{}
	say := func(w whose) *told {
		if said[w] == nil {
			said[w] = &told{}
		}
		return said[w]
	}
	shown := map[watcher]logged{}
	marks := map[watcher]told{}
	for _, x := range j.timeline(Open, Recv, Read, Receipt) {
		e := x.event
		mine := whose{e.Conv, x.client.User}
		switch e.Kind {
		case Open: // a device has what its cursors say
			for conv, seq := range e.Cursors {
				t := say(whose{conv, x.client.User})
				t.delivered = max(t.delivered, seq)
			}
		case Recv:
			say(mine).delivered = max(say(mine).delivered, e.Seq)
		case Read:
			say(mine).read = max(say(mine).read, e.Seq)
			say(mine).delivered = max(say(mine).delivered, e.Seq)
		case Receipt:
			of := whose{e.Conv, e.From}
			t, line := say(of), e.line(x.client.Name())
			if e.Seq > t.delivered || e.Read > t.read {
				j.violated(e.Conv, max(e.Seq, e.Read), []string{line},
					"the receipt tells more than %s had told: delivered %d, read %d", e.From, t.delivered, t.read)
			}
			if c := j.Convs[e.Conv]; c != nil && max(e.Seq, e.Read) > c.Head {
				j.violated(e.Conv, max(e.Seq, e.Read), []string{line}, "the receipt is above head %d", c.Head)
			}
			w := watcher{x.client, e.Session, of}
			m := marks[w]
			if e.Seq != 0 && e.Seq < m.delivered || e.Read != 0 && e.Read < m.read {
				before := shown[w]
				j.violated(e.Conv, max(e.Seq, e.Read), []string{before.event.line(before.client.Name()), line}, "the receipts of %s went back", e.From)
			}
			marks[w] = told{max(m.delivered, e.Seq), max(m.read, e.Read)}
			shown[w] = x
		}
	}
}

// nothingForeign: no client was shown anything of a conversation that its user is
// no member of, and the outsider was told not_found throughout.
func (j *judge) nothingForeign() {
	j.each(func(l *ClientLog, e *Event) {
		switch e.Kind {
		case Entry, Page, Ack, Receipt, Seen, Reset:
		default:
			return
		}
		if e.Conv == "" {
			return
		}
		if c := j.Convs[e.Conv]; c == nil || !slices.Contains(c.Members, l.User) {
			j.violated(e.Conv, e.Seq, []string{e.line(l.Name())}, "%s is no member and was shown this", l.User)
		}
	})
	for _, p := range j.Probes {
		unknown := p.Answer == string(chat.CodeBadRequest) && p.Control == p.Answer
		if p.Answer != string(chat.CodeNotFound) && !unknown {
			line := fmt.Sprintf("%12s  outsider  %s %s: %q", "", p.What, p.Conv, p.Answer)
			j.violated(p.Conv, 0, []string{line}, "an outsider was answered %q, not not_found", p.Answer)
		}
	}
}
