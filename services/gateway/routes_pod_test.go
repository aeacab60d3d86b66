package gateway

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"sync/atomic"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/services/gateway/internal/repair"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// One pod of BenchmarkRouting, as a process of its own: a real gateway without
// clients and store. What is stored is made up and handed to step 5; sessions are
// ends that count.

// benchPodEnv makes of the test's program such a pod: its cell, which of the pods
// it is, and the URL of NATS.
const benchPodEnv = "PARLEY_BENCH_POD"

// routingPods is the way in which every pod has one subject and the sender knows
// who has whom. There is no such setting: it is measured for comparison, with a
// directory that is given.
const routingPods Routing = "pods"

// benchUsers are spread over all pods.
const benchUsers = 4096

// benchCell is one row of the table.
type benchCell struct {
	way     Routing
	pods    int
	flush   int // entries of one flush
	members int // of each conversation
	rate    int // flushes a second, of all pods together
}

// counter is a session that counts what it gets.
type counter struct {
	resident
	got *atomic.Int64
}

func (c *counter) Deliver(chat.Key, chat.Seq, []byte) bool { c.got.Add(1); return true }

// benchConv is a conversation whose sender is its first member.
type benchConv struct {
	key     chat.Key
	members []chat.User
	home    []int // the pod of each member
	seq     chat.Seq
}

type benchPod struct {
	cell benchCell
	self int
	g    *Gateway
	bus  *bus.Bus
	own  []*benchConv // whose sender is here
	got  atomic.Int64
	body []byte
}

// runBenchPod is the process. It says "ready"; on "run <flushes>" it sends so many
// and says "sent <entries>"; on "got" it says how many deliveries there were; at
// the end of its input it ends.
func runBenchPod(setting string, in io.Reader, out io.Writer) error {
	p := &benchPod{body: fmt.Appendf(nil, `{"text":"%0189d"}`, 7)} // 200 bytes
	var url string
	if _, err := fmt.Sscan(setting, &p.cell.way, &p.cell.pods, &p.cell.flush, &p.cell.members, &p.cell.rate, &p.self, &url); err != nil {
		return fmt.Errorf("read %s: %w", benchPodEnv, err)
	}
	ctx := context.Background()
	if err := p.start(ctx, url); err != nil {
		return err
	}
	fmt.Fprintln(out, "ready")
	for lines := bufio.NewScanner(in); lines.Scan(); {
		var flushes int
		switch _, err := fmt.Sscanf(lines.Text(), "run %d", &flushes); {
		case err == nil:
			fmt.Fprintln(out, p.run(flushes))
		default:
			fmt.Fprintln(out, p.got.Load())
		}
	}
	p.g.Drain(ctx)
	return p.bus.Drain(ctx)
}

func (p *benchPod) start(ctx context.Context, url string) error {
	st := memstore.New(memstore.Options{})
	meta, err := st.Meta(ctx)
	if err != nil {
		return err
	}
	meta.Epoch = "bench" // each pod has a store of its own
	quiet := slog.New(slog.DiscardHandler)
	if p.bus, err = bus.Connect(ctx, bus.Options{URL: url, Cluster: "bench", Name: fmt.Sprint("pod-", p.self), Logger: quiet}); err != nil {
		return err
	}
	opts := Options{Store: benchStore{st}, Bus: p.bus, Meta: meta, Log: quiet, Routing: p.cell.way, without: repair.Sweep}
	if p.cell.way == routingPods {
		opts.Routing = RoutingBroadcast
	}
	if p.g, err = New(ctx, opts); err != nil {
		return err
	}
	if p.cell.way == routingPods {
		if err := p.g.joinUsers(); err != nil {
			return err
		}
		p.g.listen(bus.Address(p.self), true)
		p.g.listen = nil // users have no subjects
	}
	if err := p.populate(); err != nil {
		return err
	}
	return p.bus.Flush(ctx)
}

// benchStore is a store whose epoch all pods have.
type benchStore struct{ *memstore.Store }

func (s benchStore) Meta(ctx context.Context) (store.MetaInfo, error) {
	m, err := s.Store.Meta(ctx)
	m.Epoch = "bench"
	return m, err
}

// populate draws for every user a pod and for every conversation its members, the
// same on all pods, and registers and attaches those who are here.
func (p *benchPod) populate() error {
	rnd := rand.New(rand.NewPCG(1, 2))
	sinks := make([]*counter, benchUsers)
	home := make([]int, benchUsers)
	for i := range sinks {
		sinks[i] = &counter{resident{chat.User(fmt.Sprintf("user-%04d", i))}, &p.got}
		if home[i] = rnd.IntN(p.cell.pods); home[i] == p.self {
			p.g.table.Register(sinks[i])
		}
	}
	for range max(64, benchUsers/p.cell.members) {
		some := rnd.Perm(benchUsers)[:p.cell.members]
		c := &benchConv{}
		for _, i := range some {
			c.members, c.home = append(c.members, sinks[i].user), append(c.home, home[i])
		}
		c.key = chat.Key{NS: chat.DefaultNS, Conv: chat.DirectID(chat.DefaultNS, c.members[0], c.members[1])}
		if p.cell.members > 2 {
			c.key.Conv = chat.GroupID(chat.DefaultNS, c.members[0], chat.CMID(c.members[1]))
		}
		for _, i := range some {
			if home[i] != p.self {
				continue
			}
			if ok, _ := p.g.table.Attach(c.key, sinks[i]).Live(0); !ok {
				return errors.New("a session did not go live")
			}
		}
		if c.home[0] == p.self {
			p.own = append(p.own, c)
		}
	}
	if len(p.own) == 0 {
		return errors.New("no conversation begins here")
	}
	return nil
}

// run sends flushes at this pod's part of the rate, and returns how many entries.
func (p *benchPod) run(flushes int) int {
	every := time.Second * time.Duration(p.cell.pods) / time.Duration(p.cell.rate)
	// Pods do not send in step.
	begun := time.Now().Add(every * time.Duration(p.self) / time.Duration(p.cell.pods))
	for i := range flushes {
		if wait := time.Until(begun.Add(time.Duration(i) * every)); wait > 0 {
			time.Sleep(wait) // the rate
		}
		p.flush()
	}
	return flushes * p.cell.flush
}

// flush hands the next flush to step 5.
func (p *benchPod) flush() {
	entries := make([]chat.Entry, p.cell.flush)
	convs := make([]*benchConv, p.cell.flush)
	for i := range entries {
		convs[i] = p.own[rand.IntN(len(p.own))]
		entries[i] = p.entry(convs[i])
	}
	if p.cell.way == routingPods {
		p.toPods(entries, convs)
		return
	}
	id := p.g.journal.Next()
	p.g.journal.Settle(id)
	p.g.committed(id, entries, nil)
}

// entry is the next message of a conversation, as the committer hands it on.
func (p *benchPod) entry(c *benchConv) chat.Entry {
	c.seq++
	e := chat.Entry{Key: c.key, Seq: c.seq, Kind: chat.KindMessage, From: c.members[0], CMID: "0123456789abcdef", Time: time.Now().UTC(),
		Count: int64(c.seq), Members: len(c.members), Body: p.body}
	if c.key.Conv.Kind() == chat.Direct {
		e.Concerns = c.members
	}
	if p.cell.way == RoutingUsers {
		e.Audience = c.members // also beyond the bound: that is what is measured
	}
	return e
}

// toPods is steps 5 and 6 of [routingPods].
func (p *benchPod) toPods(entries []chat.Entry, convs []*benchConv) {
	g := p.g
	out := make([][]route.Announced, p.cell.pods)
	sent := make([]bool, p.cell.pods)
	for i := range entries {
		e := &entries[i]
		a := route.Announced{Frame: frameOf(e), From: e.From, Count: e.Count, MV: e.MV, Time: e.Time}
		g.table.Route(&a.Frame)
		clear(sent)
		sent[p.self] = true
		for _, pod := range convs[i].home {
			if !sent[pod] {
				sent[pod] = true
				out[pod] = append(out[pod], a)
			}
		}
	}
	var buf []byte
	for pod, list := range out {
		for _, part := range partsOf(list) {
			o := g.origin()
			o.Last, o.To = 0, route.Hash(1+pod)
			buf = route.AppendEnvelope(buf[:0], o, part)
			if g.opts.Bus.PublishTo(bus.Address(pod), buf) != nil {
				g.stats.unheard.Add(1)
			}
		}
	}
}

// benchPodMain is for TestMain; false: this process is no pod.
func benchPodMain() bool {
	setting, ok := os.LookupEnv(benchPodEnv)
	if !ok {
		return false
	}
	if err := runBenchPod(setting, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return true
}
