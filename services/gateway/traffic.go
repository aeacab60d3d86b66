package gateway

import (
	"github.com/parley-chat/parley/pkg/tally"
	"github.com/parley-chat/parley/services/gateway/internal/session"
)

// Traffic is what connections count.
type Traffic struct {
	Opened   uint64
	Closed   map[string]uint64 // by the code that they were closed with here
	Received map[string]uint64 // frames by type
	Sent     map[string]uint64 // frames by type
	Bytes    uint64            // of the frames sent
	Dropped  map[string]uint64 // what was not kept in a queue, by reason
}

func trafficOf(c *session.Counts) Traffic {
	return Traffic{Opened: c.Opened.Load(), Closed: c.Closed.Read(), Received: c.Received.Read(), Sent: c.Sent.Read(),
		Bytes: c.Bytes.Load(), Dropped: c.Dropped.Read()}
}

func (t Traffic) add(u Traffic) Traffic {
	return Traffic{Opened: t.Opened + u.Opened, Closed: tally.Sum(t.Closed, u.Closed), Received: tally.Sum(t.Received, u.Received),
		Sent: tally.Sum(t.Sent, u.Sent), Bytes: t.Bytes + u.Bytes, Dropped: tally.Sum(t.Dropped, u.Dropped)}
}
