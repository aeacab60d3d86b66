package simulate

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/bench/measure"
)

func short(v float64) string {
	switch {
	case v >= 1e6:
		return measure.Number(v/1e6) + " M"
	case v >= 1e4:
		return measure.Number(v/1e3) + " k"
	}
	return measure.Number(v)
}

func amount(v float64) string {
	if v >= 1e12 {
		return measure.Number(v/1e12) + " TB"
	}
	return measure.Bytes(int64(v))
}

func seconds(d time.Duration) string {
	if d == 0 {
		return "never"
	}
	return measure.Number(d.Seconds()) + " s"
}

// CapacityTables writes what so many users need, and what breaks, as Markdown.
func CapacityTables(w io.Writer, c Costs, p Profile, users []int) error {
	load := measure.Table{{"users", "connected", "messages/s", "deliveries/s", "connects/s", "pods", "cores", "memory"}}
	traffic := measure.Table{{"users", "way", "NATS in/s", "NATS out/s", "NATS bytes/s", "NATS cores", "cores of each pod to listen", "memory of each pod", "heartbeats/s", "kicks/s"}}
	data := measure.Table{{"users", "writes/s", "reads/s", "sweep reads/s", "a year", "shards", "because of"}}
	breaks := measure.Table{{"users", "what breaks with one NATS server, one shard and one broadcast subject"}}
	for _, n := range users {
		k, err := Plan(c, p, n)
		if err != nil {
			return err
		}
		name := short(float64(n))
		load.Add(name, short(k.Connected), short(k.Messages), short(k.Delivered), short(k.Connects), k.Pods, short(k.PodCores), amount(k.Memory))
		for i, r := range k.Routing {
			beats, kicks := "", ""
			if i == 0 {
				beats, kicks = short(k.Beats), short(k.Kicks)
			}
			traffic.Add(name, r.Way, short(r.Published*k.Messages), short(r.Carried*k.Messages), amount(r.Egress), short(r.NATSCores),
				short(r.Listening), amount(r.PodMemory), beats, kicks)
		}
		data.Add(name, short(k.Writes), short(k.Reads), short(k.SweepReads), amount(k.Bytes), k.Shards, k.ShardsFor)
		list := k.Breaks(c, Broadcast)
		if list == nil {
			list = []string{"nothing"}
		}
		breaks.Add(name, strings.Join(list, "; "))
	}
	return write(w, load, traffic, data, breaks)
}

// StormTable writes how reconnect storms go, as Markdown. "never" is longer than the
// horizon.
func StormTable(w io.Writer, c Costs, list []Evacuation) error {
	t := measure.Table{{"what happens", "clients", "to each pod", "half synced", "99 %", "all", "tries", "handshakes in vain", "not synced", "pods busy", "store busy"}}
	for _, e := range list {
		s, err := SimulateStorm(c, e.StormOptions)
		if err != nil {
			return err
		}
		share := func(v float64) string { return measure.Number(100*v) + " %" }
		t.Add(e.Name, short(float64(s.Clients)), short(s.PerPod), seconds(s.Half), seconds(s.Most), seconds(s.All),
			measure.Number(s.Tries), share(s.Wasted), share(s.Never), share(s.PodBusy), share(s.StoreBusy))
	}
	return write(w, t)
}

// RoutingTable writes what routing costs as pods are added at one rate, as
// Markdown. Every message is for one connected user.
func RoutingTable(w io.Writer, c Costs, o RoutingOptions, pods []int) error {
	t := measure.Table{{"pods", "way", "entries a flush", "NATS in", "NATS out", "entries received", "of these wanted", "µs of pods", "µs of NATS", "NATS cores", "cores of each pod to listen"}}
	for _, n := range pods {
		for _, way := range Ways() {
			o.Way, o.Pods = way, n
			r, err := Routing(c, o)
			if err != nil {
				return err
			}
			num := measure.Number
			t.Add(n, way, num(r.PerFlush), num(r.Published), num(r.Carried), num(r.Received), num(r.Wanted), num(r.PodCPU), num(r.NATSCPU),
				num(r.NATSCores), num(r.Listening))
		}
	}
	return write(w, t)
}

// CheckTable writes what the simulation says of the rows that were measured, as
// Markdown.
func CheckTable(w io.Writer, u *Units) error {
	t := measure.Table{{"pods", "way", "messages/s", "in a flush", "simulated, µs a message", "measured, µs", "difference", "the machine"}}
	for _, row := range u.Routing {
		r, err := row.Predict(u.Costs)
		if err != nil {
			return err
		}
		machine := ""
		if r.Busy(row.Rate, u.Cores) {
			machine = "too busy to tell"
		}
		t.Add(row.Pods, row.Way, short(row.Rate), row.PerFlush, measure.Number(r.Added()), measure.Number(row.AddedUS),
			fmt.Sprintf("%+.0f %%", 100*(r.Added()/row.AddedUS-1)), machine)
	}
	return write(w, t)
}

// UnitTable writes the unit costs with their sources, as Markdown.
func UnitTable(w io.Writer, c Costs) error {
	t := measure.Table{{"cost", "value", "kind", "from"}}
	c.each(func(name string, c Cost) {
		t.Add(name, strings.TrimSpace(measure.Number(c.Value)+" "+c.Unit), c.Kind, c.Source)
	})
	return write(w, t)
}

// write writes tables, an empty line behind each.
func write(w io.Writer, tables ...measure.Table) error {
	for _, t := range tables {
		if err := t.WriteMarkdown(w); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
		if _, err := io.WriteString(w, "\n"); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
	}
	return nil
}

// Tables writes all tables of docs/scaling.md, each behind its heading.
func Tables(w io.Writer, u *Units) error {
	sections := []struct {
		title string
		write func() error
	}{
		{"Capacity", func() error {
			return CapacityTables(w, u.Costs, Profile{}, []int{100_000, 1_000_000, 10_000_000, 100_000_000})
		}},
		{"Routing, 5,000 messages a second", func() error {
			return RoutingTable(w, u.Costs, RoutingOptions{Rate: 5000, Users: 1_000_000, Messages: 20_000, Seed: 1}, []int{1, 2, 4, 8, 16, 100, 1000})
		}},
		{"Routing, checked", func() error { return CheckTable(w, u) }},
		{"Reconnect storms, 1,000 pods with 50,000 users each", func() error {
			return StormTable(w, u.Costs, Evacuations(1000, 50_000))
		}},
		{"Unit costs", func() error { return UnitTable(w, u.Costs) }},
	}
	for _, s := range sections {
		if _, err := fmt.Fprintf(w, "### %s\n\n", s.title); err != nil {
			return fmt.Errorf("write table: %w", err)
		}
		if err := s.write(); err != nil {
			return err
		}
	}
	return nil
}
