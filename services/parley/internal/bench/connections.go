package bench

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// idle holds connections and looks at what they cost.
func (r *run) idle(ctx context.Context) error {
	r.progress("connecting %d devices", r.Connections)
	for i := range r.Connections {
		if _, err := r.newDevice(ctx, r.user(i), "bench", i); err != nil {
			return err
		}
	}
	kernel, kernelErr := measure.ReadKernel()
	began := time.Now()
	if err := r.connect(ctx, r.devices); err != nil {
		return err
	}
	n := len(r.devices)
	r.count("connections", int64(n), time.Since(began).Seconds())
	r.keep("login", r.login.Take())
	r.progress("all are connected; holding them for %v", r.Duration)
	profiled := r.profile(ctx, r.Duration)
	before, err := r.sample()
	if err != nil {
		return err
	}
	if err := r.until(ctx, r.now()+int64(r.Duration)); err != nil {
		return err
	}
	after, err := r.sample()
	if err != nil {
		return err
	}
	r.account(before, after)
	if p := r.report.Processes; p != nil {
		p.RSSPerConnection = float64(p.RSS-p.Base) / float64(n)
		if kernelErr == nil {
			r.kernel(kernel, n)
		}
		if r.Ops != "" {
			if err := r.collected(ctx, n); err != nil {
				return err
			}
		}
	}
	return profiled()
}

// kernel fills in what a connection costs the kernel.
func (r *run) kernel(before measure.Kernel, n int) {
	after, err := measure.ReadKernel()
	if err != nil {
		return // it could be read a moment ago; the figure is left out
	}
	p := r.report.Processes
	p.KernelSource = after.Source
	p.KernelPerConnection = float64(after.Bytes-before.Bytes) / float64(n)
	if r.local() {
		p.KernelPerConnection /= 2
	}
}

// local reports whether the connections have both of their ends in this kernel.
func (r *run) local() bool {
	u, err := url.Parse(r.URLs[0])
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// collected lets the server collect its garbage, waits a little for the memory to
// be given back, and looks again.
func (r *run) collected(ctx context.Context, n int) error {
	const give = 5 * time.Second
	for range 2 { // what has a finalizer goes with the second
		if _, err := r.ops(ctx, "/debug/pprof/heap?gc=1"); err != nil {
			return fmt.Errorf("collect garbage: %w", err)
		}
	}
	if err := r.until(ctx, r.now()+int64(give)); err != nil {
		return err
	}
	s, err := r.sample()
	if err != nil {
		return err
	}
	p := r.report.Processes
	p.RSSPerConnectionGC = float64(s.server.RSS-p.Base) / float64(n)
	return nil
}

// storm lets all devices lose their connection, and come back at once.
func (r *run) storm(ctx context.Context) error {
	r.Pairs = r.Connections / 2
	if err := r.meet(ctx, false); err != nil {
		return err
	}
	r.login.Take()
	var synced measure.Histogram
	var count int64
	var seconds float64
	for range r.Repeat {
		if !r.checks().ok() {
			return nil
		}
		if err := r.scatter(ctx); err != nil {
			return err
		}
		r.progress("%d devices come back", len(r.devices))
		from, to, err := r.comeBack(ctx, &synced)
		if err != nil {
			return err
		}
		took := to.self.At.Sub(from.self.At).Seconds()
		r.progress("all are synced after %.2f s", took)
		count, seconds = count+int64(len(r.devices)), seconds+took
		r.account(from, to)
		if err := r.settle(ctx); err != nil {
			return err
		}
	}
	r.count("connections", count, seconds)
	r.keep("login", r.login.Take())
	r.keep("synced", synced.Take())
	return nil
}

// scatter disconnects everybody. Half of the devices go first, and miss what the
// others still send them.
func (r *run) scatter(ctx context.Context) error {
	for _, f := range r.flows {
		f.readers[1].drop()
	}
	for range max(r.Missed, 0) {
		for _, f := range r.flows {
			f.send(r.now())
		}
	}
	if err := r.settle(ctx); err != nil {
		return err
	}
	for _, d := range r.devices {
		d.drop()
	}
	return nil
}

// comeBack connects all devices, as many at a time as is set, and gives what was
// used before and after.
func (r *run) comeBack(ctx context.Context, synced *measure.Histogram) (from, to sample, err error) {
	const pause = 100 * time.Millisecond
	var done atomic.Int64
	profiled := r.profile(ctx, 2*time.Second)
	if from, err = r.sample(); err != nil {
		return from, to, err
	}
	began := time.Now()
	var last int64
	stop := r.every(pause, func() {
		n := done.Load()
		r.report.Timeline = append(r.report.Timeline, Point{T: time.Since(began).Seconds(), PerSecond: float64(n-last) / pause.Seconds()})
		last = n
	})
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.AtOnce)
	for _, d := range r.devices {
		group.Go(func() error {
			if err := d.connect(ctx); err != nil {
				return fmt.Errorf("connect %s again: %w", d.user, err)
			}
			synced.Record(time.Since(began))
			done.Add(1)
			d.start()
			return nil
		})
	}
	err = group.Wait()
	stop()
	if err != nil {
		return from, to, err
	}
	if to, err = r.sample(); err != nil {
		return from, to, err
	}
	return from, to, profiled()
}
