package natstest_test

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// proxy stands between a bus and a server, to do what networks and servers do on
// bad days.
type proxy struct {
	url string

	l  net.Listener
	wg sync.WaitGroup

	mu      sync.Mutex
	clients []net.Conn
	gate    chan struct{} // closed: bytes flow; open: nothing is read from clients
}

func startProxy(t *testing.T, server string) *proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{l: l, gate: make(chan struct{})}
	close(p.gate)
	p.url = "nats://" + l.Addr().String()
	p.wg.Go(func() { p.accept(strings.TrimPrefix(server, "nats://")) })
	t.Cleanup(func() {
		l.Close()
		p.cut()
		p.thaw()
		p.wg.Wait()
	})
	return p
}

func (p *proxy) accept(server string) {
	for {
		client, err := p.l.Accept()
		if err != nil {
			return
		}
		up, err := net.Dial("tcp", server)
		if err != nil {
			client.Close()
			continue
		}
		p.mu.Lock()
		p.clients = append(p.clients, client)
		p.mu.Unlock()
		p.wg.Go(func() {
			defer up.Close()
			buf := make([]byte, 4096)
			for {
				p.mu.Lock()
				gate := p.gate
				p.mu.Unlock()
				<-gate
				n, err := client.Read(buf)
				if err != nil {
					return
				}
				if _, err := up.Write(buf[:n]); err != nil {
					return
				}
			}
		})
		p.wg.Go(func() {
			defer client.Close()
			_, _ = io.Copy(client, up) // ends with either side
		})
	}
}

// freeze stops reading from clients; their writes fill the kernel's buffers.
func (p *proxy) freeze() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gate = make(chan struct{})
}

func (p *proxy) thaw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.gate:
	default:
		close(p.gate)
	}
}

// say sends the newest client a line that the server never said.
func (p *proxy) say(t *testing.T, line string) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := p.clients[len(p.clients)-1].Write([]byte(line + "\r\n")); err != nil {
		t.Fatal(err)
	}
}

// cut closes all connections of clients.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.clients {
		c.Close()
	}
	p.clients = nil
}
