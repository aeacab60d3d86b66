package verify

import (
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

// staleness is, for each entry that a device got, how long it lacked what its
// sender had been told is stored: the time in which it was not connected left out.
func staleness(l *ClientLog, acked map[command]time.Duration) (all []time.Duration) {
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
			all = append(all, max(0, c.upTo(e.At)-c.upTo(at)))
		}
	}
	return all
}
