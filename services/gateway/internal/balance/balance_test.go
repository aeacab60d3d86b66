package balance

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

var begin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func loads(sessions ...int) []Load {
	list := make([]Load, len(sessions))
	for i, n := range sessions {
		list[i] = Load{Pod: fmt.Sprint("pod-", i), Sessions: n}
	}
	return list
}

// calm is a balancer that has seen these pods for long enough.
func calm(o Options, list []Load) (*Balancer, time.Time) {
	b := New(o)
	b.Step(begin, list[0], list[1:], false)
	now := begin.Add(b.opts.Calm)
	b.Step(now, list[0], list[1:], false)
	return b, now
}

func TestStep(t *testing.T) {
	draining := loads(1000, 0)
	draining[1].Draining = true
	leaving := loads(1000, 500)
	leaving[0].Leaving = 240
	for _, c := range []struct {
		name   string
		loads  []Load
		unsure bool
		want   Plan
	}{
		{"full", loads(1000, 0), false, Plan{Send: 10, Over: 475, Reason: Sending}},
		{"empty", loads(0, 1000), false, Plan{Reason: Even}},
		{"alone", loads(1000), false, Plan{Reason: Alone}},
		{"even", loads(100, 100, 100), false, Plan{Reason: Even}},
		{"nobody at all", loads(0, 0), false, Plan{Reason: Even}},
		{"above, but within the margin", loads(1190, 1000, 1000), false, Plan{Over: 73, Reason: Even}},
		{"many pods, one of them empty", loads(1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 0), false, Plan{Send: 10, Over: 55, Reason: Sending}},
		{"few: not worth a reconnect", loads(30, 5), false, Plan{Over: 11, Reason: Even}},
		{"who was told counts as gone", leaving, false, Plan{Over: 0, Reason: Even}},
		{"somebody drains", draining, false, Plan{Over: 475, Reason: Changed}},
		{"somebody is not known", loads(1000, 0), true, Plan{Over: 475, Reason: Changed}},
		{"many: bounded", loads(100_000, 0), false, Plan{Send: 100, Over: 47_500, Reason: Sending}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b, now := calm(Options{}, c.loads)
			if got := b.Step(now.Add(time.Second), c.loads[0], c.loads[1:], c.unsure); got != c.want {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
}

// It begins only where it is worth it, and goes on to below that: else a session more
// or less would switch it on and off.
func TestTwoMargins(t *testing.T) {
	at := loads(1100, 1000, 900) // mean 1000, 10 % above it
	b, now := calm(Options{}, at)
	if p := b.Step(now.Add(time.Second), at[0], at[1:], false); p.Reason != Even {
		t.Fatalf("began: %+v", p)
	}
	full := loads(1300, 1000, 700)
	if p := b.Step(now.Add(2*time.Second), full[0], full[1:], false); p.Reason != Sending {
		t.Fatalf("did not begin: %+v", p)
	}
	if p := b.Step(now.Add(3*time.Second), at[0], at[1:], false); p.Reason != Sending {
		t.Fatalf("ended too early: %+v", p)
	}
	done := loads(1050, 1000, 950)
	if p := b.Step(now.Add(4*time.Second), done[0], done[1:], false); p.Reason != Even {
		t.Fatalf("goes on: %+v", p)
	}
	if p := b.Step(now.Add(5*time.Second), at[0], at[1:], false); p.Reason != Even {
		t.Fatalf("began again: %+v", p)
	}
}

func TestPodsThatComeAndGoStopIt(t *testing.T) {
	three, two := loads(1000, 0, 0), loads(1000, 0)
	b, now := calm(Options{}, three)
	step := func(after time.Duration, list []Load) Plan {
		now = now.Add(after)
		return b.Step(now, list[0], list[1:], false)
	}
	if p := step(time.Second, three); p.Send == 0 {
		t.Fatalf("%+v", p)
	}
	if p := step(time.Second, two); p.Send != 0 || p.Reason != Changed {
		t.Fatalf("a pod has gone: %+v", p)
	}
	if p := step(29*time.Second, two); p.Send != 0 {
		t.Fatalf("not calm yet: %+v", p)
	}
	if p := step(time.Second, two); p.Reason != Sending {
		t.Fatalf("%+v", p)
	}
	if p := step(time.Second, three); p.Reason != Changed {
		t.Fatalf("a pod has come: %+v", p)
	}
}

// After a pause nobody is sent away in one go.
func TestPauseGivesNoCredit(t *testing.T) {
	list := loads(10_000, 0)
	b, now := calm(Options{}, list)
	if p := b.Step(now.Add(time.Hour), list[0], list[1:], false); p.Send > 100 {
		t.Errorf("%+v", p)
	}
}

// Those who have left and are not counted anywhere yet make nobody follow them.
func TestWhoIsOnTheWayStillCounts(t *testing.T) {
	full := loads(400, 0)
	b, now := calm(Options{Share: 1, Most: 1000}, full)
	if p := b.Step(now.Add(time.Second), full[0], full[1:], false); p.Send != 190 {
		t.Fatalf("%+v", p)
	}
	for s := 2; s < 10; s++ {
		onTheWay := loads(210, 0)
		if p := b.Step(now.Add(time.Duration(s)*time.Second), onTheWay[0], onTheWay[1:], false); p.Send != 0 {
			t.Fatalf("%+v after %d s", p, s)
		}
	}
	ended := loads(210, 0)
	if p := b.Step(now.Add(15*time.Second), ended[0], ended[1:], false); p.Over != 99 || p.Reason != Sending {
		t.Fatalf("they do not come back, and: %+v", p)
	}
}

// world is pods behind a load balancer, second by second.
type world struct {
	pods  []*Balancer
	have  []int
	said  []Load  // what the pods said a second ago
	way   []int   // of those who are on their way, how many arrive in 1, 2, … seconds
	toGo  [][]int // of each pod, those that leave in 1, 2, … seconds
	moved int
	rng   *rand.Rand
	to    func(*world) int // the pod that the load balancer takes
}

func anyPod(w *world) int { return w.rng.IntN(len(w.have)) }

func least(w *world) int {
	best := 0
	for i, n := range w.have {
		if n < w.have[best] {
			best = i
		}
	}
	return best
}

const spread = 5

func newWorld(to func(*world) int, have ...int) *world {
	w := &world{have: have, rng: rand.New(rand.NewPCG(1, 2)), to: to}
	for range have {
		w.pods, w.toGo = append(w.pods, New(Options{})), append(w.toGo, make([]int, spread))
	}
	return w
}

// second lets one pass, and returns how many were told to go. Pods know of the others
// what was so a second ago, and who leaves one is two seconds on the way.
func (w *world) second(now time.Time) (told int) {
	list := make([]Load, len(w.have))
	for i, n := range w.have {
		list[i] = Load{Pod: fmt.Sprint(i), Sessions: n}
		for _, k := range w.toGo[i] {
			list[i].Leaving += k
		}
	}
	if w.said == nil {
		w.said, w.way = list, make([]int, 2)
	}
	for i, b := range w.pods {
		others := append(append([]Load(nil), w.said[:i]...), w.said[i+1:]...)
		p := b.Step(now, list[i], others, false)
		told += p.Send
		for range p.Send {
			w.toGo[i][w.rng.IntN(spread)]++
		}
	}
	w.moved += told
	w.said = list
	for range w.way[0] {
		w.have[w.to(w)]++
	}
	w.way = append(w.way[1:], 0)
	for i := range w.have {
		w.have[i] -= w.toGo[i][0]
		w.way[len(w.way)-1] += w.toGo[i][0]
		w.toGo[i] = append(w.toGo[i][1:], 0)
	}
	return told
}

// run lets sessions move until nobody was told anything for a minute.
func (w *world) run(t *testing.T) (seconds int) {
	t.Helper()
	quiet := 0
	for s := 1; s < 4*3600; s++ {
		if w.second(begin.Add(time.Duration(s)*time.Second)) > 0 {
			quiet, seconds = 0, s
		} else if quiet++; quiet > 60 {
			return seconds
		}
	}
	t.Fatalf("it goes on for ever: %v", w.have)
	return 0
}

// Where the load balancer sends sessions decides how many have to move, not whether
// it ends well.
func TestConverges(t *testing.T) {
	for _, c := range []struct {
		name string
		to   func(*world) int
		have []int
		most float64 // sessions moved, as a share of those that must at least
	}{
		{"least connections, 2+1", least, []int{9000, 9000, 0}, 1.01},
		{"least connections, 3+3", least, []int{6000, 6000, 6000, 0, 0, 0}, 1.01},
		{"least connections, 9+1", least, []int{3000, 3000, 3000, 3000, 3000, 3000, 3000, 3000, 3000, 0}, 1.01},
		{"any pod, 2+1", anyPod, []int{9000, 9000, 0}, 3.2},
		{"any pod, 3+3", anyPod, []int{6000, 6000, 6000, 0, 0, 0}, 2.2},
		{"any pod, 10+1", anyPod, []int{2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 2000, 0}, 12},
		{"any pod, one is full", anyPod, []int{9000, 100, 100, 100}, 1.6},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(c.to, c.have...)
			total, must := 0, 0
			for _, n := range c.have {
				total += n
			}
			mean := float64(total) / float64(len(c.have))
			for _, n := range c.have {
				must += max(0, int(float64(n)-mean))
			}
			seconds := w.run(t)
			for _, n := range w.have {
				if float64(n) > mean*1.2+20 || float64(n) < mean*0.45 {
					t.Errorf("still uneven: %v", w.have)
				}
			}
			if share := float64(w.moved) / float64(must); share > c.most {
				t.Errorf("%d moved, %.1f times what must", w.moved, share)
			}
			t.Logf("%d of %d sessions moved, %.2f of the least, in %d s: %v", w.moved, total, float64(w.moved)/float64(must), seconds, w.have)
		})
	}
}
