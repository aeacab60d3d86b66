package bench

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// flow is the messages of one device in one conversation.
type flow struct {
	r        *run
	id       int // its place in run.flows
	conv     string
	from     *device
	readers  []*device // everybody who must get every message, the sender included
	clocked  bool      // an ack is answered with the next message
	whole    []wholeness
	cmid     string // begins every cmid: 100 random bits
	remember bool

	mu    sync.Mutex
	to    chat.User // of the first message of a direct conversation, which makes it
	next  int64     // messages that were sent
	buf   []byte
	times []int64 // when each message was meant to be sent; only if remember
	acked atomic.Int64
}

// wholeness counts the members that have a message. It has a cache line for itself.
type wholeness struct {
	have atomic.Int32
	_    [60]byte
}

// newFlow adds a flow. Flows are made before the devices that they concern read
// anything of them.
func (r *run) newFlow(conv string, from *device, readers ...*device) *flow {
	f := &flow{r: r, id: len(r.flows), conv: conv, from: from, readers: readers, cmid: rand.Text()[:20]}
	r.flows = append(r.flows, f)
	return f
}

// queue puts the next message into the sender's connection, which is to be flushed.
// at is when it is meant to be sent.
func (f *flow) queue(at int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next++
	s := stamp{f.id, f.next, at}
	if f.remember {
		f.times = append(f.times, at)
	}
	b := append(f.buf[:0], `{"type":"send","`...)
	if f.to != "" {
		b = append(append(append(b, `to":"`...), f.to...), `","cmid":"`...)
		f.to = ""
	} else {
		b = append(append(append(b, `conv":"`...), f.conv...), `","cmid":"`...)
	}
	b = append(append(b, f.cmid...), '-')
	b = append(appendStamp(b, s, '-'), `","body":{"text":"`...)
	text := len(b)
	b = append(append(b, f.r.id...), ' ')
	b = append(appendStamp(b, s, ' '), ' ')
	for len(b)-text < f.r.Size {
		const padding = "the quick brown fox jumps over the lazy dog and "
		b = append(b, padding[:min(len(padding), f.r.Size-(len(b)-text))]...)
	}
	f.buf = append(b, `"}}`...)
	f.from.conn.Queue(f.buf)
}

// send sends the next message now.
func (f *flow) send(at int64) {
	f.queue(at)
	if err := f.from.conn.Flush(); err != nil && !f.from.leaving.Load() {
		f.r.note(&f.r.Failed, 1, "%s: %v", f.from.user, err)
	}
}

// have notes that one more member has a message. Whoever is the last sends the
// next one.
func (f *flow) have(s stamp) {
	w := &f.whole[s.number%int64(len(f.whole))]
	if int(w.have.Add(1)) < len(f.readers)-1 { // the sender itself is not counted
		return
	}
	w.have.Store(0)
	now := f.r.now()
	if f.r.measured(s.at) {
		f.r.complete.Record(time.Duration(now - s.at))
	}
	if !f.r.stopping.Load() {
		f.send(now)
	}
}

// fillWindow is how many sends of a flow are on their way while a log is filled.
const fillWindow = 64

// fill sends messages until each flow has sent that many, as fast as the server
// lets one session send, and waits until all are acked.
func (r *run) fill(ctx context.Context, each int64) error {
	stop := r.every(time.Second, func() {
		sent, acked, _, _ := r.balance()
		r.progress("  %d messages sent, %d acked", sent, acked)
	})
	defer stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); ; {
		more := false
		for _, f := range r.flows {
			// A tenth below the limit, and its burst not used up.
			allowed := int64(float64(f.from.perSecond) * (0.9*time.Since(began).Seconds() + 1))
			if n := min(each, f.acked.Load()+fillWindow, allowed); n > f.sent() {
				for f.sent() < n {
					f.queue(r.now())
				}
				if err := f.from.conn.Flush(); err != nil {
					return err
				}
			}
			more = more || f.sent() < each
		}
		if !more || !r.checks().ok() {
			return r.settle(ctx)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// sent is how many messages were sent.
func (f *flow) sent() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

// quiet is how long nothing may come where something was refused: that has no ack.
const quiet = time.Second

// settle waits until everything that was sent is acked and with everybody who
// should have it, or until nothing comes any more. What is missing is counted when
// the run is judged.
func (r *run) settle(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, r.Drain)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for came, last := int64(-1), began; ; {
		sent, acked, expected, received := r.balance()
		if acked >= sent && received >= expected {
			return nil
		}
		if acked+received != came {
			came, last = acked+received, time.Now()
		}
		silent := r.Refused.Load() > 0 && time.Since(last) > quiet
		if silent || errors.Is(ctx.Err(), context.DeadlineExceeded) {
			r.note(&r.Failed, 1, "after %v: %d of %d messages acked, %d of %d received", time.Since(began).Round(time.Millisecond), acked, sent, received, expected)
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return fmt.Errorf("wait for the last messages: %w", ctx.Err())
			}
		}
	}
}

// balance sums up what was sent and what has come of it.
func (r *run) balance() (sent, acked, expected, received int64) {
	for _, f := range r.flows {
		n := f.sent()
		sent += n
		acked += f.acked.Load()
		for _, d := range f.readers {
			if d.conn != nil && !d.leaving.Load() {
				expected += n
			}
		}
	}
	for _, d := range r.devices {
		if d.conn != nil && !d.leaving.Load() {
			received += d.received.Load()
		}
	}
	return sent, acked, expected, received
}
