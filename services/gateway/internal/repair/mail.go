package repair

import (
	"slices"
	"time"

	"github.com/parley-chat/parley/pkg/mutant"
	"github.com/parley-chat/parley/services/gateway/internal/route"
)

// A pod that sends entries to users' subjects leaves out most numbers for most
// pods. It tells all of them with its heartbeats, in a digest, which users it sent
// each number to. A number that went to nobody here is as good as heard. One that
// did is compared with what came; what is missing is read in the journal.
//
// Who has a user registers it before it reads the store for it. So a user that is
// not here when a digest is compared will read, later, what the digest speaks of:
// it was stored before.

// mostMail is how many envelopes of a pod are remembered until its digest speaks of
// them; then all of them are forgotten, and read in the journal.
const mostMail = 64 << 10

// mail is what a pod sent to users that this pod has.
type mail struct {
	early map[uint64][]route.Hash // by number: came before the digest spoke of it
	n     int                     // hashes in early
	late  map[uint64]*lateNumber  // by number: the digest spoke of more than came
	since time.Time               // since when something is late
}

// lateNumber is a number that is not complete.
type lateNumber struct {
	parts uint64
	to    []route.Hash // of what has not come; empty: what went to everybody has not
}

// got notes an envelope to a user.
func (p *peer) got(number uint64, to route.Hash) {
	m := &p.mail
	if p.had(number) {
		return
	}
	if l := m.late[number]; l != nil {
		if i := slices.Index(l.to, to); i >= 0 {
			if l.to = slices.Delete(l.to, i, i+1); len(l.to) == 0 {
				delete(m.late, number)
				p.part(number, l.parts)
			}
		}
		return
	}
	if m.n >= mostMail {
		m.early, m.n = nil, 0
	}
	if m.early == nil {
		m.early = make(map[uint64][]route.Hash)
	}
	m.early[number] = append(m.early[number], to)
	m.n++
}

// told compares a line of a digest with what came. The line is a part of its
// number like an envelope, once what it speaks of is here.
func (p *peer) told(l route.Line, here func(route.Hash) bool) {
	if p.had(l.Number) {
		return // read meanwhile
	}
	m := &p.mail
	early := m.early[l.Number]
	m.forget(l.Number)
	var missing []route.Hash
	for to := range l.To {
		switch i := slices.Index(early, to); { // the first one, mostly: they come in this order
		case i == 0:
			early = early[1:]
		case i > 0:
			early = slices.Delete(early, i, i+1)
		case here(to) && !mutant.Is(mutant.IgnoreDigest):
			missing = append(missing, to)
		}
	}
	if len(missing) == 0 {
		p.part(l.Number, l.Parts)
		if p.heard[l.Number] == 0 {
			return
		}
	}
	if m.late == nil {
		m.late = make(map[uint64]*lateNumber)
	}
	if len(m.late) == 0 {
		m.since = time.Now()
	}
	m.late[l.Number] = &lateNumber{parts: l.Parts, to: missing}
}

// forget drops what is known of a number: it is heard, or read.
func (m *mail) forget(number uint64) {
	if early, ok := m.early[number]; ok {
		m.n -= len(early)
		delete(m.early, number)
	}
	delete(m.late, number)
}

// read drops what is below settled: the journal has been read.
func (m *mail) read(settled uint64) {
	for number := range m.late {
		if number < settled {
			delete(m.late, number)
		}
	}
	for number := range m.early {
		if number < settled {
			m.forget(number)
		}
	}
	if len(m.late) > 0 {
		m.since = time.Now() // look again after the grace
	}
}

// lacks reports whether the digest spoke of something that has not come.
func (p *peer) lacks() bool { return len(p.mail.late) > 0 }

// waited reports whether something has been missing for longer than the grace.
func (p *peer) waited(grace time.Duration) bool {
	return !p.jumped.IsZero() && time.Since(p.jumped) >= grace ||
		p.lacks() && time.Since(p.mail.since) >= grace
}
