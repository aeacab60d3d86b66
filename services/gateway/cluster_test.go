package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/go-json-experiment/json"
	"go.uber.org/goleak"

	"github.com/parley-chat/parley/pkg/auth"
	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
)

func TestMain(m *testing.M) {
	if os.Getenv(idleServerEnv) != "" {
		if err := idleServer(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if !benchPodMain() {
		goleak.VerifyTestMain(m)
	}
}

// wireBus joins gateways in one process: what one publishes, the others hear, in
// order. It can be cut, and it can lose.
type wireBus struct {
	mu   sync.Mutex
	pods []*podBus
	cut  bool
	deaf bool // users that come are not listened to
	drop func(topic bus.Topic, data []byte) bool
}

type podBus struct {
	hub  *wireBus
	subs map[bus.Topic]func([]byte)
	want map[bus.Address]int
	in   chan message
	done chan struct{}
}

type message struct {
	topic bus.Topic
	data  []byte
}

func (h *wireBus) join(t *testing.T) *podBus {
	p := &podBus{hub: h, subs: map[bus.Topic]func([]byte){}, want: map[bus.Address]int{}, in: make(chan message, 100_000), done: make(chan struct{})}
	h.mu.Lock()
	h.pods = append(h.pods, p)
	h.mu.Unlock()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case m := <-p.in:
				p.hub.mu.Lock()
				fn := p.subs[m.topic]
				p.hub.mu.Unlock()
				if fn != nil {
					fn(m.data)
				}
			case <-p.done:
				return
			}
		}
	}()
	t.Cleanup(func() { close(p.done); <-ended })
	return p
}

func (h *wireBus) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (p *podBus) Publish(topic bus.Topic, data []byte) error {
	return p.publish(topic, data, func(*podBus) bool { return true })
}

func (p *podBus) PublishTo(a bus.Address, data []byte) error {
	return p.publish(bus.TopicUsers, data, func(other *podBus) bool { return other.want[a] > 0 })
}

func (p *podBus) publish(topic bus.Topic, data []byte, to func(*podBus) bool) error {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	if p.hub.cut {
		return bus.ErrDisconnected
	}
	for _, other := range p.hub.pods {
		if other != p && to(other) && (p.hub.drop == nil || !p.hub.drop(topic, data)) {
			other.in <- message{topic, append([]byte(nil), data...)}
		}
	}
	return nil
}

func (p *podBus) Subscribe(topic bus.Topic, fn func([]byte)) (func(), error) {
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.subs[topic] = fn
	return func() {
		p.hub.mu.Lock()
		defer p.hub.mu.Unlock()
		delete(p.subs, topic)
	}, nil
}

func (p *podBus) SubscribeTo(fn func([]byte)) (listen func(bus.Address, bool), unsubscribe func(), err error) {
	unsubscribe, err = p.Subscribe(bus.TopicUsers, fn)
	return func(a bus.Address, there bool) {
		p.hub.mu.Lock()
		defer p.hub.mu.Unlock()
		if there && !p.hub.deaf {
			p.want[a]++
		} else if !there {
			p.want[a]--
		}
	}, unsubscribe, err
}

func (p *podBus) Flush(context.Context) error { return nil }

// cluster is some gateways over one store and one bus.
type cluster struct {
	t      *testing.T
	store  *memstore.Store
	bus    *wireBus
	signer *auth.Signer
	gates  []*Gateway
	urls   []string
	http   *http.Client // makes the sockets; nil: the default
}

// narrow has later sockets take little from the network before they are read.
func (c *cluster) narrow() {
	dial := func(ctx context.Context, network, addr string) (net.Conn, error) {
		nc, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return nc, nc.(*net.TCPConn).SetReadBuffer(128 << 10)
	}
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial}}
}

// testReaderEnv names the reader that tests run with; default: as in production.
const testReaderEnv = "PARLEY_TEST_READER"

// patience is how long a test waits for what has to come. Only a test that fails waits so
// long: it is far more than a machine that does other things, too, may stand still, and
// less than a test with a mutant is given.
const patience = 30 * time.Second

const testSecret = "a-secret-of-the-tests-that-is-long-enough-0123456789"

func newCluster(t *testing.T, n int, change ...func(*Options)) *cluster {
	t.Helper()
	c := &cluster{t: t, store: memstore.New(memstore.Options{}), bus: &wireBus{}}
	verifier, err := auth.NewVerifier(auth.Options{HS256Secret: []byte(testSecret)})
	if err != nil {
		t.Fatal(err)
	}
	if c.signer, err = auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret)}); err != nil {
		t.Fatal(err)
	}
	meta, err := c.store.Meta(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range n {
		opts := Options{Store: c.store, Bus: c.bus.join(t), Verifier: verifier, Meta: meta, Reader: Reader(os.Getenv(testReaderEnv))}
		for _, f := range change {
			f(&opts)
		}
		g, err := New(t.Context(), opts)
		if err != nil {
			t.Fatal(err)
		}
		srv := httptest.NewServer(g.Handler())
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			g.Drain(ctx)
			srv.Close()
		})
		c.gates = append(c.gates, g)
		c.urls = append(c.urls, srv.URL)
	}
	for _, g := range c.gates { // which tells nobody of what it stores while it has heard of no other
		c.until(func() bool { return n == 1 || !g.repair.Alone() })
	}
	return c
}

func (c *cluster) token(user string, ttl time.Duration) string {
	c.t.Helper()
	tok, err := c.signer.Sign(auth.Identity{User: chat.User(user)}, ttl)
	if err != nil {
		c.t.Fatal(err)
	}
	return tok
}

// expired is a token that was good until a moment ago.
func (c *cluster) expired(user string) string {
	c.t.Helper()
	past := func() time.Time { return time.Now().Add(-time.Hour - time.Second) }
	signer, err := auth.NewSigner(auth.SignerOptions{HS256Secret: []byte(testSecret), Now: past})
	if err != nil {
		c.t.Fatal(err)
	}
	tok, err := signer.Sign(auth.Identity{User: chat.User(user)}, time.Hour)
	if err != nil {
		c.t.Fatal(err)
	}
	return tok
}

// conn is a bare client: it sends what it is told, right or wrong.
type conn struct {
	t  *testing.T
	ws *websocket.Conn
}

func (c *cluster) dialRaw(pod int, header http.Header, protocols ...string) (*websocket.Conn, *http.Response, error) {
	ctx, cancel := context.WithTimeout(c.t.Context(), patience)
	defer cancel()
	if protocols == nil {
		protocols = []string{wire.Subprotocol}
	}
	ws, res, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(c.urls[pod], "http")+"/v1/ws",
		&websocket.DialOptions{HTTPHeader: header, Subprotocols: protocols, HTTPClient: c.http})
	if err == nil {
		ws.SetReadLimit(1 << 20)
		c.t.Cleanup(func() { _ = ws.CloseNow() })
	}
	return ws, res, err
}

func (c *cluster) connect(pod int, user string) *conn {
	c.t.Helper()
	ws, _, err := c.dialRaw(pod, http.Header{"Authorization": {"Bearer " + c.token(user, time.Hour)}})
	if err != nil {
		c.t.Fatal(err)
	}
	return &conn{c.t, ws}
}

// login connects and goes through the flush; it returns the entries of it.
func (c *cluster) login(pod int, user, hello string) (*conn, []*wire.Entry) {
	c.t.Helper()
	k := c.connect(pod, user)
	if hello == "" {
		hello = `{"type":"hello"}`
	}
	k.send("%s", hello)
	expect[*wire.Welcome](k)
	var missed []*wire.Entry
	for {
		switch f := k.next().(type) {
		case *wire.Entry:
			missed = append(missed, f)
		case *wire.Synced:
			return k, missed
		}
	}
}

func (k *conn) send(format string, args ...any) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	if err := k.ws.Write(ctx, websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		k.t.Fatalf("send: %v", err)
	}
}

func (k *conn) read() (any, error) {
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	_, data, err := k.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	return wire.DecodeServer(data)
}

func (k *conn) next() any {
	k.t.Helper()
	f, err := k.read()
	if err != nil {
		k.t.Fatalf("read: %v", err)
	}
	return f
}

// expect skips frames until one of type F comes.
func expect[F any](k *conn) F {
	k.t.Helper()
	var skipped []string
	for {
		f, err := k.read()
		if err != nil {
			k.t.Fatalf("want %T, got %v after %v", *new(F), err, skipped)
		}
		if got, ok := f.(F); ok {
			return got
		}
		if e, ok := f.(*wire.Error); ok {
			k.t.Fatalf("want %T, got error %s: %s", *new(F), e.Code, e.Message)
		}
		skipped = append(skipped, fmt.Sprintf("%T", f))
	}
}

// closed waits for the close frame, whatever comes before it.
func (k *conn) closed() websocket.StatusCode {
	k.t.Helper()
	for {
		if _, err := k.read(); err != nil {
			var ce websocket.CloseError
			if !errors.As(err, &ce) {
				k.t.Fatalf("want a close frame, got %v", err)
			}
			return ce.Code
		}
	}
}

func (k *conn) sendTo(user, cmid, text string) *wire.Ack {
	k.t.Helper()
	k.send(`{"type":"send","to":%q,"cmid":%q,"body":{"text":%q}}`, user, cmid, text)
	return expect[*wire.Ack](k)
}

// rest does a request and decodes a JSON answer into out.
func (c *cluster) rest(method, path, user, body string, out any) int {
	c.t.Helper()
	req, err := http.NewRequestWithContext(c.t.Context(), method, c.urls[0]+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	if user != "" {
		req.Header.Set("Authorization", "Bearer "+c.token(user, time.Hour))
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if out != nil {
		if err := json.UnmarshalRead(res.Body, out); err != nil {
			c.t.Fatalf("%s %s: %v", method, path, err)
		}
	}
	return res.StatusCode
}

func (c *cluster) group(owner string, members ...string) chat.ConvID {
	c.t.Helper()
	in, _ := json.Marshal(map[string]any{"title": "a group", "members": members, "cmid": owner + "-group"})
	var out wire.Conversation
	if status := c.rest("POST", "/v1/conversations", owner, string(in), &out); status != http.StatusCreated {
		c.t.Fatalf("create group: %d", status)
	}
	return out.Conv
}

var _ store.Store = (*memstore.Store)(nil)
