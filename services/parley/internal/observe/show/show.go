// Package show runs a cluster of processes under load, does to it what the alerts
// are about, and records what the processes show of themselves, so that the
// dashboard can be drawn of something that happened.
package show

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/observe"
	"github.com/parley-chat/parley/services/parley/internal/procs"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// Options say how long and how much. The zero value works.
type Options struct {
	Length   time.Duration // of the load; default 2 min 30 s
	Rate     float64       // messages a second; default 400
	Users    int           // default 20, with two devices each
	Progress func(line string)
}

// Run is what was recorded.
type Run struct {
	Recording  *observe.Recording
	Start, End time.Time
	Marks      []observe.Mark
	Report     *verify.Report // what verify found of the run
}

// scrapeEvery is how often each process is asked.
const scrapeEvery = time.Second

// Record runs it. It needs the repository's sources and the Go tools, because it
// builds the services, and blocks for a little longer than the load.
func Record(ctx context.Context, o Options) (run *Run, err error) {
	if o.Length == 0 {
		o.Length = 150 * time.Second
	}
	if o.Rate == 0 {
		o.Rate = 400
	}
	if o.Users == 0 {
		o.Users = 20
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	dir, err := os.MkdirTemp("", "parley-show-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	mongo, err := mongotest.OpenMemory()
	if err != nil {
		return nil, fmt.Errorf("start the store: %w", err)
	}
	defer func() { err = errors.Join(err, mongo.Close()) }()
	o.Progress("building and starting three gateways, history and NATS")
	cluster, err := procs.Start(ctx, procs.Options{Dir: dir, MongoURI: mongo.URI + "parley_show", Args: []string{"--sends-per-second", "1000"}})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()

	run = &Run{Recording: &observe.Recording{}, Start: time.Now()}
	scraping, stop := context.WithCancel(ctx)
	var parts sync.WaitGroup
	parts.Go(func() { scrape(scraping, run.Recording, cluster) })
	parts.Go(func() { readAll(scraping, cluster, o.Users) })
	struck := make(chan error, 1)
	sending := make(chan struct{})
	run.Report, err = verify.Run(ctx, verify.Options{
		URLs: cluster.URLs(), API: cluster.History.URL(), Users: o.Users, Devices: 2, Groups: 4, Reconnects: 10,
		Token:    func(_ context.Context, u chat.User) (string, error) { return cluster.Token(u) },
		Messages: int(o.Rate * o.Length.Seconds()), Rate: o.Rate, Timeout: o.Length + time.Minute,
		Sending: func() {
			close(sending)
			go func() { struck <- run.disturb(ctx, cluster, o) }()
		},
	})
	select {
	case <-sending:
		err = errors.Join(err, <-struck)
	default: // it did not come to that
	}
	stop()
	parts.Wait()
	run.End = time.Now()
	return run, err
}

// scrape asks every process each second, as Prometheus would. One that is away has
// no samples but up.
func scrape(ctx context.Context, rec *observe.Recording, c *procs.Cluster) {
	tick := time.NewTicker(scrapeEvery)
	defer tick.Stop()
	client := &http.Client{Timeout: scrapeEvery, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	for {
		select {
		case <-ctx.Done():
			return
		case at := <-tick.C:
			for _, g := range c.Gateways {
				scrapeOne(ctx, client, rec, "gateway", g, at)
			}
			scrapeOne(ctx, client, rec, "history", c.History, at)
		}
	}
}

func scrapeOne(ctx context.Context, client *http.Client, rec *observe.Recording, job string, p *procs.Process, at time.Time) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.OpsURL()+"/metrics", nil)
	if err != nil {
		return
	}
	resp, err := client.Do(req)
	if err != nil {
		return // it is down: that is what is looked at
	}
	defer resp.Body.Close()
	_ = rec.Scrape(resp.Body, job, p.Name, at) // one that dies while it answers
}

// readAll reads over HTTP, at a slow and steady rate.
func readAll(ctx context.Context, c *procs.Cluster, users int) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	paths := []string{"/v1/conversations", "/v1/conversations?limit=5", "/v1/me", "/v1/conversations/d_nobody"}
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		token, err := c.Token(chat.User(fmt.Sprint("reader", i%users)))
		if err != nil {
			return
		}
		if i%40 == 0 {
			token = "not-a-token"
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.History.URL()+paths[i%len(paths)], nil)
		if err != nil {
			return
		}
		req.Header.Set("Authorization", "Bearer "+token)
		if resp, err := client.Do(req); err == nil {
			resp.Body.Close()
		}
	}
}

// disturb kills a gateway, lets NATS stand still, and restarts all gateways one after
// the other, spread over the length of the load.
func (r *Run) disturb(ctx context.Context, c *procs.Cluster, o Options) error {
	mark := func(what string) {
		r.Marks = append(r.Marks, observe.Mark{At: time.Now(), What: what})
		o.Progress(what)
	}
	if !pause(ctx, o.Length/5) {
		return ctx.Err()
	}
	mark("gateway-2 killed")
	if err := c.Gateways[1].Kill(); err != nil {
		return err
	}
	pause(ctx, 5*time.Second)
	mark("started again")
	if err := errors.Join(c.Gateways[1].Start(), c.Gateways[1].Ready(ctx)); err != nil {
		return err
	}
	pause(ctx, o.Length/6)
	mark("NATS stands still for 4 s")
	if err := c.NATS.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	pause(ctx, 4*time.Second)
	if err := c.NATS.Signal(syscall.SIGCONT); err != nil {
		return err
	}
	pause(ctx, o.Length/6)
	mark("rolling restart")
	for _, g := range c.Gateways {
		if err := errors.Join(g.Stop(), g.Start(), g.Ready(ctx)); err != nil {
			return err
		}
		pause(ctx, 2*time.Second)
	}
	mark("its end")
	return nil
}

// pause lets time pass; false: ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
