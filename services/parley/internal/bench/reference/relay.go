package reference

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
	"github.com/parley-chat/parley/services/parley/internal/bench/socket"
)

// relay drives a server that hands what A sends to B.
func relay(coalesce bool) func(context.Context, Options, *atomic.Int64, func(...int)) error {
	server := "relay-plain"
	if coalesce {
		server = "relay"
	}
	return func(ctx context.Context, o Options, count *atomic.Int64, ready func(...int)) (err error) {
		c, err := startChild(ctx, o.Program, server)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, c.stop()) }()
		g, ctx := errgroup.WithContext(ctx)
		pairs := make([]*relayPair, o.Pairs)
		for i := range pairs {
			if pairs[i], err = dialPair(ctx, c.address, i, o); err != nil {
				return err
			}
			defer pairs[i].close()
		}
		stop := context.AfterFunc(ctx, func() {
			for _, p := range pairs {
				p.close()
			}
		})
		defer stop()
		for _, p := range pairs {
			if o.Rate > 0 {
				g.Go(func() error { return p.receive(ctx, count) })
			} else {
				g.Go(func() error { return p.run(ctx, count) })
			}
		}
		if o.Rate > 0 {
			g.Go(func() error { return pace(ctx, pairs, o.Rate) })
		}
		ready(c.pid())
		return g.Wait()
	}
}

// relayPair is two connections of the load generator.
type relayPair struct {
	a, b     *socket.Conn
	in       inbox
	inFlight int
	sent     int
}

func dialPair(ctx context.Context, address string, pair int, o Options) (*relayPair, error) {
	p := &relayPair{in: inbox{pair: pair, size: o.Size}, inFlight: o.InFlight}
	for _, side := range []struct {
		name string
		conn **socket.Conn
	}{{"b", &p.b}, {"a", &p.a}} {
		conn, err := socket.Dial(ctx, fmt.Sprintf("%s/%s?pair=%d", address, side.name, pair), socket.Options{})
		if err != nil {
			p.close()
			return nil, fmt.Errorf("connect pair %d: %w", pair, err)
		}
		*side.conn = conn
	}
	return p, nil
}

func (p *relayPair) close() {
	for _, c := range []*socket.Conn{p.a, p.b} {
		if c != nil {
			c.Close()
		}
	}
}

// run sends a message for each that arrives.
func (p *relayPair) run(ctx context.Context, count *atomic.Int64) error {
	var buf []byte
	for free := p.inFlight; ; {
		for ; free > 0; free-- {
			p.sent++
			buf = payload(buf[:0], p.in.pair, p.sent, p.in.size)
			p.a.Queue(buf)
		}
		if err := p.a.Flush(); err != nil {
			return over(ctx, err)
		}
		for free == 0 || p.b.Buffered() {
			b, err := p.b.Next()
			if err != nil {
				return over(ctx, err)
			}
			if err := p.in.check(b); err != nil {
				return err
			}
			free++
		}
		count.Add(int64(free))
	}
}

// receive counts what arrives.
func (p *relayPair) receive(ctx context.Context, count *atomic.Int64) error {
	for {
		b, err := p.b.Next()
		if err != nil {
			return over(ctx, err)
		}
		if err := p.in.check(b); err != nil {
			return err
		}
		count.Add(1)
	}
}

// pace sends at a rate, each pair in turn.
func pace(ctx context.Context, pairs []*relayPair, rate int) error {
	var clock measure.Alarm
	clock.Begin()
	defer clock.End()
	var buf []byte
	start := time.Now()
	for k := 0; ctx.Err() == nil; {
		if rest := time.Duration(k)*time.Second/time.Duration(rate) - time.Since(start); rest > 0 {
			clock.Sleep(rest)
			continue
		}
		p := pairs[k%len(pairs)]
		p.sent++
		buf = payload(buf[:0], p.in.pair, p.sent, p.in.size)
		p.a.Queue(buf)
		if err := p.a.Flush(); err != nil {
			return over(ctx, err)
		}
		k++
	}
	return nil
}

// over is no error where ctx has ended a connection.
func over(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// relayServer knows the receiving ends by their pairs.
type relayServer struct {
	coalesce bool
	mu       sync.Mutex
	to       map[string]chan *websocket.Conn
}

func serveRelay(ctx context.Context, coalesce bool, ready func(string) error) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	r := &relayServer{coalesce: coalesce, to: make(map[string]chan *websocket.Conn)}
	mux := http.NewServeMux()
	var conns sync.WaitGroup
	handle := func(serve func(*websocket.Conn, string)) http.HandlerFunc {
		return func(w http.ResponseWriter, req *http.Request) {
			conns.Add(1)
			defer conns.Done()
			if r.coalesce {
				w = coalescingWriter{w}
			}
			c, err := websocket.Accept(w, req, &websocket.AcceptOptions{CompressionMode: websocket.CompressionDisabled})
			if err != nil {
				return // it has been answered
			}
			defer func() { _ = c.CloseNow() }()
			// A context for each read and write would cost more than the rest.
			stop := context.AfterFunc(ctx, func() { _ = c.CloseNow() })
			defer stop()
			serve(c, req.URL.Query().Get("pair"))
		}
	}
	mux.HandleFunc("/b", handle(r.receiver))
	mux.HandleFunc("/a", handle(r.sender))
	srv := &http.Server{Handler: mux}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := ready("http://" + ln.Addr().String()); err != nil {
		return err
	}
	err = srv.Serve(ln)
	conns.Wait()
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("serve: %w", err)
}

// meet is where the two connections of a pair find each other.
func (r *relayServer) meet(pair string) chan *websocket.Conn {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.to[pair] == nil {
		r.to[pair] = make(chan *websocket.Conn, 1)
	}
	return r.to[pair]
}

// receiver keeps B's connection until it ends; the reading is for close frames.
func (r *relayServer) receiver(c *websocket.Conn, pair string) {
	r.meet(pair) <- c
	_, _, _ = c.Read(context.Background())
}

// sender hands on what A sends.
func (r *relayServer) sender(c *websocket.Conn, pair string) {
	var to *websocket.Conn
	select {
	case to = <-r.meet(pair): // B connects first, and may be here later
	case <-time.After(10 * time.Second):
		return
	}
	var buf []byte
	for {
		typ, in, err := c.Reader(context.Background())
		if err != nil {
			return
		}
		if buf, err = readAll(in, buf[:0]); err != nil {
			return
		}
		if err := to.Write(context.Background(), typ, buf); err != nil {
			return
		}
	}
}

func readAll(r io.Reader, b []byte) ([]byte, error) {
	for {
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if errors.Is(err, io.EOF) {
			return b, nil
		}
		if err != nil {
			return b, err
		}
	}
}

// coalescingWriter makes the connection that is taken over a [coalescing] one.
type coalescingWriter struct{ http.ResponseWriter }

func (w coalescingWriter) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	hj, ok := w.ResponseWriter.(http.Hijacker)
	if !ok {
		return nil, nil, errors.New("the connection cannot be taken over")
	}
	nc, rw, err := hj.Hijack()
	if err != nil {
		return nil, nil, err
	}
	c := &coalescing{Conn: nc}
	c.room.L = &c.mu
	return c, bufio.NewReadWriter(rw.Reader, bufio.NewWriterSize(c, 4096)), nil
}

// coalescing is a connection whose writes gather while one is under way, and leave
// in one.
type coalescing struct {
	net.Conn

	mu      sync.Mutex
	room    sync.Cond // signalled when out has been taken
	out     []byte
	spare   []byte
	writing bool
	err     error
}

// mostWaiting is how many bytes may wait; a write beyond that waits, too.
const mostWaiting = 1 << 20

func (c *coalescing) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > mostWaiting && c.err == nil {
		c.room.Wait()
	}
	if c.err != nil {
		return 0, c.err
	}
	c.out = append(c.out, p...)
	if !c.writing {
		c.writing = true
		go c.drain() // ends when nothing waits, or with the connection
	}
	return len(p), nil
}

func (c *coalescing) drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for len(c.out) > 0 && c.err == nil {
		b := c.out
		c.out = c.spare[:0]
		c.room.Broadcast()
		c.mu.Unlock()
		_, err := c.Conn.Write(b)
		c.mu.Lock()
		c.spare, c.err = b, err
	}
	c.room.Broadcast()
	c.writing = false
}
