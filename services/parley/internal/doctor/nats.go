package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/services/gateway"
)

// noCluster stands for the cluster's name while the data have none: the subjects of
// the checks are those that the first service would use then.
const noCluster = "doctor"

func (e *examination) busOptions() bus.Options {
	o := bus.Options{URL: string(e.s.NATS.URL), Files: bus.Files(e.s.NATS.Files), Name: "parley-doctor", Cluster: e.cluster}
	if o.Cluster == "" {
		o.Cluster = noCluster
	}
	return o
}

// nats looks at the bus.
func (e *examination) nats(ctx context.Context, f *findings) {
	in, err := bus.Inspect(ctx, e.busOptions(), e.s.Routing.Way == string(gateway.RoutingUsers))
	judgeNATS(f, in, err)
	e.busAway = err != nil
}

func judgeNATS(f *findings, in bus.Inspection, err error) {
	for host, why := range in.Unreached {
		do := "see whether it runs, and whether this machine may reach it"
		switch {
		case strings.Contains(strings.ToLower(why.Error()), "authorization"):
			do = "see whether user and password in the URL are right"
		case ofTLS(why):
			do = "see whether --nats-ca-file has the authority of its certificate, and whether it wants one of yours: --nats-cert-file and --nats-key-file"
		}
		if err != nil {
			f.fail(do, "%s: %v", host, why)
		} else {
			f.warn(do, "one of the servers cannot be used: %s: %v", host, why)
		}
	}
	if err != nil {
		if len(in.Unreached) == 0 {
			f.fail("correct --nats-url or PARLEY_NATS_URL", "%v", err)
		}
		return
	}
	f.ok("connected to %s, version %s, %v away", in.Server, in.Version, in.RTT.Round(10*time.Microsecond))
	switch {
	case in.MaxPayload < bus.MaxData:
		f.fail(fmt.Sprintf("set max_payload in NATS to %d at least", 2*bus.MaxData), "NATS takes messages of %d bytes, and pods send up to %d: larger ones end the connection", in.MaxPayload, bus.MaxData)
	case in.MaxPayload < bus.MaxData+bus.MaxData/8:
		f.warn(fmt.Sprintf("set max_payload in NATS to %d", 2*bus.MaxData), "NATS takes messages of %d bytes, and pods send up to %d", in.MaxPayload, bus.MaxData)
	default:
		f.ok("max_payload is %d bytes; pods send up to %d", in.MaxPayload, bus.MaxData)
	}
	if n := len(in.Servers); n < 2 {
		f.warn("run three, as a cluster: while it is away, messages reach other pods up to 2 s late, from the store", "there is one NATS server")
	} else {
		f.ok("%d servers are known: %s", n, strings.Join(in.Servers, ", "))
	}
	if len(in.Apart) > 0 {
		f.fail("make them one cluster (routes), or name one only: pods on one do not hear those on another, and find their messages in the store, late",
			"what %s is given does not come to %s", in.Server, strings.Join(in.Apart, ", "))
	}
	for _, t := range in.Topics {
		if t.Err != nil {
			f.fail("let this user publish and subscribe to parley.>", "a message on %s does not come back: %v", t.Subject, t.Err)
		}
	}
	if !slices.ContainsFunc(in.Topics, func(t bus.TopicCheck) bool { return t.Err != nil }) {
		f.ok("messages on the subjects of all %d topics come back", len(in.Topics))
	}
}

// listenFor is for how long pods are listened to: each tells its status in that time,
// twice. One that is registered is waited for, for most of the check's time.
const listenFor = 2*gateway.PodBeat + gateway.PodBeat/4

// others listens to the pods that run.
func (e *examination) others(ctx context.Context, f *findings) {
	if e.busAway {
		return // the check before has said so
	}
	if e.unread {
		return // so has that of the data: without them no pod is known
	}
	if e.cluster == "" {
		f.ok("the data have no cluster yet, so no pod can be heard")
		return
	}
	most, cancel := context.WithTimeout(ctx, e.s.Timeout*9/10)
	defer cancel()
	heard, err := Listen(most, e.busOptions(), listenFor, e.pods...)
	if err != nil {
		f.fail("see the check nats", "could not listen: %v", err)
		return
	}
	judgePods(f, heard, e.pods, e.s.Routing.Way)
}

// Listen hears the statuses of all pods, for a time; the latest of each, by name. For
// pods that must be there, by their ids, it goes on until ctx ends.
func Listen(ctx context.Context, o bus.Options, span time.Duration, must ...string) ([]gateway.PodStatus, error) {
	b, err := bus.Connect(ctx, o)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	latest := make(map[string]gateway.PodStatus)
	said := make(chan struct{}, 1)
	_, err = b.Subscribe(bus.TopicControl, func(data []byte) {
		if s, ok := gateway.ParsePodStatus(data); ok {
			mu.Lock()
			defer mu.Unlock()
			if latest[s.Pod] = s; s.Bye {
				delete(latest, s.Pod)
			}
			select {
			case said <- struct{}{}:
			default:
			}
		}
	})
	if err == nil {
		over := time.NewTimer(span)
		defer over.Stop()
		select {
		case <-over.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	all := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return !slices.ContainsFunc(must, func(id string) bool { _, heard := latest[id]; return !heard })
	}
	for err == nil && ctx.Err() == nil && !all() {
		select {
		case <-said:
		case <-ctx.Done(): // whoever asks sees who is missing
		}
	}
	if drainErr := b.Drain(context.WithoutCancel(ctx)); err == nil {
		err = drainErr
	}
	mu.Lock()
	defer mu.Unlock()
	list := make([]gateway.PodStatus, 0, len(latest))
	for _, s := range latest {
		list = append(list, s)
	}
	gateway.SortPods(list)
	return list, err
}

// judgePods compares the pods that are heard with those that are registered.
func judgePods(f *findings, heard []gateway.PodStatus, registered []string, routing string) {
	versions, ways := make(map[string][]string), make(map[string][]string)
	for _, s := range heard {
		versions[s.Server] = append(versions[s.Server], s.Name)
		ways[s.Routing] = append(ways[s.Routing], s.Name)
	}
	var silent []string
	for _, id := range registered {
		if !slices.ContainsFunc(heard, func(s gateway.PodStatus) bool { return s.Pod == id }) {
			silent = append(silent, id)
		}
	}
	switch {
	case len(heard) == 0 && len(silent) == 0:
		f.ok("no gateway runs now")
	case len(heard) > 0:
		f.ok("%d gateways are heard, with %d sessions", len(heard), sessionsOf(heard))
	}
	if len(silent) > 0 {
		f.warn("a pod that has just ended is registered for 15 s more, and one of an earlier version says nothing of itself; else it uses another NATS, or cannot reach this one",
			"registered in MongoDB, and not heard over NATS: %s", strings.Join(silent, ", "))
	}
	if len(versions) > 1 {
		f.warn("all is well during an upgrade; else see why it has not ended", "gateways of %d versions run: %s", len(versions), groups(versions))
	}
	if len(ways) > 1 {
		f.warn("set --routing the same on all: until then what those with users send reaches the others late, from the store", "gateways route in %d ways: %s", len(ways), groups(ways))
	} else if len(ways) == 1 && ways[routing] == nil {
		f.warn("set --routing as the gateways that run have it, or change all of them", "these settings say routing %s, the gateways that run: %s", routing, groups(ways))
	}
	for _, s := range heard {
		if s.Lag > 1000 {
			f.warn("see whether it is short of processor time, and whether NATS drops what it is slow to take", "%s has not heard %d of the other pods' flushes yet", s.Name, s.Lag)
		}
	}
}

func sessionsOf(list []gateway.PodStatus) (n int) {
	for _, s := range list {
		n += s.Sessions
	}
	return n
}

// groups names what each value has.
func groups(m map[string][]string) string {
	var parts []string
	for value, names := range m {
		parts = append(parts, fmt.Sprintf("%s (%s)", value, strings.Join(names, ", ")))
	}
	slices.Sort(parts)
	return strings.Join(parts, "; ")
}
