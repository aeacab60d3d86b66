package session

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Connections come and go in every way, so descriptors and slots are used again
// and again. No answer goes to another connection, and nothing is left.
func TestDescriptorsAreUsedAgain(t *testing.T) {
	p := events(t)
	h := newHost(t, Options{Poller: p})
	var byRef sync.Map
	h.on = func(s *Session, ref string) { byRef.Store(ref, s) }
	const workers, rounds = 8, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range rounds {
				ref := fmt.Sprintf("%d-%d", w, i)
				c := h.connect(ask(ref)...)
				c.answered(ref, 0)
				switch rand.N(5) {
				case 0:
					c.write(frame(finClose, "\x03\xe8"))
				case 1:
					_ = c.nc.(*net.TCPConn).SetLinger(0)
				case 2:
					c.write(ask(ref)[:5])
				case 3:
					s, _ := byRef.Load(ref)
					cut(s.(*Session))
				}
				_ = c.nc.Close()
			}
		})
	}
	wg.Wait()
	until(t, "all ended", func() bool { return len(h.sessions()) == 0 })
	e := p.(*epoll)
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.free) != len(e.slots) || len(e.slots) > rounds*workers/4 {
		t.Fatalf("%d of %d slots are free", len(e.free), len(e.slots))
	}
}
