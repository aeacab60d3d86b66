package config

import (
	"errors"
	"flag"

	"github.com/parley-chat/parley/pkg/chat"
)

// Retention is for how long content is kept of conversations for which nobody has
// decided. Gateways take what is older away, and history tells of it: both get the same.
type Retention struct {
	Hours int // default 0: for ever
}

// Register declares --retention.
func (g *Retention) Register(fs *flag.FlagSet) {
	fs.Func("retention", "take content away, for good, that is older than this `time`, whole hours (720h) or days (90d), in conversations\nfor which nobody has decided how long they are kept; none: it is kept for ever", func(s string) error {
		hours, ok := chat.ParseKeep(s)
		if !ok {
			return errors.New("it is no time from 1h to 3650d in whole hours or days, such as 720h or 90d")
		}
		g.Hours = hours
		return nil
	})
}

// Validate has nothing to check.
func (*Retention) Validate() error { return nil }
