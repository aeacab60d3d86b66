package session

import (
	"errors"
	"net"
	"os"
	"time"
)

// lull decides whether a connection that could be parked goes on reading instead.
// To park and to wake up cost more than a read that blocks, so one that is woken
// again at once, several times running, lingers for a while.
type lull struct {
	heat   uint8         // how often running it was woken soon after it was parked
	parked time.Duration // when it was parked last
	until  time.Duration // the read deadline of the connection; 0: none
}

const (
	soon      = 50 * time.Millisecond
	hot       = 4
	lingering = 200 * time.Millisecond // at most; at least half of it
)

func (l *lull) woken(now time.Duration) {
	switch {
	case now-l.parked > soon:
		l.heat = 0
	case l.heat < hot:
		l.heat++
	}
}

func (l *lull) lingers() bool { return l.heat >= hot }

// linger is a read that waits. Where nothing has been read of the next frame, it
// ends with errIdle when nothing comes for a while. Its deadline is set about five
// times a second, not once a read.
func (l *link) linger(p []byte) (int, error) {
	clock := l.s.opts.Clock
	begun := clock.now()
	for {
		if l.edge && l.lull.until == 0 {
			l.lull.until = clock.now() + lingering
			if !l.deadline(clock.at(l.lull.until)) {
				return 0, net.ErrClosed
			}
		}
		n, err := l.in.Read(p)
		if n > 0 || l.lull.until == 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
			return n, err
		}
		l.lull.until = 0
		if !l.deadline(time.Time{}) {
			return 0, net.ErrClosed
		}
		if l.edge && clock.now()-begun >= lingering/2 {
			l.lull.heat = 0
			return 0, errIdle
		}
	}
}

// deadline sets the read deadline. False: the connection was closed, and it may
// have overwritten the deadline by which it was told so.
func (l *link) deadline(t time.Time) bool {
	_ = l.Conn.SetReadDeadline(t)
	return !l.closed.Load()
}
