package client

import (
	"cmp"
	"maps"
	"slices"

	"github.com/parley-chat/parley/pkg/chat"
	"github.com/parley-chat/parley/pkg/wire"
)

// maxHeld is how many entries of a conversation wait for a gap to be filled.
// Further ones are dropped: history has them.
const maxHeld = 1024

// cursorBytes is how much of a hello its cursors may take: a hello is a frame like
// others and has the smallest limit that a gateway may set.
const cursorBytes = 48 << 10

// stream is what has come of one conversation.
type stream struct {
	known   bool
	cursor  chat.Seq // everything up to it has come
	handled chat.Seq // everything up to it went through Handler
	touched int      // session that last moved it

	filling bool // history was asked for what follows cursor
	seen    chat.Seq
	held    map[chat.Seq]wire.Entry // above a gap
}

// streams is the cursors of one device.
type streams struct {
	generation int // of the epochs that were seen
	byConv     map[chat.ConvID]*stream
}

func newStreams(cursors map[chat.ConvID]chat.Seq) streams {
	st := streams{byConv: make(map[chat.ConvID]*stream, len(cursors))}
	for conv, seq := range cursors {
		st.byConv[conv] = &stream{known: true, cursor: seq, handled: seq}
	}
	return st
}

func (st *streams) of(conv chat.ConvID) *stream {
	s := st.byConv[conv]
	if s == nil {
		s = &stream{}
		st.byConv[conv] = s
	}
	return s
}

func (st *streams) cursor(conv chat.ConvID) chat.Seq {
	if s := st.byConv[conv]; s != nil {
		return s.cursor
	}
	return 0
}

// all is the positions of what Handler has had.
func (st *streams) all() map[chat.ConvID]chat.Seq {
	m := make(map[chat.ConvID]chat.Seq, len(st.byConv))
	for conv, s := range st.byConv {
		if s.known {
			m[conv] = s.handled
		}
	}
	return m
}

// resume is the cursors for a hello: all of them, or, where a frame does not hold
// as many, those that moved last. For the rest the server's own are nearly as good:
// they may be older, then entries come again and are dropped.
func (st *streams) resume() map[chat.ConvID]chat.Seq {
	const each = 70 // the longest id, the longest seq and punctuation
	known := maps.Clone(st.byConv)
	maps.DeleteFunc(known, func(_ chat.ConvID, s *stream) bool { return !s.known })
	m := make(map[chat.ConvID]chat.Seq, len(known))
	if most := min(chat.MaxCursors, cursorBytes/each); len(known) > most {
		convs := slices.SortedFunc(maps.Keys(known), func(a, b chat.ConvID) int {
			return cmp.Compare(known[b].touched, known[a].touched)
		})
		for _, conv := range convs[:most] {
			m[conv] = known[conv].cursor
		}
		return m
	}
	for conv, s := range known {
		m[conv] = s.cursor
	}
	return m
}

// forget drops all cursors: another epoch.
func (st *streams) forget() {
	st.generation++
	clear(st.byConv)
}

// disconnected ends what was asked on the old connection: the flush of the next
// one begins at cursor+1 anyway.
func (st *streams) disconnected() {
	for _, s := range st.byConv {
		s.filling, s.seen, s.held = false, 0, nil
	}
}

// reset moves a stream to where the server says that it goes on.
func (s *stream) reset(next chat.Seq) {
	*s = stream{touched: s.touched}
	if next > 0 {
		s.known, s.cursor, s.handled = true, next-1, next-1
	}
}

// verdict on an entry that came.
type arrival uint8

const (
	fits      arrival = iota // it is the next one; others that were held may follow
	duplicate                // it was here before
	aheadOf                  // held: a gap is before it
	newGap                   // the same, and the gap was not known: ask history
)

// arrive judges an entry of the socket. Where it fits, the caller hands it out and
// then what unhold gives.
func (s *stream) arrive(e *wire.Entry, session int) arrival {
	if !s.known {
		s.known, s.cursor = true, e.Seq-1
		s.handled = max(s.handled, s.cursor)
	}
	s.touched = session
	switch {
	case e.Seq <= s.cursor:
		return duplicate
	case e.Seq == s.cursor+1:
		s.cursor++
		return fits
	}
	s.seen = max(s.seen, e.Seq)
	if _, again := s.held[e.Seq]; again {
		return duplicate
	}
	if len(s.held) < maxHeld {
		if s.held == nil {
			s.held = map[chat.Seq]wire.Entry{}
		}
		s.held[e.Seq] = *e
	}
	if s.filling {
		return aheadOf
	}
	s.filling = true
	return newGap
}

// unhold takes the held entry that is next now.
func (s *stream) unhold() (e wire.Entry, ok bool) {
	if e, ok = s.held[s.cursor+1]; ok {
		delete(s.held, e.Seq)
		s.cursor++
	}
	return e, ok
}

// gap reports whether something is still missing below what was seen.
func (s *stream) gap() bool { return s.seen > s.cursor }

// fill takes an item of a history page; false: it is not the next one.
func (s *stream) fill(e *wire.Entry) bool {
	if e.Seq != s.cursor+1 {
		return false
	}
	s.cursor++
	delete(s.held, e.Seq)
	return true
}
