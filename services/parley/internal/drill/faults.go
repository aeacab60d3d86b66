package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// noFault is the scenario that the others are compared with.
const noFault = "none"

// processFaults end and stop gateways.
func processFaults() []Scenario {
	return []Scenario{
		{Name: noFault, About: "no fault, for comparison",
			run: underLoad(10*time.Second, func(context.Context, *world, time.Duration) error { return nil })},
		{Name: "kill-gateway", restarts: true, About: "kill -9 of a gateway, again and again, restarted each time",
			run: underLoad(25*time.Second, killGateways)},
		{Name: "die-before-announce", restarts: true, Short: true, failpoint: "before-announce", About: "gateways die between store and announce, again and again",
			run: underLoad(25*time.Second, dieAt("before-announce"))},
		{Name: "die-before-finish", restarts: true, failpoint: "before-finish", About: "gateways die between append and finish, again and again",
			run: underLoad(25*time.Second, dieAt("before-finish"))},
		{Name: "rolling-restart", restarts: true, Short: true, About: "SIGTERM and restart of each gateway in turn",
			run: underLoad(20*time.Second, rollingRestart)},
		{Name: "pause-gateway", outage: 5 * time.Second, About: "a gateway stands still for 5 s (SIGSTOP)",
			run: underLoad(15*time.Second, pauseGateway(5*time.Second))},
		{Name: "pause-past-lease", outage: 20 * time.Second, About: "a gateway stands still for 20 s, longer than its lease",
			run: underLoad(30*time.Second, pauseGateway(20*time.Second))},
	}
}

// busFaults take NATS away, from all or from one.
func busFaults() []Scenario {
	return []Scenario{
		{Name: "pause-nats", outage: 5 * time.Second, About: "NATS stands still for 5 s (SIGSTOP)",
			run: underLoad(15*time.Second, func(ctx context.Context, w *world, _ time.Duration) error {
				return standStill(ctx, w, w.cluster.NATS, 5*time.Second)
			})},
		{Name: "restart-nats", Short: true, About: "NATS is killed, and back after 3 s, twice",
			run: underLoad(18*time.Second, restartNATS)},
		{Name: "split-nats", outage: 5 * time.Second, About: "one gateway cannot reach NATS for 5 s, and is told nothing",
			run: underLoad(18*time.Second, splitNATS)},
	}
}

// killGateways goes round and round, because the clients of the one that was killed
// are with the others then.
func killGateways(ctx context.Context, w *world, span time.Duration) error {
	end := time.Now().Add(span)
	for i := 0; ; i++ {
		g := w.cluster.Gateways[i%len(w.cluster.Gateways)]
		if !pause(ctx, 2*time.Second) || time.Now().After(end) {
			return nil
		}
		if err := g.Kill(); err != nil {
			return err
		}
		w.struck("killed %s", g.Name)
		if err := again(ctx, g); err != nil {
			return err
		}
	}
}

// again starts a process that has ended, and waits until it is ready. It is started
// also where ctx has ended: the load is to come to its end.
func again(ctx context.Context, p *procs.Process) error {
	if err := p.Start(); err != nil {
		return err
	}
	return p.Ready(context.WithoutCancel(ctx))
}

// failpoint is the environment that makes a gateway die at a place, the nth time
// that it comes by.
func failpoint(place string, n int) string { return fmt.Sprintf("PARLEY_FAILPOINT=%s=%d", place, n) }

// firstDeath is how often a gateway comes by its fail point before it dies there for
// the first time: often enough for the load to have begun.
const firstDeath = 30

// dieAt restarts the gateways, which die by themselves, until the load is over. A
// gateway that is started late is not made to die once more.
func dieAt(place string) fault {
	return func(ctx context.Context, w *world, span time.Duration) error {
		end := time.Now().Add(span)
		group, ctx := errgroup.WithContext(ctx)
		for i, g := range w.cluster.Gateways {
			rng := rand.New(rand.NewPCG(w.opt.Seed, uint64(i)))
			group.Go(func() error {
				for {
					if err := g.Died(ctx); ctx.Err() != nil {
						return nil
					} else if err != nil {
						return err
					}
					w.struck("%s died %s", g.Name, place)
					g.SetEnv()
					if time.Now().Before(end) {
						g.SetEnv(failpoint(place, 25+rng.IntN(50)))
					}
					if err := g.Start(); err != nil {
						return err
					}
				}
			})
		}
		return group.Wait()
	}
}

// rollingRestart restarts one gateway after the other, round and round.
func rollingRestart(ctx context.Context, w *world, span time.Duration) error {
	end := time.Now().Add(span)
	for i := 0; ; i++ {
		g := w.cluster.Gateways[i%len(w.cluster.Gateways)]
		if !pause(ctx, time.Second) || time.Now().After(end) {
			return nil
		}
		begun := time.Now()
		if err := g.Stop(); err != nil {
			return err
		}
		w.struck("%s drained in %.1f s", g.Name, time.Since(begun).Seconds())
		if err := again(ctx, g); err != nil {
			return err
		}
	}
}

func pauseGateway(d time.Duration) fault {
	return func(ctx context.Context, w *world, _ time.Duration) error {
		return standStill(ctx, w, w.anyGateway(), d)
	}
}

// standStill stops a process and lets it go on.
func standStill(ctx context.Context, w *world, p *procs.Process, d time.Duration) error {
	if !pause(ctx, 3*time.Second) {
		return nil
	}
	if err := p.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	w.struck("%s stands still for %v", p.Name, d)
	pause(ctx, d)
	return p.Signal(syscall.SIGCONT)
}

func restartNATS(ctx context.Context, w *world, span time.Duration) error {
	for range 2 {
		if !pause(ctx, span/9) {
			return nil
		}
		if err := w.cluster.NATS.Kill(); err != nil {
			return err
		}
		w.struck("killed NATS")
		pause(ctx, span/6)
		if err := again(ctx, w.cluster.NATS); err != nil {
			return err
		}
	}
	return nil
}

func splitNATS(ctx context.Context, w *world, _ time.Duration) error {
	if !pause(ctx, 3*time.Second) {
		return nil
	}
	g := w.anyGateway()
	k := w.nats[g.Name]
	defer k.heal()
	if err := errors.Join(k.swallow(toServer), k.swallow(fromServer)); err != nil {
		return err
	}
	w.struck("%s and NATS hear nothing of each other for 5 s", g.Name)
	pause(ctx, 5*time.Second)
	return nil
}
