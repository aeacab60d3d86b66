package route

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// benchSink takes everything and keeps nothing.
type benchSink struct {
	user chat.User
	got  int
}

func (s *benchSink) Owner() (chat.NS, chat.User)             { return "_", s.user }
func (s *benchSink) Deliver(chat.Key, chat.Seq, []byte) bool { s.got++; return true }
func (s *benchSink) Offer([]byte)                            {}
func (s *benchSink) Sync(chat.Key)                           {}
func (s *benchSink) Discover(chat.Key)                       {}
func (s *benchSink) Changed(chat.Key)                        {}
func (s *benchSink) Ended(chat.Key, chat.Seq)                {}

func benchTable(b *testing.B) *Table {
	l := &log{}
	t := NewTable(Options{Read: l.read})
	b.Cleanup(t.Stop)
	return t
}

func benchFrame(seq chat.Seq) *Frame {
	return &Frame{Key: key, Seq: seq, Kind: chat.KindMessage, Members: 2, Data: []byte(strings.Repeat("x", 400))}
}

// join attaches a session that is live from cursor on.
func join(b *testing.B, t *Table, user chat.User, cursor chat.Seq) *Sub {
	sink := &benchSink{user: user}
	t.Register(sink)
	sub := t.Attach(key, sink)
	if ok, upTo := sub.Live(cursor); !ok {
		b.Fatalf("there is more, up to %d", upTo)
	}
	b.Cleanup(func() { sub.Detach(); t.Unregister(sink) })
	return sub
}

// BenchmarkFanOut routes one entry to the live sessions of a conversation; 2 is a
// direct one. One operation is one delivery.
func BenchmarkFanOut(b *testing.B) {
	for _, members := range []int{2, 10, 100, 1000} {
		b.Run(fmt.Sprintf("members=%d", members), func(b *testing.B) {
			t := benchTable(b)
			for i := range members {
				join(b, t, chat.User(fmt.Sprintf("user-%d", i)), 0)
			}
			b.ReportAllocs()
			b.ResetTimer()
			seq := chat.Seq(0)
			for n := 0; n < b.N; n += members {
				seq++
				t.Route(&Frame{Key: key, Seq: seq, Kind: chat.KindMessage, Members: members})
			}
		})
	}
}

// BenchmarkSplice takes a session that lacks 8 entries from syncing to live, out
// of the ring, and off again.
func BenchmarkSplice(b *testing.B) {
	t := benchTable(b)
	join(b, t, "alice", 0)
	for seq := chat.Seq(1); seq <= 16; seq++ {
		t.Route(benchFrame(seq))
	}
	sink := &benchSink{user: "bob"}
	b.ReportAllocs()
	for b.Loop() {
		sub := t.Attach(key, sink)
		if ok, _ := sub.Live(8); !ok {
			b.Fatal("the ring should have it")
		}
		sub.Detach()
	}
	if sink.got != 8*b.N {
		b.Fatalf("%d of %d entries came", sink.got, 8*b.N)
	}
}

// BenchmarkEnvelope makes and reads the announcement of one flush; one operation
// is one entry.
func BenchmarkEnvelope(b *testing.B) {
	origin := Origin{Epoch: "0123456789abcdef", Pod: "fedcba9876543210", Last: 1000, Settled: 990, Number: 1000, Parts: 1}
	for _, n := range []int{1, 16, 256} {
		list := make([]Announced, n)
		for i := range list {
			list[i] = Announced{Frame: *benchFrame(chat.Seq(i + 1)), From: "alice", Count: int64(i), Time: time.Unix(1e9, 0)}
			list[i].Concerns = []chat.User{"alice", "bob"}
		}
		data := AppendEnvelope(nil, origin, list)
		b.Run(fmt.Sprintf("append/entries=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data) / n))
			for i := 0; i < b.N; i += n {
				data = AppendEnvelope(data[:0], origin, list)
			}
		})
		b.Run(fmt.Sprintf("parse/entries=%d", n), func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(data) / n))
			for i := 0; i < b.N; i += n {
				if _, _, err := ParseEnvelope(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
