package verify

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/parley-chat/parley/pkg/chat"
)

// Report is the result of a run.
type Report struct {
	Run      string        `json:"run"`
	Seed     uint64        `json:"seed"`
	Gateways int           `json:"gateways"`
	Seconds  float64       `json:"seconds"` // until everything had arrived
	Users    int           `json:"users"`
	Devices  int           `json:"devices"` // of each user
	Convs    int           `json:"conversations"`
	Sent     int64         `json:"sent"`
	Acked    int64         `json:"acked"`
	Refused  int64         `json:"refused"`
	TooLate  int64         `json:"too_late"` // changes of messages that were recalled meanwhile
	Stored   int64         `json:"stored"`   // entries
	Cut      int64         `json:"connections_cut"`
	Repeated int64         `json:"repeated"` // sends that were written again
	Wire     Wire          `json:"wire"`
	Clients  []ClientStats `json:"clients"`
	Ack      Latency       `json:"ack"`      // first write to ack
	Delivery Latency       `json:"delivery"` // first write to each other device, the time offline included
	// Staleness is how long a connected device lacked a message after its ack.
	Staleness Latency  `json:"staleness"`
	Stalest   []string `json:"stalest,omitempty"` // the way of the one that was lacked longest
	Probes    int      `json:"probes"`

	// Unsettled says what had not come when the time was over; "": nothing.
	Unsettled string  `json:"unsettled,omitempty"`
	Verdict   Verdict `json:"verdict"`
}

// ClientStats is what one device did.
type ClientStats struct {
	Client   string `json:"client"`
	Sessions int    `json:"sessions"`
	Sent     int    `json:"sent"`
	Acked    int    `json:"acked"`
	Wire
}

// Latency is in milliseconds.
type Latency struct {
	Samples int     `json:"samples"`
	P50     float64 `json:"p50_ms"`
	P99     float64 `json:"p99_ms"`
	Max     float64 `json:"max_ms"`
}

// OK reports whether every promise was kept and everything arrived in time.
func (r *Report) OK() bool {
	return r.Unsettled == "" && r.Refused == 0 && len(r.Verdict.Counts) == 0
}

func newReport(opt Options, l *load, h *History, took time.Duration) *Report {
	r := &Report{
		Run: l.run, Seed: opt.Seed, Gateways: len(opt.URLs), Seconds: took.Seconds(),
		Users: opt.Users, Devices: opt.Devices, Convs: len(l.convs), Probes: len(l.probes),
		Sent: l.count.sent.Load(), Acked: l.count.acked.Load(), Refused: l.count.refused.Load(), TooLate: l.count.tooLate.Load(),
		Unsettled: l.unsettled, Verdict: Check(h),
	}
	for _, d := range l.devices[:l.senders] {
		r.Repeated += d.client.Stats().Retries
		r.Cut += int64(d.cutter.count())
	}
	for _, c := range h.Convs {
		r.Stored += int64(len(c.Entries))
	}
	first := firstWrites(h)
	acked := firstAcks(h)
	var acks, deliveries, lacked []time.Duration
	var late []stale
	for i := range h.Clients {
		log := &h.Clients[i]
		if log.Device == lateDevice {
			continue // it came when all was over, on purpose
		}
		st := statsOf(log)
		r.Clients = append(r.Clients, st)
		r.Wire.add(st.Wire)
		a, d := latencies(log, first)
		acks, deliveries = append(acks, a...), append(deliveries, d...)
		late = append(late, staleness(log, acked, h.Away)...)
	}
	for _, s := range late {
		lacked = append(lacked, s.Duration)
	}
	r.Staleness, r.Stalest = latencyOf(lacked), stalest(h, late)
	r.Ack, r.Delivery = latencyOf(acks), latencyOf(deliveries)
	return r
}

func (w *Wire) add(o Wire) {
	w.Entries += o.Entries
	w.Duplicates += o.Duplicates
	w.Gaps += o.Gaps
	w.OutOfOrder += o.OutOfOrder
	w.Resets += o.Resets
}

func statsOf(l *ClientLog) ClientStats {
	st := ClientStats{Client: l.Name(), Wire: walk(l, func(*Event, *position, irregular) {})}
	acked := map[chat.CMID]bool{}
	for i := range l.Events {
		switch e := &l.Events[i]; e.Kind {
		case Open:
			st.Sessions++
		case Submit:
			st.Sent++
		case Ack:
			acked[e.CMID] = true
		}
	}
	st.Acked = len(acked)
	return st
}

// firstWrites is when each message was first written.
func firstWrites(h *History) map[command]time.Duration {
	first := map[command]time.Duration{}
	for i := range h.Clients {
		for k := range h.Clients[i].Events {
			e := &h.Clients[i].Events[k]
			c := command{h.Clients[i].User, e.CMID}
			if _, again := first[c]; e.Kind == Send && !again {
				first[c] = e.At
			}
		}
	}
	return first
}

// latencies is how long acks took to a device, and messages of others.
func latencies(l *ClientLog, first map[command]time.Duration) (acks, deliveries []time.Duration) {
	for _, m := range l.moments(first) {
		switch m.Kind {
		case Ack:
			acks = append(acks, m.Took)
		case Entry:
			deliveries = append(deliveries, m.Took)
		}
	}
	return acks, deliveries
}

func latencyOf(all []time.Duration) Latency {
	if len(all) == 0 {
		return Latency{}
	}
	slices.Sort(all)
	at := func(q float64) float64 {
		return float64(all[min(int(q*float64(len(all))), len(all)-1)].Microseconds()) / 1000
	}
	return Latency{Samples: len(all), P50: at(0.50), P99: at(0.99), Max: at(1)}
}

// WriteJSON writes the whole report.
func (r *Report) WriteJSON(w io.Writer) error {
	if err := json.MarshalWrite(w, r, json.Deterministic(true), jsontext.WithIndent("  ")); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// WriteText writes a summary for people; of each broken promise the shortest
// trace.
func (r *Report) WriteText(w io.Writer) error {
	p := &printer{w: w}
	p.f("\nrun %s, seed %d: %d users with %d devices, %d conversations, %d gateways, %.1f s\n\n", r.Run, r.Seed, r.Users, r.Devices, r.Convs, r.Gateways, r.Seconds)
	p.f("  sent %d, acked %d, refused %d, changed too late %d, written again %d, connections cut %d\n", r.Sent, r.Acked, r.Refused, r.TooLate, r.Repeated, r.Cut)
	p.f("  entries stored %d, received %d: duplicates %d, gaps %d, out of order %d, resets %d\n",
		r.Stored, r.Wire.Entries, r.Wire.Duplicates, r.Wire.Gaps, r.Wire.OutOfOrder, r.Wire.Resets)
	p.f("  ack      p50 %.1f ms  p99 %.1f ms  max %.1f ms\n", r.Ack.P50, r.Ack.P99, r.Ack.Max)
	p.f("  delivery p50 %.1f ms  p99 %.1f ms  max %.1f ms (the time offline included)\n", r.Delivery.P50, r.Delivery.P99, r.Delivery.Max)
	p.f("  staleness p50 %.1f ms  p99 %.1f ms  max %.1f ms (after the ack, the time offline left out)\n\n", r.Staleness.P50, r.Staleness.P99, r.Staleness.Max)
	p.f("  %-36s %8s %8s %8s %8s %5s %5s %5s\n", "client", "sessions", "sent", "acked", "entries", "dup", "gap", "ooo")
	for _, c := range r.Clients {
		p.f("  %-36s %8d %8d %8d %8d %5d %5d %5d\n", c.Client, c.Sessions, c.Sent, c.Acked, c.Entries, c.Duplicates, c.Gaps, c.OutOfOrder)
	}
	p.f("\n")
	for _, inv := range invariants {
		mark, why := "ok  ", r.Verdict.Unjudged[inv.name]
		switch {
		case r.Verdict.Counts[inv.name] > 0:
			mark = "FAIL"
		case why != "":
			mark, why = "–   ", " (not judged: "+why+")"
		}
		p.f("  %s %-4s %s%s", mark, inv.name, inv.promise, why)
		if n := r.Verdict.Counts[inv.name]; n > 0 {
			p.f(" (%d violations)", n)
		}
		p.f("\n")
	}
	for _, inv := range invariants {
		if v := shortest(r.Verdict.Violations, inv.name); v != nil {
			p.f("\n%s %s: %s\n", v.Invariant, v.Conv, v.What)
			for _, line := range v.Trace {
				p.f("    %s\n", line)
			}
		}
	}
	if r.Unsettled != "" {
		p.f("\nnot everything had arrived in time: %s\n", r.Unsettled)
	}
	if r.Refused > 0 {
		p.f("\n%d messages were refused; none should be\n", r.Refused)
	}
	if r.OK() {
		p.f("\nevery promise was kept\n")
	}
	return p.err
}

// shortest is the violation of an invariant with the smallest trace.
func shortest(all []Violation, invariant string) (best *Violation) {
	for i := range all {
		if v := &all[i]; v.Invariant == invariant && (best == nil || len(v.Trace) < len(best.Trace)) {
			best = v
		}
	}
	return best
}

// printer keeps the first error of many writes.
type printer struct {
	w   io.Writer
	err error
}

func (p *printer) f(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format, args...)
	}
}
