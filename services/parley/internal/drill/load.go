package drill

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// The load of package verify: few users who write at a bounded rate, because the
// MongoDB-wire server reads all of a collection where MongoDB uses an index.
const (
	users      = 4
	devices    = 2 // of each user
	groups     = 2
	rate       = 20.0 // messages a second, of all
	settleTime = 90 * time.Second
)

// fault does something to a cluster for about the time that the load lasts. It
// leaves everything healed, also where ctx ends early.
type fault func(ctx context.Context, w *world, span time.Duration) error

// underLoad is a scenario's run: the fault begins with the first message.
func underLoad(span time.Duration, f fault) func(context.Context, *world, *Result) error {
	return func(ctx context.Context, w *world, r *Result) error {
		span := span
		if w.opt.Short {
			span = span * 2 / 5
		}
		faultCtx, stop := context.WithCancel(ctx)
		defer stop()
		struck := make(chan error, 1)
		began := false
		report, err := verify.Run(ctx, verify.Options{
			URLs: w.urls(), API: w.cluster.History.URL(), Token: w.token,
			Users: users, Devices: devices, Groups: groups, Reconnects: -1, InFlight: 16,
			Messages: int(rate * span.Seconds()), Rate: rate, Timeout: span + settleTime, Seed: w.opt.Seed,
			Bound: w.scenario.outage + w.opt.Store.allowance(), Away: w.away.spans, Ops: w.ops(),
			Sending: func() {
				began = true
				go func() { struck <- f(faultCtx, w, span) }()
			},
		})
		stop()
		if began {
			err = errors.Join(err, <-struck)
		}
		if report != nil {
			r.take(report)
		}
		return err
	}
}

// take notes what verify found.
func (r *Result) take(report *verify.Report) {
	// What was to change a message that went meanwhile has no ack to wait for.
	r.Sent, r.Acked, r.Stored, r.Repeated = report.Sent-report.TooLate, report.Acked, report.Stored, report.Repeated
	r.AckP99, r.AckMax = report.Ack.P99, report.Ack.Max
	r.Staleness, r.StalenessP99, r.Stalest = report.Staleness.Max, report.Staleness.P99, report.Stalest
	for _, c := range report.Clients {
		r.Reconnects += max(c.Sessions-1, 0)
	}
	r.Resets, r.Gaps = report.Wire.Resets, report.Wire.Gaps
	for _, n := range report.Verdict.Counts {
		r.Violations += n
	}
	seen := map[string]bool{}
	for _, v := range report.Verdict.Violations {
		if !seen[v.Invariant] { // one of each is enough to begin with; the report of verify has them all
			seen[v.Invariant] = true
			r.Found = append(r.Found, Finding{What: fmt.Sprintf("%s %s: %s", v.Invariant, v.Conv, v.What), Trace: v.Trace})
		}
	}
	if report.Unsettled != "" {
		r.violated("not everything had arrived in time: " + report.Unsettled)
	}
	if report.Refused > 0 {
		r.violated(fmt.Sprintf("%d messages were refused; none should be", report.Refused))
	}
}
