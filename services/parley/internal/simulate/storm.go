package simulate

import (
	"errors"
	"math/rand/v2"
	"slices"
	"time"
)

// Jitter is how a client spreads its tries.
type Jitter string

// The kinds of jitter.
const (
	FullJitter Jitter = "full" // uniform between 0 and the limit: what Parley's clients do
	NoJitter   Jitter = "none" // exactly the limit
)

// StormOptions describe a reconnect storm: pods end, and their clients go to those
// that are left. The defaults are Parley's client and gateway.
type StormOptions struct {
	Pods    int  // before; at least 2, or Restart
	Lost    int  // pods that end at once
	Restart bool // they are back at once, and take connections like the others
	Users   int  // connected to each pod

	Behind int // conversations of each client with missed entries
	Missed int // entries in each of these

	Cores      float64       // of each pod for this; 0: Costs.PodCores
	MinBackoff time.Duration // 0: 100 ms
	MaxBackoff time.Duration // 0: 10 s
	Jitter     Jitter        // "": full
	Spread     time.Duration // the first tries are spread over it, as goaway does at a drain; 0: over MinBackoff
	Patience   time.Duration // a client without a welcome hangs up and tries again; 0: 10 s
	Admit      int           // handshakes that may wait on a pod; others are refused at once. 0: any number; Parley bounds the time that they wait instead, see services/gateway/admission.go
	PodReads   int           // store reads of a pod at a time; 0: 64
	StoreReads float64       // a second, of the whole store; 0: Costs.ShardReads of one shard

	Horizon time.Duration // what is not over by then is not simulated further; 0: 5 min
	Clients int           // so many are simulated, on a part of the pods; 0: 100,000
	Seed    uint64
}

// Storm is how it went. Times are since the pods ended; 0: not within the horizon.
type Storm struct {
	Clients    int // displaced, in the whole cluster
	PerPod     float64
	Half, Most time.Duration // by then 50 % and 99 % are synced
	All        time.Duration
	Never      float64 // share of the clients that were not synced at the horizon
	Tries      float64 // of a client, on average
	Wasted     float64 // share of the handshakes that nobody waited for any more
	PodBusy    float64 // share of the pods' CPU that was used until all were synced
	StoreBusy  float64 // and of the store's reads
	Peak       float64 // handshakes that one pod began in its busiest second
}

// SimulateStorm simulates a reconnect storm. All pods fare alike, so a part of them
// is simulated, with its part of the store. Each client tries, waits for its turn
// on a pod's CPU for the handshake, then reads from the store what it missed, in
// its turn there, and is synced. It blocks for about a second of CPU time.
func SimulateStorm(c Costs, o StormOptions) (Storm, error) {
	o.setDefaults(c)
	left := o.Pods - o.Lost
	if o.Restart {
		left = o.Pods
	}
	if left < 1 || o.Lost < 1 || o.Lost > o.Pods || o.Users < 1 || o.Jitter != FullJitter && o.Jitter != NoJitter {
		return Storm{}, errors.New("simulate a storm: some pods must end, others be left, and users be on them")
	}
	displaced := o.Lost * o.Users
	share := min(1, float64(o.Clients)/float64(displaced))
	pods := max(1, int(float64(left)*share+0.5))
	share = float64(pods) / float64(left)
	clients := max(1, int(float64(displaced)*share+0.5))
	s := newStorm(c, o, pods, clients, share)
	s.run()
	return s.result(displaced, float64(displaced)/float64(left)), nil
}

func (o *StormOptions) setDefaults(c Costs) {
	dur := func(p *time.Duration, v time.Duration) {
		if *p == 0 {
			*p = v
		}
	}
	dur(&o.MinBackoff, 100*time.Millisecond)
	dur(&o.MaxBackoff, 10*time.Second)
	dur(&o.Spread, o.MinBackoff)
	dur(&o.Patience, 10*time.Second)
	dur(&o.Horizon, 5*time.Minute)
	if o.Cores == 0 {
		o.Cores = c.PodCores.Value
	}
	if o.Jitter == "" {
		o.Jitter = FullJitter
	}
	if o.PodReads == 0 {
		o.PodReads = 64
	}
	if o.StoreReads == 0 {
		o.StoreReads = c.ShardReads.Value
	}
	if o.Clients == 0 {
		o.Clients = 100_000
	}
}

// storm is the simulation. Times are in seconds.
type storm struct {
	o   StormOptions
	rng *rand.Rand
	now float64
	due events

	handshake float64 // of one core, all that a connect makes a pod do
	flush     float64 // of the store's time for one client's reads, one after the other
	servers   int     // reads that the store does at a time

	pods    []stormPod
	clients []stormClient
	waiting []int // clients that have a place among their pod's reads, and wait for the store
	reading int

	synced               []float64
	tries, begun, wasted int
	storeUsed            float64
	peak                 int
}

type stormPod struct {
	idle    int     // cores with nothing to do
	asked   []shake // handshakes that wait for a core
	behind  []int   // clients that wait for a place among the pod's reads
	reads   int
	second  int // the present second, and handshakes that have come in it
	arrived int
}

type shake struct{ client, try int }

type stormClient struct {
	try      int
	welcomed bool
	pod      int // once welcomed
}

func newStorm(c Costs, o StormOptions, pods, clients int, share float64) *storm {
	reads := c.ConnectReads.Value + float64(o.Behind)*(c.BehindReads.Value+float64(max(o.Missed-1, 0)/100))
	work := c.Handshake.Value + reads*c.StoreCall.Value + float64(o.Behind*o.Missed)*c.FlushEntry.Value
	cores := max(1, int(o.Cores)) // a pod with a part of a core has one that is slower
	s := &storm{o: o, rng: rand.New(rand.NewPCG(o.Seed, 2)),
		handshake: work / 1e6 * float64(cores) / o.Cores,
		flush:     reads * c.StoreRead.Value / 1e3,
		servers:   max(1, int(o.StoreReads*share*c.StoreRead.Value/1e3+0.5)),
		pods:      make([]stormPod, pods), clients: make([]stormClient, clients)}
	for i := range s.pods {
		s.pods[i].idle = cores
	}
	for i := range s.clients {
		s.due.add(event{at: s.rng.Float64() * o.Spread.Seconds(), kind: connects, client: i})
	}
	return s
}

func (s *storm) run() {
	for len(s.due.list) > 0 && len(s.synced) < len(s.clients) {
		e := s.due.take()
		if e.at > s.o.Horizon.Seconds() {
			return
		}
		s.now = e.at
		c := &s.clients[e.client]
		switch e.kind {
		case connects:
			s.connect(e)
		case givesUp:
			if !c.welcomed {
				s.again(e.client)
			}
		case shaken:
			s.shaken(e, c)
		case hasRead:
			s.synced = append(s.synced, s.now)
			s.pods[c.pod].reads--
			s.reading--
			s.admit(&s.pods[c.pod])
			s.read()
		}
	}
}

// connect begins a try, at whichever pod the load balancer takes.
func (s *storm) connect(e event) {
	s.tries++
	e.pod = s.rng.IntN(len(s.pods))
	p := &s.pods[e.pod]
	if second := int(s.now); second != p.second {
		p.second, p.arrived = second, 0
	}
	p.arrived++
	s.peak = max(s.peak, p.arrived)
	if s.o.Admit > 0 && len(p.asked) >= s.o.Admit {
		s.again(e.client)
		return
	}
	p.asked = append(p.asked, shake{e.client, e.try})
	s.due.add(event{at: s.now + s.o.Patience.Seconds(), kind: givesUp, client: e.client, try: e.try})
	s.work(e.pod)
}

// again lets a client try once more, after a pause.
func (s *storm) again(client int) {
	c := &s.clients[client]
	c.try++
	s.due.add(event{at: s.now + s.backoff(c.try), kind: connects, client: client, try: c.try})
}

// work puts waiting handshakes on idle cores, the oldest first. A pod does not see
// that a client has hung up before it has done the work.
func (s *storm) work(pod int) {
	p := &s.pods[pod]
	for p.idle > 0 && len(p.asked) > 0 {
		h := p.asked[0]
		p.asked = p.asked[1:]
		p.idle--
		s.begun++
		s.due.add(event{at: s.now + s.handshake, kind: shaken, client: h.client, try: h.try, pod: pod})
	}
}

// shaken ends a handshake: the client is welcomed, or has hung up.
func (s *storm) shaken(e event, c *stormClient) {
	s.pods[e.pod].idle++
	if c.welcomed || c.try != e.try {
		s.wasted++
	} else {
		c.welcomed, c.pod = true, e.pod
		s.pods[e.pod].behind = append(s.pods[e.pod].behind, e.client)
		s.admit(&s.pods[e.pod])
		s.read()
	}
	s.work(e.pod)
}

// admit gives clients of a pod their places among its reads.
func (s *storm) admit(p *stormPod) {
	for p.reads < s.o.PodReads && len(p.behind) > 0 {
		p.reads++
		s.waiting = append(s.waiting, p.behind[0])
		p.behind = p.behind[1:]
	}
}

// read lets the store begin as much as it can do at a time.
func (s *storm) read() {
	for s.reading < s.servers && len(s.waiting) > 0 {
		s.reading++
		s.storeUsed += s.flush
		s.due.add(event{at: s.now + s.flush, kind: hasRead, client: s.waiting[0]})
		s.waiting = s.waiting[1:]
	}
}

// backoff is the pause before a try, in seconds; the first after a failure has 1.
func (s *storm) backoff(try int) float64 {
	limit := s.o.MaxBackoff
	if d := s.o.MinBackoff << try; try < 32 && d > 0 && d < limit {
		limit = d
	}
	if s.o.Jitter == NoJitter {
		return limit.Seconds()
	}
	return s.rng.Float64() * limit.Seconds()
}

func (s *storm) result(displaced int, perPod float64) Storm {
	slices.Sort(s.synced)
	by := func(share float64) time.Duration {
		i := int(share * float64(len(s.clients)-1))
		if i >= len(s.synced) {
			return 0
		}
		return time.Duration(s.synced[i] * float64(time.Second)).Round(time.Millisecond)
	}
	cores := float64(len(s.pods) * max(1, int(s.o.Cores)))
	return Storm{Clients: displaced, PerPod: perPod, Half: by(0.5), Most: by(0.99), All: by(1),
		Never:   1 - float64(len(s.synced))/float64(len(s.clients)),
		Tries:   float64(s.tries) / float64(len(s.clients)),
		Wasted:  float64(s.wasted) / float64(s.begun),
		PodBusy: float64(s.begun) * s.handshake / (s.now * cores), StoreBusy: s.storeUsed / (s.now * float64(s.servers)),
		Peak: float64(s.peak)}
}

// event is something that happens to a client.
type event struct {
	at     float64
	kind   eventKind
	client int
	try    int // connects, givesUp, shaken
	pod    int // shaken
	order  int // decides between events of one moment, so that runs are alike
}

type eventKind uint8

const (
	connects eventKind = iota
	givesUp
	shaken
	hasRead
)

// events is a queue by time.
type events struct {
	list  []event
	added int
}

// add and take are those of a binary heap. They are written out because a storm is
// millions of them, and container/heap allocates for each.
func (q *events) add(e event) {
	q.added++
	e.order = q.added
	i := len(q.list)
	q.list = append(q.list, e)
	for i > 0 {
		parent := (i - 1) / 2
		if !before(&e, &q.list[parent]) {
			break
		}
		q.list[i] = q.list[parent]
		i = parent
	}
	q.list[i] = e
}

func (q *events) take() event {
	first, last := q.list[0], q.list[len(q.list)-1]
	q.list = q.list[:len(q.list)-1]
	n, i := len(q.list), 0
	for child := 1; child < n; child = 2*i + 1 {
		if child+1 < n && before(&q.list[child+1], &q.list[child]) {
			child++
		}
		if !before(&q.list[child], &last) {
			break
		}
		q.list[i] = q.list[child]
		i = child
	}
	if n > 0 {
		q.list[i] = last
	}
	return first
}

func before(a, b *event) bool { return a.at < b.at || a.at == b.at && a.order < b.order }
