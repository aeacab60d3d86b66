// Package bench measures a deployment of Parley under load: how fast, at what
// latency, and for how much CPU and memory. It speaks the protocol as any client
// does, so it can be pointed at anything that serves it.
//
// Every message carries who sent it, its number and when it was meant to be sent.
// Receivers check that each conversation's seqs have no hole and that nothing is
// lost, doubled or overtaken; a figure that such a fault is in does not count.
//
// The generator runs on the server's machine as often as not, so it does little
// for each frame: see package socket and scan.go. What it costs itself is in the
// report.
package bench

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// The scenarios.
const (
	Idle    = "idle"    // connections are held, and nothing is said
	Pairs   = "pairs"   // closed loop: each of N pairs keeps W messages without an ack
	Rate    = "rate"    // open loop: R messages a second, whatever becomes of them
	Group   = "group"   // closed loop: W messages that not all M members have yet
	Storm   = "storm"   // all devices lose their connection and come back at once
	Flush   = "flush"   // a device with B missed messages in C conversations connects
	History = "history" // pages at the newest, the middle and the oldest end of a log
	Search  = "search"  // full-text search
)

// scenarios are how each is run.
var scenarios = map[string]func(*run, context.Context) error{
	Idle: (*run).idle, Pairs: (*run).pairs, Rate: (*run).rate, Group: (*run).group,
	Storm: (*run).storm, Flush: (*run).flush, History: (*run).history, Search: (*run).search,
}

// Scenarios lists them.
func Scenarios() []string { return slices.Sorted(maps.Keys(scenarios)) }

// Options configure [Run]. URLs, API and Token must be set; of Settings, what is
// zero has the scenario's default.
type Options struct {
	URLs  []string // gateways; devices are spread over them
	API   string   // base of the REST API
	Token func(context.Context, chat.User) (string, error)
	PIDs  []int  // of the server's processes on this machine; none: what they cost is not measured
	Ops   string // operations port of one of them, such as http://localhost:9090; "": none

	// Profile gets the CPU profile that Ops gives of the measured time; nil: none is taken.
	Profile func(pprof []byte) error
	// Progress is told what goes on, a line at a time; nil: nobody is.
	Progress func(line string)

	Settings
}

// Settings are what shapes the load. They are part of the report; those that the
// scenario does not look at are 0 in it.
type Settings struct {
	Connections int `json:"connections,omitzero"` // idle: default 1,000; storm: default 1,000, an even number
	Pairs       int `json:"pairs,omitzero"`       // pairs, rate: default 200
	InFlight    int `json:"in_flight,omitzero"`   // pairs: without an ack, default 16, at most 128; group: not yet with every member, default 16
	Rate        int `json:"rate,omitzero"`        // rate: messages a second, default 1,000
	Members     int `json:"members,omitzero"`     // group: default 100, at most 2,000
	Senders     int `json:"senders,omitzero"`     // group: members that send, each with InFlight; default 1
	Missed      int `json:"missed,omitzero"`      // flush: messages in all, default 10,000; storm: those that half of the devices missed, each, default 1; -1: none
	Convs       int `json:"conversations,omitzero"`
	Depth       int `json:"depth,omitzero"`   // history: messages in the log, default 20,000; search: in all conversations, default 2,000
	Page        int `json:"page,omitzero"`    // history: items of a page, default 50
	Readers     int `json:"readers,omitzero"` // history, search: that ask at the same time, default 4, at most 16
	Repeat      int `json:"repeat,omitzero"`  // storm, flush: how often, default 1 and 5
	Size        int `json:"size,omitzero"`    // bytes of a message's text, default 200

	// Recv is how often at most a device says recv for a conversation in which it gets
	// messages; default 1 s, as a client does that wants its place kept; negative: never.
	Recv     time.Duration `json:"-"`
	Warmup   time.Duration `json:"-"` // under load, before the measured time; default 2 s
	Duration time.Duration `json:"-"` // measured; default 10 s
	// Drain is how long may pass until the last message has arrived; default 30 s.
	Drain time.Duration `json:"-"`
	// SameGateway puts both devices of a pair on one gateway. Default: on neighbouring
	// ones, so that every message takes the bus where there are several.
	SameGateway bool `json:"same_gateway,omitzero"`
	// AtOnce is how many handshakes are under way at a time; default 64, storm: 1,024
	// when all come back.
	AtOnce int `json:"at_once,omitzero"`
}

// maxPending is how many sends of one session the server takes at a time. With
// more, the generator would measure its own queue in the socket.
const maxPending = 128

// shape fills in the defaults of a scenario, zeroes what it does not look at, and
// checks the rest.
func (s Settings) shape(scenario string) (Settings, error) {
	var out Settings
	var bad []string
	take := func(to *int, from, fallback, low, high int, name string) {
		if *to = from; from == 0 {
			*to = fallback
		}
		if *to < low || *to > high {
			bad = append(bad, fmt.Sprintf("%s must be between %d and %d, and is %d", name, low, high, *to))
		}
	}
	const many = 1 << 30
	load := scenario == Pairs || scenario == Rate || scenario == Group
	take(&out.AtOnce, s.AtOnce, map[bool]int{false: 64, true: 1024}[scenario == Storm], 1, 1<<16, "at-once")
	switch scenario {
	case Idle:
		take(&out.Connections, s.Connections, 1000, 1, many, "connections")
	case Storm:
		take(&out.Connections, s.Connections, 1000, 2, many, "connections")
		out.Connections &^= 1
		take(&out.Missed, max(s.Missed, -1), 1, -1, 1000, "missed")
		take(&out.Repeat, s.Repeat, 1, 1, 1000, "repeat")
	case Pairs, Rate:
		take(&out.Pairs, s.Pairs, 200, 1, many, "pairs")
		out.SameGateway = s.SameGateway
	case Group:
		take(&out.Members, s.Members, 100, 2, 2000, "members")
		take(&out.Senders, s.Senders, 1, 1, out.Members, "senders")
	case Flush:
		take(&out.Missed, s.Missed, 10_000, 1, many, "missed")
		take(&out.Convs, s.Convs, 200, 1, out.Missed, "conversations")
		take(&out.Repeat, s.Repeat, 5, 1, 16, "repeat") // a user has at most 16 devices
	case History, Search:
		take(&out.Depth, s.Depth, map[bool]int{false: 20_000, true: 2_000}[scenario == Search], 10, many, "depth")
		take(&out.Readers, s.Readers, 4, 1, 16, "readers")
		take(&out.Page, s.Page, 50, 1, min(200, out.Depth/2), "page")
	}
	if scenario == Pairs || scenario == Group {
		take(&out.InFlight, s.InFlight, 16, 1, maxPending, "in-flight")
	}
	if scenario == Rate {
		take(&out.Rate, s.Rate, 1000, 1, 1_000_000, "rate")
	}
	if scenario == Search {
		take(&out.Convs, s.Convs, 10, 1, out.Depth, "conversations")
	}
	if scenario != Idle {
		take(&out.Size, s.Size, 200, 40, 16<<10, "size")
	}
	span := func(to *time.Duration, from, fallback time.Duration, name string) {
		if *to = from; from == 0 {
			*to = fallback
		}
		if *to < 0 {
			bad = append(bad, name+" must not be negative")
		}
	}
	if load {
		span(&out.Recv, max(s.Recv, 0), time.Second, "recv")
		if s.Recv < 0 {
			out.Recv = -1
		}
		span(&out.Warmup, s.Warmup, 2*time.Second, "warmup")
	}
	span(&out.Duration, s.Duration, 10*time.Second, "duration")
	span(&out.Drain, s.Drain, 30*time.Second, "drain")
	if len(bad) > 0 {
		return out, errors.New(strings.Join(bad, "; "))
	}
	return out, nil
}

// describe is the settings in a few words.
func (s Settings) describe(scenario string) string {
	gateways := ""
	if s.SameGateway {
		gateways = ", both on one gateway"
	}
	recv := ""
	if s.Recv < 0 {
		recv = ", no recv"
	}
	switch scenario {
	case Idle:
		return fmt.Sprintf("%d connections for %v", s.Connections, s.Duration)
	case Pairs:
		return fmt.Sprintf("%d pairs, %d in flight each, %d bytes%s%s", s.Pairs, s.InFlight, s.Size, gateways, recv)
	case Rate:
		return fmt.Sprintf("%d messages a second over %d pairs, %d bytes%s%s", s.Rate, s.Pairs, s.Size, gateways, recv)
	case Group:
		return fmt.Sprintf("%d members, %d of them send with %d in flight each, %d bytes%s", s.Members, s.Senders, s.InFlight, s.Size, recv)
	case Storm:
		return fmt.Sprintf("%d devices come back, half of them missed %d messages each, %d handshakes at once", s.Connections, max(s.Missed, 0), s.AtOnce)
	case Flush:
		return fmt.Sprintf("%d missed messages of %d bytes in %d conversations, %d times", s.Missed, s.Size, s.Convs, s.Repeat)
	case History:
		return fmt.Sprintf("pages of %d from a log of %d messages of %d bytes, %d readers", s.Page, s.Depth, s.Size, s.Readers)
	}
	return fmt.Sprintf("%d messages in %d conversations, %d readers", s.Depth, s.Convs, s.Readers)
}

// Run runs one scenario and returns its report. An error means that there is no
// figure; a report that is not OK has figures that do not count. It blocks until
// all connections are closed.
func Run(ctx context.Context, scenario string, o Options) (*Report, error) {
	do, ok := scenarios[scenario]
	if !ok {
		return nil, fmt.Errorf("no scenario %q: choose one of %s", scenario, strings.Join(Scenarios(), ", "))
	}
	if len(o.URLs) == 0 || o.Token == nil || o.API == "" {
		return nil, errors.New("nothing to measure: no gateway, no REST API or no tokens")
	}
	var err error
	if o.Settings, err = o.Settings.shape(scenario); err != nil {
		return nil, fmt.Errorf("bench %s: %w", scenario, err)
	}
	r, err := newRun(scenario, o)
	if err != nil {
		return nil, err
	}
	err = do(r, ctx)
	r.close()
	if err != nil {
		return nil, fmt.Errorf("bench %s: %w", scenario, err)
	}
	r.judge()
	return r.report, nil
}
