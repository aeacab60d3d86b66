package gateway

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/rest"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

// What an idle connection costs: a child process holds a gateway, this one opens
// the connections, says hello and waits for synced.
//
//	go test -run '^$' -bench Idle -benchtime 1x ./services/gateway
//
// IDLE_CONNS is how many (10,000), IDLE_HEAP a file for the heap profiles, which cost
// memory of their own. The store is not counted.

const (
	idleServerEnv = "PARLEY_TEST_IDLE_SERVER"
	idleReaderEnv = "PARLEY_TEST_IDLE_READER"
)

// elsewhere is a store of another process, as far as memory goes: what a connect
// leaves in it is not kept here.
type elsewhere struct{ *memstore.Store }

func (elsewhere) TouchDevice(context.Context, chat.NS, chat.User, store.DeviceInfo) error { return nil }

// idleServer is the child: it says where it listens, and does a command a line.
func idleServer() error {
	if os.Getenv("IDLE_HEAP") != "" {
		runtime.MemProfileRate = 512
	}
	ctx := context.Background()
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(testSecret)})
	if err != nil {
		return err
	}
	st := memstore.New(memstore.Options{})
	meta, err := st.Meta(ctx)
	if err != nil {
		return err
	}
	g, err := New(ctx, Options{Store: elsewhere{st}, Bus: deafBus{}, Verifier: verifier, Meta: meta, Reader: Reader(os.Getenv(idleReaderEnv))})
	if err != nil {
		return err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := rest.NewServer(g.Handler(), g.log)
	go func() { _ = srv.Serve(ln) }()
	fmt.Println(ln.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		cmd, arg, _ := strings.Cut(in.Text(), " ")
		switch cmd {
		case "gc":
			runtime.GC()
			debug.FreeOSMemory()
		case "heap":
			f, err := os.Create(arg)
			if err != nil {
				return err
			}
			runtime.GC()
			if err := pprof.Lookup("heap").WriteTo(f, 0); err != nil {
				return err
			}
			if err := f.Close(); err != nil {
				return err
			}
		}
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		fmt.Println(m.HeapAlloc, m.StackInuse, runtime.NumGoroutine())
	}
	return in.Err()
}

// child is the process under measurement.
type child struct {
	b    *testing.B
	pid  int
	addr string
	in   func(format string, args ...any)
	out  *bufio.Scanner
}

func startChild(b *testing.B, reader string) *child {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), idleServerEnv+"=1", idleReaderEnv+"="+reader)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	c := &child{b: b, pid: cmd.Process.Pid, out: bufio.NewScanner(stdout)}
	c.in = func(format string, args ...any) {
		if _, err := fmt.Fprintf(stdin, format+"\n", args...); err != nil {
			b.Fatal(err)
		}
	}
	c.addr = c.line()
	return c
}

func (c *child) line() string {
	if !c.out.Scan() {
		c.b.Fatal("the child has ended")
	}
	return c.out.Text()
}

// usage is what a process holds.
type usage struct{ rss, heap, stack, goroutines int }

// do has the child do a command, and tells what it holds then.
func (c *child) do(format string, args ...any) (u usage) {
	c.in(format, args...)
	if _, err := fmt.Sscan(c.line(), &u.heap, &u.stack, &u.goroutines); err != nil {
		c.b.Fatal(err)
	}
	statm, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(c.pid), "statm"))
	if err != nil {
		c.b.Skip("no /proc here: ", err)
	}
	pages, err := strconv.Atoi(strings.Fields(string(statm))[1])
	if err != nil {
		c.b.Fatal(err)
	}
	u.rss = pages * os.Getpagesize()
	return u
}

// plainLogin connects and says hello with as little as possible of its own, and returns
// when the server has said synced.
func plainLogin(addr, token string) (net.Conn, error) {
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	_, err = fmt.Fprintf(nc, "GET /v1/ws HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: %s\r\nAuthorization: Bearer %s\r\n\r\n", addr, wire.Subprotocol, token)
	if err != nil {
		return nil, err
	}
	_ = nc.SetReadDeadline(time.Now().Add(30 * time.Second))
	br := bufio.NewReaderSize(nc, 1024)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("handshake: %s", res.Status)
	}
	if _, err := nc.Write(masked(0x81, []byte(`{"type":"hello"}`))); err != nil {
		return nil, err
	}
	for {
		frame, err := unmasked(br)
		if err != nil {
			return nil, err
		}
		if bytes.Contains(frame, []byte(`"type":"synced"`)) {
			return nc, nc.SetReadDeadline(time.Time{})
		}
	}
}

// masked is a client's frame of at most 64 KiB.
func masked(first byte, payload []byte) []byte {
	b := []byte{first, 0x80 | byte(len(payload))}
	if len(payload) > 125 {
		b[1] = 0x80 | 126
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	}
	return append(append(b, 0, 0, 0, 0), payload...) // a mask of zeros
}

// unmasked reads a frame of a server: its payload.
func unmasked(br *bufio.Reader) ([]byte, error) {
	if _, err := br.ReadByte(); err != nil {
		return nil, err
	}
	n, err := br.ReadByte()
	if err != nil {
		return nil, err
	}
	size := int(n)
	if n == 126 {
		var b [2]byte
		for i := range b {
			if b[i], err = br.ReadByte(); err != nil {
				return nil, err
			}
		}
		size = int(binary.BigEndian.Uint16(b[:]))
	}
	frame := make([]byte, size)
	for i := range frame {
		if frame[i], err = br.ReadByte(); err != nil {
			return nil, err
		}
	}
	return frame, nil
}

func BenchmarkIdle(b *testing.B) {
	for _, reader := range []string{"goroutine", "event"} {
		b.Run(reader, func(b *testing.B) { benchmarkIdle(b, reader) })
	}
}

func benchmarkIdle(b *testing.B, reader string) {
	n := 10_000
	if s := os.Getenv("IDLE_CONNS"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil {
			b.Fatal(err)
		}
	}
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret)})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		c := startChild(b, reader)
		login := func(i int) net.Conn {
			tok, err := signer.Sign(auth.Identity{User: chat.User(fmt.Sprint("user", i))}, time.Hour)
			if err != nil {
				b.Error(err)
				return nil
			}
			nc, err := plainLogin(c.addr, tok)
			if err != nil {
				b.Error(err)
				return nil
			}
			return nc
		}
		if first := login(n); first != nil {
			defer first.Close()
		}
		before := c.do("gc")
		start := time.Now()
		conns := make([]net.Conn, n)
		var wg sync.WaitGroup
		for w := range 16 {
			wg.Go(func() {
				for i := w; i < n && !b.Failed(); i += 16 {
					conns[i] = login(i)
				}
			})
		}
		wg.Wait()
		b.ReportMetric(float64(n)/time.Since(start).Seconds(), "logins/s")
		natural := c.do("stats")
		after := c.do("gc")
		if f := os.Getenv("IDLE_HEAP"); f != "" {
			c.do("heap %s.%s", f, reader)
		}
		per := func(a, b int) float64 { return float64(a-b) / float64(n) }
		b.ReportMetric(per(natural.rss, before.rss), "natural-B/conn")
		b.ReportMetric(per(after.rss, before.rss), "gc-B/conn")
		b.ReportMetric(per(after.heap, before.heap), "heap-B/conn")
		b.ReportMetric(per(after.stack, before.stack), "stack-B/conn")
		b.ReportMetric(float64(after.goroutines), "goroutines")
		for _, nc := range conns {
			if nc != nil {
				_ = nc.Close()
			}
		}
	}
}
