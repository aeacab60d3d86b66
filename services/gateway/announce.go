package gateway

import (
	"context"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/pkg/tracing"
	"github.com/parley-chat/parley/pkg/wire"
	"github.com/parley-chat/parley/services/gateway/internal/failpoint"
	"github.com/parley-chat/parley/services/gateway/internal/presence"
	"github.com/parley-chat/parley/services/gateway/internal/receipt"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// committed is where step 4 hands over to step 5: entries are encoded once, go to
// the sessions of this pod, and onto the bus. A bus that is away costs nobody
// anything here: the entry is stored and journalled.
func (g *Gateway) committed(id store.JournalID, entries []chat.Entry, traces []tracing.Context) {
	failpoint.Hit("before-announce")
	g.stats.entries.Add(uint64(len(entries)))
	ages := handed{h: g.meters.local, now: time.Now()}
	// It costs an eighth of the processor time of a message to tell nobody.
	var announced []route.Announced
	alone := g.repair.Alone()
	if !alone {
		announced = make([]route.Announced, len(entries))
	}
	for i := range entries {
		e := &entries[i]
		var trace tracing.Context
		if i < len(traces) {
			trace = traces[i]
		}
		f := frameOf(e) // by itself: a ring keeps it, and must not keep the others
		if !alone {
			announced[i] = route.Announced{Frame: f, From: e.From, Count: e.Count, MV: e.MV, Time: e.Time, Trace: trace}
		}
		g.deliver(&f, trace)
		ages.add(e.Time)
		if e.Kind == chat.KindRecalled && g.uploads != nil {
			g.uploads.Forget(e.Key, e.Target)
		}
	}
	ages.done()
	if alone {
		return
	}
	spans := g.followAnnouncement(announced)
	if g.opts.Routing == RoutingUsers {
		g.announceUsers(id, entries, announced)
	} else {
		g.announce(id, announced)
	}
	endAll(spans)
}

func frameOf(e *chat.Entry) route.Frame {
	f := route.Frame{Key: e.Key, Seq: e.Seq, Kind: e.Kind, Members: e.Members, Concerns: e.Concerns,
		Closing: e.Change == chat.ChangeClosed, Data: wire.AppendEntry(make([]byte, 0, wire.EntrySize(e)), e)}
	if e.Change == chat.ChangeRemoved || e.Change == chat.ChangeLeft {
		for _, u := range e.Users {
			f.Leaving = append(f.Leaving, u.User)
		}
	}
	return f
}

// envelopeRoom is more than an envelope, or one entry of it, needs beside frames
// and users.
const envelopeRoom = 512

// announce publishes, in as many envelopes as the bus's largest message asks for.
// A flush that stored nothing is announced as well: its number is not missing.
func (g *Gateway) announce(id store.JournalID, list []route.Announced) {
	parts := partsOf(list)
	if len(parts) == 0 && id.Number != 0 {
		parts = [][]route.Announced{nil}
	}
	var buf []byte
	for i, part := range parts {
		o := g.origin()
		if id.Pod == o.Pod {
			o.Number, o.Part, o.Parts = id.Number, uint64(i), uint64(len(parts))
		}
		buf = g.publish(buf, o, part)
	}
}

// partsOf splits what is to be said into envelopes that the bus takes.
func partsOf(list []route.Announced) [][]route.Announced {
	var parts [][]route.Announced
	for len(list) > 0 {
		n, size := 0, envelopeRoom
		for n < len(list) {
			next := envelopeRoom + len(list[n].Data) + 70*(len(list[n].Concerns)+len(list[n].Leaving))
			if n > 0 && size+next > bus.MaxData {
				break
			}
			size += next
			n++
		}
		parts = append(parts, list[:n])
		list = list[n:]
	}
	return parts
}

// publish sends an envelope to a user's subject or to every pod. It writes it into
// buf, which it returns for the next one: the bus copies.
func (g *Gateway) publish(buf []byte, o route.Origin, part []route.Announced) []byte {
	buf = route.AppendEnvelope(buf[:0], o, part)
	var err error
	if o.To != 0 {
		err = g.opts.Bus.PublishTo(bus.Address(o.To), buf)
	} else {
		err = g.opts.Bus.Publish(bus.TopicEntries, buf)
	}
	if err != nil {
		g.stats.unheard.Add(1)
		g.log.Debug("could not announce", "entries", len(part), "error", err)
	} else {
		g.stats.envelopes.Add(1)
	}
	return buf
}

// origin is who announces, and where its journal stands.
func (g *Gateway) origin() route.Origin {
	pod, last, settled := g.journal.Position()
	if g.opts.Routing == RoutingUsers {
		last = g.digest.last(pod)
	}
	return route.Origin{Epoch: *g.epoch.Load(), Pod: pod, Last: last, Settled: settled}
}

// onEntries takes what another pod announced to all. It feeds the tail cache even
// where no session wants the entry.
func (g *Gateway) onEntries(data []byte) { g.hear(&g.entries, data) }

// hear passes over what nobody here wants, without decoding or allocating.
func (g *Gateway) hear(s *route.Scanner, data []byte) {
	if len(data) == 0 {
		return // parley doctor looks whether messages pass
	}
	if err := s.Open(data); err != nil || s.Origin.Epoch != *g.epoch.Load() && !mutant.Is(mutant.ForeignEpoch) {
		g.stats.foreign.Add(1)
		return
	}
	g.stats.received.Add(uint64(s.Len))
	origin := s.Origin
	now := time.Now()
	var run []chat.Entry // entries of one conversation that follow on one another
	traces := s.Traces()
	for i := 0; s.Next(); i++ {
		if !s.Wanted(g.table) {
			continue
		}
		a, err := s.Entry()
		e, ok := entryOf(&a)
		if err != nil || !ok {
			g.stats.foreign.Add(1)
			origin.Number = 0 // not heard: it is read
			continue
		}
		if len(run) > 0 && run[0].Key != e.Key {
			g.commit.Observe(run)
			run = nil
		}
		run = append(run, e)
		f := a.Frame // a ring keeps it, and must not keep the rest
		g.deliver(&f, traces[i])
		delivered(g.meters.heard, now, a.Time)
	}
	g.commit.Observe(run)
	g.repair.Heard(origin, s.Digest) // when its entries have been routed
}

// entryOf makes of an announcement what the tail cache needs: running values, and
// for a members entry what it changed; for what aims at a message, what it does there.
func entryOf(a *route.Announced) (chat.Entry, bool) {
	e := chat.Entry{Key: a.Key, Seq: a.Seq, Kind: a.Kind, From: a.From, Time: a.Time,
		Count: a.Count, MV: a.MV, Members: a.Members}
	if a.Kind == chat.KindMessage {
		return e, true
	}
	var w wire.Entry
	if json.Unmarshal(a.Data, &w) != nil {
		return e, false
	}
	e.Change, e.Users, e.Title = w.Change, w.Users, w.Title
	e.Target, e.Emoji, e.On = w.Target, w.Emoji, w.On != nil && *w.On
	return e, true
}

// readFrames reads what a gap lacks, for all sessions of this pod. What is asked
// for was announced, so it is finished.
func (g *Gateway) readFrames(ctx context.Context, key chat.Key, after, upTo chat.Seq, limit int) ([]route.Frame, error) {
	entries, err := g.opts.Store.Entries(ctx, key, store.Range{After: after, Before: upTo + 1, Limit: limit})
	if err != nil {
		return nil, err
	}
	frames, now := make([]route.Frame, len(entries)), time.Now()
	for i := range entries {
		frames[i] = frameOf(&entries[i])
		delivered(g.meters.read, now, entries[i].Time)
	}
	return frames, nil
}

// told hands out stored positions: to the sessions of this pod, and by the bus to
// those of the others.
func (g *Gateway) told(list []receipt.Position) {
	now := time.Now()
	marks := make([]route.Marks, len(list))
	for i, p := range list {
		marks[i] = route.Marks{Receipt: route.Receipt(p), Time: now}
		g.receipt(marks[i])
	}
	if len(marks) == 0 {
		return
	}
	if err := g.opts.Bus.Publish(bus.TopicSignals, route.AppendMarks(nil, *g.epoch.Load(), marks)); err != nil {
		g.stats.unheard.Add(1)
	}
}

func (g *Gateway) receipt(m route.Marks) {
	g.table.Receipt(m.Receipt, g.opts.Limits.ReceiptMembers, func(r route.Receipt) []byte {
		return wire.Encode(&wire.Receipt{Type: "receipt", Conv: r.Key.Conv, User: r.User,
			Delivered: r.Delivered, Read: r.Read, Time: wire.Time{Time: m.Time}})
	})
}

func (g *Gateway) onSignals(data []byte) {
	if len(data) == 0 {
		return // as in hear
	}
	if presence.Is(data) {
		if !g.presence.Heard(data) {
			g.stats.foreign.Add(1)
		}
		return
	}
	epoch, marks, err := route.ParseMarks(data)
	if err != nil || epoch != *g.epoch.Load() {
		g.stats.foreign.Add(1)
		return
	}
	for _, m := range marks {
		g.receipt(m)
	}
}
