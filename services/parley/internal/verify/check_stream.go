package verify

import (
	"fmt"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
)

// The checks of what devices got: I5, I6, and what the report counts of it.

// position is where a session stands in one conversation.
type position struct {
	last  chat.Seq
	line  string // the event that put it there
	reset bool   // a reset without next: the next entry may be any
}

// Wire counts what sessions got that was not cursor+1.
type Wire struct {
	Entries    int64 `json:"entries"`
	Duplicates int64 `json:"duplicates"`   // a seq that this session had already
	Gaps       int64 `json:"gaps"`         // a jump that no reset announced
	OutOfOrder int64 `json:"out_of_order"` // an older seq that this session had not had
	Resets     int64 `json:"resets"`
}

// strictlyNext judges every session on its own, by the cursors of its hello. A
// device that tells none for a conversation has nothing of it.
func (j *judge) strictlyNext() {
	for i := range j.Clients {
		l := &j.Clients[i]
		walk(l, func(e *Event, at *position, kind irregular) {
			trace := []string{e.line(l.Name())}
			if at.line != "" {
				trace = []string{at.line, trace[0]}
			}
			j.violated(e.Conv, e.Seq, trace, "%s: seq %d came after %d", kind, e.Seq, at.last)
		})
	}
}

// irregular is how an entry was not the next one.
type irregular string

const (
	twice     irregular = "duplicate"
	skipped   irregular = "gap"
	backwards irregular = "out of order"
)

// walk goes through a client's streams, tells what is not regular, and counts.
func walk(l *ClientLog, tell func(e *Event, at *position, kind irregular)) (w Wire) {
	at := map[chat.ConvID]*position{}
	had := map[chat.ConvID]map[chat.Seq]bool{} // of a session, above its first gap
	var open *Event
	for i := range l.Events {
		e := &l.Events[i]
		switch e.Kind {
		case Open:
			at, had, open = map[chat.ConvID]*position{}, map[chat.ConvID]map[chat.Seq]bool{}, e
		case Reset:
			w.Resets++
			if e.Conv == "" {
				at, open = map[chat.ConvID]*position{}, nil
				continue
			}
			at[e.Conv] = &position{last: e.Seq - 1, line: e.line(l.Name()), reset: e.Seq == 0}
		case Entry:
			w.Entries++
			p := at[e.Conv]
			if p == nil {
				p = &position{}
				if open != nil {
					p.last, p.line = open.Cursors[e.Conv], open.line(l.Name())+fmt.Sprintf(" with cursor %d", open.Cursors[e.Conv])
				}
				at[e.Conv] = p
			}
			kind := p.judge(e.Seq, had[e.Conv])
			switch kind {
			case twice:
				w.Duplicates++
			case skipped:
				w.Gaps++
			case backwards:
				w.OutOfOrder++
			}
			if kind != "" {
				tell(e, p, kind)
			}
			if kind == skipped && had[e.Conv] == nil {
				had[e.Conv] = map[chat.Seq]bool{}
			}
			if had[e.Conv] != nil {
				had[e.Conv][e.Seq] = true
			}
			if e.Seq > p.last || p.reset {
				*p = position{last: e.Seq, line: e.line(l.Name())}
			}
		}
	}
	return w
}

// judge says how a seq is not the next one; "" if it is. Below the first gap of a
// session everything came; above it had knows.
func (p *position) judge(seq chat.Seq, had map[chat.Seq]bool) irregular {
	switch {
	case p.reset || seq == p.last+1:
		return ""
	case seq > p.last:
		return skipped
	case had == nil || had[seq]:
		return twice
	}
	return backwards
}

// allArrived: every device of every member got, in all its sessions and pages
// together, every entry of the log. It is judged once all commands have their outcome,
// also where the time ended before all devices had all: an entry that was lost looks
// like one that is late.
func (j *judge) allArrived() {
	for i := range j.Clients {
		l := &j.Clients[i]
		got := map[chat.ConvID]map[chat.Seq]bool{}
		for k := range l.Events {
			if e := &l.Events[k]; e.Kind == Entry || e.Kind == Page {
				if got[e.Conv] == nil {
					got[e.Conv] = map[chat.Seq]bool{}
				}
				got[e.Conv][e.Seq] = true
			}
		}
		for _, conv := range j.convs {
			if c := j.Convs[conv]; slices.Contains(c.Members, l.User) {
				j.lacks(l, conv, got[conv])
			}
		}
	}
}

// mostSessions bounds the events in a trace of what did not arrive: the last ones.
const mostSessions = 12

// lacks reports what a device has not got of a conversation: one violation, for
// the first one.
func (j *judge) lacks(l *ClientLog, conv chat.ConvID, got map[chat.Seq]bool) {
	missing, first := 0, (*Fact)(nil)
	for i := range j.Convs[conv].Entries {
		if f := &j.Convs[conv].Entries[i]; !got[f.Seq] {
			if missing++; first == nil {
				first = f
			}
		}
	}
	if missing == 0 {
		return
	}
	trace := []string{first.line("stored")}
	var sessions []string
	for k := range l.Events {
		e := &l.Events[k]
		beside := e.Conv == conv && e.Kind == Entry && (e.Seq == first.Seq-1 || e.Seq == first.Seq+1)
		if beside || e.Kind == Open || e.Kind == Close || e.Conv == conv && e.Kind == Reset {
			sessions = append(sessions, e.line(l.Name()))
		}
	}
	trace = append(trace, sessions[max(0, len(sessions)-mostSessions):]...)
	j.violated(conv, first.Seq, trace, "%s lacks %d entries, the first is seq %d", l.Name(), missing, first.Seq)
}
