// Package balance decides how many sessions a pod sends away, so that pods that were
// added get their share. It knows numbers only: no clock, no connection.
//
// Every pod decides for itself, from what all pods say of their sessions. A pod that
// has clearly more than the mean sends a few away each second, until it is only
// slightly above it: the two margins lie apart, so that nothing goes to and fro, and
// as nobody goes below the mean, nobody sends away what another one just has. Where
// those sessions go is the load balancer's business. One that counts connections
// gives them to the empty pods; one that does not gives most of them to pods that are
// full already, which send their excess away again: of what is uneven, (n−k)/n is left
// after each round, with k of n pods new. A tenth pod beside nine full ones leaves each
// of them only a ninth above the mean: so it is an empty pod that lets them begin, too.
package balance

import (
	"math"
	"slices"
	"time"
)

// Options are the bounds; zero fields have defaults.
type Options struct {
	Start float64       // share above the mean at which a pod begins; default 0.2
	Empty float64       // share of the mean below which a pod is so empty that all above the mean begin; default 0.5
	Stop  float64       // share above the mean at which a pod has done; default 0.05, and never more than 1/2n, so that of n pods an empty one gets half of the mean
	Least int           // sessions above the mean that are not worth a reconnect; default 20
	Share float64       // of its sessions that a pod sends away in a second; default 0.01
	Most  int           // sessions that a pod sends away in a second; default 100
	Calm  time.Duration // for which no pod may have come, gone or drained; default 30 s
}

func (o Options) withDefaults() Options {
	num := func(p *float64, v float64) {
		if *p == 0 {
			*p = v
		}
	}
	num(&o.Start, 0.2)
	num(&o.Empty, 0.5)
	num(&o.Stop, 0.05)
	num(&o.Share, 0.01)
	if o.Least == 0 {
		o.Least = 20
	}
	if o.Most == 0 {
		o.Most = 100
	}
	if o.Calm == 0 {
		o.Calm = 30 * time.Second
	}
	return o
}

// Load is one pod.
type Load struct {
	Pod      string
	Sessions int
	Leaving  int // of them, those that were told to go
	Draining bool
}

func (l Load) stays() int { return max(0, l.Sessions-l.Leaving) }

// Reason is why a pod sends nobody away.
type Reason string

// The reasons.
const (
	Sending Reason = "sending" // it does
	Even    Reason = "even"
	Alone   Reason = "alone"
	Changed Reason = "changed" // a pod has come, gone or drained a moment ago, or is not known well enough
)

// Plan is what to do now.
type Plan struct {
	Send   int // sessions to send away
	Over   int // sessions that it has above where it would stop
	Reason Reason
}

// Balancer is one pod's judgement. Make it with [New]; it is not safe for concurrent
// use.
type Balancer struct {
	opts   Options
	pods   []string // as of the last step
	since  time.Time
	last   time.Time
	on     bool
	credit float64 // sessions that may be sent away
	totals []totalAt
}

// New makes a balancer.
func New(o Options) *Balancer { return &Balancer{opts: o.withDefaults()} }

// Step judges the loads of this moment; now must not go back. unsure says that there
// may be pods beside these.
func (b *Balancer) Step(now time.Time, self Load, others []Load, unsure bool) Plan {
	passed := now.Sub(b.last)
	if b.last.IsZero() {
		passed = 0
	}
	b.last = now
	if b.changed(self, others) || unsure {
		b.since, b.totals = now, nil
	}
	if len(others) == 0 {
		return b.rest(Alone, 0)
	}
	total, least := self.Sessions, self.stays()
	for _, l := range others {
		total += l.Sessions
		least = min(least, l.stays())
	}
	total = b.most(now, total)
	n := float64(1 + len(others))
	mean, have := float64(total)/n, float64(self.stays())
	over := max(0, int(math.Floor(have-mean*(1+min(b.opts.Stop, 0.5/n)))))
	if now.Sub(b.since) < b.opts.Calm {
		return b.rest(Changed, over)
	}
	uneven := have > mean*(1+b.opts.Start) || float64(least) < mean*b.opts.Empty
	if uneven && have-mean >= float64(b.opts.Least) {
		b.on = true
	}
	if !b.on || over == 0 {
		return b.rest(Even, over)
	}
	rate := math.Min(math.Max(1, b.opts.Share*have), float64(b.opts.Most))
	b.credit = math.Min(b.credit+rate*passed.Seconds(), math.Max(1, rate))
	send := min(int(b.credit), over)
	b.credit -= float64(send)
	return Plan{Send: send, Over: over, Reason: Sending}
}

// between is how long a session that left a pod may be missing from what the pods say
// of themselves.
const between = 10 * time.Second

// most is the highest of the totals of the last seconds. Who has left one pod and is
// not counted by another yet would lower the mean, and others would go after them.
// Where sessions really end, fewer are sent away for a while.
func (b *Balancer) most(now time.Time, total int) int {
	b.totals = slices.DeleteFunc(b.totals, func(t totalAt) bool { return now.Sub(t.at) > between || t.total <= total })
	b.totals = append(b.totals, totalAt{now, total})
	return b.totals[0].total // they fall
}

type totalAt struct {
	at    time.Time
	total int
}

func (b *Balancer) rest(why Reason, over int) Plan {
	b.on, b.credit = false, 0
	return Plan{Over: over, Reason: why}
}

// changed reports whether other pods are there than at the last step, or one drains:
// whatever moves sessions already is not to be helped.
func (b *Balancer) changed(self Load, others []Load) bool {
	ids, draining := []string{self.Pod}, self.Draining
	for _, l := range others {
		ids = append(ids, l.Pod)
		draining = draining || l.Draining
	}
	slices.Sort(ids)
	same := slices.Equal(ids, b.pods)
	b.pods = ids
	return draining || !same
}
