package bench

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"
	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// run is one scenario under way.
type run struct {
	Options
	id     string // in users' names and messages, so that nothing of another run counts
	began  time.Time
	report *Report
	http   *http.Client

	violations
	ack, delivery, complete, pacing, login measure.Histogram
	total                                  *measure.Snapshot // of delivery

	// The measured time, as ns since began; messages that were meant for it have
	// their latency recorded. Both are 0 before the load begins, and far away while it
	// warms up.
	from, to atomic.Int64
	sampled  atomic.Bool // the latency of an ack was recorded
	stopping atomic.Bool // an ack is not answered with the next message

	devices []*device
	flows   []*flow
	readers sync.WaitGroup
	base    measure.Usage // of the processes, before the first connection
}

func newRun(scenario string, o Options) (*run, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	r := &run{Options: o, id: strings.ToLower(rand.Text()[:8]), began: time.Now(), http: &http.Client{
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
	r.report = &Report{Version: ReportVersion, Scenario: scenario, Run: r.id, Started: r.began.UTC(), Gateways: len(o.URLs),
		Machine: measure.ThisMachine(), Settings: o.Settings, Recv: o.Recv.Seconds(), Warmup: o.Warmup.Seconds(), Latency: map[string]measure.Latency{}, Rates: map[string]float64{}}
	if len(o.PIDs) > 0 {
		var err error
		if r.base, err = measure.ReadProcesses(o.PIDs); err != nil {
			return nil, err
		}
		r.report.Processes = &Processes{PIDs: o.PIDs, Base: r.base.RSS}
	}
	return r, nil
}

// now is the run's clock: ns since it began.
func (r *run) now() int64 { return int64(time.Since(r.began)) }

func (r *run) progress(format string, args ...any) { r.Progress(fmt.Sprintf(format, args...)) }

// measured reports whether what was meant to happen at that moment counts.
func (r *run) measured(at int64) bool { return at >= r.from.Load() && at < r.to.Load() }

// user makes a name.
func (r *run) user(i int) chat.User { return chat.User(fmt.Sprintf("bench-%s-%d", r.id, i)) }

// connect connects devices that have none, a bounded number at a time, and waits
// until all are synced.
func (r *run) connect(ctx context.Context, devices []*device) error {
	var done atomic.Int64
	stop := r.every(time.Second, func() { r.progress("  %d of %d connected", done.Load(), len(devices)) })
	defer stop()
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.AtOnce)
	for _, d := range devices {
		group.Go(func() error {
			if err := d.connect(ctx); err != nil {
				return fmt.Errorf("connect %s: %w", d.user, err)
			}
			d.start()
			done.Add(1)
			return nil
		})
	}
	return group.Wait()
}

// every calls something again and again until stop is called, which waits.
func (r *run) every(pause time.Duration, do func()) (stop func()) {
	tick := time.NewTicker(pause)
	end := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				do()
			case <-end:
				return
			}
		}
	})
	return func() { close(end); wg.Wait() }
}

// sample is what everybody has used until now.
type sample struct {
	server, self measure.Usage
	machine      measure.Busy
}

func (r *run) sample() (s sample, err error) {
	if s.self, err = measure.Self(); err != nil {
		return s, err
	}
	if s.machine, err = measure.ReadBusy(); err != nil {
		return s, err
	}
	if len(r.PIDs) > 0 {
		s.server, err = measure.ReadProcesses(r.PIDs)
	}
	return s, err
}

// account adds what a measured time cost, and its length. A process may be on the
// other side of a wire: then it is among the others.
func (r *run) account(from, to sample) {
	c := measure.Between(from.self, to.self)
	r.report.Client = r.report.Client.Add(c)
	r.report.Seconds += c.Seconds
	others := (to.machine.CPU - from.machine.CPU).Seconds() - c.CPU
	if p := r.report.Processes; p != nil {
		c = measure.Between(from.server, to.server)
		p.Cost = p.Cost.Add(c)
		others -= c.CPU
	}
	r.report.Others += max(0, others)
	r.report.Steal += (to.machine.Steal - from.machine.Steal).Seconds()
}

// count fills in what the scenario is about.
func (r *run) count(unit string, n int64, seconds float64) {
	r.report.Unit, r.report.Count = unit, n
	if seconds > 0 {
		r.report.PerSecond = float64(n) / seconds
	}
	if p := r.report.Processes; p != nil && r.report.Scenario != Idle {
		p.CPUPer100k = p.Per(100_000, n)
	}
}

// keep adds a latency to the report, if there is any.
func (r *run) keep(name string, s *measure.Snapshot) {
	if s.Count() > 0 {
		r.report.Latency[name] = s.Latency()
	}
}

// profile fetches the server's CPU profile of a time that begins now. The returned
// function waits for it.
func (r *run) profile(ctx context.Context, d time.Duration) (wait func() error) {
	if r.Profile == nil {
		return func() error { return nil }
	}
	done := make(chan error, 1)
	go func() {
		b, err := r.ops(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", max(1, int(d.Seconds()))))
		if err == nil {
			err = r.Profile(b)
		}
		done <- err
	}()
	return func() error { return <-done }
}

// ops asks the operations port.
func (r *run) ops(ctx context.Context, path string) ([]byte, error) {
	if r.Ops == "" {
		return nil, errors.New("no operations port was named")
	}
	b, _, err := r.get(ctx, strings.TrimSuffix(r.Ops, "/")+path, "")
	return b, err
}

// maxAnswer is the most that is read of an HTTP answer.
const maxAnswer = 64 << 20

// get asks over HTTP.
func (r *run) get(ctx context.Context, url, token string) (body []byte, took time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	return r.do(req, token)
}

// post sends JSON and reads the answer into out.
func (r *run) post(ctx context.Context, path, token string, in, out any) error {
	b, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("encode request: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(r.API, "/")+path, bytes.NewReader(b))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	body, _, err := r.do(req, token)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, out); err != nil {
		return fmt.Errorf("decode answer: %w", err)
	}
	return nil
}

func (r *run) do(req *http.Request, token string) (body []byte, took time.Duration, err error) {
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	start := time.Now()
	res, err := r.http.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("request: %w", err)
	}
	defer res.Body.Close()
	if body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer)); err != nil {
		return nil, 0, fmt.Errorf("read answer: %w", err)
	}
	took = time.Since(start)
	if res.StatusCode >= 300 {
		return nil, took, fmt.Errorf("%s %s: %s %.200s", req.Method, req.URL.Path, res.Status, body)
	}
	return body, took, nil
}

// close ends all connections and waits for their readers.
func (r *run) close() {
	for _, d := range r.devices {
		d.disconnect()
	}
	r.readers.Wait()
	r.http.CloseIdleConnections()
}

// judge counts what was sent and is missing, when nobody reads any more.
func (r *run) judge() {
	if r.report.Server == "" && len(r.devices) > 0 {
		r.report.Server = r.devices[0].server
	}
	for _, f := range r.flows {
		for _, d := range f.readers {
			if missing := f.next - d.place(f.conv).position(f.id).number; missing > 0 {
				r.note(&r.Lost, missing, "%s, %s: the last %d messages of flow %d never came", d.user, f.conv, missing, f.id)
			}
		}
	}
	c := r.checks()
	for _, d := range r.devices {
		c.Received += d.received.Load()
	}
	r.report.Checks, r.report.OK = c, c.ok()
}
