package verify

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// I12: what a process of the deployment holds returns when its clients have gone.

// Held is what a process holds, as its operations port tells: Go's and the
// system's own metrics, which every Prometheus client library has.
type Held struct {
	Goroutines float64 `json:"goroutines"`
	Files      float64 `json:"files"`
	Memory     float64 `json:"memory_bytes"` // resident
}

// Process is what one process held before the load, and after its clients had
// gone.
type Process struct {
	Ops    string `json:"ops"` // base of its operations port
	Before Held   `json:"before"`
	After  Held   `json:"after"`
}

// What may stay: connections to NATS and the store that were made meanwhile, and
// memory that the runtime has not given back to the system.
const (
	sparedGoroutines = 64
	sparedFiles      = 64
	sparedMemory     = 256 << 20
)

// excess says what of after is too much; "" if nothing is.
func (p *Process) excess() string {
	var list []string
	over := func(what string, before, after, spared float64) {
		if after > before+spared {
			list = append(list, fmt.Sprintf("%.0f %s, %.0f before", after, what, before))
		}
	}
	over("goroutines", p.Before.Goroutines, p.After.Goroutines, sparedGoroutines)
	over("files", p.Before.Files, p.After.Files, sparedFiles)
	over("bytes of memory", p.Before.Memory, p.After.Memory, sparedMemory)
	return strings.Join(list, "; ")
}

// returned judges I12.
func (j *judge) returned() {
	for i := range j.Processes {
		p := &j.Processes[i]
		if what := p.excess(); what != "" {
			j.violated("", 0, []string{fmt.Sprintf("before %+v", p.Before), fmt.Sprintf("after  %+v", p.After)},
				"%s holds more than before the load: %s", p.Ops, what)
		}
	}
}

// holding asks every process of opt.Ops.
func holding(ctx context.Context, ops []string) ([]Held, error) {
	list := make([]Held, len(ops))
	for i, base := range ops {
		h, err := heldBy(ctx, base)
		if err != nil {
			return nil, fmt.Errorf("ask %s for its metrics: %w", base, err)
		}
		list[i] = h
	}
	return list, nil
}

func heldBy(ctx context.Context, base string) (h Held, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(base, "/")+"/metrics", nil)
	if err != nil {
		return h, err
	}
	req.Close = true // a connection that is kept would count
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return h, err
	}
	defer res.Body.Close()
	want := map[string]*float64{"go_goroutines": &h.Goroutines, "process_open_fds": &h.Files, "process_resident_memory_bytes": &h.Memory}
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if field := want[name]; field != nil {
			if *field, err = strconv.ParseFloat(value, 64); err != nil {
				return h, fmt.Errorf("%s: %w", name, err)
			}
			delete(want, name)
		}
	}
	if len(want) > 0 && lines.Err() == nil {
		return h, fmt.Errorf("status %d, and no go_goroutines, process_open_fds or process_resident_memory_bytes", res.StatusCode)
	}
	return h, lines.Err()
}

// returning asks until the processes hold what they held before, or time is up:
// a server closes what its clients have left within its heartbeats.
func returning(ctx context.Context, ops []string, before []Held) ([]Process, error) {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		after, err := holding(ctx, ops)
		if err != nil {
			return nil, err
		}
		list := make([]Process, len(ops))
		for i := range ops {
			list[i] = Process{Ops: ops[i], Before: before[i], After: after[i]}
		}
		if !slices.ContainsFunc(list, func(p Process) bool { return p.excess() != "" }) {
			return list, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return list, nil
		}
	}
}
