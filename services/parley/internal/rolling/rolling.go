// Package rolling restarts the gateways of a cluster of real processes one after the
// other while package verify's load goes on, and draws what clients noticed of it: who
// was connected to which gateway, when connections moved, and how long messages took.
//
// The MongoDB-wire server is the one in memory, in a process of its own like
// everything else would be in production but for that: its times are not MongoDB's.
// What is shown is the cluster's behaviour, not a store's.
package rolling

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/mongotest"
	"github.com/parley-chat/parley/services/parley/internal/procs"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// Options say what to run. Zero fields have defaults.
type Options struct {
	Restarts bool          // restart each gateway in turn; else nothing is broken but connections
	Idle     int           // connections that only listen, beside those of the load; default 0
	Drain    time.Duration // the gateways' --drain-window; default 5 s
	Calm     time.Duration // before the first restart, between two and after the last; default 4 s
	Load     verify.Options
	Race     bool // build the services with the race detector
	// Before is a directory with the program gateway of another version: the gateways
	// begin as that, and are of this version once restarted. Default: they are of this
	// version all along.
	Before string
	Args   []string // further arguments of every gateway

	Progress func(line string) // nil: nobody is told

	dir string // of the programs
}

func (o Options) withDefaults() Options {
	if o.Drain == 0 {
		o.Drain = 5 * time.Second
	}
	if o.Calm == 0 {
		o.Calm = 4 * time.Second
	}
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	o.Load.Progress = o.Progress
	return o
}

// Run is what happened. Times are seconds since the first message.
type Run struct {
	Report   *verify.Report
	Restarts []Restart
	Samples  []Sample
	Moments  []verify.Moment // of the load's clients, by the clock of Zero
	Returns  []Return        // of the idle connections
	Zero     time.Duration   // the first message, in the time of Moments
}

// Restart is one gateway's.
type Restart struct {
	Gateway           string
	Asked, Down, Back float64 // SIGTERM, the process has ended, it is ready again
}

// Sample is who was connected to what.
type Sample struct {
	At       float64
	Sessions []float64 // of each gateway; 0 while it is away; not a number where it did not answer in time
}

// Return is an idle connection that came back.
type Return struct {
	At, Away float64 // when it was live again, and how long it had not been
}

// Do runs it all: builds, starts, loads, restarts, judges. It blocks until everything
// has ended; the processes do not outlive it. What the load's judge found is in the
// report; the error is about the run itself.
func Do(ctx context.Context, o Options) (run *Run, err error) {
	o = o.withDefaults()
	dir, err := os.MkdirTemp("", "parley-rolling-")
	if err != nil {
		return nil, fmt.Errorf("make a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	o.dir = dir
	mongo, err := mongotest.OpenMemory()
	if err != nil {
		return nil, fmt.Errorf("start the MongoDB-wire server: %w", err)
	}
	defer func() { err = errors.Join(err, mongo.Close()) }()
	o.Progress("building and starting three gateways, history and NATS")
	cluster, err := procs.Start(ctx, procs.Options{Dir: dir, MongoURI: mongo.URI + "rolling", Race: o.Race, Before: o.Before, Args: append([]string{"--drain-window", o.Drain.String()}, o.Args...)})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, cluster.Stop()) }()
	crowd, err := gather(ctx, cluster, o.Idle)
	if err != nil {
		return nil, err
	}
	defer crowd.close()
	return o.under(ctx, cluster, crowd)
}

// under makes the load, and meanwhile the restarts.
func (o Options) under(ctx context.Context, cluster *procs.Cluster, crowd *crowd) (*Run, error) {
	run := &Run{}
	watch := newWatch(cluster)
	busy, stop := context.WithCancel(ctx)
	defer stop()
	var zero time.Time
	restarted, watched, seen := make(chan error, 1), make(chan struct{}), make(chan struct{})
	began := false
	o.Load.URLs, o.Load.API = cluster.URLs(), cluster.History.URL()
	o.Load.Token = tokens(cluster)
	o.Load.Sending = func() {
		zero, began = time.Now(), true
		go func() { defer close(watched); watch.run(busy, zero, seen) }()
		go func() { <-seen; restarted <- o.restart(busy, cluster, zero, run) }()
	}
	o.Load.History = func(h *verify.History, start time.Time) {
		run.Moments, run.Zero = h.Timeline(), zero.Sub(start)
	}
	report, err := verify.Run(ctx, o.Load)
	if began {
		err = errors.Join(err, <-restarted)
		if err == nil && o.Restarts {
			crowd.allBack(ctx)
		}
		stop()
		<-watched
	}
	run.Report, run.Samples, run.Returns = report, watch.samples, crowd.returned(zero)
	return run, err
}

// restart restarts every gateway once, as a Deployment does: the next one begins when
// the last one is ready.
func (o Options) restart(ctx context.Context, cluster *procs.Cluster, zero time.Time, run *Run) error {
	if !o.Restarts {
		return nil
	}
	for _, g := range cluster.Gateways {
		if !pause(ctx, o.Calm) {
			return ctx.Err()
		}
		r := Restart{Gateway: g.Name, Asked: time.Since(zero).Seconds()}
		if err := g.Stop(); err != nil {
			return err
		}
		r.Down = time.Since(zero).Seconds()
		g.Use(o.dir)
		if err := g.Start(); err != nil {
			return err
		}
		if err := g.Ready(ctx); err != nil {
			return err
		}
		r.Back = time.Since(zero).Seconds()
		run.Restarts = append(run.Restarts, r)
		o.Progress(fmt.Sprintf("%s drained in %.1f s, and is back after %.1f s", g.Name, r.Down-r.Asked, r.Back-r.Asked))
	}
	return nil
}

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
