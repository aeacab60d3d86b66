package bus

import "sync/atomic"

// Stats counts what a bus has done since Connect.
type Stats struct {
	Published  uint64 // messages handed to the connection
	Refused    uint64 // messages that Publish returned an error for
	Dropped    uint64 // messages that Publish took, and that were lost with the connection
	Received   uint64 // messages handed to subscriptions
	Lost       uint64 // messages that a subscription was too slow for
	Reconnects uint64
	Connected  int // 1 while NATS is there
	Waiting    int // messages that have come and wait for their function: how far behind this pod is
	Outbound   int // bytes that wait to be written
}

type counts struct {
	waiting                                                 atomic.Int64 // as it was seen last
	published, refused, dropped, received, lost, reconnects atomic.Uint64
}

// Stats is for metrics; it does not block for the network.
func (b *Bus) Stats() Stats {
	c := &b.counts
	return Stats{
		Published:  c.published.Load(),
		Refused:    c.refused.Load(),
		Dropped:    c.dropped.Load(),
		Received:   c.received.Load(),
		Lost:       c.lost.Load(),
		Reconnects: c.reconnects.Load(),
		Connected:  b.connected(),
		Waiting:    b.waiting(),
		Outbound:   b.out.waiting(),
	}
}

// Add sums what two buses have done.
func (s Stats) Add(t Stats) Stats {
	return Stats{Published: s.Published + t.Published, Refused: s.Refused + t.Refused, Dropped: s.Dropped + t.Dropped, Received: s.Received + t.Received,
		Lost: s.Lost + t.Lost, Reconnects: s.Reconnects + t.Reconnects, Connected: s.Connected + t.Connected, Waiting: s.Waiting + t.Waiting, Outbound: s.Outbound + t.Outbound}
}

func (b *Bus) connected() int {
	if b.Connected() {
		return 1
	}
	return 0
}

// waiting counts what is in the queues of subscriptions; as it was, while the
// connection is being changed.
func (b *Bus) waiting() int {
	if !b.mu.TryLock() {
		return int(b.counts.waiting.Load())
	}
	defer b.mu.Unlock()
	n := 0
	for s := range b.subs {
		if s.sub == nil {
			continue
		}
		if messages, _, err := s.sub.Pending(); err == nil {
			n += messages
		}
	}
	for i := range b.inboxes {
		n += len(i.in)
	}
	b.counts.waiting.Store(int64(n))
	return n
}
