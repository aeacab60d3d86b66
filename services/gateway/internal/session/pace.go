package session

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
)

// paceBurst is how many seconds' worth of frames a client may send at once.
const paceBurst = 2 * time.Second

// pace counts a frame against what a client may send, and closes the session of one
// that sends far too much. Each frame costs its share of a second, its bytes theirs,
// and the sum is paid back by time going by (the generic cell rate algorithm of
// ITU-T I.371): one number is all that a session keeps for it. It is called by the
// reader, at a time of the clock.
func (s *Session) pace(now time.Duration, bytes int) {
	var cost time.Duration
	if n := s.opts.FramesPerS; n > 0 {
		cost += time.Second / time.Duration(n)
	}
	if n := s.opts.BytesPerS; n > 0 {
		cost += time.Duration(float64(bytes) / float64(n) * float64(time.Second))
	}
	if cost == 0 {
		return
	}
	s.paid = max(s.paid, now) + cost
	if s.paid-now <= paceBurst || s.Closing() {
		return
	}
	if s.opts.TooFast != nil {
		s.opts.TooFast()
	}
	s.Close(chat.CloseTooManyFrames, "far too many frames; come back in a minute, and slower")
}
