package config

import (
	"flag"
	"fmt"
)

// Rebalance is whether pods that were added get sessions from the others.
type Rebalance struct {
	Mode string // "off" or "auto"
}

// Register declares --rebalance.
func (g *Rebalance) Register(fs *flag.FlagSet) {
	fs.StringVar(&g.Mode, "rebalance", or(g.Mode, "off"), "while this pod has clearly more sessions than the others, send a few a second to them\n"+
		"(auto), or only when POST /rebalance on the operations port asks for it (off): `mode`")
}

// Validate checks the mode.
func (g *Rebalance) Validate() error {
	if g.Mode != "off" && g.Mode != "auto" {
		return fmt.Errorf("there is no rebalancing %q: set %s to off or auto", g.Mode, both("rebalance"))
	}
	return nil
}

// Auto reports whether nobody needs to ask.
func (g *Rebalance) Auto() bool { return g.Mode == "auto" }
