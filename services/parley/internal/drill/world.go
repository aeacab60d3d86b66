package drill

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
	"github.com/parley-chat/parley/services/parley/internal/procs"
)

// world is a scenario's cluster and what stands between its parts:
//
//	clients → front → gateway → store[gateway] → wire → MongoDB-wire server
//	                          → nats[gateway] → NATS
type world struct {
	opt      *Options
	scenario Scenario
	rng      *rand.Rand
	cluster  *procs.Cluster
	links    *links
	front    []*link          // before each gateway
	store    map[string]*link // of each process towards MongoDB
	nats     map[string]*link // of each gateway towards NATS
	wire     *wireproxy.Proxy // what all of store lead to
	strikes  atomic.Int64     // how often the fault struck
	away     away             // when it kept the store from being read

	stopWire context.CancelFunc
	wireDone chan error
}

type worldOptions struct {
	*Options
	Scenario
	dir, programs, mongoURI string
}

// newWorld starts a cluster with a database of its own, and waits until it is
// ready.
func newWorld(ctx context.Context, o worldOptions) (w *world, err error) {
	w = &world{
		opt: o.Options, scenario: o.Scenario, rng: rand.New(rand.NewPCG(o.Seed, uint64(len(o.Name)))), links: newLinks(),
		store: make(map[string]*link), nats: make(map[string]*link), wireDone: make(chan error, 1),
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.close())
		}
	}()
	mongo, err := url.Parse(o.mongoURI)
	if err != nil {
		return w, fmt.Errorf("read the MongoDB URI: %w", err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return w, fmt.Errorf("listen: %w", err)
	}
	w.wire = wireproxy.New(wireproxy.Options{Target: mongo.Host, Struck: w.away.struck})
	wireCtx, stop := context.WithCancel(context.WithoutCancel(ctx))
	w.stopWire = stop
	go func() { w.wireDone <- w.wire.Serve(wireCtx, ln) }()

	logs := ""
	if o.Logs != "" {
		logs = filepath.Join(o.Logs, o.Name)
		if err := os.MkdirAll(logs, 0o755); err != nil {
			return w, fmt.Errorf("make a directory for logs: %w", err)
		}
	}
	mongo.Host = ln.Addr().String()
	mongo.Path = "/drill_" + strings.ReplaceAll(o.Name, "-", "_")
	dir, err := os.MkdirTemp(o.dir, o.Name)
	if err != nil {
		return w, fmt.Errorf("make a directory: %w", err)
	}
	start := procs.Options{Dir: dir, Programs: o.programs, MongoURI: mongo.String(), Logs: logs, Through: w.through, NoSearch: o.Store == FerretDB || o.memory}
	if o.Routing != "" {
		start.Args = []string{"--routing", o.Routing}
	}
	if o.failpoint != "" {
		start.Env = []string{failpoint(o.failpoint, firstDeath)}
	}
	w.cluster, err = procs.Start(ctx, start)
	if err != nil {
		return w, err
	}
	for _, g := range w.cluster.Gateways {
		k, err := w.links.open("clients>"+g.Name, hostOf(g))
		if err != nil {
			return w, err
		}
		w.front = append(w.front, k)
	}
	return w, nil
}

func hostOf(p *procs.Process) string { return fmt.Sprintf("127.0.0.1:%d", p.Port) }

// through puts a link before each dependency of each process.
func (w *world) through(process string, d procs.Dependency, addr string) (string, error) {
	k, err := w.links.open(process+">"+string(d), addr)
	if err != nil {
		return "", err
	}
	if d == procs.MongoDB {
		w.store[process] = k
	} else {
		w.nats[process] = k
	}
	return k.addr, nil
}

// close stops everything; the error is what the processes complained about.
func (w *world) close() error {
	var err error
	if w.cluster != nil {
		err = w.cluster.Stop()
	}
	w.links.close()
	if w.stopWire != nil {
		w.stopWire()
		if e := <-w.wireDone; !errors.Is(e, context.Canceled) {
			err = errors.Join(err, e)
		}
	}
	return err
}

// urls are the gateways' addresses for clients.
func (w *world) urls() []string {
	var list []string
	for _, k := range w.front {
		list = append(list, "http://"+k.addr)
	}
	return list
}

// ops are the operations ports of the processes that must hold in the end what they
// held in the beginning.
func (w *world) ops() (list []string) {
	if w.scenario.restarts {
		return nil
	}
	for _, g := range w.cluster.Gateways {
		list = append(list, fmt.Sprintf("http://127.0.0.1:%d", g.OpsPort))
	}
	return list
}

func (w *world) token(_ context.Context, u chat.User) (string, error) { return w.cluster.Token(u) }

// anyGateway draws one.
func (w *world) anyGateway() *procs.Process {
	return w.cluster.Gateways[w.rng.IntN(len(w.cluster.Gateways))]
}

// struck counts a strike and tells of it.
func (w *world) struck(format string, args ...any) {
	w.strikes.Add(1)
	w.opt.Progress("    " + fmt.Sprintf(format, args...))
}

// pause lets time pass under a fault, or between two; false: ctx ended first.
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
