package gateway

import (
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// brittle is a session that breaks at one conversation, as a defect would that nobody
// has found.
type brittle struct {
	at   chat.Key
	told chan chat.Key
}

func (b *brittle) Owner() (chat.NS, chat.User)             { return chat.DefaultNS, "bob" }
func (b *brittle) Deliver(chat.Key, chat.Seq, []byte) bool { return true }
func (b *brittle) Offer([]byte)                            {}
func (b *brittle) Sync(chat.Key)                           {}
func (b *brittle) Changed(chat.Key)                        {}
func (b *brittle) Ended(chat.Key, chat.Seq)                {}
func (b *brittle) Discover(key chat.Key) {
	if key == b.at {
		panic("this announcement breaks it")
	}
	b.told <- key
}

// tapped keeps the functions that a gateway gives to its bus.
type tapped struct {
	Bus
	takes map[bus.Topic]func([]byte)
}

func (t *tapped) Subscribe(topic bus.Topic, fn func([]byte)) (func(), error) {
	t.takes[topic] = fn
	return t.Bus.Subscribe(topic, fn)
}

func (t *tapped) SubscribeTo(fn func([]byte)) (func(bus.Address, bool), func(), error) {
	t.takes[bus.TopicUsers] = fn
	return t.Bus.SubscribeTo(fn)
}

// A message of another pod that breaks what takes it ends neither the pod nor what comes
// behind it. Its entries are of conversations that no store has, so that nothing but the
// message leads to them.
func TestAPanicCostsOneMessage(t *testing.T) {
	taps := &tapped{takes: map[bus.Topic]func([]byte){}}
	c := newCluster(t, 1, func(o *Options) {
		taps.Bus, o.Bus = o.Bus, taps
		o.Routing, o.Log = RoutingUsers, slog.New(slog.DiscardHandler)
	})
	g := c.gates[0]
	key := func(name string) chat.Key {
		return chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, "bob", chat.User(name))}
	}
	b := &brittle{at: key("bad"), told: make(chan chat.Key, 100)}
	g.table.Register(b)
	defer g.table.Unregister(b)
	for i, topic := range []bus.Topic{bus.TopicEntries, bus.TopicUsers} {
		take, before := taps.takes[topic], g.Stats().Foreign
		for n, k := range []chat.Key{key("bad"), key(fmt.Sprint("good", i))} {
			f := route.Frame{Key: k, Seq: 1, Kind: chat.KindMessage, Data: []byte(`{}`), Concerns: []chat.User{"bob"}}
			o := route.Origin{Epoch: *g.epoch.Load(), Pod: "another", Last: 1, Settled: 1}
			take(route.AppendEnvelope(nil, o, []route.Announced{{Frame: f, From: "bob", Count: 1, Time: time.Now()}}))
			if got := g.Stats().Foreign - before; got != 1 {
				t.Errorf("%s: after message %d, %d could not be read", topic, n+1, got)
			}
		}
		select {
		case k := <-b.told:
			if k != key(fmt.Sprint("good", i)) {
				t.Errorf("%s: told of %v", topic, k)
			}
		default:
			t.Errorf("%s: not told of what came behind", topic)
		}
	}
	if len(taps.takes) != 4 {
		t.Errorf("it takes %d topics", len(taps.takes))
	}
}

// brittleBus breaks at so many signals, which only presence sends where nobody is.
type brittleBus struct {
	Bus
	breaks, sent atomic.Int64
}

func (b *brittleBus) Publish(topic bus.Topic, data []byte) error {
	if topic == bus.TopicSignals {
		if b.breaks.Add(-1) >= 0 {
			panic("this signal breaks it")
		}
		b.sent.Add(1)
	}
	return b.Bus.Publish(topic, data)
}

// A loop that breaks goes on, and is counted.
func TestALoopThatPanicsGoesOn(t *testing.T) {
	b := &brittleBus{}
	b.breaks.Store(2)
	c := newCluster(t, 1, func(o *Options) {
		b.Bus, o.Bus = o.Bus, b
		o.Log = slog.New(slog.DiscardHandler)
		o.presence.Beat = 10 * time.Millisecond
		o.presence.Batch = 10 * time.Millisecond
	})
	c.until(func() bool { return b.sent.Load() > 0 })
	if got := c.gates[0].Stats().Panics; got != 2 {
		t.Errorf("%d panics were counted, want 2", got)
	}
	if sum := Sum([]Stats{{Panics: 1}, {Panics: 2}}); sum.Panics != 3 {
		t.Errorf("%d of two pods, want 3", sum.Panics)
	}
}
