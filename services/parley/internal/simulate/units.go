// Package simulate says what a Parley of a size that nobody has at hand would cost
// and where it would break: routing between many pods (routing.go), reconnect
// storms (storm.go), and a capacity model that puts both together (capacity.go).
//
// It is arithmetic over unit costs, each with its source ([Units]), and discrete
// simulation where the answer depends on what happens at the same time. Every
// result follows from its options alone: the same seed gives the same numbers.
// What is checked against measurements, and what is not, is said by
// [Units].Routing and docs/scaling.md.
package simulate

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/go-json-experiment/json"
)

// Kind says how far a number can be trusted.
type Kind string

// The kinds, from best to worst.
const (
	Measured     Kind = "measured"     // of Parley's own code, on the machine that Units names
	Counted      Kind = "counted"      // read off Parley's code
	Anchor       Kind = "anchor"       // measured on the same machine, of other or throw-away programs
	Published    Kind = "published"    // what others say of theirs
	Extrapolated Kind = "extrapolated" // calculated from anchors
	Assumed      Kind = "assumed"      // a guess, to be replaced
)

// Cost is one unit cost and where it is from.
type Cost struct {
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Kind   Kind    `json:"kind"`
	Source string  `json:"source"`
}

// Costs is what single steps cost. The units are in the file; times of CPU are in
// µs.
type Costs struct {
	ConnectionRSS    Cost `json:"connection_rss"`    // B, process memory of a session
	ConnectionKernel Cost `json:"connection_kernel"` // B beside it
	ConnectionIdle   Cost `json:"connection_idle"`   // µs a second
	Handshake        Cost `json:"handshake"`         // µs, from SYN to welcome
	ConnectReads     Cost `json:"connect_reads"`     // store reads of a connect that missed nothing
	BehindReads      Cost `json:"behind_reads"`      // and for each conversation with missed entries
	FlushEntry       Cost `json:"flush_entry"`       // µs for each missed entry
	Send             Cost `json:"send"`              // µs to take a message and to ack it
	Deliver          Cost `json:"deliver"`           // µs for each session that gets it
	StoreCall        Cost `json:"store_call"`        // µs of the gateway for one command to the store

	BusWakeup        Cost `json:"bus_wakeup"`         // µs for either end of a link to read or write once
	BusWakeupsMost   Cost `json:"bus_wakeups_most"`   // a second and link: beyond, more is taken at once
	NATSIn           Cost `json:"nats_in"`            // µs of the server for each message in
	NATSOut          Cost `json:"nats_out"`           // and for each that leaves it
	NATSManySubjects Cost `json:"nats_many_subjects"` // µs more for a message where there is a subject a user
	NATSByte         Cost `json:"nats_byte"`          // µs for each byte that leaves it
	SubscriptionNATS Cost `json:"subscription_nats"`  // B in the server
	SubscriptionPod  Cost `json:"subscription_pod"`   // B in the pod
	Subscribe        Cost `json:"subscribe"`          // µs of the server
	Publish          Cost `json:"publish"`            // µs of a pod for each message out
	Receive          Cost `json:"receive"`            // and in
	EnvelopeBytes    Cost `json:"envelope_bytes"`     // B around the entries
	EntryBytes       Cost `json:"entry_bytes"`        // B for each
	EntryParse       Cost `json:"entry_parse"`        // µs for each that a pod wants
	EntryRoute       Cost `json:"entry_route"`        // µs more for the same
	EntrySkip        Cost `json:"entry_skip"`         // µs for each that it receives and does not want
	PresenceLookup   Cost `json:"presence_lookup"`    // µs to find a user's pods
	PresenceEntry    Cost `json:"presence_entry"`     // B for each connected user, in every pod

	StoreRead       Cost `json:"store_read"`        // ms, elapsed
	StoreFlush      Cost `json:"store_flush"`       // ms, elapsed, append and finish
	StoreEntryBytes Cost `json:"store_entry_bytes"` // B on disk, a copy
	ShardReads      Cost `json:"shard_reads"`       // a second, at most
	ShardWrites     Cost `json:"shard_writes"`      // documents a second, at most
	ShardBytes      Cost `json:"shard_bytes"`       // B, at most
	NATSServerBytes Cost `json:"nats_server_bytes"` // B/s that one server can send
	NATSServerCores Cost `json:"nats_server_cores"` // that one server can use
	PodCores        Cost `json:"pod_cores"`         // of one pod
	PodConnections  Cost `json:"pod_connections"`   // of one pod, at most
}

// RoutingRow is what routing was measured to add to a message: CPU of all gateways
// and NATS together beyond what one gateway needs that publishes nothing, where
// every message is for one other user, on whichever pod.
type RoutingRow struct {
	Way      Way     `json:"way"`
	Pods     int     `json:"pods"`
	Rate     float64 `json:"rate"`      // messages a second, all pods together
	PerFlush int     `json:"per_flush"` // messages in each flush
	AddedUS  float64 `json:"added_us"`  // µs a message
	Kind     Kind    `json:"kind"`
	Source   string  `json:"source"`
}

// Units is docs/unit-costs.json.
type Units struct {
	Machine string       `json:"machine"`
	Cores   float64      `json:"cores"` // of that machine
	Costs   Costs        `json:"costs"`
	Routing []RoutingRow `json:"routing"`
}

// ReadUnits reads unit costs. A cost that is missing, unknown, not positive or
// without a source is an error: a model must not run on a number that nobody
// stands for.
func ReadUnits(data []byte) (*Units, error) {
	u := new(Units)
	if err := json.Unmarshal(data, u, json.RejectUnknownMembers(true)); err != nil {
		return nil, fmt.Errorf("read unit costs: %w", err)
	}
	var errs []error
	if u.Cores <= 0 {
		errs = append(errs, errors.New("read unit costs: how many cores the machine had is missing"))
	}
	u.Costs.each(func(name string, c Cost) {
		if c.Value <= 0 || !c.Kind.valid() || c.Source == "" {
			errs = append(errs, fmt.Errorf("read unit costs: %s needs a value above 0, a kind and a source", name))
		}
	})
	for _, r := range u.Routing {
		if !r.Way.valid() || r.Pods < 2 || r.Rate <= 0 || r.PerFlush < 1 || r.AddedUS <= 0 || !r.Kind.valid() || r.Source == "" {
			errs = append(errs, fmt.Errorf("read unit costs: routing row %q with %d pods is not complete", r.Way, r.Pods))
		}
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return u, nil
}

func (k Kind) valid() bool {
	switch k {
	case Measured, Counted, Anchor, Published, Extrapolated, Assumed:
		return true
	}
	return false
}

// each calls f for every cost, in the order of the struct, with its name in the
// file.
func (c Costs) each(f func(name string, c Cost)) {
	v := reflect.ValueOf(c)
	for i := range v.NumField() {
		f(v.Type().Field(i).Tag.Get("json"), v.Field(i).Interface().(Cost))
	}
}
