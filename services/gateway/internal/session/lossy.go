package session

// Try queues a frame that may be left out, such as typing, if the queue is less
// than half full of what may not be; false: it was not queued. It does not block.
func (s *Session) Try(frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return true // to nowhere
	}
	if s.out.n >= s.opts.QueueFrames/2 || s.out.bytes+len(frame) > s.opts.QueueBytes/2 {
		return false
	}
	s.out.push(frame)
	s.startWriterLocked()
	return true
}
