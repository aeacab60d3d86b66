package drill

import (
	"sync"
	"time"

	"github.com/parley-chat/parley/services/parley/internal/mongotest/wireproxy"
	"github.com/parley-chat/parley/services/parley/internal/verify"
)

// lookAgain is how long after an error that speaks of the server, and not of the command,
// a MongoDB driver may take to look whether the server is there. Until then it sends it
// nothing, so whoever reads waits: minHeartbeatFrequencyMS of the specification "Server
// Discovery and Monitoring", which no driver lets anybody change.
const lookAgain = 500 * time.Millisecond

// away is when faults kept the store from being read: a write that was struck keeps the
// reads of its process waiting, too. A device that has to read before it can be told,
// because it lacks a conversation or an entry before the next, does so in six reads or so,
// one after the other. Where each look finds the server and the next write is struck at
// once, there is time for one of them between two looks, or for none: so a second for
// every two reads, without anybody being late. Which process was struck is not known
// here; it counts for all.
type away struct {
	mu   sync.Mutex
	list []verify.Away // in order; they do not overlap
}

// struck notes a fault that befalls a command now.
func (a *away) struck(f *wireproxy.Fault) {
	if !f.Unsettles() {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.add(time.Now())
}

func (a *away) add(now time.Time) {
	if n := len(a.list); n > 0 && !now.After(a.list[n-1].To) {
		a.list[n-1].To = now.Add(lookAgain)
		return
	}
	a.list = append(a.list, verify.Away{From: now, To: now.Add(lookAgain)})
}

// spans are those times until now.
func (a *away) spans() []verify.Away {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]verify.Away(nil), a.list...)
}
