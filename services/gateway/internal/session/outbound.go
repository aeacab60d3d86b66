package session

import (
	"encoding/binary"
	"sync"
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/mutant"
)

// outbound is the queue of step 7. Entries are refused above its soft bounds:
// their stream goes back to syncing and is read from the store again when there is
// room. Everything else is bounded elsewhere (answers by limits.pending, receipts
// by their number); above the hard bounds the session is too slow, and is closed.
type outbound struct {
	frames  *[][]byte // queued, without their headers; nil: none
	control []byte    // whole control frames; they go out before frames
	last    []byte    // the close frame; it goes out after everything else
	ended   bool      // the close frame was written, or nothing can be any more
	bytes   int       // of the frames queued or being written
	n       int       // how many they are
	writing bool
	cut     bool          // the frames being written are not to be gone on with
	since   time.Duration // when the write under way began; 0: none
}

// frameLists lends queues their memory, so that an idle session has none.
var frameLists = sync.Pool{New: func() any { l := make([][]byte, 0, 16); return &l }}

func (o *outbound) push(frame []byte) {
	if o.frames == nil {
		o.frames = frameLists.Get().(*[][]byte)
	}
	*o.frames = append(*o.frames, frame)
	o.bytes += len(frame)
	o.n++
}

// clear drops what is queued, and the rest of what is being written.
func (o *outbound) clear() {
	if o.frames != nil {
		clear(*o.frames)
		putFrames(o.frames)
	}
	o.frames, o.control, o.bytes, o.n, o.cut = nil, nil, 0, 0, o.writing
}

// maxList is how long a queue may be to be kept for others.
const maxList = 1024

// putFrames gives a list back; its frames are cleared already.
func putFrames(l *[][]byte) {
	if cap(*l) <= maxList {
		*l = (*l)[:0]
		frameLists.Put(l)
	}
}

// maxControl is how much of answers to pings waits for a client that does not read.
// Beyond it only the latest is kept, as RFC 6455 (5.5.3) has it.
const maxControl = 1 << 10

func (o *outbound) addControl(frame []byte) {
	if len(o.control)+len(frame) > maxControl {
		o.control = o.control[:0]
	}
	o.control = append(o.control, frame...)
}

// Deliver implements route.Sink: it queues an entry of a stream.
func (s *Session) Deliver(key chat.Key, seq chat.Seq, frame []byte) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return true // to nowhere, like everything from now on
	}
	switch {
	case s.out.n >= s.opts.QueueFrames:
		s.opts.Counts.Dropped.Add(DropFrames, 1)
		return false
	case s.out.bytes+len(frame) > s.opts.QueueBytes:
		s.opts.Counts.Dropped.Add(DropBytes, 1)
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

// control queues a control frame of coder/websocket: an answer to a ping, or a
// close frame, which is its last word: nothing that is queued counts any more.
func (s *Session) control(frame []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.out.ended || s.out.last != nil: // nothing follows a close frame
		return
	case frame[0]&0x0f == opClose:
		s.out.clear()
		s.closing, s.closeBy = true, s.opts.Clock.now()+s.opts.CloseWait
		s.out.last = append([]byte(nil), frame...)
		s.wakeLocked()
	default:
		s.out.addControl(frame)
	}
	s.startWriterLocked()
}

func (s *Session) startWriterLocked() {
	if s.out.writing || s.dead {
		return
	}
	s.out.writing = true
	s.out.since = s.opts.Clock.now()
	s.dueLocked(s.opts.SlowAfter)
	s.work.Add(1)
	go s.write()
}

// A write is at most about this large: it says how exactly progress is seen.
const maxWrite = 64 << 10

var writeBuffers = sync.Pool{New: func() any { b := make([]byte, 0, 4<<10); return &b }}

// write is step 8: it writes what is queued, many frames at a time, and ends when
// nothing is. It makes the frames' headers itself; what coder/websocket has to say
// comes by way of the queue, too, so nobody else writes.
func (s *Session) write() {
	defer s.work.Done()
	buf := writeBuffers.Get().(*[]byte)
	defer func() {
		if cap(*buf) <= 2*maxWrite {
			writeBuffers.Put(buf)
		}
	}()
	for {
		b := (*buf)[:0]
		frames, b, more := s.take(b)
		if !more {
			return
		}
		var list [][]byte
		if frames != nil {
			list = *frames
		}
		var sent batchCounts
		ok := true
		for i := 0; ok && (i < len(list) || len(b) > 0); b = b[:0] {
			first, size := i, 0
			for ; i < len(list) && len(b) < maxWrite; i++ {
				b = appendHeader(b, finText, len(list[i]))
				b = append(b, list[i]...)
				size += len(list[i])
				sent.note(s.opts.Counts, list[i])
			}
			sent.flush(s.opts.Counts, size)
			_, err := s.link.Conn.Write(b)
			ok = s.wrote(i-first, size, err)
		}
		*buf = b
		if frames != nil {
			clear(list)
			putFrames(frames)
		}
	}
}

// take takes what is queued: frames, and control frames in front of them, appended
// to b. more is false where nothing is; then the writer has ended.
func (s *Session) take(b []byte) (frames *[][]byte, _ []byte, more bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.cut = false
	frames, s.out.frames = s.out.frames, nil
	b = append(b, s.out.control...)
	s.out.control = nil
	if frames == nil && len(b) == 0 {
		if s.out.last == nil {
			s.out.writing = false
			s.out.since = 0
			return nil, b, false
		}
		b = append(b, s.out.last...)
		s.out.last, s.out.ended = nil, true
		s.closeBy = s.opts.Clock.now() + s.opts.CloseWait
		s.dueLocked(s.opts.CloseWait)
	}
	s.out.since = s.opts.Clock.now()
	return frames, b, true
}

// wrote notes the progress of a write. False: the rest is not to be written.
func (s *Session) wrote(n, size int, err error) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out.since = s.opts.Clock.now()
	if err != nil {
		s.closing = true // there is nobody to read a close frame
		s.out.clear()
		s.out.last, s.out.ended = nil, true
		s.link.interrupt()
	}
	if s.out.cut {
		return false
	}
	s.out.bytes -= size
	s.out.n -= n
	s.wakeLocked()
	return true
}

// credit waits until the queue has room for a page of entries. False: the session
// has ended.
func (s *Session) credit() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.closing && (s.out.n > s.opts.QueueFrames/2 || s.out.bytes > s.opts.QueueBytes/2) {
		s.waitLocked()
	}
	return !s.closing
}

// The first bytes of frames, RFC 6455 (5.2).
const (
	finText  = 0x81
	finPing  = 0x89
	finClose = 0x88
	opClose  = 0x08
)

// ping is a ping without a payload: any sign of life is an answer to it.
var ping = []byte{finPing, 0}

// appendHeader appends the header of a server's frame, which is not masked.
func appendHeader(b []byte, first byte, size int) []byte {
	switch {
	case size <= 125:
		return append(b, first, byte(size))
	case size <= 1<<16-1:
		return binary.BigEndian.AppendUint16(append(b, first, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(b, first, 127), uint64(size))
	}
}

// closeFrame is a close frame. A reason that is too long for it is cut.
func closeFrame(code chat.CloseCode, reason string) []byte {
	reason = reason[:min(len(reason), 123)]
	b := appendHeader(make([]byte, 0, 4+len(reason)), finClose, 2+len(reason))
	return append(binary.BigEndian.AppendUint16(b, uint16(code)), reason...)
}
