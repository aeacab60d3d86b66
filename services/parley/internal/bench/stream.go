package bench

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// place is one device's place in one conversation: what it must get next. Its
// reader owns it.
type place struct {
	conv  string
	seq   int64 // of the last entry
	flows []position
	told  int64 // when recv was sent last, ns since the run began
}

// position is the number of the last message of a flow that came.
type position struct {
	flow   int
	number int64
}

// entry notes an entry. What is wrong with it is counted, and the place moves on,
// so that one fault is told once.
func (p *place) entry(seq int64, v *violations, who string) {
	switch want := p.seq + 1; {
	case seq == want:
	case seq > want:
		v.note(&v.Gaps, seq-want, "%s, %s: seq %d comes after %d", who, p.conv, seq, p.seq)
	default:
		v.note(&v.Duplicates, 1, "%s, %s: seq %d comes again, or late: %d was there", who, p.conv, seq, p.seq)
		return
	}
	p.seq = seq
}

// message notes the message that an entry carries. It reports whether it is the
// next one of its flow.
func (p *place) message(s stamp, v *violations, who string) bool {
	pos := p.position(s.flow)
	want := pos.number + 1
	switch {
	case s.number == want:
		pos.number = s.number
		return true
	case s.number > want:
		v.note(&v.Disordered, s.number-want, "%s, %s: message %d of flow %d comes after %d", who, p.conv, s.number, s.flow, pos.number)
		pos.number = s.number
	default:
		v.note(&v.Duplicates, 1, "%s, %s: message %d of flow %d comes again, or late: %d was there", who, p.conv, s.number, s.flow, pos.number)
	}
	return false
}

func (p *place) position(flow int) *position {
	for i := range p.flows {
		if p.flows[i].flow == flow {
			return &p.flows[i]
		}
	}
	p.flows = append(p.flows, position{flow: flow})
	return &p.flows[len(p.flows)-1]
}

// examples is how many violations are told in words.
const examples = 10

// violations are what must not happen while a figure is taken. Any goroutine may
// note one.
type violations struct {
	Lost       atomic.Int64 // sent, and never received by a device that should
	Gaps       atomic.Int64 // seqs that were left out
	Disordered atomic.Int64 // messages that others of their flow overtook
	Duplicates atomic.Int64 // entries, messages or acks that came again
	Altered    atomic.Int64 // messages whose text is not what was sent
	Refused    atomic.Int64 // error frames
	Resets     atomic.Int64 // streams that the server began anew
	Closed     atomic.Int64 // connections that ended by themselves
	Failed     atomic.Int64 // connections, requests and frames that failed otherwise

	mu    sync.Mutex
	first []string
}

// note counts n of something and keeps the first few in words.
func (v *violations) note(what *atomic.Int64, n int64, format string, args ...any) {
	what.Add(n)
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.first) < examples {
		v.first = append(v.first, fmt.Sprintf(format, args...))
	}
}

// checks is what was noted, for the report.
func (v *violations) checks() Checks {
	v.mu.Lock()
	defer v.mu.Unlock()
	return Checks{Lost: v.Lost.Load(), Gaps: v.Gaps.Load(), Disordered: v.Disordered.Load(), Duplicates: v.Duplicates.Load(),
		Altered: v.Altered.Load(), Refused: v.Refused.Load(), Resets: v.Resets.Load(), Closed: v.Closed.Load(), Failed: v.Failed.Load(),
		First: append([]string(nil), v.first...)}
}
