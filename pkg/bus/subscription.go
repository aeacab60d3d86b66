package bus

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// subscription is one function that takes a topic, over all connections that the
// bus has in its life.
type subscription struct {
	bus   *Bus
	topic Topic
	fn    func([]byte)

	gone    atomic.Bool
	turn    sync.Mutex  // one call of fn at a time, also while a new connection takes over
	behind  atomic.Bool // an episode of loss goes on
	countMu sync.Mutex
	counted int // drops of the present sub that are counted

	// On the present connection; guarded by bus.mu.
	sub   *nats.Subscription
	ended chan struct{} // closed after the last call of fn
}

// Subscribe has fn called with every message of the topic that other pods
// publish: one call at a time, in order, from a goroutine of this subscription.
// fn must not keep data. Slow functions lose messages, see [Options].
//
// Messages that are published after a [Bus.Flush] that follows are certain to
// find the subscription in place. After unsubscribe has returned no call begins;
// one may still be running.
func (b *Bus) Subscribe(topic Topic, fn func(data []byte)) (unsubscribe func(), err error) {
	if _, ok := b.subjects[topic]; !ok {
		return nil, fmt.Errorf("subscribe: unknown topic %q", topic)
	}
	s := &subscription{bus: b, topic: topic, fn: fn}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return nil, ErrClosed
	}
	// On a connection that NATS has closed it fails, and the next one gets all
	// that are in subs.
	if err := s.attach(b.nc); err != nil && !b.nc.IsClosed() {
		return nil, fmt.Errorf("subscribe to %s: %w", topic, b.servers.safe(err))
	}
	b.subs[s] = struct{}{}
	return s.unsubscribe, nil
}

// attach puts the subscription on a connection. Bus.mu is held.
func (s *subscription) attach(nc *nats.Conn) error {
	sub, err := nc.Subscribe(s.bus.subjects[s.topic], s.deliver)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	sub.SetClosedHandler(func(string) { close(ended) })
	if err := sub.SetPendingLimits(s.bus.o.PendingMessages, s.bus.o.PendingBytes); err != nil {
		return err
	}
	s.countMu.Lock()
	s.counted = 0
	s.countMu.Unlock()
	s.sub, s.ended = sub, ended
	return nil
}

func (s *subscription) unsubscribe() {
	s.gone.Store(true)
	s.bus.mu.Lock()
	defer s.bus.mu.Unlock()
	delete(s.bus.subs, s)
	if s.sub != nil {
		_ = s.sub.Unsubscribe() // fails only where it, or the connection, is gone
	}
}

func (s *subscription) deliver(m *nats.Msg) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.gone.Load() {
		return
	}
	s.bus.counts.received.Add(1)
	s.fn(m.Data)
	if s.behind.Load() {
		s.catchUp(m.Sub)
	}
}

// slow is told by nats.go that it dropped a message of sub. That comes again for
// every message that finds room in between; an episode ends only with catchUp.
func (b *Bus) slow(sub *nats.Subscription) {
	b.mu.Lock()
	var found *subscription
	for s := range b.subs {
		if s.sub == sub {
			found = s
		}
	}
	box := b.inboxOfLocked(sub)
	b.mu.Unlock()
	if box != nil {
		box.slow()
		return
	}
	if found == nil || !found.behind.CompareAndSwap(false, true) {
		return
	}
	found.countDrops(sub)
	b.log.Warn("messages from NATS are lost: this pod is too slow", "topic", found.topic)
	found.tellLoss()
}

// catchUp ends an episode once half of what may wait is free. Nothing escapes: a
// drop after that needs a full queue, so nats.go has accepted messages before it
// and calls slow anew.
func (s *subscription) catchUp(sub *nats.Subscription) {
	messages, bytes, err := sub.Pending() // with the one that has just been taken
	if err != nil || messages-1 > s.bus.o.PendingMessages/2 || bytes > s.bus.o.PendingBytes/2 {
		return
	}
	s.behind.Store(false)
	if s.countDrops(sub) > 0 {
		s.tellLoss()
	}
}

// countDrops counts what was dropped since it was last called.
func (s *subscription) countDrops(sub *nats.Subscription) (fresh int) {
	s.countMu.Lock()
	defer s.countMu.Unlock()
	total, err := sub.Dropped()
	if err != nil || total < s.counted {
		return 0
	}
	fresh, s.counted = total-s.counted, total
	s.bus.counts.lost.Add(uint64(fresh))
	return fresh
}

func (s *subscription) tellLoss() {
	if s.bus.o.OnLoss != nil {
		s.bus.o.OnLoss(s.topic)
	}
}
