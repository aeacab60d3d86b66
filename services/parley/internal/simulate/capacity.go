package simulate

import (
	"fmt"
	"math"
	"time"
)

// Profile is how people use a chat. The zero value is a consumer chat; every
// default is an assumption.
type Profile struct {
	Connected     float64 // share of the users that are connected at the peak; 0: 0.3
	MessagesDay   float64 // of a user, a day; 0: 50
	ConnectsDay   float64 // of a user, a day; 0: 10
	Peak          float64 // the busiest hour, by the day's average; 0: 3
	GroupShare    float64 // of the messages; 0: 0.3
	GroupSize     int     // 0: 20
	Conversations float64 // of a user, in which entries still come; 0: 20
	Behind        float64 // conversations with missed entries, of a connect; 0: 3
}

func (p Profile) withDefaults() Profile {
	def := func(v *float64, d float64) {
		if *v == 0 {
			*v = d
		}
	}
	def(&p.Connected, 0.3)
	def(&p.MessagesDay, 50)
	def(&p.ConnectsDay, 10)
	def(&p.Peak, 3)
	def(&p.GroupShare, 0.3)
	def(&p.Conversations, 20)
	def(&p.Behind, 3)
	if p.GroupSize == 0 {
		p.GroupSize = 20
	}
	return p
}

// What the code does whatever the traffic is; see ARCHITECTURE.md.
const (
	beatsPerSecond = 2.0  // heartbeats of a pod, to all others
	kicksPerLogin  = 2.0  // messages to all pods, when a device connects
	sweepSeconds   = 60.0 // in which a pod reads the memberships of its users and the heads of their conversations
	headsPerRead   = 500.0
	metaPerSecond  = 1.0 // reads of a pod
	busiest        = 0.6 // share of its cores that a pod may use at the peak
)

// Capacity is what so many users need at the peak.
type Capacity struct {
	Users     int
	Connected float64
	Messages  float64 // a second
	Delivered float64 // a second, to connected devices
	Connects  float64 // a second

	Pods     int
	ByMemory bool    // the number of pods follows from connections, not from CPU
	PodCores float64 // of all pods, without routing
	Memory   float64 // B, sessions with the kernel's share
	Routing  [3]RoutingCost
	Beats    float64 // messages a second that NATS carries for heartbeats
	Kicks    float64 // and for new sessions

	Writes     float64 // documents a second
	Reads      float64 // a second, for connects and flushes
	SweepReads float64 // a second, for the backstop alone
	Bytes      float64 // a year, one copy
	Shards     int
	ShardsFor  string // what decides the number of shards
}

// Plan calculates what users need. Routing is simulated for the number of pods that
// follows, in each way of [Ways].
func Plan(c Costs, p Profile, users int) (Capacity, error) {
	p = p.withDefaults()
	const day = 24 * 60 * 60
	u := float64(users)
	recipients := (1-p.GroupShare)*1 + p.GroupShare*float64(p.GroupSize-1)
	k := Capacity{Users: users, Connected: u * p.Connected, Messages: u * p.MessagesDay * p.Peak / day,
		Connects: u * p.ConnectsDay * p.Peak / day}
	k.Delivered = k.Messages * recipients * p.Connected

	reads := c.ConnectReads.Value + p.Behind*c.BehindReads.Value
	k.PodCores = (k.Connected*c.ConnectionIdle.Value + k.Messages*c.Send.Value + k.Delivered*c.Deliver.Value +
		k.Connects*(c.Handshake.Value+reads*c.StoreCall.Value)) / 1e6
	byConnections := k.Connected / c.PodConnections.Value
	byCPU := k.PodCores / (c.PodCores.Value * busiest)
	k.ByMemory = byConnections >= byCPU
	k.Pods = max(2, int(math.Ceil(max(byConnections, byCPU)))) // one may go away
	k.Memory = k.Connected * (c.ConnectionRSS.Value + c.ConnectionKernel.Value)

	var err error
	for i, way := range Ways() {
		k.Routing[i], err = Routing(c, RoutingOptions{Way: way, Pods: k.Pods, Users: int(k.Connected), Rate: k.Messages,
			GroupShare: p.GroupShare, GroupSize: p.GroupSize, Online: p.Connected, Messages: 20_000, Seed: 1})
		if err != nil {
			return Capacity{}, err
		}
	}
	pods := float64(k.Pods)
	k.Beats, k.Kicks = beatsPerSecond*pods*(pods-1), kicksPerLogin*k.Connects*(pods-1)

	// A flush writes its entries, their heads and a journal document. A delivered
	// message moves a cursor, and those of a second are written together.
	flushes := k.Messages / k.Routing[0].PerFlush
	k.Writes = 2*k.Messages + flushes + math.Min(k.Delivered, k.Connected) + k.Connects*p.Behind
	k.Reads = k.Connects*reads + metaPerSecond*pods
	k.SweepReads = k.Connected/sweepSeconds + k.Connected*p.Conversations/headsPerRead/sweepSeconds
	k.Bytes = u * p.MessagesDay * 365 * c.StoreEntryBytes.Value
	k.shards(c)
	return k, nil
}

// shards is how many shards are needed for a year of messages.
func (k *Capacity) shards(c Costs) {
	k.Shards, k.ShardsFor = 1, "–"
	for _, n := range []struct {
		what string
		need float64
	}{
		{"writes", k.Writes / c.ShardWrites.Value},
		{"reads", (k.Reads + k.SweepReads) / c.ShardReads.Value},
		{"data", k.Bytes / c.ShardBytes.Value},
	} {
		if s := int(math.Ceil(n.need)); s > k.Shards {
			k.Shards, k.ShardsFor = s, n.what
		}
	}
}

// Breaks says what no longer holds at this size with one NATS, one MongoDB shard
// and the way of routing given, the worst first where there is an order.
func (k *Capacity) Breaks(c Costs, way Way) []string {
	var list []string
	add := func(broken bool, format string, args ...any) {
		if broken {
			list = append(list, fmt.Sprintf(format, args...))
		}
	}
	r := k.way(way)
	add(k.Shards > 1, "one MongoDB shard: %d are needed for its %s", k.Shards, k.ShardsFor)
	add(k.SweepReads > c.ShardReads.Value/2, "the sweep: %s reads a second that find nothing", short(k.SweepReads))
	add(r.Egress > c.NATSServerBytes.Value, "one NATS server: %s/s leave it", amount(r.Egress))
	add(r.NATSCores > c.NATSServerCores.Value, "one NATS server: %s cores", short(r.NATSCores))
	add(r.Listening > c.PodCores.Value/4, "listening: %s cores of each pod for what others publish", short(r.Listening))
	add(r.PodMemory > 1e9, "presence: %s in each pod", amount(r.PodMemory))
	add(k.Beats > 100_000, "heartbeats to everybody: %s messages a second", short(k.Beats))
	add(k.Kicks > 100_000, "a new session is told to every pod: %s messages a second", short(k.Kicks))
	return list
}

func (k *Capacity) way(w Way) RoutingCost {
	for _, r := range k.Routing {
		if r.Way == w {
			return r
		}
	}
	return RoutingCost{}
}

// Evacuation is a storm with a name: a row of [StormTable].
type Evacuation struct {
	Name string
	StormOptions
}

// Evacuations are the storms that a large cluster must live through. The store can
// do 3,000 reads a second for each pod, unless said otherwise.
func Evacuations(pods, users int) []Evacuation {
	reads := 3000 * float64(pods)
	with := func(change func(*StormOptions)) StormOptions {
		o := StormOptions{Pods: pods, Lost: pods, Restart: true, Users: users, Cores: 4, Behind: 1, Missed: 5,
			StoreReads: reads, Horizon: 15 * time.Minute, Clients: 10_000, Seed: 1}
		change(&o)
		return o
	}
	die := func(n int) StormOptions {
		return with(func(o *StormOptions) { o.Lost, o.Restart = max(1, n), false })
	}
	return []Evacuation{
		{"1 pod dies", die(1)},
		{"10 % of the pods die", die(pods / 10)},
		{"a third dies: a zone", die(pods / 3)},
		{"all restart at once", with(func(*StormOptions) {})},
		{"… with a tenth of the store", with(func(o *StormOptions) { o.StoreReads = reads / 10 })},
		{"… with one core a pod", with(func(o *StormOptions) { o.Cores, o.Horizon = 1, 5*time.Minute })},
		{"… and clients without jitter", with(func(o *StormOptions) { o.Cores, o.Jitter = 1, NoJitter })},
		{"… and up to 60 s between tries", with(func(o *StormOptions) { o.Cores, o.MaxBackoff = 1, time.Minute })},
		{"… and pods that refuse what is more than 5 s of work", with(func(o *StormOptions) { o.Cores, o.Admit = 1, 9000 })},
		{"… and first tries spread over 60 s", with(func(o *StormOptions) { o.Cores, o.Spread = 1, time.Minute })},
	}
}
