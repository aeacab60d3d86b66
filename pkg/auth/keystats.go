package auth

import (
	"sync/atomic"
	"time"
)

// KeySetStats is what a [KeySet] counts.
type KeySetStats struct {
	Keys    int       // that are known
	Fetched uint64    // fetches that went well
	Failed  uint64    // fetches that did not
	At      time.Time // of the last one that went well; zero: none has
}

type keySetCounts struct {
	fetched, failed atomic.Uint64
	at              atomic.Int64 // Unix ms
}

func (c *keySetCounts) note(err error) {
	if err != nil {
		c.failed.Add(1)
		return
	}
	c.fetched.Add(1)
	c.at.Store(time.Now().UnixMilli())
}

// Stats returns the present counts. Of nil they are zero.
func (s *KeySet) Stats() KeySetStats {
	if s == nil {
		return KeySetStats{}
	}
	stats := KeySetStats{Keys: s.Len(), Fetched: s.counts.fetched.Load(), Failed: s.counts.failed.Load()}
	if at := s.counts.at.Load(); at != 0 {
		stats.At = time.UnixMilli(at)
	}
	return stats
}
