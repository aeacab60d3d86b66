package verify

import (
	"cmp"
	"slices"
	"sort"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// connected is how long a device was connected, as it thought, up to any time.
type connected struct {
	open, closed []time.Duration // of its sessions, which follow on one another
	before       []time.Duration // in the sessions before each
}

func connectedTime(l *ClientLog) *connected {
	c := &connected{}
	var total time.Duration
	end := func(at time.Duration) {
		if n := len(c.closed); n < len(c.open) {
			c.closed = append(c.closed, at)
			total += at - c.open[n]
		}
	}
	for i := range l.Events {
		switch e := &l.Events[i]; e.Kind {
		case Open:
			end(e.At)
			c.open, c.before = append(c.open, e.At), append(c.before, total)
		case Close:
			end(e.At)
		}
	}
	end(1<<63 - 1)
	return c
}

func (c *connected) upTo(at time.Duration) time.Duration {
	i := sort.Search(len(c.open), func(i int) bool { return c.open[i] > at }) - 1
	if i < 0 {
		return 0
	}
	return c.before[i] + min(at, c.closed[i]) - c.open[i]
}

// firstAcks is when each message's ack was first read by its sender.
func firstAcks(h *History) map[command]time.Duration {
	first := map[command]time.Duration{}
	for i := range h.Clients {
		for k := range h.Clients[i].Events {
			e := &h.Clients[i].Events[k]
			c := command{h.Clients[i].User, e.CMID}
			if _, again := first[c]; e.Kind == Ack && !again {
				first[c] = e.At
			}
		}
	}
	return first
}

// Away is a time in which nobody could read the store.
type Away struct{ From, To time.Time }

// Span is the same as the clients' logs have times.
type Span struct{ From, To time.Duration }

func awayFrom(start time.Time, list []Away) []Span {
	spans := make([]Span, len(list))
	for i, a := range list {
		spans[i] = Span{a.From.Sub(start), a.To.Sub(start)}
	}
	return spans
}

// within is how much of the time between two others, in which a device was connected,
// the spans take; none where the second is not after the first.
func (c *connected) within(spans []Span, from, to time.Duration) (sum time.Duration) {
	for _, s := range spans {
		if begin, end := max(s.From, from), min(s.To, to); begin < end {
			sum += c.upTo(end) - c.upTo(begin)
		}
	}
	return sum
}

// stale is how long a device lacked an entry, and which event ended that.
type stale struct {
	time.Duration
	away   time.Duration // of that, in which nobody could read the store
	client *ClientLog
	event  int
}

// staleness is, for each entry that a device got, how long it lacked what its
// sender had been told is stored: the time in which it was not connected left out.
func staleness(l *ClientLog, acked map[command]time.Duration, away []Span) (all []stale) {
	c := connectedTime(l)
	type place struct {
		conv chat.ConvID
		seq  chat.Seq
	}
	seen := map[place]bool{}
	for i := range l.Events {
		e := &l.Events[i]
		at, ok := acked[command{e.From, e.CMID}]
		if p := (place{e.Conv, e.Seq}); e.Kind == Entry && ok && !seen[p] {
			seen[p] = true
			all = append(all, stale{max(0, c.upTo(e.At)-c.upTo(at)), c.within(away, at, e.At), l, i})
		}
	}
	return all
}

// stalest is the way of the message that a device lacked for the longest time: its
// sender's events, and the device's sessions from then on.
func stalest(h *History, all []stale) (trace []string) {
	if len(all) == 0 {
		return nil
	}
	worst := slices.MaxFunc(all, func(a, b stale) int { return cmp.Compare(a.Duration, b.Duration) })
	got := &worst.client.Events[worst.event]
	type line struct {
		at   time.Duration
		text string
	}
	var lines []line
	from := got.At
	for i := range h.Clients {
		l := &h.Clients[i]
		for k := range l.Events {
			e := &l.Events[k]
			if l.User == got.From && e.CMID == got.CMID && (e.Kind == Submit || e.Kind == Send || e.Kind == Ack) {
				lines = append(lines, line{e.At, e.line(l.Name())})
				from = min(from, e.At)
			}
		}
	}
	for k := range worst.client.Events[:worst.event+1] {
		e := &worst.client.Events[k]
		if e == got || e.At >= from && (e.Kind == Open || e.Kind == Close) || e.At >= from && e.Conv == got.Conv && e.Kind == Entry && e.Seq+2 > got.Seq {
			lines = append(lines, line{e.At, e.line(worst.client.Name())})
		}
	}
	slices.SortStableFunc(lines, func(a, b line) int { return cmp.Compare(a.at, b.at) })
	for _, l := range lines {
		trace = append(trace, l.text)
	}
	return trace
}

// inTime judges I11.
func (j *judge) inTime() {
	acked := firstAcks(j.History)
	for i := range j.Clients {
		l := &j.Clients[i]
		if l.Device == lateDevice {
			continue // it came when all was over, on purpose
		}
		for _, s := range staleness(l, acked, j.Away) {
			if s.Duration-s.away <= j.Bound {
				continue
			}
			e := &l.Events[s.event]
			var trace []string
			if j.verdict.Counts[j.invariant] < mostTraces {
				trace = stalest(j.History, []stale{s})
			}
			j.violated(e.Conv, e.Seq, trace, "%s lacked it for %v after the ack, %v of that with the store away, the bound is %v",
				l.Name(), s.Duration.Round(time.Millisecond), s.away.Round(time.Millisecond), j.Bound)
		}
	}
}
