package config

import (
	"flag"
	"fmt"
)

// Reader is how a gateway waits for its clients.
type Reader struct {
	Mode string // "event", "goroutine", or "" for the best that the system has
}

// Register declares --reader.
func (g *Reader) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.Mode, "reader", g.Mode, "wait for clients with one poller for all of them (event; Linux) or with a\n"+
		"goroutine for each (goroutine): `mode`; none: event where the system has it")
}

// Validate checks the mode.
func (g *Reader) Validate() error {
	switch g.Mode {
	case "", "event", "goroutine":
		return nil
	}
	return fmt.Errorf("%q is no way to wait for clients: set %s to event or goroutine", g.Mode, both("reader"))
}
