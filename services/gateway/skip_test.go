package gateway

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// announcedFor makes what a pod announces of n messages of 200 bytes between pairs
// of users with this prefix, each in a conversation of its own.
func announcedFor(prefix string, n int) []route.Announced {
	list := make([]route.Announced, n)
	for i := range list {
		a, b := chat.User(fmt.Sprint(prefix, "-a", i)), chat.User(fmt.Sprint(prefix, "-b", i))
		e := chat.Entry{Key: chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, a, b)}, Seq: 7, Kind: chat.KindMessage,
			From: a, CMID: "0123456789abcdef", Time: time.UnixMilli(1_700_000_000_000), Count: 7, MV: 0, Members: 2,
			Body: fmt.Appendf(nil, `{"text":"%0200d"}`, i), Concerns: []chat.User{a, b}}
		list[i] = route.Announced{Frame: frameOf(&e), From: e.From, Count: e.Count, MV: e.MV, Time: e.Time}
	}
	return list
}

// What an announcement costs that nobody here wants, beside users and
// conversations that are here.
func BenchmarkSkip(b *testing.B) {
	for _, n := range []int{1, 32} {
		b.Run(fmt.Sprint("entries=", n), func(b *testing.B) {
			g, o := lonely(b)
			data := route.AppendEnvelope(nil, o, announcedFor("elsewhere", n))
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				g.onEntries(data)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/entry")
		})
	}
}

func TestSkippingDoesNotAllocate(t *testing.T) {
	g, o := lonely(t)
	data := route.AppendEnvelope(nil, o, announcedFor("elsewhere", 32))
	least := math.Inf(1) // the gateway's loops allocate, too: more than it does itself counts at times, less never
	for i := 0; i < 20 && least > 0; i++ {
		least = min(least, testing.AllocsPerRun(100, func() { g.onEntries(data) }))
	}
	if least != 0 {
		t.Errorf("%v allocations for 32 entries that nobody here wants", least)
	}
}

// deafBus takes everything and brings nothing.
type deafBus struct{}

func (deafBus) Publish(bus.Topic, []byte) error                   { return nil }
func (deafBus) Subscribe(bus.Topic, func([]byte)) (func(), error) { return func() {}, nil }
func (deafBus) PublishTo(bus.Address, []byte) error               { return nil }
func (deafBus) SubscribeTo(func([]byte)) (func(bus.Address, bool), func(), error) {
	return func(bus.Address, bool) {}, func() {}, nil
}
func (deafBus) Flush(context.Context) error { return nil }

// resident is a session that is here and takes what it is given.
type resident struct{ user chat.User }

func (r *resident) Owner() (chat.NS, chat.User)           { return chat.DefaultNS, r.user }
func (*resident) Deliver(chat.Key, chat.Seq, []byte) bool { return true }
func (*resident) Offer([]byte)                            {}
func (*resident) Sync(chat.Key)                           {}
func (*resident) Discover(chat.Key)                       {}
func (*resident) Changed(chat.Key)                        {}
func (*resident) Ended(chat.Key, chat.Seq)                {}

// lonely is a gateway with 10,000 users of its own, that hears what another pod
// says, and whose announcements nobody hears.
func lonely(b testing.TB) (*Gateway, route.Origin) {
	b.Helper()
	s := memstore.New(memstore.Options{})
	meta, err := s.Meta(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	g, err := New(b.Context(), Options{Store: s, Bus: deafBus{}, Meta: meta, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { g.Drain(context.Background()) })
	for i := range 10_000 {
		r := &resident{chat.User(fmt.Sprint("here-", i))}
		g.table.Register(r)
		sub := g.table.Attach(chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, r.user, "x")}, r)
		b.Cleanup(sub.Detach)
	}
	return g, route.Origin{Epoch: meta.Epoch, Pod: "0123456789abcdef", Last: 1, Settled: 2, Number: 1, Parts: 1}
}
