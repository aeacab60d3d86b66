package rolling

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/client"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

func tokens(cluster *procs.Cluster) func(context.Context, chat.User) (string, error) {
	return func(_ context.Context, u chat.User) (string, error) { return cluster.Token(u) }
}

// crowd is connections that only listen.
type crowd struct {
	clients []*client.Client

	news chan struct{} // one of them has come back

	mu   sync.Mutex
	back []absence
}

type absence struct {
	who      int // of clients
	from, to time.Time
}

// gather connects n, each to the gateways in an order of its own.
func gather(ctx context.Context, cluster *procs.Cluster, n int) (*crowd, error) {
	c := &crowd{news: make(chan struct{}, 1)}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(16)
	for i := range n {
		urls := cluster.URLs()
		rand.Shuffle(len(urls), func(a, b int) { urls[a], urls[b] = urls[b], urls[a] })
		user := chat.User(fmt.Sprintf("idle-%04d", i))
		live := make(chan struct{})
		idle, err := client.Start(context.WithoutCancel(ctx), client.Options{
			URLs: urls, Token: func(context.Context) (string, error) { return cluster.Token(user) },
			Handler: c.handler(i, live), MaxBackoff: time.Second,
		})
		if err != nil {
			c.close()
			return nil, fmt.Errorf("connect as %s: %w", user, err)
		}
		c.clients = append(c.clients, idle)
		group.Go(func() error {
			select {
			case <-live:
				return nil
			case <-ctx.Done():
				return fmt.Errorf("connect as %s: %w", user, ctx.Err())
			}
		})
	}
	if err := group.Wait(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

// handler notes when a client is away; live is closed when it is connected first.
func (c *crowd) handler(who int, live chan struct{}) func(client.Event) {
	var away time.Time
	first := true
	return func(ev client.Event) {
		s, ok := ev.(client.State)
		switch {
		case ok && s.Phase == client.Live && first:
			first = false
			close(live)
		case ok && s.Phase == client.Live:
			c.mu.Lock()
			c.back = append(c.back, absence{who, away, time.Now()})
			c.mu.Unlock()
			select {
			case c.news <- struct{}{}:
			default:
			}
		case ok && s.Phase == client.Offline:
			away = time.Now()
		}
	}
}

func (c *crowd) returned(zero time.Time) (list []Return) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.back {
		list = append(list, Return{At: a.to.Sub(zero).Seconds(), Away: a.to.Sub(a.from).Seconds()})
	}
	return list
}

// mostAway is how long is waited for connections that do not come back.
const mostAway = time.Minute

// allBack waits until each has come back once: every gateway was restarted, and so each
// was away.
func (c *crowd) allBack(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, mostAway)
	defer cancel()
	for {
		c.mu.Lock()
		seen := make(map[int]bool)
		for _, a := range c.back {
			seen[a.who] = true
		}
		c.mu.Unlock()
		if len(seen) == len(c.clients) {
			return
		}
		select {
		case <-c.news:
		case <-ctx.Done(): // who is missing is in no figure
			return
		}
	}
}

func (c *crowd) close() {
	var wg sync.WaitGroup
	for _, k := range c.clients {
		wg.Go(k.Close)
	}
	wg.Wait()
}

// watch asks the gateways for their sessions.
type watch struct {
	cluster *procs.Cluster
	http    *http.Client
	samples []Sample // owned by run until it has ended
}

const watchEvery = 200 * time.Millisecond

// firstWithin is how long the first look at a gateway may take.
const firstWithin = time.Minute

func newWatch(cluster *procs.Cluster) *watch {
	return &watch{cluster: cluster, http: &http.Client{Timeout: firstWithin, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// run looks until ctx ends. It closes first when it has seen what there was before
// anything was restarted.
func (w *watch) run(ctx context.Context, zero time.Time, first chan<- struct{}) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		s := Sample{At: time.Since(zero).Seconds()}
		for _, g := range w.cluster.Gateways {
			s.Sessions = append(s.Sessions, w.sessions(ctx, g))
		}
		w.samples = append(w.samples, s)
		if len(w.samples) == 1 {
			close(first)
			w.http.Timeout = watchEvery
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sessions is what a gateway's metrics say; 0: it does not run; not a number: it did not
// answer in time.
func (w *watch) sessions(ctx context.Context, g *procs.Process) float64 {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/metrics", g.OpsPort), nil)
	if err != nil {
		return math.NaN()
	}
	res, err := w.http.Do(req)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return 0
	}
	if err != nil {
		return math.NaN()
	}
	defer res.Body.Close()
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), "parley_gateway_sessions "); ok {
			n, _ := strconv.ParseFloat(text, 64) // else it is not Parley's
			return n
		}
	}
	return math.NaN()
}
