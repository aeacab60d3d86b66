package client

import (
	"net/http"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// action is what a client does when a connection has ended.
type action uint8

const (
	backOff   action = iota // reconnect after a growing, random wait
	soon                    // reconnect after the goaway time, else at once with jitter
	refresh                 // get a token, then reconnect
	giveUpOne               // give up the frame that was too large, reconnect with back-off
	stop                    // do not reconnect
)

// closeVerdict is the table of PROTOCOL §4. A code that it does not name, and a
// connection that ended without one, is a fault like 1011.
func closeVerdict(code chat.CloseCode) action {
	switch code {
	case chat.CloseGoingAway, chat.CloseRestart:
		return soon
	case chat.CloseTooLarge:
		return giveUpOne
	case chat.CloseUnauthorized:
		return refresh
	case chat.CloseProtocol, chat.CloseForbidden, chat.CloseReplaced:
		return stop
	}
	return backOff
}

// upgradeVerdict is the same for an upgrade that was refused with an HTTP status.
func upgradeVerdict(status int) action {
	switch status {
	case http.StatusUnauthorized:
		return refresh
	case http.StatusForbidden:
		return stop
	}
	return backOff
}

// backoff makes exponential waits with full jitter: the n-th is uniform between
// 0 and min·2ⁿ, at most max.
type backoff struct {
	min, max time.Duration
	jitter   func(time.Duration) time.Duration
	n        int
}

func (b *backoff) next() time.Duration {
	limit := b.max
	if d := b.min << b.n; d > 0 && d < b.max && b.n < 32 {
		limit = d
		b.n++
	}
	return b.jitter(limit)
}

func (b *backoff) reset() { b.n = 0 }
