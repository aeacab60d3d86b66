package verify

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/pkg/wire"
)

// readEvery is of how many entries one makes a user read.
const readEvery = 10

// mostBackoff keeps the clients busy: their connections are cut on purpose, and
// there are few of them.
const mostBackoff = time.Second

// device is one client under load.
type device struct {
	user   chat.User
	index  int
	rec    *recorder
	cutter *cutter
	client *client.Client
	slots  chan struct{} // room for messages without an ack
	known  *known        // what it may change
	count  *counters

	ready chan struct{} // closed when client is set
	live  chan struct{} // closed at the first synced
	once  sync.Once
	read  *rand.Rand // used by Handler alone
}

// counters is what the progress lines show.
type counters struct {
	sent, acked, refused, tooLate, received, reconnects atomic.Int64
}

// deviceOptions is what a device is made of.
type deviceOptions struct {
	user    chat.User
	device  chat.Device
	index   int
	urls    []string
	token   func(ctx context.Context) (string, error)
	epoch   string
	cursors map[chat.ConvID]chat.Seq
}

func (l *load) startDevice(ctx context.Context, o deviceOptions) (*device, error) {
	d := &device{
		user: o.user, index: o.index, count: &l.count,
		known: newKnown(o.user), rec: newRecorder(l.start, o.user, o.device), cutter: &cutter{},
		slots: make(chan struct{}, l.opt.InFlight), live: make(chan struct{}), ready: make(chan struct{}),
		read: rand.New(rand.NewPCG(l.opt.Seed, uint64(o.index)<<1)),
	}
	c, err := client.Start(ctx, client.Options{
		URLs: o.urls, Token: o.token, Device: o.device, Epoch: o.epoch, Cursors: o.cursors,
		Info:    wire.ClientInfo{Name: "parley verify"},
		Handler: d.handle, Events: 4096, Outbox: l.opt.InFlight + 16, MaxBackoff: mostBackoff,
		HTTPClient: d.cutter.httpClient(),
		Trace: client.Trace{
			Open: func(session int, _ string, h *wire.Hello) {
				e := Event{Kind: Open, Session: session}
				if e.Cursors = o.cursors; h.Resume != nil {
					e.Cursors = h.Resume.Cursors
				}
				d.rec.add(e)
			},
			Write: func(session int, f wire.Frame, _ []byte) { d.rec.wrote(session, f) },
			Read:  func(session int, f any, _ []byte) { d.rec.read(session, f) },
			Close: func(session int, code chat.CloseCode, err error) {
				d.rec.add(Event{Kind: Close, Session: session, Code: fmt.Sprintf("%d %v", code, err)})
			},
		},
	})
	if err != nil {
		return nil, err
	}
	d.client = c
	close(d.ready)
	l.devices = append(l.devices, d)
	return d, nil
}

// handle is the client's Handler.
func (d *device) handle(ev client.Event) {
	<-d.ready
	switch ev := ev.(type) {
	case client.State:
		switch ev.Phase {
		case client.Live:
			d.once.Do(func() { close(d.live) })
		case client.Offline:
			d.count.reconnects.Add(1)
		}
	case client.Outcome:
		switch change := d.known.answered(ev.CMID); {
		case ev.Err == nil:
			d.count.acked.Add(1)
		case change && isNotFound(ev.Err): // its message was recalled meanwhile; the checker looks
			d.count.tooLate.Add(1)
		default:
			d.count.refused.Add(1)
		}
		select {
		case <-d.slots:
		default:
		}
	case client.Entry:
		d.count.received.Add(1)
		d.known.saw(&ev.Entry)
		if ev.From != d.user && d.read.IntN(readEvery) == 0 {
			d.client.MarkRead(ev.Conv, ev.Seq)
		}
	}
}

// conversation is where messages go: a group, or a peer.
type conversation struct {
	conv    chat.ConvID
	members []chat.User // sorted
	direct  bool
}

func (c *conversation) peer(of chat.User) chat.User {
	for _, u := range c.members {
		if u != of {
			return u
		}
	}
	return of
}

// run sends a device's share of the messages, at the given pace, and loses its
// connection at random points of it.
func (d *device) run(ctx context.Context, l *load, share int, pace time.Duration) {
	rng := rand.New(rand.NewPCG(l.opt.Seed, uint64(d.index)<<1|1))
	cuts := map[int]int{}
	for range l.opt.Reconnects { // not in the last tenth: what is cut must be written
		cuts[rng.IntN(max(share*9/10, 1))]++
	}
	var mine []*conversation
	for _, c := range l.convs {
		if c.has(d.user) {
			mine = append(mine, c)
		}
	}
	begun := time.Now()
	for i := range max(share, 1) {
		for range cuts[i] {
			d.cutter.cut(cut(rng.IntN(3) + 1))
		}
		if i >= share || len(mine) == 0 {
			return
		}
		if pace > 0 && !sleepUntil(ctx, begun.Add(time.Duration(i)*pace)) {
			return
		}
		select {
		case d.slots <- struct{}{}:
		case <-ctx.Done():
			return
		case <-d.client.Done():
			return
		}
		c := mine[rng.IntN(len(mine))]
		var f wire.Frame
		if rng.Float64() < l.opt.Changes {
			f = d.known.change(rng, c.conv, fmt.Appendf(nil, `{"text":"%s %d again"}`, d.rec.log.Name(), i))
		}
		if f != nil {
			d.submit(f, Event{Kind: Submit, Fact: changeFact(d.user, f)})
		} else {
			d.message(rng, c, i)
		}
	}
}

// message sends one: in a direct conversation to the peer or by the
// conversation's id, once that exists.
func (d *device) message(rng *rand.Rand, c *conversation, i int) {
	f := &wire.Send{
		CMID: client.NewCMID(),
		Body: fmt.Appendf(nil, `{"text":"%s %d %x"}`, d.rec.log.Name(), i, rng.Uint64()),
	}
	if f.Conv = c.conv; c.direct && (d.client.Cursor(c.conv) == 0 || rng.IntN(2) == 0) {
		f.Conv, f.To = "", c.peer(d.user)
	}
	e := Event{Kind: Submit, To: f.To, Fact: sendFact(d.user, f)}
	e.Conv = c.conv
	d.submit(f, e)
}

func (d *device) submit(f wire.Frame, e Event) {
	d.rec.add(e)
	if _, err := d.client.Submit(f); err != nil {
		d.rec.add(Event{Kind: Refused, Fact: e.Fact, Code: err.Error()})
		d.count.refused.Add(1)
		<-d.slots
		return
	}
	d.count.sent.Add(1)
}

// sleepUntil waits; false: ctx ended first.
func sleepUntil(ctx context.Context, t time.Time) bool {
	timer := time.NewTimer(time.Until(t))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
