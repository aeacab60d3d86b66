package client

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	conv  chat.ConvID = "g_abcdefghijklmnopqrstuvwxyz"
	conv2 chat.ConvID = "g_bbbbbbbbbbbbbbbbbbbbbbbbbb"
	dconv chat.ConvID = "d_cccccccccccccccccccccccccc"
)

// fake is a scripted gateway on connections in memory: the test plays its part,
// frame by frame.
type fake struct {
	t     *testing.T
	conns chan net.Conn
	peers chan *peer
	ctx   context.Context
	web   *http.Client

	mu     sync.Mutex
	refuse []int    // HTTP statuses for the next upgrades; 0: the dial itself fails
	hosts  []string // that were dialed
	tokens []string // that were shown
}

// Accept, Close and Addr make fake a [net.Listener].
func (f *fake) Accept() (net.Conn, error) {
	select {
	case c := <-f.conns:
		return c, nil
	case <-f.ctx.Done():
		return nil, net.ErrClosed
	}
}
func (f *fake) Close() error   { return nil }
func (f *fake) Addr() net.Addr { return &net.UnixAddr{} }

func (f *fake) dial(ctx context.Context, _, addr string) (net.Conn, error) {
	f.mu.Lock()
	f.hosts = append(f.hosts, addr)
	fail := len(f.refuse) > 0 && f.refuse[0] == 0
	if fail {
		f.refuse = f.refuse[1:]
	}
	f.mu.Unlock()
	if fail {
		return nil, &net.OpError{Op: "dial", Err: net.ErrClosed}
	}
	ours, theirs := net.Pipe()
	select {
	case f.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	f.tokens = append(f.tokens, r.Header.Get("Authorization"))
	status := 0
	if len(f.refuse) > 0 {
		status, f.refuse = f.refuse[0], f.refuse[1:]
	}
	f.mu.Unlock()
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	ws, err := websocket.Accept(w, r, &websocket.AcceptOptions{Subprotocols: []string{wire.Subprotocol}})
	if err != nil {
		f.t.Error(err)
		return
	}
	ws.SetReadLimit(1 << 20)
	p := &peer{t: f.t, ws: ws, ctx: f.ctx}
	select {
	case f.peers <- p:
		<-f.ctx.Done()
	case <-f.ctx.Done():
	}
	ws.CloseNow()
}

// bench is a client and the gateway that it talks to.
type bench struct {
	*fake
	c      *Client
	events chan Event
	over   chan struct{} // closed when the script has ended
}

// play runs a test in a bubble with faked time: ten seconds of silence cost nothing.
func play(t *testing.T, opt Options, script func(t *testing.T, b *bench)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		f := &fake{t: t, ctx: ctx, conns: make(chan net.Conn), peers: make(chan *peer)}
		srv := &http.Server{Handler: f}
		served := make(chan struct{})
		go func() {
			defer close(served)
			srv.Serve(f)
		}()
		transport := &http.Transport{DialContext: f.dial, DisableKeepAlives: true}
		f.web = &http.Client{Transport: transport}
		b := &bench{fake: f, events: make(chan Event, 10_000), over: make(chan struct{})}
		if opt.Events > 0 { // the test is about a handler that does not keep up
			b.events = make(chan Event)
		}
		opt := opt
		if opt.URLs == nil {
			opt.URLs = []string{"http://one"}
		}
		if opt.Token == nil {
			n := byte('0')
			opt.Token = func(context.Context) (string, error) { n++; return "token" + string(n), nil }
		}
		if opt.Handler == nil {
			opt.Handler = func(ev Event) {
				select {
				case b.events <- ev:
				case <-b.over:
				}
			}
		}
		opt.HTTPClient = f.web
		opt.Jitter = func(limit time.Duration) time.Duration { return limit }
		c, err := Start(t.Context(), opt)
		if err != nil {
			t.Fatal(err)
		}
		b.c = c
		script(t, b)
		close(b.over)
		c.Close()
		cancel()
		srv.Close()
		<-served
		transport.CloseIdleConnections()
	})
}

// peer is one connection, seen from the gateway.
type peer struct {
	t   *testing.T
	ws  *websocket.Conn
	ctx context.Context
}

// accept waits for the next connection and reads its hello.
func (b *bench) accept() (*peer, *wire.Hello) {
	b.t.Helper()
	p := <-b.peers
	return p, read[*wire.Hello](p)
}

// live takes a connection up to synced.
func (b *bench) live() (*peer, *wire.Hello) {
	b.t.Helper()
	p, h := b.accept()
	p.welcome("e1")
	p.write(&wire.Synced{Type: "synced"})
	return p, h
}

func (p *peer) welcome(epoch string) {
	p.write(&wire.Welcome{Type: "welcome", Session: "s", User: "me", Epoch: epoch, HeartbeatMS: 25_000, Limits: chat.Limits{}.WithDefaults()})
}

func (p *peer) write(frame any) {
	p.t.Helper()
	if err := p.ws.Write(p.ctx, websocket.MessageText, wire.Encode(frame)); err != nil {
		p.t.Fatalf("gateway writes %T: %v", frame, err)
	}
}

// read expects a frame of a type.
func read[F wire.Frame](p *peer) F {
	p.t.Helper()
	_, raw, err := p.ws.Read(p.ctx)
	if err != nil {
		p.t.Fatalf("gateway reads: %v", err)
	}
	f, _, cerr := wire.Decode(raw, chat.Limits{}.WithDefaults())
	if cerr != nil {
		p.t.Fatalf("the client sent %s: %v", raw, cerr)
	}
	want, ok := f.(F)
	if !ok {
		p.t.Fatalf("the client sent %s, want %T", raw, want)
	}
	return want
}

// gone reads until the client has closed the connection.
func (p *peer) gone() websocket.StatusCode {
	for {
		if _, _, err := p.ws.Read(p.ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

// cut ends the connection without a word.
func (p *peer) cut() { p.ws.CloseNow() }

func (p *peer) close(code chat.CloseCode) { p.ws.Close(websocket.StatusCode(code), "because") }

func (p *peer) ack(s *wire.Send, conv chat.ConvID, seq chat.Seq) {
	p.t.Helper()
	p.write(&wire.Ack{Type: "ack", Ref: s.Ref, Conv: conv, Seq: seq, CMID: s.CMID, ID: chat.EntryID(conv, seq)})
}

func (p *peer) refuse(s *wire.Send, code chat.Code, after time.Duration) {
	p.t.Helper()
	p.write(wire.NewError(s.Ref, &chat.Error{Code: code, Message: "no", RetryAfter: after}))
}

func entry(conv chat.ConvID, seq chat.Seq) *wire.Entry {
	return &wire.Entry{Type: "message", Conv: conv, Seq: seq, ID: chat.EntryID(conv, seq), From: "bob", CMID: chat.CMID("b" + chat.EntryID("x", seq)), Count: int64(seq), Body: []byte(`{"text":"x"}`)}
}

func (p *peer) entries(conv chat.ConvID, seqs ...chat.Seq) {
	p.t.Helper()
	for _, s := range seqs {
		p.write(entry(conv, s))
	}
}

// await gives the next event of a type; others are passed over.
func await[E Event](b *bench) E {
	for {
		if ev, ok := (<-b.events).(E); ok {
			return ev
		}
	}
}

// state waits for a phase.
func (b *bench) state(p Phase) State {
	for {
		if s := await[State](b); s.Phase == p {
			return s
		}
	}
}

// seqs are the entries that Handler got so far.
func (b *bench) seqs() (out []chat.Seq) {
	synctest.Wait()
	for {
		select {
		case ev := <-b.events:
			if e, ok := ev.(Entry); ok {
				out = append(out, e.Seq)
			}
		default:
			return out
		}
	}
}

func (b *bench) send(conv chat.ConvID, text string) *Sent {
	b.t.Helper()
	s, err := b.c.SendConv(conv, Message{Text: text})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}
