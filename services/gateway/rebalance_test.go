package gateway

import (
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/ops"
	"github.com/parley-chat/parley/pkg/store/memstore"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/balance"
)

// soon has a gateway rebalance as soon as it may, and all at once.
func soon(auto bool) func(*Options) {
	return func(o *Options) {
		o.Rebalance = auto
		o.balance = balanceOptions{MinAge: time.Nanosecond, Spread: time.Millisecond,
			Options: balance.Options{Calm: time.Nanosecond, Least: 1, Share: 1, Most: 1000}}
	}
}

// goneAway waits for n sessions of a pod that are told to go, has them go to another
// pod, and returns which they were.
func (c *cluster) goneAway(list []*conn, n, to int) map[int]bool {
	c.t.Helper()
	told := make(chan int, len(list))
	for i, k := range list {
		go func() {
			for {
				f, err := k.readForever()
				if err != nil {
					return
				}
				if _, ok := f.(*wire.GoAway); ok {
					told <- i
				}
			}
		}()
	}
	gone := make(map[int]bool)
	for len(gone) < n {
		select {
		case i := <-told:
			if gone[i] {
				c.t.Fatalf("session %d was told twice", i)
			}
			gone[i] = true
			_ = list[i].ws.CloseNow()
			c.login(to, fmt.Sprint("user-", i), "")
		case <-time.After(patience):
			c.t.Fatalf("%d of %d sessions were told to go", len(gone), n)
		}
	}
	return gone
}

func (k *conn) readForever() (any, error) {
	_, data, err := k.ws.Read(k.t.Context())
	if err != nil {
		return nil, err
	}
	return wire.DecodeServer(data)
}

func (c *cluster) full(n int) (list []*conn) {
	for i := range n {
		k, _ := c.login(0, fmt.Sprint("user-", i), "")
		list = append(list, k)
	}
	return list
}

// A full pod sends away what it has above the mean, and no more.
func TestRebalance(t *testing.T) {
	c := newCluster(t, 2, soon(true))
	list := c.full(40)
	c.goneAway(list, 19, 1) // 21 is 5 % above the mean
	c.until(func() bool {   // who was told is counted after that, and who goes ends after that
		s := c.gates[0].Stats()
		return s.Moved >= 19 && s.Sessions <= 21
	})
	c.hearBeats(2)
	if s := c.gates[0].Stats(); s.Moved != 19 || s.Over != 0 || s.Sessions != 21 {
		t.Errorf("it goes on: %+v", s)
	}
	if s := c.gates[1].Stats(); s.Moved != 0 || s.Sessions != 19 {
		t.Errorf("the other pod: %+v", s)
	}
}

// hearBeats waits until every pod has told its status n times, and every other one knows
// of all.
func (c *cluster) hearBeats(n int) {
	c.t.Helper()
	heard := make(chan string, 1000)
	c.bus.set(func() {
		c.bus.drop = func(topic bus.Topic, data []byte) bool {
			if s, ok := ParsePodStatus(data); ok && topic == bus.TopicControl {
				heard <- s.Pod
			}
			return false
		}
	})
	defer c.bus.set(func() { c.bus.drop = nil })
	beats := make(map[string]int)
	for least := 0; least < n; {
		select {
		case pod := <-heard:
			beats[pod]++
		case <-time.After(patience):
			c.t.Fatalf("heard only %v", beats)
		}
		least = n
		for _, g := range c.gates {
			least = min(least, beats[g.Pod()])
		}
	}
	c.until(func() bool {
		for _, g := range c.gates {
			if len(g.Pods()) != len(c.gates) {
				return false
			}
		}
		return true
	})
}

// Nothing moves unless it is switched on or asked for; who asks one pod asks all.
func TestRebalanceOnRequest(t *testing.T) {
	c := newCluster(t, 2, soon(false))
	list := c.full(10)
	c.hearBeats(3)
	c.until(func() bool { return c.gates[0].Stats().Over > 0 })
	if s := c.gates[0].Stats(); s.Moved != 0 {
		t.Fatalf("unasked: %+v", s)
	}
	o := ops.New(ops.Options{})
	c.gates[1].Operate(o)
	post := func(path string) (int, string) {
		w := httptest.NewRecorder()
		o.Handler().ServeHTTP(w, httptest.NewRequest("POST", path, nil))
		return w.Code, w.Body.String()
	}
	for path, want := range map[string]int{"/rebalance?for=soon": 400, "/rebalance?for=-1s": 400, "/rebalance?for=2h": 400, "/rebalance?for=0": 204, "/rebalance": 204} {
		if code, body := post(path); code != want {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
	if code, body := post("/rebalance?for=1m"); code != 204 {
		t.Fatalf("%d %s", code, body)
	}
	c.goneAway(list, 4, 1) // 6 of 10 is 20 % above the mean: one more, with a whole session, would be 5
	c.bus.set(func() { c.bus.cut = true })
	if code, body := post("/rebalance"); code != 400 || !strings.Contains(body, "the other pods do not know") {
		t.Errorf("the bus is away: %d %s", code, body)
	}
}

// Whoever is being flushed is left alone, and so is who has been told.
func TestRebalanceLeavesTheBusyAlone(t *testing.T) {
	c := newCluster(t, 1, soon(false))
	g := c.gates[0]
	alice, _ := c.login(0, "alice", "")
	conv := alice.sendTo("bob", "m1", "hello").Conv
	_ = alice.ws.CloseNow()
	c.until(func() bool { return g.sessionCount() == 0 })
	blocked := c.store.Inject(memstore.Fault{Op: memstore.OpEntries, Kind: memstore.Block})
	bob := c.connect(0, "bob")
	bob.send(`{"type":"hello"}`)
	if err := blocked.Wait(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if n := g.sendAway(10, time.Now()); n != 0 || g.Stats().Syncing != 1 {
		t.Errorf("%d told in the middle of a flush; %d syncing", n, g.Stats().Syncing)
	}
	blocked.Remove()
	blocked.Release()
	if e := expect[*wire.Entry](bob); e.Conv != conv {
		t.Errorf("%+v", e)
	}
	expect[*wire.Synced](bob)
	c.until(func() bool { return g.sendAway(10, time.Now()) == 1 })
	expect[*wire.GoAway](bob)
	if n := g.sendAway(10, time.Now()); n != 0 || g.Pods()[0].Leaving != 1 {
		t.Errorf("%d told again, %+v", n, g.Pods())
	}
	c.until(func() bool { // the session has noted that bob has been told
		for _, b := range g.clients() {
			if !b.s.Calm() {
				return false
			}
		}
		return true
	})
	g.closeLate(time.Now().Add(time.Minute), true) // bob has not gone by himself
	if code := bob.closed(); code != 1012 {
		t.Errorf("closed with %d", code)
	}
	c.until(func() bool { return g.balance.leaving() == 0 })
}

// The pods know each other, and say so on the operations port.
func TestPods(t *testing.T) {
	c := newCluster(t, 3, func(o *Options) { o.Name = "gateway" })
	c.login(1, "alice", "")
	c.hearBeats(2)
	c.until(func() bool { // what it knows of the second pod is as new as that
		for _, p := range c.gates[0].Pods() {
			if p.Pod == c.gates[1].Pod() && p.Sessions == 1 {
				return true
			}
		}
		return false
	})
	o := ops.New(ops.Options{})
	c.gates[0].Operate(o)
	w := httptest.NewRecorder()
	o.Handler().ServeHTTP(w, httptest.NewRequest("GET", "/pods", nil))
	var list []PodStatus
	if err := json.Unmarshal(w.Body.Bytes(), &list); err != nil {
		t.Fatal(err)
	}
	sessions := map[string]int{}
	for _, p := range list {
		sessions[p.Pod] = p.Sessions
		if p.Epoch != *c.gates[0].epoch.Load() || p.Server != "parley" || p.Name != "gateway" || p.Routing != "broadcast" || p.Lag != 0 {
			t.Errorf("%+v", p)
		}
	}
	if len(sessions) != 3 || sessions[c.gates[1].Pod()] != 1 {
		t.Errorf("%+v", list)
	}
}
