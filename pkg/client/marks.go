package client

import (
	"time"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// mark is how far the user is in one conversation, and what the server was told.
type mark struct {
	conv                   chat.ConvID
	recv, recvTold         chat.Seq
	read, readTold         chat.Seq
	readSure               chat.Seq // a receipt confirmed it
	recvQueued, readQueued bool
	told                   bool // in marks.told
}

// marks coalesces recv and read: at most one of each waits per conversation.
// Neither has an answer, so what the last connection was told is told again on the
// next one.
type marks struct {
	delay  time.Duration // of recv; negative: none
	byConv map[chat.ConvID]*mark

	recvs []*mark // to tell, from recvAt on
	reads []*mark // to tell now
	at    time.Time
	told  []*mark // told something on this connection
}

func newMarks(delay time.Duration) marks {
	return marks{delay: delay, byConv: map[chat.ConvID]*mark{}}
}

func (m *marks) of(conv chat.ConvID) *mark {
	k := m.byConv[conv]
	if k == nil {
		k = &mark{conv: conv}
		m.byConv[conv] = k
	}
	return k
}

// handled notes that everything up to seq went through Handler, and reports
// whether the writer must look at its timer again.
func (m *marks) handled(conv chat.ConvID, seq chat.Seq, now time.Time) bool {
	if m.delay < 0 {
		return false
	}
	k := m.of(conv)
	k.recv = max(k.recv, seq)
	if k.recvQueued || k.recv <= k.recvTold {
		return false
	}
	k.recvQueued = true
	m.recvs = append(m.recvs, k)
	if len(m.recvs) > 1 {
		return false
	}
	m.at = now.Add(m.delay)
	return true
}

// markRead notes that the user has read up to seq.
func (m *marks) markRead(conv chat.ConvID, seq chat.Seq) {
	k := m.of(conv)
	if seq <= k.read {
		return
	}
	k.read = seq
	m.queueRead(k)
}

func (m *marks) queueRead(k *mark) {
	if !k.readQueued {
		k.readQueued = true
		m.reads = append(m.reads, k)
	}
}

// confirm takes a receipt about ourselves.
func (m *marks) confirm(r *wire.Receipt) {
	if k := m.byConv[r.Conv]; k != nil {
		k.readSure = max(k.readSure, r.Read)
	}
}

// next gives the frame to write now, or when there will be one (zero: never).
func (m *marks) next(now time.Time) (f wire.Frame, at time.Time) {
	for len(m.reads) > 0 {
		k := m.reads[0]
		m.reads = m.reads[1:]
		k.readQueued = false
		if k.read > k.readTold {
			k.readTold = k.read
			m.tell(k)
			seq := k.read
			return &wire.Read{Conv: k.conv, Seq: &seq}, time.Time{}
		}
	}
	if len(m.recvs) > 0 && m.at.After(now) {
		return nil, m.at
	}
	for len(m.recvs) > 0 {
		k := m.recvs[0]
		m.recvs = m.recvs[1:]
		k.recvQueued = false
		if k.recv > k.recvTold {
			k.recvTold = k.recv
			m.tell(k)
			seq := k.recv
			return &wire.Recv{Conv: k.conv, Seq: &seq}, time.Time{}
		}
	}
	return nil, time.Time{}
}

func (m *marks) tell(k *mark) {
	if !k.told {
		k.told = true
		m.told = append(m.told, k)
	}
}

// disconnected queues again what may not have arrived.
func (m *marks) disconnected() {
	told := m.told
	m.told = nil
	for _, k := range told {
		k.told = false
		k.recvTold, k.readTold = 0, k.readSure
		if k.recv > 0 && !k.recvQueued {
			k.recvQueued = true
			m.recvs = append(m.recvs, k)
		}
		if k.read > k.readTold {
			m.queueRead(k)
		}
	}
}

// limit takes back what is above seq: the server has less than we thought.
func (m *marks) limit(conv chat.ConvID, seq chat.Seq) {
	if k := m.byConv[conv]; k != nil {
		k.recv, k.recvTold = min(k.recv, seq), min(k.recvTold, seq)
		k.read, k.readTold, k.readSure = min(k.read, seq), min(k.readTold, seq), min(k.readSure, seq)
	}
}

// forget drops everything: another epoch.
func (m *marks) forget() { *m = newMarks(m.delay) }
