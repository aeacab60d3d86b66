package session

import (
	"fmt"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// BenchmarkFrames is a frame in and a frame out: both ways to wait, one frame a
// connection in flight or many. The clients are in the process, and do no more
// than count bytes.
func BenchmarkFrames(b *testing.B) {
	for _, reader := range []string{"goroutine", "event"} {
		for _, c := range []struct{ conns, window int }{{1, 1}, {64, 1}, {64, 16}} {
			b.Run(fmt.Sprintf("%s/conns=%d/window=%d", reader, c.conns, c.window), func(b *testing.B) {
				var p Poller = Goroutines{}
				if reader == "event" {
					p = events(b)
				}
				benchmarkFrames(b, p, c.conns, c.window)
			})
		}
	}
}

// fixed answers each frame with the same bytes.
type fixed struct {
	s      *Session
	answer []byte
	ended  func()
}

func (f *fixed) Handle(wire.Frame, string) { f.s.Answer(f.answer) }

func (f *fixed) Ended() { f.ended() }

func benchmarkFrames(b *testing.B, p Poller, conns, window int) {
	answer := wire.Encode(&wire.Pong{Type: "pong", Ref: "0123456789"})
	h := newHost(b, Options{Poller: p})
	h.handler = func(s *Session) Handler { return &fixed{s, answer, (&guest{h, s}).Ended} }
	question := ask("0123456789")
	size := int64(len(answer) + 2)
	list := make([]net.Conn, conns)
	for i := range list {
		list[i] = h.connect().nc
	}
	b.ReportAllocs()
	b.ResetTimer()
	var wg sync.WaitGroup
	for _, nc := range list {
		wg.Go(func() {
			in, out := make([]byte, size), question
			for range window {
				if _, err := nc.Write(out); err != nil {
					b.Error(err)
					return
				}
			}
			for i := range b.N/conns + window {
				if _, err := io.ReadFull(nc, in); err != nil {
					b.Error(err)
					return
				}
				if i < b.N/conns {
					if _, err := nc.Write(out); err != nil {
						b.Error(err)
						return
					}
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkWrite is a frame of 200 bytes on its way to a client, as fast as the
// client takes them.
func BenchmarkWrite(b *testing.B) {
	h := newHost(b, Options{Poller: Goroutines{}})
	c := h.connect()
	c.write(ask("x"))
	c.answered("x", 0)
	s := h.sessions()[0]
	done := make(chan error, 1)
	payload := append(append([]byte(`{"x":"`), make([]byte, 192)...), `"}`...)
	n := b.N
	go func() {
		_, err := io.CopyN(io.Discard, c.br, int64(n)*int64(len(payload)+4))
		done <- err
	}()
	b.SetBytes(int64(len(payload)))
	b.ReportAllocs()
	b.ResetTimer()
	for range n {
		for !s.Deliver(chat.Key{}, 1, payload) {
			if !s.credit() {
				b.Fatal("the session has ended")
			}
		}
	}
	if err := <-done; err != nil {
		b.Fatal(err)
	}
}
