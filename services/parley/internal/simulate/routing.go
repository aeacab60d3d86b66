package simulate

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Way is how an entry finds the pods of those who want it.
type Way string

// The ways.
const (
	Broadcast Way = "broadcast" // one subject, that every pod takes all of
	PerUser   Way = "user"      // a subject a user, of which a pod takes those of its own; entries with many readers are broadcast
	PerPod    Way = "pod"       // a subject a pod; the sender knows where users are
)

// Ways lists all of them.
func Ways() []Way { return []Way{Broadcast, PerUser, PerPod} }

func (w Way) valid() bool { return slices.Contains(Ways(), w) }

// RoutingOptions describe a cluster and its traffic. Way, Pods and Rate must be
// set.
type RoutingOptions struct {
	Way   Way
	Pods  int
	Users int     // connected ones; they only cost memory. 0: not counted
	Rate  float64 // messages a second, all pods together

	GroupShare float64 // share of the messages that go to groups; 0: none, all are for one user
	GroupSize  int     // members of a group; 0: 20
	Online     float64 // share of the recipients that are connected; 0: all
	// Local is the share of the connected recipients that the sender's own pod has.
	// 0: 1/Pods, what a load balancer that knows nothing gives; below 0: none.
	Local float64
	Flush time.Duration // the store's time for one batch; 0: Costs.StoreFlush
	// PerFlush makes flushes of so many messages, at random times. 0: a flush takes
	// what has come while others were under way.
	PerFlush int

	Messages int    // so many are simulated; 0: 100,000
	Seed     uint64 // of what is random
}

// RoutingCost is what routing adds to what the sender's pod alone would do.
type RoutingCost struct {
	Way  Way
	Pods int

	PerFlush   float64 // entries of one flush
	Recipients float64 // connected ones, a message
	// A message, on average:
	Published float64 // messages to NATS
	Carried   float64 // messages from NATS
	Bytes     float64 // from NATS
	Received  float64 // entries that pods take apart
	Wanted    float64 // of these, entries that somebody there wants
	PodCPU    float64 // µs of all pods together
	NATSCPU   float64 // µs

	PodCores  float64 // of all pods together, for routing alone
	Listening float64 // cores of each pod, to take what others publish
	NATSCores float64
	Egress    float64 // B/s from NATS
	PodMemory float64 // B of each pod, for subscriptions or presence
	NATSMem   float64 // B
}

// flushers is how many batches of a pod are under way at a time, and batchMost how
// many entries are in one, as in package commit.
const (
	flushers  = 4
	batchMost = 512
)

// readersMost is how many readers an entry has at most that goes by the subjects of
// its users; others are broadcast.
const readersMost = 8

// Routing simulates how messages of all pods are gathered in flushes, and counts
// what each flush costs NATS and the other pods.
func Routing(c Costs, o RoutingOptions) (RoutingCost, error) {
	if !o.Way.valid() || o.Pods < 1 || o.Rate <= 0 {
		return RoutingCost{}, errors.New("simulate routing: way, pods and rate must be set")
	}
	if o.Messages == 0 {
		o.Messages = 100_000
	}
	if o.GroupSize == 0 {
		o.GroupSize = 20
	}
	if o.Online == 0 {
		o.Online = 1
	}
	if o.Local == 0 {
		o.Local = 1 / float64(o.Pods)
	}
	if o.Flush == 0 {
		o.Flush = time.Duration(c.StoreFlush.Value * float64(time.Millisecond))
	}
	s := &routing{o: o, c: c, rng: rand.New(rand.NewPCG(o.Seed, 1)), seen: make([]int, o.Pods)}
	span := float64(o.Messages) / o.Rate
	for pod := range o.Pods {
		s.pod(pod, span)
	}
	return s.cost(), nil
}

// routing counts what happens.
type routing struct {
	o    RoutingOptions
	c    Costs
	rng  *rand.Rand
	seen []int // by pod: the number of the flush, or minus that of the entry, that last reached it

	messages, recipients, flushes int
	published, carried            int
	bytes                         float64
	received, wanted              int
	bursts                        int // times that a pod is sent something, however much
	stamp                         int
}

// pod simulates one pod for a span of seconds: messages come at random times;
// while flushes are under way, the next batch grows.
func (s *routing) pod(pod int, span float64) {
	every := float64(s.o.Pods) / s.o.Rate
	if n := s.o.PerFlush; n > 0 {
		every *= float64(n)
		for next := s.rng.ExpFloat64() * every; next < span; next += s.rng.ExpFloat64() * every {
			s.flush(pod, n)
		}
		return
	}
	flush := s.o.Flush.Seconds()
	var free [flushers]float64
	for next := s.rng.ExpFloat64() * every; next < span; {
		f := 0
		for i := range free {
			if free[i] < free[f] {
				f = i
			}
		}
		start := max(next, free[f])
		n := 0
		for next <= start && n < batchMost {
			n++
			next += s.rng.ExpFloat64() * every
		}
		free[f] = start + flush
		s.flush(pod, n)
	}
}

// flush announces n entries of one pod.
func (s *routing) flush(from, n int) {
	s.flushes++
	s.messages += n
	s.stamp++
	flush := s.stamp
	reached := 0 // pods with somebody who wants any of these entries
	all := 0     // entries for everybody
	for range n {
		readers := s.recipientsOf()
		byUser := s.o.Way == PerUser && readers < readersMost
		if byUser {
			s.published += readers + 1 // whether anybody listens is NATS' business
		} else if s.o.Way != PerPod {
			all++
		}
		s.stamp++
		for range readers {
			to := s.place(from)
			if to == -1 {
				continue
			}
			s.recipients++
			if to == from {
				continue
			}
			if byUser {
				s.carried++
				s.received++
				s.bytes += s.c.EnvelopeBytes.Value + s.c.EntryBytes.Value
			}
			// seen tells whether this entry, or an earlier one of this flush, went there.
			last := s.seen[to]
			if last < flush {
				reached++
			}
			if last < s.stamp {
				s.wanted++
				s.seen[to] = s.stamp
				if s.o.Way == PerPod {
					s.received++
					s.bytes += s.c.EntryBytes.Value
				}
			}
		}
	}
	if s.o.Way == PerPod {
		s.published += reached
		s.carried += reached
		s.bytes += float64(reached) * s.c.EnvelopeBytes.Value
	}
	if all > 0 {
		reached = s.broadcast(all)
	}
	s.bursts += reached
}

// broadcast is one envelope with n entries to all other pods; it returns how many
// these are. Alone, a pod publishes, too.
func (s *routing) broadcast(n int) (pods int) {
	others := s.o.Pods - 1
	s.published++
	s.carried += others
	s.received += n * others
	s.bytes += float64(others) * (s.c.EnvelopeBytes.Value + float64(n)*s.c.EntryBytes.Value)
	return others
}

func (s *routing) recipientsOf() int {
	if s.rng.Float64() < s.o.GroupShare {
		return s.o.GroupSize - 1
	}
	return 1
}

// place is the pod of a recipient; -1: the user is not connected.
func (s *routing) place(from int) int {
	if s.o.Online < 1 && s.rng.Float64() >= s.o.Online {
		return -1
	}
	if s.o.Pods == 1 || s.rng.Float64() < s.o.Local {
		return from
	}
	to := s.rng.IntN(s.o.Pods - 1)
	if to >= from {
		to++
	}
	return to
}

// cost turns counts into costs.
func (s *routing) cost() RoutingCost {
	o, c := s.o, s.c
	n := float64(max(s.messages, 1))
	per := func(count int) float64 { return float64(count) / n }
	r := RoutingCost{Way: o.Way, Pods: o.Pods, PerFlush: n / float64(max(s.flushes, 1)), Recipients: per(s.recipients),
		Published: per(s.published), Carried: per(s.carried), Bytes: s.bytes / n, Received: per(s.received), Wanted: per(s.wanted)}

	// A link is woken up for each burst, but not more often than it can be: then it
	// takes several bursts at a time.
	wakeups := func(bursts int) float64 {
		perLink := per(bursts) * o.Rate / float64(o.Pods)
		most := min(perLink, c.BusWakeupsMost.Value)
		return most * float64(o.Pods) / o.Rate // a message
	}
	in := s.flushes
	if o.Way == PerPod { // which sends nothing where nobody is elsewhere
		in = min(in, s.published)
	}
	wakeIn, wakeOut := wakeups(in)*c.BusWakeup.Value, wakeups(s.bursts)*c.BusWakeup.Value

	listening := wakeOut + r.Carried*c.Receive.Value + max(r.Received-r.Wanted, 0)*c.EntrySkip.Value +
		r.Wanted*(c.EntryParse.Value+c.EntryRoute.Value)
	r.PodCPU = wakeIn + r.Published*c.Publish.Value + listening
	r.NATSCPU = wakeIn + wakeOut + r.Published*c.NATSIn.Value + r.Carried*c.NATSOut.Value + r.Bytes*c.NATSByte.Value
	users := float64(o.Users)
	switch o.Way {
	case PerUser:
		r.NATSCPU += r.Published * c.NATSManySubjects.Value
		r.PodMemory, r.NATSMem = users/float64(o.Pods)*c.SubscriptionPod.Value, users*c.SubscriptionNATS.Value
	case PerPod:
		r.PodCPU += r.Recipients * c.PresenceLookup.Value
		r.PodMemory = users * c.PresenceEntry.Value
	}
	r.PodCores, r.NATSCores = r.PodCPU*o.Rate/1e6, r.NATSCPU*o.Rate/1e6
	r.Listening = listening * o.Rate / 1e6 / float64(o.Pods)
	r.Egress = r.Bytes * o.Rate
	return r
}

// Added is what routing adds to a message, of all pods and NATS together, in µs.
func (r RoutingCost) Added() float64 { return r.PodCPU + r.NATSCPU }

// Predict is what the simulation says of a row.
func (r RoutingRow) Predict(c Costs) (RoutingCost, error) {
	return Routing(c, RoutingOptions{Way: r.Way, Pods: r.Pods, Rate: r.Rate, PerFlush: r.PerFlush, Seed: 1})
}

// Busy reports whether this would take more than half of the machine on which the
// row was measured. Its processes then wait for one another, and take more at each
// wake-up; the simulation, in which each pod has cores of its own, is too high.
func (r RoutingCost) Busy(rate, cores float64) bool { return r.Added()*rate/1e6 > cores/2 }
