package session

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/view"
	"github.com/parley-chat/parley/pkg/wire"
)

// benchSession is a session whose peer reads everything and looks at nothing.
func benchSession(b *testing.B, feed Feed) *Session {
	opts := Options{Log: slog.New(slog.DiscardHandler)}.WithDefaults()
	accepted, served := make(chan *Session, 1), make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s, err := Accept(w, r, &opts)
		if err != nil {
			b.Error(err)
			close(accepted)
			return
		}
		s.Begin(Identity{ID: "s", NS: "_", User: "bob", Device: "default"}, feed)
		go func() {
			defer close(served)
			s.Serve(func(wire.Frame, string) {})
		}()
		accepted <- s
	}))
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	fmt.Fprintf(nc, "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Protocol: %s\r\n\r\n", wire.Subprotocol)
	res, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil || res.StatusCode != http.StatusSwitchingProtocols {
		b.Fatal(res, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(io.Discard, nc) // until the session ends
	}()
	b.Cleanup(func() {
		_ = nc.Close()
		<-read
		<-served
		srv.Close()
	})
	s := <-accepted
	if s == nil {
		b.FailNow()
	}
	return s
}

var benchKey = chat.Key{NS: "_", Conv: "g_abcdefghijklmnopqrstuvwxyz"}

// BenchmarkDeliver queues entries and writes them to a socket, as many at a time
// as have come.
func BenchmarkDeliver(b *testing.B) {
	s := benchSession(b, nil)
	frame := []byte(strings.Repeat("x", 400))
	b.ReportAllocs()
	b.SetBytes(int64(len(frame)))
	seq := chat.Seq(0)
	for b.Loop() {
		seq++
		for !s.Deliver(benchKey, seq, frame) {
			if !s.credit() {
				b.Fatal("the session has ended")
			}
		}
	}
}

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
func (m *missed) Describe(context.Context, view.Part) ([]byte, error) { return []byte(`{}`), nil }
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
	s := benchSession(b, m)
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
