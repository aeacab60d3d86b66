package verify

import (
	"context"
	"net"
	"net/http"
	"sync"
)

// cut is a way to lose a connection.
type cut uint8

const (
	cutNow   cut = iota + 1 // the connection is closed where it stands
	cutIn                   // the next frame is written by half
	cutAfter                // the next frame is written, and its answer never read
)

// frameBytes is a write that is more than a ping or a close: a frame to cut.
const frameBytes = 64

// cutter makes a client's connections, and cuts them under it. It does not tell the
// client: for that the network is gone.
type cutter struct {
	dialer net.Dialer

	mu    sync.Mutex
	conn  *cuttable // the present one
	armed []cut     // for the next writes, one for each connection
	done  int       // connections that were cut
}

// httpClient makes connections that the cutter can cut, none of them reused.
func (c *cutter) httpClient() *http.Client {
	return &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		DialContext:       c.dial,
		DisableKeepAlives: true,
	}}
}

func (c *cutter) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	conn, err := c.dialer.DialContext(ctx, network, addr)
	if err != nil {
		return nil, err
	}
	k := &cuttable{Conn: conn, by: c}
	c.mu.Lock()
	c.conn = k
	c.mu.Unlock()
	return k, nil
}

// cut loses the present connection, or the next one if there is none: now or at the
// next frame.
func (c *cutter) cut(how cut) {
	c.mu.Lock()
	conn := c.conn
	if how != cutNow || conn == nil {
		c.armed = append(c.armed, how)
		conn = nil
	} else {
		c.done++
	}
	c.mu.Unlock()
	if conn != nil {
		conn.Close()
	}
}

// take says whether a write is to be cut; 0: it is not.
func (c *cutter) take(k *cuttable, size int) (how cut) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.armed) == 0 || c.conn != k || size < frameBytes {
		return 0
	}
	how, c.armed = c.armed[0], c.armed[1:]
	c.conn = nil
	c.done++
	return how
}

// count is how many connections were cut.
func (c *cutter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.done
}

// cuttable is a connection that is cut while it is written to.
type cuttable struct {
	net.Conn
	by *cutter
}

func (k *cuttable) Write(b []byte) (int, error) {
	how := k.by.take(k, len(b))
	if how == cutIn || how == cutNow {
		b = b[:len(b)/2]
	}
	n, err := k.Conn.Write(b)
	if how != 0 && err == nil {
		k.Close()
		err = net.ErrClosed
	}
	return n, err
}

func (k *cuttable) Close() error {
	k.by.mu.Lock()
	if k.by.conn == k {
		k.by.conn = nil
	}
	k.by.mu.Unlock()
	return k.Conn.Close()
}
