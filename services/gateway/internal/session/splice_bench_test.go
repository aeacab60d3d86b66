package session

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
)

var benchKey = chat.Key{NS: "_", Conv: "g_abcdefghijklmnopqrstuvwxyz"}

// missed is a feed with one conversation of so many entries, all in memory.
type missed struct {
	entries []chat.Entry
	part    view.Part
	sub     caughtUp
}

func newMissed(n int) *missed {
	m := &missed{}
	m.part.Conversation = chat.Conversation{Key: benchKey, Kind: chat.Group, Floor: 1}
	m.part.Member = chat.Member{Key: benchKey, User: "bob"}
	m.part.Start, m.part.End = 1, chat.Seq(n)
	for i := range n {
		m.entries = append(m.entries, chat.Entry{Key: benchKey, Seq: chat.Seq(i + 1), Kind: chat.KindMessage, From: "alice",
			CMID: "0123456789abcdefghijklmn", Time: time.Unix(1e9, 0), Count: int64(i + 1), Body: []byte(`{"text":"` + strings.Repeat("x", 189) + `"}`)})
	}
	m.sub = make(caughtUp, 1)
	return m
}

func (m *missed) Start(context.Context) ([]Stream, error) { return nil, nil }
func (m *missed) Attach(context.Context, chat.Key) (Stream, error) {
	return Stream{Key: benchKey, Sub: m.sub, Behind: true}, nil
}
func (m *missed) Access(context.Context, chat.Key) (view.Part, error) { return m.part, nil }
func (m *missed) Describe(_ context.Context, parts []view.Part) ([][]byte, error) {
	return slices.Repeat([][]byte{[]byte(`{}`)}, len(parts)), nil
}
func (m *missed) Entries(_ context.Context, _ chat.Key, after, upTo chat.Seq) ([]chat.Entry, error) {
	return m.entries[after:min(upTo, after+100)], nil
}

// caughtUp is a place in a table of which nothing else goes by; it gets a token
// when the session goes live.
type caughtUp chan struct{}

func (c caughtUp) Known() chat.Seq    { return 0 }
func (c caughtUp) Idle(chat.Seq) bool { return true }
func (c caughtUp) Cursor() chat.Seq   { return 0 }
func (c caughtUp) Detach()            {}
func (c caughtUp) Live(cursor chat.Seq) (bool, chat.Seq) {
	c <- struct{}{}
	return true, cursor
}

// BenchmarkSplice is a session that catches up with 10,000 missed entries and goes
// live: read, encoded, queued, written. One operation is one entry.
func BenchmarkSplice(b *testing.B) {
	const n = 10_000
	m := newMissed(n)
	h := newHost(b, Options{Poller: Goroutines{}})
	c := h.connect()
	c.write(ask("x"))
	c.answered("x", 0)
	s := h.sessions()[0]
	s.Begin(Identity{ID: "s", NS: "_", User: "bob", Device: "default"}, m)
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, c.br) // until the session ends
	}()
	b.Cleanup(func() { _ = c.nc.Close(); <-read })
	s.mu.Lock()
	s.flushing = true
	s.mu.Unlock()
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i += n {
		m.part.End = chat.Seq(min(n, b.N-i))
		s.Discover(benchKey)
		<-m.sub
		s.Ended(benchKey, 0)
	}
}
