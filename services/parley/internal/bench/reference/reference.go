// Package reference is what Parley's speed is held against: the least that a
// server of its kind can be built of, on the same libraries. A bare WebSocket
// relay stores nothing and knows nobody; a bare group-commit loop stores the same
// entries and delivers them to nobody; bare NATS does neither. What Parley reaches
// of each says what its own work costs.
//
// All are driven in one shape, a closed loop: so many pairs, each with so many
// messages in flight, and each message is checked to come once and in order.
// Servers are child processes, as Parley is when it is measured.
package reference

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// Options say how a reference is driven. Program must be set.
type Options struct {
	Program  string        // the executable that serves what Serve names: parley-reference
	Scratch  string        // the store's folder is made here; "": where temporary files are
	Pairs    int           // 0: 200
	InFlight int           // of each pair; 0: 16
	Size     int           // bytes of a message; 0: 200
	Rate     int           // relays only: so many messages a second, in turns, whatever arrives; 0: InFlight decides
	Warmup   time.Duration // 0: 1 s
	Duration time.Duration // of what is measured, again where nothing arrived; 0: 5 s
}

func (o *Options) setDefaults() {
	def := func(p *int, v int) {
		if *p == 0 {
			*p = v
		}
	}
	def(&o.Pairs, 200)
	def(&o.InFlight, 16)
	def(&o.Size, 200)
	if o.Warmup == 0 {
		o.Warmup = time.Second
	}
	if o.Duration == 0 {
		o.Duration = 5 * time.Second
	}
}

// Result is what a reference reached.
type Result struct {
	Reference string  `json:"reference"`
	Pairs     int     `json:"pairs"`
	InFlight  int     `json:"in_flight"` // where Rate is 0
	Rate      int     `json:"rate,omitzero"`
	Size      int     `json:"size"`
	Seconds   float64 `json:"seconds"`
	Count     int64   `json:"count"` // messages that arrived, or entries that are synced
	PerSecond float64 `json:"per_second"`
	// CPUPer100k is CPU-seconds of the server for 100,000 of them; where there is no
	// server but the loop itself, of this process.
	CPUPer100k float64 `json:"cpu_s_per_100k"`
}

// reference is one of them. run blocks until ctx ends; it counts what is done and
// calls ready, with the processes to measure, once the load is there.
type reference struct {
	name, about string
	run         func(ctx context.Context, o Options, count *atomic.Int64, ready func(pids ...int)) error
}

func references() []reference {
	return []reference{
		{"relay", "coder/websocket in memory, A to server to B, all that waits in one write", relay(true)},
		{"relay-plain", "the same, a write for each message", relay(false)},
		{"nats", "NATS, a publisher and a subscriber, a subject for each pair", natsLoop},
		{"store-pebble", "entries in batches into the embedded store, synced", pebbleStore},
		{"pebble", "bare Pebble batches with the same bytes, synced", barePebble},
		{"store-mongo", "entries in batches into the MongoDB-wire server of the tests, with their effects", mongoStore},
	}
}

// Names lists the references, each with what it is.
func Names() (list [][2]string) {
	for _, r := range references() {
		list = append(list, [2]string{r.name, r.about})
	}
	return list
}

// Run drives one reference. It blocks for about Warmup and Duration. A message
// that is lost, doubled or out of order is an error.
func Run(ctx context.Context, name string, o Options) (Result, error) {
	o.setDefaults()
	all := references()
	i := slices.IndexFunc(all, func(r reference) bool { return r.name == name })
	if i < 0 {
		return Result{}, fmt.Errorf("no reference is called %q", name)
	}
	if o.Rate > 0 && !strings.HasPrefix(name, "relay") {
		return Result{}, fmt.Errorf("%s has no rate", name)
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var count atomic.Int64
	running := make(chan []int, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := all[i].run(ctx, o, &count, func(pids ...int) { running <- pids })
		if err == nil && ctx.Err() == nil {
			err = errors.New("it ended by itself")
		}
		cancel(err)
	})
	defer wg.Wait()
	defer cancel(errOver)
	r, err := window(ctx, o, &count, running)
	if err != nil {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	r.Reference, r.Pairs, r.InFlight, r.Rate, r.Size = name, o.Pairs, o.InFlight, o.Rate, o.Size
	cancel(errOver)
	wg.Wait()
	if err := context.Cause(ctx); !errors.Is(err, errOver) {
		return Result{}, fmt.Errorf("%s: %w", name, err)
	}
	return r, nil
}

// errOver ends a reference that has been measured.
var errOver = errors.New("measured")

// mostSilence is how long is measured, in whole Durations, where nothing arrives.
const mostSilence = 30 * time.Second

// window measures what is counted after the warm-up. A machine that stood still all
// the time gives no figure: then it goes on until something has arrived.
func window(ctx context.Context, o Options, count *atomic.Int64, running <-chan []int) (r Result, err error) {
	var pids []int
	select {
	case pids = <-running:
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
	if err := wait(ctx, o.Warmup); err != nil {
		return r, err
	}
	before, err := measure.ReadProcesses(pids)
	if err != nil {
		return r, err
	}
	n := count.Load()
	for waited := time.Duration(0); r.Count == 0 && waited < mostSilence; waited += o.Duration {
		if err := wait(ctx, o.Duration); err != nil {
			return r, err
		}
		r.Count = count.Load() - n
	}
	after, err := measure.ReadProcesses(pids)
	if err != nil {
		return r, err
	}
	cost := measure.Between(before, after)
	if r.Count == 0 {
		return r, errors.New("nothing arrived")
	}
	r.Seconds = cost.Seconds
	r.PerSecond, r.CPUPer100k = float64(r.Count)/cost.Seconds, cost.Per(100_000, r.Count)
	return r, nil
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
