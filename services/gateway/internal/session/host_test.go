package session

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/wire"
)

// host serves sessions whose handler answers each ping frame with a pong.
type host struct {
	t    testing.TB
	opts Options
	srv  *httptest.Server
	on   func(s *Session, ref string) // called with each ping before its pong; may be nil

	handler func(s *Session) Handler // instead; may be nil

	mu    sync.Mutex
	open  map[*Session]bool
	ended chan *Session // told of by Ended
	all   sync.WaitGroup
}

func newHost(t testing.TB, opts Options) *host {
	t.Helper()
	h := &host{t: t, opts: opts.WithDefaults(), open: make(map[*Session]bool), ended: make(chan *Session, 10_000)}
	h.srv = httptest.NewServer(http.HandlerFunc(h.accept))
	t.Cleanup(func() {
		h.srv.Close()
		for _, s := range h.sessions() {
			s.Close(1001, "the test is over")
			cut(s)
		}
		h.all.Wait()
		h.opts.Poller.Close()
	})
	return h
}

func (h *host) accept(w http.ResponseWriter, r *http.Request) {
	s, err := Accept(w, r, &h.opts)
	if err != nil {
		h.t.Errorf("accept: %v", err)
		return
	}
	h.mu.Lock()
	h.open[s] = true
	h.mu.Unlock()
	h.all.Add(1)
	if h.handler != nil {
		s.Serve(h.handler(s))
		return
	}
	s.Serve(&guest{h, s})
}

func (h *host) sessions() (list []*Session) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for s := range h.open {
		list = append(list, s)
	}
	return list
}

// guest is a session's handler.
type guest struct {
	h *host
	s *Session
}

func (g *guest) Handle(f wire.Frame, ref string) {
	if g.h.on != nil {
		g.h.on(g.s, ref)
	}
	g.s.Answer(wire.Encode(&wire.Pong{Type: "pong", Ref: ref}))
}

func (g *guest) Ended() {
	g.h.mu.Lock()
	delete(g.h.open, g.s)
	g.h.mu.Unlock()
	g.h.ended <- g.s
	g.h.all.Done()
}

// peer is a client that writes bytes.
type peer struct {
	t  testing.TB
	nc net.Conn
	br *bufio.Reader
}

const handshake = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: " + wire.Subprotocol + "\r\n\r\n"

// connect makes a connection; what is early is sent right behind the handshake.
func (h *host) connect(early ...byte) *peer {
	h.t.Helper()
	nc, err := net.Dial("tcp", h.srv.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	return newPeer(h.t, nc, early)
}

func newPeer(t testing.TB, nc net.Conn, early []byte) *peer {
	t.Helper()
	t.Cleanup(func() { _ = nc.Close() })
	p := &peer{t, nc, bufio.NewReader(nc)}
	p.write(append([]byte(handshake), early...))
	res, err := http.ReadResponse(p.br, nil)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %s", res.Status)
	}
	return p
}

func (p *peer) write(b []byte) {
	p.t.Helper()
	if _, err := p.nc.Write(b); err != nil {
		p.t.Fatalf("write: %v", err)
	}
}

// ask is a ping frame of ours in a frame of a client.
func ask(ref string) []byte { return frame(finText, fmt.Sprintf(`{"type":"ping","ref":%q}`, ref)) }

// frame is a client's frame.
func frame(first byte, payload string) []byte {
	b := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		b[1] = 0x80 | 126
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	mask := [4]byte{1, 2, 3, 4}
	b = append(b, mask[:]...)
	for i := range len(payload) {
		b = append(b, payload[i]^mask[i%4])
	}
	return b
}

// read reads a server's frame of at most 64 KiB.
func (p *peer) read() (first byte, payload string, err error) {
	_ = p.nc.SetReadDeadline(time.Now().Add(20 * time.Second))
	defer func() { _ = p.nc.SetReadDeadline(time.Time{}) }()
	return p.wait()
}

// wait is read without a bound in time.
func (p *peer) wait() (first byte, payload string, err error) {
	var head [4]byte
	if _, err := io.ReadFull(p.br, head[:2]); err != nil {
		return 0, "", err
	}
	size := int(head[1])
	if size == 126 {
		if _, err := io.ReadFull(p.br, head[2:4]); err != nil {
			return 0, "", err
		}
		size = int(binary.BigEndian.Uint16(head[2:]))
	}
	var b bytes.Buffer
	_, err = io.CopyN(&b, p.br, int64(size))
	return head[0], b.String(), err
}

// answered expects the pong with a ref, and before it as many WebSocket pongs.
func (p *peer) answered(ref string, pongs int) {
	p.t.Helper()
	for {
		first, payload, err := p.read()
		switch {
		case err != nil:
			p.t.Fatalf("waiting for %q: %v", ref, err)
		case first == 0x8a && pongs > 0:
			pongs--
		case first == finText && strings.Contains(payload, fmt.Sprintf("%q", ref)) && pongs == 0:
			return
		default:
			p.t.Fatalf("waiting for %q and %d pongs: %x %q", ref, pongs, first, payload)
		}
	}
}

// closed expects a close frame, and tells its code.
func (p *peer) closed() websocket.StatusCode {
	p.t.Helper()
	for {
		first, payload, err := p.read()
		if err != nil {
			p.t.Fatalf("waiting for a close frame: %v", err)
		}
		if first == finClose {
			return websocket.StatusCode(binary.BigEndian.Uint16([]byte(payload)))
		}
	}
}

// until waits for a condition that other goroutines make true.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(time.Millisecond); !cond(); {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("%s: not in 20 s", what)
		}
	}
}

// cut ends a session's connection, as its clock does.
func cut(s *Session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.link.interrupt()
}
