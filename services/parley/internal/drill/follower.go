package drill

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// place is one entry of one log.
type place struct {
	conv chat.ConvID
	seq  chat.Seq
}

// acks is when each message was acked to its sender.
type acks struct {
	mu sync.Mutex
	at map[place]time.Time
}

func newAcks() *acks { return &acks{at: make(map[place]time.Time)} }

// send writes n messages to a conversation, one after the other, and waits for their
// acks. It returns the last seq.
func (a *acks) send(ctx context.Context, c *client.Client, conv chat.ConvID, n int, every time.Duration) (last chat.Seq, err error) {
	for i := range n {
		if every > 0 && !pause(ctx, every) {
			return last, ctx.Err()
		}
		sent, err := c.SendConv(conv, client.Message{Text: fmt.Sprint("message ", i)})
		if err != nil {
			return last, fmt.Errorf("send: %w", err)
		}
		ack, err := sent.Wait(ctx)
		if err != nil {
			return last, fmt.Errorf("send: %w", err)
		}
		last = ack.Seq
		a.mu.Lock()
		a.at[place{conv, last}] = time.Now()
		a.mu.Unlock()
	}
	return last, nil
}

// follower is a device that only reads. It notes every entry in the order in which
// the client hands it on.
type follower struct {
	*client.Client
	user chat.User

	mu      sync.Mutex
	next    map[chat.ConvID]chat.Seq // what must come next; 0: whatever comes
	arrived map[place]time.Time
	wrong   string        // the first entry that was not the next
	live    chan struct{} // has a value after each synced
}

type followerOptions struct {
	user   chat.User
	device chat.Device
	urls   []string
	http   *http.Client // default: the common one
	before *follower    // the same device's earlier life: it goes on from there
}

// follow starts a follower.
func (w *world) follow(ctx context.Context, o followerOptions) (*follower, error) {
	f := &follower{user: o.user, next: make(map[chat.ConvID]chat.Seq), arrived: make(map[place]time.Time), live: make(chan struct{}, 1)}
	opts := client.Options{
		URLs: o.urls, Device: o.device, HTTPClient: o.http,
		Token:   func(ctx context.Context) (string, error) { return w.token(ctx, o.user) },
		Handler: f.handle,
	}
	if o.before != nil {
		opts.Epoch, opts.Cursors = o.before.Position()
		for conv, seq := range opts.Cursors {
			f.next[conv] = seq + 1
		}
	}
	c, err := client.Start(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("start a client: %w", err)
	}
	f.Client = c
	return f, nil
}

func (f *follower) handle(ev client.Event) {
	switch ev := ev.(type) {
	case client.Frame:
		if _, ok := ev.Frame.(*wire.Synced); ok {
			select {
			case f.live <- struct{}{}:
			default:
			}
		}
	case client.Entry:
		f.mu.Lock()
		defer f.mu.Unlock()
		if next := f.next[ev.Conv]; next != 0 && ev.Seq != next && f.wrong == "" {
			f.wrong = fmt.Sprintf("%s got seq %d of %s, and not %d", f.user, ev.Seq, ev.Conv, next)
		}
		f.next[ev.Conv] = ev.Seq + 1
		f.arrived[place{ev.Conv, ev.Seq}] = time.Now()
	}
}

// synced waits until everything that was missed is here.
func (f *follower) synced(ctx context.Context) error {
	select {
	case <-f.live:
		return nil
	case <-f.Done():
		return fmt.Errorf("%s has ended: %w", f.user, f.Err())
	case <-ctx.Done():
		return fmt.Errorf("%s is not synced: %w (%v)", f.user, ctx.Err(), f.State().Err)
	}
}

// has waits until everything up to seq is here, in order.
func (f *follower) has(ctx context.Context, conv chat.ConvID, seq chat.Seq) error {
	for f.Cursor(conv) < seq {
		if !pause(ctx, 20*time.Millisecond) {
			return fmt.Errorf("%s has seq %d of %d in %s; it is %s", f.user, f.Cursor(conv), seq, conv, f.State().Phase)
		}
	}
	return nil
}

// judge notes what a follower saw that it should not have seen.
func (r *Result) judge(f *follower) {
	f.mu.Lock()
	wrong := f.wrong
	f.mu.Unlock()
	if wrong != "" {
		r.violated(wrong)
	}
	if s := f.Stats(); s.Gaps > 0 || s.Duplicates > 0 {
		r.violated(fmt.Sprintf("%s was sent %d gaps and %d duplicates", f.user, s.Gaps, s.Duplicates))
	}
}
