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
}

type counts struct {
	published, refused, dropped, received, lost, reconnects atomic.Uint64
}

// Stats is for metrics; it does not block.
func (b *Bus) Stats() Stats {
	c := &b.counts
	return Stats{
		Published:  c.published.Load(),
		Refused:    c.refused.Load(),
		Dropped:    c.dropped.Load(),
		Received:   c.received.Load(),
		Lost:       c.lost.Load(),
		Reconnects: c.reconnects.Load(),
	}
}
