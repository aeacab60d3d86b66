package bus

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
)

// Address is a subject of its own inside the cluster, for what few pods want:
// NATS selects then, and not every pod.
type Address uint32

// inboxMessages is how many messages may wait for the function of an inbox.
const inboxMessages = 4096

// inboxStep is how many subscriptions are made or ended at a time, while others
// wait for the connection.
const inboxStep = 256

// inbox is one function that takes what comes to many addresses. They share a
// channel, because a subscription with a function of its own has a goroutine, too.
type inbox struct {
	bus    *Bus
	fn     func([]byte)
	in     chan *nats.Msg
	behind atomic.Bool // an episode of loss goes on
	gone   context.Context
	end    context.CancelFunc
	wake   chan struct{} // has a token when there is something to change

	mu      sync.Mutex
	want    map[Address]int      // how often each is listened to
	changed map[Address]struct{} // to be compared with subs
	waiting []chan<- error       // answered once what changed before is in place

	// On the present connection; guarded by bus.mu.
	subs map[Address]*nats.Subscription
}

// PublishTo is [Bus.Publish] to the pods that listen to an address.
func (b *Bus) PublishTo(a Address, data []byte) error {
	if len(data) > MaxData {
		return ErrTooLarge
	}
	if err := b.out.push(b.subjectOf(a), data); err != nil {
		b.counts.refused.Add(1)
		return err
	}
	return nil
}

// SubscribeTo has fn called with what other pods publish to the addresses that
// listen has named: one call at a time, those of one sender in order, from a
// goroutine of this subscription. fn must not keep data. At most 4,096 messages
// wait for it; what comes beyond is lost, and OnLoss is called with [TopicUsers].
//
// listen adds an address, or takes it away when it has been taken away as often as
// it was added. It does not block: the subscription at NATS follows, within a
// moment while NATS is there, and a [Bus.Flush] waits for that. After unsubscribe
// has returned no call of fn begins; one may still be running.
func (b *Bus) SubscribeTo(fn func(data []byte)) (listen func(a Address, there bool), unsubscribe func(), err error) {
	i := &inbox{bus: b, fn: fn, in: make(chan *nats.Msg, inboxMessages), wake: make(chan struct{}, 1),
		want: make(map[Address]int), changed: make(map[Address]struct{}), subs: make(map[Address]*nats.Subscription)}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.draining {
		return nil, nil, ErrClosed
	}
	i.gone, i.end = context.WithCancel(b.life)
	b.inboxes[i] = struct{}{}
	b.wg.Go(i.deliver)
	b.wg.Go(i.follow)
	return i.listen, i.unsubscribe, nil
}

func (i *inbox) listen(a Address, there bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	before := i.want[a]
	switch {
	case there:
		i.want[a]++
	case before <= 1:
		delete(i.want, a)
	default:
		i.want[a]--
	}
	if there && before == 0 || !there && before == 1 {
		i.changed[a] = struct{}{}
		i.wakeLocked()
	}
}

func (i *inbox) wakeLocked() {
	select {
	case i.wake <- struct{}{}:
	default:
	}
}

// deliver calls fn.
func (i *inbox) deliver() {
	for {
		select {
		case m := <-i.in:
			if i.gone.Err() != nil {
				return
			}
			i.bus.counts.received.Add(1)
			i.fn(m.Data)
			if i.behind.Load() && len(i.in) <= inboxMessages/2 {
				i.behind.Store(false)
			}
		case <-i.gone.Done():
			return
		}
	}
}

// follow makes and ends subscriptions. It is a goroutine because the connection
// may be locked by a write that waits for the network.
func (i *inbox) follow() {
	for {
		select {
		case <-i.wake:
		case <-i.gone.Done():
			i.answer(i.takeWaiting(), ErrClosed)
			return
		}
		i.mu.Lock()
		changed, waiting := i.changed, i.waiting
		i.changed, i.waiting = make(map[Address]struct{}), nil
		i.mu.Unlock()
		step := make([]Address, 0, inboxStep)
		for a := range changed {
			if step = append(step, a); len(step) == inboxStep {
				i.change(step)
				step = step[:0]
			}
		}
		i.change(step)
		i.answer(waiting, nil)
	}
}

func (i *inbox) takeWaiting() []chan<- error {
	i.mu.Lock()
	defer i.mu.Unlock()
	w := i.waiting
	i.waiting = nil
	return w
}

func (*inbox) answer(waiting []chan<- error, err error) {
	for _, w := range waiting {
		w <- err
	}
}

// change makes the subscriptions of some addresses what they should be.
func (i *inbox) change(list []Address) {
	i.bus.mu.Lock()
	defer i.bus.mu.Unlock()
	if i.gone.Err() != nil {
		return // unsubscribe has ended all there were, or is about to
	}
	for _, a := range list {
		i.mu.Lock()
		wanted := i.want[a] > 0
		i.mu.Unlock()
		sub := i.subs[a]
		switch {
		case wanted && sub == nil:
			if err := i.attachOne(i.bus.nc, a); err != nil && !errors.Is(err, nats.ErrConnectionClosed) && i.bus.troubles.due() {
				// What comes to it is found by repair.
				i.bus.log.Warn("could not subscribe to a user's subject", "error", i.bus.servers.safe(err))
			}
		case !wanted && sub != nil:
			delete(i.subs, a)
			_ = sub.Unsubscribe() // fails only where it, or the connection, is gone
		}
	}
}

// attach puts all subscriptions on a new connection. Bus.mu is held.
func (i *inbox) attach(nc *nats.Conn) error {
	clear(i.subs)
	i.mu.Lock()
	defer i.mu.Unlock()
	for a := range i.want {
		if err := i.attachOne(nc, a); err != nil {
			return err
		}
	}
	return nil
}

func (i *inbox) attachOne(nc *nats.Conn, a Address) error {
	sub, err := nc.ChanSubscribe(i.bus.subjectOf(a), i.in)
	if err == nil {
		i.subs[a] = sub
	}
	return err
}

// barrier is answered once what was listened to before is subscribed.
func (i *inbox) barrier() <-chan error {
	i.mu.Lock()
	defer i.mu.Unlock()
	answer := make(chan error, 1)
	if i.gone.Err() != nil {
		answer <- ErrClosed
		return answer
	}
	i.waiting = append(i.waiting, answer)
	i.wakeLocked()
	return answer
}

func (i *inbox) unsubscribe() {
	i.end()
	i.bus.mu.Lock()
	defer i.bus.mu.Unlock()
	delete(i.bus.inboxes, i)
	for a, sub := range i.subs {
		_ = sub.Unsubscribe() // fails only where it, or the connection, is gone
		delete(i.subs, a)
	}
}

// slow is told that a message was dropped. It tells so once an episode: what else
// is lost in it is found by those who count what they are sent.
func (i *inbox) slow() {
	i.bus.counts.lost.Add(1)
	if !i.behind.CompareAndSwap(false, true) {
		return
	}
	i.bus.log.Warn("messages from NATS are lost: this pod is too slow", "topic", TopicUsers)
	if i.bus.o.OnLoss != nil {
		i.bus.o.OnLoss(TopicUsers)
	}
}

// inboxOfLocked is the inbox that a subscription belongs to; nil: none.
func (b *Bus) inboxOfLocked(sub *nats.Subscription) *inbox {
	const digits = 8
	if len(sub.Subject) < digits {
		return nil
	}
	a, err := strconv.ParseUint(sub.Subject[len(sub.Subject)-digits:], 16, 32)
	if err != nil {
		return nil
	}
	for i := range b.inboxes {
		if i.subs[Address(a)] == sub {
			return i
		}
	}
	return nil
}
