package session

import (
	"context"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
)

// outbound is the queue of step 7. Entries are refused above its soft bounds:
// their stream goes back to syncing and is read from the store again when there is
// room. Everything else is bounded elsewhere (answers by limits.pending, receipts
// by their number); above the hard bounds the session is too slow, and is closed.
type outbound struct {
	frames  [][]byte
	bytes   int
	n       int // frames queued or being written
	writing bool
	since   time.Time // when the write under way began; zero: none
}

func (o *outbound) push(frame []byte) {
	o.frames = append(o.frames, frame)
	o.bytes += len(frame)
	o.n++
}

func (o *outbound) clear() {
	for _, f := range o.frames {
		o.bytes -= len(f)
	}
	o.n -= len(o.frames)
	o.frames = nil
}

func (o *outbound) stuck(now time.Time) time.Duration {
	if o.since.IsZero() {
		return 0
	}
	return now.Sub(o.since)
}

// Deliver implements route.Sink: it queues an entry of a stream.
func (s *Session) Deliver(key chat.Key, seq chat.Seq, frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return true // to nowhere, like everything from now on
	}
	if s.out.n >= s.opts.QueueFrames || s.out.bytes+len(frame) > s.opts.QueueBytes {
		return false
	}
	s.out.push(frame)
	s.startWriterLocked()
	if mutant.Is(mutant.ReadOnWrite) {
		s.took(key, seq)
	}
	return true
}

// Offer implements route.Sink: it queues a frame that belongs to no stream.
func (s *Session) Offer(frame []byte) { s.Answer(frame) }

// Answer queues an answer, or any other frame that must not be left out.
func (s *Session) Answer(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return
	}
	if s.out.n >= s.opts.HardFrames || s.out.bytes+len(frame) > s.opts.HardBytes {
		s.closeLocked(chat.CloseTooSlow, "too slow to keep up")
		return
	}
	s.out.push(frame)
	s.startWriterLocked()
}

func (s *Session) startWriterLocked() {
	if !s.out.writing && !s.dead {
		s.out.writing = true
		s.work.Go(s.write)
	}
}

// write is step 8: it writes what is queued, many frames at a time, and ends when
// nothing is.
func (s *Session) write() {
	for {
		s.mu.Lock()
		batch := s.out.frames
		s.out.frames = nil
		if len(batch) == 0 {
			s.out.writing = false
			s.out.since = time.Time{}
			closing, code, reason := s.closing, s.code, s.reason
			s.mu.Unlock()
			if closing && code != 0 {
				_ = s.conn.Close(websocket.StatusCode(code), reason)
			}
			return
		}
		s.out.since = time.Now()
		s.mu.Unlock()

		size, err := s.writeBatch(batch)

		s.mu.Lock()
		s.out.bytes -= size
		s.out.n -= len(batch)
		s.cond.Broadcast()
		if err != nil && !s.closing {
			s.closing = true // no close frame: there is nobody to read it
			_ = s.nc.Close()
		}
		s.mu.Unlock()
	}
}

func (s *Session) writeBatch(batch [][]byte) (size int, err error) {
	s.nc.cork()
	for _, frame := range batch {
		size += len(frame)
		if err == nil {
			err = s.conn.Write(context.Background(), websocket.MessageText, frame)
		}
	}
	if werr := s.nc.uncork(); err == nil {
		err = werr
	}
	return size, err
}

// credit waits until the queue has room for a page of entries. False: the session
// has ended.
func (s *Session) credit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closing && (s.out.n > s.opts.QueueFrames/2 || s.out.bytes > s.opts.QueueBytes/2) {
		s.cond.Wait()
	}
	return !s.closing
}
