package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// call is a frame that is answered by one with its ref, or by nothing at all.
type call struct {
	ref     string
	frame   wire.Frame
	raw     []byte
	kind    callKind
	fill    chat.ConvID // a gap of this conversation; nobody waits
	asked   time.Time   // when it was written; zero: to be written
	notTill time.Time

	done   chan struct{} // closed when answer and err are set
	answer any
	err    error
}

type callKind uint8

const (
	ask    callKind = iota // any answer with the ref is the answer
	insist                 // repeated after unavailable, internal and rate_limited
	oneWay                 // done when it is written
)

// calls is the frames that are neither commands nor marks, in the order in which
// they are written.
type calls struct {
	limit  int
	serial uint64
	byRef  map[string]*call
	order  []*call
}

func newCalls(limit int) calls { return calls{limit: limit, byRef: map[string]*call{}} }

// ref makes one that no cmid and no earlier call has: ":" is not in their
// alphabet.
func (q *calls) ref() string {
	q.serial++
	return "q:" + strconv.FormatUint(q.serial, 36)
}

func (q *calls) add(k *call) error {
	if len(q.order) >= q.limit {
		return ErrFull
	}
	q.byRef[k.ref] = k
	q.order = append(q.order, k)
	return nil
}

func (q *calls) remove(k *call) {
	if q.byRef[k.ref] == k {
		delete(q.byRef, k.ref)
		q.order = slices.DeleteFunc(q.order, func(o *call) bool { return o == k })
	}
}

func (q *calls) settle(k *call, answer any, err error) {
	q.remove(k)
	k.answer, k.err = answer, err
	close(k.done)
}

// next gives the call to write now, or when there will be one (zero: never). A
// question without an answer for too long is put again.
func (q *calls) next(now time.Time) (*call, time.Time) {
	var at time.Time
	for _, k := range q.order {
		due := k.notTill
		if !k.asked.IsZero() {
			due = k.asked.Add(answerWithin)
		}
		if !due.After(now) {
			k.asked = now
			return k, time.Time{}
		}
		if at.IsZero() || due.Before(at) {
			at = due
		}
	}
	return nil, at
}

// disconnected puts all open questions again, except those about gaps: the next
// flush fills them.
func (q *calls) disconnected() {
	for _, k := range slices.Clone(q.order) {
		k.asked = time.Time{}
		if k.fill != "" {
			q.remove(k)
		}
	}
}

func (q *calls) settleAll(err error) {
	for _, k := range slices.Clone(q.order) {
		q.settle(k, nil, err)
	}
}

// Request sends a frame with a ref of its own and waits for the answer: Ack, Page,
// Error or Pong, by pointer. After a lost connection, and after 10 s of silence,
// the frame is sent again. It must not be called by Handler.
func (c *Client) Request(ctx context.Context, f wire.Frame) (any, error) {
	return c.call(ctx, f, ask)
}

// Post sends a frame that has no answer, or whose answer is left to Handler (or
// Trace), under the ref that it carries. It waits until a connection takes it and
// must not be called by Handler. Whether it arrives is not known.
func (c *Client) Post(ctx context.Context, f wire.Frame) error {
	_, err := c.call(ctx, f, oneWay)
	return err
}

// Ping waits for a sign of life. What the server had sent before it has been read
// then, and is before Handler or on its way to it.
func (c *Client) Ping(ctx context.Context) error {
	_, err := c.call(ctx, &wire.Ping{}, insist)
	return err
}

// Span selects a page of history: exactly one of Before, After (exclusive) and
// Around (inclusive) is set.
type Span struct {
	Before, After, Around *chat.Seq
	Limit                 int // 0: the server's default
}

// History reads a page of a conversation's log. It waits for a connection and
// repeats itself until it has an answer or ctx ends; it must not be called by
// Handler. A refusal is a [*chat.Error].
func (c *Client) History(ctx context.Context, conv chat.ConvID, sp Span) (*wire.Page[wire.Entry], error) {
	f := &wire.History{Conv: conv, Before: sp.Before, After: sp.After, Around: sp.Around}
	if sp.Limit > 0 {
		f.Limit = &sp.Limit
	}
	answer, err := c.call(ctx, f, insist)
	if err != nil {
		return nil, fmt.Errorf("history: %w", err)
	}
	page, ok := answer.(*wire.Page[wire.Entry])
	if !ok {
		return nil, fmt.Errorf("history: unexpected answer %T", answer)
	}
	return page, nil
}

func (c *Client) call(ctx context.Context, f wire.Frame, kind callKind) (any, error) {
	k, err := c.newCall(f, kind)
	if err != nil {
		return nil, err
	}
	c.signal()
	select {
	case <-k.done:
		return k.answer, k.err
	case <-ctx.Done():
		c.mu.Lock()
		c.calls.remove(k)
		c.mu.Unlock()
		return nil, ctx.Err()
	}
}

func (c *Client) newCall(f wire.Frame, kind callKind) (*call, error) {
	if _, ok := f.(*wire.Hello); ok {
		return nil, errors.New("client: hello is sent by the client itself")
	}
	k := &call{frame: f, kind: kind, done: make(chan struct{})}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return nil, ErrClosed
	}
	k.ref = c.calls.ref()
	if kind != oneWay {
		headOf(f).Ref = k.ref
	}
	var err error
	if k.raw, err = wire.EncodeClient(f); err != nil {
		return nil, err
	}
	return k, c.calls.add(k)
}

// answeredLocked takes a frame with a ref; false: it belongs to no call.
func (c *Client) answeredLocked(ref string, answer any, now time.Time) bool {
	k := c.calls.byRef[ref]
	if k == nil || k.kind == oneWay {
		return false
	}
	e, refused := answer.(*wire.Error)
	switch {
	case refused && k.kind == insist && repeatable(e.Code):
		k.asked = time.Time{}
		k.notTill = now.Add(max(time.Duration(e.RetryAfterMS)*time.Millisecond, 100*time.Millisecond))
	case refused && k.kind == insist:
		c.calls.settle(k, nil, wireError(e))
	default:
		c.calls.settle(k, answer, nil)
	}
	return true
}

// repeatable reports whether a code leaves it open what happened, or asks to come
// back later: the same frame is sent again.
func repeatable(code chat.Code) bool {
	return code == chat.CodeUnavailable || code == chat.CodeInternal || code == chat.CodeRateLimited
}

func wireError(e *wire.Error) *chat.Error {
	return &chat.Error{Code: e.Code, Message: e.Message, RetryAfter: time.Duration(e.RetryAfterMS) * time.Millisecond}
}
