package session

import "time"

// Calm reports whether the session is live everywhere and has nothing under way: no
// flush, no request without an answer, no frame in its queue. It is the moment at
// which a reconnect costs a client least.
func (s *Session) Calm() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.flushing && s.jobs == nil && s.pending == 0 && !s.out.writing && s.out.n == 0 && !s.closing && !s.dead
}

// Age is how long ago the session was accepted.
func (s *Session) Age() time.Duration { return s.opts.Clock.now() - s.started }

// countSyncing counts the sessions of a pod that have a syncer.
func (s *Session) countSyncing(n int64) {
	if s.opts.Syncing != nil {
		s.opts.Syncing.Add(n)
	}
}
