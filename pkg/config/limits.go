package config

import (
	"flag"
	"fmt"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// Sends is how fast one session may send.
type Sends struct {
	PerSecond int // messages; twice that in a burst; default: chat.Limits.SendsPerS
}

// Register declares --sends-per-second.
func (g *Sends) Register(fs *flag.FlagSet) {
	if g.PerSecond == 0 {
		g.PerSecond = chat.Limits{}.WithDefaults().SendsPerS
	}
	fs.IntVar(&g.PerSecond, "sends-per-second", g.PerSecond,
		"take this many `messages` a second from one session, twice that in a burst;\nmore are refused with rate_limited")
}

// Validate demands at least one.
func (g *Sends) Validate() error {
	if g.PerSecond < 1 {
		return fmt.Errorf("%d sends a second let nobody speak: set %s to at least 1", g.PerSecond, both("sends-per-second"))
	}
	return nil
}

// Linger is how long a gateway gathers messages for one write to the store.
type Linger struct {
	Most time.Duration // default 0: it does not wait
}

// Register declares --linger.
func (g *Linger) Register(fs *flag.FlagSet) {
	fs.DurationVar(&g.Most, "linger", g.Most,
		"leave this `time` between two writes to the store while messages come faster than that:\nless processor time for more latency; 1ms is a good value")
}

// Validate wants no more than what nobody notices.
func (g *Linger) Validate() error {
	if g.Most < 0 || g.Most > 100*time.Millisecond {
		return fmt.Errorf("a linger of %v is out of range: set %s to at most 100ms", g.Most, both("linger"))
	}
	return nil
}
