package gateway

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/balance"
)

// Rebalancing: pods that were added get sessions from those that have clearly more
// than the mean. It is the drain's tool, goaway, for a few sessions a second. Whom to
// ask to go is chosen here; how many, in package balance.
//
// Who is told waits up to Spread, goes by itself, and resumes elsewhere as after any
// lost connection. A session in the middle of a flush, or with a request under way, is
// not told, and one that does not go is closed only when it is calm again.

// balanceOptions are its bounds.
type balanceOptions struct {
	balance.Options
	MinAge   time.Duration // a session so young is left alone, so that nobody is moved again and again; default 2 min
	Spread   time.Duration // over which those that are told at a time go; default 5 s
	Patience time.Duration // after which one that did not go by itself is closed; default 15 s
}

// The bounds of what an operator asks for.
const (
	RebalanceFor     = 10 * time.Minute // the default
	MaxRebalanceFor  = time.Hour
	rebalanceVersion = 1
)

// rebalancer is a pod's part of it.
type rebalancer struct {
	opts  balanceOptions
	auto  bool
	moved atomic.Uint64
	over  atomic.Int64

	judge *balance.Balancer // owned by watchPods

	mu    sync.Mutex
	until time.Time             // an operator has asked for it until then
	told  map[*client]time.Time // who was told to go, and when one that has not gone is closed
}

func newRebalancer(o balanceOptions, auto bool) *rebalancer {
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	dur(&o.MinAge, 2*time.Minute)
	dur(&o.Spread, 5*time.Second)
	dur(&o.Patience, 15*time.Second)
	return &rebalancer{opts: o, auto: auto, judge: balance.New(o.Options), told: make(map[*client]time.Time)}
}

func (r *rebalancer) leaving() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.told)
}

// gone is told of every session that ends.
func (r *rebalancer) gone(c *client) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.told, c)
	if len(r.told) == 0 {
		r.told = make(map[*client]time.Time) // a map does not shrink
	}
}

func (r *rebalancer) asked(until time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.until = until
}

func (r *rebalancer) wanted(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.auto || now.Before(r.until)
}

// rebalance is called every second.
func (g *Gateway) rebalance(now time.Time) {
	r := g.balance
	pods := g.roster.List(*g.epoch.Load(), now)
	others := make([]balance.Load, len(pods))
	for i, p := range pods {
		others[i] = balance.Load{Pod: p.Pod, Sessions: p.Sessions, Leaving: p.Leaving, Draining: p.Draining}
	}
	self := balance.Load{Pod: g.Pod(), Sessions: g.sessionCount(), Leaving: r.leaving(), Draining: g.Draining()}
	// Presence hears pods of earlier versions too, and knows which are dead.
	plan := r.judge.Step(now, self, others, g.presence.Stats().Pods > 1+len(pods))
	r.over.Store(int64(plan.Over))
	if self.Draining {
		return
	}
	g.closeLate(now, plan.Reason != balance.Changed)
	if plan.Send > 0 && r.wanted(now) {
		n := g.sendAway(plan.Send, now)
		g.log.Info("rebalancing", "sessions", self.Sessions, "over", plan.Over, "told", n)
	}
}

// sendAway tells at most n sessions to go, and returns how many it told. Which ones is
// left to chance, as maps have it: those that were there longest are nobody in
// particular.
func (g *Gateway) sendAway(n int, now time.Time) (told int) {
	r := g.balance
	for _, c := range g.clients() {
		if told == n {
			break
		}
		if c.s.Age() < r.opts.MinAge || !c.s.Calm() || !r.tell(c, now) {
			continue
		}
		if !g.isOpen(c) { // it has ended, and will not say so again
			r.gone(c)
			continue
		}
		wait := rand.N(r.opts.Spread)
		c.s.Answer(wire.Encode(&wire.GoAway{Type: "goaway", ReconnectMS: wait.Milliseconds()}))
		told++
	}
	r.moved.Add(uint64(told))
	return told
}

func (g *Gateway) isOpen(c *client) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open[c]
}

// tell notes that a session is told; false: it was already.
func (r *rebalancer) tell(c *client, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, already := r.told[c]; already {
		return false
	}
	r.told[c] = now.Add(r.opts.Spread + r.opts.Patience)
	return true
}

// closeLate closes sessions that were told to go and have not, when they have nothing
// under way; still: or lets them stay, because pods have come or gone meanwhile.
func (g *Gateway) closeLate(now time.Time, still bool) {
	r := g.balance
	var late []*client
	r.mu.Lock()
	for c, by := range r.told {
		switch {
		case now.Before(by):
		case still:
			late = append(late, c)
		default:
			delete(r.told, c)
		}
	}
	r.mu.Unlock()
	for _, c := range late {
		if c.s.Calm() {
			c.s.Close(chat.CloseRestart, "other pods have more room; reconnect")
		}
	}
}

// rebalanceCall is what an operator asks of all pods.
type rebalanceCall struct {
	Rebalance int    `json:"rebalance"` // version
	Epoch     string `json:"epoch"`
	ForMS     int64  `json:"for_ms"` // 0: stop
}

var rebalancePrefix = []byte(`{"rebalance":`)

// Rebalance has every pod of the cluster that has clearly more sessions than the mean
// send some away, for a time; 0 ends that, except where [Options].Rebalance says it
// for good. The error says that only this pod knows. It does not block.
func (g *Gateway) Rebalance(over time.Duration) error {
	if over < 0 || over > MaxRebalanceFor {
		return fmt.Errorf("rebalance for %v: at most %v", over, MaxRebalanceFor)
	}
	g.balance.asked(time.Now().Add(over))
	err := g.opts.Bus.Publish(bus.TopicControl, wire.Encode(&rebalanceCall{rebalanceVersion, *g.epoch.Load(), over.Milliseconds()}))
	if err != nil {
		return errors.Join(errors.New("the other pods do not know"), err)
	}
	return nil
}

// onRebalance takes another pod's call; false: the message is another.
func (g *Gateway) onRebalance(data []byte) bool {
	if !bytes.HasPrefix(data, rebalancePrefix) {
		return false
	}
	var c rebalanceCall
	if json.Unmarshal(data, &c) != nil || c.Rebalance != rebalanceVersion || c.Epoch != *g.epoch.Load() || c.ForMS < 0 {
		g.stats.foreign.Add(1)
		return true
	}
	g.balance.asked(time.Now().Add(min(MaxRebalanceFor, time.Duration(c.ForMS)*time.Millisecond)))
	return true
}
