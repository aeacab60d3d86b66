package bus

import (
	"iter"
	"sync"
)

// outbound is the queue between Publish and the connection. Publishing must not
// wait for the network, and nats.go holds its lock while it does.
type outbound struct {
	maxBytes int
	// wake has a token when there is something to take.
	wake chan struct{}

	mu      sync.Mutex
	refusal error  // why nothing is taken now; nil while open
	next    *batch // what is being collected
	spare   *batch // the buffers of the batch before, nil while it is being written
	flying  int    // size of the batch that is being written
}

// batch is messages one after the other in one buffer, so that publishing
// allocates nothing.
type batch struct {
	buf      []byte
	list     []message
	barriers []chan<- error
}

type message struct {
	subject string
	end     int // in buf; it begins where the one before ends
}

// overhead is what a message costs beside its bytes.
const overhead = 32

func (b *batch) size() int { return len(b.buf) + overhead*len(b.list) }

func (b *batch) messages() iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		start := 0
		for _, m := range b.list {
			if !yield(m.subject, b.buf[start:m.end]) {
				return
			}
			start = m.end
		}
	}
}

// keepBytes is the largest buffer that is kept for the next batch: a burst does
// not hold its memory for ever.
const keepBytes = 1 << 20

func (b *batch) reset() {
	if cap(b.buf) > keepBytes {
		*b = batch{}
	}
	clear(b.barriers)
	b.buf, b.list, b.barriers = b.buf[:0], b.list[:0], b.barriers[:0]
}

func newOutbound(maxBytes int) *outbound {
	return &outbound{maxBytes: maxBytes, wake: make(chan struct{}, 1), next: &batch{}, spare: &batch{}}
}

// push copies a message into the queue, or says why not. It does not block.
func (o *outbound) push(subject string, data []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusal != nil {
		return o.refusal
	}
	if o.next.size()+o.flying+len(data)+overhead > o.maxBytes {
		return ErrFull
	}
	o.next.buf = append(o.next.buf, data...)
	o.next.list = append(o.next.list, message{subject, len(o.next.buf)})
	o.wakeLocked()
	return nil
}

// barrier is answered when all that was pushed before has been written to the
// connection, or why that will not happen.
func (o *outbound) barrier() <-chan error {
	o.mu.Lock()
	defer o.mu.Unlock()
	answer := make(chan error, 1)
	if o.refusal != nil {
		answer <- o.refusal
		return answer
	}
	o.next.barriers = append(o.next.barriers, answer)
	o.wakeLocked()
	return answer
}

func (o *outbound) wakeLocked() {
	select {
	case o.wake <- struct{}{}:
	default:
	}
}

// take hands the writer what has collected; the writer gives it back with done.
func (o *outbound) take() *batch {
	o.mu.Lock()
	defer o.mu.Unlock()
	b := o.next
	o.next, o.spare, o.flying = o.spare, nil, b.size()
	return b
}

// done answers the batch's barriers.
func (o *outbound) done(b *batch) {
	for _, answer := range b.barriers {
		answer <- nil
	}
	b.reset()
	o.mu.Lock()
	defer o.mu.Unlock()
	o.spare, o.flying = b, 0
}

// waiting is how many bytes are queued or being written.
func (o *outbound) waiting() int {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.next.size() + o.flying
}

func (o *outbound) open() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusal = nil
}

// close refuses messages from now on and drops those that wait. It returns how
// many.
func (o *outbound) close(why error) (dropped int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.refusal = why
	dropped = len(o.next.list)
	for _, answer := range o.next.barriers {
		answer <- why
	}
	o.next.reset()
	return dropped
}
