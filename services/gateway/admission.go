package gateway

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// admission turns handshakes away that a pod cannot begin in time. Handshakes need
// processor time alone; once more come than a pod can do, all of them wait, longer
// and longer, until they are done only after their clients have hung up and asked
// again: then the pod is busy and serves nobody.
//
// What is looked at is the least time that any of the last moment took from its
// connection on (RFC 8289, CoDel, looks at queues of packets so): one clock for the
// tokens of handshakes, one for welcomes. A slow client or network makes one of them
// slow; if not even the fastest was quick, it is the pod. Then new ones are refused at
// once, before anything is done for them, until those under way are quick again, or
// there are none. Handshakes count whose clients have gone, too: to see nothing
// but them is what being turned over looks like.
//
// A few are let in all the same: where the slow ones are slow by themselves, and come
// while there are no others, one that is quick shows it.
type admission struct {
	bound time.Duration // 0: nobody is turned away

	mu       sync.Mutex
	checked  gate // handshakes whose tokens were looked at
	welcomes gate
	probed   time.Time // when one was let in last that would have been turned away
}

// gate is the least time of a window, and what the window before said.
type gate struct {
	began  time.Time
	least  time.Duration
	any    bool
	closed bool
}

const (
	// windows is how many go into the bound: what is decided by one is felt soon after.
	windows = 2
	// comeBack is how long those who are turned away are told to wait, at random up to
	// that, so that they do not come back together.
	comeBack = 5 * time.Second
	// probeEvery is how often one is let in.
	probeEvery = 300 * time.Millisecond
)

// DefaultAdmission is a good [Options].Admission: a fifth of what clients wait.
const DefaultAdmission = 2 * time.Second

func (a *admission) note(g *gate, took time.Duration, now time.Time) {
	if a.bound <= 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	g.turn(a.bound, now)
	if !g.any || took < g.least {
		g.least, g.any = took, true
	}
}

// turn judges the window that has gone by.
func (g *gate) turn(bound time.Duration, now time.Time) {
	if now.Sub(g.began) < bound/windows {
		return
	}
	g.closed = g.any && g.least > bound
	g.began, g.any = now, false
}

// refuse says whether a handshake that begins now is turned away, and when to come
// back.
func (a *admission) refuse(now time.Time) error {
	if a.bound <= 0 {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.checked.turn(a.bound, now)
	a.welcomes.turn(a.bound, now)
	if !a.checked.closed && !a.welcomes.closed {
		return nil
	}
	if now.Sub(a.probed) >= probeEvery {
		a.probed = now
		return nil
	}
	return &chat.Error{Code: chat.CodeUnavailable, Message: "too many clients connect at this moment; come back, or go to another server",
		RetryAfter: time.Second + rand.N(comeBack-time.Second)}
}
