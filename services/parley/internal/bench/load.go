package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

// pairs is the closed loop.
func (r *run) pairs(ctx context.Context) error {
	if err := r.meet(ctx, true); err != nil {
		return err
	}
	return r.load(ctx, func(context.Context) {
		for range r.InFlight {
			for _, f := range r.flows {
				f.queue(r.now())
			}
		}
		for _, f := range r.flows {
			if err := f.from.conn.Flush(); err != nil {
				r.note(&r.Failed, 1, "%s: %v", f.from.user, err)
			}
		}
	})
}

// rate is the open loop: what is to be sent is sent, late if need be, and its
// latency counts from when it was meant to be.
func (r *run) rate(ctx context.Context) error {
	if err := r.meet(ctx, false); err != nil {
		return err
	}
	return r.load(ctx, r.pace)
}

// meet connects pairs and lets the first of each write to the second, which makes
// their conversation.
func (r *run) meet(ctx context.Context, clocked bool) error {
	r.progress("connecting %d pairs", r.Pairs)
	for i := range r.Pairs {
		there := i + 1
		if r.SameGateway {
			there = i
		}
		a, err := r.newDevice(ctx, r.user(2*i), "bench", i)
		if err != nil {
			return err
		}
		b, err := r.newDevice(ctx, r.user(2*i+1), "bench", there)
		if err != nil {
			return err
		}
		b.deliver = true
		r.newDirect(a, b).clocked = clocked
	}
	if err := r.connect(ctx, r.devices); err != nil {
		return err
	}
	return r.open(ctx)
}

// newDirect makes a flow from one device to another.
func (r *run) newDirect(from, to *device) *flow {
	f := r.newFlow(string(chat.DirectID(from.namespace(), from.user, to.user)), from, from, to)
	f.to = to.user
	return f
}

// open sends the first message of every flow and waits for it to arrive.
func (r *run) open(ctx context.Context) error {
	r.stopping.Store(true)
	for _, f := range r.flows {
		f.send(r.now())
	}
	return r.settle(ctx)
}

// load measures: begin starts the load, for the warm-up and the measured time.
// Where it blocks, it ends with what is due in that time, or its context.
func (r *run) load(ctx context.Context, begin func(context.Context)) error {
	if !r.checks().ok() {
		return nil // told by the report
	}
	r.progress("warming up for %v", r.Warmup)
	r.from.Store(math.MaxInt64) // until watch knows
	r.to.Store(math.MaxInt64)
	r.stopping.Store(false)
	loadCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		begin(loadCtx)
	}()
	err := r.watch(ctx, r.now()+int64(r.Warmup))
	r.stopping.Store(true)
	if err != nil {
		cancel()
	}
	late := time.AfterFunc(r.Drain, cancel) // what was due is sent even now, but not for ever
	<-ended
	late.Stop()
	if err != nil {
		return err
	}
	r.progress("waiting for the last messages")
	if err := r.settle(ctx); err != nil {
		return err
	}
	r.collect()
	return nil
}

// tally is what had come until a moment.
type tally struct {
	at                     int64
	sent, acked, delivered int64
}

func (r *run) tally() (t tally) {
	t.at = r.now()
	for _, f := range r.flows {
		t.sent += f.sent()
	}
	for _, d := range r.devices {
		t.acked += d.acks.Load()
		t.delivered += d.arrived.Load()
	}
	return t
}

// watch waits for the end of the warm-up, measures, takes samples at both ends of the
// measured time and a point each second, and fills in the report. The measured time
// begins and ends when this goroutine sees it, and so the counts are of all of it. Where
// everything stood still and nothing was measured, it goes on until something is.
func (r *run) watch(ctx context.Context, warm int64) error {
	if err := r.until(ctx, warm); err != nil {
		return err
	}
	profiled := r.profile(ctx, r.Duration)
	before, err := r.sample()
	if err != nil {
		return err
	}
	first := r.tally()
	r.from.Store(first.at)
	r.to.Store(first.at + int64(r.Duration))
	r.total = measure.NewSnapshot()
	last := first
	for last.at < r.to.Load() {
		if err := r.until(ctx, min(last.at+int64(time.Second), r.to.Load())); err != nil {
			return err
		}
		now := r.tally()
		r.point(last, now, first.at)
		last = now
		if barren := !r.sampled.Load() || now.delivered == first.delivered; barren && now.at >= r.to.Load() && now.at < first.at+int64(r.Duration+r.Drain) && r.checks().ok() {
			r.to.Store(now.at + int64(min(r.Duration, time.Second)))
		}
	}
	after, err := r.sample()
	if err != nil {
		return err
	}
	r.account(before, after)
	seconds := float64(last.at-first.at) / 1e9
	r.count("deliveries", last.delivered-first.delivered, seconds)
	r.report.Rates["acks"] = float64(last.acked-first.acked) / seconds
	r.report.Rates["sends"] = float64(last.sent-first.sent) / seconds
	r.progress("measured %.1f s", seconds)
	return profiled()
}

// point notes and tells how the last second was. A tail below a fifth of a second
// would be noise.
func (r *run) point(from, to tally, start int64) {
	s := r.delivery.Take()
	r.total.Add(s)
	seconds := float64(to.at-from.at) / 1e9
	if seconds < 0.2 {
		return
	}
	p := Point{T: float64(to.at-start) / 1e9, PerSecond: float64(to.delivered-from.delivered) / seconds, P50: measure.Millis(s.At(50)), P99: measure.Millis(s.At(99))}
	r.report.Timeline = append(r.report.Timeline, p)
	r.progress("  %4.0f s: %s deliveries a second, p50 %s, p99 %s", p.T, measure.Number(p.PerSecond), measure.Millisecond(p.P50), measure.Millisecond(p.P99))
}

// collect takes the latencies, also of what arrived after the measured time.
func (r *run) collect() {
	r.total.Add(r.delivery.Take())
	r.keep("delivery", r.total)
	r.keep("ack", r.ack.Take())
	r.keep("complete", r.complete.Take())
	r.keep("pacing", r.pacing.Take())
}

// until waits for a moment of the run's clock.
func (r *run) until(ctx context.Context, at int64) error {
	t := time.NewTimer(time.Duration(at - r.now()))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pace sends at the set rate, each flow in turn, until the measured time is over.
func (r *run) pace(ctx context.Context) {
	var clock measure.Alarm
	clock.Begin()
	defer clock.End()
	pause := float64(time.Second) / float64(r.Rate)
	start := r.now()
	var due []*flow
	for k := 0; ctx.Err() == nil; {
		at := start + int64(float64(k)*pause)
		if at >= r.to.Load() {
			return
		}
		if wait := at - r.now(); wait > 0 {
			clock.Sleep(time.Duration(wait))
			continue
		}
		due = due[:0]
		for now := r.now(); at <= now && at < r.to.Load() && len(due) < len(r.flows); {
			f := r.flows[k%len(r.flows)]
			f.queue(at)
			if due = append(due, f); r.measured(at) {
				r.pacing.Record(time.Duration(now - at))
			}
			k++
			at = start + int64(float64(k)*pause)
		}
		for _, f := range due {
			if err := f.from.conn.Flush(); err != nil && !f.from.leaving.Load() {
				r.note(&r.Failed, 1, "%s: %v", f.from.user, err)
			}
		}
	}
}

// group is the fan-out: a message is in flight until every online member has it.
func (r *run) group(ctx context.Context) error {
	r.progress("connecting %d members", r.Members)
	var users []chat.User
	for i := range r.Members {
		d, err := r.newDevice(ctx, r.user(i), "bench", i)
		if err != nil {
			return err
		}
		d.deliver = true
		users = append(users, d.user)
	}
	conv, err := r.newGroup(ctx, r.devices[0], users[1:])
	if err != nil {
		return err
	}
	for _, d := range r.devices[:r.Senders] {
		f := r.newFlow(conv, d, r.devices...)
		f.whole = make([]wholeness, 4*r.InFlight)
	}
	if err := r.connect(ctx, r.devices); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	return r.load(ctx, func(context.Context) {
		for _, f := range r.flows {
			for range r.InFlight - 1 {
				f.queue(r.now())
			}
			f.send(r.now())
		}
	})
}

// newGroup makes a group over HTTP.
func (r *run) newGroup(ctx context.Context, owner *device, members []chat.User) (conv string, err error) {
	var out struct {
		Conv string `json:"conv"`
	}
	in := map[string]any{"title": "bench " + r.id, "members": members, "cmid": "bench-" + r.id + "-group-" + r.id}
	if err := r.post(ctx, "/v1/conversations", owner.token, in, &out); err != nil {
		return "", fmt.Errorf("make the group: %w", err)
	}
	if out.Conv == "" {
		return "", errors.New("make the group: the answer names no conversation")
	}
	return out.Conv, nil
}
