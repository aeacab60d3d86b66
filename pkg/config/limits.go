package config

import (
	"flag"
	"fmt"

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
