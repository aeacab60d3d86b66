package commit

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/services/gateway/internal/journal"
	"github.com/parley-chat/parley/services/gateway/internal/state"
)

// instantStore stores and finishes at once, and keeps nothing: what is left is the
// committer's own cost.
type instantStore struct{ *memstore.Store }

func (instantStore) Append(_ context.Context, b store.Batch) store.Appended {
	outcomes := make([]store.Outcome, len(b.Entries))
	for i := range outcomes {
		outcomes[i] = store.Stored
	}
	return store.Appended{Outcomes: outcomes, Finished: true}
}

// BenchmarkAppend takes a message from Submit to its answer, with a store that
// costs nothing: so many conversations at a time, each with so many in flight.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ lanes, inFlight int }{{1, 1}, {200, 16}, {1000, 1}} {
		b.Run(fmt.Sprintf("lanes=%d/inflight=%d", c.lanes, c.inFlight), func(b *testing.B) {
			benchAppend(b, c.lanes, c.inFlight)
		})
	}
}

func benchAppend(b *testing.B, lanes, inFlight int) {
	s := memstore.New(memstore.Options{})
	var announced atomic.Int64
	c := NewCommitter(Options{Store: instantStore{s}, Journal: journal.New(journal.Options{Store: s}), Log: slog.New(slog.DiscardHandler),
		Committed: func(_ store.JournalID, list []chat.Entry, _ []tracing.Context) { announced.Add(int64(len(list))) }})
	defer c.Stop(b.Context())
	list := make([]benchLane, lanes)
	for i := range list { // a lane's first command loads its state
		list[i] = newBenchLane(i)
		first := make(chan Result, 1)
		c.Submit(list[i].request(func(res Result) { first <- res }))
		if res := <-first; res.Err != nil {
			b.Fatal(res.Err)
		}
	}
	var left, refused atomic.Int64
	end := make(chan struct{})
	submit := func(l *benchLane, done func(Result)) {
		switch n := left.Add(-1); {
		case n >= 0:
			c.Submit(l.request(done))
		case n == -int64(lanes*inFlight):
			close(end)
		}
	}
	left.Store(int64(b.N))
	b.ReportAllocs()
	b.ResetTimer()
	for i := range lanes * inFlight {
		l := &list[i%lanes]
		var done func(Result)
		done = func(res Result) {
			if res.Err != nil {
				refused.Add(1)
			}
			submit(l, done)
		}
		submit(l, done)
	}
	<-end
	b.StopTimer()
	if refused.Load() > 0 {
		b.Fatalf("%d were refused", refused.Load())
	}
}

// benchLane is what the requests of one direct conversation have in common.
type benchLane struct {
	key  chat.Key
	from chat.User
	new  *New
}

func newBenchLane(i int) benchLane {
	users := []chat.User{chat.User(fmt.Sprintf("a%d", i)), chat.User(fmt.Sprintf("b%d", i))}
	key := chat.Key{NS: "_", Conv: chat.DirectID("_", users[0], users[1])}
	n := &New{Conversation: chat.Conversation{Key: key, Kind: chat.Direct, Users: users, Floor: 1}}
	for _, u := range users {
		n.Members = append(n.Members, chat.Member{Key: key, User: u, Role: chat.RoleMember, Joined: 1})
	}
	return benchLane{key: key, from: users[0], new: n}
}

func (l *benchLane) request(done func(Result)) *Request {
	return &Request{Key: l.key, From: l.from, CMID: "0123456789abcdefghijklmn", Size: 200, New: l.new, Judge: allowed, Done: done}
}

func allowed(*state.State) (chat.Entry, *chat.Error) {
	return chat.Entry{Kind: chat.KindMessage, Time: time.Unix(1e9, 0)}, nil
}
