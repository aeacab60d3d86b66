package gateway

import (
	"cmp"
	"slices"
	"sync"

	"github.com/parley-chat/parley/pkg/bus"
	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/store"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// Routing is how entries reach the pods whose sessions want them.
type Routing string

// The ways of routing. Pods of either way understand each other; one that takes no
// users' subjects learns of what was sent there with the next heartbeat, and reads
// it.
const (
	// RoutingBroadcast sends every entry to every pod, which passes over what none of
	// its sessions wants.
	RoutingBroadcast Routing = "broadcast"
	// RoutingUsers sends the entries of direct conversations and of small groups to
	// their users' subjects, so that NATS selects. Others are broadcast.
	RoutingUsers Routing = "users"
)

// fewReaders is how many may see an entry that goes to users' subjects. Beyond it
// one envelope to every pod costs less than one to each user.
const fewReaders = 8

// digest collects what went to users' subjects, until a heartbeat tells every pod
// of it. It exists because a pod that is not sent every number cannot know by a
// jump that it lacks one.
type digest struct {
	mu    sync.Mutex
	pod   string // whose numbers these are
	lines route.Digest
	// settled is the journal's settled number as of the last beat. What is below it
	// has its line by the next beat, unless nobody will ever announce it.
	settled uint64
}

// digestFull is where a digest is told before the next beat: memory is bounded, and
// no line is ever left out.
const digestFull = 64 << 10

// add notes the hashes of the users that a number was sent to. It comes after what
// was sent. It returns lines that must be told now.
func (d *digest) add(pod string, number, parts uint64, to []route.Hash) (full route.Digest) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turnLocked(pod)
	d.lines = route.AppendDigest(d.lines, number, parts, to)
	if len(d.lines) >= digestFull {
		full, d.lines = d.lines, nil
	}
	return full
}

// beat takes the lines, and returns the number up to which all have been told now,
// in this beat or an earlier one, or are to be looked at in the journal.
func (d *digest) beat(pod string, settled uint64) (lines route.Digest, last uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turnLocked(pod)
	last, d.settled = max(d.settled, 1)-1, settled
	lines, d.lines = d.lines, nil
	return lines, last
}

// last is that number without taking anything.
func (d *digest) last(pod string) uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.turnLocked(pod)
	return max(d.settled, 1) - 1
}

// turnLocked begins anew where the pod has got a new id: nobody misses lines of
// the old one, whose journal is read to its end.
func (d *digest) turnLocked(pod string) {
	if d.pod != pod {
		d.pod, d.lines, d.settled = pod, nil, 0
	}
}

// audience is whose subjects an entry goes to; nil: to every pod.
func audience(e *chat.Entry) []chat.User {
	if e.Audience == nil && e.Conv.Kind() == chat.Direct {
		return e.Concerns
	}
	return e.Audience
}

// announceUsers is announce for [RoutingUsers]: list is what is to be said of
// entries.
func (g *Gateway) announceUsers(id store.JournalID, entries []chat.Entry, list []route.Announced) {
	var all []route.Announced
	type letter struct {
		to route.Hash
		at int // in list
	}
	var mail []letter
	for i := range list {
		users := audience(&entries[i])
		if len(users) == 0 {
			all = append(all, list[i])
		}
		for _, u := range users {
			mail = append(mail, letter{route.HashUser(entries[i].Key.NS, u), i})
		}
	}
	slices.SortFunc(mail, func(a, b letter) int { return cmp.Or(cmp.Compare(a.to, b.to), a.at-b.at) })
	mail = slices.Compact(mail) // two users with one hash
	o := g.origin()
	numbered := id.Number != 0 && id.Pod == o.Pod
	if numbered {
		o.Number = id.Number
	}
	var buf []byte
	parts := partsOf(all)
	for i, part := range parts {
		if numbered {
			o.Part, o.Parts = uint64(i), uint64(len(parts))+1 // the last one is the digest's line
		}
		buf = g.publish(buf, o, part)
	}
	var to []route.Hash
	var own []route.Announced
	for len(mail) > 0 {
		n := 0
		for own = own[:0]; n < len(mail) && mail[n].to == mail[0].to; n++ {
			own = append(own, list[mail[n].at])
		}
		for _, part := range partsOf(own) {
			buf = g.publish(buf, route.Origin{Epoch: o.Epoch, Pod: o.Pod, Number: o.Number, To: mail[0].to}, part)
			to = append(to, mail[0].to)
		}
		mail = mail[n:]
	}
	if !numbered {
		return
	}
	if full := g.digest.add(o.Pod, o.Number, uint64(len(parts))+1, to); full != nil {
		g.tell(g.origin(), full)
	}
}

// heartbeat tells where this pod's journal stands, and what went to users' subjects
// since the last time. bye: it is the last one, and everything has been told.
func (g *Gateway) heartbeat(bye bool) {
	o := g.origin()
	var lines route.Digest
	if g.opts.Routing == RoutingUsers {
		lines, o.Last = g.digest.beat(o.Pod, o.Settled)
		if bye {
			o.Last = o.Settled - 1
		}
	}
	o.Bye = bye
	g.tell(o, lines)
}

func (g *Gateway) tell(o route.Origin, lines route.Digest) {
	if err := g.opts.Bus.Publish(bus.TopicEntries, route.AppendBeat(nil, o, lines)); err != nil {
		g.log.Debug("could not beat", "error", err)
	}
}

// joinUsers has this pod take the subjects of the users that it will have sessions
// of. A subscription follows its user's first session without being waited for: a
// digest is compared with who is registered, and everybody registers before
// reading the store.
func (g *Gateway) joinUsers() error {
	listen, unsubscribe, err := g.opts.Bus.SubscribeTo(g.contained(bus.TopicUsers, g.onMail))
	if err != nil {
		return err
	}
	g.listen = listen
	g.unsub = append(g.unsub, unsubscribe)
	return nil
}

// onMail takes what another pod sent to a user with sessions here.
func (g *Gateway) onMail(data []byte) { g.hear(&g.mail, data) }

// present is told of users whose first session begins here, or last one ends.
func (g *Gateway) present(k route.UserKey, there bool) {
	if g.listen != nil {
		g.listen(bus.Address(route.HashUser(k.NS, k.User)), there)
	}
}
