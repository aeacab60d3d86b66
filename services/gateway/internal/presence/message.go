package presence

import (
	"bytes"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/parley-chat/parley/pkg/chat"
)

const messageVersion = 1

// message is what a pod tells the others. It is JSON: it carries users, of whom
// there are far fewer than messages.
type message struct {
	Presence int             `json:"presence"` // version
	Epoch    string          `json:"epoch"`
	Pod      string          `json:"pod"`
	Up       int64           `json:"up"` // ms since the pod began
	Users    int             `json:"users"`
	Sessions int             `json:"sessions"`
	Bye      bool            `json:"bye,omitzero"` // nobody is here any more
	Ask      []userMessage   `json:"ask,omitempty"`
	Tell     []tellMessage   `json:"tell,omitempty"`
	Typing   []typingMessage `json:"typing,omitempty"`
}

type userMessage struct {
	NS   chat.NS   `json:"n"`
	User chat.User `json:"u"`
}

type tellMessage struct {
	userMessage `json:",inline"`
	On          bool  `json:"on,omitzero"`
	Seen        int64 `json:"t,omitzero"` // Unix ms, of who is not online
}

type typingMessage struct {
	userMessage `json:",inline"`
	Conv        chat.ConvID `json:"c"`
	On          bool        `json:"on,omitzero"`
}

// perMessage bounds the items of one message: with the longest names they are
// well below what the bus takes.
const perMessage = 1500

// outgoing is what waits to be told. It is bounded by the users of this pod, by
// those who are watched here, and by those who type.
type outgoing struct {
	ask  map[User]bool
	tell map[User]time.Time // when the user left, for who is not online any more
	typ  map[typist]bool
	bye  bool
}

func newOutgoing() outgoing {
	return outgoing{ask: make(map[User]bool), tell: make(map[User]time.Time), typ: make(map[typist]bool)}
}

func (o *outgoing) empty() bool { return len(o.ask)+len(o.tell)+len(o.typ) == 0 }

// publishLocked tells the other pods all that waits.
func (t *Tracker) publishLocked(now time.Time) {
	t.sent = now
	for first := true; first || !t.out.empty(); first = false {
		m := message{Presence: messageVersion, Epoch: t.opts.Epoch(), Pod: t.opts.Pod(), Up: now.Sub(t.began).Milliseconds(),
			Users: len(t.local), Sessions: t.sessions, Bye: t.out.bye}
		t.fillLocked(&m)
		data, err := json.Marshal(&m)
		if err == nil {
			err = t.panics.Do(t.opts.Log, "a message of presence", func() error { return t.opts.Publish(data) })
		}
		if err != nil {
			// What nobody has is not kept: when the bus is back, all is told and asked anew.
			t.counts.Lost++
			t.out = newOutgoing()
			return
		}
		t.counts.Asked += uint64(len(m.Ask))
		t.counts.Told += uint64(len(m.Tell))
	}
}

// fillLocked moves what fits from what waits into a message.
func (t *Tracker) fillLocked(m *message) {
	room := perMessage
	for u, left := range t.out.tell {
		if room--; room < 0 {
			return
		}
		item := tellMessage{userMessage: userMessage(u), On: t.local[u] > 0}
		if !item.On && !left.IsZero() {
			item.Seen = left.UnixMilli()
		}
		m.Tell = append(m.Tell, item)
		delete(t.out.tell, u)
	}
	for u := range t.out.ask {
		if room--; room < 0 {
			return
		}
		m.Ask = append(m.Ask, userMessage(u))
		delete(t.out.ask, u)
	}
	for k, on := range t.out.typ {
		if room--; room < 0 {
			return
		}
		m.Typing = append(m.Typing, typingMessage{userMessage{k.key.NS, k.user}, k.key.Conv, on})
		delete(t.out.typ, k)
	}
}

// Is reports whether bytes from the bus are for [Tracker.Heard].
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte(`{"presence":`)) }

// Heard takes what another pod tells; ok is false where it cannot be read, or is
// of another epoch. It does not block.
func (t *Tracker) Heard(data []byte) (ok bool) {
	var m message
	if json.Unmarshal(data, &m) != nil || m.Presence != messageVersion || m.Epoch != t.opts.Epoch() {
		return false
	}
	if m.Pod == t.opts.Pod() || m.Pod == "" {
		return true
	}
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	p := t.peers[m.Pod]
	if p == nil {
		p = &peer{}
		t.peers[m.Pod] = p
		if time.Duration(m.Up)*time.Millisecond > young {
			t.hurry = len(t.order) // it has users that it told of before we listened
		}
	}
	p.heard, p.users, p.sessions = now, max(0, m.Users), max(0, m.Sessions)
	for _, item := range m.Tell {
		t.heardLocked(m.Pod, item, now)
	}
	for _, u := range m.Ask {
		if t.local[User(u)] > 0 {
			t.out.tell[User(u)] = time.Time{}
		}
	}
	if m.Bye {
		t.dropLocked(m.Pod, now)
	}
	for _, item := range m.Typing {
		if item.Conv.Valid() && item.User.Valid() {
			t.typedLocked(Typing{Key: chat.Key{NS: item.NS, Conv: item.Conv}, User: item.User, On: item.On}, now)
		}
	}
	t.wakeUp()
	return true
}

func (t *Tracker) heardLocked(pod string, item tellMessage, now time.Time) {
	s := t.subjects[User(item.userMessage)]
	if s == nil {
		return
	}
	if item.On {
		s.pods[pod] = now
	} else {
		delete(s.pods, pod)
		if item.Seen > 0 {
			s.seen = later(s.seen, time.UnixMilli(item.Seen))
		}
	}
	t.judgeLocked(s, now)
}
